//! Parses the text files of `/proc/PID`; `None` for text that does not have the format of proc(5).

use crate::proc_file::{labelled, numbers};

/// `/proc/PID/statm`: sizes in pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Statm {
    /// Pages of its address space; 0 if it has none any more.
    pub(super) size: u64,
    /// Pages in RAM.
    pub(super) resident: u64,
    /// Those that belong to files or shared memory. The others are anonymous.
    pub(super) shared: u64,
}

impl Statm {
    pub(super) fn parse(text: &[u8]) -> Option<Statm> {
        let mut fields = numbers(text);
        Some(Statm { size: fields.next()??, resident: fields.next()??, shared: fields.next()?? })
    }

    /// Anonymous pages.
    pub(super) fn anonymous(self) -> u64 {
        self.resident.saturating_sub(self.shared)
    }
}

/// `/proc/PID/stat`: the required fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stat {
    /// The name of the program, at most 15 bytes of it.
    pub(super) name: String,
    /// `R` running, `S` sleeping, `T` stopped, `Z` zombie, …
    pub(super) state: u8,
    /// The parent's pid.
    pub(super) parent: u32,
    /// Processor time in user mode, in ticks.
    pub(super) user_ticks: u64,
    /// Processor time in the kernel, in ticks.
    pub(super) system_ticks: u64,
    /// Number of threads.
    pub(super) threads: u64,
    /// When it started, in ticks since boot; identifies the process together with its pid.
    pub(super) started: u64,
}

impl Stat {
    pub(super) fn parse(text: &[u8]) -> Option<Stat> {
        // The name is in parentheses and may itself contain spaces and parentheses, so it ends at the last one.
        let open = text.iter().position(|&byte| byte == b'(')?;
        let close = text.iter().rposition(|&byte| byte == b')')?;
        let name = String::from_utf8_lossy(text.get(open + 1..close)?).into_owned();
        let rest = text[close + 1..].trim_ascii_start();
        let (&state, rest) = rest.split_first()?;
        // The first field of `rest` is number 4 of proc(5).
        let fields: Vec<Option<u64>> = numbers(rest).take(19).collect();
        let field = |number: usize| fields.get(number - 4).copied().flatten();
        Some(Stat {
            name,
            state,
            parent: u32::try_from(field(4)?).ok()?,
            user_ticks: field(14)?,
            system_ticks: field(15)?,
            threads: field(20)?,
            started: field(22)?,
        })
    }

    /// Whether it is suspended, by a signal or by a debugger.
    pub(super) fn is_suspended(&self) -> bool {
        matches!(self.state, b'T' | b't')
    }

    /// Whether it has exited, and is a zombie until its parent waits for it.
    pub(super) fn has_exited(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// `/proc/PID/status`: the required fields. Sizes in bytes; a kernel thread has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Status {
    /// The real user id.
    pub(super) uid: u32,
    /// Shared memory in RAM.
    pub(super) shared_memory: u64,
    /// Anonymous memory that is swapped out.
    pub(super) swapped: u64,
}

impl Status {
    pub(super) fn parse(text: &[u8]) -> Option<Status> {
        let uid = u32::try_from(labelled(text, "Uid:")?).ok()?;
        let kibibytes = |label| labelled(text, label).unwrap_or(0).saturating_mul(1024);
        Some(Status { uid, shared_memory: kibibytes("RssShmem:"), swapped: kibibytes("VmSwap:") })
    }
}

/// `/proc/PID/io`: bytes written to disk because of the process.
pub(super) fn disk_written(text: &[u8]) -> Option<u64> {
    labelled(text, "write_bytes:")
}

/// `/proc/PID/io`: bytes passed to write calls.
pub(super) fn written(text: &[u8]) -> Option<u64> {
    labelled(text, "wchar:")
}

/// Checks the promises for any text: a name is a part of the text, and no number overflows.
#[cfg(any(test, fuzzing))]
pub(crate) fn check_texts(text: &[u8]) {
    if let Some(stat) = Stat::parse(text) {
        // Each byte that is not UTF-8 becomes a character of three bytes.
        assert!(stat.name.len() <= 3 * text.len());
    }
    if let Some(statm) = Statm::parse(text) {
        assert!(statm.anonymous() <= statm.resident);
    }
    let _ = (Status::parse(text), disk_written(text), written(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    // Captured on Linux 6.18 from an echo server; the name in STAT_ODD is deliberately difficult.
    const STATM: &[u8] = b"1052 351 320 7 0 107 0\n";
    const STAT: &[u8] = b"4121 (cat) S 4100 4121 4100 34816 4121 4194304 102 0 0 0 3 5 0 0 20 0 1 0 8812345 4308992 \
        351 18446744073709551615 94033 94034 140 0 0 0 0 0 0 1 0 0 17 1 0 0 0 0 0 94036 94037 9465 140 140 140 140 0\n";
    const STAT_ODD: &[u8] = b"77 (a b) (c) Z 1 77 77 0 -1 4227148 102 0 0 0 30 12 0 0 20 0 9 0 991 0 0 \
        18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 9\n";
    const STATUS: &[u8] = b"Name:\tnode\nUmask:\t0022\nState:\tS (sleeping)\nUid:\t1000\t1000\t1000\t1000\n\
        VmRSS:\t   43712 kB\nRssAnon:\t    7272 kB\nRssFile:\t   36400 kB\nRssShmem:\t      40 kB\n\
        VmSwap:\t     128 kB\nThreads:\t11\n";

    #[test]
    fn anonymous_pages_are_resident_and_not_shared() {
        let statm = Statm::parse(STATM).unwrap();

        assert_eq!(statm, Statm { size: 1052, resident: 351, shared: 320 });
        assert_eq!(statm.anonymous(), 31);
    }

    #[test]
    fn stat_gives_time_identity_and_parent() {
        let stat = Stat::parse(STAT).unwrap();

        assert_eq!((stat.name.as_str(), stat.parent, stat.started), ("cat", 4100, 8_812_345));
        assert_eq!((stat.user_ticks, stat.system_ticks), (3, 5));
        assert!(!stat.has_exited());
    }

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat = Stat::parse(STAT_ODD).unwrap();

        assert_eq!((stat.name.as_str(), stat.parent, stat.user_ticks), ("a b) (c", 1, 30));
        assert_eq!((stat.threads, stat.started), (9, 991));
        assert!(stat.has_exited());
    }

    #[test]
    fn a_name_may_have_control_characters_and_digits() {
        // prctl(PR_SET_NAME) accepts 15 bytes of any kind. The kernel escapes them in `status`, but not in `stat`.
        let stat = b"78 (\x1b[2J) R 1\n1) S 4100 4121 4100 34816 4121 4194304 102 0 0 0 3 5 0 0 20 0 1 0 881 430 351\n";
        let status = b"Name:\ta\\nUid:\\t0\nUid:\t1000\t1000\t1000\t1000\n";

        let stat = Stat::parse(stat).unwrap();

        assert_eq!((stat.name.as_str(), stat.state, stat.parent), ("\x1b[2J) R 1\n1", b'S', 4100));
        assert_eq!(Status::parse(status).unwrap().uid, 1000);
    }

    #[test]
    fn huge_numbers_saturate() {
        let status = b"Uid:\t0\nRssShmem:\t18446744073709551615 kB\n";

        assert_eq!(Status::parse(status).unwrap().shared_memory, u64::MAX);
        assert_eq!(Status::parse(b"Uid:\t18446744073709551616\n"), None);
    }

    #[test]
    fn status_has_the_owner_and_what_statm_lacks() {
        let status = Status::parse(STATUS).unwrap();

        assert_eq!(status, Status { uid: 1000, shared_memory: 40 * 1024, swapped: 128 * 1024 });
    }

    #[test]
    fn a_kernel_thread_has_no_memory_lines() {
        let status = Status::parse(b"Name:\tkthreadd\nUid:\t0\t0\t0\t0\n").unwrap();

        assert_eq!((status.shared_memory, status.swapped), (0, 0));
    }

    #[test]
    fn bytes_on_disk_and_bytes_passed_to_write_differ() {
        let io = b"rchar: 1\nwchar: 999\nsyscr: 1\nsyscw: 1\nread_bytes: 5\nwrite_bytes: 4096\n\
            cancelled_write_bytes: 7\n";

        assert_eq!((disk_written(io), written(io)), (Some(4096), Some(999)));
    }

    #[test]
    fn truncated_text_never_panics() {
        for text in [STATM, STAT, STAT_ODD, STATUS] {
            for end in 0..text.len() {
                let truncated = &text[..end];
                let _ = (
                    Statm::parse(truncated),
                    Stat::parse(truncated),
                    Status::parse(truncated),
                    disk_written(truncated),
                );
            }
        }
        assert_eq!(Statm::parse(b"12 x 3"), None);
        assert_eq!(Stat::parse(b"1 (a"), None);
    }
}
