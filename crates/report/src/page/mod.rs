//! The page: one HTML file with charts, tables and their data, and no reference to anything outside it.
//!
//! It is read in light and dark, on a telephone and on a projector, on paper, by eye and by ear. Each chart is there
//! twice, wide and narrow, of which the style shows the one that fits, and has its numbers under it.
//! All text is escaped: a name taken from a process or a file cannot become markup.

mod block;

use std::fmt::{self, Formatter};

pub use block::Block;

use crate::escape::Escaped;
use crate::style::STYLE;
use crate::{Chart, Table};

/// A document: a title, the sentence to remember, and sections.
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
    /// What the reader shall know if this is all that is read.
    pub lead: String,
    /// What stands before the first section.
    pub opening: Vec<Block>,
    /// The sections.
    pub sections: Vec<Section>,
    /// The last line: what made the page, and when.
    pub footer: String,
}

/// A heading and what stands under it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Section {
    /// The heading.
    pub heading: String,
    /// What stands under it.
    pub blocks: Vec<Block>,
}

impl Page {
    /// A page without sections.
    pub fn new(title: impl Into<String>, lead: impl Into<String>) -> Page {
        Page { title: title.into(), lead: lead.into(), ..Page::default() }
    }

    /// Adds something before the first section.
    pub fn open(mut self, block: Block) -> Page {
        self.opening.push(block);
        self
    }

    /// Adds a section.
    pub fn section(mut self, section: Section) -> Page {
        self.sections.push(section);
        self
    }

    /// Says what made the page.
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

    /// Adds commands or code, one a line.
    pub fn code(self, text: impl Into<String>) -> Section {
        self.block(Block::Code(text.into()))
    }

    /// Adds anything.
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
        // Every chart of the page has a number, for the names of its parts must be unique in it.
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

/// The style of all that is no chart.
const PAGE_STYLE: &str = include_str!("page.css");

#[cfg(test)]
mod tests;
