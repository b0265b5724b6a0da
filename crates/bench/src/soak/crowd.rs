//! Many peers on one thread, which connect, live, and all leave.

use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::runtime::Builder;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{MissedTickBehavior, interval};

use super::peer;
use super::world::World;

/// Starts `peers`, asks them to leave after `time`, and returns when the last one has left. Calls `look` every `every`
/// meanwhile.
pub(super) fn crowd(
    world: &Rc<World>,
    peers: usize,
    time: Duration,
    seed: u64,
    every: Duration,
    mut look: impl FnMut() -> Result<()>,
) -> Result<()> {
    world.set_leaving(false);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut crowd = JoinSet::new();
        let mut seeds = StdRng::seed_from_u64(seed);
        for _ in 0..peers {
            crowd.spawn_local(peer::peer(world.clone(), StdRng::from_rng(&mut seeds)));
        }
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut over = pin!(tokio::time::sleep(time));
        loop {
            tokio::select! {
                gone = crowd.join_next() => match gone {
                    Some(gone) => gone.context("a peer panicked")?,
                    None => return Ok(()),
                },
                _ = ticks.tick() => look()?,
                () = &mut over, if !world.is_leaving() => world.set_leaving(true),
            }
        }
    })
}
