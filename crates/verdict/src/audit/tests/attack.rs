//! Constructed attacks, for tests of single signals and of each line of the decision table.

use echoctl_record::{
    Background, Bystanders, Census, Control, Disconnect, DisconnectKind, Drain, EchoFault, Evidence, Growth,
    Marked, Point, Sample, Service, StallKind, StopReason,
};

pub(super) const MIB: u64 = 1 << 20;

/// State of a server at a time of an attack; sizes in MiB.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moment {
    pub(super) read: f64,
    pub(super) written: f64,
    /// Part of what was written that waits in its kernel.
    pub(super) waiting: f64,
    pub(super) memory: Option<f64>,
    pub(super) disk: f64,
    /// Processor time, in seconds.
    pub(super) cpu: f64,
    /// Whether the kernel accepts no more input.
    pub(super) blocked: bool,
}

/// An attack of this many seconds with ten samples per second, without a drain.
pub(super) fn attack(seconds: f64, moment: impl Fn(f64) -> Moment) -> Evidence {
    let bytes = |mib: f64| (mib * MIB as f64) as u64;
    let points = (0..=(seconds * 10.0) as u32).map(|tenth| {
        let t = f64::from(tenth) / 10.0;
        let Moment { read, written, waiting, memory, disk, cpu, blocked } = moment(t);
        let sample = Sample {
            t,
            connections: 1,
            produced: bytes(read + if blocked { 4.0 } else { 0.0 }),
            server_received: Some(bytes(read + if blocked { 2.0 } else { 0.0 })),
            server_read: Some(bytes(read)),
            server_written: Some(bytes(written)),
            client_received: Some(bytes(written - waiting)),
            server_memory: memory.map(|memory| bytes(10.0 + memory)),
            ..Sample::default()
        };
        Point { sample, blocked, cpu_seconds: Some(cpu), disk_written: Some(bytes(disk)), ..Point::default() }
    });
    Evidence {
        repeats: true,
        unit: 1024,
        budget: 256 * MIB,
        max_duration: 60.0,
        kernel_buffering: 16 * MIB,
        memory_limit: 1 << 30,
        points: points.collect(),
        ..Evidence::default()
    }
}

/// A server that reads 64 MiB/s, with flat memory.
pub(super) fn accepting(t: f64) -> Moment {
    Moment { read: 64.0 * t, memory: Some(0.0), ..Moment::default() }
}

/// A server that has stopped reading because its output is full, with flat memory.
pub(super) fn stalled(_: f64) -> Moment {
    Moment { read: 4.0, written: 4.0, waiting: 3.5, memory: Some(0.0), blocked: true, ..Moment::default() }
}

/// The same attack, of which the server reads all that arrives: the kernels send nothing on.
pub(super) fn behind_the_path(mut evidence: Evidence) -> Evidence {
    evidence.points.iter_mut().for_each(|point| point.sample.server_received = point.sample.server_read);
    evidence
}

/// A server that has sent 8 MiB in reply to a request, of which half waits.
pub(super) fn answering(_: f64) -> Moment {
    Moment { written: 8.0, waiting: 4.0, memory: Some(0.0), ..Moment::default() }
}

/// The same attack, with a stimulus that is sent once.
pub(super) fn once(evidence: Evidence) -> Evidence {
    Evidence { repeats: false, ..evidence }
}

/// The same attack by a client that reads and grants nothing: all windows are used up, and the kernels' queues are empty.
pub(super) fn behind_windows(mut evidence: Evidence) -> Evidence {
    for point in &mut evidence.points {
        point.output_credit = Some(0);
        point.output_is_full = Some(false);
        point.sample.client_received = point.sample.server_written;
    }
    Evidence { stall: Some(StallKind::Window), ..evidence }
}

/// The same attack over HTTP/2 by a client that does not read its socket, and so not that it may send more.
pub(super) fn with_unread_windows(mut evidence: Evidence) -> Evidence {
    for point in &mut evidence.points {
        point.output_credit = Some(1 << 31);
        point.sample.produced = point.server_read();
    }
    Evidence { stall: Some(StallKind::Tcp), ..evidence }
}

/// The same attack, at the end of which the connection closed.
pub(super) fn closed(evidence: Evidence, kind: DisconnectKind, t: f64) -> Evidence {
    Evidence { disconnect: Some(Disconnect { t, kind }), ..evidence }
}

/// The same attack, at the end of which the server went on: it wrote more, and read all that was sent.
pub(super) fn going_on(evidence: Evidence) -> Evidence {
    let last = evidence.points.last().expect("the attack was recorded");
    let server_read = Some(last.sample.produced.max(last.server_read() + MIB));
    let server_written = Some(last.server_written() + MIB);
    let bytes = last.server_written() + MIB;
    Evidence {
        drain: Some(Drain { bytes, in_kernels: bytes, server_read, server_written, ..Drain::default() }),
        ..evidence
    }
}

/// The same attack on an echo, whose drain showed this fault after 1 MiB.
pub(super) fn corrupted(evidence: Evidence, fault: EchoFault) -> Evidence {
    let drain = evidence.drain.map(|drain| Drain { fault: Some(fault), damaged_at: Some(MIB), ..drain });
    Evidence { echo: true, drain, ..evidence }
}

/// The same attack on a server whose memory and disk grow by this many MiB per second without a slow reader.
pub(super) fn beside_work(evidence: Evidence, rate: u64) -> Evidence {
    let growth = |seconds: u64| Growth {
        seconds: seconds as f64,
        memory: seconds * rate * MIB,
        disk: seconds * rate * MIB,
    };
    Evidence { background: Some(Background { before: growth(1), after: growth(2) }), ..evidence }
}

/// The same attack on an echo that wrote a little more when the slow reader read all that had been written, and left its input in its
/// kernel.
pub(super) fn stuck(evidence: Evidence) -> Evidence {
    let last = evidence.points.last().expect("the attack was recorded");
    let (read, written) = (last.server_read(), last.server_written() + MIB / 16);
    let drain =
        Drain { bytes: written, server_read: Some(read), server_written: Some(written), ..Drain::default() };
    Evidence { echo: true, drain: Some(drain), ..evidence }
}

/// The same attack, with a bystander that was served like this during and after it.
pub(super) fn beside(
    evidence: Evidence,
    serves_several: bool,
    during: Option<bool>,
    after: Option<bool>,
) -> Evidence {
    let idle = Some(Service { during, after, ..Service::default() });
    let bystanders = Bystanders { calm: 0.1, serves_several, limit: 5.0, idle, ..Bystanders::default() };
    Evidence { bystanders: Some(bystanders), ..evidence }
}

/// The same attack, after which a complete search found these MiB of its input in the server's memory.
pub(super) fn counted(evidence: Evidence, mib: u64) -> Evidence {
    let census = Census {
        marked: Marked::Input,
        bytes: mib * MIB,
        before: 0,
        scanned: 500 * MIB,
        is_complete: true,
        seconds: 0.1,
    };
    Evidence { census: Some(census), ..evidence }
}

/// The same attack, with a control client that received these bytes and was disconnected.
pub(super) fn controlled(evidence: Evidence, received: u64, refuses_first_bytes: bool) -> Evidence {
    let control = Control {
        received,
        disconnected_at: Some(1.0),
        refuses_first_bytes: Some(refuses_first_bytes),
        ..Control::default()
    };
    Evidence { control: Some(control), ..evidence }
}

/// The same attack, at the end of which these MiB were drained, none of them from the kernels, along a curve.
pub(super) fn drained(evidence: Evidence, stopped: StopReason, curve: &[(f64, f64)]) -> Evidence {
    let curve: Vec<_> = curve.iter().map(|(t, mib)| (*t, (mib * MIB as f64) as u64)).collect();
    let (seconds, bytes) = *curve.last().expect("a curve has an end");
    let drain = Drain { bytes, seconds, stopped, curve, ..Drain::default() };
    Evidence { drain: Some(drain), ..evidence }
}
