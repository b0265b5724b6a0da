//! A self-contained HTML page with charts, tables and their data.
//!
//! It works in light and dark mode, on a phone and on a projector, on paper and with a screen reader. Each chart is in it twice, wide
//! and narrow; the style sheet shows the one that fits. The numbers of a chart are below it. All text is escaped: the name of a
//! process or a file cannot become markup.

mod block;

use std::fmt::{self, Formatter};

pub use block::Block;
pub(crate) use block::Drawing;

use crate::draw::escape::Escaped;
use crate::draw::style::STYLE;
use crate::{Chart, Table};

/// A document: a title, a lead sentence, and sections.
///
/// ```
/// use echoctl_report::{Page, Section, Table};
///
/// let page = Page::new("A run", "The server stayed flat.")
///     .section(Section::new("The machine").table(Table::default().row(["kernel", "6.18"])));
/// let html = page.to_string();
/// assert!(html.starts_with("<!doctype html>") && html.contains("<h2>The machine</h2>"));
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// Its title.
    pub title: String,
    /// The lead: the result in one or two sentences.
    pub lead: String,
    /// Blocks before the first section.
    pub opening: Vec<Block>,
    /// The sections.
    pub sections: Vec<Section>,
    /// The last line: what made the page, and when.
    pub footer: String,
}

/// A heading and the blocks under it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Section {
    /// The heading.
    pub heading: String,
    /// The blocks under it.
    pub blocks: Vec<Block>,
}

impl Page {
    /// A page without sections.
    pub fn new(title: impl Into<String>, lead: impl Into<String>) -> Page {
        Page { title: title.into(), lead: lead.into(), ..Page::default() }
    }

    /// Adds a block before the first section.
    pub fn open(mut self, block: Block) -> Page {
        self.opening.push(block);
        self
    }

    /// Adds a section.
    pub fn section(mut self, section: Section) -> Page {
        self.sections.push(section);
        self
    }

    /// Sets the last line.
    pub fn footer(mut self, text: impl Into<String>) -> Page {
        self.footer = text.into();
        self
    }
}

impl Section {
    /// A section without content.
    pub fn new(heading: impl Into<String>) -> Section {
        Section { heading: heading.into(), blocks: Vec::new() }
    }

    /// Adds a paragraph.
    pub fn paragraph(self, text: impl Into<String>) -> Section {
        self.block(Block::Paragraph(text.into()))
    }

    /// Adds a chart with its data.
    pub fn chart(self, chart: Chart) -> Section {
        self.block(Block::Chart(Box::new(chart)))
    }

    /// Adds a table.
    pub fn table(self, table: Table) -> Section {
        self.block(Block::Table(table))
    }

    /// Adds commands or code, one per line.
    pub fn code(self, text: impl Into<String>) -> Section {
        self.block(Block::Code(text.into()))
    }

    /// Adds a block.
    pub fn block(mut self, block: Block) -> Section {
        self.blocks.push(block);
        self
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let title = Escaped(&self.title);
        write!(
            f,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
             <style>\n{STYLE}{PAGE_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
        )?;
        if !self.lead.is_empty() {
            writeln!(f, "<p class=\"lead\">{}</p>", Escaped(&self.lead))?;
        }
        // Each chart of the page has a number, because ids must be unique in the page.
        let mut charts = 0;
        for block in &self.opening {
            block.write(f, &mut charts)?;
        }
        for section in &self.sections {
            writeln!(f, "<section>\n<h2>{}</h2>", Escaped(&section.heading))?;
            for block in &section.blocks {
                block.write(f, &mut charts)?;
            }
            writeln!(f, "</section>")?;
        }
        if !self.footer.is_empty() {
            writeln!(f, "<footer>{}</footer>", Escaped(&self.footer))?;
        }
        f.write_str("</main>\n</body>\n</html>\n")
    }
}

/// The style sheet of everything except charts.
const PAGE_STYLE: &str = include_str!("page.css");

#[cfg(test)]
mod tests;
