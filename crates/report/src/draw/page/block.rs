//! The blocks of a section, and how they are written as HTML.

use std::fmt::{self, Formatter};

use crate::draw::escape::Escaped;
use crate::draw::svg::{self, Size};
use crate::model::columns::Columns;
use crate::model::table::is_absent;
use crate::{Chart, Table};

/// A part of a section.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// Running text.
    Paragraph(String),
    /// A few figures in large type, each with its description.
    Figures(Vec<(String, String)>),
    /// A chart with its description and its data.
    Chart(Box<Chart>),
    /// A table.
    Table(Table),
    /// Commands or code.
    Code(String),
    /// A drawing that is not a chart.
    Drawing(Drawing),
}

/// A drawing as SVG, made by this crate from escaped text: once for a screen, and once for a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawing {
    pub(crate) wide: String,
    pub(crate) narrow: String,
    /// What it shows, as text below it.
    pub(crate) caption: String,
}

impl Block {
    /// Writes it as HTML; `charts` counts the charts of the page.
    pub(super) fn write(&self, f: &mut Formatter<'_>, charts: &mut usize) -> fmt::Result {
        match self {
            Block::Paragraph(text) => writeln!(f, "<p>{}</p>", Escaped(text)),
            Block::Code(text) => writeln!(f, "<pre><code>{}</code></pre>", Escaped(text)),
            Block::Table(table) => write_table(f, table),
            Block::Figures(figures) => {
                writeln!(f, "<dl class=\"figures\">")?;
                for (figure, what) in figures {
                    writeln!(f, "<div><dt>{}</dt><dd>{}</dd></div>", Escaped(what), Escaped(figure))?;
                }
                writeln!(f, "</dl>")
            }
            Block::Drawing(Drawing { wide, narrow, caption }) => {
                let caption = Escaped(caption);
                writeln!(
                    f,
                    "<figure>\n<div class=\"wide\">\n{wide}</div>\n<div class=\"narrow\">\n{narrow}</div>\n\
                     <figcaption>{caption}</figcaption>\n</figure>"
                )
            }
            Block::Chart(chart) => {
                *charts += 1;
                write_chart(f, chart, *charts)
            }
        }
    }
}

fn write_chart(f: &mut Formatter<'_>, chart: &Chart, number: usize) -> fmt::Result {
    writeln!(f, "<figure>\n<div class=\"wide\">")?;
    f.write_str(&svg::embed(chart, Size::WIDE, &format!("wide{number}")))?;
    writeln!(f, "</div>\n<div class=\"narrow\">")?;
    f.write_str(&svg::embed(chart, Size::NARROW, &format!("narrow{number}")))?;
    writeln!(f, "</div>\n<figcaption>{}</figcaption>", Escaped(&chart.description))?;

    let columns = Columns::of(chart, TABLE_ROWS);
    let shown = columns.rows.len();
    let summary = match columns.total {
        total if total > shown => {
            format!("Data: {shown} of {total} samples, evenly spaced; the chart shows all of them")
        }
        _ => format!("Data: all {shown} samples"),
    };
    let head = std::iter::once("Time").chain(chart.series.iter().map(|series| series.label.as_str()));
    let mut table = Table::new("", head);
    for (t, values) in columns.rows {
        // Two runs end at different times, so an empty field does not mean that a value was not visible.
        let field = |value: Option<f64>| value.map_or(String::new(), |value| chart.unit.print(value));
        let time = std::iter::once(format!("{t:.2} s"));
        table.rows.push(time.chain(values.into_iter().map(field)).collect());
    }
    writeln!(f, "<details><summary>{}</summary>", Escaped(&summary))?;
    write_table(f, &table)?;
    writeln!(f, "</details>\n</figure>")
}

fn write_table(f: &mut Formatter<'_>, table: &Table) -> fmt::Result {
    // A table wider than the screen scrolls by itself, for which it must be reachable by keyboard.
    writeln!(f, "<div class=\"table\" tabindex=\"0\"><table>")?;
    if !table.caption.is_empty() {
        writeln!(f, "<caption>{}</caption>", Escaped(&table.caption))?;
    }
    let columns = table.rows.iter().map(Vec::len).max().unwrap_or(0).max(table.head.len());
    let classes: Vec<&str> =
        (0..columns).map(|column| if table.is_figures(column) { " class=\"figure\"" } else { "" }).collect();
    if !table.head.is_empty() {
        f.write_str("<thead><tr>")?;
        for (field, class) in table.head.iter().zip(&classes) {
            write!(f, "<th scope=\"col\"{class}>{}</th>", Escaped(field))?;
        }
        f.write_str("</tr></thead>\n")?;
    }
    f.write_str("<tbody>\n")?;
    for row in &table.rows {
        f.write_str("<tr>")?;
        for (column, (field, class)) in row.iter().zip(&classes).enumerate() {
            match (column, is_absent(field)) {
                (0, _) => write!(f, "<th scope=\"row\">{}</th>", Escaped(field))?,
                (_, false) => write!(f, "<td{class}>{}</td>", Escaped(field))?,
                (_, true) => write!(f, "<td class=\"absent\">{}</td>", Escaped(field))?,
            }
        }
        f.write_str("</tr>\n")?;
    }
    f.write_str("</tbody></table></div>\n")
}

/// Rows of a data table in a page: enough to follow a run, and small compared with the drawings.
const TABLE_ROWS: usize = 121;
