//! `echoctl serve`: an echo server with a choice of backpressure policies.

mod args;
pub(super) mod json;
#[cfg(feature = "live")]
pub(super) mod metrics;
mod printer;
mod switch;
pub(super) mod text;

use std::io;
use std::sync::Arc;

use echoctl_observe::raise_descriptor_limit;
use echoctl_server::{Error, Server, Setting, runtime};

use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::terminal::interrupt::{self, interrupted};
use crate::terminal::quit_key::QuitKey;

pub(crate) use args::Args;
use printer::Printer;
use switch::Switch;

/// Serves until Ctrl-C or SIGTERM (or until stdin is closed, for a child of the demo), then prints the totals.
pub(crate) fn run(args: Args) -> Outcome {
    output::set_plain(args.plain);
    let memory = args.memory();
    let config = args.config(memory)?;
    // If it cannot be raised, the server accepts fewer connections and reports when it runs out of file descriptors.
    let _ = raise_descriptor_limit();

    // It accepts; the server starts the threads that serve.
    let runtime = runtime(Some(1)).map_err(failure)?;
    let server = Server::bind(config).map_err(failure)?;
    let drain = server.config().drain;
    // Before the terminal is changed, and before the server reports that it listens.
    interrupt::catch_signals(drain);
    if args.json {
        output::end_with_reader();
    }
    let switch = Switch::new(server.control(), server.config(), &args.policies());
    let printer = Arc::new(Printer::new(&args, server.config().clone(), memory, switch));
    // Until the totals are printed.
    let _keys = args.has_keys().then(|| listen_to_keys(&printer));
    let events = Arc::clone(&printer);
    #[cfg(feature = "live")]
    if let Some(addr) = args.metrics {
        metrics::start(&runtime, addr, &server)?;
    }

    if args.until_stdin_ends {
        interrupt::exit_when_stdin_ends()?;
    }
    let totals = runtime.block_on(server.serve(move |event| events.print(&event), interrupted()));
    // Tasks that did not finish in time are not awaited again.
    runtime.shutdown_background();
    printer.finish(&totals.map_err(failure)?)?;
    Ok(Exit::Done)
}

/// Passes keys to the printer, except for the one that quits.
fn listen_to_keys(printer: &Arc<Printer>) -> QuitKey {
    let keys = Arc::clone(printer);
    let quit = QuitKey::listen_with(move |key| keys.press(key.into()));
    printer.show_keys(quit.listens());
    quit
}

/// The failure with what to do about it, in terms of the command line.
pub(super) fn failure(error: Error) -> Failure {
    let hint = match &error {
        Error::Config(error) => {
            return Failure::usage(format_args!("invalid value for {}: {error}", option(error.setting)));
        }
        Error::AddressInUse { .. } => Some("choose another port with --addr"),
        Error::NoUring { .. } => Some("use the default, --io tasks, which needs only epoll"),
        Error::Listen { source, .. } => match source.kind() {
            io::ErrorKind::AddrNotAvailable => Some("this host has no interface with that address"),
            io::ErrorKind::PermissionDenied => {
                Some("ports below 1024 need a privilege: choose another port with --addr")
            }
            _ => None,
        },
        _ => None,
    };
    hint.into_iter().fold(Failure::new(Exit::Failed, error), Failure::hint)
}

/// The option that sets `setting`.
fn option(setting: Setting) -> &'static str {
    match setting {
        Setting::Framing => "--framing",
        Setting::MaxFrame => "--max-frame",
        Setting::Io => "--io",
        Setting::QueueLimit => "--queue-limit",
        Setting::ResumeAt => "--resume-at",
        Setting::MemoryLimit => "--memory-limit",
        Setting::MaxConnections => "--max-connections",
        Setting::IdleTimeout => "--idle-timeout",
        Setting::WriteTimeout => "--write-timeout",
        Setting::MinRate => "--min-rate",
        Setting::MinRatePeriod => "--min-rate-period",
        Setting::SendBuffer => "--sndbuf",
        Setting::ReceiveBuffer => "--rcvbuf",
        Setting::StatsEvery => "--stats-every",
        Setting::Workers => "--workers",
    }
}
