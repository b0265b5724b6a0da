//! Shows a recorded class on the page, at its own pace and without a server.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use echoctl_live::{Access, ClassFeed, ClassPage};
use echoctl_record::{ClassSetup, ClassState, Limit, Run};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::Args;
use super::board::{Board, replay_text};
use super::json::PageEvent;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{end_with_reader, json_line, note, print_styled};
use crate::terminal::interrupt::{self, interrupted};

/// Replays the class in `file` until Ctrl-C, or until the reader of its events has gone.
pub(super) fn run(args: &Args, file: &Path) -> Outcome {
    let states = read(file)?;
    let addr = args.addresses()?.page;
    let runtime = echoctl_server::runtime(Some(1))?;
    let page = runtime.block_on(ClassPage::bind(addr, Access::new()?)).map_err(super::page_failure)?;
    interrupt::catch_signals(Duration::ZERO);
    let url = Board::page_only(page.addr().ip(), |host| page.viewer_url(host));
    if args.json {
        end_with_reader();
        json_line("page", &PageEvent { addr: page.addr(), url })?;
    } else {
        print_styled(&replay_text(&url))?;
    }
    runtime.block_on(async {
        let (show, shown) = watch::channel(Arc::new(ClassState::default()));
        // No command is carried out.
        let (commands, _) = mpsc::channel(1);
        let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
        let setup = ClassSetup { replay: Some(name), ..ClassSetup::default() };
        let feed = ClassFeed { setup, lessons: Vec::new(), states: shown, commands };
        tokio::select! {
            () = page.serve(feed) => {}
            () = play(states, show) => {}
            () = interrupted() => {}
        }
    });
    runtime.shutdown_background();
    Ok(Exit::Done)
}

/// Shows each state at its time, and the last one for as long as there are viewers.
async fn play(states: Vec<ClassState>, show: watch::Sender<Arc<ClassState>>) {
    let (began, first) = (Instant::now(), states.first().map_or(0.0, |state| state.point.t));
    for state in states {
        // Its times are checked when a recording is read: they do not decrease, and none is longer than a year.
        sleep_until(began + Duration::from_secs_f64(state.point.t - first)).await;
        show.send_replace(Arc::new(state));
    }
    note("the replay has ended; Ctrl-C ends the page");
    std::future::pending::<()>().await;
}

/// The moments of a recorded class.
fn read(file: &Path) -> Result<Vec<ClassState>, Failure> {
    let name = file.display();
    let open = File::open(file).with_context(|| format!("cannot read {name}"))?;
    let run = Run::read_within(open, Limit::SAMPLES).with_context(|| format!("cannot read {name}"))?;
    let states = run.class.map(|class| class.states).filter(|states| !states.is_empty());
    states.ok_or_else(|| {
        Failure::new(Exit::Failed, anyhow::anyhow!("{name} is a recording, but not one of a class"))
            .hint("a class is recorded with: echoctl class --record FILE")
    })
}
