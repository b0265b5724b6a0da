//! The `ss` command that shows a connection's cause, for those who want to see it with a second instrument.

use echoctl_observe::{Door, Target};
use echoctl_record::{ConnectionCause, ConnectionRow};

/// Makes the commands for the connections of one server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Explainer {
    /// A process in the server's network namespace, if that is another one than this program's.
    pub(super) inside: Option<u32>,
}

impl Explainer {
    /// For the connections of `target`, which are seen through `door`.
    pub(super) fn of(target: &Target, door: Door) -> Explainer {
        Explainer { inside: target.pids().next().filter(|_| door != Door::Own) }
    }

    /// The command that shows the server's end of a connection, and which of its figures say why it waits; `None` for a Unix-domain
    /// socket, of which `ss` shows neither windows nor ages.
    pub(super) fn command(self, row: &ConnectionRow) -> Option<String> {
        let port = row.server?.port();
        let inside = self.inside.map(|pid| format!("nsenter -t {pid} -n ")).unwrap_or_default();
        let command = match row.cause {
            ConnectionCause::InAcceptQueue => format!("ss -tln 'sport = :{port}'"),
            _ => format!("ss -tnmio 'sport = :{port} and dst = {}'", row.client),
        };
        Some(format!("{inside}{command}  # {}", figures(row.cause)))
    }
}

/// The figures of `ss` that say so.
fn figures(cause: ConnectionCause) -> &'static str {
    match cause {
        ConnectionCause::ClientDoesNotRead => {
            "Send-Q and notsent do not fall, timer:(persist), rwnd_limited grows; lastsnd is the age"
        }
        ConnectionCause::ClientReadsSlowly => {
            "Send-Q stays above 0, timer:(persist) now and then, rwnd_limited grows; bytes_acked grows in steps"
        }
        ConnectionCause::ServerDoesNotRead => "Recv-Q does not fall; lastrcv is the time since more arrived",
        ConnectionCause::ServerReadsSlowly => {
            "Recv-Q falls bit by bit and fills up again; bytes_received grows in steps"
        }
        ConnectionCause::BothWait => "Recv-Q and Send-Q do not fall, timer:(persist)",
        ConnectionCause::PeerGone => {
            "timer:(on) or (persist), backoff grows; lastack is the time since an answer"
        }
        ConnectionCause::ClosedByClient => "CLOSE-WAIT; lastack is the time since the client's FIN",
        ConnectionCause::ClosedByServer => "FIN-WAIT-1, CLOSING or LAST-ACK with Send-Q, timer:(persist)",
        ConnectionCause::InAcceptQueue => "Recv-Q is the accept queue, Send-Q its limit",
        ConnectionCause::Flows => "bytes_acked or bytes_received grow",
        ConnectionCause::Idle => {
            "Recv-Q and Send-Q are 0; lastsnd and lastrcv are the time since bytes moved"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stalled_client_is_shown_by_ss() {
        let row = ConnectionRow {
            client: "10.0.0.7:51234".to_owned(),
            server: "10.0.0.1:8080".parse().ok(),
            cause: ConnectionCause::ClientDoesNotRead,
            ..ConnectionRow::default()
        };

        let here = Explainer { inside: None }.command(&row).unwrap();

        assert!(here.starts_with("ss -tnmio 'sport = :8080 and dst = 10.0.0.7:51234'  # Send-Q"), "{here}");
        let inside = Explainer { inside: Some(7) };
        assert!(inside.command(&row).unwrap().starts_with("nsenter -t 7 -n ss -tnmio"));
        assert_eq!(inside.command(&ConnectionRow { server: None, ..row }), None);
    }
}
