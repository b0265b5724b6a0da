//! The pages of a flood, an audit and a watch: each shows what was measured, nothing that was not, and no markup from a recording.

use echoctl_record::{Ending, Integrity, Machine, Run, Sample, Summary, Verdict, WatchSummary};
use echoctl_report::{compare_page, csv, run_page, tables};

/// A run of two seconds in which the client did not read and the server took everything.
fn run(target: &str) -> Run {
    let mut run = Run::new("0.1.0", vec!["echoctl".to_owned()], 0, target.to_owned(), Machine::default());
    run.samples = (0..=40u32)
        .map(|step| Sample {
            t: f64::from(step) / 20.0,
            connections: 1,
            produced: u64::from(step) << 20,
            server_received: Some(u64::from(step) << 20),
            server_read: Some(u64::from(step) << 20),
            server_written: Some(64 << 10),
            client_received: Some(64 << 10),
            server_memory: Some(u64::from(step + 1) << 20),
            ..Sample::default()
        })
        .collect();
    run
}

fn summary(target: &str) -> Summary {
    Summary {
        seconds: 2.0,
        connections: 1,
        produced: 40 << 20,
        server_memory_growth: Some(40 << 20),
        inside_server: Some(40 << 20),
        verdict: Some(Verdict::Unbounded),
        reason: Some("the server took 40 MiB without a pause".to_owned()),
        ..Summary::new(target.to_owned())
    }
}

/// The text of a page, without its tags and styles.
fn text(page: &str) -> String {
    let body = page.split("<body").nth(1).unwrap_or_default();
    body.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text).collect()
}

#[test]
fn the_page_of_an_audit_has_no_figure_that_was_not_counted() {
    let mut run = run("127.0.0.1:7");
    run.ending = Some(Ending::Flood { summary: summary("127.0.0.1:7") });

    let page = text(&run_page(&run).to_string());

    for measured in ["Verdict: unbounded. The server took 40 MiB", "inside the server", "40 MiB"] {
        assert!(page.contains(measured), "{measured}: {page}");
    }
    for uncounted in ["rames lost", "duplicated", "intact", "not counted", "not blocked"] {
        assert!(!page.contains(uncounted), "{uncounted}: {page}");
    }
}

#[test]
fn the_page_of_a_flood_has_its_faults() {
    let mut run = run("127.0.0.1:7");
    let integrity = Integrity { verified: 1 << 20, lost: 3, ..Integrity::default() };
    run.ending = Some(Ending::Flood {
        summary: Summary { consumed: 2 << 20, integrity: Some(integrity), ..summary("127.0.0.1:7") },
    });

    let page = text(&run_page(&run).to_string());

    for counted in ["Frames lost: 3, duplicated: 0", "intact and in order", "not blocked"] {
        assert!(page.contains(counted), "{counted}: {page}");
    }
}

#[test]
fn the_page_of_a_watch_has_no_figure_of_our_own_client() {
    let mut run = run("127.0.0.1:7");
    run.samples.iter_mut().for_each(|sample| sample.is_echo = Some(false));
    run.ending = Some(Ending::Watch {
        watch: WatchSummary {
            seconds: 2.0,
            connections_seen: 1,
            max_connections: 1,
            ..WatchSummary::default()
        },
    });

    let page = text(&run_page(&run).to_string());

    for seen in ["Watched for 2.0 s without sending anything: 1 connection,", "cannot be computed"] {
        assert!(page.contains(seen), "{seen}: {page}");
    }
    for absent in
        ["inside the server while", "written by the client and", "Verdict", "frames", "does not read"]
    {
        assert!(!page.contains(absent), "{absent}: {page}");
    }
}

#[test]
fn names_from_a_recording_are_never_markup() {
    let hostile = "</title><script>alert(\"1\")</script>&<img src=x onerror=1>\u{1b}[2J";
    let mut run = run(hostile);
    run.command = vec![hostile.to_owned()];
    run.version = hostile.to_owned();
    run.machine.system = hostile.to_owned();
    run.machine.sysctls = [(hostile.to_owned(), hostile.to_owned())].into();
    run.ending =
        Some(Ending::Flood { summary: Summary { reason: Some(hostile.to_owned()), ..summary(hostile) } });

    let pages = [run_page(&run).to_string(), compare_page((hostile, &run), (hostile, &run)).to_string()];
    for page in pages {
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains('\u{1b}'), "{page}");
        assert!(page.contains("&lt;script&gt;"), "{page}");
    }
    let table = tables::ending(&run).map(|table| table.to_text()).unwrap_or_default();
    assert!(!table.contains('\u{1b}') && table.contains("<script>"), "a terminal shows it as text: {table}");
    assert!(!csv::samples(&run.samples).contains("script"));
}
