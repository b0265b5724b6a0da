//! The state of the instrument: what it shows, and what each key changes. Pure: it reads no terminal, clock or kernel.
//!
//! ```text
//! reading ── update ──┐                       ┌──► cells
//!                     ├─► header, list, view ─┤
//! key ────── key ─────┘                       └──► an Action for the caller
//! ```

use echoctl_record::{ConnectionRow, printable};
use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::text::Line;
use ratatui_crossterm::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::cause::meaning;
use super::cursor::Movement;
use super::detail::Detail;
use super::filter::Filter;
use super::fit::draw_line;
use super::footer;
use super::header::{Header, Motion};
use super::help;
use super::history::Histories;
use super::list::List;
use super::page::Page;
use super::reading::{Entry, Reading};
use super::status;
use super::table::Table;
use super::theme::{Theme, WEAK};

/// The instrument.
pub(crate) struct Instrument {
    title: String,
    /// What is to be known about how the sockets are visible.
    visibility: Option<&'static str>,
    /// The command that `e` shows.
    explain: Explain,
    theme: Theme,
    header: Header,
    list: List,
    histories: Histories,
    motion: Motion,
    view: View,
    /// What is shown in place of the keys, until the next one or for some seconds.
    message: Option<Message>,
}

/// What was just done.
struct Message {
    text: String,
    /// Time of the watch of the first reading after it.
    since: Option<f64>,
}

/// Makes the command that shows a connection's cause, if there is one.
pub(crate) type Explain = Box<dyn Fn(&ConnectionRow) -> Option<String>>;

/// What is under the header.
enum View {
    Table,
    /// The table, and the filter that is typed.
    Prompt,
    /// The selected connection.
    Detail {
        is_open: bool,
    },
    /// A page, and what Esc returns to.
    Page(Page, Box<View>),
}

/// What the caller has to do after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing but to draw.
    Draw,
    /// To write a recording, and to [`tell`](Instrument::tell) its name.
    Save,
    /// To end the watch.
    Quit,
}

impl Instrument {
    /// An instrument without a reading yet. `visibility` is what is to be known about how the sockets are visible, and `explain`
    /// makes the command that `e` shows.
    pub(crate) fn new(
        title: String,
        visibility: Option<&'static str>,
        explain: Explain,
        theme: Theme,
    ) -> Instrument {
        Instrument {
            title,
            visibility,
            explain,
            theme,
            header: Header::default(),
            list: List::new(),
            histories: Histories::default(),
            motion: Motion::Live,
            view: View::Table,
            message: None,
        }
    }

    /// Shows a new reading, unless the figures are frozen.
    pub(crate) fn update(&mut self, mut reading: Reading) {
        let t = reading.sample.t;
        self.message = self.message.take().and_then(|message| message.at(t));
        if self.motion == Motion::Frozen {
            return;
        }
        let entries: Vec<Entry> = std::mem::take(&mut reading.rows).into_iter().map(Entry::new).collect();
        self.header = Header::new(&reading, &entries, self.visibility);
        let shown = match self.view.detail() {
            Some(is_open) => {
                *is_open = self.list.update_around(entries);
                self.list.selected().filter(|_| *is_open)
            }
            None => {
                self.list.update(entries);
                None
            }
        };
        self.histories.add(reading.sample.t, shown.into_iter().chain(self.list.connections_on_screen()));
    }

    /// Shows a message until the next key, or for some seconds.
    pub(crate) fn tell(&mut self, text: String) {
        self.message = Some(Message { text, since: None });
    }

    /// Handles a key.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Action {
        self.message = None;
        // Most terminals send Ctrl-C as a signal; this is for the others.
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if key.code == KeyCode::Char('c') { Action::Quit } else { Action::Draw };
        }
        match (&self.view, key.code) {
            (View::Prompt, key) => self.typed(key),
            (_, KeyCode::Char('q')) => return Action::Quit,
            (_, KeyCode::Char('s')) => return Action::Save,
            (_, key) => self.pressed(key),
        }
        Action::Draw
    }

    /// A key while the filter is typed.
    fn typed(&mut self, key: KeyCode) {
        match key {
            KeyCode::Enter => self.view = View::Table,
            KeyCode::Esc => {
                self.list.filter_by(|filter| *filter = Filter::default());
                self.view = View::Table;
            }
            KeyCode::Backspace => self.list.filter_by(Filter::pop),
            KeyCode::Char(character) => self.list.filter_by(|filter| filter.push(character)),
            _ => {}
        }
    }

    fn pressed(&mut self, key: KeyCode) {
        match key {
            KeyCode::Char(' ') => {
                self.motion = if self.motion == Motion::Live { Motion::Frozen } else { Motion::Live };
            }
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.open(help::page()),
            KeyCode::Char('e') => self.explain(),
            KeyCode::Esc | KeyCode::Backspace => self.back(),
            key => match movement(key) {
                Some(movement) => self.step(movement),
                None if matches!(self.view, View::Table) => self.pressed_in_table(key),
                None => {}
            },
        }
    }

    fn pressed_in_table(&mut self, key: KeyCode) {
        match key {
            KeyCode::Char('/') => self.view = View::Prompt,
            KeyCode::Char('r') => self.list.reverse(),
            KeyCode::Char('g') => self.list.group(),
            KeyCode::Char(digit) => self.list.sort_by(digit),
            KeyCode::Enter => {
                let is_grouped = self.list.is_grouped();
                match self.list.select_any() {
                    Some(_) if is_grouped => self.list.enter_group(),
                    Some(_) => self.view = View::Detail { is_open: true },
                    None => {}
                }
            }
            _ => {}
        }
    }

    fn step(&mut self, movement: Movement) {
        match &mut self.view {
            View::Page(page, _) => page.step(movement),
            View::Detail { is_open } => {
                self.list.step(movement);
                *is_open = true;
            }
            View::Table | View::Prompt => self.list.step(movement),
        }
    }

    fn explain(&mut self) {
        let is_grouped = self.list.is_grouped();
        match self.list.select_any() {
            Some(_) if is_grouped => self.tell("press Enter for the connections of this address".to_owned()),
            Some(selected) => {
                let row = &selected.row;
                let command = (self.explain)(row).unwrap_or_else(|| "ss does not show it".to_owned());
                // What to look at follows the command as a comment.
                let (command, figures) = command.split_once("  # ").unwrap_or((&command, ""));
                let text = format!(
                    "  {}\n\nThe same with ss\n  {command}\n  {figures}\n",
                    meaning(row.cause, row.roles())
                );
                let page = Page::new(format!("{}: {}", printable(&row.client), row.diagnosis()), text);
                self.open(page);
            }
            None => {}
        }
    }

    fn open(&mut self, page: Page) {
        // From a page to another one: Esc leaves both.
        let before = match std::mem::replace(&mut self.view, View::Table) {
            View::Page(_, before) => before,
            view => Box::new(view),
        };
        self.view = View::Page(page, before);
    }

    /// Leaves a page, a connection, or what the table is limited to.
    fn back(&mut self) {
        match std::mem::replace(&mut self.view, View::Table) {
            View::Page(_, before) => self.view = *before,
            View::Table => self.list.leave(),
            View::Detail { .. } | View::Prompt => {}
        }
    }

    /// Draws it.
    pub(crate) fn draw(&mut self, area: Rect, buffer: &mut Buffer) {
        let [header, middle, footer] = self.areas(area);
        self.header.draw(&self.title, self.motion, self.theme, header, buffer);
        draw_line(buffer, footer, 0, &self.footer(area.width.into()));
        match &mut self.view {
            View::Page(page, _) => page.draw(middle, buffer),
            View::Detail { is_open } => {
                if let Some(entry) = self.list.selected() {
                    let points = self.histories.of(entry);
                    Detail { entry, is_open: *is_open, points, theme: self.theme }.draw(middle, buffer);
                }
            }
            View::Table | View::Prompt => self.draw_table(middle, buffer),
        }
    }

    /// Where the header, the table and the last line are.
    fn areas(&self, area: Rect) -> [Rect; 3] {
        let wanted = match self.view {
            // A text needs the room more than the figures do.
            View::Page(..) => 1,
            _ => self.header.height(area.width.into()),
        };
        let height = usize::from(area.height);
        let header = wanted.min(height.saturating_sub(MIN_TABLE)).max(1);
        let blank = usize::from(height > MIN_TABLE);
        let footer = usize::from(height > 2);
        let rows = |from: usize, to: usize| {
            let row = |row: usize| u16::try_from(row).unwrap_or(u16::MAX).min(area.height);
            Rect { y: area.y + row(from), height: row(to).saturating_sub(row(from)), ..area }
        };
        [rows(0, header), rows(header + blank, height - footer), rows(height - footer, height)]
    }

    fn draw_table(&mut self, area: Rect, buffer: &mut Buffer) {
        let has_status = area.height > 3;
        let table = if has_status { Rect { y: area.y + 1, height: area.height - 1, ..area } } else { area };
        let height = usize::from(table.height);
        self.list.fit(height.saturating_sub(Table::titles(height)));
        if has_status {
            draw_line(buffer, area, 0, &status::line(&self.list, self.theme, area.width.into()));
        }
        if self.list.order().is_empty() {
            draw_line(buffer, table, 0, &Line::styled(status::why_empty(&self.list), WEAK));
        } else {
            Table { list: &self.list, theme: self.theme }.draw(table, buffer);
        }
    }

    fn footer(&self, columns: usize) -> Line<'static> {
        if let Some(message) = &self.message {
            return footer::message(&message.text, columns);
        }
        let keys = match &self.view {
            View::Prompt => return footer::prompt(self.list.filter().text(), columns, self.theme),
            View::Table if self.list.is_grouped() => footer::GROUPS,
            View::Table => footer::TABLE,
            View::Detail { .. } => footer::DETAIL,
            View::Page(page, _) if page.scrolls() => footer::LONG_PAGE,
            View::Page(..) => footer::PAGE,
        };
        footer::keys(keys, columns)
    }
}

impl Message {
    /// The message at this time of the watch, unless it is old.
    fn at(self, t: f64) -> Option<Message> {
        let since = self.since.unwrap_or(t);
        (t - since < MESSAGE_SECONDS).then_some(Message { since: Some(since), ..self })
    }
}

impl View {
    /// Whether the connection is open that is shown, or was before a page.
    fn detail(&mut self) -> Option<&mut bool> {
        match self {
            View::Detail { is_open } => Some(is_open),
            View::Page(_, before) => before.detail(),
            View::Table | View::Prompt => None,
        }
    }
}

/// The movement of a key.
fn movement(key: KeyCode) -> Option<Movement> {
    Some(match key {
        KeyCode::Up | KeyCode::Char('k') => Movement::Up,
        KeyCode::Down | KeyCode::Char('j') => Movement::Down,
        KeyCode::PageUp => Movement::PageUp,
        KeyCode::PageDown => Movement::PageDown,
        KeyCode::Home => Movement::First,
        KeyCode::End => Movement::Last,
        _ => return None,
    })
}

/// Seconds for which a message is shown: enough to read the name of a file.
const MESSAGE_SECONDS: f64 = 5.0;

/// Lines that are left for the table and the last line before the header gets more than one.
const MIN_TABLE: usize = 12;
