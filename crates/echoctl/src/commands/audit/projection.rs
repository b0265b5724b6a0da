//! The memory of the attacked connections, extrapolated to many: a bound of one connection is one for each of a thousand, too.

use echoctl_observe::TcpMemory;
use echoctl_record::{Bytes, Verdict};
use echoctl_verdict::audit::Figures;
use serde::Serialize;

/// The memory that many such connections would occupy.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Projection {
    /// Number of connections.
    pub(super) connections: u64,
    /// Memory of the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server_memory: Option<u64>,
    /// Memory of the kernel, of both ends of the connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kernel_memory: Option<u64>,
    /// Whether the user gave the number of connections.
    #[serde(skip)]
    pub(super) is_requested: bool,
    /// Whether the server disconnects such a client, which occupies it until then.
    #[serde(skip)]
    pub(super) ends: bool,
}

impl Projection {
    /// That to `requested` connections; without a request, to [`USUAL`] ones, and only of a server whose memory has a limit, or which
    /// disconnects: the memory of others depends on how much they are sent.
    pub(super) fn new(
        verdict: Verdict,
        requested: Option<u64>,
        figures: &Figures,
        attacked: u32,
    ) -> Option<Projection> {
        let connections =
            requested.or(matches!(verdict, Verdict::Bounded | Verdict::Disconnects).then_some(USUAL))?;
        let each = |total: Option<u64>| {
            let all = u128::from(total?) * u128::from(connections) / u128::from(attacked.max(1));
            Some(u64::try_from(all).unwrap_or(u64::MAX))
        };
        let (server_memory, kernel_memory) = (each(figures.memory_growth), each(figures.kernel_memory));
        let (is_requested, ends) = (requested.is_some(), verdict == Verdict::Disconnects);
        Some(Projection { connections, server_memory, kernel_memory, is_requested, ends })
    }

    /// The usual projection in a sentence; `None` if the user gave a number, which has rows of its own, or no memory is visible.
    pub(super) fn sentence(&self) -> Option<String> {
        if self.is_requested {
            return None;
        }
        let server = self.server_memory.map(|bytes| format!("{} of server memory", Bytes(bytes)));
        let kernel = self.kernel_memory.map(|bytes| {
            let varies = (bytes / USUAL >= NOTABLE).then(|| VARIES.to_owned());
            let notes: Vec<String> = varies.into_iter().chain(exceeding(bytes)).collect();
            let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) };
            format!("{} of kernel memory for both ends{notes}", Bytes(bytes))
        });
        let both: Vec<String> = server.into_iter().chain(kernel).collect();
        let until = if self.ends { ", until they are disconnected" } else { "" };
        (!both.is_empty())
            .then(|| format!("1,000 such clients would occupy about {}{until}", both.join(" and ")))
    }

    /// Names and values for a table.
    pub(super) fn rows(&self) -> [(String, String); 2] {
        let visible = |bytes: Option<u64>| {
            bytes.map_or("not visible here".to_owned(), |bytes| Bytes(bytes).to_string())
        };
        let note = self.kernel_memory.and_then(exceeding).map_or(String::new(), |note| format!(" ({note})"));
        [
            (format!("{} such connections, server memory", self.connections), visible(self.server_memory)),
            ("  kernel memory of both ends".to_owned(), visible(self.kernel_memory) + &note),
        ]
    }
}

/// A note if this host does not allow that much kernel memory for all its TCP connections.
fn exceeding(bytes: u64) -> Option<String> {
    let most = TcpMemory::now()?.max;
    (bytes > most).then(|| format!("this host allows {} for TCP", Bytes(most)))
}

/// Why the figure of the kernel is another one in the next run.
const VARIES: &str = "it varies: the kernel resizes receive buffers while data flows";

/// Bytes of one connection that are worth this explanation.
const NOTABLE: u64 = 1 << 20;

/// Connections of the usual projection: a number for which most servers are set up.
const USUAL: u64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        Figures { memory_growth: Some(256 << 10), kernel_memory: Some(8 << 20), ..Figures::default() }
    }

    #[test]
    fn a_bounded_server_is_multiplied_by_a_thousand() {
        for (attacked, server, kernel) in [(1, "250 MiB", "7.8 GiB"), (100, "2.5 MiB", "80 MiB")] {
            let sentence =
                Projection::new(Verdict::Bounded, None, &figures(), attacked).unwrap().sentence().unwrap();

            assert!(
                sentence.contains(&format!("about {server} of server memory and {kernel} of kernel")),
                "{sentence}"
            );
            assert_eq!(sentence.contains(VARIES), attacked == 1, "{sentence}");
        }
        let hidden = Figures { memory_growth: None, kernel_memory: None, ..figures() };
        assert_eq!(Projection::new(Verdict::Bounded, None, &hidden, 1).unwrap().sentence(), None);
    }

    #[test]
    fn clients_that_are_disconnected_occupy_it_until_then() {
        let sentence =
            Projection::new(Verdict::Disconnects, None, &figures(), 1).unwrap().sentence().unwrap();

        assert!(sentence.ends_with(", until they are disconnected"), "{sentence}");
    }

    #[test]
    fn other_verdicts_are_multiplied_on_request_only() {
        for verdict in Verdict::ALL {
            let usual = Projection::new(verdict, None, &figures(), 1);
            let requested = Projection::new(verdict, Some(7), &figures(), 1).unwrap();

            let has_an_end = matches!(verdict, Verdict::Bounded | Verdict::Disconnects);
            assert_eq!(usual.is_some(), has_an_end, "{verdict}");
            assert_eq!((requested.connections, requested.server_memory), (7, Some(7 * (256 << 10))));
            assert_eq!(requested.sentence(), None, "it has rows");
            assert_eq!(requested.rows()[1].1, "56 MiB");
        }
    }
}
