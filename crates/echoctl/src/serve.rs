//! `echoctl serve`: the echo server, with backpressure in seven ways, or without.

mod args;
mod fields;
mod printer;

use std::io::{self, Read};

use echoctl_server::{Error, Server, raise_descriptor_limit, runtime};

use crate::exit::{Exit, Failure, Outcome};
use crate::interrupt::{self, interrupted};
use crate::output::note;

pub(crate) use args::Args;

/// Serves until Ctrl-C or SIGTERM (or the end of standard input, for a child of the demo), then prints the totals.
pub(crate) fn run(args: Args) -> Outcome {
    let memory = args.memory();
    let config = args.config(memory)?;
    // Where it cannot be raised there will be fewer connections: the server says so when it runs out.
    let _ = raise_descriptor_limit();

    let runtime = runtime(args.workers()).map_err(failure)?;
    let printer = printer::Printer::start(&args, &config, memory)?;
    let drain = config.drain;
    let server = Server::bind(config, printer.listener()).map_err(failure)?;
    let until_stdin_ends = args.until_stdin_ends();

    // Before anybody is told that the server listens.
    interrupt::in_order(drain);
    let totals = runtime.block_on(server.run(async {
        tokio::select! {
            () = interrupted() => {}
            () = stdin_ended(), if until_stdin_ends => interrupt::ask_to_end(),
        }
    }));
    // Tasks that did not end in time are not waited for a second time.
    runtime.shutdown_background();
    let was_read = printer.finish(totals.map_err(failure)?);
    Ok(if was_read { Exit::Done } else { Exit::Interrupted })
}

/// Waits for the end of standard input. A thread reads it, since it cannot be waited for otherwise everywhere.
async fn stdin_ended() {
    let (sender, ended) = tokio::sync::oneshot::channel::<()>();
    let reading = std::thread::Builder::new().spawn(move || {
        let _at_the_end = sender;
        let mut stdin = io::stdin().lock();
        let mut scrap = [0; 1024];
        loop {
            match stdin.read(&mut scrap) {
                Ok(0) => return,
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return,
                _ => {}
            }
        }
    });
    if let Err(error) = reading {
        // Whoever started it could not end it otherwise.
        note(format_args!("echoctl: cannot wait for the end of standard input: {error}"));
        return;
    }
    // Nothing is ever sent: the channel closes when the thread ends.
    let _ = ended.await;
}

fn failure(error: Error) -> Failure {
    match error {
        Error::Config(error) => Failure::usage(error),
        error => Failure::new(Exit::Failed, error),
    }
}
