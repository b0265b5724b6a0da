//! The part of the lesson about a ring of buffers, which Linux's io_uring receives into: held until the reply is written, and with a bound
//! per connection.

use std::net::SocketAddr;
use std::time::Duration;

use echoctl_record::Seconds;
use echoctl_report::Table;

use super::client::Clients;
#[cfg(not(target_os = "linux"))]
use super::no_uring::SharedRing;
#[cfg(target_os = "linux")]
use super::shared_ring::SharedRing;
use super::{Waits, measure};
use crate::kit::{LessonError, join, spawn};

/// What both servers did to their clients.
pub(super) struct Rings {
    /// Of each client of the server that holds the buffers.
    held: Vec<Waits>,
    occupancy: Occupancy,
    /// Of each client of `echoctl serve --io uring`.
    bounded: Vec<Waits>,
}

/// How much of the ring was in use.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Occupancy {
    /// Number of buffers that the ring has.
    pub(super) buffers: usize,
    /// The most that one client's replies held.
    pub(super) most_held: usize,
    /// The most clients at one time for which bytes had arrived and no buffer was free.
    pub(super) most_waiting: usize,
}

impl Rings {
    /// Measures the faulty server beside the one at `bounded`, which has one ring too.
    ///
    /// # Errors
    /// [`LessonError::NotVisible`] where there is no io_uring.
    pub(super) fn measure(
        bounded: Result<SocketAddr, LessonError>,
        stall: Duration,
    ) -> Result<Rings, LessonError> {
        // It belongs to this thread.
        let server = SharedRing::new()?;
        let bounded = Clients::connect(bounded?, OTHERS)?;
        let (held, ends) = Clients::connected(OTHERS)?;
        let bounded = spawn(move || measure(bounded, stall))?;
        let held = spawn(move || measure(held, stall))?;
        let occupancy = server.serve(ends)?;
        Ok(Rings { held: join(held)??, occupancy, bounded: join(bounded)?? })
    }

    /// The longest wait of the client that waited least beside the one that held the buffers.
    pub(super) fn held_wait(&self) -> Seconds {
        Seconds(self.held.iter().map(|waits| waits.longest.0).fold(f64::INFINITY, f64::min))
    }

    /// The usual wait of the client that usually waited most where each connection has a bound.
    pub(super) fn bounded_wait(&self) -> Seconds {
        most(&self.bounded, |waits| waits.usual)
    }

    /// The longest wait of all those clients.
    pub(super) fn bounded_longest_wait(&self) -> Seconds {
        most(&self.bounded, |waits| waits.longest)
    }

    /// Whether the replies to one client held all buffers, and all clients waited for one.
    pub(super) fn is_used_up(&self) -> bool {
        let Occupancy { buffers, most_held, most_waiting } = self.occupancy;
        most_held == buffers && most_waiting == self.held.len() + 1
    }

    pub(super) fn occupancy(&self) -> Occupancy {
        self.occupancy
    }

    pub(super) fn table(&self) -> Table {
        let servers = [("buffers held", &self.held), ("with a bound", &self.bounded)];
        let mut table = Table::new("", ["one shared ring", "client", "by itself", "beside it", "at most"]);
        for (name, clients) in servers {
            for (number, waits) in clients.iter().enumerate() {
                let [alone, usual, longest] = waits.cells();
                table = table.row([name.to_owned(), (number + 1).to_string(), alone, usual, longest]);
            }
        }
        table
    }

    /// For when the claim holds.
    pub(super) fn explanation(&self) -> [String; 2] {
        let (buffers, others) = (self.occupancy.buffers, self.held.len());
        [
            format!(
                "Memory can be what clients share, too. With Linux's io_uring the kernel takes a buffer from a ring of them when \
                 bytes have arrived, so that a client that sends nothing occupies none. The first server of the second table has \
                 one ring of {buffers} buffers for all clients. It receives again at once, as a multishot receive does, and gives a \
                 buffer back when the reply in it is written. Replies to the stalled client held all {buffers}: for what any of the \
                 {} clients sent no buffer was free (ENOBUFS), and each of the {others} others waited {} or longer for an echo. The \
                 ring has a limit, but one for all clients together.",
                others + 1,
                self.held_wait(),
            ),
            format!(
                "The missing bound is the one per connection. The second server, `echoctl serve --io uring --workers 1`, also has \
                 one ring for all clients. What a client does not accept at once moves to a buffer of its own, the ring gets its \
                 buffer back, and nothing more is received from that client until its replies are written. To each of the {others} \
                 others an echo usually took {} or less, and at most {}.",
                self.bounded_wait(),
                self.bounded_longest_wait(),
            ),
        ]
    }
}

fn most(clients: &[Waits], wait: impl Fn(&Waits) -> Seconds) -> Seconds {
    Seconds(clients.iter().map(|waits| wait(waits).0).fold(0.0, f64::max))
}

/// Number of clients beside the stalled one.
const OTHERS: usize = 3;
