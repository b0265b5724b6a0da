//! Promise: a map is drawn within its width, in ASCII where wanted, and no name becomes markup or a control character.
#![cfg(test)]

use echoctl_record::{
    Begins, EdgeFlow, Fill, NodeKind, Pressure, PressureHop, PressureRole, ProcessEdge, ProcessMap,
    ProcessNode,
};
use echoctl_report::{MapMarks, map_page, map_text};

/// A node whose name needs an escape everywhere.
fn node(name: &str, pid: u32) -> ProcessNode {
    ProcessNode {
        name: name.to_owned(),
        pids: vec![pid],
        memory: Some(8 << 20),
        memory_growth: Some(19e6),
        ..ProcessNode::default()
    }
}

fn edge(from: usize, to: usize, to_client: EdgeFlow) -> ProcessEdge {
    ProcessEdge {
        from,
        to,
        connections: 3,
        address: format!("127.0.0.1:{}", 8000 + to),
        to_client,
        ..ProcessEdge::default()
    }
}

fn full(queued: u64) -> EdgeFlow {
    EdgeFlow {
        send_queue: Some(queued),
        receive_queue: Some(0),
        fill: Fill::Full,
        full: 1,
        held_back: 1,
        stalled_seconds: Some(12.0),
        rate: Some(0.0),
        ..EdgeFlow::default()
    }
}

fn flows() -> EdgeFlow {
    EdgeFlow { send_queue: Some(0), receive_queue: Some(0), rate: Some(19e6), ..EdgeFlow::default() }
}

fn hop(process: usize, waits_for: usize, role: PressureRole) -> PressureHop {
    PressureHop { process, waits_for, role, held_back: 1, connections: 3 }
}

/// curl does not read from nginx, whose two upstreams are held back; one of them absorbs.
fn world() -> (ProcessMap, Vec<Pressure>) {
    let names = ["curl", "nginx", "a-program-with-a-rather-long-name", "</svg><script>\u{1b}[2J", "database"];
    let processes: Vec<ProcessNode> = names.iter().zip(1..).map(|(name, pid)| node(name, pid)).collect();
    let edges = vec![
        edge(0, 1, full(4 << 20)),
        edge(1, 2, full(2 << 20)),
        edge(1, 3, full(1 << 20)),
        edge(3, 4, flows()),
        edge(4, 4, flows()),
    ];
    let absorbs = PressureRole::Absorbs { growth: 19e6 };
    let hops = vec![hop(1, 0, PressureRole::PassesOn), hop(2, 1, PressureRole::Waits), hop(3, 1, absorbs)];
    let pressure =
        Pressure { begins: Begins::DoesNotRead, readers: vec![0], rate: None, seconds: Some(12.0), hops };
    (ProcessMap { t: 12.0, processes, edges, idle: 2 }, vec![pressure])
}

#[test]
fn a_chain_begins_at_the_reader_and_divides() {
    let (map, pressures) = world();

    let text = map_text(&map, &pressures, MapMarks::Unicode, (80, 40));

    let expected = "  curl (1)                          8 MiB   +18 MiB/s does not read
   ▲ ██████████████████ full        4 MiB       0 B/s 1 of 3 127.0.0.1:8001
  nginx (2)                         8 MiB   +18 MiB/s passes pressure on
     ▲ █████████          full      2 MiB       0 B/s 1 of 3 127.0.0.1:8002
    a-program-with-a-rather-lon…    8 MiB   +18 MiB/s waits
";
    assert!(text.starts_with(expected), "{text}");
    let indented = text.lines().filter(|line| line.starts_with("    ")).count();
    assert_eq!(indented, 2 * 2 + 2, "two branches, one with its input:\n{text}");
    assert!(
        text.contains("ABSORBS") && text.ends_with("  and 2 idle processes, connected with none of these\n")
    );
    assert_eq!(
        text.matches("database (5)").count(),
        3,
        "as an input, and with a connection to itself:\n{text}"
    );
}

#[test]
fn every_line_fits_the_terminal() {
    let (map, pressures) = world();

    for columns in [60, 72, 80, 120, 300] {
        for rows in [6, 12, 40] {
            let text = map_text(&map, &pressures, MapMarks::Unicode, (columns, rows));

            let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(widest < columns, "{widest} of {columns}:\n{text}");
            assert!(text.lines().count() <= rows, "{rows} rows:\n{text}");
        }
    }
}

#[test]
fn a_plain_map_is_ascii() {
    let (map, pressures) = world();
    let mut map = map;
    map.processes[3].name = "api".to_owned();

    for columns in [60, 80] {
        assert!(map_text(&map, &pressures, MapMarks::Ascii, (columns, 40)).is_ascii());
    }
}

#[test]
fn the_page_has_both_drawings_and_escapes_every_name() {
    let (map, pressures) = world();

    let page = map_page(&map, &pressures).to_string();

    assert!(
        page.contains("curl (1) does not read (12.0 s); nginx (2) on 1 of 3 connections passes pressure on")
    );
    assert_eq!(page.matches("<svg").count(), 2);
    assert_eq!(page.matches("class=\"node absorbs\"").count(), 2);
    assert_eq!(page.matches("class=\"hop orange held\"").count(), 6);
    assert!(page.contains("Not listed: 2 idle processes, connected with none of these."));
    for hostile in ["<script", "\u{1b}"] {
        assert!(!page.contains(hostile));
    }
    assert!(page.contains("&lt;/svg&gt;&lt;script&gt;"));
    for reference in ["src=", "href=", "url(http"] {
        assert!(!page.contains(reference));
    }
}

#[test]
fn a_map_of_thousands_of_hosts_is_drawn_in_part_and_listed() {
    let mut map = ProcessMap { processes: vec![node("server", 1)], ..ProcessMap::default() };
    for host in 0..2000 {
        let remote =
            ProcessNode { kind: NodeKind::Remote, name: format!("host{host}"), ..ProcessNode::default() };
        map.processes.push(remote);
        map.edges.push(edge(host + 1, 0, full(1000)));
    }

    let page = map_page(&map, &[]).to_string();
    let text = map_text(&map, &[], MapMarks::Unicode, (80, 20));

    assert!(page.matches("<rect class=\"node").count() < 100);
    assert!(page.contains("host1999"));
    assert!(text.contains("and 19") && text.lines().count() <= 20, "{text}");
}

#[test]
fn an_empty_map_is_drawn() {
    let map = ProcessMap::default();

    assert_eq!(map_text(&map, &[], MapMarks::Unicode, (80, 24)), "");
    assert!(map_page(&map, &[]).to_string().contains("No process is held back."));
}
