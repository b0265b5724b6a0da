//! The page of a run: the verdict, where the bytes were, what they cost, and on which machine.
//!
//! A run without samples has words for its charts; one without a summary was cut short, and says so.

use echoctl_record::{Bytes, Run, Sample, Seconds, Summary, WatchSummary};

use crate::{Block, Chart, Page, Section, Table, charts, tables};

/// The page of one run: charts, figures and the machine.
pub fn run_page(run: &Run) -> Page {
    let (samples, summary) = (run.samples.as_slice(), run.summary.as_ref());
    let lead = match (summary, &run.watch) {
        (Some(summary), _) => lead(summary),
        (None, Some(watched)) => seen(watched),
        (None, None) => "The run was cut short: it has no ending.".to_owned(),
    };
    let mut page = Page::new(format!("A run against {}", run.target), lead)
        .open(Block::Figures(figures(samples, summary)))
        .section(where_the_bytes_were(samples))
        .section(with_charts(
            Section::new("What it cost in memory").paragraph(KERNEL_MEMORY),
            [charts::memory(samples)],
        ))
        .section(with_charts(
            Section::new("Who was held back").paragraph(HELD_BACK),
            [charts::window(samples), charts::rates(samples)],
        ));
    if let Some(table) = tables::ending(run) {
        page = page.section(Section::new("The figures").table(table));
    }
    with_environment(page, "The machine", tables::environment(run))
}

/// The page of two runs on the same axes, each with its name.
pub fn compare_page(first: (&str, &Run), second: (&str, &Run)) -> Page {
    let outcome = |(name, run): (&str, &Run)| {
        let summary = run.summary.as_ref()?;
        let verdict = summary.verdict.map_or(String::new(), |verdict| format!("{verdict}, "));
        let memory = summary
            .server_memory_growth
            .map(|growth| format!("its server's memory grew by {}", Bytes(growth)));
        Some(format!("{name}: {verdict}{}.", memory.unwrap_or(format!("{} sent", Bytes(summary.produced)))))
    };
    let lead: Vec<String> = [outcome(first), outcome(second)].into_iter().flatten().collect();
    let charts = charts::compare((first.0, &first.1.samples), (second.0, &second.1.samples));
    let mut page = Page::new(format!("{} and {}", first.0, second.0), lead.join(" "))
        .section(with_charts(Section::new("Side by side"), charts));
    if let (Some(one), Some(other)) = (tables::ending(first.1), tables::ending(second.1)) {
        page = page.section(
            Section::new("The figures").table(tables::side_by_side((first.0, one), (second.0, other))),
        );
    }
    let environment = tables::side_by_side(
        (first.0, tables::environment(first.1)),
        (second.0, tables::environment(second.1)),
    );
    with_environment(page, "The machines", environment)
}

fn with_environment(page: Page, heading: &str, environment: Table) -> Page {
    match environment.rows.is_empty() {
        true => page,
        false => page.section(Section::new(heading).table(environment)),
    }
}

fn lead(summary: &Summary) -> String {
    let sent = Bytes(summary.produced);
    let told = match (summary.verdict, &summary.reason) {
        (Some(verdict), Some(reason)) => format!("Verdict: {verdict}. {}", sentence(reason)),
        (Some(verdict), None) => format!("Verdict: {verdict}."),
        (None, _) if summary.verified == summary.produced => {
            format!("All {sent} came back, every byte equal.")
        }
        (None, _) => format!("Of {sent}, {} came back right and in order.", Bytes(summary.verified)),
    };
    match [summary.lost, summary.duplicated, summary.reordered, summary.mismatched] {
        [0, 0, 0, 0] => told,
        _ => format!(
            "{told} {} frames were lost, {} came back twice, {} out of order, {} wrong.",
            summary.lost, summary.duplicated, summary.reordered, summary.mismatched
        ),
    }
}

/// What a watch saw.
fn seen(watched: &WatchSummary) -> String {
    let connections = match watched.connections_seen {
        1 => "1 connection was".to_owned(),
        count => format!("{count} connections were"),
    };
    let (most, held) = (watched.max_connections, Bytes(watched.max_queued));
    let memory = watched
        .server_memory_growth
        .map_or(String::new(), |bytes| format!(" The server's memory grew by at most {}.", Bytes(bytes)));
    let seconds = Seconds(watched.seconds);
    format!(
        "Watched for {seconds}, without a byte sent: {connections} seen, {most} at once, and at most {held} stood in \
         their queues.{memory}"
    )
}

/// With a capital at its beginning and a full stop at its end.
fn sentence(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

fn figures(samples: &[Sample], summary: Option<&Summary>) -> Vec<(String, String)> {
    let figure = |value: String, what: &str| (value, what.to_owned());
    let sent = summary.map(|summary| summary.produced).or_else(|| {
        // What a watched server was sent before, nobody knows.
        samples.last().filter(|sample| sample.is_echo.is_none()).map(|sample| sample.produced)
    });
    let growth = summary.and_then(|summary| summary.server_memory_growth);
    let inside = summary.and_then(|summary| summary.inside_server);
    let stalled = summary.map(|summary| summary.stalled_seconds).filter(|seconds| *seconds > 0.0);
    let held_back = stalled.map(|seconds| Seconds(seconds).to_string());
    let all = [
        growth.map(|bytes| figure(Bytes(bytes).to_string(), "the server's memory grew, at most")),
        inside.map(|bytes| figure(Bytes(bytes).to_string(), "inside the server, at most")),
        held_back.map(|seconds| figure(seconds, "the client was held back, at most")),
        sent.map(|bytes| figure(Bytes(bytes).to_string(), "sent by the client")),
    ];
    all.into_iter().flatten().collect()
}

fn where_the_bytes_were(samples: &[Sample]) -> Section {
    let section =
        with_charts(Section::new("Where the bytes were").paragraph(QUEUES), [charts::queues(samples)]);
    match tables::peak_sample(samples) {
        Some(sample) => section.table(tables::path(sample)),
        None => section,
    }
}

/// The charts in which there is something to be seen; what is missing is said in words.
fn with_charts(section: Section, charts: impl IntoIterator<Item = Chart>) -> Section {
    charts.into_iter().fold(section, |section, chart| match chart.series.is_empty() {
        true => section.paragraph(format!("{}: {}", chart.title, chart.description)),
        false => section.chart(chart),
    })
}

const QUEUES: &str = "Each band is a place where bytes wait, in the order in which they pass: the client that sends \
    above, the client that reads below. The height of all is what was sent and not yet read back. The band named inside \
    the server is what the server had read and not yet written back; all others are queues of the kernel, which have a \
    limit. If that band rises while nobody reads, the server has a queue without a limit.";

const KERNEL_MEMORY: &str = "Backpressure is not free: bytes that wait in the kernel's queues take memory that no \
    process shows as its own, and a stalled connection holds it until a timeout ends it. It is bounded for each \
    connection by the sizes of the socket buffers (--sndbuf and --rcvbuf set them), so what matters is how many \
    connections may stall at once.";

const HELD_BACK: &str = "A server that stops reading fills its receive queue; then its kernel offers a window of 0 and \
    the client's kernel may send no more; then the client's send queue fills and its write has to wait. Held back is \
    not dropped: the bytes go on as soon as somebody reads.";
