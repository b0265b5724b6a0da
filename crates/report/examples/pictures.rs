//! Renders a made-up run in every form, to judge the pictures by eye:
//! `cargo run -p echoctl-report --example pictures -- FOLDER` writes them there and prints the terminal's.

use std::path::Path;

use echoctl_report::terminal::Colour;
use echoctl_report::{
    Block, Chart, Ink, Page, Section, Series, Stroke, Table, Unit, csv, plain, svg, terminal,
};

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let folder = Path::new(&folder);
    let (memory, queues) = (memory(), queues());
    for (name, chart) in [("memory", &memory), ("queues", &queues)] {
        std::fs::write(folder.join(format!("{name}.svg")), svg::draw(chart, svg::Size::WIDE))?;
        std::fs::write(folder.join(format!("{name}.csv")), csv::write(chart))?;
        println!("{}", terminal::draw(chart, 80, 22, Colour::Ansi256));
        println!("{}", plain::draw(chart, 80, 22));
    }
    std::fs::write(folder.join("page.html"), page(memory, queues).to_string())
}

/// Seconds at which the client stops reading, reads again, and the run ends; bytes produced a second.
const STOPS: f64 = 3.0;
const READS: f64 = 8.0;
const ENDS: f64 = 11.0;
const RATE: f64 = 64.0 * 1_048_576.0;

/// Twenty samples a second.
fn over_time(value: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
    (0..=(ENDS * 20.0) as u32).map(|sample| f64::from(sample) / 20.0).map(|t| (t, value(t))).collect()
}

/// What a server without backpressure holds: it rises while nobody reads.
fn held(t: f64) -> f64 {
    let risen = (t.min(READS) - STOPS).max(0.0) * RATE;
    (risen - (t - READS).max(0.0) * 3.0 * RATE).max(0.0)
}

fn with_phases(chart: Chart) -> Chart {
    chart.phase(0.0, STOPS, "reads").phase(STOPS, READS, "stops reading").phase(READS, ENDS, "reads again")
}

fn memory() -> Chart {
    let chart = Chart::lines("Memory of the two servers while the client stops reading", Unit::Bytes)
        .describe("Without backpressure the memory rises by 64 MiB a second for five seconds, to 320 MiB. With it, it stays flat.")
        .series(Series::new("OFF: 320 MiB", Ink::Orange, Stroke::Solid, over_time(held)))
        .series(Series::new("ON: 0.1 MiB", Ink::Blue, Stroke::Dashed, over_time(|_| 100_000.0)))
        .limit(512.0 * 1_048_576.0, "limit of the demo");
    with_phases(chart)
}

fn queues() -> Chart {
    let kernel =
        |most: f64| {
            over_time(move |t| {
                if (STOPS..READS).contains(&t) { most * (1.0 - (-8.0 * (t - STOPS)).exp()) } else { 2e5 }
            })
        };
    let chart = Chart::bands("Where the bytes are", Unit::Bytes)
        .describe("All bytes produced and not yet consumed. Nearly all of them are inside the server.")
        .series(Series::new("client send queue", Ink::Blue, Stroke::Dotted, kernel(4.0e6)))
        .series(Series::new("server receive queue", Ink::Blue, Stroke::Dashed, kernel(6.0e6)))
        .series(Series::new("inside the server", Ink::Orange, Stroke::Solid, over_time(|t| held(t) / 8.0)))
        .series(Series::new("server send queue", Ink::Blue, Stroke::Solid, kernel(4.2e6)))
        .series(Series::new("client receive queue", Ink::Blue, Stroke::DashDot, kernel(3.0e6)));
    with_phases(chart)
}

fn page(memory: Chart, queues: Chart) -> Page {
    let figures = [
        ("320 MiB", "OFF needed at most"),
        ("0.1 MiB", "ON needed at most"),
        ("512 MiB", "came back to each"),
    ];
    let machine =
        Table::default().row(["Kernel", "Linux 6.18"]).row(["net.ipv4.tcp_rmem", "4096 131072 33554432"]);
    let totals = Table::new("How each run ended", ["", "sent", "came back", "wrong", "held back for"])
        .row(["OFF", "512 MiB", "512 MiB", "0", "0 ms"])
        .row(["ON", "512 MiB", "512 MiB", "0", "4.9 s"]);
    Page::new(
        "What happens when the client stops reading",
        "All 512 MiB came back to each, every byte equal. OFF needed 320 MiB of memory for that, ON 0.1 MiB.",
    )
    .open(Block::Figures(figures.map(|(figure, what)| (figure.to_owned(), what.to_owned())).to_vec()))
    .section(
        Section::new("Memory").paragraph("Two echo servers, one line apart.").chart(memory).table(totals),
    )
    .section(Section::new("Where the bytes are").chart(queues))
    .section(Section::new("The machine").table(machine))
    .section(Section::new("Try next").code("echoctl serve --backpressure off\nechoctl flood --no-read"))
    .footer("Made-up numbers.")
}
