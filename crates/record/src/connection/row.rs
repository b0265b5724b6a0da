//! One connection as it is printed and kept.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{ConnectionCause, Diagnosis, Roles, Stalled};

/// One connection. Sizes in bytes, times in seconds; `None` is not visible.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ConnectionRow {
    /// Address of the client; its process, if it has none.
    pub client: String,
    /// Address of the server's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<SocketAddr>,
    /// The client's process, if it is on this host and visible: "curl (pid 4711)".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_process: Option<String>,
    /// The process that has the server's end open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_process: Option<String>,
    /// State of the server's socket.
    pub state: String,
    /// What it waits for.
    pub cause: ConnectionCause,
    /// How long it has, at least. Of a peer that is gone: since its last answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause_seconds: Option<f64>,
    /// Bytes received since the connection was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<u64>,
    /// Bytes that the server has written since the connection was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<u64>,
    /// Bytes per second received over the last seconds: how fast `received` grows. Absent before the second sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receive_rate: Option<f64>,
    /// Bytes per second that the server has written over the last seconds: how fast `written` grows. Absent before the second sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_rate: Option<f64>,
    /// Bytes per second that the server has read over the last seconds. Absent in the first half second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_read_rate: Option<f64>,
    /// The same of the client; of one whose end is not visible, what its kernel acknowledges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_read_rate: Option<f64>,
    /// Written by the client, not acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_send: Option<u64>,
    /// Received, not read by the server.
    pub server_receive: u64,
    /// Written by the server, not acknowledged.
    pub server_send: u64,
    /// Received, not read by the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_receive: Option<u64>,
    /// Receive window that the client last advertised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_window: Option<u32>,
    /// Receive window of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<u32>,
    /// How long the server's window has been zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_zero_seconds: Option<f64>,
    /// Kernel memory of both ends, as far as it is visible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_memory: Option<u64>,
    /// Side whose reads it waits for.
    #[serde(default, with = "waits_for")]
    pub waits_for: Option<Stalled>,
    /// Whether the watched process opened it. Its end then is in the server's place, and its peer, a server, in the client's: see
    /// [`Roles`].
    #[serde(default, skip_serializing_if = "is_false")]
    pub outbound: bool,
    /// Whether the process that it waits for is suspended (SIGSTOP, Ctrl-Z).
    #[serde(default, rename = "stopped", skip_serializing_if = "is_false")]
    pub is_suspended: bool,
}

impl ConnectionRow {
    /// Bytes in the kernels' queues, as far as they are visible.
    pub fn queued(&self) -> u64 {
        self.client_send.unwrap_or(0)
            + self.server_receive
            + self.server_send
            + self.client_receive.unwrap_or(0)
    }

    /// The roles of its two sides.
    pub fn roles(&self) -> Roles {
        if self.outbound { Roles::Opened } else { Roles::Served }
    }

    /// What it waits for, and how long it has.
    pub fn diagnosis(&self) -> Diagnosis {
        Diagnosis { cause: self.cause, seconds: self.cause_seconds, roles: self.roles() }
    }
}

/// The side in JSON: "neither", "client", "server" or "both".
mod waits_for {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Stalled;

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Side {
        Neither,
        #[serde(untagged)]
        One(Stalled),
    }

    pub(super) fn serialize<S: Serializer>(side: &Option<Stalled>, serializer: S) -> Result<S::Ok, S::Error> {
        side.map_or(Side::Neither, Side::One).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(side: D) -> Result<Option<Stalled>, D::Error> {
        Ok(match Side::deserialize(side)? {
            Side::Neither => None,
            Side::One(side) => Some(side),
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_back_as_it_was_written() {
        for waits_for in [None, Some(Stalled::Client), Some(Stalled::Both)] {
            let row = ConnectionRow {
                client: "127.0.0.1:9".to_owned(),
                cause: ConnectionCause::BothWait,
                cause_seconds: Some(1.5),
                waits_for,
                ..ConnectionRow::default()
            };

            let json = serde_json::to_value(&row).unwrap();

            assert_eq!(json["waits_for"], waits_for.map_or("neither".to_owned(), |side| side.to_string()));
            assert_eq!(serde_json::from_value::<ConnectionRow>(json).unwrap(), row);
        }
    }
}
