//! `echoctl demo`: the main job in one command.

use crate::exit::{Failure, Outcome};

/// Show it: two servers, one line apart, and a client that stops reading.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_: Args) -> Outcome {
    Err(Failure::usage("in progress"))
}
