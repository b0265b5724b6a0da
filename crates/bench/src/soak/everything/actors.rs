//! The clients and commands that come and go during a round.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use echoctl_observe::TcpMemory;
use echoctl_proto::Framing;

use super::errand::Done;
use super::promise::{Promise, check_verdict};
use super::stage::Stage;
use super::web::{StalledViewer, scrape};
use crate::soak::KERNEL_FULL;
use crate::soak::block::Block;
use crate::soak::crowd::crowd;
use crate::soak::world::World;

/// The names under which the actors report.
pub(super) const KINDS: [&str; 11] = [
    "audits",
    "crowds",
    "floods",
    "floods read at the end",
    "maps",
    "pings",
    "scrapes",
    "stalled viewers",
    "students",
    "unread floods",
    "watches",
];

/// Floods that read, that do not read, and that read at the end, and pings: one after another, so that a server
/// which a client that does not read stalls is free for the next one.
pub(super) fn visitor(stage: &Stage<'_>, addr: SocketAddr, promise: Promise) {
    let addr = addr.to_string();
    type Check = fn(Promise, &Done) -> Result<()>;
    let visits: [(&str, &str, Check); 4] = [
        ("floods", "flood -c 4 --rate 2MiB --for 3s --json", Promise::check_always_read),
        ("pings", "ping -n 200 --timeout 60s --json", |_, done| done.ended_with(&[0])),
        ("unread floods", "flood --no-read -n 8MiB --for 3s --json", Promise::check_unread),
        (
            "floods read at the end",
            "flood --no-read --then-read -n 4MiB --for 3s --json",
            Promise::check_read,
        ),
    ];
    for (what, command, check) in visits.iter().cycle().skip(stage.round() % visits.len()) {
        if stage.pause(BETWEEN_VISITS) {
            return;
        }
        errand(stage, what, &[&words(command)[..], &[&addr]].concat(), |done| check(promise, done));
    }
}

/// Peers that connect, flood, stall, drain, reset and leave, and check every byte.
pub(super) fn peers(stage: &Stage<'_>, addr: SocketAddr, name: &str, crowd_of: &Crowd) {
    let Crowd { peers, time, longest_pause, seed } = *crowd_of;
    let world = Rc::new(World::new(addr, Block::new(Framing::Lines, seed), longest_pause, name));
    let lived = crowd(&world, peers, time, seed, LOOKS_EVERY, || {
        world.is_kernel_full.set(TcpMemory::now().is_some_and(|memory| memory.used > KERNEL_FULL));
        Ok(())
    });
    stage.report("crowds", lived);
    let (tally, mut book) = (&world.tally, stage.book());
    book.count("lives", tally.opened.get());
    book.count("MiB checked by peers", tally.checked.get() >> 20);
    if tally.wrong.get() > 0 {
        book.wrong(tally.wrong.get(), || {
            format!("peers of {name}: {}", tally.first_wrongs.borrow().join("; "))
        });
    }
}

/// The peers of one server in one round.
#[derive(Debug, Clone, Copy)]
pub(super) struct Crowd {
    pub(super) peers: usize,
    pub(super) time: Duration,
    pub(super) longest_pause: Duration,
    pub(super) seed: u64,
}

/// Students of a class: one reads, one does not.
pub(super) fn students(stage: &Stage<'_>, addr: SocketAddr) {
    let addr = addr.to_string();
    while !stage.pause(BETWEEN_VISITS) {
        let reads = words("flood --name ada -c 2 --rate 1MiB --for 2s --json");
        errand(stage, "students", &[&reads[..], &[&addr]].concat(), |done| {
            Promise::Echoes.check_always_read(done)
        });
        let stalls = words("flood --name bob --no-read -n 8MiB --for 3s --json");
        errand(stage, "students", &[&stalls[..], &[&addr]].concat(), |done| {
            Promise::Echoes.check_unread(done)
        });
    }
}

/// Audits of servers of our own, whose verdicts are known, beginning with one of them.
pub(super) fn auditor(stage: &Stage<'_>, first: usize) {
    for (options, verdict) in AUDITED.iter().cycle().skip(first % AUDITED.len()) {
        if stage.is_over() {
            return;
        }
        let program = stage.program().to_string_lossy().into_owned();
        let mut command = words("audit --json --bytes 32MiB --");
        command.extend([&program, "serve", "--addr", "127.0.0.1:{port}"]);
        command.extend(words(options));
        let mut is_decided = false;
        errand(stage, "audits", &command, |done| {
            is_decided = check_verdict(verdict, done)?;
            Ok(())
        });
        stage.book().count(&format!("verdicts '{verdict}'"), u64::from(is_decided));
    }
}

/// Servers with their verdicts.
pub(super) const AUDITED: [(&str, &str); 6] = [
    ("--backpressure off", "unbounded"),
    ("--backpressure await", "bounded"),
    ("--backpressure drop", "discards"),
    ("--backpressure disconnect", "disconnects"),
    ("--io uring", "bounded"),
    ("--io threads", "bounded"),
];

/// Watches of all servers: as text, as JSON with a recording and a report, and as a map.
pub(super) fn watcher(stage: &Stage<'_>, servers: &[SocketAddr]) {
    let targets: Vec<String> = servers.iter().map(SocketAddr::to_string).collect();
    let files = ["watch.json", "watch.html"].map(|name| stage.scratch().join(name));
    let [recording, report] = files.each_ref().map(|file| file.to_string_lossy());
    let with_files = ["watch", "--json", "--for", "4s", "--record", &*recording, "--report", &*report];
    while !stage.is_over() {
        for options in [&words("watch --plain --for 4s")[..], &with_files] {
            let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
            errand(stage, "watches", &[options, &targets].concat(), |done| done.ended_with(&[0]));
        }
        errand(stage, "maps", &words("watch --map --plain --for 2s"), |done| done.ended_with(&[0]));
        for file in &files {
            stage.report("files", std::fs::remove_file(file).map_err(Into::into));
        }
    }
}

/// Scrapes of all metrics.
pub(super) fn scraper(stage: &Stage<'_>, metrics: &[SocketAddr]) {
    while !stage.pause(SCRAPES_EVERY) {
        for addr in metrics {
            stage.report("scrapes", scrape(*addr));
        }
    }
}

/// Viewers of the page who read nothing: half of them stay, half of them come and go.
pub(super) fn viewers(stage: &Stage<'_>, addr: SocketAddr, path: &str) {
    let join = || {
        let joined: Vec<Result<StalledViewer>> =
            (0..VIEWERS / 2).map(|_| StalledViewer::join(addr, path)).collect();
        let present = joined.into_iter().filter_map(|viewer| match viewer {
            Ok(viewer) => {
                stage.report("stalled viewers", Ok(()));
                Some(viewer)
            }
            Err(error) => {
                stage.report("stalled viewers", Err(error));
                None
            }
        });
        present.collect::<Vec<_>>()
    };
    let _who_stay = join();
    loop {
        let _who_leave = join();
        if stage.pause(VIEWERS_STAY) {
            return;
        }
    }
}

/// Runs a command, and reports whether it was right.
fn errand(stage: &Stage<'_>, what: &str, words: &[&str], check: impl FnOnce(&Done) -> Result<()>) {
    let mut command = stage.echoctl();
    command.args(words);
    let result = Done::run(command, ERRAND_WITHIN).and_then(|done| check(&done));
    stage.report(what, result.map_err(|error| error.context(words.join(" "))));
}

fn words(command: &str) -> Vec<&str> {
    command.split(' ').collect()
}

/// Without it a dozen visitors would occupy the machine with starting programs.
const BETWEEN_VISITS: Duration = Duration::from_millis(500);

const LOOKS_EVERY: Duration = Duration::from_secs(1);

const SCRAPES_EVERY: Duration = Duration::from_secs(1);

const VIEWERS: usize = 8;

const VIEWERS_STAY: Duration = Duration::from_secs(5);

/// Far longer than the longest command takes on a busy machine.
const ERRAND_WITHIN: Duration = Duration::from_secs(180);
