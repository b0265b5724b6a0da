//! The page of a run: the verdict, where the bytes were, the memory in use, and the machine.
//!
//! A run without samples has sentences in place of its charts; one without a summary was interrupted, and the page says so.

use echoctl_record::{
    Bytes, Ending, Integrity, Latency, PingSummary, Run, Sample, Seconds, Summary, WatchSummary, count,
};

use crate::{Block, Chart, Page, Section, Table, charts, tables};

/// The page of one run: charts, totals and the machine.
pub fn run_page(run: &Run) -> Page {
    let samples = run.samples.as_slice();
    let lead = match &run.ending {
        Some(Ending::Flood { summary } | Ending::Audit { summary, .. }) => lead(summary),
        Some(Ending::Ping { ping }) => ping_lead(ping),
        Some(Ending::Watch { watch }) => watch_lead(watch),
        None => "The run was interrupted: it has no summary.".to_owned(),
    };
    let mut page =
        Page::new(format!("A run against {}", run.target), lead).open(Block::Figures(figures(run)));
    if let Some(ping) = run.ping() {
        let chart = charts::latencies(&ping.latencies);
        page = page.section(with_charts(Section::new("Round-trip times").paragraph(LATENCIES), [chart]));
    }
    if let Some(watch) = run.watch() {
        page = connections(watch).into_iter().fold(page, Page::section);
    }
    if run.ping().is_some() && !charts::has_backlog(samples) {
        let most = samples.iter().map(Sample::in_flight).max().unwrap_or(0);
        let text = format!(
            "At most {} were on their way at a time: no queue and no window is worth a chart.",
            Bytes(most)
        );
        page = page.section(Section::new("Where the bytes were").paragraph(text));
    } else {
        let flow_control = Section::new("Flow control").paragraph(FLOW_CONTROL);
        page = page.section(where_the_bytes_were(run)).section(memory_in_use(run)).section(with_charts(
            flow_control,
            charts::flow_control(run).into_iter().map(|chart| charts::with_policies(chart, run)),
        ));
    }
    if let Some(table) = run.class.as_ref().and_then(tables::changes) {
        page = page.section(Section::new("The class").table(table));
    }
    if let Some(clients) = run.evidence().and_then(|evidence| evidence.bystanders.as_ref()) {
        page = page.section(Section::new("Other clients").table(tables::other_clients(clients)));
    }
    if let Some(table) = tables::ending(run) {
        page = page.section(Section::new("Totals").table(table));
    }
    with_environment(page, "The machine", tables::environment(run))
}

/// The page of two runs on the same axes, each with its name.
pub fn compare_page(first: (&str, &Run), second: (&str, &Run)) -> Page {
    let outcome = |(name, run): (&str, &Run)| {
        if let Some(watch) = run.watch() {
            let worst = tables::worst(watch).unwrap_or_else(|| "No connection waited.".to_owned());
            return Some(format!("{name}: at most {} in queues. {worst}", Bytes(watch.max_queued)));
        }
        let summary = run.summary()?;
        let verdict = summary.verdict.map_or(String::new(), |verdict| format!("{verdict}, "));
        let memory =
            summary.server_memory_growth.map(|growth| format!("server memory grew by {}", Bytes(growth)));
        Some(format!("{name}: {verdict}{}.", memory.unwrap_or(format!("{} sent", Bytes(summary.produced)))))
    };
    let lead: Vec<String> = [outcome(first), outcome(second)].into_iter().flatten().collect();
    let mut page = Page::new(format!("{} and {}", first.0, second.0), lead.join(" "))
        .section(with_charts(Section::new("Side by side"), charts::compare(first, second)));
    let culprits: Vec<Table> = tables::culprits_of([first, second]);
    if !culprits.is_empty() {
        let section = Section::new("What connections waited for").paragraph(WAITING);
        page = page.section(culprits.into_iter().fold(section, Section::table));
    }
    if let (Some(one), Some(other)) = (tables::ending(first.1), tables::ending(second.1)) {
        page = page
            .section(Section::new("Totals").table(tables::side_by_side((first.0, one), (second.0, other))));
    }
    let environment = tables::side_by_side(
        (first.0, tables::environment(first.1)),
        (second.0, tables::environment(second.1)),
    );
    with_environment(page, "The machines", environment)
}

/// What the connections of a watched server waited for.
fn connections(watch: &WatchSummary) -> Option<Section> {
    let tables: Vec<Table> =
        [tables::culprits(watch), tables::listeners(watch)].into_iter().flatten().collect();
    let section = Section::new("What connections waited for").paragraph(WAITING);
    (!tables.is_empty()).then(|| tables.into_iter().fold(section, Section::table))
}

fn with_environment(page: Page, heading: &str, environment: Table) -> Page {
    match environment.rows.is_empty() {
        true => page,
        false => page.section(Section::new(heading).table(environment)),
    }
}

fn lead(summary: &Summary) -> String {
    let sent = Bytes(summary.produced);
    let integrity = summary.integrity;
    let result = match (summary.verdict, &summary.reason, integrity) {
        (Some(verdict), reason, _) => {
            let reason = reason.as_ref().map_or(String::new(), |reason| format!(" {}", sentence(reason)));
            let others = summary.findings.iter().filter(|finding| **finding != verdict);
            let others: Vec<&str> = others.map(|finding| finding.name()).collect();
            let also = match others.is_empty() {
                true => String::new(),
                false => format!(" Also found: {}.", others.join(", ")),
            };
            format!("Verdict: {verdict}.{reason}{also}")
        }
        (None, _, Some(Integrity { verified, .. })) if verified == summary.produced => {
            format!("All {sent} came back, every byte identical.")
        }
        (None, _, Some(Integrity { verified, .. })) => {
            format!("Of {sent}, {} came back intact and in order.", Bytes(verified))
        }
        (None, _, None) => format!("{sent} were sent; the replies were not checked."),
    };
    match integrity.filter(Integrity::has_faults) {
        Some(Integrity { lost, duplicated, reordered, mismatched, .. }) => format!(
            "{result} Frames lost: {lost}, duplicated: {duplicated}, out of order: {reordered}, corrupted: {mismatched}."
        ),
        None => result,
    }
}

fn ping_lead(ping: &PingSummary) -> String {
    let latencies = &ping.latencies;
    let frames = count(latencies.count(), "frame");
    let times = [0.5, 0.99, 1.0].map(|quantile| latencies.quantile(quantile).map(Latency));
    let [Some(median), Some(p99), Some(max)] = times else { return "No frame came back.".to_owned() };
    format!(
        "{frames} came back: half of them within {median}, 99 of 100 within {p99}, the slowest after {max}."
    )
}

fn watch_lead(watch: &WatchSummary) -> String {
    let connections = count(watch.connections_seen, "connection");
    let (most, queued) = (watch.max_connections, Bytes(watch.max_queued));
    let memory = watch
        .server_memory_growth
        .map_or(String::new(), |bytes| format!(" The server's memory grew by at most {}.", Bytes(bytes)));
    let seconds = Seconds(watch.seconds);
    let who = tables::worst(watch).map_or(String::new(), |worst| format!("{worst} "));
    format!(
        "{who}Watched for {seconds} without sending anything: {connections}, at most {most} at the same time, with at most \
         {queued} in their queues.{memory}"
    )
}

/// `text` with a capital at its beginning and a full stop at its end.
fn sentence(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

fn figures(run: &Run) -> Vec<(String, String)> {
    let summary = run.summary();
    let figure = |value: String, what: &str| (value, what.to_owned());
    let sent = summary.map(|summary| summary.produced).or_else(|| {
        // What a watched server had been sent before is not known.
        run.samples.last().filter(|sample| sample.is_echo.is_none()).map(|sample| sample.produced)
    });
    let growth = summary.and_then(|summary| summary.server_memory_growth);
    let inside = tables::inside_server(run);
    let stalled = summary.map(|summary| summary.stalled_seconds).filter(|seconds| *seconds > 0.0);
    let blocked = stalled.map(|seconds| Seconds(seconds).to_string());
    let all = [
        growth.map(|bytes| figure(Bytes(bytes).to_string(), "maximum growth of the server's memory")),
        inside.map(|(bytes, is_of_stall)| {
            let during = if is_of_stall { " while the client did not read" } else { "" };
            (Bytes(bytes).to_string(), format!("maximum inside the server{during}"))
        }),
        blocked.map(|seconds| figure(seconds, "longest time for which the client was blocked")),
        sent.map(|bytes| figure(Bytes(bytes).to_string(), "written by the client")),
    ];
    all.into_iter().flatten().collect()
}

fn where_the_bytes_were(run: &Run) -> Section {
    let (samples, limits) = (run.samples.as_slice(), &run.machine.socket_limits());
    let words = if charts::is_echo(samples) { QUEUES } else { KERNEL_QUEUES };
    let chart = charts::with_policies(charts::queues(samples, limits), run);
    let section = with_charts(Section::new("Where the bytes were").paragraph(words), [chart]);
    match tables::peak_sample(samples) {
        Some(sample) => section.table(tables::path(sample, limits)),
        None => section,
    }
}

/// The memory of the server and of the kernels, and whose bytes were in it, if they were counted.
fn memory_in_use(run: &Run) -> Section {
    let said = [tables::grown_process, tables::census].into_iter().filter_map(|said| said(run.evidence()?));
    let section = Section::new("Memory in use").paragraph(KERNEL_MEMORY);
    let section = with_charts(section, [charts::with_policies(charts::memory(&run.samples), run)]);
    said.map(|said| sentence(&said)).fold(section, Section::paragraph)
}

/// The charts that have something to show; a sentence in place of each of the others.
fn with_charts(section: Section, charts: impl IntoIterator<Item = Chart>) -> Section {
    charts.into_iter().fold(section, |section, chart| match chart.series.is_empty() {
        true => section.paragraph(format!("{}: {}", chart.title, chart.description)),
        false => section.chart(chart),
    })
}

const LATENCIES: &str = "From the left to the right, the round-trip time that more and more of the frames did not exceed. With a \
    fixed rate, each frame counts from when it was due, so a stall of the server counts in every frame that was due meanwhile.";

const QUEUES: &str = "Each band is a place where bytes wait, in the order in which they pass through: the sending client \
    at the top, the reading client at the bottom. The height of all bands is what was sent and not yet read back. The band \
    \"inside the server\" is what the server had read and not yet written back; all others are queues of the kernel, which \
    have a limit. If that band rises while the client does not read, the server has a queue without a limit.";

const KERNEL_QUEUES: &str = "Each band is a queue of the kernel, all of which have a limit. The server need not write what \
    it reads, so what is inside it cannot be computed from the bytes that it read and wrote: its memory shows what it \
    buffers.";

const KERNEL_MEMORY: &str = "Backpressure is not free. Bytes in the kernel's queues use memory that belongs to no process, \
    and a stalled connection holds it until the peer reads or a timeout closes it. The sizes of the socket buffers limit it \
    for each connection, so what matters is how many connections may stall at the same time.";

const WAITING: &str = "A client that does not read closes its receive window: what the server has written stays in its send \
    queue, and later in its memory. Bytes in its receive queue wait for the server itself.";

const FLOW_CONTROL: &str = "When a server stops reading, its receive queue fills. Its kernel then advertises a window of 0, \
    so the client's kernel may send nothing more; the client's send queue fills, and its write blocks. Blocked bytes are not \
    lost: they move on as soon as the peer reads.";
