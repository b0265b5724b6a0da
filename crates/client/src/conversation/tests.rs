//! A conversation with small servers, without a terminal.

use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;

use super::*;

/// A conversation of `input` with a server: what `receive` returned, and the output.
fn talk(
    framing: Framing,
    timeout: Duration,
    input: impl Read + Send,
    server: impl FnOnce(TcpStream) + Send,
) -> (Result<Replies, ConversationError>, String, Sent) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let conversation = Conversation::new(stream, framing, 16, timeout).unwrap();
    let mut output = Vec::new();
    let replies = thread::scope(|scope| {
        scope.spawn(|| server(listener.accept().unwrap().0));
        scope.spawn(|| conversation.send(input));
        conversation.receive(&mut output)
    });
    (replies, String::from_utf8(output).unwrap(), conversation.sent())
}

/// Sends everything back once the client has ended its half.
fn echo(mut stream: TcpStream) {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    stream.write_all(&all).unwrap();
}

#[test]
fn each_line_comes_back_with_every_framing() {
    for framing in [Framing::Lines, Framing::U16, Framing::U32] {
        let (replies, output, sent) = talk(framing, LONG, &b"one\n\nthree"[..], echo);

        assert_eq!(replies.unwrap(), Replies { frames: 3, end: ConversationEnd::Closed }, "{framing}");
        assert_eq!(output, "one\n\nthree\n", "{framing}");
        assert_eq!((sent.frames, sent.longest), (3, 5), "{framing}");
    }
}

#[test]
fn raw_bytes_are_not_counted() {
    let (replies, output, sent) = talk(Framing::Raw, LONG, &b"a\nb"[..], echo);

    assert_eq!(replies.unwrap(), Replies { frames: 0, end: ConversationEnd::Closed });
    assert_eq!((output.as_str(), sent.bytes, sent.frames), ("a\nb", 3, 0));
}

#[test]
fn a_line_that_is_no_frame_is_named_by_its_number() {
    let input = &b"short\na line of more than 16 bytes\n"[..];

    let (replies, output, _) = talk(Framing::U16, LONG, input, echo);

    assert!(matches!(replies, Err(ConversationError::Line { number: 2, .. })), "{replies:?}");
    assert_eq!(output, "short\n", "the lines before it were sent");
}

#[test]
fn a_reply_that_stops_in_the_middle_is_an_error() {
    let half = |answer: &'static [u8]| {
        move |mut stream: TcpStream| {
            stream.read_to_end(&mut Vec::new()).unwrap();
            stream.write_all(answer).unwrap();
        }
    };

    let (line, ..) = talk(Framing::Lines, LONG, &b"x\n"[..], half(b"x"));
    let (frame, ..) = talk(Framing::U16, LONG, &b"x\n"[..], half(b"\0\x05x"));

    assert!(matches!(line, Err(ConversationError::PartialLine)), "{line:?}");
    assert!(matches!(frame, Err(ConversationError::PartialFrame { bytes: 3 })), "{frame:?}");
}

#[test]
fn silence_ends_it_after_the_timeout() {
    let (_server, conversation) = connected(SHORT);
    conversation.send(&b"x\n"[..]);

    let replies = conversation.receive(io::sink());

    assert_eq!(replies.unwrap(), Replies { frames: 0, end: ConversationEnd::Silent });
}

#[test]
fn a_server_that_closes_early_is_told_apart() {
    let (server, conversation) = connected(LONG);
    let (end_input, input) = mpsc::channel();

    let replies = thread::scope(|scope| {
        scope.spawn(|| conversation.send(Pending(input)));
        drop(server);
        let replies = conversation.receive(io::sink());
        drop(end_input);
        replies
    });

    assert_eq!(replies.unwrap().end, ConversationEnd::ClosedEarly);
}

/// The server's end of a connection, and a conversation at the other end.
fn connected(timeout: Duration) -> (TcpStream, Conversation) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().unwrap().0, Conversation::new(stream, Framing::Lines, 16, timeout).unwrap())
}

/// An input without data that ends when the channel is closed.
struct Pending(mpsc::Receiver<()>);

impl Read for Pending {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        Ok(0)
    }
}

/// Never reached.
const LONG: Duration = Duration::from_secs(60);

/// Reached in the test of the timeout only.
const SHORT: Duration = Duration::from_millis(50);
