//! Promise: an audit of a server that sends without being asked claims nothing that it did not count.
#![cfg(target_os = "linux")]

use serde_json::Value;

use crate::peer::{echoctl, text};
use crate::schema::{conforms, schema};

/// A server that answers any request with an endless stream, and waits for its client.
const PUSHER: &str = "use IO::Socket::INET; my $l = IO::Socket::INET->new(LocalAddr => '127.0.0.1', \
    LocalPort => $ENV{PORT}, Listen => 9, ReuseAddr => 1) or die; while (my $c = $l->accept) { next if fork; \
    sysread($c, my $request, 65536); my $event = 'x' x 4096; while (syswrite($c, $event)) {} exit }";

#[test]
fn an_endless_answer_is_no_backlog_and_no_echo() {
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    let (record, page) = (file("audit.json"), file("audit.html"));

    let audit = ["audit", "--preset", "sse:/events", "--record", &record, "--report", &page, "--"];
    let audit = echoctl(&[&audit[..], &["perl", "-e", PUSHER]].concat()).output().unwrap();

    assert_eq!(audit.status.code(), Some(0), "{}", text(&audit.stderr));
    let printed = text(&audit.stdout);
    assert!(printed.starts_with("BOUNDED"), "{printed}");
    // What it reads and what it writes have nothing to do with each other, and it goes on writing while it is drained.
    for row in ["written back", "not from kernel queues", "of the echo", "per byte read"] {
        assert!(!printed.contains(row), "{row}: {printed}");
    }
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("The machine") && page.contains(env!("CARGO_PKG_VERSION")));
    let report = text(&echoctl(&["report", &record, "--plain"]).output().unwrap().stdout);
    for drawn in [&page, &report] {
        for claim in ["0 B was inside", "never closed", "intact and in order", "lost 0"] {
            let words = drawn.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(!words.contains(claim), "{claim}: {drawn}");
        }
    }
    let run: Value = serde_json::from_slice(&std::fs::read(&record).unwrap()).unwrap();
    assert_eq!(conforms(&run, &schema("run")), Ok(()));
    assert_eq!(run["samples"][0]["is_echo"], false);
    for drawn in [&page, &report] {
        assert!(drawn.contains("Output pending, and the client's window"), "{drawn}");
    }
    #[cfg(target_os = "linux")]
    assert!(run["samples"][0]["client_window"].as_u64().is_some_and(|window| window > 0));
    for never_counted in ["verified", "lost", "mismatched", "inside_server"] {
        assert_eq!(run["summary"].get(never_counted), None, "{never_counted}");
    }
}
