//! Random input that covers the interesting cases: streams that contain frames, in pieces of any size.

use echoctl_proto::{Buffer, Framing};
use proptest::prelude::*;

use super::framing::{Piece, Query};

/// Enough cases for confidence, in about a second, and in a minute with miri, which runs a thousand times as slowly. Failures are
/// not stored in files; they become named tests.
pub(crate) fn config() -> ProptestConfig {
    ProptestConfig {
        cases: if cfg!(miri) { 10 } else { 1000 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// A framing whose frames do not depend on how the stream was split: any but `raw`.
pub(crate) fn marked_framing() -> impl Strategy<Value = Framing> {
    prop::sample::select(vec![Framing::Lines, Framing::U16, Framing::U32])
}

pub(crate) fn any_framing() -> impl Strategy<Value = Framing> {
    prop::sample::select(Framing::ALL.to_vec())
}

/// A stream of frames, sometimes with an incomplete one at the end, sometimes with noise in it.
pub(crate) fn stream(framing: Framing) -> impl Strategy<Value = Vec<u8>> {
    let noise = prop::collection::vec(prop::sample::select(b"\0\0\0\x01\x02\n\na\xff".to_vec()), 0..60);
    prop_oneof![3 => frames(framing), 1 => noise.clone(), 1 => (frames(framing), noise).prop_map(joined)]
}

/// Payloads that `framing` can express, most of them short.
pub(crate) fn payloads(framing: Framing) -> impl Strategy<Value = Vec<Vec<u8>>> {
    let byte = any::<u8>().prop_map(move |byte| match (framing, byte) {
        (Framing::Lines, b'\n') => b' ',
        _ => byte,
    });
    let payload = prop_oneof![8 => 0..20_usize, 2 => 0..400_usize]
        .prop_flat_map(move |length| prop::collection::vec(byte.clone(), length));
    prop::collection::vec(payload, 0..12)
}

/// Lengths of pieces and the questions that follow them.
pub(crate) fn splits() -> impl Strategy<Value = Vec<(usize, Query)>> {
    let length = prop_oneof![4 => 1..4_usize, 2 => 1..50_usize, 1 => 1..1000_usize];
    prop::collection::vec((length, prop::sample::select(vec![Query::Decode, Query::CompleteLen])), 1..20)
}

/// The stream in pieces of the given lengths, in turn, until it ends.
pub(crate) fn split<'a>(mut stream: &'a [u8], splits: &[(usize, Query)]) -> Vec<Piece<'a>> {
    let mut pieces = Vec::new();
    for &(length, query) in splits.iter().cycle() {
        let (piece, later) = stream.split_at(stream.len().min(length));
        pieces.push((piece, query));
        stream = later;
        if stream.is_empty() {
            break;
        }
    }
    pieces
}

fn frames(framing: Framing) -> impl Strategy<Value = Vec<u8>> {
    (payloads(framing), 0..5_usize).prop_map(move |(payloads, missing)| {
        let mut out = Buffer::new(usize::MAX);
        for payload in &payloads {
            framing.encode(payload, &mut out).unwrap();
        }
        out.unread()[..out.len().saturating_sub(missing)].to_vec()
    })
}

fn joined((mut front, back): (Vec<u8>, Vec<u8>)) -> Vec<u8> {
    front.extend(back);
    front
}
