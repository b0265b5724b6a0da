//! Creates a ring with what the kernel offers.

use std::io::{self, ErrorKind};

use io_uring::{Builder, IoUring};

/// A ring with all that this kernel offers: completions are handled only when the program waits for them, and by one thread.
pub(super) fn newest_kind() -> io::Result<IoUring> {
    let builders: [fn() -> Builder; 3] = [
        || IoUring::builder().setup_single_issuer().setup_defer_taskrun().to_owned(),
        || IoUring::builder().setup_coop_taskrun().to_owned(),
        || IoUring::builder().to_owned(),
    ];
    let mut refusal = io::Error::from(ErrorKind::Unsupported);
    for builder in builders {
        match builder().setup_cqsize(COMPLETIONS).setup_submit_all().build(SUBMISSIONS) {
            Ok(uring) => return Ok(uring),
            // The kernel does not know a flag.
            Err(error) if error.kind() == ErrorKind::InvalidInput => refusal = error,
            Err(error) => return Err(error),
        }
    }
    Err(refusal)
}

/// Operations submitted by one call. More are submitted by several.
const SUBMISSIONS: u32 = 256;

/// Completions that the kernel stores without an allocation.
const COMPLETIONS: u32 = 1024;
