//! Promise: records conform to the published schemas, and the schemas refuse other objects.

use std::net::SocketAddr;
use std::time::Duration;

use std::collections::BTreeSet;

use echoctl_record::{
    ConnectionCause, ConnectionLogger, ConnectionRow, Ending, Integrity, ListenerFigures, Machine,
    PingSummary, Run, Sample, Stalled, Summary, Verdict, WatchSummary,
};
use serde_json::{Value, json};

use crate::schema::{conforms, schema};

#[test]
fn a_record_conforms_to_its_schema() {
    let machine = Machine {
        system: "linux".to_owned(),
        kernel: Some("6.18".to_owned()),
        architecture: "x86_64".to_owned(),
        processors: 2,
        memory: Some(1 << 34),
        sysctls: [("net.ipv4.tcp_rmem".to_owned(), "1 2 3".to_owned())].into(),
        kernel_buffering: Some(1 << 25),
    };
    let mut run = Run::new("0.1.0", vec!["echoctl".to_owned()], 1, "127.0.0.1:1".to_owned(), machine);
    let bare = as_json(&run);
    run.samples = vec![Sample::default(), full_sample()];
    run.ending = Some(Ending::Flood { summary: full_summary() });

    assert_eq!(conforms(&bare, &schema("run")), Ok(()));
    assert_eq!(conforms(&as_json(&run), &schema("run")), Ok(()));
}

#[test]
fn a_record_of_a_ping_conforms_to_its_schema() {
    let ping = PingSummary {
        target: "10.0.0.2:7007".to_owned(),
        seconds: 1.5,
        rate: Some(100),
        faults: vec!["closed".to_owned()],
        latencies: [(Duration::from_micros(50), 3)].into_iter().collect(),
        ..PingSummary::default()
    };
    let mut logger = ConnectionLogger::default();
    let end = |host, port| SocketAddr::from(([10, 0, 0, host], port));
    logger.add(0.0, end(1, 50_000), end(2, 7007), [Some(5), None, None, None, Some(3), Some(3)]);
    let mut run = Run::new("0.1.0", Vec::new(), 1, ping.target.clone(), Machine::default());
    (run.started_at, run.host) = (Some(1.25), Some("a".to_owned()));
    (run.index, run.of) = (Some(0), Some(2));
    run.connections = Some(logger.finish());
    run.ending = Some(Ending::Ping { ping });

    let value = as_json(&run);

    assert_eq!(conforms(&value, &schema("run")), Ok(()));
    let published = schema("run")["properties"]["ping"]["properties"].as_object().unwrap().len();
    assert_eq!(value["ping"].as_object().unwrap().len(), published);
    assert_eq!(Run::read(value.to_string().as_bytes()).unwrap(), run);
}

#[test]
fn every_field_of_a_connection_and_a_listener_is_published() {
    let watch = &schema("run")["properties"]["watch"]["properties"];
    for (value, published) in [
        (serde_json::to_value(full_row()).unwrap(), &watch["top"]),
        (serde_json::to_value(full_listener()).unwrap(), &watch["listeners"]),
    ] {
        let published = &published["items"];
        assert_eq!(conforms(&value, published), Ok(()));
        let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(names(&value), names(&published["properties"]));
    }
    let causes = ConnectionCause::ALL.map(|cause| Value::from(cause.name()));
    let published = &watch["top"]["items"]["properties"]["cause"]["enum"];
    assert!(causes.iter().all(|cause| published.as_array().unwrap().contains(cause)));
}

#[test]
fn a_record_of_a_watch_conforms_to_its_schema() {
    let seen = WatchSummary {
        server_memory_growth: Some(1),
        max_kernel_memory: Some(2),
        server_exited: Some(3),
        server_suspended: Some(4),
        seconds: 1.5,
        top: vec![full_row()],
        listeners: vec![full_listener()],
        ..WatchSummary::default()
    };
    let mut run = Run::new("0.1.0", Vec::new(), 1, "127.0.0.1:1".to_owned(), Machine::default());
    run.samples = vec![Sample { remote_clients: Some(1), is_echo: Some(false), ..full_sample() }];
    run.ending = Some(Ending::Watch { watch: seen });

    let value = as_json(&run);

    assert_eq!(conforms(&value, &schema("run")), Ok(()));
    let published = schema("run")["properties"]["watch"]["properties"].as_object().unwrap().len();
    assert_eq!(value["watch"].as_object().unwrap().len(), published);
    assert_eq!(Run::read(value.to_string().as_bytes()).unwrap(), run);
}

#[test]
fn every_field_of_a_sample_and_a_summary_is_published() {
    let with = |event: &str, mut value: Value| {
        value["event"] = event.into();
        value
    };
    let sample = with("sample", serde_json::to_value(full_sample()).unwrap());
    let summary = with("summary", serde_json::to_value(full_summary()).unwrap());

    assert_eq!(conforms(&sample, &schema("sample")), Ok(()));
    assert_eq!(conforms(&summary, &schema("summary")), Ok(()));
    for (value, name) in [(sample, "sample"), (summary, "summary")] {
        for field in schema(name)["properties"]
            .as_object()
            .unwrap()
            .keys()
            .filter(|field| !["side", "missed"].contains(&field.as_str()))
        {
            assert!(
                value.get(field).is_some(),
                "{name}.json publishes {field}, and the program has no such field"
            );
        }
    }
}

#[test]
fn the_schemas_refuse_other_objects() {
    let good = json!({"event": "sample", "t": 0.5, "connections": 1, "produced": 3, "consumed": 0});
    assert_eq!(conforms(&good, &schema("sample")), Ok(()));

    for (field, wrong) in [
        ("t", json!(-1.0)),
        ("connections", json!(1.5)),
        ("produced", json!("3")),
        ("event", json!("summary")),
        ("weather", json!("rain")),
        ("server_read", Value::Null),
    ] {
        let mut bad = good.clone();
        bad[field] = wrong;
        assert!(conforms(&bad, &schema("sample")).is_err(), "{bad} conforms");
    }
}

#[test]
fn every_schema_has_a_title_and_names_its_draft() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/schema");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let schema: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert!(schema["$schema"].is_string() && schema["title"].is_string(), "{}", path.display());
    }
}

fn full_sample() -> Sample {
    Sample {
        t: 1.5,
        connections: 1,
        produced: 6,
        server_received: Some(5),
        server_read: Some(4),
        server_written: Some(3),
        client_received: Some(2),
        consumed: 1,
        server_memory: Some(7),
        kernel_memory: Some(8),
        window: Some(0),
        client_window: Some(9),
        skew: Some(0),
        ..Sample::default()
    }
}

fn full_row() -> ConnectionRow {
    ConnectionRow {
        client: "127.0.0.1:9".to_owned(),
        server: "127.0.0.1:80".parse().ok(),
        client_process: Some("curl (pid 7)".to_owned()),
        server_process: Some("nginx (pid 8)".to_owned()),
        state: "ESTABLISHED".to_owned(),
        cause: ConnectionCause::ClientDoesNotRead,
        cause_seconds: Some(42.0),
        received: Some(1),
        written: Some(2),
        receive_rate: Some(0.5),
        send_rate: Some(0.0),
        server_read_rate: Some(0.5),
        client_read_rate: Some(0.0),
        client_send: Some(3),
        server_receive: 4,
        server_send: 5,
        client_receive: Some(6),
        client_window: Some(0),
        window: Some(7),
        window_zero_seconds: Some(1.5),
        kernel_memory: Some(8),
        waits_for: Some(Stalled::Client),
        outbound: true,
        is_suspended: true,
    }
}

fn full_listener() -> ListenerFigures {
    ListenerFigures {
        listen: "0.0.0.0:80".to_owned(),
        process: Some("nginx (pid 8)".to_owned()),
        connections: 3,
        accept_queue: Some(1),
        accept_queue_limit: Some(128),
        syns_waiting: Some(2),
        connecting: Some(4),
    }
}

fn full_summary() -> Summary {
    let mut summary = Summary::new("127.0.0.1:1".to_owned());
    summary.integrity = Some(Integrity::default());
    summary.server_pid = Some(1);
    summary.server_memory_growth = Some(2);
    summary.inside_server = Some(3);
    summary.verdict = Some(Verdict::Bounded);
    summary.reason = Some("it stopped reading".to_owned());
    summary.findings = vec![Verdict::Spills];
    summary
}

fn as_json(run: &Run) -> Value {
    let mut bytes = Vec::new();
    run.write(&mut bytes).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}
