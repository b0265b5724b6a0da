//! `echoctl watch --map`: the processes of this host, and which of them absorbs backpressure.

use std::time::{Duration, Instant};

use echoctl_observe::{ProcessMapper, raise_descriptor_limit};
use echoctl_record::{Pressure, ProcessMap};
use echoctl_verdict::pressure::pressure;
use serde::Serialize;

use super::Args;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::offer_json;
use crate::terminal::interrupt;

#[derive(Serialize)]
struct MapEvent<'a> {
    #[serde(flatten)]
    map: &'a ProcessMap,
    pressure: &'a [Pressure],
}

pub(super) fn run(pids: &[u32], args: &Args) -> Outcome {
    let _ = raise_descriptor_limit();
    let mut mapper =
        ProcessMapper::new().map_err(|error| Failure::new(Exit::Inconclusive, anyhow::Error::from(error)))?;
    interrupt::catch_signals(Duration::ZERO);
    let start = Instant::now();
    loop {
        let map = mapper.sample()?;
        let map = if pids.is_empty() { map.without_idle() } else { map.around(pids) };
        let found = pressure(&map);
        offer_json("map", &MapEvent { map: &map, pressure: &found })?;
        if args.duration.is_some_and(|d| start.elapsed() >= d) {
            return Ok(Exit::Done);
        }
        if interrupt::wait(Duration::from_millis(250)) {
            return Ok(Exit::Interrupted);
        }
    }
}
