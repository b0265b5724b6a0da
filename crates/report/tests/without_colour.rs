//! Colour is never the only difference: series differ in how they are drawn, and each is named.

use echoctl_report::terminal::Colour;
use echoctl_report::{Chart, Form, Ink, Series, Stroke, Unit, plain, svg, terminal};

fn two_series(form: Form) -> Chart {
    let rising = (0..=20).map(|t| (f64::from(t), f64::from(t) * 1000.0)).collect();
    let flat = (0..=20).map(|t| (f64::from(t), 4000.0)).collect();
    let chart = Chart::lines("Two", Unit::Bytes)
        .series(Series::new("OFF", Ink::Orange, Stroke::Solid, rising))
        .series(Series::new("ON", Ink::Blue, Stroke::Dashed, flat))
        .phase(0.0, 8.0, "reads")
        .phase(8.0, 20.0, "stops reading");
    Chart { form, ..chart }
}

#[test]
fn every_series_and_phase_is_named_in_every_drawing() {
    for form in [Form::Lines, Form::Bands] {
        let chart = two_series(form);
        for drawn in [
            in_terminal(&chart, 80, 24, Colour::None),
            plain::draw(&chart, 80, 24),
            svg::draw(&chart, svg::Size::WIDE),
            svg::draw(&chart, svg::Size::NARROW),
        ] {
            for name in ["OFF", "ON", "reads", "stops reading"] {
                assert!(drawn.contains(name), "{name} is missing in {drawn}");
            }
        }
    }
}

#[test]
fn a_solid_line_is_unbroken_and_a_dashed_one_has_gaps() {
    let flat = |stroke| {
        Chart::lines("", Unit::Bytes).series(Series::new(
            "",
            Ink::Blue,
            stroke,
            vec![(0.0, 800.0), (9.0, 800.0)],
        ))
    };
    let drawn = |stroke| in_terminal(&flat(stroke), 60, 10, Colour::None);
    let inked = |text: &str| text.chars().filter(|c| ('\u{2801}'..='\u{28ff}').contains(c)).count();

    let (solid, dashed) = (inked(&drawn(Stroke::Solid)), inked(&drawn(Stroke::Dashed)));

    assert!(solid > 50, "the line fills the width: {solid}");
    assert!((solid / 2..solid).contains(&dashed), "{dashed} of {solid}");
}

#[test]
fn lines_without_colour_have_markers_and_labels_with_them() {
    let chart = two_series(Form::Lines);
    let (bare, coloured) =
        (in_terminal(&chart, 80, 24, Colour::None), in_terminal(&chart, 80, 24, Colour::Ansi16));

    for (mark, label) in [('■', "■ OFF"), ('○', "○ ON")] {
        assert!(bare.contains(label) && bare.matches(mark).count() > 3, "{bare}");
        assert!(!coloured.contains(mark), "{coloured}");
    }
    let ascii = plain::draw(&chart, 80, 24);
    assert!(ascii.contains("# OFF") && ascii.contains("o ON"), "{ascii}");
}

#[test]
fn bands_differ_by_their_fill() {
    let drawn = plain::draw(&two_series(Form::Bands), 80, 24);

    assert!(drawn.matches('#').count() > 50 && drawn.matches('/').count() > 50, "{drawn}");
}

#[test]
fn a_drawing_has_a_title_and_a_description() {
    let chart = two_series(Form::Lines).describe("OFF rises, ON is flat.");

    let drawn = svg::draw(&chart, svg::Size::WIDE);

    assert!(drawn.contains("role=\"img\"") && drawn.contains("aria-labelledby=\"chart-title chart-desc\""));
    assert!(drawn.contains("<title id=\"chart-title\">Two</title>"));
    assert!(drawn.contains("<desc id=\"chart-desc\">OFF rises, ON is flat.</desc>"));
    assert!(drawn.contains("prefers-color-scheme"));
}

/// The chart as one text, without escape codes.
fn in_terminal(chart: &Chart, width: usize, height: usize, colour: Colour) -> String {
    terminal::runs(chart, width, height, colour).into_iter().map(|(_, text)| text).collect()
}
