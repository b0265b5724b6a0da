//! The instrument on terminals of several sizes, compared with stored pictures, and what its keys do.
#![cfg(test)]

#[path = "../../../../tests/program/snapshot/folder.rs"]
#[allow(dead_code)]
mod folder;

use echoctl_record::{ConnectionCause, ConnectionRow, ListenerFigures, Roles, Sample};
use echoctl_report::terminal::Colour;
use ratatui_core::backend::TestBackend;
use ratatui_core::buffer::Buffer;
use ratatui_core::style::{Color, Modifier};
use ratatui_core::terminal::Terminal;
use ratatui_crossterm::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::instrument::{Action, Instrument};
use super::reading::Reading;
use super::theme::Theme;
use folder::Folder;

/// An instrument with a terminal of its own.
struct Screen {
    instrument: Instrument,
    terminal: Terminal<TestBackend>,
}

impl Screen {
    fn new(columns: u16, rows: u16) -> Screen {
        Screen::with_colour(columns, rows, Colour::None)
    }

    fn with_colour(columns: u16, rows: u16, colour: Colour) -> Screen {
        let explain = |row: &ConnectionRow| {
            Some(format!("ss -tnmio 'dst = {}'  # Send-Q stays, timer:(persist)", row.client))
        };
        let title = "127.0.0.1:8080: api (pid 812)".to_owned();
        let instrument = Instrument::new(title, None, Box::new(explain), Theme::new(colour));
        Screen { instrument, terminal: Terminal::new(TestBackend::new(columns, rows)).unwrap() }
    }

    /// A terminal with this reading.
    fn of(columns: u16, rows: u16, reading: Reading) -> Screen {
        let mut screen = Screen::new(columns, rows);
        screen.update(reading);
        screen
    }

    /// Draws, so that the instrument knows what is on the screen, shows the reading, and draws again.
    fn update(&mut self, reading: Reading) {
        self.draw();
        self.instrument.update(reading);
        self.draw();
    }

    fn draw(&mut self) -> &Buffer {
        self.terminal.draw(|frame| self.instrument.draw(frame.area(), frame.buffer_mut())).unwrap();
        self.terminal.backend().buffer()
    }

    /// Presses keys: a character is itself.
    fn press(&mut self, keys: &str) -> Action {
        keys.chars().map(|key| self.key(KeyCode::Char(key))).last().unwrap()
    }

    fn key(&mut self, key: KeyCode) -> Action {
        let action = self.instrument.key(KeyEvent::new(key, KeyModifiers::NONE));
        self.draw();
        action
    }

    /// What is on the screen, without blanks at the ends of lines.
    fn text(&mut self) -> String {
        let buffer = self.draw();
        let mut text = String::new();
        for line in buffer.content().chunks(usize::from(buffer.area.width.max(1))) {
            let mut cells = line.iter();
            let mut columns = String::new();
            while let Some(cell) = cells.next() {
                columns.push_str(cell.symbol());
                // A wide character covers the next cell.
                let width = super::fit::width(cell.symbol());
                cells.by_ref().take(width - 1).for_each(drop);
            }
            text.push_str(columns.trim_end());
            text.push('\n');
        }
        text
    }

    /// The line that is drawn in reverse, if there is one.
    fn selected(&mut self) -> Option<String> {
        let buffer = self.draw().clone();
        let rows = buffer.area.height;
        let row = (0..rows).find(|&y| buffer[(0, y)].modifier.contains(Modifier::REVERSED))?;
        self.text().lines().nth(row.into()).map(str::to_owned)
    }
}

fn row(client: &str, cause: ConnectionCause, seconds: f64, queues: [u64; 4]) -> ConnectionRow {
    let stalled = cause.stalled_by().is_some();
    ConnectionRow {
        client: client.to_owned(),
        server: "127.0.0.1:8080".parse().ok(),
        state: "ESTABLISHED".to_owned(),
        cause,
        cause_seconds: Some(seconds).filter(|seconds| *seconds > 0.0),
        received: Some(3 << 20),
        written: Some(70 << 20),
        receive_rate: Some(if stalled { 0.0 } else { 1500.0 }),
        send_rate: Some(if stalled { 0.0 } else { 3.5 * 1048576.0 }),
        client_send: Some(queues[0]),
        server_receive: queues[1],
        server_send: queues[2],
        client_receive: Some(queues[3]),
        client_window: Some(if stalled { 0 } else { 65_536 }),
        window: Some(65_536),
        kernel_memory: Some(queues.iter().sum::<u64>() * 2),
        ..ConnectionRow::default()
    }
}

fn reading(t: f64, rows: Vec<ConnectionRow>) -> Reading {
    let connections = u32::try_from(rows.len()).unwrap();
    Reading {
        sample: Sample {
            t,
            connections,
            server_memory: Some(250 << 20),
            kernel_memory: Some(25 << 20),
            is_echo: Some(false),
            ..Sample::default()
        },
        seen: u64::from(connections) + 30,
        roles: rows.first().map_or(Roles::Served, ConnectionRow::roles),
        suspended: Vec::new(),
        rows,
        listeners: vec![ListenerFigures {
            listen: "127.0.0.1:8080".to_owned(),
            accept_queue: Some(5),
            accept_queue_limit: Some(128),
            ..ListenerFigures::default()
        }],
        traffic: Some(("1.2 MiB/s".to_owned(), "30 MiB/s".to_owned())),
        trend: "+1.5 MiB/s".to_owned(),
        clock: "14:02:07".to_owned(),
    }
}

/// A busy server with one connection of most kinds.
fn busy() -> Reading {
    use ConnectionCause::{
        BothWait, ClientDoesNotRead, ClientReadsSlowly, ClosedByClient, Flows, Idle, InAcceptQueue, PeerGone,
        ServerDoesNotRead,
    };
    let mut rows = vec![
        row("10.1.2.3:50211", ClientDoesNotRead, 42.0, [0, 0, 4 << 20, 6 << 20]),
        row("10.1.2.3:50212", ClientDoesNotRead, 7500.0, [0, 0, 2_621_440, 6 << 20]),
        row("10.1.2.4:41000", PeerGone, 9.0, [0, 0, 48_000, 0]),
        row("10.1.2.5:41001", ServerDoesNotRead, 3.0, [2 << 20, 425_984, 0, 0]),
        row("192.168.100.200:65535", BothWait, 700.0, [2 << 20, 425_984, 4 << 20, 6 << 20]),
        row("10.1.2.7:9", ClosedByClient, 12.0, [0, 1, 0, 0]),
        row("10.1.2.8:10", InAcceptQueue, 2.0, [0, 70, 0, 0]),
        row("10.1.2.9:11", ClientReadsSlowly, 20.0, [0, 0, 1 << 20, 1 << 19]),
        row("10.1.2.10:50000", Flows, 0.0, [0, 0, 20_000, 900]),
        row("10.1.2.11:50000", Idle, 0.0, [0; 4]),
    ];
    rows[0].client_process = Some("python3 (pid 4711)".to_owned());
    rows[3].client_process = Some("a-process-with-a-long-name (pid 4712)".to_owned());
    rows.extend((0..40).map(|port| row(&format!("10.1.3.1:{}", 40_000 + port), Idle, 0.0, [0; 4])));
    reading(61.4, rows)
}

/// One connection whose client stops to read after ten seconds.
fn stalling(screen: &mut Screen) {
    for second in 0..60u32 {
        let stalled = u64::from(second.saturating_sub(10).min(20));
        let cause = if second > 12 { ConnectionCause::ClientDoesNotRead } else { ConnectionCause::Flows };
        let queues = [0, 0, stalled * 200_000, (stalled * 400_000).min(6 << 20)];
        let age = f64::from(second.saturating_sub(10));
        screen.update(reading(
            second.into(),
            vec![
                row("10.1.2.3:50211", cause, age, queues),
                row("10.9.9.9:1", ConnectionCause::Idle, 0.0, [0; 4]),
            ],
        ));
    }
}

#[test]
fn pictures_of_the_instrument() {
    let mut folder = Folder::new("watch");
    let mut check = |name: &str, screen: &mut Screen| folder.check(name, &screen.text());

    for (columns, rows) in [(60, 24), (80, 24), (140, 40)] {
        check(&format!("table-{columns}"), &mut Screen::of(columns, rows, busy()));
    }
    check("small-terminal", &mut Screen::of(40, 10, busy()));
    check("no-connections", &mut Screen::of(80, 24, reading(0.3, vec![])));

    let mut screen = Screen::of(80, 24, busy());
    screen.press("/10.1.2.");
    check("filter-while-typed", &mut screen);
    screen.key(KeyCode::Enter);
    screen.press("6r");
    check("filtered-by-send-queue", &mut screen);
    screen.press("/nothing has this");
    check("nothing-matches", &mut screen);

    for (columns, name) in [(60, "grouped-60"), (80, "grouped-80")] {
        let mut screen = Screen::of(columns, 24, busy());
        screen.press("gj");
        check(name, &mut screen);
    }

    for (columns, rows) in [(60, 24), (80, 24), (140, 40)] {
        let mut screen = Screen::new(columns, rows);
        stalling(&mut screen);
        screen.key(KeyCode::Enter);
        check(&format!("connection-{columns}"), &mut screen);
    }

    let mut screen = Screen::of(80, 24, busy());
    screen.press(" ");
    screen.update(reading(90.0, vec![]));
    check("frozen", &mut screen);

    for (columns, rows) in [(60, 24), (80, 48)] {
        let mut screen = Screen::of(columns, rows, busy());
        screen.press("?");
        check(&format!("help-{columns}"), &mut screen);
    }
    let mut screen = Screen::of(80, 24, busy());
    screen.press("e");
    check("explain", &mut screen);

    check("hostile-names", &mut Screen::of(100, 24, hostile()));
    check("outbound", &mut Screen::of(80, 24, outbound()));

    let mut screen = Screen::of(140, 40, many(5000));
    screen.key(KeyCode::End);
    check("last-of-5000", &mut screen);
    folder.finish();
}

/// Names that would move the cursor, change colours or break the columns.
fn hostile() -> Reading {
    let names = [
        "\u{1b}[2J\u{1b}[31mred",
        "日本語日本語日本語日本語日本語",
        "a\nb\tc\r",
        "\u{202e}evil\u{200b}",
        "e\u{301}\u{301}\u{301}🙂👨‍👩‍👧x",
    ];
    let rows = names.iter().zip(1..).map(|(name, port)| ConnectionRow {
        client_process: Some(format!("{name} (pid {port})")),
        ..row(&format!("127.0.0.1:{port}"), ConnectionCause::Flows, 0.0, [1, 2, 3, 4])
    });
    let unix = ConnectionRow {
        server: None,
        ..row("日本語日本語日本語日本語 \u{1b}]0;x\u{7}(pid 9)", ConnectionCause::Idle, 0.0, [0; 4])
    };
    reading(1.0, rows.chain([unix]).collect())
}

/// Connections that the watched process opened: its peers are in the place of the clients.
fn outbound() -> Reading {
    let opened = |number: u16| ConnectionRow {
        client_process: Some("postgres (pid 77)".to_owned()),
        outbound: true,
        ..row(
            &format!("[2001:db8::{number}]:5432"),
            ConnectionCause::ClientDoesNotRead,
            3.0,
            [0, 100, 9000, 70_000],
        )
    };
    reading(1.0, (1..4).map(opened).collect())
}

fn many(count: u32) -> Reading {
    let row = |number: u32| {
        let [_, a, b, c] = number.to_be_bytes();
        row(
            &format!("10.{a}.{b}.{c}:{}", 1024 + number % 50_000),
            ConnectionCause::ALL[number as usize % 11],
            f64::from(number % 97),
            [0, (number % 7).into(), (number * 31 % 1000).into(), 0],
        )
    };
    reading(10.0, (0..count).map(row).collect())
}

#[test]
fn it_draws_on_any_terminal() {
    let views: [&[KeyCode]; 6] = [
        &[],
        &[KeyCode::Down, KeyCode::Enter],
        &[KeyCode::Char('?'), KeyCode::End],
        &[KeyCode::Char('g'), KeyCode::End],
        &[KeyCode::Char('/'), KeyCode::Char('1')],
        &[KeyCode::Char('e')],
    ];
    let sizes =
        [0, 1, 2, 3, 7, 13, 20, 29].into_iter().flat_map(|columns| (0..14).map(move |rows| (columns, rows)));
    for keys in views {
        let mut screen = Screen::of(80, 24, busy());
        for key in keys {
            screen.key(*key);
        }
        for (columns, rows) in sizes.clone().chain([(1000, 2), (1, 300), (59, 24), (300, 100)]) {
            screen.terminal.backend_mut().resize(columns, rows);
            screen.update(hostile());
            screen.key(KeyCode::PageDown);
        }
    }
}

#[test]
fn a_pid_is_never_cut() {
    let names = ["sh", "python3", "echoctl", "a-process-with-a-long-name", "日本語日本語日本語"];
    let pids = [7, 4711, 12_345, 4_194_304, 4_194_303];
    let rows = names.iter().zip(pids).map(|(name, pid)| ConnectionRow {
        client_process: Some(format!("{name} (pid {pid})")),
        server_process: Some("a-server-with-a-long-name (pid 4194302)".to_owned()),
        ..row(&format!("127.0.0.1:{}", 40_000 + pid % 999), ConnectionCause::Flows, 0.0, [1 << 20; 4])
    });
    let rows: Vec<_> = rows.collect();
    for columns in 60..200 {
        for sorted in '1'..='9' {
            let mut screen = Screen::of(columns, 24, reading(1.0, rows.clone()));
            screen.press(&sorted.to_string());
            let text = screen.text();

            // Above some width the column of the address has no names, and that of the process may be hidden.
            if text.contains("(pid 7)") {
                assert!(pids.iter().all(|pid| text.contains(&format!("(pid {pid})"))), "{sorted}: {text}");
            } else {
                assert!(columns >= 72 && !text.lines().skip(6).any(|line| line.contains("pid")), "{text}");
            }
        }
        let mut screen = Screen::of(columns, 24, reading(1.0, rows.clone()));
        screen.key(KeyCode::Enter);
        let text = screen.text();

        assert!(
            text.contains("(pid 4194302)") && pids.iter().any(|pid| text.contains(&format!("(pid {pid})")))
        );
    }
}

#[test]
fn columns_are_hidden_and_not_cut() {
    for columns in 60..200 {
        let mut screen = Screen::of(columns, 24, busy());
        let text = screen.text();
        let line = text.lines().find(|line| line.contains("1 client")).unwrap();
        for title in line.split("  ").map(str::trim).filter(|title| !title.is_empty()) {
            let known = [
                "1 client",
                "2 process",
                "3 cause",
                "4 client",
                "5 server",
                "6 server",
                "7 client",
                "8 in",
                "9 out",
            ];
            assert!(
                title.split(' ').count() % 2 == 0 && known.iter().any(|known| title.starts_with(known)),
                "{columns}: {line}"
            );
        }
        assert!(
            text.contains("client does not read") && text.contains("119 m") == text.contains("7500"),
            "{text}"
        );
    }
}

#[test]
fn the_selected_row_stays_the_same_connection() {
    let mut screen = Screen::of(80, 24, busy());
    assert_eq!(screen.selected(), None);

    screen.press("jj");
    let selected = screen.selected().unwrap();
    for keys in ["6", "r", "1", "r", "3"] {
        screen.press(keys);
        assert_eq!(screen.selected().unwrap()[..15], selected[..15], "{keys}");
    }
    let mut later = busy();
    later.rows.reverse();
    later.rows.iter_mut().for_each(|row| row.server_send = 7);
    screen.press("6");
    screen.update(later);
    assert_eq!(screen.selected().unwrap()[..15], selected[..15]);

    // Its place stays selected when it has closed.
    let client = selected.split_whitespace().next().unwrap().to_owned();
    let mut without = busy();
    without.rows.retain(|row| row.client != client);
    screen.update(without);
    assert!(screen.selected().is_some_and(|row| !row.starts_with(&client)));
}

#[test]
fn connections_of_one_process_can_all_be_selected() {
    let unix = |queued| ConnectionRow {
        server: None,
        ..row("worker (pid 9)", ConnectionCause::Idle, 0.0, [0, queued, 0, 0])
    };
    let same = || reading(1.0, (1..6).map(|queued| unix(queued * 1000)).collect());
    let mut screen = Screen::of(80, 24, same());

    for queued in ["4.9 KiB", "3.9 KiB", "2.9 KiB", "2 KiB", "1 KiB"] {
        screen.key(KeyCode::Down);
        screen.update(same());
        assert!(screen.selected().unwrap().contains(queued), "{queued}: {:?}", screen.selected());
    }
}

#[test]
fn rows_are_sorted_by_each_column() {
    let first = |keys: &str| {
        let mut screen = Screen::of(140, 40, busy());
        screen.press(keys);
        let text = screen.text();
        let rows = text.lines().skip_while(|line| !line.starts_with("total")).nth(1).unwrap();
        rows.split_whitespace().next().unwrap().to_owned()
    };

    assert_eq!(first("1"), "10.1.2.3:50211");
    assert_eq!(first("1r"), "192.168.100.200:65535");
    assert_eq!(first("2"), "10.1.2.5:41001", "names in alphabetical order, and rows without a name last");
    assert_eq!(first("2r"), "10.1.2.3:50211");
    assert_eq!(first("3"), "10.1.2.4:41000", "the peer that is gone");
    assert_eq!(first("3r"), "10.1.2.11:50000");
    assert_eq!(first("5"), "192.168.100.200:65535");
    assert_eq!(first("6r"), "10.1.2.5:41001", "the least, and of those the one that has most in all queues");
    assert_eq!(first("9"), "10.1.2.10:50000");
    assert_eq!(first("0x"), first("3"), "no columns");
}

#[test]
fn addresses_are_sorted_as_numbers() {
    let rows = ["10.0.0.10:1", "10.0.0.9:20", "10.0.0.9:3", "[::1]:1", "worker"];
    let mut screen = Screen::of(
        80,
        24,
        reading(1.0, rows.map(|client| row(client, ConnectionCause::Idle, 0.0, [0; 4])).to_vec()),
    );

    screen.press("1");

    let text = screen.text();
    let place = |client: &str| text.find(client).unwrap();
    assert!(
        place("10.0.0.9:3") < place("10.0.0.9:20") && place("10.0.0.9:20") < place("10.0.0.10:1"),
        "{text}"
    );
    assert!(place("10.0.0.10:1") < place("[::1]:1"), "{text}");
}

#[test]
fn frozen_figures_stand_still() {
    let mut screen = Screen::of(80, 24, busy());
    let before = screen.text();
    screen.press(" ");
    screen.update(reading(99.0, vec![]));

    assert_eq!(screen.text().lines().skip(1).collect::<Vec<_>>(), before.lines().skip(1).collect::<Vec<_>>());
    assert!(screen.text().lines().next().unwrap().ends_with("frozen at 14:02:07"));
    // What is shown may still be sorted and filtered.
    screen.press("/10.1.3");
    assert!(screen.text().contains("40 of 50, by cause"));
    screen.key(KeyCode::Enter);
    screen.press(" ");
    screen.update(reading(100.0, vec![]));
    assert!(screen.text().contains("no connection"), "{}", screen.text());
}

#[test]
fn escape_goes_back_one_step_at_a_time() {
    let mut screen = Screen::of(80, 24, busy());
    let start = screen.text();

    // A group, its connections, one of them, its explanation, the help.
    screen.press("gj");
    let grouped = screen.text();
    screen.key(KeyCode::Enter);
    let filtered = screen.text();
    screen.key(KeyCode::Enter);
    screen.press("e?");
    assert!(screen.text().contains("Keys and causes"));

    screen.key(KeyCode::Esc);
    assert!(screen.text().contains("ESTABLISHED"), "{}", screen.text());
    screen.key(KeyCode::Esc);
    assert!(filtered.contains("only 10.1.2.4") && screen.text().contains("only 10.1.2.4"));
    assert!(grouped.contains("grouped by remote address"));
    screen.key(KeyCode::Esc);
    assert!(screen.text().contains("grouped by remote address"));
    screen.key(KeyCode::Esc);
    assert_eq!(screen.text(), start);
    assert_eq!(screen.selected(), None);
}

#[test]
fn keys_that_concern_the_watch_are_actions() {
    let mut screen = Screen::of(80, 24, busy());

    assert_eq!(screen.press("s"), Action::Save);
    screen.instrument.tell("saved \u{1b}[2Jx.json".to_owned());
    assert!(screen.text().contains("saved ␛[2Jx.json"));
    assert_eq!(screen.press("j"), Action::Draw);
    assert!(!screen.text().contains("saved"));
    screen.instrument.tell("saved y.json".to_owned());
    for (t, is_shown) in [(62.0, true), (66.9, true), (67.0, false)] {
        screen.update(Reading { sample: Sample { t, ..busy().sample }, ..busy() });
        assert_eq!(screen.text().contains("saved y.json"), is_shown, "{t}");
    }
    assert_eq!(screen.press("?q"), Action::Quit);
    screen.key(KeyCode::Esc);
    // Part of the text.
    assert_eq!(screen.press("/q"), Action::Draw);
    assert_eq!(screen.instrument.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Action::Quit);
}

#[test]
fn a_connection_that_has_closed_stays_on_its_page() {
    let mut screen = Screen::new(80, 24);
    stalling(&mut screen);
    screen.key(KeyCode::Enter);

    screen.update(reading(60.0, vec![row("10.9.9.9:1", ConnectionCause::Idle, 0.0, [0; 4])]));
    screen.update(reading(61.0, vec![]));

    assert!(screen.text().contains("closed; before: ESTABLISHED"), "{}", screen.text());
    assert!(screen.text().contains("10.1.2.3:50211"), "{}", screen.text());
}

#[test]
fn the_only_colour_is_the_accent() {
    let colours = |colour: Colour| {
        let mut screen = Screen::with_colour(140, 40, colour);
        screen.update(busy());
        let buffer = screen.draw();
        let mut colours: Vec<Color> = buffer.content().iter().flat_map(|cell| [cell.fg, cell.bg]).collect();
        colours.sort_by_key(|colour| format!("{colour:?}"));
        colours.dedup();
        colours
    };

    assert_eq!(colours(Colour::None), [Color::Reset]);
    assert_eq!(colours(Colour::Ansi16), [Color::Red, Color::Reset]);
    assert_eq!(colours(Colour::Ansi256), [Color::Indexed(166), Color::Reset]);
}

#[test]
fn the_column_that_rows_are_sorted_by_is_on_the_screen() {
    for columns in [60, 80, 100] {
        let mut screen = Screen::of(columns, 24, busy());
        for digit in "123456789".chars().filter(|digit| columns > 72 || *digit != '2') {
            screen.press(&digit.to_string());
            let text = screen.text();
            let titles = text.lines().find(|line| line.contains("1 client")).unwrap();
            assert!(titles.contains(&format!("{digit} ")), "{digit} at {columns}: {titles}");
        }
    }
}

#[test]
fn a_narrow_terminal_says_who_it_is() {
    let mut screen = Screen::of(60, 24, busy());
    assert!(screen.text().contains("python3 (pid 4711)"), "{}", screen.text());
    assert!(
        screen.text().contains("10.1.2.4:41000"),
        "of one without a name, the address: {}",
        screen.text()
    );
}

#[test]
fn a_suspended_server_and_a_full_accept_queue_are_named() {
    let mut reading = busy();
    reading.suspended = vec![812];
    reading.rows[3].is_suspended = true;
    reading.listeners[0].accept_queue = Some(129);
    reading.listeners[0].connecting = Some(4);
    let mut screen = Screen::of(100, 24, reading);

    let text = screen.text();
    assert!(text.contains("server (pid 812) by a signal: SIGSTOP, Ctrl-Z"), "{text}");
    assert!(
        text.contains("accept queue 129 of 128 (full: limit + 1), 4 cannot connect (SYN-SENT)"),
        "{text}"
    );
    screen.press("/10.1.2.5");
    screen.key(KeyCode::Enter);
    screen.key(KeyCode::Enter);
    assert!(screen.text().contains("server does not read (3 s), suspended (SIGSTOP)"), "{}", screen.text());
}
