//! Tests of the page as a whole.

use super::*;
use crate::{Ink, Series, Stroke, Unit};

/// A minute at 20 samples per second, with no two equal neighbours.
fn busy_chart() -> Chart {
    let points = |scale: f64| {
        (0..1200).map(|i| (f64::from(i) / 20.0, scale * f64::from(i * 7919 % 104_729))).collect()
    };
    let pens = [Stroke::Solid, Stroke::Dashed, Stroke::Dotted, Stroke::DashDot, Stroke::Solid];
    let series = pens.iter().enumerate().map(|(i, stroke)| {
        Series::new(format!("queue {i}"), Ink::Blue, *stroke, points(1e3 * (i + 1) as f64))
    });
    series.fold(Chart::bands("Where the bytes are", Unit::Bytes), Chart::series)
}

#[test]
fn the_page_of_a_minute_has_less_than_two_mebibytes() {
    let section = Section::new("Queues").chart(busy_chart()).chart(busy_chart()).chart(busy_chart());

    let html = Page::new("A run", "It is long.").section(section).to_string();

    assert!(html.len() < 2 << 20, "{} bytes", html.len());
    assert!(html.contains("121 of 1200 samples"));
}

#[test]
fn a_page_is_self_contained() {
    let html = Page::new("A run", "").section(Section::new("Queues").chart(busy_chart())).to_string();

    for reference in ["src=", "href=", "@import", "<script", "url(http", "url(//"] {
        assert!(!html.contains(reference), "{reference}");
    }
}

#[test]
fn hostile_text_never_becomes_markup() {
    let hostile = "\"><script>alert('x')</script>";
    let chart = Chart { phases: vec![], ..busy_chart() };
    let chart = Chart { title: hostile.into(), description: hostile.into(), ..chart }
        .phase(0.0, 60.0, hostile)
        .limit(5.0, hostile)
        .limit(1.0, hostile)
        .series(Series::new(hostile, Ink::Grey, Stroke::Solid, vec![(0.0, 1.0)]));
    let section = Section::new(hostile)
        .paragraph(hostile)
        .code(hostile)
        .table(Table::new(hostile, [hostile]).row([hostile]))
        .block(Block::Figures(vec![(hostile.into(), hostile.into())]))
        .chart(chart);

    let html = Page::new(hostile, hostile).section(section).footer(hostile).to_string();

    assert!(html.contains("&lt;script&gt;"));
    assert!(!html.contains("<script"));
    assert!(!html.contains("\"><s"));
}

#[test]
fn every_id_in_a_page_is_unique() {
    let html =
        Page::new("A run", "").section(Section::new("Q").chart(busy_chart()).chart(busy_chart())).to_string();

    let mut names: Vec<&str> =
        html.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();

    assert!(all > 8);
    assert_eq!(names.len(), all);
}
