//! Since when connections are stalled, from one sample to the next.
//!
//! A connection is stalled while one side waits for the other to read: the cause that `watch` prints for it is that a side does not
//! read or reads slowly, that the client is gone, or that the server has closed it with bytes pending. The kernel knows since when
//! nothing was read. It does not know since when a side reads slowly: that lasts since the first of the samples in a row that found it
//! so.

use std::collections::HashMap;
use std::mem::take;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use echoctl_observe::Connection;
use echoctl_record::{Diagnosis, Stalled};

/// All stalled connections.
#[derive(Debug, Default)]
pub(super) struct Stalls {
    /// When each began, as of the sample before.
    before: HashMap<Key, Instant>,
    /// The same, as far as this sample is read.
    now: HashMap<Key, Instant>,
}

/// Identifies a connection: its addresses may be used again by the next one.
type Key = (SocketAddr, SocketAddr, Option<u32>);

/// A stall of a connection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stall {
    /// The side whose reads it waits for.
    pub(super) by: Stalled,
    pub(super) age: Duration,
}

impl Stalls {
    /// Begins a sample.
    pub(super) fn begin(&mut self) {
        self.before = take(&mut self.now);
    }

    /// The stall of a connection in this sample, at `now`.
    pub(super) fn of(
        &mut self,
        connection: &Connection,
        diagnosis: &Diagnosis,
        now: Instant,
    ) -> Option<Stall> {
        let by = diagnosis.cause.stalled_by()?;
        let key = (connection.local, connection.peer, connection.server_inode);
        let known = Duration::try_from_secs_f64(diagnosis.seconds.unwrap_or(0.0)).unwrap_or_default();
        let start = now.checked_sub(known).unwrap_or(now);
        let start = self.before.get(&key).map_or(start, |before| start.min(*before));
        self.now.insert(key, start);
        Some(Stall { by, age: now.saturating_duration_since(start) })
    }
}

#[cfg(test)]
mod tests {
    use echoctl_record::ConnectionCause::{self, ClientDoesNotRead, ClientReadsSlowly, Flows};

    use super::*;

    /// Ages in samples 15 s apart.
    fn ages(samples: &[(ConnectionCause, Option<f64>)]) -> Vec<Option<f64>> {
        let addr = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let connection = Connection::new(addr(1), addr(2));
        let (mut stalls, start) = (Stalls::default(), Instant::now());
        let mut ages = Vec::new();
        for (at, &(cause, seconds)) in samples.iter().enumerate() {
            stalls.begin();
            let diagnosis = Diagnosis { cause, seconds, ..Diagnosis::default() };
            let now = start + Duration::from_secs(3600 + 15 * at as u64);
            ages.push(stalls.of(&connection, &diagnosis, now).map(|stall| stall.age.as_secs_f64()));
        }
        ages
    }

    #[test]
    fn a_slow_reader_is_stalled_since_the_first_sample_in_a_row() {
        let slow = (ClientReadsSlowly, None);

        assert_eq!(ages(&[slow; 41]).last(), Some(&Some(600.0)));
        assert_eq!(
            ages(&[slow, slow, (Flows, None), slow, slow]),
            [Some(0.0), Some(15.0), None, Some(0.0), Some(15.0)]
        );
    }

    #[test]
    fn a_read_now_and_then_does_not_end_a_stall() {
        let unread = |seconds| (ClientDoesNotRead, Some(seconds));

        assert_eq!(ages(&[unread(42.0), unread(57.0)]), [Some(42.0), Some(57.0)], "as the kernel knows it");
        assert_eq!(
            ages(&[unread(42.0), unread(3.0), (ClientReadsSlowly, None)]),
            [Some(42.0), Some(57.0), Some(72.0)]
        );
    }
}
