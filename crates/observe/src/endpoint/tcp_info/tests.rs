//! Parses bytes captured from a real kernel, complete and truncated.

use super::*;
use crate::endpoint::captured::bytes;

/// Captured with getsockopt on Linux 6.18, x86_64: the client's endpoint of a connection whose peer does not read,
/// 2.4 s after it was opened. `ss -tmi` printed at that moment: backoff:3 mss:47616 cwnd:15 bytes_sent:176128
/// bytes_retrans:47616 bytes_acked:128513 bytes_received:300 segs_out:11 segs_in:7 rwnd_limited:2412ms
/// notsent:4163072.
const STALLED: &str = "\
    010000000307aa00802c0300409c000000ba000018020000000000000000000000000000000000000000000060080000000000006009000084\
    020000ffff0000d7ff0000de12000097250000ffffff7f0f000000cbff00000300000000000000d7ff000001000000fb3092e40a000000ffff\
    ffffffffffff01f60100000000002c010000000000000b0000000700000000863f000a000000010000000500000000c09a5e00000000009f24\
    0000000000009f2400000000000000000000000000060000000000000000b002000000000000ba000000000000010000000000000000000000\
    00000000000001000000000000000000000000000000000000000000000000000000000000000000000000000000000000";

#[test]
#[cfg(target_endian = "little")]
fn a_captured_snapshot_matches_the_output_of_ss() {
    let info = TcpInfo::parse(&bytes(STALLED)).unwrap();

    assert_eq!(info.state, TcpState::Established);
    assert_eq!((info.last_data_sent, info.last_data_recv), (Some(2144), Some(2400)));
    assert_eq!(info.last_ack_recv, Some(644));
    assert_eq!(info.rwnd_limited, Some(2_400_000));
    assert_eq!((info.snd_mss, info.snd_cwnd), (47_616, 15));
    assert_eq!((info.bytes_acked, info.bytes_received), (Some(128_513), Some(300)));
    assert_eq!((info.segs_out, info.segs_in), (Some(11), Some(7)));
    assert_eq!(info.data_segs_out, Some(5));
    assert_eq!((info.snd_wnd, info.rcv_wnd), (Some(0), Some(65_536)));
}

#[test]
fn the_syn_is_not_payload() {
    let info = TcpInfo::parse(&bytes(STALLED)).unwrap();

    assert_eq!(info.payload_acked(Side::Connecting), Some(128_512));
    assert_eq!(info.payload_received(), Some(300));
}

#[test]
fn fields_that_an_older_kernel_lacks_are_none() {
    // The structure of musl's headers ends after snd_wnd, that of Linux 4.9 after the segments, that of Linux 3 after
    // retransmits.
    let at_snd_wnd = TcpInfo::parse(&bytes(STALLED)[..232]).unwrap();
    let at_segments = TcpInfo::parse(&bytes(STALLED)[..160]).unwrap();
    let at_retransmits = TcpInfo::parse(&bytes(STALLED)[..104]).unwrap();

    assert_eq!((at_snd_wnd.snd_wnd, at_snd_wnd.rcv_wnd), (Some(0), None));
    assert_eq!((at_segments.data_segs_out, at_segments.snd_wnd), (Some(5), None));
    assert_eq!(at_segments.rwnd_limited, None);
    assert_eq!((at_retransmits.last_ack_recv, at_retransmits.bytes_acked), (Some(644), None));
}

#[test]
fn every_length_is_parsed_or_refused() {
    let bytes = bytes(STALLED);

    let read = |length: &usize| TcpInfo::parse(&bytes[..*length]).is_some();

    assert_eq!((0..=bytes.len()).find(read), Some(104), "shorter than any kernel's: refused");
    assert!((104..=bytes.len()).all(|length| read(&length)));
}

#[test]
fn each_number_is_read_from_its_place() {
    let mut bytes = [0; 280];
    for at in [44, 52, 56] {
        bytes[at..at + 4].copy_from_slice(&(u32::MAX - at as u32).to_ne_bytes());
    }
    bytes[176..184].copy_from_slice(&(u64::MAX - 176).to_ne_bytes());

    let info = TcpInfo::parse(&bytes).unwrap();

    assert_eq!(info.last_data_sent, Some(u32::MAX - 44));
    assert_eq!(info.last_data_recv, Some(u32::MAX - 52));
    assert_eq!(info.last_ack_recv, Some(u32::MAX - 56));
    assert_eq!(info.rwnd_limited, Some(u64::MAX - 176));
}

#[test]
#[cfg(target_os = "linux")]
fn the_clock_of_a_stall_runs_while_the_peer_does_not_read() {
    use std::io::Write;

    let (client, _server) = echoctl_testkit::pair();
    client.set_nonblocking(true).unwrap();
    let info = || TcpInfo::of(&client).unwrap();

    let stalled = echoctl_testkit::eventually("the window is closed for some time", || {
        while (&client).write(&[1; 65536]).is_ok() {}
        Some(info()).filter(|info| info.snd_wnd == Some(0) && info.rwnd_limited > Some(100_000))
    });
    let later = echoctl_testkit::eventually("a third of a second passes and a probe is answered", || {
        let now = info();
        let is_later = now.rwnd_limited >= stalled.rwnd_limited.map(|time| time + 300_000);
        (is_later && now.last_ack_recv < now.last_data_sent).then_some(now)
    });

    assert!(later.last_data_sent >= stalled.last_data_sent.map(|time| time + 250), "{later:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn after_a_half_close_only_payload_counts() {
    use std::io::{Read, Write};
    use std::net::Shutdown;

    let (mut client, mut server) = echoctl_testkit::pair();
    client.write_all(&[1; 1000]).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut all = Vec::new();
    server.read_to_end(&mut all).unwrap();

    echoctl_testkit::eventually("the FIN is acknowledged", || {
        TcpInfo::of(&client).unwrap().state == TcpState::FinWait2
    });
    let (client, server) = (TcpInfo::of(&client).unwrap(), TcpInfo::of(&server).unwrap());

    assert_eq!((client.bytes_acked, client.payload_acked(Side::Connecting)), (Some(1002), Some(1000)));
    assert_eq!(server.state, TcpState::CloseWait);
    assert_eq!((server.bytes_received, server.payload_received()), (Some(1001), Some(1000)));
    assert_eq!(server.payload_acked(Side::Accepting), Some(0));
}
