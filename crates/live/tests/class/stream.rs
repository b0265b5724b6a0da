//! The event stream: what a viewer gets, and what one that does not read misses.

use echoctl_record::{ClassPoint, ClassRow, ClassState, Question};
use serde_json::{Value, json};

use crate::room::Room;

fn state(t: f64) -> ClassState {
    ClassState { point: ClassPoint { t, ..ClassPoint::default() }, ..ClassState::default() }
}

#[test]
fn a_viewer_that_joins_gets_the_past_and_then_the_present() {
    let room = Room::new();
    let mut first = room.viewer("");
    let (hello, voter) = first.hello();
    assert_eq!(hello["setup"], json!({ "join": ["192.0.2.1:7007"] }));
    assert!(!voter.is_empty() && !hello.to_string().contains(&room.token));
    for t in [1.0, 2.0] {
        let point = ClassPoint { t, memory: Some(7), ..ClassPoint::default() };
        room.show(ClassState { point, ..state(t) });
        first.state(|state| state["t"] == t);
    }

    let mut late = room.viewer("");
    late.hello();
    let (name, history) = late.next();
    assert_eq!(name, "history");
    let times: Vec<_> =
        history["points"].as_array().unwrap().iter().map(|point| point["t"].clone()).collect();
    assert_eq!(times, [json!(0.0), json!(1.0), json!(2.0)]);
    assert_eq!(history["points"][2]["memory"], 7);
    assert_eq!(late.next().1["t"], 2.0, "at once, without a new one");
}

#[test]
fn the_question_of_a_replay_is_shown_until_another_is_asked() {
    let room = Room::new();
    let recorded = Question { id: 7, text: "recorded?".to_owned(), ..Question::default() };
    room.show(ClassState { question: Some(recorded), ..state(1.0) });
    let mut viewer = room.viewer("");

    viewer.state(|state| state["question"]["text"] == "recorded?");
    room.command(r#"{"command":"ask","text":"asked?","choices":["a","b"]}"#);
    viewer.state(|state| state["question"]["text"] == "asked?");
    room.command(r#"{"command":"dismiss"}"#);
    viewer.state(|state| state["question"]["text"] == "recorded?");
}

#[test]
fn hostile_names_arrive_as_short_text() {
    let room = Room::new();
    let names = [
        "<script>alert(1)</script>",
        "\u{202e}live",
        "a\u{0}b\nevent: state\ndata: {}\n\n",
        "🙂é",
        "  ",
        "\u{1b}]0;x\u{7}",
    ];
    let rows = names.map(|name| ClassRow { name: Some(name.to_owned()), ..ClassRow::default() });
    let long = ClassRow { name: Some("n".repeat(1 << 20)), ..ClassRow::default() };
    room.show(ClassState { rows: rows.into_iter().chain([long]).collect(), ..state(1.0) });

    let shown = room.viewer("").state(|state| state["t"] == 1.0);

    let shown: Vec<_> = shown["rows"].as_array().unwrap().iter().map(|row| row["name"].clone()).collect();
    assert_eq!(
        shown,
        [
            json!("<script>alert(1)</script>"),
            json!("\u{fffd}live"),
            json!("a␀b␊event: state␊data: {}"),
            json!("🙂é"),
            Value::Null,
            json!("␛]0;x␇"),
            json!("n".repeat(40)),
        ]
    );
}

#[test]
fn a_viewer_that_does_not_read_skips_to_the_latest_state() {
    let room = Room::new();
    let mut slow = room.viewer("");
    slow.hello();
    let mut brisk = room.viewer("");
    // Each state has about 30 KiB: the queues of the kernel hold a few.
    let row = ClassRow { peer: "x".repeat(600), ..ClassRow::default() };
    let show = |t: u32| room.show(ClassState { rows: vec![row.clone(); 40], ..state(f64::from(t)) });
    let last = 14;
    for t in 1..=last {
        show(t);
        brisk.state(|state| state["t"] == f64::from(t));
    }

    let mut seen = 0;
    slow.state(|state| {
        seen += 1;
        state["t"] == f64::from(last)
    });

    assert!(seen < last, "it skipped some: {seen}");
}
