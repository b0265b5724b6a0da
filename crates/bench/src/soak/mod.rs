//! The soak: a thousand peers connect, flood, stall, read, reset and leave, again and again; afterwards the server must be
//! as it was before.
//!
//! ```text
//! plan.rs      the options                       life.rs  what a peer does, drawn from a seed
//! crowd.rs     the peers, all on one thread      peer.rs, conversation.rs, block.rs  how, with every byte checked
//!   |          ten crowds, after a first one that warms the server up
//!   v
//! resources.rs the server during the crowd, and idle after all have left
//!   v
//! readings.rs  the table                         leaks.rs  what leaked
//! ```
//!
//! Leaks are measured while nothing else moves: after each crowd all peers leave, and the server is compared
//! with its state after the previous crowd. The figures taken during the crowd are shown, and not judged.
//!
//! `everything/` does the same with servers of all kinds and all commands at once.

mod block;
mod conversation;
mod crowd;
mod everything;
mod leaks;
mod life;
mod peer;
mod plan;
mod readings;
mod resources;
mod world;

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::server::{Candidate, Programs, Server};
use block::Block;
use crowd::crowd;
use plan::{Plan, TENTHS};
use readings::{HEAD, Line};
pub(crate) use readings::{Readings, Round, mib};
pub(crate) use resources::Resources;
use resources::{Crowded, Threads};
use world::World;

/// Soaks a server with each policy of the plan in turn.
///
/// # Errors
/// When an option is invalid, something could not be measured, or anything has leaked.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let plan = Plan::parse(words)?;
    let programs = match &plan.folder {
        Some(folder) => Programs::within(folder),
        None => Programs::built()?,
    };
    if plan.is_everything {
        return everything::run(&plan, &programs);
    }
    let mut failed = Vec::new();
    for policy in &plan.policies {
        let mut soak = Soak::begin(&plan, &programs, policy)?;
        if !soak.run().with_context(|| format!("soaking '{policy}'"))?.is_empty() {
            failed.push(policy.as_str());
        }
    }
    ensure!(failed.is_empty(), "not as before: {}", failed.join(", "));
    Ok(())
}

/// Soaks one server, as a part of another measurement. Returns what was measured, and what is not as before.
///
/// # Errors
/// As [`run`], except for leaks: these are in the result.
pub(crate) fn record(words: &[&str], programs: &Programs) -> Result<(Readings, Vec<String>)> {
    let plan = Plan::parse(words)?;
    let mut soak = Soak::begin(&plan, programs, &plan.policies[0])?;
    let findings = soak.run()?;
    Ok((soak.readings, findings))
}

/// One server, and its peers.
struct Soak<'a> {
    plan: &'a Plan,
    server: Server,
    world: Rc<World>,
    readings: Readings,
    crowds: u64,
    began: Instant,
}

impl<'a> Soak<'a> {
    fn begin(plan: &'a Plan, programs: &Programs, policy: &str) -> Result<Soak<'a>> {
        let options = plan.options(policy);
        println!(
            "=== serve {}: {} peers for {:.1} minutes, seed {}",
            options.join(" "),
            plan.peers,
            plan.time.as_secs_f64() / 60.0,
            plan.seed
        );
        let server = Candidate::with_stats(policy, &options).start(programs)?;
        let block = Block::new(plan.framing, plan.seed);
        let world = Rc::new(World::new(server.addr, block, plan.longest_pause(), policy));
        Ok(Soak { plan, server, world, readings: Readings::default(), crowds: 0, began: Instant::now() })
    }

    /// Returns what is not as before.
    fn run(&mut self) -> Result<Vec<String>> {
        self.readings.fresh = Resources::fresh(&mut self.server)?;
        println!("{HEAD}");
        println!("{}", Line("fresh", &Round { rest: self.readings.fresh, ..Round::default() }));

        self.readings.warm = self.round((self.plan.time / TENTHS).min(WARM_UP), Threads::AnyNumber)?;
        println!("{}", Line("warmed up", &self.readings.warm));
        for tenth in 1..=TENTHS {
            let threads = if tenth == TENTHS { Threads::AsBefore } else { Threads::AnyNumber };
            let round = self.round(self.plan.time / TENTHS, threads)?;
            println!("{}", Line(&format!("crowd {tenth}"), &round));
            self.readings.tenths.push(round);
            if self.world.tally.wrong.get() > 0 {
                break;
            }
        }
        Ok(self.judge())
    }

    /// Runs a crowd for `time`.
    fn round(&mut self, time: Duration, threads: Threads) -> Result<Round> {
        let Soak { plan, world, server, .. } = self;
        self.crowds += 1;
        let mut samples = Vec::new();
        let every = (plan.time / TENTHS / 20).min(SAMPLE_EVERY);
        let seed = plan.seed.wrapping_mul(1000).wrapping_add(self.crowds);
        crowd(world, plan.peers, time, seed, every, || {
            let sample = Resources::take(server)?;
            world.is_kernel_full.set(sample.kernel > KERNEL_FULL);
            samples.push(sample);
            Ok(())
        })?;
        Ok(Round {
            crowded: Crowded::of(&samples),
            rest: Resources::at_rest(server, &self.readings.fresh, threads)?,
            opened: world.tally.opened.get(),
            checked: world.tally.checked.get(),
        })
    }

    fn judge(&self) -> Vec<String> {
        let Soak { readings, server, world, .. } = self;
        let (tally, endings, end) = (&world.tally, server.endings(), readings.end());
        let reported: Vec<_> = endings.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        println!(
            "\n{} connections in {:.1} minutes, {} accepted, {} disconnected by the policy; {:.2} GiB came back correct",
            end.opened,
            self.began.elapsed().as_secs_f64() / 60.0,
            server.stats()["accepted"],
            tally.disconnected.get(),
            mib(end.checked) / 1024.0,
        );
        println!("closed connections by reason, as the server counts them: {}", reported.join(", "));
        println!(
            "idle memory: {:.2} MiB at first, {:.2} warmed up, {:.2} at the end",
            mib(readings.fresh.memory),
            mib(readings.warm.rest.memory),
            mib(end.rest.memory)
        );
        if let Some((trend, growth)) = leaks::memory_trend(readings) {
            println!(
                "its trend: {:+.2} bytes per life, {:+.2} MiB from the first tenth to the last, tau {:+.2}",
                trend.slope,
                growth / 1_048_576.0,
                trend.tau
            );
        }
        let found = leaks::findings(readings, tally, &endings, self.plan.peers);
        for finding in &found {
            println!("NOT WHERE IT BEGAN: {finding}");
        }
        if found.is_empty() {
            println!("the server is as it was before");
        }
        println!();
        found
    }
}

/// Maximum duration of the first crowd: each peer has a few lives.
const WARM_UP: Duration = Duration::from_secs(30);

/// Minimum interval between samples in a crowd: each reads a thousand entries of /proc.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// Bytes in the kernel's TCP queues, over all sockets of the host, from which on no peer floods.
const KERNEL_FULL: u64 = 1 << 30;
