//! The question of a healthy client, and the reply that it waits for.

use crate::attack::exchange::Answer;
use crate::protocol::Protocol;
use crate::script::{Payload, Script, SendMode, Step};

/// What a healthy client sends and waits for, on any of its connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    /// What each new connection begins with.
    setup: Vec<(Vec<u8>, Vec<u8>)>,
    send: Vec<u8>,
    /// Empty: any byte is a reply.
    expected: Vec<u8>,
    /// Whether each connection is used for one question only.
    pub(super) is_once: bool,
    /// Whether the question is a stimulus, so that a reply that equals it is an echo.
    pub(super) is_stimulus: bool,
    /// Whether the server greets each connection before the first question.
    pub(super) is_greeted: bool,
    /// The protocol in which the server is known to answer it: a refusal does not count as an answer then.
    pub(super) granted: Option<Protocol>,
}

impl Question {
    /// The question of a script, if it has one.
    pub(super) fn of(script: &Script) -> Option<Question> {
        if let Some(Step { send: Some(send), expect }) = &script.bystander {
            // It begins as the publisher does: many protocols do not accept requests from a subscriber, as the slow reader is
            // one.
            let setup = script.publisher.as_ref().map_or(&script.setup, |publisher| &publisher.setup);
            // A question that is the stimulus itself begins a stream, as that does.
            let is_once = matches!(&script.stimulus.send, SendMode::Once(once) if once.is_like(send));
            return Some(Question {
                is_once,
                setup: setup.iter().map(|step| (bytes(&step.send), bytes(&step.expect))).collect(),
                expected: bytes(expect),
                ..Question::new(send.bytes())
            });
        }
        // The stimulus is a usable question if it is answered and its connection is like any other. After a setup, a second client
        // may be the same client to the server, or receive what the slow reader sends.
        if !script.setup.is_empty() || script.publisher.is_some() {
            return None;
        }
        let (SendMode::Repeat(payload) | SendMode::Once(payload)) = &script.stimulus.send;
        let mut send = payload.bytes();
        // Without framing, a few bytes are an equivalent question, and no load.
        send.truncate(if payload.is_uniform() { UNIFORM } else { usize::MAX });
        let is_once = matches!(script.stimulus.send, SendMode::Once(_));
        Some(Question { is_once, is_stimulus: true, ..Question::new(send) })
    }

    fn new(send: Vec<u8>) -> Question {
        Question {
            setup: Vec::new(),
            send,
            expected: Vec::new(),
            is_once: false,
            is_stimulus: false,
            is_greeted: false,
            granted: None,
        }
    }

    /// Whether an answer equals the question, as far as is known without asking.
    pub(super) fn is_echo(&self) -> bool {
        self.is_stimulus || self.send == self.expected
    }

    /// The question itself.
    pub(super) fn send(&self) -> &[u8] {
        &self.send
    }

    /// Whether the server sends its reply to each connection without being asked.
    pub(super) fn speaks_first(&self) -> bool {
        self.send.is_empty()
    }

    /// Number of steps of a connection before the question.
    pub(super) fn setup_steps(&self) -> usize {
        self.setup.len() + usize::from(self.is_greeted)
    }

    /// What is sent and waited for in a step of a connection: the greeting, the setup, and then always the question.
    pub(super) fn step(&self, index: usize) -> (&[u8], Answer<'_>) {
        let Some(index) = index.checked_sub(usize::from(self.is_greeted)) else { return (&[], Answer::Any) };
        let (send, expected, otherwise) = match self.setup.get(index) {
            Some((send, expected)) => (send, expected, Answer::None),
            None => (&self.send, &self.expected, Answer::Any),
        };
        (send, if expected.is_empty() { otherwise } else { Answer::Containing(expected) })
    }
}

fn bytes(payload: &Option<Payload>) -> Vec<u8> {
    payload.as_ref().map(Payload::bytes).unwrap_or_default()
}

/// Bytes of a question without framing.
const UNIFORM: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{Part, Publisher, Stimulus};

    fn repeated(payload: Payload) -> Script {
        Script::new(Stimulus::repeat("", payload))
    }

    fn asked(script: &Script) -> Option<(Vec<u8>, Vec<u8>)> {
        Question::of(script).map(|question| (question.send, question.expected))
    }

    #[test]
    fn the_question_is_a_short_stimulus_or_that_of_the_script() {
        let uniform = Payload::new(vec![Part::Fill { fill: "x".to_owned(), count: 5000 }]);
        let ping = Step::ask(Payload::text("PING"), Payload::text("PONG"));
        let subscription = Script { publisher: Some(Publisher::default()), ..repeated(Payload::text("PUB")) };

        assert_eq!(asked(&repeated(uniform)), Some((vec![b'x'; UNIFORM], Vec::new())));
        assert_eq!(asked(&repeated(Payload::text("GET\n"))), Some((b"GET\n".to_vec(), Vec::new())));
        assert_eq!(asked(&subscription), None);
        let with_ping = Script { bystander: Some(ping), ..subscription };
        assert_eq!(asked(&with_ping), Some((b"PING".to_vec(), b"PONG".to_vec())));
    }

    #[test]
    fn a_request_that_is_sent_once_needs_a_connection_each_time() {
        let once = Question::of(&Script::new(Stimulus::once("", Payload::text("GET")))).unwrap();

        assert!(once.is_once && once.is_stimulus);
        let join = || Payload::text("JOIN");
        let setup = vec![Step::ask(Payload::text("HELLO"), Payload::text("OK"))];
        let asks = |send| Script {
            setup: setup.clone(),
            bystander: Some(Step { send: Some(send), expect: None }),
            ..Script::new(Stimulus::once("", join()))
        };
        assert!(Question::of(&asks(join())).unwrap().is_once);
        assert!(!Question::of(&asks(Payload::text("PING"))).unwrap().is_once);
        assert!(!Question::of(&repeated(Payload::text("GET"))).unwrap().is_once);
    }

    #[test]
    fn a_connection_begins_with_greeting_and_setup() {
        let ask = Step::ask(Payload::text("PING"), Payload::text("PONG"));
        let script = Script {
            setup: vec![Step { send: Some(Payload::text("LOGIN")), expect: None }, Step::expect("OK")],
            bystander: Some(ask),
            ..repeated(Payload::text("x"))
        };
        let question = Question { is_greeted: true, ..Question::of(&script).unwrap() };

        let steps: Vec<_> = (0..=question.setup_steps() + 1).map(|index| question.step(index)).collect();

        let ping = (&b"PING"[..], Answer::Containing(b"PONG"));
        let login = [(&b"LOGIN"[..], Answer::None), (&b""[..], Answer::Containing(b"OK"))];
        assert_eq!(steps, [(&b""[..], Answer::Any), login[0], login[1], ping, ping]);
    }
}
