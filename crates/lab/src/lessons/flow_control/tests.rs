//! The figures in the text against observations made by hand.

use super::*;

/// One observation per (window, KiB read since the start); the queue shrinks by what is read.
fn observations(phase_began: f64, rows: &[(u32, u64)]) -> Vec<Observation> {
    let at = |(number, &(window, kib)): (usize, &(u32, u64))| Observation {
        t: phase_began + number as f64 / 10.0,
        phase_began,
        window,
        cwnd: 200 << 10,
        queue: (300 - kib) << 10,
        bytes_read: kib << 10,
    };
    rows.iter().enumerate().map(at).collect()
}

#[test]
fn the_text_has_the_figures_of_the_chart() {
    let slow = observations(0.0, &[(200_000, 0), (0, 60)]);
    let none = observations(1.0, &[(0, 64), (0, 64)]);
    // 16 KiB are read until it first opens, then 55 KiB while it is closed (1,000 bytes are less than a segment).
    let fast = observations(2.0, &[(0, 72), (52_000, 80), (0, 90), (1_000, 110), (0, 144), (190_000, 145)]);

    let finding = finding(&slow, &none, &fast);

    assert_eq!(finding.evidence["read_until_open"], 16 << 10);
    assert_eq!(finding.evidence["max_read_while_closed"], 55 << 10);
    let text = finding.explanation.join(" ");
    assert!(text.contains("first when 16 KiB had been read"), "{text}");
    assert!(text.contains("each time after at most 55 KiB"), "{text}");
}

#[test]
fn the_first_jump_may_be_the_largest() {
    let slow = observations(0.0, &[(200_000, 0), (0, 60)]);
    let none = observations(1.0, &[(0, 64), (0, 64)]);
    let fast = observations(2.0, &[(0, 100), (190_000, 164), (190_000, 172)]);

    let text = finding(&slow, &none, &fast).explanation.join(" ");

    assert!(text.contains("first when 100 KiB had been read, and each time after at most 100 KiB"), "{text}");
}
