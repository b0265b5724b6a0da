//! Which sockets the kernel includes in a dump: those with one of some ports at either end, or at their own.
//!
//! The kernel runs a small program for each socket (`INET_DIAG_REQ_BYTECODE`, `linux/inet_diag.h`). A port is compared by "not less"
//! and "not greater", which every kernel with sock_diag knows; "equal" is from 2020.
//!
//! ```text
//! operation   code 1 | bytes to the next operation if true 1 | bytes if false 2       for a port, a second one holds it at offset 2
//! condition   not less 8 | not greater 8 | jump to the end 4
//! ```
//!
//! A program that ends exactly behind its last byte accepts the socket, one that jumps four bytes further refuses it.

/// The ports of the sockets in a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PortFilter {
    /// Sorted; empty: all sockets.
    ports: Vec<u16>,
    at: PortAt,
}

/// The end of a connection that has the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PortAt {
    Either,
    /// Its own.
    Local,
}

impl PortFilter {
    /// All sockets.
    pub(crate) const fn all() -> PortFilter {
        PortFilter { ports: Vec::new(), at: PortAt::Either }
    }

    /// The sockets with one of these ports at either end. All, if there are too many ports.
    pub(crate) fn of(ports: impl IntoIterator<Item = u16>) -> PortFilter {
        let mut ports: Vec<u16> = ports.into_iter().collect();
        ports.sort_unstable();
        ports.dedup();
        if ports.len() > MAX_PORTS {
            ports.clear();
        }
        PortFilter { ports, at: PortAt::Either }
    }

    /// Of the same sockets, those that have the port themselves: the ends of servers. `None` if all sockets are included.
    pub(crate) fn local(&self) -> Option<PortFilter> {
        (!self.ports.is_empty()).then(|| PortFilter { at: PortAt::Local, ..self.clone() })
    }

    /// The port that the sockets have themselves, if there is only one.
    pub(super) fn only_local(&self) -> Option<u16> {
        match self.ports.as_slice() {
            // In a request, 0 is any port.
            [port] if self.at == PortAt::Local && *port > 0 => Some(*port),
            _ => None,
        }
    }

    /// Whether a socket with these ports is included.
    pub(crate) fn includes(&self, local: u16, remote: u16) -> bool {
        let is_given = |port| self.ports.binary_search(&port).is_ok();
        self.ports.is_empty() || is_given(local) || self.at == PortAt::Either && is_given(remote)
    }

    /// The attribute of a request, empty if all sockets are included.
    pub(super) fn encode(&self) -> Vec<u8> {
        if self.ports.is_empty() {
            return Vec::new();
        }
        let ends = [[SOURCE_NOT_LESS, SOURCE_NOT_GREATER], [TARGET_NOT_LESS, TARGET_NOT_GREATER]];
        let ends = match self.at {
            PortAt::Either => &ends[..],
            PortAt::Local => &ends[..1],
        };
        let count = ends.len() * self.ports.len();
        let length = 4 + CONDITION * count;
        let mut bytes = Vec::with_capacity(length);
        // At most 64 ports: it fits.
        bytes.extend((length as u16).to_ne_bytes());
        bytes.extend(BYTECODE.to_ne_bytes());
        let conditions = self.ports.iter().flat_map(|port| ends.iter().map(|end| (*port, *end)));
        for (index, (port, [not_less, not_greater])) in conditions.enumerate() {
            let rest = CONDITION * (count - index);
            // The last condition decides: behind the end is a refusal.
            let refused = if index + 1 == count { 4 } else { 0 };
            let mut operation = |code: u8, if_true: u8, if_false: usize| {
                bytes.extend([code, if_true]);
                bytes.extend((if_false as u16).to_ne_bytes());
            };
            operation(not_less, 8, CONDITION + refused);
            operation(0, 0, port.into());
            operation(not_greater, 8, CONDITION - 8 + refused);
            operation(0, 0, port.into());
            operation(JUMP, 4, rest - 16);
        }
        bytes
    }
}

/// At most, so that the program stays short: 128 conditions of a few nanoseconds for each socket of the host.
const MAX_PORTS: usize = 64;

/// Bytes of one condition.
const CONDITION: usize = 20;

// linux/inet_diag.h
const BYTECODE: u16 = 1;
const JUMP: u8 = 1;
const SOURCE_NOT_LESS: u8 = 2;
const SOURCE_NOT_GREATER: u8 = 3;
const TARGET_NOT_LESS: u8 = 4;
const TARGET_NOT_GREATER: u8 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_includes_its_ports_at_either_end() {
        let ports = [80, 443, 8080];
        let filter = PortFilter::of(ports);
        let program = filter.encode().split_off(4);
        let servers = filter.local().unwrap();
        let of_servers = servers.encode().split_off(4);

        for (local, remote) in
            [(80, 1), (1, 80), (443, 8080), (1, 8080), (79, 81), (442, 8081), (0, u16::MAX)]
        {
            let expected = ports.contains(&local) || ports.contains(&remote);
            assert_eq!(run(&program, local, remote), expected, "{local} {remote}");
            assert_eq!(filter.includes(local, remote), expected, "{local} {remote}");
            let expected = ports.contains(&local);
            assert_eq!(run(&of_servers, local, remote), expected, "{local} {remote}");
            assert_eq!(servers.includes(local, remote), expected, "{local} {remote}");
        }
    }

    #[test]
    fn no_port_and_too_many_are_all_sockets() {
        assert_eq!(PortFilter::of([]), PortFilter::all());
        assert_eq!(PortFilter::of(1..100), PortFilter::all());
        assert_eq!(PortFilter::all().local(), None);
        assert!(PortFilter::all().includes(1, 2) && PortFilter::all().encode().is_empty());
        assert_eq!(PortFilter::of([7, 7]).encode().len(), 4 + 2 * CONDITION);
    }

    /// Runs a program as the kernel does.
    fn run(program: &[u8], local: u16, remote: u16) -> bool {
        let mut at = 0;
        while at < program.len() {
            let word = |at: usize| u16::from_ne_bytes([program[at], program[at + 1]]);
            let is_true = match program[at] {
                JUMP => false,
                SOURCE_NOT_LESS => local >= word(at + 6),
                SOURCE_NOT_GREATER => local <= word(at + 6),
                TARGET_NOT_LESS => remote >= word(at + 6),
                TARGET_NOT_GREATER => remote <= word(at + 6),
                other => panic!("unknown operation {other} at {at}"),
            };
            at += if is_true { program[at + 1].into() } else { usize::from(word(at + 2)) };
        }
        at == program.len()
    }
}
