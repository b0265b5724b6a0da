//! Causes as the table shows them, in at most twenty columns.

use std::borrow::Cow;

use echoctl_record::{ConnectionCause, Roles};

/// A cause in at most twenty columns.
pub(super) fn label(cause: ConnectionCause, roles: Roles) -> Cow<'static, str> {
    match (served_label(cause), roles) {
        (label, Roles::Served) => label.into(),
        // With "does" it would be too long.
        ("server does not read", Roles::Opened) => "process not reading".into(),
        (label, Roles::Opened) => {
            label.replace("client", roles.peer()).replace("server", roles.watched()).into()
        }
    }
}

fn served_label(cause: ConnectionCause) -> &'static str {
    match cause {
        ConnectionCause::BothWait => "both wait",
        ConnectionCause::PeerGone => "peer gone",
        ConnectionCause::ClientDoesNotRead => "client does not read",
        ConnectionCause::ServerDoesNotRead => "server does not read",
        ConnectionCause::ClientReadsSlowly => "client reads slowly",
        ConnectionCause::ServerReadsSlowly => "server reads slowly",
        ConnectionCause::ClosedByClient => "closed by client",
        ConnectionCause::ClosedByServer => "closed by server",
        ConnectionCause::InAcceptQueue => "in accept queue",
        ConnectionCause::Flows => "flows",
        ConnectionCause::Idle => "idle",
    }
}

/// What it means, in a few words.
pub(super) fn meaning(cause: ConnectionCause, roles: Roles) -> Cow<'static, str> {
    match roles {
        Roles::Served => served_meaning(cause).into(),
        Roles::Opened => {
            served_meaning(cause).replace("client", roles.peer()).replace("server", roles.watched()).into()
        }
    }
}

fn served_meaning(cause: ConnectionCause) -> &'static str {
    match cause {
        ConnectionCause::BothWait => "neither side reads, so that each waits for the other",
        ConnectionCause::PeerGone => "the client's host does not answer: the kernel repeats what it sent",
        ConnectionCause::ClientDoesNotRead => {
            "bytes for the client wait, and its receive window stays closed"
        }
        ConnectionCause::ServerDoesNotRead => "bytes of the client wait, and the server reads none",
        ConnectionCause::ClientReadsSlowly => "bytes for the client wait, and it reads some now and then",
        ConnectionCause::ServerReadsSlowly => {
            "bytes of the client wait, and the server reads some now and then"
        }
        ConnectionCause::ClosedByClient => "the client has closed, the server has not (CLOSE-WAIT)",
        ConnectionCause::ClosedByServer => "the server has closed, and bytes that it wrote before wait",
        ConnectionCause::InAcceptQueue => "connected, and not accepted by the server yet",
        ConnectionCause::Flows => "bytes move, and neither side waits for long",
        ConnectionCause::Idle => "no bytes move, and none wait",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_short_label() {
        for cause in ConnectionCause::ALL {
            assert!(
                [Roles::Served, Roles::Opened].iter().all(|roles| label(cause, *roles).len() <= 20),
                "{cause}"
            );
        }
    }
}
