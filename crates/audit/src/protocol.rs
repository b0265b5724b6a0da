//! Recognises a protocol by the first bytes of a server's answer.
//!
//! | protocol | what its server sends first | source |
//! |---|---|---|
//! | TLS | a handshake or alert record of version 3.x; a page that says so in plain HTTP | RFC 8446, section 5.1; nginx, Apache, Go |
//! | HTTP | `HTTP/1.` | RFC 9112, section 4 |
//! | HTTP/2 | a SETTINGS or GOAWAY frame on stream 0 | RFC 9113, sections 3.4, 6.5 and 6.8 |
//! | WebSocket | a close frame with a valid code | RFC 6455, sections 5.5.1 and 7.4 |
//! | SSH | `SSH-` | RFC 4253, section 4.2 |
//! | FTP | `220` with the name FTP; `530` | RFC 959, section 4.2 |
//! | SMTP | `220`, `421`, `554` | RFC 5321, section 4.2 |
//! | IMAP | `* OK`, `* PREAUTH`, `* BYE` | RFC 9051, section 7.1 |
//! | NATS | `INFO {`, `-ERR '` | NATS client protocol |
//! | POP3 | `+OK` with a text | RFC 1939, section 4 |
//! | Redis | a reply in RESP | Redis serialization protocol specification |
//! | memcached | an error or a reply of its text protocol | memcached's doc/protocol.txt |
//! | MySQL | a handshake of version 10, or an error | MySQL client/server protocol: HandshakeV10, ERR_Packet |
//! | PostgreSQL | an authentication request, or an error | PostgreSQL, message formats |
//! | AMQP | its protocol header, or `connection.start` | AMQP 0-9-1, sections 4.2.2 and 1.4; AMQP 1.0, section 2.2 |
//! | MQTT | CONNACK, or DISCONNECT of version 5 | MQTT 3.1.1, section 3.2; MQTT 5.0, sections 3.2 and 3.14 |

/// A protocol that a server seems to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.
    Http,
    /// TLS, around any protocol.
    Tls,
    /// HTTP/2 without TLS.
    Http2,
    /// Redis.
    Redis,
    /// SSH.
    Ssh,
    /// SMTP.
    Smtp,
    /// FTP.
    Ftp,
    /// IMAP.
    Imap,
    /// POP3.
    Pop3,
    /// MySQL or MariaDB.
    MySql,
    /// PostgreSQL.
    Postgres,
    /// AMQP, as spoken by RabbitMQ.
    Amqp,
    /// MQTT.
    Mqtt,
    /// memcached.
    Memcached,
    /// NATS.
    Nats,
    /// WebSocket: the server closed the connection in its protocol.
    WebSocketClose,
}

impl Protocol {
    /// The protocol of which these first bytes of an answer are typical.
    pub fn of(answer: &[u8]) -> Option<Protocol> {
        SIGNATURES.iter().find(|(_, is_typical)| is_typical(answer)).map(|(protocol, _)| *protocol)
    }

    /// Whether an answer says that the server cannot serve the client now, and not what is wrong with the request: an HTTP response of
    /// the class 5xx, an error in RESP, a server's error of memcached. `None`: so far it does not say.
    pub(crate) fn is_refusal(self, answer: &[u8]) -> Option<bool> {
        let begins = |refusal: &[u8]| {
            let both = refusal.iter().zip(answer);
            let is_same = both.clone().all(|(one, other)| one == other);
            if is_same && answer.len() < refusal.len() { None } else { Some(is_same) }
        };
        match self {
            Protocol::Http if answer.len() < STATUS_CLASS + 1 => None,
            Protocol::Http => Some(answer[STATUS_CLASS] == b'5'),
            Protocol::Redis => begins(b"-"),
            Protocol::Memcached => begins(b"SERVER_ERROR"),
            _ => Some(false),
        }
    }

    /// Its usual name.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Http => "HTTP",
            Protocol::Tls => "TLS",
            Protocol::Http2 => "HTTP/2",
            Protocol::Redis => "Redis",
            Protocol::Ssh => "SSH",
            Protocol::Smtp => "SMTP",
            Protocol::Ftp => "FTP",
            Protocol::Imap => "IMAP",
            Protocol::Pop3 => "POP3",
            Protocol::MySql => "MySQL",
            Protocol::Postgres => "PostgreSQL",
            Protocol::Amqp => "AMQP",
            Protocol::Mqtt => "MQTT",
            Protocol::Memcached => "memcached",
            Protocol::Nats => "NATS",
            Protocol::WebSocketClose => "WebSocket",
        }
    }
}

/// Where the class of the status is in `HTTP/1.1 503`.
const STATUS_CLASS: usize = 9;

/// The first one that fits. A server that refuses plain HTTP on its TLS port comes before HTTP, and FTP before SMTP.
const SIGNATURES: [Signature; 16] = [
    (Protocol::Tls, |answer| is_tls(answer) || refuses_plain_http(answer)),
    (Protocol::Http, |answer| answer.starts_with(b"HTTP/1.")),
    (Protocol::Http2, is_http2),
    (Protocol::WebSocketClose, is_websocket_close),
    (Protocol::Ssh, |answer| answer.starts_with(b"SSH-")),
    (Protocol::Ftp, is_ftp),
    (Protocol::Smtp, |answer| has_code(answer, &[b"220", b"421", b"554"])),
    (Protocol::Imap, |answer| starts_with_any(answer, &[b"* OK", b"* PREAUTH", b"* BYE"])),
    (Protocol::Nats, |answer| starts_with_any(answer, &[b"INFO {", b"-ERR '"])),
    (Protocol::Pop3, |answer| answer.starts_with(b"+OK ")),
    (Protocol::Memcached, |answer| starts_with_any(answer, MEMCACHED)),
    (Protocol::Redis, is_resp),
    (Protocol::MySql, is_mysql),
    (Protocol::Postgres, is_postgres),
    (Protocol::Amqp, is_amqp),
    (Protocol::Mqtt, is_mqtt),
];

/// A protocol, and whether an answer is typical of it.
type Signature = (Protocol, fn(&[u8]) -> bool);

fn starts_with_any(answer: &[u8], starts: &[&[u8]]) -> bool {
    starts.iter().any(|start| answer.starts_with(start))
}

/// A record: content type alert (21) or handshake (22), version 3.x, and its length, at most 2^14.
pub(crate) fn is_tls(answer: &[u8]) -> bool {
    matches!(answer, [21, 3, 0..=4, 0, 2, ..] | [22, 3, 0..=4, 0..=0x40, ..])
}

/// What nginx, Go's net/http and Apache answer to plain HTTP on a port for TLS.
fn refuses_plain_http(answer: &[u8]) -> bool {
    const SENTENCES: [&[u8]; 3] = [
        b"HTTP request was sent to HTTPS port",
        b"HTTP request to an HTTPS server",
        b"speaking plain HTTP to an SSL",
    ];
    answer.starts_with(b"HTTP/1.")
        && SENTENCES.iter().any(|sentence| memchr::memmem::find(answer, sentence).is_some())
}

/// A frame: its length in three bytes, its type, its flags, and stream 0.
pub(crate) fn is_http2(answer: &[u8]) -> bool {
    match answer {
        [0, 0, length, SETTINGS, 0, 0, 0, 0, 0, ..] => length % 6 == 0,
        [0, _, length, GOAWAY, 0, 0, 0, 0, 0, ..] => *length >= 8,
        _ => false,
    }
}

/// An unmasked frame with FIN; if it has a payload, it begins with a code.
fn is_websocket_close(answer: &[u8]) -> bool {
    match answer {
        [0x88, 0] => true,
        [0x88, 2..=125, high, low, ..] => (1000..5000).contains(&u16::from_be_bytes([*high, *low])),
        _ => false,
    }
}

/// The code and the reason with which a WebSocket is closed, if this begins so.
pub(crate) fn websocket_close(answer: &[u8]) -> Option<String> {
    let [0x88, length @ 2..=125, high, low, rest @ ..] = answer else { return None };
    let reason = rest.get(..usize::from(*length) - 2).filter(|_| is_websocket_close(answer))?;
    let code = u16::from_be_bytes([*high, *low]);
    let said = if reason.is_empty() { String::new() } else { format!(": {}", reason.escape_ascii()) };
    Some(format!("{WEBSOCKET_CLOSE}{code}{said}"))
}

/// How the text of such an answer begins.
pub const WEBSOCKET_CLOSE: &str = "WebSocket close ";

/// How the text of a failed call over gRPC begins.
pub const GRPC_STATUS: &str = "gRPC status ";

/// A reply of three digits, then a space, or a hyphen if more lines follow.
fn has_code(answer: &[u8], codes: &[&[u8]]) -> bool {
    starts_with_any(answer, codes) && matches!(answer.get(3), Some(b' ' | b'-'))
}

fn is_ftp(answer: &[u8]) -> bool {
    let line = answer.split(|byte| *byte == b'\n').next().unwrap_or_default().to_ascii_uppercase();
    let has_name = || memchr::memmem::find(&line, b"FTP").is_some();
    has_code(answer, &[b"530"]) || has_code(answer, &[b"220"]) && has_name()
}

/// A type byte, then what is typical of it: a status, an error that begins with a word in capitals, or a number.
fn is_resp(answer: &[u8]) -> bool {
    match answer {
        [b'+', rest @ ..] => starts_with_any(rest, &[b"OK\r\n", b"PONG\r\n", b"QUEUED\r\n"]),
        [b'-', rest @ ..] => {
            let word = rest.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
            word >= 3 && matches!(rest.get(word), Some(b' ' | b'\r'))
        }
        [b':' | b'$' | b'*' | b'%', rest @ ..] => {
            let number = rest.strip_prefix(b"-").unwrap_or(rest);
            let digits = number.iter().take_while(|byte| byte.is_ascii_digit()).count();
            digits > 0 && number[digits..].starts_with(b"\r\n")
        }
        _ => false,
    }
}

/// A packet: its length in three bytes, low byte first, its number, and a handshake of version 10 with the server's version, or an
/// error with its number.
fn is_mysql(answer: &[u8]) -> bool {
    match answer {
        [_, 0, 0, 0, 10, version, ..] => version.is_ascii_digit(),
        [length, 0, 0, 0..=2, 0xff, _, 1..=0x10, ..] => *length > 3,
        _ => false,
    }
}

/// A message: its type, its length in four bytes, and the severity of the error or the kind of authentication.
fn is_postgres(answer: &[u8]) -> bool {
    match answer {
        [b'E', 0, 0, _, _, b'S', rest @ ..] => starts_with_any(rest, &[b"FATAL", b"ERROR", b"PANIC"]),
        [b'R', 0, 0, 0, 8..=127, 0, 0, 0, 0..=12, ..] => true,
        _ => false,
    }
}

/// The header, or a method frame on channel 0: class 10, method 10.
fn is_amqp(answer: &[u8]) -> bool {
    answer.starts_with(b"AMQP") || matches!(answer, [1, 0, 0, 0, 0, _, _, 0, 10, 0, 10, ..])
}

/// CONNACK with flags and a return code (3.1.1) or a reason code (5.0); DISCONNECT with the code of an error.
fn is_mqtt(answer: &[u8]) -> bool {
    match answer {
        [0x20, 2, 0 | 1, 0..=5] => true,
        [0x20, 3..=127, 0 | 1, code, ..] => *code == 0 || (0x80..=0x9f).contains(code),
        [0xe0, 1..=127, 0x80..=0xa2, ..] => true,
        _ => false,
    }
}

/// What memcached's text protocol answers to an unknown command, to a get and to a set.
const MEMCACHED: &[&[u8]] = &[
    b"ERROR\r\n",
    b"CLIENT_ERROR ",
    b"SERVER_ERROR ",
    b"VALUE ",
    b"END\r\n",
    b"STORED\r\n",
    b"NOT_STORED\r\n",
];

/// Types of frames.
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Answers of real servers (of nginx 1.26, Go 1.24, OpenSSH 9.9 …), and the examples of the specifications.
    const ANSWERS: [(&[u8], Protocol); 31] = [
        (b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", Protocol::Http),
        (b"\x15\x03\x01\x00\x02\x02\x46", Protocol::Tls),
        (b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76", Protocol::Tls),
        (b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n", Protocol::Tls),
        (
            b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n<title>400 The plain HTTP request was sent to HTTPS port",
            Protocol::Tls,
        ),
        (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64", Protocol::Http2),
        (b"\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", Protocol::Http2),
        (b"-ERR unknown command 'GET', with args beginning with: ''\r\n", Protocol::Redis),
        (b"-NOAUTH Authentication required.\r\n", Protocol::Redis),
        (b"$65536\r\nxxxx", Protocol::Redis),
        (b"$-1\r\n", Protocol::Redis),
        (b"+PONG\r\n", Protocol::Redis),
        (b"SSH-2.0-OpenSSH_9.9\r\n", Protocol::Ssh),
        (b"220 mail.example.com ESMTP Postfix\r\n", Protocol::Smtp),
        (b"554-mx.example.com\r\n", Protocol::Smtp),
        (b"220 (vsFTPd 3.0.5)\r\n", Protocol::Ftp),
        (b"220---------- Welcome to Pure-FTPd ----------\r\n", Protocol::Ftp),
        (b"* OK [CAPABILITY IMAP4rev1] Dovecot ready.\r\n", Protocol::Imap),
        (b"+OK Dovecot ready.\r\n", Protocol::Pop3),
        (b"\x4a\x00\x00\x00\x0a8.0.36\x00", Protocol::MySql),
        (b"\x45\x00\x00\x00\xff\x6a\x04Host '10.0.0.1' is not allowed", Protocol::MySql),
        (b"E\x00\x00\x00\x87SFATAL\x00VFATAL\x00C0A000\x00", Protocol::Postgres),
        (b"R\x00\x00\x00\x0c\x00\x00\x00\x05\x01\x02\x03\x04", Protocol::Postgres),
        (b"AMQP\x00\x00\x09\x01", Protocol::Amqp),
        (b"\x01\x00\x00\x00\x00\x01\xf0\x00\x0a\x00\x0a\x00\x09", Protocol::Amqp),
        (b"\x20\x02\x00\x05", Protocol::Mqtt),
        (b"\x20\x03\x00\x84\x00", Protocol::Mqtt),
        (b"ERROR\r\n", Protocol::Memcached),
        (b"INFO {\"server_id\":\"NA\",\"version\":\"2.10.7\"}\r\n", Protocol::Nats),
        (b"\x88\x02\x03\xea", Protocol::WebSocketClose),
        (b"\x88\x1e\x03\xefinvalid payload", Protocol::WebSocketClose),
    ];

    #[test]
    fn errors_of_the_server_are_refusals() {
        use Protocol::{Http, Memcached, Redis, Ssh};
        let answers: [(Protocol, &str, Option<bool>); 11] = [
            (Http, "HTTP/1.1 ", None),
            (Http, "HTTP/1.1 503 Busy\r\n", Some(true)),
            (Http, "HTTP/1.0 5", Some(true)),
            (Http, "HTTP/1.1 404 Not Found\r\n", Some(false)),
            (Http, "HTTP/1.1 429 Slow down\r\n", Some(false)),
            (Redis, "-BUSY\r\n", Some(true)),
            (Redis, "$1\r\nx\r\n", Some(false)),
            (Memcached, "SERVER", None),
            (Memcached, "SERVER_ERROR out of memory\r\n", Some(true)),
            (Memcached, "STORED\r\n", Some(false)),
            (Ssh, "-", Some(false)),
        ];

        for (protocol, answer, expected) in answers {
            assert_eq!(protocol.is_refusal(answer.as_bytes()), expected, "{answer}");
        }
    }

    #[test]
    fn each_protocol_is_recognised_by_an_answer_of_it() {
        for (answer, protocol) in ANSWERS {
            assert_eq!(Protocol::of(answer), Some(protocol), "{}", answer.escape_ascii());
        }
        for (protocol, _) in SIGNATURES {
            assert!(
                ANSWERS.iter().any(|(_, known)| *known == protocol),
                "{} has no example",
                protocol.name()
            );
        }
    }

    #[test]
    fn an_answer_of_no_known_protocol_is_none() {
        let unknown: [&[u8]; 10] = [
            b"",
            b"hello\n",
            b"220",
            b"2200 items\n",
            b"+1\n",
            b"-5 degrees\n",
            b"* item\n",
            b"OK\n",
            &[0; 64],
            b"xxxxxxxx",
        ];

        for answer in unknown {
            assert_eq!(Protocol::of(answer), None, "{}", answer.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn any_answer_and_any_part_of_one_is_looked_at(
            bytes in prop::collection::vec(any::<u8>(), 0..40),
            known in 0..ANSWERS.len(),
            end in 0..100_usize,
        ) {
            let answer = ANSWERS[known].0;
            let part = &answer[..end.min(answer.len())];

            for answer in [bytes.clone(), [part, &bytes].concat()] {
                prop_assert!(Protocol::of(&answer).is_none_or(|protocol| !protocol.name().is_empty()));
            }
        }
    }
}
