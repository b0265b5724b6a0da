//! The figures on the page against a run made by hand, whose catch-up has the skewed counters of real ones.

use echoctl_record::{Sample, SocketLimits, Summary, Verdict};

use super::{Outcome, Plan, SideOutcome, page, story};

const MIB: u64 = 1 << 20;

/// A sample with these bytes in the client's send queue, inside the server, and in the server's send queue.
fn sample(t: f64, consumed: u64, [client_send, inside, server_send]: [u64; 3], memory: u64) -> Sample {
    let client_received = consumed;
    let server_written = client_received + server_send;
    let server_read = server_written + inside;
    let server_received = server_read;
    Sample {
        t,
        connections: 1,
        produced: server_received + client_send,
        server_received: Some(server_received),
        server_read: Some(server_read),
        server_written: Some(server_written),
        client_received: Some(client_received),
        consumed,
        server_memory: Some(memory),
        ..Sample::default()
    }
}

/// Reads for 3 s, holds `queues` until 8 s, then catches up with `skewed` queues.
fn side(verdict: Verdict, queues: [u64; 3], skewed: [u64; 3], growth: u64) -> SideOutcome {
    let at = |tick: u32| {
        let t = f64::from(tick) / 20.0;
        match t {
            _ if t < 3.0 => sample(t, (64.0 * t) as u64 * MIB, [0; 3], MIB),
            _ if t < 8.0 => sample(t, 192 * MIB, queues, MIB + growth),
            _ if t < 8.5 => sample(t, 300 * MIB, skewed, MIB + growth),
            _ => sample(t, 512 * MIB, [0; 3], MIB + growth),
        }
    };
    let summary = Summary {
        seconds: 8.6,
        produced: 512 * MIB,
        consumed: 512 * MIB,
        integrity: Some(echoctl_record::Integrity { verified: 512 * MIB, ..Default::default() }),
        server_memory_growth: Some(growth),
        verdict: Some(verdict),
        ..Summary::new("127.0.0.1:1".to_owned())
    };
    SideOutcome { summary, samples: (0..180).map(at).collect() }
}

/// Where OFF queues 311 MiB, ON has 4.4 MiB in a send queue that holds at most 4 MiB, and both catch up with skew.
fn outcome() -> Outcome {
    let off = side(Verdict::Unbounded, [3 * MIB, 311 * MIB, 4 * MIB], [0, 333 * MIB, 9 * MIB], 320 * MIB);
    let on = side(
        Verdict::Bounded,
        [3 * MIB, 65_536, 44 * MIB / 10],
        [7 * MIB, 22 * MIB / 10, 66 * MIB / 10],
        328 << 10,
    );
    let limits = SocketLimits { send: 4 * MIB, receive: 6 * MIB };
    Outcome { plan: Plan::FULL, limits, off, on }
}

#[test]
fn maxima_are_of_the_stall_and_within_the_limits() {
    let page = page(&outcome(), "echoctl");

    // Without the samples behind each chart, which are as they were taken.
    let text: String =
        page.split("<details").map(|part| part.split("</details>").last().unwrap_or("")).collect();
    assert!(text.contains("at most 64 KiB was inside the server"), "ON's own maximum");
    for skewed in ["2.2 MiB", "6.6 MiB", "333 MiB", ">9 MiB<", "4.4 MiB"] {
        assert!(!text.contains(skewed), "{skewed} is on the page");
    }
}

#[test]
fn one_quantity_has_one_figure() {
    let outcome = outcome();
    let page = page(&outcome, "echoctl");

    // The queue of OFF: in the closing sentence, the explanation, the table, and under its chart.
    let explanation = story::explanation(&outcome).join(" ");
    assert!(story::conclusion(&outcome).contains("the 311 MiB queue made OFF no faster"));
    assert!(explanation.contains("311 MiB waiting inside the server"), "{explanation}");
    assert!(page.contains("at most 311 MiB was inside the server"));
    assert!(super::where_the_bytes_were(&outcome).to_text().contains("311 MiB"));
    // Its memory, which is another quantity.
    assert!(story::conclusion(&outcome).contains("OFF 320 MiB, ON 328 KiB"));
    assert!(
        !explanation.contains("ON stayed flat") || explanation.contains("7 MiB waited there"),
        "{explanation}"
    );
}

#[test]
fn each_chart_of_queues_has_its_own_axis() {
    let outcome = outcome();
    let top = |name, side| {
        let chart = super::chart::queues(name, &outcome, side);
        let values = chart.series.iter().flat_map(|series| series.points().iter().map(|point| point.1));
        (chart.up_to, values.fold(0.0, f64::max))
    };

    let ((off_top, off_max), (on_top, on_max)) = (top("OFF", &outcome.off), top("ON", &outcome.on));

    assert_eq!((off_top, on_top), (None, None), "no common axis is set");
    assert!(off_max > 20.0 * on_max, "so ON would be a hairline on OFF's axis: {off_max}, {on_max}");
}
