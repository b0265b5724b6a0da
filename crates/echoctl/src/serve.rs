//! `echoctl serve`: the echo server, with backpressure in seven ways, or without.

mod args;
mod fields;
mod printer;

use std::future::Future;
use std::io::{self, Read};
use std::pin::pin;
use std::task::Poll;

use echoctl_server::{Error, Server, raise_descriptor_limit, runtime};

use crate::exit::{Exit, Failure, Outcome};
use crate::interrupt::interrupted;

pub(crate) use args::Args;

/// Serves until Ctrl-C or SIGTERM (or the end of standard input, for a child of the demo), then prints the totals.
pub(crate) fn run(args: Args) -> Outcome {
    let memory = args.memory();
    let config = args.config(memory)?;
    // Where it cannot be raised there will be fewer connections: the server says so when it runs out.
    let _ = raise_descriptor_limit();

    let runtime = runtime(args.workers()).map_err(failure)?;
    let printer = printer::Printer::start(&args, &config, memory)?;
    let server = Server::bind(config, printer.listener()).map_err(failure)?;
    let until_stdin_ends = args.until_stdin_ends();

    let totals = runtime.block_on(async {
        let mut stop = pin!(async {
            tokio::select! {
                () = interrupted() => {}
                () = stdin_ended(), if until_stdin_ends => {}
            }
        });
        // Polled once, so that the signals are caught before anybody is told that the server listens.
        let already = std::future::poll_fn(|cx| Poll::Ready(stop.as_mut().poll(cx).is_ready())).await;
        server
            .run(async {
                if !already {
                    stop.await;
                }
            })
            .await
    });
    // Tasks that did not end in time are not waited for a second time.
    runtime.shutdown_background();
    printer.finish(totals.map_err(failure)?)?;
    Ok(Exit::Done)
}

/// Waits for the end of standard input. A thread reads it, since it cannot be waited for otherwise everywhere.
async fn stdin_ended() {
    let (sender, ended) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
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
    // Nothing is ever sent: the channel closes when the thread ends.
    let _ = ended.await;
}

fn failure(error: Error) -> Failure {
    match error {
        Error::Config(error) => Failure::usage(error),
        error => Failure::new(Exit::Failed, error),
    }
}
