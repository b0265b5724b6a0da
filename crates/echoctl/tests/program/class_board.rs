//! Promise: a phone can read the QR code that `echoctl class` prints: in a terminal of 80 columns and 24 rows, whatever its colours.
#![cfg(target_os = "linux")]

use echoctl_testkit::catches_interrupts;
use qrcodegen::{QrCode, QrCodeEcc};

use crate::pty::Terminal;
use crate::running::command;

#[test]
fn the_code_on_the_board_is_the_address_of_the_page() {
    for (kind, [begin, end]) in
        [("xterm-256color", ["\x1b[38;5;16;48;5;231m", "\x1b[0m"]), ("xterm", ["\x1b[30;107m", "\x1b[0m"])]
    {
        let terminal = Terminal::with_columns(80);
        let mut class = command(&["class", "--addr", "127.0.0.1:0", "--page", "127.0.0.1:0"]);
        class.env("TERM", kind).env_remove("COLORTERM").env_remove("NO_COLOR");
        terminal.control(&mut class);
        let mut running = echoctl_testkit::Running(class.spawn().unwrap());
        drop(class);
        running.wait_until("it catches signals", catches_interrupts);
        running.wait_until("it takes keys", |_| terminal.delivers_keys_at_once());
        running.wait_until("it has a status", |_| terminal.shows("q quits"));
        terminal.press("q");
        assert_eq!(running.end("class").code(), Some(0));

        let shown = terminal.close();
        let board = shown.split_once("q quits").unwrap().0;
        assert!(board.lines().count() <= 24, "{kind}: {board}");
        let cells: Vec<&str> =
            board.lines().filter_map(|line| Some(line.split_once(begin)?.1.split_once(end)?.0)).collect();
        let (address, _) = board.split_once("http://").unwrap().1.split_once('\x1b').unwrap();
        assert_eq!(modules(&cells), expected(&format!("http://{address}")), "{kind}: {board}");
    }
}

/// Whether each module is dark, row by row, as a camera sees it: black ink on white, two modules per cell.
fn modules(cells: &[&str]) -> Vec<Vec<bool>> {
    let half = |line: &str, dark: [char; 2]| line.chars().map(|cell| dark.contains(&cell)).collect();
    cells.iter().flat_map(|line| [half(line, ['█', '▀']), half(line, ['█', '▄'])]).collect()
}

/// The code of a text, with at least the light margin that cameras need.
fn expected(text: &str) -> Vec<Vec<bool>> {
    const MARGIN: i32 = 2;
    let code = QrCode::encode_text(text, QrCodeEcc::Low).unwrap();
    let columns = -MARGIN..code.size() + MARGIN;
    // An even number of rows: two per line.
    let rows = -MARGIN..code.size() + MARGIN + code.size() % 2;
    rows.map(|y| columns.clone().map(|x| code.get_module(x, y)).collect()).collect()
}
