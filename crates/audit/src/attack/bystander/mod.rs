//! Bystanders: healthy clients of the server, before, during and after the attack.
//!
//! A verdict on memory cannot show that one client that does not read stops all others: a server that blocks on its stalled peer is
//! bounded and useless. Three clients ask the same question. The active one asks again and again, the idle one has a connection and
//! is silent, and the newcomer connects to ask. Only a reply counts: the kernel makes connections that the server never accepts.

mod calm;
mod client;
mod question;
mod stream;
mod subscriber;

use std::time::{Duration, Instant};

use echoctl_record::{self as record, Service};
use socket2::Socket;

use super::connector::Connector;
use super::driver::Moment;
use crate::Error;
use crate::sys::Interest;
pub(super) use calm::Calm;
use client::{Asking, Failure, HealthyClient};
use question::Question;
use stream::Stream;
pub(super) use subscriber::Subscriber;

/// The healthy clients of an attack.
#[derive(Debug)]
pub(super) struct Bystanders {
    question: Question,
    /// The longest wait in the calm.
    calm: Duration,
    serves_several: bool,
    active: Option<Bystander>,
    idle: Option<Bystander>,
    newcomer: Bystander,
    /// What the newcomer gets, if that goes on.
    stream: Option<Stream>,
    /// When the active one asks next, unless it is paused.
    ask_at: Option<Instant>,
    is_paused: bool,
    /// When the newcomer asks already during the stall, and until when it then waits.
    early: Option<Early>,
    /// Until when those that were asked to ask wait for their replies.
    deadline: Option<Instant>,
    buffer: Vec<u8>,
}

/// The newcomer's first question of a stall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Early {
    AskAt(Instant),
    WaitUntil(Instant),
    Over,
}

/// One of them, with what it got.
#[derive(Debug)]
struct Bystander {
    client: HealthyClient,
    /// How long it waited for each reply.
    waits: Vec<Duration>,
    /// Its longest wait that ended without one.
    in_vain: Duration,
    /// The moment whose reply it waits for.
    asked: Option<Moment>,
    during: Option<bool>,
    after: Option<bool>,
    /// Whether it was refused in place of a reply, until its time was over.
    was_refused: bool,
}

impl Bystanders {
    /// Those that take part in an attack after the calm.
    fn new(
        question: Question,
        calm: Duration,
        serves_several: bool,
        active: Option<Bystander>,
        idle: Option<Bystander>,
        stream: Option<Stream>,
    ) -> Bystanders {
        Bystanders {
            question,
            calm,
            serves_several,
            active,
            idle,
            newcomer: Bystander::new(HealthyClient::default()),
            stream,
            ask_at: None,
            is_paused: false,
            early: None,
            deadline: None,
            buffer: vec![0; BUFFER],
        }
    }

    /// Whether the server serves one client while another one is connected.
    pub(super) fn serves_several(&self) -> bool {
        self.serves_several
    }

    /// How long a reply may take: far longer than before the attack.
    pub(super) fn limit(&self) -> Duration {
        LIMIT.max(self.calm * CALM_WAITS)
    }

    /// Pauses or resumes the requests of the active one: the garbage that they make in the server would look like growth.
    pub(super) fn pause(&mut self, pause: bool) {
        self.is_paused = pause;
        if !pause {
            self.early = None;
        }
    }

    /// Reads what has come, and lets the active one ask.
    ///
    /// # Errors
    /// When another process listens at the address by now, or the audit is interrupted.
    pub(super) fn attend(&mut self, connector: &mut Connector<'_>, now: Instant) -> Result<(), Error> {
        let limit = self.limit();
        if let Some(active) = &mut self.active
            && !self.is_paused
            && active.is_served()
            && now >= *self.ask_at.get_or_insert(now)
        {
            active.client.ask(now);
            self.ask_at = None;
        }
        if self.is_paused && self.question.is_once && self.serves_several {
            self.ask_early(now);
        }
        self.poll(connector, now)?;
        if let Some(active) = &mut self.active {
            if active.client.waits_for(now).is_some_and(|wait| wait >= limit) {
                active.during = Some(false);
                active.was_refused |= active.client.failure() == Some(Failure::Unserved);
            }
            if active.is_served() {
                self.ask_at.get_or_insert(now + BETWEEN);
            }
        }
        Ok(())
    }

    /// Lets the newcomer ask in a stall that is young: one of a stream is watched for long, and the server may end it meanwhile. Where
    /// the active one asks, that one waits from the beginning.
    fn ask_early(&mut self, now: Instant) {
        let limit = self.limit();
        match *self.early.get_or_insert(Early::AskAt(now + STALLED)) {
            Early::AskAt(at) if now >= at => {
                self.early = Some(Early::WaitUntil(now + limit));
                self.newcomer.connect_again(now);
                self.newcomer.ask(Moment::During, now);
            }
            Early::WaitUntil(deadline) if now >= deadline => {
                self.early = Some(Early::Over);
                self.newcomer.note_asked(false);
            }
            Early::AskAt(_) | Early::WaitUntil(_) | Early::Over => {}
        }
    }

    /// Lets all that take part at this moment ask, at the same time. One that is known not to be served is not asked again.
    pub(super) fn ask(&mut self, moment: Moment, now: Instant) {
        let limit = self.limit();
        let takes_part = self.serves_several || moment == Moment::After;
        self.deadline = takes_part.then_some(now + limit);
        if !takes_part {
            return;
        }
        let is_open = |bystander: &Bystander| moment == Moment::After || bystander.during != Some(false);
        if is_open(&self.newcomer) {
            self.newcomer.connect_again(now);
            self.newcomer.ask(moment, now);
            if let Some(stream) = &mut self.stream {
                stream.begin(moment);
            }
        }
        if let Some(idle) = &mut self.idle {
            idle.ask(moment, now);
        }
        if let Some(active) =
            self.active.as_mut().filter(|active| moment == Moment::During && is_open(active))
        {
            active.ask(moment, now);
        }
    }

    /// Goes on with the questions. Returns whether all are answered or the time is over.
    ///
    /// # Errors
    /// As [`attend`](Bystanders::attend).
    pub(super) fn are_answered(
        &mut self,
        connector: &mut Connector<'_>,
        now: Instant,
    ) -> Result<bool, Error> {
        let Some(deadline) = self.deadline else { return Ok(true) };
        self.poll(connector, now)?;
        let is_over = now >= deadline;
        let mut is_waiting = false;
        for bystander in self.all_mut() {
            if is_over {
                bystander.note_asked(false);
            }
            is_waiting |= bystander.asked.is_some();
        }
        if let Some(stream) = self.stream.as_mut().filter(|stream| stream.is_awaited()) {
            if is_over {
                stream.give_up(&self.newcomer.client);
                self.newcomer.client.disconnect();
            }
            is_waiting |= stream.is_awaited();
        }
        self.deadline = Some(deadline).filter(|_| is_waiting);
        Ok(!is_waiting)
    }

    /// What to wait for.
    pub(super) fn sockets(&self) -> Vec<(&Socket, Interest)> {
        let all = [self.active.as_ref(), self.idle.as_ref(), Some(&self.newcomer)];
        all.into_iter().flatten().filter_map(|bystander| bystander.client.interest(&self.question)).collect()
    }

    /// How they were served.
    pub(super) fn evidence(&self, now: Instant) -> record::Bystanders {
        let service = |bystander: &Bystander| bystander.service(now);
        let newcomer = match &self.stream {
            Some(stream) if stream.was_held_up() => {
                Service { during: Some(false), began: true, ..service(&self.newcomer) }
            }
            _ => service(&self.newcomer),
        };
        record::Bystanders {
            calm: self.calm.as_secs_f64(),
            serves_several: self.serves_several,
            limit: self.limit().as_secs_f64(),
            active: self.active.as_ref().map(service),
            idle: self.idle.as_ref().map(service),
            newcomer: Some(newcomer),
            subscriber: None,
        }
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Bystander> {
        self.active.iter_mut().chain(&mut self.idle).chain([&mut self.newcomer])
    }

    fn poll(&mut self, connector: &mut Connector<'_>, now: Instant) -> Result<(), Error> {
        let Bystanders { question, active, idle, newcomer, stream, buffer, .. } = self;
        let mut asking = Asking { question, connector, buffer, now };
        for bystander in active.iter_mut().chain(idle) {
            bystander.poll(&mut asking)?;
        }
        let is_answered = newcomer.poll(&mut asking)?;
        let has_enough = match stream.as_mut().filter(|stream| stream.is_awaited()) {
            Some(stream) => stream.goes_on(&newcomer.client),
            None => is_answered,
        };
        if has_enough {
            // It has what it came for; a stream of its own would only keep the server busy.
            newcomer.client.disconnect();
        }
        Ok(())
    }
}

impl Bystander {
    fn new(client: HealthyClient) -> Bystander {
        Bystander {
            client,
            waits: Vec::new(),
            in_vain: Duration::ZERO,
            asked: None,
            during: None,
            after: None,
            was_refused: false,
        }
    }

    /// Whether no question of it waits for its reply.
    fn is_served(&self) -> bool {
        self.client.asked().is_none()
    }

    /// Returns whether a reply has come.
    fn poll(&mut self, asking: &mut Asking<'_, '_>) -> Result<bool, Error> {
        let Some(wait) = self.client.poll(asking)? else { return Ok(false) };
        self.waits.push(wait);
        self.note_asked(true);
        Ok(true)
    }

    /// Begins again, without a connection.
    fn connect_again(&mut self, now: Instant) {
        self.in_vain = self.longest(now);
        self.client = HealthyClient::default();
    }

    fn ask(&mut self, moment: Moment, now: Instant) {
        self.asked = Some(moment);
        self.client.ask(now);
    }

    /// Notes whether it was answered at the moment at which it was to ask. A server that did not answer once is not excused by
    /// another time.
    fn note_asked(&mut self, is_answered: bool) {
        self.was_refused |= !is_answered && self.client.failure() == Some(Failure::Unserved);
        let answered = match self.asked.take() {
            Some(Moment::During) => &mut self.during,
            Some(Moment::After) => &mut self.after,
            None => return,
        };
        *answered = Some(is_answered && *answered != Some(false));
    }

    fn longest(&self, now: Instant) -> Duration {
        let waits_now = self.client.waits_for(now).unwrap_or_default();
        self.waits.iter().copied().fold(self.in_vain.max(waits_now), Duration::max)
    }

    fn service(&self, now: Instant) -> Service {
        let mut waits = self.waits.clone();
        waits.sort_unstable();
        // The smallest time that 99 % of the waits do not exceed.
        let p99 = (waits.len() * 99).div_ceil(100).checked_sub(1).map(|index| waits[index]);
        Service {
            replies: waits.len() as u64,
            p99: p99.map(|wait| wait.as_secs_f64()),
            longest: self.longest(now).as_secs_f64(),
            during: self.during,
            after: self.after,
            began: false,
            refused: self.was_refused,
        }
    }
}

/// The least time limit for a reply: users call it an outage long before.
const LIMIT: Duration = Duration::from_secs(5);

/// The limit as a multiple of the longest wait in the calm: on a busy machine every client is slow.
const CALM_WAITS: u32 = 20;

/// Age of a stall in which the newcomer asks early.
const STALLED: Duration = Duration::from_secs(1);

/// Pause between questions: short enough for a 99th percentile after some seconds, long enough to be no load.
const BETWEEN: Duration = Duration::from_millis(40);

/// Bytes per read.
const BUFFER: usize = 64 << 10;

#[cfg(test)]
mod tests;
