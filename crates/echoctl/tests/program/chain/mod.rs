//! Processes for a chain of servers: this test program again, in one of several roles.
//!
//! ```text
//! client ──► relay ──► relay ──► source      each is a process; the bytes flow to the client
//! ```

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use echoctl_testkit::Running;

/// What a process of a chain does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Connects, and reads nothing.
    Client,
    /// Reads what it has written on.
    Bounded,
    /// Reads whatever comes, and keeps in memory what its client does not read.
    Unbounded,
    /// Sends as fast as its client reads, but at most 8 MiB/s.
    Source,
}

const ROLES: [(&str, Role); 4] = [
    ("client", Role::Client),
    ("bounded", Role::Bounded),
    ("unbounded", Role::Unbounded),
    ("source", Role::Source),
];

const VARIABLE: &str = "ECHOCTL_TEST_ROLE";

/// Starts a process that gets its bytes from `upstream`. Returns it with the address at which it listens; a client does not.
pub(crate) fn start(role: Role, upstream: Option<SocketAddr>) -> (Running, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("it is bound");
    let (name, _) = ROLES.iter().find(|(_, known)| *known == role).expect("every role has a name");
    let upstream = upstream.map_or(String::new(), |addr| addr.to_string());
    let mut command = Command::new(std::env::current_exe().expect("it runs"));
    command
        .args(["--exact", "watch_map::a_process_of_a_chain", "--ignored"])
        .env(VARIABLE, format!("{name} {upstream}"))
        .stdin(OwnedFd::from(listener))
        .stdout(Stdio::null());
    (Running::start(&mut command), addr)
}

/// Does what the environment demands, until it is killed. Its listening socket is its standard input.
pub(crate) fn play() {
    let text = std::env::var(VARIABLE).expect("this runs only as a process of the other tests");
    let (name, upstream) = text.split_once(' ').expect("a role and an address");
    let (_, role) = ROLES.iter().find(|(known, _)| *known == name).expect("a known role");
    let upstream = || TcpStream::connect(upstream).expect("the next server listens");
    let accept = || {
        let stdin = std::os::fd::AsFd::as_fd(&std::io::stdin()).try_clone_to_owned().expect("stdin is open");
        TcpListener::from(stdin).accept().expect("a client connects").0
    };
    match role {
        Role::Client => {
            let _connection = upstream();
            loop {
                thread::park();
            }
        }
        Role::Bounded => {
            let mut to = accept();
            let _ = std::io::copy(&mut upstream(), &mut to);
        }
        Role::Unbounded => pass_on_unbounded(upstream(), accept()),
        Role::Source => produce(accept()),
    }
}

fn pass_on_unbounded(mut from: TcpStream, mut to: TcpStream) {
    let (sender, chunks) = channel::<Vec<u8>>();
    thread::spawn(move || chunks.iter().all(|chunk| to.write_all(&chunk).is_ok()));
    let mut left = MAX_BUFFERED;
    let mut chunk = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut chunk) {
        // A test that has failed must not fill the machine's memory.
        left = left.checked_sub(length).expect("the test has ended by now");
        if sender.send(chunk[..length].to_vec()).is_err() {
            return;
        }
    }
}

fn produce(mut to: TcpStream) {
    let begin = Instant::now();
    for chunk in 0_u32.. {
        if to.write_all(&[7; CHUNK]).is_err() {
            return;
        }
        let due = begin + CHUNK_INTERVAL * chunk;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

/// Bytes: a minute of [`Role::Source`].
const MAX_BUFFERED: usize = 512 << 20;

/// Bytes per write, and their interval.
const CHUNK: usize = 80 << 10;
const CHUNK_INTERVAL: Duration = Duration::from_millis(10);
