//! Properties of every chart in every form, however unusual: complete, within its bounds, and with finite numbers only.

use echoctl_report::terminal::Colour;
use echoctl_report::{Chart, Form, Ink, Page, Section, Series, Stroke, Unit, plain, svg, terminal};

/// Charts without points, with one point, with numbers that are not finite, with many points; each as lines and as bands.
fn odd_charts() -> Vec<Chart> {
    let nan = f64::NAN;
    let many = (0..5000).map(|i| (f64::from(i) / 20.0, f64::from(i % 97) * 1e7)).collect();
    let points: [Vec<(f64, f64)>; 8] = [
        vec![],
        vec![(0.0, 0.0)],
        vec![(3.0, 5e9)],
        vec![(nan, 1.0), (1.0, nan), (2.0, f64::INFINITY), (3.0, f64::NEG_INFINITY)],
        vec![(0.0, -5.0), (1.0, -1e12)],
        vec![(-2.0, 1.0), (5.0, 1.0), (5.0, 2.0), (5.0, 0.0)],
        vec![(0.0, 1e300), (1e9, 1e-300)],
        many,
    ];
    let invalid = Chart { until: Some(nan), up_to: Some(nan), ..Chart::bands("", Unit::Rate) };
    let mut charts = vec![Chart::default(), invalid];
    for points in points {
        for (form, unit) in
            [(Form::Lines, Unit::Bytes), (Form::Bands, Unit::Rate), (Form::Lines, Unit::Plain)]
        {
            let one = Series::new("the first of the series", Ink::Orange, Stroke::Solid, points.clone());
            let other = Series::new("ON µ…\u{1b}[31m", Ink::Blue, Stroke::Dashed, points.clone());
            let chart = Chart::lines("A title of some length, for the narrow drawing to wrap", unit)
                .describe("What it shows.")
                .series(one)
                .series(other)
                .phase(0.0, 1.0, "reads")
                .phase(1.0, 9.0, "stops reading")
                .phase(9.0, 2.0, "the wrong way round")
                .limit(4.0, "limit")
                .limit(nan, "no limit");
            charts.push(Chart { form, ..chart });
        }
    }
    charts
}

#[test]
fn drawings_fit_the_given_rows_and_columns() {
    for chart in odd_charts() {
        for (width, height) in [(0, 0), (1, 1), (10, 3), (24, 8), (40, 12), (80, 24), (200, 60)] {
            for drawn in
                [in_terminal(&chart, width, height, Colour::None), plain::draw(&chart, width, height)]
            {
                let widest = drawn.lines().map(|line| line.chars().count()).max().unwrap_or(0);
                assert!(widest <= width, "{widest} of {width} columns:\n{drawn}");
                assert!(drawn.lines().count() <= height, "more than {height} rows:\n{drawn}");
            }
        }
    }
}

#[test]
fn a_plain_chart_is_ascii_without_control_characters() {
    for chart in odd_charts() {
        let drawn = plain::draw(&chart, 80, 24);

        assert!(drawn.chars().all(|c| c == '\n' || (' '..='~').contains(&c)), "{drawn}");
    }
}

#[test]
fn every_colour_depth_draws_the_same() {
    for chart in odd_charts() {
        let without = in_terminal(&chart, 80, 24, Colour::None);
        assert!(!without.contains('\u{1b}'), "{without}");

        let coloured = [Colour::Ansi16, Colour::Ansi256].map(|colour| in_terminal(&chart, 80, 24, colour));
        assert_eq!(coloured[0], coloured[1]);
        assert!(!coloured[0].contains('\u{1b}'), "{}", coloured[0]);
        let lines = |text: &str| text.lines().count();
        assert_eq!(lines(&without), lines(&coloured[0]), "{without}");
    }
}

#[test]
fn the_label_of_the_last_tick_stays_in_the_drawing() {
    let line = Series::new("a", Ink::Blue, Stroke::Solid, vec![(0.0, 1.0), (1.0, 2.0)]);
    let chart = Chart::lines("t", Unit::Bytes).series(line).steps(["0 open", "15000 open"]);

    let drawn = svg::draw(&chart, svg::Size::WIDE);

    let before = drawn.split(">15000 open<").next().unwrap();
    let x: f64 = before[before.rfind("x=\"").unwrap() + 3..].split('"').next().unwrap().parse().unwrap();
    // Letters of sans-serif fonts are about half as wide as high.
    assert!(x + 0.5 * svg::Size::WIDE.font * 5.0 <= svg::Size::WIDE.width, "{x}");
}

#[test]
fn drawings_and_pages_are_well_formed() {
    for chart in odd_charts() {
        let page = Page::new("p", "l").section(Section::new("s").chart(chart.clone())).to_string();
        for text in [svg::draw(&chart, svg::Size::WIDE), svg::draw(&chart, svg::Size::NARROW), page] {
            for nonsense in ["NaN\"", "inf\"", "NaN ", "inf ", "-inf", "MNaN", "=\"-"] {
                let at = text.find(nonsense).map(|at| &text[..at + nonsense.len()]);
                assert_eq!(at.map(|before| before.lines().last()), None, "{nonsense}");
            }
            assert_eq!(unclosed(&text), Vec::<String>::new(), "{text}");
        }
    }
}

/// The elements that are open at the end; the text must not contain an unescaped `<`.
fn unclosed(markup: &str) -> Vec<String> {
    const VOID: [&str; 2] = ["meta", "!doctype"];
    let mut open: Vec<String> = Vec::new();
    for tag in markup.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("every < has its >");
        let name = tag.split([' ', '/']).find(|part| !part.is_empty()).unwrap_or("").to_owned();
        if tag.starts_with('/') {
            assert_eq!(open.pop().as_ref(), Some(&name), "closed out of order");
        } else if !tag.ends_with('/') && !VOID.contains(&name.as_str()) {
            open.push(name);
        }
    }
    open
}

/// The chart as one text, without escape codes.
fn in_terminal(chart: &Chart, width: usize, height: usize, colour: Colour) -> String {
    terminal::runs(chart, width, height, colour).into_iter().map(|(_, text)| text).collect()
}
