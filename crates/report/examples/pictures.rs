//! Draws an invented run in every form, to judge the pictures by eye:
//! `cargo run -p echoctl-report --example pictures -- FOLDER` writes the files there and prints the terminal charts.

use std::path::Path;

use echoctl_record::{Ending, Integrity, Machine, Run, Sample, SocketLimits, Summary, Verdict};
use echoctl_report::terminal::Colour;
use echoctl_report::{Chart, charts, compare_page, csv, plain, run_page, svg, tables, terminal};

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let folder = Path::new(&folder);
    let off = run(samples(Server::Off), Verdict::Unbounded);
    let on = run(samples(Server::On), Verdict::Bounded);

    let mut drawn = charts::compare(("OFF", &off), ("ON", &on));
    drawn.truncate(1);
    drawn.extend([
        charts::queues(&off.samples, &SocketLimits::default()),
        charts::memory(&on.samples),
        charts::window(&on.samples),
        charts::rates(&on.samples),
    ]);
    for (number, chart) in drawn.iter().enumerate() {
        write(folder, number, chart)?;
    }
    std::fs::write(folder.join("sheet.svg"), svg::sheet(&drawn, svg::Size::WIDE))?;
    std::fs::write(folder.join("off.csv"), csv::samples(&off.samples))?;

    println!("{}", tables::ending(&off).unwrap_or_default().to_text());
    std::fs::write(folder.join("off.html"), run_page(&off).footer("Invented numbers.").to_string())?;
    std::fs::write(folder.join("on.html"), run_page(&on).to_string())?;
    std::fs::write(folder.join("compare.html"), compare_page(("OFF", &off), ("ON", &on)).to_string())
}

fn run(samples: Vec<Sample>, verdict: Verdict) -> Run {
    let sysctls = [("net.ipv4.tcp_rmem".to_owned(), "4096\t131072\t33554432".to_owned())];
    let machine =
        Machine { system: "linux".to_owned(), processors: 2, sysctls: sysctls.into(), ..Machine::default() };
    let command = ["echoctl", "flood", "--read-for", "3s"].map(str::to_owned).to_vec();
    let summary = summary(&samples, verdict);
    let mut run = Run::new("0.0.0", command, 1_800_000_000, "127.0.0.1:7007".to_owned(), machine);
    run.samples = samples;
    run.ending = Some(Ending::Flood { summary });
    run
}

fn write(folder: &Path, number: usize, chart: &Chart) -> std::io::Result<()> {
    for (ink, text) in terminal::runs(chart, 80, 22, COLOUR) {
        print!("{}{text}{}", ink.map_or("", |ink| COLOUR.begin(ink)), COLOUR.end());
    }
    println!();
    println!("{}", plain::draw(chart, 80, 22));
    std::fs::write(folder.join(format!("{number}.svg")), svg::draw(chart, svg::Size::WIDE))
}

/// The colours of the terminal charts.
const COLOUR: Colour = Colour::Ansi256;

enum Server {
    Off,
    On,
}

/// A client that sends 64 MiB/s, reads for 3 s, stops for 5 s, and reads again until everything is back.
fn samples(server: Server) -> Vec<Sample> {
    let mut sample = Sample { connections: 1, ..Sample::default() };
    let mut samples = Vec::new();
    for step in 0..=220u32 {
        sample.t = f64::from(step) / 20.0;
        let reads = !(3.0..8.0).contains(&sample.t);
        // The kernel's part: what it buffers for a stalled connection.
        let kernel =
            if reads { 200_000 } else { (8_900_000.0 * (1.0 - (-3.0 * (sample.t - 3.0)).exp())) as u64 };
        let room = match server {
            Server::Off => u64::MAX,
            Server::On => sample.consumed + kernel.max(4_000_000),
        };
        sample.produced = (sample.produced + RATE / 20).min(TOTAL).min(room).max(sample.produced);
        if reads {
            sample.consumed = (sample.consumed + 4 * RATE / 20).min(sample.produced);
        }
        let pending = sample.produced - sample.consumed;
        let kernel = kernel.min(pending);
        let inside = pending - kernel;
        let received = sample.produced - kernel * 45 / 100;
        sample.server_received = Some(received);
        sample.server_read = Some(received - kernel / 10);
        sample.server_written = Some(received - kernel / 10 - inside);
        sample.client_received = Some(sample.consumed + kernel / 4);
        sample.server_memory = Some(2_100_000 + inside);
        sample.kernel_memory = Some(kernel * 13 / 10 + 20_000);
        sample.window =
            Some(if matches!(server, Server::On) && !reads && sample.t > 3.4 { 0 } else { 3_100_000 });
        samples.push(sample);
    }
    samples
}

fn summary(samples: &[Sample], verdict: Verdict) -> Summary {
    let last = samples.last().copied().unwrap_or_default();
    let most = samples.iter().filter_map(|sample| sample.server_memory).max();
    Summary {
        seconds: last.t,
        connections: 1,
        produced: last.produced,
        consumed: last.consumed,
        integrity: Some(Integrity { verified: last.consumed, ..Integrity::default() }),
        server_pid: Some(4711),
        server_memory_growth: most.map(|most| most - 2_100_000),
        inside_server: most.map(|most| most - 2_100_000),
        verdict: Some(verdict),
        reason: Some("its memory grew with what was sent and not read".to_owned()),
        ..Summary::new("127.0.0.1:7007".to_owned())
    }
}

/// Bytes per second, and total bytes.
const RATE: u64 = 64 << 20;
const TOTAL: u64 = 512 << 20;
