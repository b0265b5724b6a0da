//! A running `echoctl class`, its page, and its students.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Instant;

use echoctl_testkit::{DEADLINE, Running};
use serde_json::Value;

/// A class on free ports of loopback.
pub(crate) struct Class {
    pub(crate) running: Running,
    /// Every event, in order.
    events: mpsc::Receiver<Value>,
    /// Address of the echo server; none in a replay.
    pub(crate) server: Option<String>,
    pub(crate) page: SocketAddr,
    /// The viewers' path.
    pub(crate) path: String,
    token: String,
}

/// An answer of the page.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Class {
    /// Starts it, and waits until server and page are there.
    pub(crate) fn start(arguments: &[&str]) -> Class {
        let mut class = Class::start_page(&[&["--addr", "127.0.0.1:0"], arguments].concat());
        let listening = class.until("it listens", |event| event["event"] == "listening");
        class.server = Some(listening["addr"].as_str().unwrap().to_owned());
        class
    }

    /// Starts a page without a server.
    pub(crate) fn replay(file: &str) -> Class {
        Class::start_page(&["--replay", file])
    }

    fn start_page(arguments: &[&str]) -> Class {
        let mut command = Command::new(env!("CARGO_BIN_EXE_echoctl"));
        command.args(["class", "--page", "127.0.0.1:0", "--json"]).args(arguments).env_remove("ECHOCTL_ADDR");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = Running::start(&mut command);
        let stdout = BufReader::new(running.0.stdout.take().unwrap());
        let stderr = BufReader::new(running.0.stderr.take().unwrap());
        let (to_events, events) = mpsc::channel();
        std::thread::spawn(move || {
            let lines = stdout.lines().map_while(Result::ok);
            lines.for_each(|line| drop(to_events.send(serde_json::from_str(&line).unwrap())));
        });
        let (to_notes, notes) = mpsc::channel();
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).for_each(|line| drop(to_notes.send(line)));
        });
        let page: Value = events.recv_timeout(DEADLINE).expect("the page is there");
        assert_eq!(page["event"], "page");
        let addr: SocketAddr = page["addr"].as_str().unwrap().parse().unwrap();
        let url = page["url"].as_str().unwrap();
        let path = url.strip_prefix(&format!("http://{addr}/")).expect(url).to_owned();
        let token = match arguments.contains(&"--replay") {
            true => String::new(),
            false => {
                let note = notes.recv_timeout(DEADLINE).expect("the teacher's address");
                note.strip_prefix(&format!("teacher: {url}#")).expect(&note).to_owned()
            }
        };
        Class { running, events, server: None, page: addr, path, token }
    }

    /// The next event for which this holds.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + DEADLINE;
        let mut last = Value::Null;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = self.events.recv_timeout(left).unwrap_or_else(|_| panic!("{what}: {last:#}"));
            if is_so(&event) {
                return event;
            }
            last = event;
        }
    }

    /// The next moment for which this holds.
    #[track_caller]
    pub(crate) fn state(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        self.until(what, |event| event["event"] == "state" && is_so(event))
    }

    /// Ends it with Ctrl-C. Returns its exit code and the events that were left.
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<Value>) {
        self.running.signal("INT");
        let code = self.running.end("Ctrl-C").code();
        (code, self.events.iter().collect())
    }

    /// The page for all viewers.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/{}", self.page, self.path)
    }

    /// The page with the switch.
    pub(crate) fn teacher_url(&self) -> String {
        format!("{}#{}", self.url(), self.token)
    }

    /// The connection of a viewer, which has asked for the events of the page and not read them.
    pub(crate) fn view(&self) -> TcpStream {
        let stream = TcpStream::connect(self.page).unwrap();
        self.ask_for_events(&stream);
        stream
    }

    /// Makes a connection that of a viewer.
    pub(crate) fn ask_for_events(&self, mut connection: impl Write) {
        write!(connection, "GET /{}/events HTTP/1.1\r\nHost: {}\r\n\r\n", self.path, self.page).unwrap();
    }

    /// A student's connection, called `name`.
    pub(crate) fn join(&self, name: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.server.as_deref().unwrap()).unwrap();
        let frame = format!("name {name}\n");
        stream.write_all(frame.as_bytes()).unwrap();
        let mut echo = vec![0; frame.len()];
        stream.read_exact(&mut echo).unwrap();
        assert_eq!(echo, frame.as_bytes());
        stream
    }

    /// Sends a command with the teacher's token.
    pub(crate) fn command(&self, command: &Value) -> Answer {
        self.post(&self.token, &format!("http://{}", self.page), command)
    }

    /// Sends a command that the page does.
    #[track_caller]
    pub(crate) fn switch(&self, command: &Value) {
        let answer = self.command(command);
        assert_eq!(answer.status, 200, "{command}: {answer:?}");
    }

    /// Sends a command with this token from a page of this origin.
    pub(crate) fn post(&self, token: &str, origin: &str, command: &Value) -> Answer {
        let (body, host, path) = (command.to_string(), self.page, &self.path);
        let mut stream = TcpStream::connect(self.page).unwrap();
        write!(
            stream,
            "POST /{path}/command HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect(&answer);
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned();
        Answer { status, body }
    }

    /// What the page is sent, event by event: the first data for which this holds.
    #[track_caller]
    pub(crate) fn shown(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let stream = self.view();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        let mut data =
            lines.filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
        data.find(is_so).unwrap_or_else(|| panic!("{what}"))
    }
}

/// The row of the student called `name`.
pub(crate) fn row<'a>(state: &'a Value, name: &str) -> Option<&'a Value> {
    state["rows"].as_array().unwrap().iter().find(|row| row["name"] == name)
}
