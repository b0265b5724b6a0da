//! The roles of the two sides of a watched connection, and the words for them.

/// The roles of the two sides, by the one that opened the connection. The watched process has the server's place in all figures, also
/// of a connection that it opened: its end is the one that is visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Roles {
    /// The watched process accepted them: it is the server.
    #[default]
    Served,
    /// The watched process opened them: its peers, in the client's place, are servers.
    Opened,
}

impl Roles {
    /// What the watched side is called.
    pub const fn watched(self) -> &'static str {
        match self {
            Roles::Served => "server",
            Roles::Opened => "process",
        }
    }

    /// What the other side is called.
    pub const fn peer(self) -> &'static str {
        match self {
            Roles::Served => "client",
            Roles::Opened => "peer",
        }
    }
}
