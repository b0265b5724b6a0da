//! The worst connections of a whole watch, each as it was when it was worst: what its summary and its recording keep.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Instant;

use echoctl_record::{ConnectionCause, ConnectionRow, WatchSummary};

use super::assessment::{Assessed, Which};
use super::processes::Processes;

/// Connections that needed attention at some time. Holds at most ten of each cause.
#[derive(Debug, Clone, Default)]
pub(super) struct Worst(BTreeMap<Which, ConnectionRow>);

impl Worst {
    /// Adds the worst connections of one sample, as they are `now`.
    pub(super) fn add(&mut self, worst: &[Assessed<'_>], now: Instant, processes: &mut Processes<'_>) {
        for connection in worst.iter().filter(|connection| connection.is_culprit()) {
            let row = connection.row(now, processes);
            match self.0.get_mut(&connection.which()) {
                Some(kept) if is_worse(&row, kept) => *kept = row,
                // Of the same, the newest rates, which are over the longest time.
                Some(kept) if row.cause == kept.cause => {
                    (kept.server_read_rate, kept.client_read_rate) =
                        (row.server_read_rate, row.client_read_rate);
                }
                Some(_) => {}
                None => {
                    self.0.insert(connection.which(), row);
                    self.drop_mildest(connection.diagnosis.cause);
                }
            }
        }
    }

    /// The worst of all, at most ten, the worst first. Each cause is among them.
    pub(super) fn into_rows(self) -> Vec<ConnectionRow> {
        let mut rows: Vec<ConnectionRow> = self.0.into_values().collect();
        rows.sort_by(|one, other| {
            severity(other).partial_cmp(&severity(one)).unwrap_or(std::cmp::Ordering::Equal)
        });
        let mut of_cause: BTreeMap<ConnectionCause, usize> = BTreeMap::new();
        let mut turns: Vec<(usize, ConnectionRow)> = rows
            .into_iter()
            .map(|row| {
                let turn = of_cause.entry(row.cause).or_default();
                *turn += 1;
                (*turn, row)
            })
            .collect();
        turns.sort_by_key(|(turn, _)| *turn);
        turns.truncate(WatchSummary::MAX_TOP);
        turns.sort_by_key(|(_, row)| Reverse((row.cause.severity(), row.queued())));
        turns.into_iter().map(|(_, row)| row).collect()
    }

    /// Forgets the mildest connection of a cause that has more than are shown.
    fn drop_mildest(&mut self, cause: ConnectionCause) {
        let of_cause = || self.0.iter().filter(|(_, row)| row.cause == cause);
        if of_cause().count() <= WatchSummary::MAX_TOP {
            return;
        }
        let mildest = of_cause().min_by(|(_, one), (_, other)| {
            severity(one).partial_cmp(&severity(other)).unwrap_or(std::cmp::Ordering::Equal)
        });
        if let Some(which) = mildest.map(|(which, _)| *which) {
            self.0.remove(&which);
        }
    }
}

/// Whether a connection is to be remembered as it is now, and not as it was.
fn is_worse(now: &ConnectionRow, kept: &ConnectionRow) -> bool {
    if now.cause == kept.cause {
        return severity(now) >= severity(kept);
    }
    // What a stall has come to.
    if matches!(now.cause, ConnectionCause::ClosedByServer | ConnectionCause::PeerGone) {
        return true;
    }
    // The first samples may not tell a slow reader from one that has stopped. What has lasted is known.
    kept.cause_seconds.is_none_or(|seconds| seconds < LASTING_SECONDS)
}

fn severity(row: &ConnectionRow) -> (u64, f64) {
    (row.queued(), row.cause_seconds.unwrap_or(0.0))
}

/// Seconds from which on a cause is remembered although another one followed it.
const LASTING_SECONDS: f64 = 10.0;
