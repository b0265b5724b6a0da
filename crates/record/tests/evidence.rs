//! Evidence is read as it was written, with and without what only some audits collect.
#![cfg(test)]

use echoctl_record::{
    Background, Bystanders, Census, Control, Disconnect, DisconnectKind, Drain, EchoFault, Evidence,
    GrownProcess, Growth, Marked, Point, Responses, Service, StallKind,
};

#[test]
fn evidence_is_read_as_it_was_written() {
    let text = serde_json::to_string(&full_evidence()).unwrap();

    assert_eq!(serde_json::from_str::<Evidence>(&text).unwrap(), full_evidence());
}

#[test]
fn evidence_that_was_not_collected_is_not_written() {
    let value = serde_json::to_value(Evidence::default()).unwrap();

    for name in [
        "min_duration",
        "has_publisher",
        "was_running",
        "census",
        "bystanders",
        "control",
        "grown_process",
        "open_file_growth",
        "shared_memory_growth",
        "background",
        "out_of_memory",
        "is_suspended",
        "is_flood",
        "stall",
        "reads_until",
        "responses",
        "closing",
        "violation",
    ] {
        assert_eq!(value.get(name), None, "{name}");
        assert!(serde_json::to_value(full_evidence()).unwrap().get(name).is_some(), "{name}");
    }
    assert_eq!(serde_json::from_value::<Evidence>(value).unwrap(), Evidence::default());
}

/// Evidence with everything that an audit can collect besides samples.
fn full_evidence() -> Evidence {
    let served = Service {
        replies: 70,
        p99: Some(0.25),
        longest: 0.5,
        during: Some(true),
        after: Some(false),
        began: false,
        refused: false,
    };
    Evidence {
        min_duration: 10.0,
        points: vec![Point { output_credit: Some(0), after_drain: true, ..Point::default() }],
        disconnect: Some(Disconnect { t: 3.5, kind: DisconnectKind::StreamsReset }),
        has_publisher: true,
        was_running: true,
        census: Some(Census {
            marked: Marked::Output,
            bytes: 92,
            before: 4,
            scanned: 1000,
            is_complete: true,
            seconds: 0.25,
        }),
        bystanders: Some(Bystanders {
            calm: 0.25,
            serves_several: true,
            limit: 5.0,
            active: Some(served),
            idle: Some(Service { p99: None, during: None, refused: true, ..served }),
            newcomer: Some(Service { began: true, ..served }),
            subscriber: Some(served),
        }),
        control: Some(Control {
            sent: 64,
            received: 32,
            seconds: 1.5,
            disconnected_at: Some(1.5),
            refuses_first_bytes: Some(true),
            first_text: Some("-ERR".to_owned()),
        }),
        drain: Some(Drain {
            fault: Some(EchoFault::Repeated),
            damaged_at: Some(64),
            server_read: Some(128),
            server_written: Some(96),
            ..Drain::default()
        }),
        background: Some(Background {
            before: Growth { seconds: 0.5, memory: 5, disk: 6 },
            after: Growth { seconds: 1.5, memory: 7, disk: 8 },
        }),
        grown_process: Some(GrownProcess { name: "node".to_owned(), pid: 7, bytes: 300, processes: 3 }),
        open_file_growth: Some(1),
        shared_memory_growth: Some(2),
        out_of_memory: Some("MemoryError".to_owned()),
        is_suspended: true,
        is_flood: true,
        stall: Some(StallKind::WindowStream),
        reads_until: 1.25,
        responses: Some(Responses { requests: 10, answered: 9, status: Some(200) }),
        closing: Some("GOAWAY ENHANCE_YOUR_CALM".to_owned()),
        violation: Some("a frame of 2 MiB".to_owned()),
        ..Evidence::default()
    }
}
