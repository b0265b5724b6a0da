//! A page that is served, and clients of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use echoctl_live::{Access, ClassFeed, ClassPage, CommandRequest, Questions};
use echoctl_record::{ClassSetup, ClassState, LessonChoice};
use echoctl_testkit::eventually;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

/// A page that is served until it is dropped.
pub(crate) struct Room {
    pub(crate) addr: SocketAddr,
    /// `/` and the viewers' path.
    pub(crate) path: String,
    pub(crate) token: String,
    pub(crate) states: watch::Sender<Arc<ClassState>>,
    pub(crate) questions: Questions,
    pub(crate) commands: mpsc::Receiver<CommandRequest>,
    pub(crate) runtime: Runtime,
}

impl Room {
    pub(crate) fn new() -> Room {
        Room::at(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    pub(crate) fn at(ip: IpAddr) -> Room {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let access = Access::new().unwrap().with_hosts(["Lectern.example".to_owned()]);
        let page = runtime.block_on(ClassPage::bind(SocketAddr::new(ip, 0), access)).unwrap();
        let (addr, questions) = (page.addr(), page.questions());
        let (url, viewer) = (page.teacher_url(ip), page.viewer_url(ip));
        let (address, token) = url.split_once('#').unwrap();
        assert_eq!(address, viewer);
        let path = viewer.strip_prefix(&format!("http://{addr}")).unwrap().to_owned();
        let (states, receiver) = watch::channel(Arc::new(ClassState::default()));
        let (sender, commands) = mpsc::channel(8);
        let lesson = LessonChoice {
            name: "write".to_owned(),
            title: "Write".to_owned(),
            choices: vec!["a".to_owned(), "b".to_owned()],
            ..LessonChoice::default()
        };
        let setup = ClassSetup { join: vec!["192.0.2.1:7007".to_owned()], replay: None };
        runtime.spawn(page.serve(ClassFeed {
            setup,
            lessons: vec![lesson],
            states: receiver,
            commands: sender,
        }));
        Room { addr, path, token: token.to_owned(), states, questions, commands, runtime }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        connect(self.addr)
    }

    /// The reply to these bytes.
    pub(crate) fn raw(&self, request: &[u8]) -> Reply {
        reply(self.addr, request)
    }

    /// The reply to a request with a right `Host`, and these lines of headers.
    pub(crate) fn request(&self, method: &str, rest: &str, headers: &str, body: &str) -> Reply {
        send(self.addr, &self.text(method, rest, headers, body))
    }

    fn text(&self, method: &str, rest: &str, headers: &str, body: &str) -> String {
        let (path, addr, length) = (&self.path, self.addr, body.len());
        format!(
            "{method} {path}{rest} HTTP/1.1\r\nHost: {addr}\r\nContent-Length: {length}\r\n{headers}Connection: close\r\n\r\n\
             {body}"
        )
    }

    /// A POST as the page sends it.
    pub(crate) fn post(&self, rest: &str, token: &str, body: &str) -> Reply {
        send(self.addr, &self.post_text(rest, token, body))
    }

    /// A teacher's command as bytes, for another thread.
    pub(crate) fn command_text(&self, body: &str) -> String {
        self.post_text("/command", &self.token, body)
    }

    fn post_text(&self, rest: &str, token: &str, body: &str) -> String {
        let headers = format!(
            "Origin: http://{}\r\nContent-Type: application/json\r\nAuthorization: Bearer {token}\r\n",
            self.addr
        );
        self.text("POST", rest, &headers, body)
    }

    pub(crate) fn command(&self, body: &str) -> Reply {
        self.post("/command", &self.token, body)
    }

    pub(crate) fn viewer(&self, query: &str) -> Viewer {
        let mut connection = self.connect();
        write!(connection, "GET {}/events{query} HTTP/1.1\r\nHost: {}\r\n\r\n", self.path, self.addr)
            .unwrap();
        Viewer { lines: BufReader::new(connection) }
    }

    /// A viewer for whom others, that have just left, make room.
    pub(crate) fn connected_viewer(&self) -> Viewer {
        eventually("a place is free", || self.admits_viewers());
        self.viewer("")
    }

    pub(crate) fn admits_viewers(&self) -> bool {
        let mut connection = self.connect();
        write!(connection, "GET {}/events HTTP/1.1\r\nHost: {}\r\n\r\n", self.path, self.addr).unwrap();
        let mut status = [0; 12];
        connection.read_exact(&mut status).unwrap();
        status == *b"HTTP/1.1 200"
    }

    pub(crate) fn show(&self, state: ClassState) {
        self.states.send_replace(Arc::new(state));
    }
}

fn connect(addr: SocketAddr) -> TcpStream {
    let connection = TcpStream::connect(addr).unwrap();
    // Far longer than any reply takes.
    connection.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    connection
}

/// The reply to a request.
pub(crate) fn send(addr: SocketAddr, request: &str) -> Reply {
    reply(addr, request.as_bytes())
}

fn reply(addr: SocketAddr, request: &[u8]) -> Reply {
    let mut connection = connect(addr);
    // The server may refuse it before its end.
    let _ = connection.write_all(request);
    Reply::read(connection)
}

/// A reply until the end of its connection.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn read(mut connection: TcpStream) -> Reply {
        let mut bytes = Vec::new();
        // A reset ends it as well.
        let _ = connection.read_to_end(&mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Reply { status, text }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let head = self.text.split("\r\n\r\n").next()?;
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The sentence of a refusal.
    pub(crate) fn error(&self) -> String {
        let body = self.text.split_once("\r\n\r\n").unwrap().1;
        serde_json::from_str::<Value>(body).unwrap()["error"].as_str().unwrap().to_owned()
    }
}

/// A client of the event stream.
pub(crate) struct Viewer {
    lines: BufReader<TcpStream>,
}

impl Viewer {
    /// The next event: its name and its data.
    pub(crate) fn next(&mut self) -> (String, Value) {
        let mut name = String::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "the stream ended");
            if let Some(event) = line.trim_end().strip_prefix("event: ") {
                name = event.to_owned();
            } else if let Some(data) = line.strip_prefix("data: ") {
                return (name, serde_json::from_str(data).unwrap());
            }
        }
    }

    /// The first event, and the number of the voter in it.
    pub(crate) fn hello(&mut self) -> (Value, String) {
        let (name, hello) = self.next();
        assert_eq!(name, "hello");
        let voter = hello["voter"].as_str().unwrap_or_default().to_owned();
        (hello, voter)
    }

    /// The first state that is as `wanted`.
    pub(crate) fn state(&mut self, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        loop {
            let (name, state) = self.next();
            if name == "state" && wanted(&state) {
                return state;
            }
        }
    }
}
