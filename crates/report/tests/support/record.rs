//! Reads any bytes as a record and draws it in every form: nothing panics, and every drawing is complete and bounded.

use echoctl_record::{Machine, Run};
use echoctl_report::terminal::Colour;
use echoctl_report::{Chart, charts, compare_page, csv, plain, run_page, svg, tables, terminal};

/// Reads `input` as a record or as JSON lines. A run is drawn, anything else has an error of one line.
pub(crate) fn check(input: &[u8]) {
    match Run::read(input) {
        Ok(run) => check_run(&run, input.len()),
        Err(error) => assert!(error.to_string().chars().count() < 600, "{error}"),
    }
}

/// Draws `run`, which was `length` bytes long as JSON.
pub(crate) fn check_run(run: &Run, length: usize) {
    let samples = run.samples.as_slice();
    let limits = run.machine.socket_limits();
    let own = [
        charts::queues(samples, &limits),
        charts::memory(samples),
        charts::window(samples),
        charts::rates(samples),
    ];
    let empty = Run::new("", Vec::new(), 0, String::new(), Machine::default());
    let compared = [(run, run), (run, &empty), (&empty, run)].map(|(one, other)| {
        check_markup(&compare_page(("one", one), ("two", other)).to_string(), length);
        charts::compare(("one", one), ("two", other))
    });
    let latencies = run.ping().map(|ping| charts::latencies(&ping.latencies));
    for chart in own.iter().chain(compared.iter().flatten()).chain(&latencies) {
        check_chart(chart);
    }
    check_markup(&svg::sheet(&own, svg::Size::WIDE), 0);
    check_markup(&run_page(run).to_string(), length);
    check_numbers(&csv::samples(samples), samples.len());

    let mut tables_of_run = vec![tables::environment(run)];
    tables_of_run.extend(tables::ending(run));
    tables_of_run.extend(tables::peak_sample(samples).map(|sample| tables::path(sample, &limits)));
    tables_of_run
        .push(tables::side_by_side(("one", tables::environment(run)), ("two", tables::environment(run))));
    for table in tables_of_run {
        let rows = table.rows.len() + 1;
        assert!(table.to_text().chars().count() <= 4 * length + 400 * rows, "{table:?}");
    }
}

fn check_chart(chart: &Chart) {
    for (width, height) in [(0, 0), (24, 8), (40, 19), (120, 19)] {
        let plain = plain::draw(chart, width, height);
        let bare = in_terminal(chart, width, height, Colour::None);
        for drawn in [&plain, &bare] {
            assert!(drawn.lines().count() <= height, "{drawn}");
            assert!(drawn.lines().all(|line| line.chars().count() <= width), "{drawn}");
            assert!(!drawn.chars().any(|c| c.is_control() && c != '\n'), "{drawn:?}");
        }
        in_terminal(chart, width, height, Colour::Ansi256);
    }
    for size in [svg::Size::WIDE, svg::Size::NARROW] {
        check_markup(&svg::draw(chart, size), 0);
    }
}

/// SVG and HTML: coordinates are finite, and the drawing is small whatever was measured. Text has its own length.
fn check_markup(markup: &str, text: usize) {
    assert!(markup.len() < (3 << 20) + 60 * text, "{} bytes for a text of {text}", markup.len());
    // Text is escaped, so anything between these two characters is a tag, and no tag contains foreign words.
    for tag in markup.split('<').skip(1).filter_map(|rest| rest.split('>').next()) {
        for nonsense in ["=\"NaN", "=\"inf", "=\"-inf", "MNaN", "LNaN", "Minf", "Linf", " NaN", " inf"] {
            assert!(!tag.contains(nonsense), "{nonsense} in {tag:?}");
        }
    }
}

fn check_numbers(csv: &str, rows: usize) {
    assert!(csv.split_terminator("\r\n").count() <= rows + 1);
    assert!(!csv.contains("NaN") && !csv.contains("inf"), "{csv}");
    assert!(csv.len() <= 400 * (rows + 1), "{} bytes for {rows} rows", csv.len());
}

/// The chart as one text, without escape codes.
fn in_terminal(chart: &Chart, width: usize, height: usize, colour: Colour) -> String {
    terminal::runs(chart, width, height, colour).into_iter().map(|(_, text)| text).collect()
}
