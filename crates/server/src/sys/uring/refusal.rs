//! What the kernel's refusals mean for the one that asked.

use std::io::{self, ErrorKind};

/// Whether a failed operation can be repeated: the kernel accepted nothing, had no provided buffer, or was interrupted or asked to cancel.
pub fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
        || matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::ECANCELED))
}

/// Whether bytes had arrived for a receive, and no provided buffer was free.
pub fn has_found_no_buffer(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOBUFS)
}

/// Whether the kernel returned before anything had completed, for a reason that calls for no action.
pub(super) fn is_early_return(error: &io::Error) -> bool {
    // EBUSY: completions must be taken first.
    matches!(error.raw_os_error(), Some(libc::ETIME | libc::EINTR | libc::EBUSY))
}
