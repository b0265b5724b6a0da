//! Recordings and JSON lines of schema version 1 are still read, and give the runs that version 2 gives.
#![cfg(test)]

use echoctl_record::{Ending, Run, SCHEMA_VERSION};

/// What a flood, a watch and an audit of version 1 wrote with `--record`; nothing in these files was renamed.
const RECORDS: [(&str, &str); 3] = [
    ("flood", include_str!("v1/flood.json")),
    ("watch", include_str!("v1/watch.json")),
    ("audit", include_str!("v1/audit.json")),
];

/// What `flood --json` and `demo --json` of version 1 printed.
const FLOOD_LINES: &str = include_str!("v1/flood.jsonl");
const DEMO_LINES: &str = include_str!("v1/demo.jsonl");

/// The keys of version 1 and what they are called since.
const RENAMED: [(&str, &str); 19] = [
    ("s_received", "server_received"),
    ("s_read", "server_read"),
    ("s_written", "server_written"),
    ("c_received", "client_received"),
    ("far_clients", "remote_clients"),
    ("slack", "kernel_buffering"),
    ("began", "started"),
    ("watched", "watch"),
    ("most_connections", "max_connections"),
    ("most_held", "max_queued"),
    ("most_kernel_memory", "max_kernel_memory"),
    ("server_ended", "server_exited"),
    ("patience", "max_duration"),
    ("ending", "disconnect"),
    ("how", "kind"),
    ("read_out", "drain"),
    ("said", "first_text"),
    ("processor", "cpu_seconds"),
    ("disk", "disk_written"),
];

/// The same file as version 2 would have written it.
fn renamed(text: &str) -> String {
    let renamed = RENAMED.iter().fold(text.to_owned(), |text, (old, new)| {
        text.replace(&format!("\"{old}\":"), &format!("\"{new}\":"))
    });
    renamed.replace("\"schema_version\":1", &format!("\"schema_version\":{SCHEMA_VERSION}"))
}

fn read(text: &str) -> Run {
    Run::read(text.as_bytes()).unwrap()
}

fn written(run: &Run) -> String {
    let mut bytes = Vec::new();
    run.write(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn records_of_version_1_are_read_as_those_of_version_2() {
    for (name, text) in RECORDS {
        let (old, new) = (read(text), renamed(text));

        assert_ne!(new, text, "{name}");
        assert_eq!(old.samples, read(&new).samples, "{name}");
        assert_eq!((&old.machine, old.evidence()), (&read(&new).machine, read(&new).evidence()), "{name}");
        assert!(old.samples.len() > 3 && old.samples.iter().any(|sample| sample.server_read > Some(1 << 20)));
    }
}

#[test]
fn what_version_1_recorded_is_complete() {
    let [flood, watch, audit] = RECORDS.map(|(_, text)| read(text));

    let summary = flood.summary().unwrap();
    assert_eq!((summary.consumed, summary.integrity.unwrap().lost), (0, 0));
    assert!(flood.machine.kernel_buffering > Some(1 << 20) && flood.started > 0);
    let Some(Ending::Watch { watch }) = watch.ending else { panic!("it was a watch") };
    assert!(watch.max_queued > 1 << 20 && watch.max_kernel_memory > Some(1 << 20));
    assert_eq!(watch.max_connections, 1);
    let evidence = audit.evidence().unwrap();
    assert!(evidence.max_duration > 1.0 && evidence.drain.as_ref().unwrap().bytes > 1 << 20);
    // Version 1 wrote zeros for what an audit does not count.
    assert_eq!(audit.summary().unwrap().integrity, None);
}

#[test]
fn a_record_of_version_1_is_written_as_version_2() {
    for (name, text) in RECORDS {
        let run = read(text);

        let new = written(&run);

        assert!(new.contains(&format!("\"schema_version\":{SCHEMA_VERSION},")), "{name}");
        for (old, _) in RENAMED {
            assert!(!new.contains(&format!("\"{old}\":")), "{name}: {old}");
        }
        assert_eq!(read(&new), run, "{name}");
    }
}

#[test]
fn lines_of_version_1_are_a_run() {
    let run = read(FLOOD_LINES);

    assert!(run.samples.len() > 3 && run.samples.iter().any(|sample| sample.server_written > Some(0)));
    assert!(run.summary().is_some_and(|summary| summary.produced > 1 << 20 && summary.integrity.is_some()));
}

#[test]
fn each_side_of_a_demo_of_version_1_is_a_run() {
    assert!(Run::read(DEMO_LINES.as_bytes()).unwrap_err().to_string().contains("both sides"));

    for side in ["off", "on"] {
        let mark = format!("\"side\":\"{side}\",");
        let lines = DEMO_LINES.lines().filter(|line| line.contains(&mark));
        let lines: Vec<String> = lines.map(|line| line.replace(&mark, "")).collect();

        let run = read(&lines.join("\n"));

        assert_eq!(run.samples.len(), lines.len());
        assert!(run.samples.iter().any(|sample| sample.client_received > Some(1 << 20)), "{side}");
    }
}
