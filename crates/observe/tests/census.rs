//! A census finds the marks in the memory of processes, and leaves out what it must not touch.
#![cfg(target_os = "linux")]
#![cfg(test)]

use std::io::{BufRead, BufReader, Read};
use std::process::{ChildStdout, Command, Stdio};

use echoctl_observe::{CensusCount, Process, census, own_uid};
use echoctl_testkit::{Running, eventually};

mod mapping;

use mapping::SharedMemory;

#[test]
fn marks_on_a_heap_are_counted_in_each_process() {
    let child = Holder::start();

    let once = count(&[&child.process], HEAP);
    let twice = count(&[&child.process, &child.process], HEAP);

    assert!((10_000..10_000 + FEW).contains(&once.occurrences), "{once:?}");
    assert_eq!(twice.occurrences, 2 * once.occurrences);
    assert!(once.is_complete && once.scanned >= 10_000 * 64, "{once:?}");
}

#[test]
fn marks_across_the_boundaries_of_pieces_are_found() {
    let child = Holder::start();

    let count = count(&[&child.process], EDGE);

    assert!((200_000..200_000 + FEW).contains(&count.occurrences), "{count:?}");
}

#[test]
fn marks_in_shared_memory_are_counted_once() {
    let child = Holder::start();

    let once = count(&[&child.process], SHARED);
    let twice = count(&[&child.process, &child.process], SHARED);

    assert!((10_000..10_000 + FEW).contains(&once.occurrences), "{once:?}");
    assert!((10_000..10_000 + 2 * FEW).contains(&twice.occurrences), "{twice:?}");
}

#[test]
fn marks_in_utf_16_are_counted_too() {
    let child = Holder::start();

    let count = count(&[&child.process], TEXT);

    assert!((20_000..20_000 + FEW).contains(&count.occurrences), "{count:?}");
}

#[test]
fn memory_that_was_never_touched_is_not_read() {
    let child = Holder::start();

    let count = count(&[&child.process], b"it is not in there");

    assert!(count.occurrences == 0 && count.scanned < 1 << 30, "{count:?}");
}

#[test]
fn a_process_goes_on_after_a_census() {
    let mut child = Holder::start();

    count(&[&child.process], HEAP);

    drop(child.running.0.stdin.take());
    assert!(child.running.end("it has read the end of its input").success());
}

#[test]
fn a_process_that_has_exited_counts_nothing() {
    let mut child = Running::start(Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()));
    let process = Process::open(child.pid()).unwrap();
    drop(child.0.stdin.take());
    eventually("it is a zombie", || process.has_exited());

    assert_eq!(census([&process], b"nowhere in a cat"), None);
    let with_another = count(&[&process, &own()], b"nowhere in a cat");
    assert!(with_another.is_complete, "{with_another:?}");
}

#[test]
fn a_process_of_another_user_is_refused() {
    if own_uid() == Some(0) {
        eprintln!("skipped: root may read the memory of every process");
        return;
    }
    let first = Process::open(1).unwrap();

    assert_eq!(census([&first], b"the first process"), None);
    let with_another = count(&[&first, &own()], b"the first process");
    assert!(!with_another.is_complete, "{with_another:?}");
}

/// Copies of a needle that a process has beside its marks.
const FEW: u64 = 10;

const HEAP: &[u8] = b"heap of a census";
const EDGE: &[u8] = b"mark on the edge";
const TEXT: &[u8] = b"text with zeroes";
const SHARED: &[u8] = b"shared by a fork";

/// Another process with marks in its memory.
struct Holder {
    running: Running,
    process: Process,
    /// It prints its result when it ends.
    _output: BufReader<ChildStdout>,
}

impl Holder {
    /// Starts this program again, to run only [`holds_marks`], and waits until it has them.
    fn start() -> Holder {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "holds_marks", "--nocapture"]).env(IS_HOLDER, "");
        let mut running = Running::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let mut output = BufReader::new(running.0.stdout.take().unwrap());
        assert!(output.by_ref().lines().any(|line| line.unwrap().ends_with(READY)), "it ended before");
        let process = Process::open(running.pid()).unwrap();
        Holder { running, process, _output: output }
    }
}

/// What a [`Holder`] runs: it has marks on its heap and in shared memory until its input ends.
#[test]
fn holds_marks() {
    if std::env::var_os(IS_HOLDER).is_none() {
        return;
    }
    let heap = marks(HEAP, 10_000, 64);
    // They begin at every offset, so that some lie across each page and each MiB.
    let edge = marks(EDGE, 200_000, 61);
    let wide = |big_endian: usize| {
        let mut mark = vec![0; 2 * TEXT.len()];
        mark.chunks_exact_mut(2).zip(TEXT).for_each(|(pair, byte)| pair[big_endian] = *byte);
        marks(&mark, 10_000, 61)
    };
    let text = [wide(0), wide(1)];
    // Behind pages that are not touched.
    let mut memory = SharedMemory::new(4 << 30);
    let shared = memory.bytes().chunks_exact_mut(64).rev().take(10_000);
    shared.for_each(|unit| unit[..SHARED.len()].copy_from_slice(SHARED));

    println!("{READY}");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    std::hint::black_box((heap, edge, text));
}

/// The environment variable that makes this program a [`Holder`].
const IS_HOLDER: &str = "ECHOCTL_TEST_HOLDS_MARKS";

const READY: &str = "ready";

fn own() -> Process {
    Process::open(std::process::id()).unwrap()
}

#[track_caller]
fn count(processes: &[&Process], needle: &[u8]) -> CensusCount {
    census(processes.iter().copied(), needle).expect("this process and its children may be traced")
}

/// `number` marks, each at the start of `unit` bytes.
fn marks(mark: &[u8], number: usize, unit: usize) -> Vec<u8> {
    let mut bytes = vec![b'x'; number * unit];
    bytes.chunks_exact_mut(unit).for_each(|chunk| chunk[..mark.len()].copy_from_slice(mark));
    bytes
}
