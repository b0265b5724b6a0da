//! Memory stays below the given limits, and below those of the environment; no process is killed or aborts.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::case::{Case, case, quick};
use super::kit::{Findings, Launch, MemoryGroup, Running, World, tree, wait_until};

pub(super) const CASES: &[Case] = &[
    quick("serve-in-a-small-group", |world| small_group(world, 200, &["--backpressure", "off"])),
    case("serve-in-a-small-group-with-threads", |world| small_group(world, 200, &["--io", "threads"])),
    case("serve-in-a-group-of-300", |world| {
        small_group(world, 300, &["--backpressure", "bounded", "--queue-limit", "1GiB"])
    }),
    case("flood-spares-the-group-it-shares", |world| {
        let group = MemoryGroup::new(300 * MIB)?;
        let options = ["serve", "--addr", "127.0.0.1:0", "--backpressure", "off", "--memory-limit", "8GiB"];
        let (server, addr) = world.started(world.echoctl(&options).group(&group)?)?;
        let flood =
            world.echoctl(&["flood", &addr, "--no-read", "--rate", "200MiB", "--for", "6s", "--plain"]);
        let ended = flood.group(&group)?.run(RUN)?;
        ensure!(group.killed() == 0, "the kernel killed {} in the group: {ended}", group.killed());
        ensure!(server.is_alive(), "the server has exited: {ended}");
        ended.in_order()
    }),
    case("audit-in-a-small-group", |world| {
        let group = MemoryGroup::new(300 * MIB)?;
        let bin = world.bin.to_string_lossy();
        let serve =
            ["serve", "--addr", "127.0.0.1:{port}", "--backpressure", "off", "--memory-limit", "8GiB"];
        let ended = world.echoctl(&["audit", "--json", "--", &bin]).args(&serve).group(&group)?.run(RUN)?;
        ensure!(group.killed() == 0, "the kernel killed {} in the group: {ended}", group.killed());
        ended.with_code(&[1])?;
        ended.has_any(&["\"unbounded\""])
    }),
    case("demo-in-a-small-group", |world| {
        let group = MemoryGroup::new(300 * MIB)?;
        let ended = world.echoctl(&["demo", "--yes", "--no-report"]).group(&group)?.run(RUN)?;
        ensure!(group.killed() == 0, "the kernel killed {} in the group: {ended}", group.killed());
        ended.in_order()
    }),
    quick("serve-with-little-address-space", |world| {
        little(world, libc::RLIMIT_AS, 600, &["--backpressure", "off"])
    }),
    case("serve-with-little-data", |world| little(world, libc::RLIMIT_DATA, 200, &["--backpressure", "off"])),
    case("threads-with-little-address-space", |world| {
        little(world, libc::RLIMIT_AS, 600, &["--io", "threads"])
    }),
    case("uring-with-little-address-space", |world| little(world, libc::RLIMIT_AS, 600, &["--io", "uring"])),
    case("more-threads-than-fit", many_threads),
    case("clients-with-little-address-space", clients),
    quick("memory-limit-of-tasks", |world| holds(world, &["tasks"], &["lines"], &["await", "off"])),
    quick("memory-limit-of-threads", |world| holds(world, &["threads"], &["lines"], &["await"])),
    case("memory-limit-of-everything", |world| {
        let policies = ["await", "off", "bounded", "watermark", "drop", "disconnect", "budget"];
        holds(world, &["tasks", "threads", "one-thread", "uring"], &["lines", "u16", "u32", "raw"], &policies)
    }),
    quick("a-frame-beyond-the-limit-is-refused-early", long_frame),
];

const MIB: u64 = 1 << 20;

/// A server in a group with a limit in MiB under a flood that is not read: the kernel kills nothing.
fn small_group(world: &World, mebibytes: u64, options: &[&str]) -> Result<()> {
    let group = MemoryGroup::new(mebibytes * MIB)?;
    let launch = world.echoctl(&["serve", "--addr", "127.0.0.1:0"]).args(options).group(&group)?;
    let (server, addr) = world.started(launch)?;
    stays(world, &server, &addr)?;
    ensure!(group.killed() == 0, "the kernel killed {} in the group", group.killed());
    Ok(())
}

/// A server with a limit of a resource, in MiB.
fn little(
    world: &World,
    resource: libc::__rlimit_resource_t,
    mebibytes: u64,
    options: &[&str],
) -> Result<()> {
    let launch = world.echoctl(&["serve", "--addr", "127.0.0.1:0"]).args(options);
    let (server, addr) = world.started(launch.limit(resource, mebibytes * MIB))?;
    stays(world, &server, &addr)
}

/// Floods the server with more than it may buffer. It keeps running, and serves others afterwards.
fn stays(world: &World, server: &Running, addr: &str) -> Result<()> {
    let flood =
        ["flood", addr, "--no-read", "--connections", "4", "--rate", "300MiB", "--for", "3s", "--plain"];
    let ended = world.echoctl(&flood).run(RUN)?;
    ended.in_order()?;
    ensure!(server.is_alive(), "the server has exited and printed {:?}: {ended}", server.printed());
    ensure!(!server.printed().contains("panicked at"), "it panicked: {:?}", server.printed());
    let ping = world.echoctl(&["ping", addr, "--count", "1"]).run(RUN)?;
    ping.with_code(&[0]).context("it does not serve after the flood")
}

/// Peers whose threads do not fit into the address space are disconnected; the server keeps running.
fn many_threads(world: &World) -> Result<()> {
    let launch = world.echoctl(&["serve", "--addr", "127.0.0.1:0", "--io", "threads"]);
    let (server, addr) = world.started(launch.limit(libc::RLIMIT_AS, 600 * MIB))?;
    let crowd: Vec<_> = (0..1500).filter_map(|_| TcpStream::connect(&addr).ok()).collect();
    ensure!(!crowd.is_empty(), "no peer got a connection");
    // Once the kernel's backlog is empty, all were accepted: then a new peer is served or disconnected.
    let answered = wait_until(RUN, || !server.is_alive() || is_met(&addr));
    ensure!(server.is_alive(), "the server has exited and printed {:?}", server.printed());
    ensure!(answered, "a new peer is neither served nor disconnected");
    drop(crowd);
    let is_back = wait_until(RUN, || {
        let ping = world.echoctl(&["ping", &addr, "--count", "1"]).run(RUN);
        ping.is_ok_and(|ended| ended.code == Some(0))
    });
    ensure!(is_back, "it does not serve after the crowd has left");
    Ok(())
}

/// Whether a new peer gets a reply or is disconnected.
fn is_met(addr: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(addr) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
    let _ = stream.write_all(b"x\n");
    // A reply, the end of the stream and a reset are all fine: only silence is not.
    let reply = stream.read(&mut [0; 8]);
    reply.map_or_else(|error| error.kind() == std::io::ErrorKind::ConnectionReset, |_| true)
}

fn clients(world: &World) -> Result<()> {
    let (_server, addr) = world.serve(&[])?;
    let bin = world.bin.to_string_lossy().into_owned();
    let mut findings = Findings::default();
    let limits = [
        (libc::RLIMIT_AS, 500),
        (libc::RLIMIT_AS, 200),
        (libc::RLIMIT_DATA, 100),
        (libc::RLIMIT_NOFILE, 40),
        (libc::RLIMIT_NOFILE, 12),
    ];
    for (resource, amount) in limits {
        let value = if resource == libc::RLIMIT_NOFILE { amount } else { amount * MIB };
        for command in [
            &["flood", &addr, "--for", "500ms", "--plain"][..],
            &["flood", &addr, "--for", "500ms", "--connections", "100", "--plain"],
            &["ping", &addr, "--count", "10", "--connections", "50"],
            &["watch", &addr, "--for", "100ms", "--plain"],
            &["audit", "--for", "1s", "--bytes", "16MiB", "--", &bin, "serve", "--addr", "127.0.0.1:{port}"],
            &["demo", "--yes", "--small", "--no-report"],
            &["doctor"],
            &["lesson", "unbounded", "--yes"],
            &["lesson", "buffer", "--yes"],
        ] {
            let ended = world.echoctl(command).limit(resource, value).run(RUN);
            findings.add(
                format!("{} with {amount} of resource {resource}", command.join(" ")),
                ended.and_then(|ended| ended.in_order()),
            );
        }
    }
    findings.verdict()
}

/// `--memory-limit` holds whatever the peers send, in every combination.
fn holds(world: &World, ios: &[&str], framings: &[&str], policies: &[&str]) -> Result<()> {
    let mut findings = Findings::default();
    let mut tried = 0;
    for io in ios {
        for framing in framings {
            for policy in policies {
                let mut options = vec!["--io", io, "--framing", framing, "--backpressure", policy];
                if !["await", "off"].contains(policy) {
                    options.extend(["--queue-limit", "16MiB"]);
                }
                let limit = ["serve", "--addr", "127.0.0.1:0", "--memory-limit", "64MiB", "--max-frame"];
                // A frame longer than all memory may be refused early: then frames have the maximum length.
                for longest in ["256MiB", "48MiB"] {
                    let Some((server, addr)) = taken(world.echoctl(&limit).args(&[longest]).args(&options))?
                    else {
                        continue;
                    };
                    tried += 1;
                    findings.add(options.join(" "), peak(&server, &addr, framing));
                    break;
                }
            }
        }
    }
    ensure!(tried > 0, "no combination was accepted");
    findings.verdict()
}

/// A server, unless its options conflict.
fn taken(launch: Launch) -> Result<Option<(Running, String)>> {
    let server = launch.start()?;
    wait_until(RUN, || !server.is_alive() || server.printed().contains("listening on "));
    if !server.is_alive() {
        server.end(RUN)?.with_code(&[2])?;
        return Ok(None);
    }
    let addr = server.await_text("listening on ", RUN)?;
    Ok(Some((server, addr.trim_end_matches(':').to_owned())))
}

/// 150 peers that each send most of a frame of 1 MiB, and then four that send as fast as they can. All of them read nothing.
fn peak(server: &Running, addr: &str, framing: &str) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(3);
    let mut most = 0;
    thread::scope(|scope| {
        let senders: Vec<_> = (0..4).map(|_| scope.spawn(|| send_fast(addr, framing, deadline))).collect();
        let mut crowd = Vec::new();
        while senders.iter().any(|sender| !sender.is_finished()) {
            if crowd.len() < 150
                && let Ok(mut peer) = TcpStream::connect(addr)
            {
                let _ = peer.set_nonblocking(true);
                let _ = peer.write(&begin(framing, 1 << 20));
                let _ = peer.write(&vec![b'x'; 1_000_000]);
                crowd.push(peer);
            }
            most = most.max(tree::anonymous_memory(server.pid()).unwrap_or(0));
            thread::sleep(Duration::from_millis(2));
        }
    });
    ensure!(server.is_alive(), "the server has exited and printed {:?}", server.printed());
    ensure!(most <= ALLOWED, "{} MiB, where the limit is 64 and {} are tolerated", most / MIB, ALLOWED / MIB);
    Ok(())
}

/// Sends a frame that never ends, up to 200 MiB or until the time is over or the server disconnects, again and again.
fn send_fast(addr: &str, framing: &str, deadline: Instant) {
    let piece = vec![b'x'; 64 << 10];
    while Instant::now() < deadline {
        let Ok(mut stream) = TcpStream::connect(addr) else { continue };
        let _ = stream.set_write_timeout(Some(Duration::from_millis(500)));
        let mut sent = stream.write(&begin(framing, 200 << 20)).unwrap_or(0);
        while sent < 200 << 20 && Instant::now() < deadline {
            match stream.write(&piece) {
                Ok(length) => sent += length,
                Err(_) => break,
            }
        }
    }
}

/// The framing before a payload of this length.
fn begin(framing: &str, bytes: usize) -> Vec<u8> {
    match framing {
        "u16" => u16::MAX.to_be_bytes().to_vec(),
        "u32" => u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes().to_vec(),
        _ => vec![b'x'; 4],
    }
}

/// The length prefix already shows that the frame can never fit, so its peer is disconnected before it sends it.
fn long_frame(world: &World) -> Result<()> {
    for io in ["tasks", "threads", "one-thread", "uring"] {
        let options =
            ["serve", "--addr", "127.0.0.1:0", "--io", io, "--framing", "u32", "--max-frame", "1GiB"];
        let Some((_server, addr)) = taken(world.echoctl(&options).args(&["--memory-limit", "64MiB"]))? else {
            continue;
        };
        let mut stream = TcpStream::connect(&addr)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(&begin("u32", 512 << 20))?;
        match stream.read(&mut [0; 8]) {
            Ok(0) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
            other => bail!("--io {io}: waits for a frame of 512 MiB under a limit of 64 MiB: {other:?}"),
        }
    }
    Ok(())
}

/// The limit of 64 MiB, and what the program, its stacks and one read per peer may use beside it.
const ALLOWED: u64 = 128 * MIB;

/// Maximum time for a run of some seconds on a busy machine.
const RUN: Duration = Duration::from_secs(90);
