//! The naive decoder: the definition of each framing, without state or optimisation.
//!
//! It looks at every byte again each time it is called, which makes it easy to verify by reading.

use echoctl_proto::{FrameTooLong, Framing};

/// Where the first frame of `unread` ends, or `None` while it is incomplete.
pub(crate) fn first_end(
    framing: Framing,
    max_frame: usize,
    unread: &[u8],
) -> Result<Option<usize>, FrameTooLong> {
    match framing {
        Framing::Raw => Ok((!unread.is_empty()).then_some(unread.len())),
        Framing::Lines => line_end(max_frame, unread),
        Framing::U16 => prefixed_end(2, max_frame, unread),
        Framing::U32 => prefixed_end(4, max_frame, unread),
    }
}

/// Length of all complete frames at the front of `unread`.
pub(crate) fn complete_len(framing: Framing, max_frame: usize, unread: &[u8]) -> Result<usize, FrameTooLong> {
    let mut end = 0;
    loop {
        match first_end(framing, max_frame, &unread[end..]) {
            Ok(Some(length)) => end += length,
            Ok(None) => return Ok(end),
            Err(_) if end > 0 => return Ok(end),
            Err(too_long) => return Err(too_long),
        }
    }
}

/// The payload of one complete frame.
pub(crate) fn payload(framing: Framing, frame: &[u8]) -> &[u8] {
    match framing {
        Framing::Lines => &frame[..frame.len() - 1],
        Framing::U16 => &frame[2..],
        Framing::U32 => &frame[4..],
        Framing::Raw => frame,
    }
}

fn line_end(max_frame: usize, unread: &[u8]) -> Result<Option<usize>, FrameTooLong> {
    for (at, &byte) in unread.iter().enumerate() {
        if byte == b'\n' {
            return Ok(Some(at + 1));
        }
        if at == max_frame {
            return Err(FrameTooLong { length: max_frame as u64 + 1, max_frame });
        }
    }
    Ok(None)
}

fn prefixed_end(prefix: usize, max_frame: usize, unread: &[u8]) -> Result<Option<usize>, FrameTooLong> {
    if unread.len() < prefix {
        return Ok(None);
    }
    let mut length = 0;
    for &byte in &unread[..prefix] {
        length = length * 256 + u64::from(byte);
    }
    if length > max_frame as u64 {
        return Err(FrameTooLong { length, max_frame });
    }
    let end = prefix + length as usize;
    Ok((unread.len() >= end).then_some(end))
}
