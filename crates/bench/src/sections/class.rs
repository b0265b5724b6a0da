//! The class page beside a full lecture hall: what the page costs its host.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use echoctl_observe::{Process, SocketDiag};
use serde_json::Value;
use socket2::{Domain, Socket, Type};

use super::Measured;
use crate::effort::Effort;
use crate::events::EventStream;
use crate::goal::{Goal, kib, percent};
use crate::load::{connect, echo_each};
use crate::results::{Column, Results};
use crate::server::Programs;

pub(super) fn measure(effort: &Effort, programs: &Programs) -> Result<Measured> {
    let columns = vec![
        Column::plain("% of a core", 1),
        Column::plain("KiB per second and viewer", 1),
        Column::plain("a viewer that does not read: KiB", 1),
    ];
    let rows = ["students do nothing", "each student sends a line per second"];
    let mut results = Results::new(rows, columns);
    let states = if effort.is_quick { QUICK_STATES } else { STATES };
    results.fill(0, 3, effort.steady_rounds, |row| run(row == 1, states, programs));

    let worst = |column| (0..2).filter_map(|row| results.median(row, column)).max_by(f64::total_cmp);
    let share = worst(0).map(|share| share / 100.0);
    let goals = [
        Goal::at_most("processor time of a class, 1,000 connections and 30 viewers", share, 0.1, percent),
        Goal::at_most("what a viewer of it gets per second", worst(1), 64.0, kib),
        Goal::at_most("what a viewer costs that does not read", worst(2), 64.0, kib),
    ];
    Ok(Measured {
        title: "The class page",
        text: format!(
            "`echoctl class --json` with {STUDENTS} students and {VIEWERS} open pages, all clients on the same host. The processor \
             time is that of the whole program: the echo server, the look at every connection twice per second, and the page; not \
             that of the browsers. Every viewer gets the same states; the rate is counted in bytes of HTTP, after the \
             history that a new page gets once. Then {STALLED} more viewers connect with small receive buffers and never read: the highest growth of \
             the program's anonymous memory and of the kernel's for the page's sockets, per such viewer, within {} s. After 10 s \
             the page disconnects them.",
            STALL_STATES.div_ceil(2)
        ),
        results: Some(results),
        goals: goals.into_iter().flatten().collect(),
        ..Measured::default()
    })
}

/// Percent of a core; KiB per second and viewer; KiB per viewer that does not read.
fn run(is_active: bool, states: usize, programs: &Programs) -> Result<Vec<f64>> {
    let mut class =
        EventStream::start(programs, &["class", "--addr", "127.0.0.1:0", "--page", "127.0.0.1:0", "--json"])?;
    let page = Page::of(&class.next("page")?)?;
    let server: SocketAddr = class.next("listening")?["addr"].as_str().context("no address")?.parse()?;
    let students = connect(server, STUDENTS)?;
    for (number, mut student) in students.iter().enumerate() {
        // Long names make long states.
        writeln!(student, "name {}", format!("student {number:04} ").repeat(3))?;
    }
    while class.next("state")?["connections"] != STUDENTS {}

    let viewers = (0..VIEWERS).map(|_| page.view(page.connect()?)).collect::<Result<Vec<_>>>()?;
    let (received, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for viewer in &viewers {
            scope.spawn(|| read_all(viewer, &received));
        }
        if is_active {
            scope.spawn(|| type_lines(&students, &is_over));
        }
        let measured = observe(&mut class, &page, &received, states);
        // The other threads end, also after an error.
        is_over.store(true, Ordering::Relaxed);
        viewers.iter().for_each(|viewer| drop(viewer.shutdown(Shutdown::Both)));
        measured
    })
}

fn observe(class: &mut EventStream, page: &Page, received: &AtomicU64, states: usize) -> Result<Vec<f64>> {
    let mut process = class.process()?;
    // Every viewer has got the history.
    await_states(class, HISTORY_STATES)?;
    let (began, bytes) = (Instant::now(), received.load(Ordering::Relaxed));
    let used = process.processor_time()?.total();
    await_states(class, states)?;
    let seconds = began.elapsed().as_secs_f64();
    let used = (process.processor_time()?.total() - used).as_secs_f64();
    let bytes = (received.load(Ordering::Relaxed) - bytes) as f64;

    let mut diag = SocketDiag::open().context("cannot ask the kernel about sockets")?;
    let before = highest_memory(class, &mut process, &mut diag, page, CALM_STATES)?;
    let stalled = (0..STALLED).map(|_| page.view(page.connect_small()?)).collect::<Result<Vec<_>>>()?;
    let after = highest_memory(class, &mut process, &mut diag, page, STALL_STATES)?;
    drop(stalled);
    Ok(vec![
        100.0 * used / seconds,
        bytes / seconds / KIB / VIEWERS as f64,
        (after as f64 - before as f64) / KIB / STALLED as f64,
    ])
}

fn await_states(class: &mut EventStream, count: usize) -> Result<()> {
    (0..count).try_for_each(|_| class.next("state").map(drop))
}

/// The highest sum of the program's anonymous memory and the kernel's for the page's connections, right after each of these states.
fn highest_memory(
    class: &mut EventStream,
    process: &mut Process,
    diag: &mut SocketDiag,
    page: &Page,
    states: usize,
) -> Result<u64> {
    let mut highest = 0;
    for _ in 0..states {
        await_states(class, 1)?;
        let sockets = diag.connections(page.addr.port())?;
        let kernel: u64 = sockets.iter().filter_map(|socket| Some(socket.memory?.total())).sum();
        highest = highest.max(process.memory()?.anonymous + kernel);
    }
    Ok(highest)
}

/// Where the page is.
struct Page {
    addr: SocketAddr,
    /// `/` and the viewers' secret.
    path: String,
}

impl Page {
    fn of(event: &Value) -> Result<Page> {
        let url = event["url"].as_str().and_then(|url| url.strip_prefix("http://")).context("no URL")?;
        let (addr, path) = url.split_at(url.find('/').context("a URL without a path")?);
        Ok(Page { addr: addr.parse()?, path: path.trim_end_matches('/').to_owned() })
    }

    fn connect(&self) -> Result<TcpStream> {
        Ok(TcpStream::connect(self.addr)?)
    }

    /// With a receive queue as small as the system allows.
    fn connect_small(&self) -> Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_recv_buffer_size(4096)?;
        socket.connect(&self.addr.into())?;
        Ok(socket.into())
    }

    /// Requests the states on this connection.
    fn view(&self, mut viewer: TcpStream) -> Result<TcpStream> {
        write!(viewer, "GET {}/events HTTP/1.1\r\nHost: {}\r\n\r\n", self.path, self.addr)?;
        Ok(viewer)
    }
}

/// Counts what arrives, until the connection is shut down.
fn read_all(mut viewer: &TcpStream, received: &AtomicU64) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = viewer.read(&mut buffer) {
        received.fetch_add(count as u64, Ordering::Relaxed);
    }
}

/// Each student sends a line per second, and reads it back.
fn type_lines(students: &[TcpStream], is_over: &AtomicBool) {
    // What came back for the names is still to be read.
    let mut names = vec![0; 4096];
    students.iter().for_each(|mut student| drop(student.read(&mut names)));
    while !is_over.load(Ordering::Relaxed) {
        let next = Instant::now() + Duration::from_secs(1);
        if let Err(error) = echo_each(students, b"a line that a student types\n") {
            eprintln!("the students: {error:#}");
            return;
        }
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

const KIB: f64 = 1024.0;

const STUDENTS: usize = 1000;
const VIEWERS: usize = 30;
/// With the other viewers, fewer than one address may have.
const STALLED: usize = 30;

/// States, of which there are two per second, during which the rates are measured.
const STATES: usize = 40;
const QUICK_STATES: usize = 8;

/// States after which every viewer has the history.
const HISTORY_STATES: usize = 3;

/// States during which the memory before is measured, and during which viewers do not read.
const CALM_STATES: usize = 6;
const STALL_STATES: usize = 14;
