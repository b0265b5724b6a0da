//! The soak of everything: all policies and I/O modes, and all that measures them, at once; afterwards all must be as before.
//!
//! ```text
//! residents.rs  programs that run all the time: servers, a class, a watch   resident.rs, heard.rs  one of them
//!   |           ten rounds, after a first one that warms them up
//! actors.rs     what comes and goes: peers, floods, pings, audits, watches,  errand.rs   one command, to its end
//!   |           students, viewers who stall, scrapes                        web.rs      one request
//!   |                                                                       promise.rs  what is right
//!   |           on one stage.rs per round
//!   v
//! rest.rs       the residents, idle after all have left; leaks.rs says what leaked
//! leftovers.rs  processes and temporary files, after the residents have ended
//! ```

mod actors;
mod errand;
mod heard;
mod leftovers;
mod promise;
mod resident;
mod residents;
mod rest;
mod stage;
mod web;

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::leaks::residue;
use super::plan::{Plan, TENTHS};
use super::readings::{Round, mib};
use super::resources::Threads;
use super::{Resources, WARM_UP};
use crate::server::Programs;
use actors::{AUDITED, Crowd, KINDS};
use leftovers::{Scratch, adopt_orphans, left_by};
use resident::Resident;
use residents::{Addresses, SERVERS};
use stage::{Book, Stage};

/// Soaks everything.
///
/// # Errors
/// When a program does not start, something could not be measured, or anything is not as it was before.
pub(super) fn run(plan: &Plan, programs: &Programs) -> Result<()> {
    let program = programs.path("echoctl");
    let scratch = Scratch::new()?;
    adopt_orphans()?;
    let (residents, addresses) = residents::start(&program, scratch.path())?;
    println!(
        "=== {} residents, {} peers, {:.1} minutes",
        residents.len(),
        plan.peers,
        plan.time.as_secs_f64() / 60.0
    );
    let mut soak = Everything {
        plan,
        program: &program,
        scratch: &scratch,
        residents,
        addresses,
        book: Mutex::default(),
        rounds: 0,
    };
    soak.run_rounds()?;
    let found = soak.end()?;
    for finding in &found {
        println!("NOT AS BEFORE: {finding}");
    }
    ensure!(found.is_empty(), "{} findings", found.len());
    println!("everything is as it was before");
    Ok(())
}

struct Everything<'a> {
    plan: &'a Plan,
    program: &'a Path,
    scratch: &'a Scratch,
    residents: Vec<Resident>,
    addresses: Addresses,
    book: Mutex<Book>,
    rounds: usize,
}

impl Everything<'_> {
    fn run_rounds(&mut self) -> Result<()> {
        let fresh = rest::fresh(&mut self.residents)?;
        for (resident, fresh) in self.residents.iter_mut().zip(fresh) {
            resident.readings.fresh = fresh;
        }
        let began = Instant::now();
        for (resident, warm) in self.round((self.plan.time / TENTHS).min(WARM_UP), Threads::AnyNumber)? {
            resident.readings.warm = warm;
        }
        for tenth in 1..=TENTHS {
            let threads = if tenth == TENTHS { Threads::AsBefore } else { Threads::AnyNumber };
            for (resident, round) in self.round(self.plan.time / TENTHS, threads)? {
                if !rest::is_as_before(&round.rest, &resident.readings.fresh, threads) {
                    println!(
                        "    {}: {:?}, before: {:?}",
                        resident.name, round.rest, resident.readings.fresh
                    );
                }
                resident.readings.tenths.push(round);
            }
            let book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
            println!(
                "round {tenth}, after {:.1} minutes: {}",
                began.elapsed().as_secs_f64() / 60.0,
                summary(&book)
            );
        }
        Ok(())
    }

    /// Lets all actors come, and leave after `time`. Returns the residents afterwards.
    fn round(
        &mut self,
        time: Duration,
        threads: Threads,
    ) -> Result<impl Iterator<Item = (&mut Resident, Round)>> {
        self.rounds += 1;
        let stage = Stage::new(self.program, self.scratch.path(), &self.book, self.rounds);
        self.act(&stage, time);
        let opened = stage.book().done.get("lives").copied().unwrap_or(0);
        let rests = rest::at_rest(&mut self.residents, threads)?;
        let rounds = rests.into_iter().map(move |rest| Round { rest, opened, ..Round::default() });
        Ok(self.residents.iter_mut().zip(rounds))
    }

    fn act(&self, stage: &Stage<'_>, time: Duration) {
        let Addresses { servers, class, page, metrics } = &self.addresses;
        let crowds = SERVERS.iter().filter(|server| server.has_crowd).count();
        thread::scope(|scope| {
            for (number, (server, &addr)) in SERVERS.iter().zip(servers).enumerate() {
                scope.spawn(move || actors::visitor(stage, addr, server.promise));
                if server.has_crowd {
                    let crowd = Crowd {
                        peers: self.plan.peers.div_ceil(crowds),
                        time,
                        longest_pause: self.plan.longest_pause(),
                        seed: self
                            .plan
                            .seed
                            .wrapping_mul(1000)
                            .wrapping_add((100 * self.rounds + number) as u64),
                    };
                    scope.spawn(move || actors::peers(stage, addr, server.name, &crowd));
                }
            }
            scope.spawn(|| actors::watcher(stage, servers));
            scope.spawn(|| actors::scraper(stage, metrics));
            for number in 0..AUDITORS {
                scope.spawn(move || actors::auditor(stage, self.rounds * AUDITORS + number));
            }
            if let (Some(class), Some((page, path))) = (class, page) {
                scope.spawn(|| actors::students(stage, *class));
                scope.spawn(|| actors::viewers(stage, *page, path));
            }
            stage.pause(time);
            stage.end();
        });
    }

    /// Stops the residents. Returns what is not as before.
    fn end(self) -> Result<Vec<String>> {
        let book = self.book.into_inner().unwrap_or_else(PoisonError::into_inner);
        println!("\n{}\n{HEAD}", summary(&book));
        let mut found = judged(&book);
        for resident in self.residents {
            println!("{}", line(&resident));
            found.extend(
                residue(&resident.readings).into_iter().map(|what| format!("{}: {what}", resident.name)),
            );
            found.extend(resident.stop());
        }
        found.extend(left("processes", left_by(std::process::id())));
        found.extend(left("temporary files", self.scratch.entries()?));
        Ok(found)
    }
}

/// What is left, with the first few names.
fn left(what: &str, mut names: Vec<String>) -> Option<String> {
    let count = names.len();
    names.truncate(MAX_NAMES);
    (count > 0).then(|| format!("{count} {what} are left: {}", names.join(", ")))
}

/// What was wrong, and what was never done.
fn judged(book: &Book) -> Vec<String> {
    let mut found = Vec::new();
    if book.wrong > 0 {
        found.push(format!("{} things were wrong:\n    {}", book.wrong, book.first_wrongs.join("\n    ")));
    }
    let never = necessary().filter(|what| book.done.get(what).is_none_or(|times| *times == 0));
    found.extend(never.map(|what| format!("no {what}: the soak was too short, or the machine too busy")));
    found
}

/// What a soak of everything has done.
fn necessary() -> impl Iterator<Item = String> {
    let verdicts = AUDITED.iter().map(|(_, verdict)| format!("verdicts '{verdict}'"));
    KINDS.iter().map(|&kind| kind.to_owned()).chain(verdicts)
}

fn summary(book: &Book) -> String {
    let done: Vec<_> = book.done.iter().map(|(what, times)| format!("{times} {what}")).collect();
    format!("{}; {} wrong", done.join(", "), book.wrong)
}

/// Audits at the same time: each starts a server and floods it.
const AUDITORS: usize = 2;

/// Number of printed names.
const MAX_NAMES: usize = 10;

const HEAD: &str = "                        | memory MiB              | descriptors  | threads
                        | fresh     warm      end | fresh    end | fresh    end";

/// A resident in the table.
fn line(resident: &Resident) -> String {
    let Resident { name, readings, .. } = resident;
    let (fresh, warm, end): (Resources, Resources, Resources) =
        (readings.fresh, readings.warm.rest, readings.end().rest);
    format!(
        "{name:<23} | {:>5.2}  {:>7.2}  {:>7.2} | {:>5}  {:>5} | {:>5}  {:>5}",
        mib(fresh.memory),
        mib(warm.memory),
        mib(end.memory),
        fresh.descriptors,
        end.descriptors,
        fresh.threads,
        end.threads
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_left_is_counted_and_named() {
        assert_eq!(left("processes", Vec::new()), None);

        let names = (1..=12).map(|pid| format!("sleep ({pid})")).collect();

        let finding = left("processes", names).unwrap();
        assert!(finding.starts_with("12 processes are left: sleep (1), "), "{finding}");
        assert!(finding.ends_with("sleep (10)"), "{finding}");
    }

    #[test]
    fn a_wrong_thing_and_what_was_never_done_are_found() {
        let mut book = Book::default();
        for what in necessary() {
            book.count(&what, 1);
        }
        assert_eq!(judged(&book), Vec::<String>::new());

        book.wrong(2, || "floods: 99 of 100 bytes came back right".to_owned());
        book.done.insert("verdicts 'unbounded'".to_owned(), 0);

        let found = judged(&book);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("2 things were wrong:\n    floods: 99 of 100"), "{found:?}");
        assert!(found[1].starts_with("no verdicts 'unbounded'"), "{found:?}");
    }
}
