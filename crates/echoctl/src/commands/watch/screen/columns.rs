//! The columns of the table: their titles, widths and cells, and which of them fit. A column that does not fit is hidden, not cut.

use echoctl_record::{Age, Bytes, Rate, Roles};
use ratatui_core::style::Style;

use super::cause::label;
use super::fit::{Align, begin_of, end_of, padded, process, width};
use super::reading::Entry;
use super::theme::{Theme, USUAL, WEAK};

/// A column of the table, in the order in which they are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Column {
    Peer,
    Process,
    /// In place of the process, where connections are grouped.
    Connections,
    Cause,
    ClientSend,
    ServerReceive,
    ServerSend,
    ClientReceive,
    In,
    Out,
}

/// The columns of a table and their widths, for a terminal of some width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    columns: Vec<(Column, usize)>,
    pub(super) peers: Peers,
}

/// What the column of the peer shows of one whose process is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peers {
    Addresses,
    /// On a narrow terminal, which has no room for both.
    Processes,
}

/// What the table shows, as far as the choice of columns depends on it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Contents {
    pub(super) is_grouped: bool,
    /// What the two sides are called.
    pub(super) roles: Roles,
    /// Columns of the longest address.
    pub(super) peer: usize,
    /// Columns of the longest name of a process; 0 if there is none.
    pub(super) process: usize,
    /// Whether any queue of a client is visible.
    pub(super) has_client_queues: bool,
    /// Whether any rate is known.
    pub(super) has_rates: bool,
}

impl Contents {
    /// Those of the entries that `order` names.
    pub(super) fn of(order: &[u32], entries: &[Entry], is_grouped: bool) -> Contents {
        let mut contents = Contents { is_grouped, ..Contents::default() };
        for entry in order.iter().map(|&index| &entries[index as usize]) {
            let row = &entry.row;
            contents.roles = row.roles();
            contents.peer = contents.peer.max(width(&row.client));
            contents.process = contents.process.max(row.client_process.as_deref().map_or(0, width));
            contents.has_client_queues |= row.client_send.is_some() || row.client_receive.is_some();
            contents.has_rates |= row.receive_rate.is_some() || row.send_rate.is_some();
        }
        contents
    }
}

impl Column {
    /// The column of a key.
    pub(super) fn of_digit(digit: char, is_grouped: bool) -> Option<Column> {
        let digit = digit.to_digit(10).and_then(|digit| u8::try_from(digit).ok())?;
        ALL.into_iter().find(|column| {
            column.digit() == digit
                && (*column != Column::Process || !is_grouped)
                && (*column != Column::Connections || is_grouped)
        })
    }

    /// The key that sorts by it.
    fn digit(self) -> u8 {
        match self {
            Column::Peer => 1,
            Column::Process | Column::Connections => 2,
            Column::Cause => 3,
            Column::ClientSend => 4,
            Column::ServerReceive => 5,
            Column::ServerSend => 6,
            Column::ClientReceive => 7,
            Column::In => 8,
            Column::Out => 9,
        }
    }

    /// Its title in words.
    pub(super) fn name(self, contents: &Contents) -> String {
        let (peer, watched) = (contents.roles.peer(), contents.roles.watched());
        match self {
            Column::Peer if contents.is_grouped => "remote address".to_owned(),
            Column::Peer => peer.to_owned(),
            Column::Process => "process".to_owned(),
            Column::Connections => "number".to_owned(),
            Column::Cause => "cause".to_owned(),
            Column::ClientSend => format!("{peer}'s send queue"),
            Column::ServerReceive => format!("{watched}'s receive queue"),
            Column::ServerSend => format!("{watched}'s send queue"),
            Column::ClientReceive => format!("{peer}'s receive queue"),
            Column::In => "rate in".to_owned(),
            Column::Out => "rate out".to_owned(),
        }
    }

    /// Its title over the table, in two lines.
    pub(super) fn title(self, contents: &Contents) -> [String; 2] {
        let digit = self.digit();
        let (above, below) = match self {
            Column::Peer | Column::Process | Column::Cause => (&*self.name(contents), ""),
            Column::Connections => ("open", ""),
            Column::ClientSend => (contents.roles.peer(), "send"),
            Column::ServerReceive => (contents.roles.watched(), "receive"),
            Column::ServerSend => (contents.roles.watched(), "send"),
            Column::ClientReceive => (contents.roles.peer(), "receive"),
            Column::In => ("in", ""),
            Column::Out => ("out", ""),
        };
        [format!("{digit} {above}"), below.to_owned()]
    }

    pub(super) fn align(self) -> Align {
        match self {
            Column::Peer | Column::Process | Column::Cause => Align::Left,
            _ => Align::Right,
        }
    }

    /// Its text for a row in this many columns, and the style of that.
    pub(super) fn cell(self, entry: &Entry, columns: usize, peers: Peers, theme: Theme) -> (String, Style) {
        let row = &entry.row;
        let bytes = |bytes: Option<u64>| match bytes {
            None => ("-".to_owned(), WEAK),
            Some(0) => ("0 B".to_owned(), WEAK),
            Some(bytes) => (Bytes(bytes).to_string(), USUAL),
        };
        let rate = |rate: Option<f64>| match rate {
            None => ("-".to_owned(), WEAK),
            Some(rate) if rate < 0.5 => ("0 B/s".to_owned(), WEAK),
            Some(rate) => (Rate(rate).to_string(), USUAL),
        };
        let (text, style) = match self {
            Column::Peer => match row.client_process.as_deref().filter(|_| peers == Peers::Processes) {
                Some(owner) => (process(owner, columns), USUAL),
                None => (end_of(&row.client, columns), USUAL),
            },
            Column::Process => entry
                .row
                .client_process
                .as_deref()
                .map_or((String::new(), WEAK), |owner| (process(owner, columns), USUAL)),
            Column::Connections => (entry.connections.to_string(), USUAL),
            Column::Cause => return cause(entry, columns, theme),
            Column::ClientSend => bytes(row.client_send),
            Column::ServerReceive => bytes(Some(row.server_receive)),
            Column::ServerSend => bytes(Some(row.server_send)),
            Column::ClientReceive => bytes(row.client_receive),
            Column::In => rate(row.receive_rate),
            Column::Out => rate(row.send_rate),
        };
        (padded(&text, columns, self.align()), style)
    }

    /// Columns that it needs at least.
    fn width(self, contents: &Contents) -> usize {
        match self {
            Column::Peer => contents.peer.clamp(MIN_PEER, USUAL_PEER),
            Column::Process => contents.process.clamp(9, USUAL_PROCESS),
            Column::Connections => 7,
            Column::Cause => CAUSE,
            Column::ClientSend | Column::ServerReceive | Column::ServerSend | Column::ClientReceive => {
                8.max(contents.roles.watched().len() + 2)
            }
            Column::In | Column::Out => 10,
        }
    }

    /// Whether it would show anything.
    fn has_contents(self, contents: &Contents) -> bool {
        match self {
            Column::Process => contents.process > 0 && !contents.is_grouped,
            Column::Connections => contents.is_grouped,
            Column::ClientSend | Column::ClientReceive => contents.has_client_queues,
            Column::In | Column::Out => contents.has_rates,
            _ => true,
        }
    }
}

/// A label, and its age at the right.
fn cause(entry: &Entry, columns: usize, theme: Theme) -> (String, Style) {
    let diagnosis = entry.row.diagnosis();
    // One letter for the unit, so that it fits.
    let age = diagnosis.seconds.map_or(String::new(), |seconds| Age(seconds).to_string().replace("min", "m"));
    let text = padded(
        &begin_of(&label(diagnosis.cause, diagnosis.roles), columns),
        columns.saturating_sub(age.len()),
        Align::Left,
    );
    let style = if diagnosis.is_culprit() { theme.accent() } else { WEAK };
    (format!("{text}{age}"), style)
}

impl Layout {
    /// The columns that fit, the most important ones first, in this many columns of the terminal. That by which the rows are sorted is
    /// one of these.
    pub(super) fn new(columns: usize, contents: &Contents, sorted: Column) -> Layout {
        let has_names = columns < NARROW && contents.process > 0 && !contents.is_grouped;
        let narrow_peer = if has_names { NARROW_PROCESS } else { MIN_PEER };
        let narrow = Contents { peer: contents.peer.min(narrow_peer), ..*contents };
        // On a narrow terminal the queues are worth more than the beginnings of addresses.
        let contents_of_columns = if columns < NARROW { &narrow } else { contents };
        let mut chosen: Vec<(Column, usize)> = Vec::new();
        let mut left = columns;
        let [peer, cause, others @ ..] = BY_IMPORTANCE;
        let others = others.into_iter().filter(|column| *column != sorted);
        let sorted = Some(sorted).filter(|column| ![peer, cause].contains(column));
        let by_importance = [peer, cause].into_iter().chain(sorted).chain(others);
        let is_named_already = |column: &Column| has_names && *column == Column::Process;
        for column in
            by_importance.filter(|column| column.has_contents(contents) && !is_named_already(column))
        {
            let gap = if chosen.is_empty() { 0 } else { GAP };
            let width = column.width(contents_of_columns);
            // The address is always shown.
            if chosen.is_empty() {
                let width = width.min(columns);
                chosen.push((column, width));
                left -= width;
            } else if gap + width <= left {
                chosen.push((column, width));
                left -= gap + width;
            }
        }
        chosen.sort_unstable_by_key(|(column, _)| *column);
        // What is left goes to names, as far as they need it.
        for (column, width) in &mut chosen {
            let wanted = match column {
                Column::Peer if has_names => contents.process.min(MAX_PROCESS),
                Column::Peer => contents.peer.min(MAX_PEER),
                Column::Process => contents.process.min(MAX_PROCESS),
                _ => 0,
            };
            let more = wanted.saturating_sub(*width).min(left);
            *width += more;
            left -= more;
        }
        Layout { columns: chosen, peers: if has_names { Peers::Processes } else { Peers::Addresses } }
    }

    /// The columns with their widths, from left to right.
    pub(super) fn columns(&self) -> impl Iterator<Item = (Column, usize)> {
        self.columns.iter().copied()
    }
}

const ALL: [Column; 10] = [
    Column::Peer,
    Column::Process,
    Column::Connections,
    Column::Cause,
    Column::ClientSend,
    Column::ServerReceive,
    Column::ServerSend,
    Column::ClientReceive,
    Column::In,
    Column::Out,
];

/// Which columns are shown first where there is little room: the peer, the cause, how much is buffered, and then how fast it moves.
const BY_IMPORTANCE: [Column; 10] = [
    Column::Peer,
    Column::Cause,
    Column::Connections,
    Column::ServerSend,
    Column::ServerReceive,
    Column::Process,
    Column::Out,
    Column::In,
    Column::ClientReceive,
    Column::ClientSend,
];

/// Blanks between two columns.
pub(super) const GAP: usize = 1;

/// Columns of a label and its age.
const CAUSE: usize = 26;

/// Columns of an address: of an IPv4 address without its beginning, of any IPv4 address with its port, and of any address.
const MIN_PEER: usize = 15;
const USUAL_PEER: usize = 21;
const MAX_PEER: usize = 47;

/// Columns of a short name of a process with its pid, in place of the address.
const NARROW_PROCESS: usize = 18;

/// Columns of a name of a process, usually and at most.
const USUAL_PROCESS: usize = 18;
const MAX_PROCESS: usize = 32;

/// Columns of a terminal below which addresses are shortened.
const NARROW: usize = 72;
