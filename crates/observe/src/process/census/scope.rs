//! Which processes' memory a census may read.

use crate::machine::sysctl;
use crate::proc_file::read_text;

/// The processes whose memory this program may read: those that it may trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CensusScope {
    /// All.
    Everyone,
    /// Those of the same user.
    OwnUser,
    /// Those of the same user that this program started, and their descendants: the security module Yama forbids others.
    Descendants,
    /// None but itself.
    Nobody,
}

impl CensusScope {
    /// That of this process.
    pub fn here() -> CensusScope {
        // A sandbox or a system other than Linux has no such file.
        if std::fs::File::open("/proc/self/pagemap").is_err() {
            return CensusScope::Nobody;
        }
        let yama = sysctl("kernel.yama.ptrace_scope").and_then(|scope| scope.parse().ok());
        let status = read_text("/proc/self/status").unwrap_or_default();
        CensusScope::under(yama.unwrap_or(0), may_trace(&status))
    }

    /// The scope under Yama's setting (0 without Yama), for a process with or without the capability to trace.
    fn under(yama: u32, may_trace: bool) -> CensusScope {
        match (yama, may_trace) {
            (0..=2, true) => CensusScope::Everyone,
            (0, false) => CensusScope::OwnUser,
            (1, false) => CensusScope::Descendants,
            _ => CensusScope::Nobody,
        }
    }
}

/// Whether `/proc/PID/status` has the capability to trace the processes of every user.
fn may_trace(status: &str) -> bool {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = effective.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
    bits.is_some_and(|bits| bits & (1 << CAP_SYS_PTRACE) != 0)
}

/// Its number in `linux/capability.h`.
const CAP_SYS_PTRACE: u32 = 19;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yama_limits_who_may_be_traced() {
        let under = |yama| [false, true].map(|may_trace| CensusScope::under(yama, may_trace));

        assert_eq!(under(0), [CensusScope::OwnUser, CensusScope::Everyone]);
        assert_eq!(under(1), [CensusScope::Descendants, CensusScope::Everyone]);
        assert_eq!(under(2), [CensusScope::Nobody, CensusScope::Everyone]);
        assert_eq!(under(3), [CensusScope::Nobody, CensusScope::Nobody]);
    }

    #[test]
    fn the_capability_is_one_bit() {
        assert!(may_trace("Name:\tx\nCapEff:\t000001ffffffffff\nCapBnd:\t0\n"));
        assert!(may_trace("CapEff:\t0000000000080000\n"));
        assert!(!may_trace("CapPrm:\t000001ffffffffff\nCapEff:\t000001fffff7ffff\n"));
        assert!(!may_trace(""));
    }
}
