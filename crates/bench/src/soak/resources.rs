//! The resources of the server at one moment, as the kernel and the server report them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use echoctl_observe::{Process, TcpMemory};

use crate::server::Server;

/// The resources of the server at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Resources {
    /// Bytes of anonymous memory (RssAnon).
    pub(crate) memory: u64,
    /// Open files, sockets included: every connection shows in this figure.
    pub(crate) descriptors: usize,
    /// Threads, see [`own_threads`]. A runtime's idle helper threads exit after some seconds.
    pub(crate) threads: u64,
    /// Connections, by the server's own count. Each is a task, which frees its entry as its last step. A
    /// task that never ends keeps its socket open, and so shows in the open files.
    pub(crate) connections: u64,
    /// Bytes in reply queues and frame buffers, by the server's own count.
    pub(crate) buffered: u64,
    /// Bytes of kernel memory of all TCP sockets of the host, those of the peers included. 0 where it is not visible.
    pub(crate) kernel: u64,
}

impl Resources {
    /// The server now; its own counts are as old as its last `stats`, at most 100 ms.
    pub(super) fn take(server: &mut Server) -> Result<Resources> {
        let stats = server.stats();
        Ok(Resources {
            memory: server.memory()?,
            descriptors: server.process.open_files()?,
            threads: own_threads(&server.process)?,
            connections: stats["connections"].as_u64().unwrap_or(0),
            buffered: stats["queued"].as_u64().unwrap_or(0),
            kernel: TcpMemory::now().map_or(0, |memory| memory.used),
        })
    }

    /// The server before its first peer.
    pub(super) fn fresh(server: &mut Server) -> Result<Resources> {
        Resources::once(server, |_| true)
    }

    /// The server after its peers have left: no connections, as many open files as `before` (with
    /// [`Threads::AsBefore`], as many threads, too), and memory that no longer changes. After a deadline, the server as it is.
    pub(super) fn at_rest(server: &mut Server, before: &Resources, threads: Threads) -> Result<Resources> {
        Resources::once(server, |sample| {
            sample.connections == 0
                && sample.descriptors == before.descriptors
                && (sample.threads == before.threads || threads == Threads::AnyNumber)
        })
    }

    /// Waits until a sample with `stats` printed after this moment fulfils the condition, and then for memory.
    fn once(server: &mut Server, is_settled: impl Fn(&Resources) -> bool) -> Result<Resources> {
        let deadline = Instant::now() + SETTLES_WITHIN;
        let since = server.stats()["t"].as_f64().unwrap_or(0.0);
        loop {
            let sample = Resources::take(server)?;
            let is_current = server.stats()["t"].as_f64().is_some_and(|now| now >= since + 2.0 * STATS_EVERY);
            if (is_current && is_settled(&sample)) || Instant::now() >= deadline {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        server.memory_returned()?;
        Resources::take(server)
    }
}

/// The threads of a process, without those that the kernel adds for its io_uring: it retains an idle one per ring, once it has needed one.
pub(super) fn own_threads(process: &Process) -> io::Result<u64> {
    let tasks = fs::read_dir(format!("/proc/{}/task", process.pid())).into_iter().flatten().flatten();
    // One that has ended meanwhile has no name.
    let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    let of_the_kernel = names.filter(|name| name.starts_with("iou-wrk-")).count() as u64;
    Ok(process.threads()?.saturating_sub(of_the_kernel))
}

/// The number of threads to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Threads {
    /// Any: idle helper threads exit only after some seconds.
    AnyNumber,
    /// As many as before.
    AsBefore,
}

/// The samples taken during a crowd, summarised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Crowded {
    /// The median of each figure.
    pub(crate) median: Resources,
    /// The maximum of each figure.
    pub(crate) most: Resources,
}

impl Crowded {
    pub(super) fn of(samples: &[Resources]) -> Crowded {
        let each = |pick: fn(&mut [u64]) -> u64| {
            let figure = |of: fn(&Resources) -> u64| pick(&mut samples.iter().map(of).collect::<Vec<_>>());
            Resources {
                memory: figure(|sample| sample.memory),
                descriptors: figure(|sample| sample.descriptors as u64) as usize,
                threads: figure(|sample| sample.threads),
                connections: figure(|sample| sample.connections),
                buffered: figure(|sample| sample.buffered),
                kernel: figure(|sample| sample.kernel),
            }
        };
        Crowded { median: each(median), most: each(|values| values.iter().copied().max().unwrap_or(0)) }
    }
}

fn median(values: &mut [u64]) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

/// Number of the server's closed connections per reason, by its own account.
pub(super) type Endings = BTreeMap<String, u64>;

/// Seconds between the server's own `stats`.
const STATS_EVERY: f64 = 0.1;

/// Far longer than the ten seconds after which tokio's idle helper threads exit.
const SETTLES_WITHIN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_has_a_median_and_a_maximum_of_each_figure() {
        let sample = |memory, descriptors| Resources { memory, descriptors, ..Resources::default() };

        let crowded = Crowded::of(&[sample(5, 3), sample(900, 1), sample(7, 2)]);

        assert_eq!(crowded.median, sample(7, 2));
        assert_eq!(crowded.most, sample(900, 3));
        assert_eq!(Crowded::of(&[]), Crowded::default());
    }
}
