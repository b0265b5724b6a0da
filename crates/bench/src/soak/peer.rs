//! A peer: it has one life after another, each over its own connection.

use std::io::{self, ErrorKind};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Error, Result};
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::time::timeout;

use super::conversation::Conversation;
use super::life::{Act, End, Life};
use super::world::{World, add};

/// Starts soon, and lives until all are to leave.
pub(super) async fn peer(world: Rc<World>, mut random: StdRng) {
    world.pause(world.longest_pause.mul_f64(random.random::<f64>() / 4.0)).await;
    while !world.is_leaving() {
        let life = Life::draw(&mut random, world.longest_pause);
        let start = world.block.draw_start(&mut random);
        let wrong = match timeout(TIMEOUT, live(&world, &life, start)).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) if world.may_be_disconnected && is_disconnection(&error) => {
                add(&world.tally.disconnected, 1);
                None
            }
            Ok(Err(error)) => Some(format!("{error:#}")),
            Err(_) => Some(format!("not finished within {TIMEOUT:?}")),
        };
        if let Some(wrong) = wrong {
            // It stays away: after one failure the next lives would fail, too.
            return world.tally.record_failure(format!("{wrong} ({life:?})"));
        }
    }
}

async fn live(world: &World, life: &Life, start: u64) -> Result<()> {
    let mut conversation = Conversation::open(world.addr, &world.block, start, &world.tally.checked).await?;
    add(&world.tally.opened, 1);
    for act in &life.acts {
        play(world, *act, &mut conversation).await?;
    }
    match life.end {
        End::HalfClose => conversation.half_close(world.pause(world.longest_pause / 4)).await,
        End::Close => conversation.catch_up().await,
        End::Leave => Ok(()),
        End::Reset => conversation.reset(),
    }
}

async fn play(world: &World, act: Act, conversation: &mut Conversation<'_>) -> Result<()> {
    match act {
        Act::Ping(frames) => {
            conversation.catch_up().await?;
            for _ in 0..frames {
                conversation.ping().await?;
            }
        }
        Act::CatchUp => conversation.catch_up().await?,
        Act::Silence(time) => world.pause(time).await,
        Act::Flood { bytes, time } => {
            let mut over = pin!(world.pause(time));
            let is_enough = || world.is_leaving() || world.is_kernel_full.get();
            tokio::select! {
                flooded = conversation.flood(bytes, is_enough) => {
                    flooded?;
                    over.await;
                }
                () = &mut over => {}
            }
        }
    }
    Ok(())
}

/// Whether the server has closed the connection.
fn is_disconnection(error: &Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe))
}

/// Maximum duration of a life. Its pauses together are less than a minute, and the rest takes a working server milliseconds; on a
/// busy machine, some seconds.
const TIMEOUT: Duration = Duration::from_secs(180);
