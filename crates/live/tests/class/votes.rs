//! Questions, and who votes how often.

use serde_json::{Value, json};

use crate::room::Room;

const ASK: &str =
    r#"{"command":"ask","text":"What grows?","choices":["the send queue","the server","nothing"]}"#;

fn vote(room: &Room, voter: &str, question: u64, choice: impl serde::Serialize) -> (u16, String) {
    let vote = json!({ "voter": voter, "question": question, "choice": choice });
    let reply = room.post("/vote", "", &vote.to_string());
    (reply.status, if reply.status == 200 { String::new() } else { reply.error() })
}

fn votes(room: &Room) -> Vec<u32> {
    room.questions.current().unwrap().votes
}

#[test]
fn a_voter_has_one_vote_and_may_change_it() {
    let room = Room::new();
    let mut viewers = [room.viewer(""), room.viewer("")];
    let [ada, ben] = viewers.each_mut().map(|viewer| viewer.hello().1);
    assert_eq!(room.command(ASK).status, 200);

    assert_eq!(vote(&room, &ada, 1, 0).0, 200);
    assert_eq!(vote(&room, &ada, 1, 0).0, 200);
    assert_eq!(vote(&room, &ben, 1, 1).0, 200);
    assert_eq!(votes(&room), [1, 1, 0]);
    assert_eq!(vote(&room, &ada, 1, 2).0, 200);
    assert_eq!(votes(&room), [0, 1, 1]);

    // Every viewer sees it.
    for viewer in &mut viewers {
        let state = viewer.state(|state| state["question"]["votes"] == json!([0, 1, 1]));
        assert_eq!(state["question"]["addresses"], 1);
        assert_eq!(state["question"]["state"], "open");
    }
}

#[test]
fn a_reloaded_page_is_the_same_voter() {
    let room = Room::new();
    let voter = room.viewer("").hello().1;
    room.command(ASK);
    vote(&room, &voter, 1, 0);

    assert_eq!(room.viewer(&format!("?voter={voter}")).hello().1, voter);
    let other = room.viewer("?voter=000").hello().1;
    assert!(other != voter && other != "000" && !other.is_empty());
    for hostile in ["?voter=", "?voter=%00", "?voter=a&voter=b", "?", "?x=y", "?voter=%3Cscript%3E"] {
        assert_eq!(room.viewer(hostile).hello().1.len(), voter.len(), "{hostile}");
    }
}

#[test]
fn a_vote_that_does_not_count_is_refused() {
    let room = Room::new();
    let voter = room.viewer("").hello().1;
    let refused = |question: u64, choice: Value, sentence: &str| {
        assert_eq!(vote(&room, &voter, question, choice), (409, sentence.to_owned()));
    };

    refused(1, json!(0), "this question is not asked any more");
    room.command(ASK);
    refused(1, json!(3), "the question has no such choice");
    refused(1, json!(u64::MAX), "the question has no such choice");
    refused(2, json!(0), "this question is not asked any more");
    assert_eq!(vote(&room, "", 1, 0), (409, "reload the page to vote".to_owned()));
    assert_eq!(vote(&room, &room.token, 1, 0).0, 409);
    for choice in [json!(-1), json!(0.5), json!("0"), json!(null), json!([0]), json!(1e300)] {
        assert_eq!(vote(&room, &voter, 1, &choice).0, 400, "{choice}");
    }
    assert_eq!(vote(&room, &voter, 1, 1).0, 200);
    room.command(r#"{"command":"close_vote"}"#);
    refused(1, json!(0), "the vote is closed");
    assert_eq!(votes(&room), [0, 1, 0]);
    room.command(ASK);
    refused(1, json!(0), "this question is not asked any more");
    assert_eq!(votes(&room), [0, 0, 0]);
}

#[test]
fn one_address_cannot_stuff_the_vote() {
    let room = Room::new();
    room.command(ASK);
    let mut last = None;

    // Each reload without its number would be another voter.
    for _ in 0..200 {
        let mut viewer = room.connected_viewer();
        let (hello, voter) = viewer.hello();
        if !voter.is_empty() {
            vote(&room, &voter, 1, 0);
        }
        last = Some(hello);
    }

    assert_eq!(votes(&room), [64, 0, 0]);
    assert_eq!(last.unwrap()["voter"], Value::Null);
}

#[test]
fn an_experiment_runs_once_and_answers_its_own_question() {
    let mut room = Room::new();
    room.command(r#"{"command":"ask","text":"?","choices":["a","b"],"lesson":"write"}"#);

    let run = std::thread::scope(|scope| {
        let posted = scope.spawn({
            let request = room.command_text(r#"{"command":"run"}"#);
            let addr = room.addr;
            move || crate::room::send(addr, &request).status
        });
        let request = room.runtime.block_on(room.commands.recv()).unwrap();
        let run = room.questions.begin_run().unwrap();
        assert!(room.questions.begin_run().is_err(), "it runs");
        request.reply.send(Ok(())).unwrap();
        assert_eq!(posted.join().unwrap(), 200);
        run
    });
    assert_eq!((run.id, run.lesson.as_deref()), (1, Some("write")));
    let reply = room.command(r#"{"command":"answer","choice":1}"#);
    assert_eq!((reply.status, reply.error()), (409, "the experiment is running".to_owned()));

    // Another question meanwhile does not get the answer.
    room.command(ASK);
    assert!(room.questions.answer(run.id, Some(0), "3.1 MiB").is_err());
    assert_eq!(room.command(r#"{"command":"answer","choice":9,"measured":""}"#).status, 409);
    assert_eq!(room.command(r#"{"command":"answer","choice":1,"measured":" \u001b[2J "}"#).status, 200);
    let answered = room.viewer("").state(|state| state["question"]["state"] == "answered");
    assert_eq!(
        (&answered["question"]["answer"], &answered["question"]["measured"]),
        (&json!(1), &json!("␛[2J"))
    );
    room.command(r#"{"command":"dismiss"}"#);
    assert_eq!(room.questions.current(), None);
}
