//! `echoctl class`: an echo server for a class, and the page on which the whole room sees whose bytes pile up where.
//!
//! ```text
//! students ── echo server ── Control ────────────┐  inside the server, names, totals
//!               kernel ── ConnectionTracker ─────┤  queues of both ends
//!                                                ▼
//!                                            Observer ── ClassState, twice per second ── Desk ──► page, terminal, JSON, recording
//! teacher ── page ── Operator ── Control ── marks ┘
//! ```
//!
//! - [`mod@args`]: the options; [`lan`], [`qr`], [`board`]: what is written on the board.
//! - [`observer`]: a moment of the class; [`sentence`]: what it means; [`connection_ids`], [`crowd`]: its connections.
//! - [`operator`]: what the teacher asks for; [`policies`]: what the switch offers; [`experiment`]: the lesson of a question; [`marks`]:
//!   what was changed.
//! - [`desk`]: where a moment goes; [`status`], [`json`], [`summary`]: how it is printed.
//! - [`replay`]: a recorded class.

mod args;
mod board;
mod connection_ids;
mod crowd;
mod desk;
mod experiment;
mod json;
pub(super) mod lan;
mod marks;
mod observer;
mod operator;
mod policies;
mod qr;
mod replay;
mod sentence;
mod status;
mod summary;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc as threads};
use std::time::Instant;

use echoctl_live::{Access, ClassFeed, ClassPage};
use echoctl_observe::{raise_descriptor_limit, start_thread};
use echoctl_record::ClassSetup;
use echoctl_server::{Event, Server, runtime};
use tokio::sync::{mpsc, watch};

use crate::commands::serve;
use crate::commands::serve::json::{ClosedEvent, ListeningEvent};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, json_line, note, offer_json, offer_note, print_styled};
use crate::terminal::interrupt::{self, interrupted};
pub(crate) use args::Args;
pub(super) use args::PAGE_PORT;
use board::Board;
use connection_ids::ConnectionIds;
use desk::Desk;
use json::PageEvent;
use marks::Marks;
use observer::Observer;
use operator::Operator;

/// Serves a class until Ctrl-C or `q`, then prints who did not read for longest, and the memory under each policy.
pub(crate) fn run(args: Args) -> Outcome {
    output::set_plain(args.plain);
    if let Some(file) = &args.replay {
        return replay::run(&args, file);
    }
    let addresses = args.addresses()?;
    let config = args.config(addresses.server, args.memory())?;
    // If it cannot be raised, the server accepts fewer connections and reports when it runs out of file descriptors.
    let _ = raise_descriptor_limit();
    let runtime = runtime(Some(1)).map_err(serve::failure)?;
    let server = Server::bind(config).map_err(serve::failure)?;
    let (control, addr, config) = (server.control(), server.local_addr(), server.config().clone());
    let page = runtime.block_on(ClassPage::bind(addresses.page, Access::new()?)).map_err(page_failure)?;
    let offer = args.offer();
    let marks = Arc::new(Marks::new(Instant::now(), operator::label(config.policy)));
    let ids = Arc::new(ConnectionIds::default());
    let invisible = |error| Failure::new(Exit::Inconclusive, anyhow::Error::from(error));
    let mut observer =
        Observer::new(control.clone(), addr, Arc::clone(&ids), Arc::clone(&marks), offer.clone())
            .map_err(invisible)?;
    let (show, states) = watch::channel(Arc::new(observer.observe().map_err(invisible)?.state));
    let desk = Desk::new(&args, addr, observer, page.questions(), show)?;
    // Before the terminal is changed, and before the addresses are printed.
    interrupt::catch_signals(config.drain);
    if args.json {
        output::end_with_reader();
    }
    if args.until_stdin_ends {
        interrupt::exit_when_stdin_ends()?;
    }

    let board = Board::new(addr, page.addr().ip(), |host| (page.viewer_url(host), page.teacher_url(host)));
    announce(&args, &board, page.addr())?;
    let (commands, requests) = mpsc::channel(COMMANDS);
    let operator = Operator { control, ids, marks, offer, questions: page.questions() };
    runtime.spawn(operator.serve(requests));
    let join = board.servers.iter().map(SocketAddr::to_string).collect();
    let setup = ClassSetup { join, replay: None };
    runtime.spawn(page.serve(ClassFeed { setup, lessons: experiment::choices(), states, commands }));
    if let Some(addr) = args.metrics {
        serve::metrics::start(&runtime, addr, &server)?;
    }

    let (ended, end) = threads::channel();
    start_thread("class", move || {
        // The receiver waits for it.
        let _ = ended.send(desk.run());
    })?;
    let is_json = args.json;
    let totals = runtime.block_on(server.serve(move |event| report(&event, is_json, &config), interrupted()));
    // A thread that has panicked has said why.
    let desk = end.recv().map_err(|_| anyhow::anyhow!("the class ended without a result"))?;
    // Tasks that did not finish in time are not awaited again.
    runtime.shutdown_background();
    desk.finish(&totals.map_err(serve::failure)?)
}

/// Prints what to write on the board. In JSON, the teacher's secret is in no event.
fn announce(args: &Args, board: &Board, page: SocketAddr) -> io::Result<()> {
    if !args.json {
        return print_styled(&board.text());
    }
    json_line("page", &PageEvent { addr: page, url: board.page.clone() })?;
    note(format_args!("teacher: {}", board.teacher));
    Ok(())
}

/// Prints an event of the server. It never waits.
fn report(event: &Event, is_json: bool, config: &echoctl_server::Config) {
    // An error means that the reader has gone, which ends the class: see `run`.
    let _ = match event {
        Event::Listening(listening) if is_json => {
            offer_json("listening", &ListeningEvent::of(listening, config))
        }
        Event::Closed { peer, reason, totals } if is_json => {
            offer_json("closed", &ClosedEvent::of(*peer, reason, *totals))
        }
        event => {
            serve::text::sentence(event).into_iter().for_each(offer_note);
            Ok(())
        }
    };
}

/// The failure of the page with what to do about it, in terms of the command line.
fn page_failure(error: echoctl_live::Error) -> Failure {
    let hint = match &error {
        echoctl_live::Error::Page { source, .. } => match source.kind() {
            io::ErrorKind::AddrInUse => Some("choose another port with --page"),
            io::ErrorKind::AddrNotAvailable => Some("this host has no interface with that address"),
            io::ErrorKind::PermissionDenied => {
                Some("ports below 1024 need a privilege: choose another with --page")
            }
            _ => None,
        },
        _ => None,
    };
    hint.into_iter().fold(Failure::new(Exit::Failed, error), Failure::hint)
}

/// Commands of teachers that wait: each is done at once.
const COMMANDS: usize = 16;
