//! Tests of what a part of a map contains.

use super::*;

fn map(edges: &[(usize, usize, Fill)]) -> ProcessMap {
    let most = edges.iter().map(|edge| edge.0.max(edge.1)).max().unwrap_or(0);
    let node = |pid: u32| ProcessNode { name: format!("p{pid}"), pids: vec![pid], ..ProcessNode::default() };
    let edge = |&(from, to, fill): &(usize, usize, Fill)| ProcessEdge {
        from,
        to,
        to_client: EdgeFlow { fill, ..EdgeFlow::default() },
        ..ProcessEdge::default()
    };
    ProcessMap {
        processes: (0..=most as u32).map(node).collect(),
        edges: edges.iter().map(edge).collect(),
        ..ProcessMap::default()
    }
}

fn names(map: &ProcessMap) -> Vec<&str> {
    map.processes.iter().map(|node| node.name.as_str()).collect()
}

#[test]
fn the_part_around_a_process_has_all_that_it_is_connected_with() {
    let map = map(&[(0, 1, Fill::Empty), (1, 2, Fill::Full), (3, 4, Fill::Full)]);

    let part = map.around(&[2]);

    assert_eq!(names(&part), ["p0", "p1", "p2"]);
    assert_eq!(part.edges.len(), 2);
    assert_eq!(names(&map.around(&[4])), ["p3", "p4"]);
    let edge = &map.around(&[4]).edges[0];
    assert_eq!((edge.from, edge.to), (0, 1));
    assert_eq!(names(&map.around(&[77])), [""; 0]);
}

#[test]
fn another_host_does_not_connect_its_peers() {
    let mut map = map(&[(0, 1, Fill::Full), (2, 1, Fill::Full)]);
    map.processes[1].kind = NodeKind::Remote;

    assert_eq!(names(&map.around(&[0])), ["p0", "p1"]);
}

#[test]
fn idle_processes_are_counted_unless_a_neighbour_is_busy() {
    let map = map(&[(0, 1, Fill::Empty), (1, 2, Fill::Partial), (3, 4, Fill::Empty)]);

    let part = map.without_idle();

    assert_eq!(names(&part), ["p0", "p1", "p2"]);
    assert_eq!((part.edges.len(), part.idle), (2, 2));
}

#[test]
fn a_node_is_printed_with_its_pids_or_what_is_known() {
    let node = |kind, name: &str, pids: &[u32]| {
        let node = ProcessNode { kind, name: name.to_owned(), pids: pids.to_vec(), ..ProcessNode::default() };
        node.to_string()
    };

    assert_eq!(node(NodeKind::Process, "nginx", &[80]), "nginx (80)");
    assert_eq!(node(NodeKind::Process, "nginx", &[80, 81, 82]), "nginx (80 and 2 more)");
    assert_eq!(node(NodeKind::Remote, "192.0.2.7", &[]), "192.0.2.7");
    assert_eq!(node(NodeKind::OtherUser, "www-data", &[]), "a process of user www-data");
    assert_eq!(node(NodeKind::Hidden, "127.0.0.1", &[]), "127.0.0.1 (not visible here)");
    assert_eq!(node(NodeKind::Process, "a\u{1b}[2J", &[1]), "a␛[2J (1)");
}
