//! A mapping: one line of `/proc/PID/maps`.
//!
//! ```text
//! 7f2c94000000-7f2c94021000 rw-p 00000000 00:00 0
//! 7f2c9c3a1000-7f2ca03a1000 rw-s 00000000 00:01 2058            /dev/zero (deleted)
//! address range             |  | offset   device inode          name
//! ```

use std::ops::Range;

/// A part of the address space of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) addresses: Range<u64>,
    is_writable: bool,
    /// The file, if writes to it are visible to every process that has mapped it. Shared memory without a name has a number too.
    pub(super) shared: Option<FileId>,
    /// Where in the file the mapping begins.
    pub(super) file_offset: u64,
    is_device: bool,
}

/// Identifies a file on this host: its device, as two numbers, and its inode.
pub(super) type FileId = (u32, u32, u64);

impl Mapping {
    pub(super) fn parse(line: &[u8]) -> Option<Mapping> {
        let mut fields = line.splitn(6, |&byte| byte == b' ');
        let mut field = || std::str::from_utf8(fields.next()?).ok();
        let hex = |text: &str| u64::from_str_radix(text, 16).ok();
        let (start, end) = field()?.split_once('-')?;
        let permissions = field()?.as_bytes();
        let file_offset = hex(field()?)?;
        let (major, minor) = field()?.split_once(':')?;
        let device = |text: &str| u32::from_str_radix(text, 16).ok();
        let file = (device(major)?, device(minor)?, field()?.parse().ok()?);
        let name = fields.next().unwrap_or_default().trim_ascii_start();
        let addresses = hex(start)?..hex(end)?;
        // So that no sum overflows.
        let is_valid = addresses.start <= addresses.end && addresses.end.checked_add(file_offset).is_some();
        is_valid.then(|| Mapping {
            addresses,
            is_writable: permissions.get(1) == Some(&b'w'),
            shared: (permissions.get(3) == Some(&b's')).then_some(file),
            file_offset,
            is_device: is_device(name),
        })
    }

    /// Whether a process can have stored payload there.
    pub(super) fn may_hold_payload(&self) -> bool {
        self.is_writable && !self.is_device
    }
}

/// Whether reading a mapping with this name would read a device, or something that the kernel provides.
fn is_device(name: &[u8]) -> bool {
    // `/dev/zero` is memory without a name.
    let is_memory = [b"/dev/zero".as_slice(), b"/dev/shm/"].iter().any(|start| name.starts_with(start));
    let devices: [&[u8]; 4] = [b"/dev/", b"anon_inode:", b"[v", b"socket:"];
    !is_memory && devices.iter().any(|start| name.starts_with(start))
}

/// Checks the promises for any text: addresses are in order, and no sum overflows.
#[cfg(any(test, fuzzing))]
pub(crate) fn check(text: &[u8]) {
    for mapping in text.split(|&byte| byte == b'\n').filter_map(Mapping::parse) {
        let length = mapping.addresses.end - mapping.addresses.start;
        assert!(mapping.file_offset.checked_add(length).is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may_hold_payload(line: &str) -> bool {
        Mapping::parse(line.as_bytes()).unwrap().may_hold_payload()
    }

    #[test]
    fn a_line_has_addresses_and_a_file() {
        let line =
            b"7f2c9c3a1000-7f2ca03a1000 rw-s 0000a000 fd:1f 2058        /tmp/a name with spaces (deleted)";

        let mapping = Mapping::parse(line).unwrap();

        assert_eq!(mapping.addresses, 0x7f2c_9c3a_1000..0x7f2c_a03a_1000);
        assert_eq!((mapping.shared, mapping.file_offset), (Some((0xfd, 0x1f, 2058)), 0xa000));
    }

    #[test]
    fn a_private_mapping_shares_nothing() {
        let mapping = Mapping::parse(b"5581f000-5583f000 rw-p 00000000 00:00 0          [heap]").unwrap();

        assert_eq!((mapping.shared, mapping.addresses), (None, 0x5581_f000..0x5583_f000));
    }

    #[test]
    fn only_writable_memory_may_hold_payload() {
        assert!(may_hold_payload("1000-2000 rw-p 00000000 00:00 0 "));
        assert!(may_hold_payload("1000-2000 rwxp 00000000 00:00 0                  [anon:v8]"));
        assert!(may_hold_payload("1000-2000 rw-s 00000000 00:01 2058               /dev/zero (deleted)"));
        assert!(may_hold_payload("1000-2000 rw-s 00000000 00:18 4                  /dev/shm/ring"));
        assert!(may_hold_payload(
            "1000-2000 rw-s 00000000 00:01 2058               /memfd:java_heap (deleted)"
        ));
        for line in [
            "1000-2000 r--p 00000000 fd:00 12                 /usr/lib/libc.so.6",
            "1000-2000 ---p 00000000 00:00 0 ",
            "1000-2000 rw-s 00000000 00:06 9                  /dev/dri/card0",
            "1000-2000 rw-s 00000000 00:0e 9                  anon_inode:[io_uring]",
            "1000-2000 rw-p 00000000 00:00 0                  [vvar]",
        ] {
            assert!(!may_hold_payload(line), "{line}");
        }
    }

    #[test]
    fn what_is_no_mapping_is_none() {
        let line = b"7f2c9c3a1000-7f2ca03a1000 rw-s 0000a000 fd:1f 2058 /a";

        for end in 0..line.len() - 4 {
            let _ = Mapping::parse(&line[..end]);
        }
        assert_eq!(Mapping::parse(b""), None);
        assert_eq!(Mapping::parse(b"2000-1000 rw-p 00000000 00:00 0"), None);
        assert_eq!(Mapping::parse(b"1000-ffffffffffffffff rw-p ffffffffffffffff 00:00 0"), None);
    }
}
