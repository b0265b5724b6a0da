//! The calm before an attack: what healthy clients get from the server, and how many of them at a time.
//!
//! As many clients as the attack will have connect one after the other and stay, each until it is served. So a place that does not
//! exist without an attack is not missed during it.

use std::time::{Duration, Instant};

use super::client::{Asking, Failure, HealthyClient, Heard};
use super::question::Question;
use super::stream::Stream;
use super::{BETWEEN, Bystander, Bystanders};
use crate::Error;
use crate::attack::connector::Connector;
use crate::attack::integrity::EchoAssumption;
use crate::protocol::Protocol;
use crate::script::Script;
use crate::sys;

/// What the calm showed.
#[derive(Debug, Default)]
pub(in crate::attack) struct Calm {
    /// The bystanders of the attack, if the server serves any.
    pub(in crate::attack) bystanders: Option<Bystanders>,
    /// Whether the reply is the question itself, and reaches only the client that asked.
    pub(in crate::attack) echo: EchoAssumption,
    /// What the newcomer received, at least its beginning.
    pub(in crate::attack) reply: Vec<u8>,
}

impl Calm {
    /// Asks the question of a script without an attack. A server that refuses until `warm_at` may still be starting. The only
    /// connection that a server accepts is kept by `connector` for the slow reader.
    ///
    /// # Errors
    /// When another process listens at the address by now, or the audit is interrupted.
    pub(in crate::attack) fn observe(
        script: &Script,
        connector: &mut Connector<'_>,
        warm_at: Instant,
    ) -> Result<Calm, Error> {
        let Some(question) = Question::of(script) else { return Ok(Calm::default()) };
        let places = if question.is_once { PLACES_ONCE } else { PLACES };
        let mut asked = Asked::new(question, connector);
        let mut served = 0;
        while served < places && asked.serve_another(warm_at)? {
            served += 1;
        }
        if served < 2 && asked.accepts_no_more()? {
            return Ok(Calm::default());
        }
        if served >= 2 {
            asked.measure()?;
        }
        Ok(if served == 0 { Calm::default() } else { asked.finish(served)? })
    }
}

/// Clients that ask in the calm.
struct Asked<'a, 'c> {
    question: Question,
    connector: &'a mut Connector<'c>,
    clients: Vec<HealthyClient>,
    /// Replies of each client.
    replies: Vec<usize>,
    longest: Duration,
    buffer: Vec<u8>,
}

impl<'a, 'c> Asked<'a, 'c> {
    fn new(question: Question, connector: &'a mut Connector<'c>) -> Asked<'a, 'c> {
        Asked {
            question,
            connector,
            clients: Vec::new(),
            replies: Vec::new(),
            longest: Duration::ZERO,
            buffer: vec![0; super::BUFFER],
        }
    }

    /// Connects one more client and asks. Returns whether it is answered.
    fn serve_another(&mut self, warm_at: Instant) -> Result<bool, Error> {
        let index = self.clients.len();
        let began = Instant::now();
        let mut client = HealthyClient::listening();
        client.ask(began);
        self.clients.push(client);
        self.replies.push(0);
        loop {
            let now = self.round()?;
            if self.replies[index] > 0 {
                self.question.is_greeted |= index == 0 && self.clients[0].was_greeted();
                return Ok(true);
            }
            let is_over = match (index, self.clients[index].failure()) {
                (0, Some(_)) => now >= warm_at,
                // The server has stopped listening: it accepts one connection only.
                (1, Some(Failure::Refused)) => true,
                (0, None) => now >= began + FIRST_PATIENCE,
                _ => now >= began + PATIENCE,
            };
            if is_over {
                return Ok(false);
            }
        }
    }

    /// Whether the server listens no more, although it has not closed the first connection. If so, that one is kept.
    fn accepts_no_more(&mut self) -> Result<bool, Error> {
        let Some(first) = self.clients[0].disconnect() else { return Ok(false) };
        let is_refused = match self.clients.get(1) {
            Some(second) => second.failure() == Some(Failure::Refused),
            None => self.connector.is_refused()?,
        };
        if is_refused {
            self.connector.keep(first);
        }
        Ok(is_refused)
    }

    /// Asks again and again, until the calm has lasted for long enough to show the longest wait. Where each client asks once, the replies
    /// are read for as long: a stream may pause.
    fn measure(&mut self) -> Result<(), Error> {
        let end = Instant::now() + CALM;
        let mut ask_at = Instant::now() + BETWEEN;
        loop {
            let now = self.round()?;
            let is_long = now >= end;
            let Some(active) = self.clients.get_mut(ACTIVE) else {
                if is_long {
                    return Ok(());
                }
                continue;
            };
            match active.waits_for(now) {
                Some(wait) if wait >= PATIENCE => return Ok(()),
                Some(_) => ask_at = now + BETWEEN,
                None if is_long => return Ok(()),
                None if now >= ask_at => active.ask(now),
                None => {}
            }
        }
    }

    /// Ends the calm, in which `served` clients were served at a time.
    fn finish(mut self, served: usize) -> Result<Calm, Error> {
        let heard: Vec<Heard> = self.clients.iter_mut().map(HealthyClient::take_heard).collect();
        let echo = self.echo(&heard[..served]);
        let stream = self.clients[..served].get(1).filter(|_| self.question.is_once).and_then(Stream::of);
        // The places of the slow reader and of the newcomer are free again.
        for client in self.clients.iter_mut().take(2.min(served)) {
            client.disconnect();
        }
        // A server that serves few at a time turns to the one that waits, who must not disturb the attack later.
        let began = Instant::now();
        while self.clients.len() > served && self.replies[served] == 0 && Instant::now() < began + PATIENCE {
            self.round()?;
        }
        self.clients.truncate(served);
        let reply = heard.into_iter().take(2).next_back().map(|heard| heard.start).unwrap_or_default();
        let granted = |protocol: &Protocol| protocol.is_refusal(&reply) == Some(false);
        self.question.granted = Protocol::of(&reply).filter(granted);
        let mut taking_part = self.clients.into_iter().skip(ACTIVE).map(Bystander::new);
        let [active, idle] = [(); 2].map(|()| taking_part.next());
        let active = active.filter(Bystander::is_served);
        // Where a second question on one connection is not answered, that of the idle one would prove nothing.
        let idle = idle.filter(|_| active.is_some());
        let bystanders = Bystanders::new(self.question, self.longest, served > 1, active, idle, stream);
        Ok(Calm { bystanders: Some(bystanders), echo, reply })
    }

    /// Whether each client got back what it sent, and no client what another one sent.
    fn echo(&self, heard: &[Heard]) -> EchoAssumption {
        let send = self.question.send();
        let mut is_exact = self.question.is_stimulus && !send.is_empty();
        for (heard, replies) in heard.iter().zip(&self.replies) {
            let mut sent = send.iter().cycle();
            let is_same = heard.unasked == 0 && heard.start.iter().all(|byte| sent.next() == Some(byte));
            let own = (send.len() * replies) as u64;
            if is_same && self.question.is_echo() && heard.total > own {
                return EchoAssumption::Refuted;
            }
            is_exact &= is_same && heard.total == own;
        }
        if is_exact { EchoAssumption::Proven } else { EchoAssumption::Unknown }
    }

    /// Lets all clients go on, and waits for a moment.
    fn round(&mut self) -> Result<Instant, Error> {
        self.connector.check_stop()?;
        let now = Instant::now();
        let Asked { question, connector, clients, buffer, .. } = self;
        let mut asking = Asking { question, connector, buffer, now };
        let mut is_answered = false;
        for (client, replies) in clients.iter_mut().zip(&mut self.replies) {
            if let Some(wait) = client.poll(&mut asking)? {
                *replies += 1;
                self.longest = self.longest.max(wait);
                is_answered = true;
            }
        }
        if !is_answered {
            let sockets: Vec<_> = clients.iter().filter_map(|client| client.interest(question)).collect();
            sys::wait(&sockets, ROUND);
        }
        Ok(now)
    }
}

/// The clients of an attack in the order in which they connect: the slow reader, the newcomer, the active and the idle bystander.
const PLACES: usize = 4;

/// The place of the active bystander among them.
const ACTIVE: usize = 2;

/// The clients of an attack that asks once on each connection: a slow reader and a newcomer.
const PLACES_ONCE: usize = 2;

/// Duration of the calm, if the server answers: a dozen questions, or enough of a stream to see that it is one.
const CALM: Duration = Duration::from_millis(500);

/// Time limit for an answer in the calm. A client that gets none by then takes no part.
const PATIENCE: Duration = Duration::from_secs(1);

/// The same for the first client: without its answer nothing is known about any, and a busy machine may take long to start a thread.
const FIRST_PATIENCE: Duration = Duration::from_secs(3);

/// The longest wait between two looks at the clock.
const ROUND: Duration = Duration::from_millis(10);
