//! Promise: the client and a server by other authors, the crate `h2`, understand each other: fields, bodies in both directions, any windows,
//! resets and GOAWAY, however the network splits the bytes.

#![cfg(test)]

mod support;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use echoctl_http2::{Client, Config, EndStream, Event, Request, StreamId};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use support::peer::{Fields, content, serve};
use support::scenario::{Scenario, scenario};

/// How a request ended, as the client saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Complete,
    ResetByServer,
    Refused,
}

/// One request on its way.
struct Pending {
    index: usize,
    sent: usize,
    received: usize,
    has_interim: bool,
    fields: Option<Fields>,
    trailers: Option<Fields>,
}

/// The client's user: it makes the scenario's requests and checks every response.
struct User<'a> {
    scenario: &'a Scenario,
    pending: HashMap<StreamId, Pending>,
    endings: Vec<Option<Ending>>,
    /// Windows that it has yet to grant.
    grants: HashMap<Option<StreamId>, u32>,
    walk: u32,
    rounds: usize,
    has_gone: bool,
}

impl User<'_> {
    /// One of the scenario's lengths, at most `limit`.
    fn length(&mut self, limit: usize) -> usize {
        // A random walk: in turn, all writes might get the smallest one.
        self.walk = self.walk.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let lengths = &self.scenario.lengths;
        lengths[(self.walk >> 16) as usize % lengths.len()].clamp(1, limit.max(1))
    }

    /// Opens what the server permits, and sends some data of each stream.
    fn send(&mut self, client: &mut Client) {
        while let Some(index) = self.next_index() {
            let exchange = &self.scenario.exchanges[index];
            let path = format!("/{index}");
            let request = Request {
                method: "POST",
                scheme: "http",
                authority: "localhost",
                path: &path,
                fields: &exchange.request,
            };
            let end = EndStream::from(exchange.request_body == 0);
            let Some(stream) = client.open(&request, end) else { break };
            let pending =
                Pending { index, sent: 0, received: 0, has_interim: false, fields: None, trailers: None };
            self.pending.insert(stream, pending);
        }
        let streams: Vec<StreamId> = self.pending.keys().copied().collect();
        for stream in streams {
            let limit = self.length(usize::MAX);
            let pending = self.pending.get_mut(&stream).unwrap();
            let left = self.scenario.exchanges[pending.index].request_body - pending.sent;
            if left > 0 {
                let bytes: Vec<u8> =
                    (0..left.min(limit)).map(|place| content(pending.index, pending.sent + place)).collect();
                let accepted = client.send_data(stream, &bytes, EndStream::from(bytes.len() == left));
                assert!(client.output().len() <= 64 * 1024 + 4096);
                pending.sent += accepted;
            }
        }
    }

    fn next_index(&self) -> Option<usize> {
        let is_begun = |index: &usize| {
            self.endings[*index].is_some() || self.pending.values().any(|pending| pending.index == *index)
        };
        (0..self.endings.len()).find(|index| !is_begun(index))
    }

    fn hear(&mut self, event: Event<'_>) {
        match event {
            Event::Interim { stream, status } => {
                assert_eq!(status, 103);
                self.pending.get_mut(&stream).unwrap().has_interim = true;
            }
            Event::Headers { stream, status, fields, end } => {
                assert_eq!(status, 200);
                self.pending.get_mut(&stream).unwrap().fields = Some(texts(fields));
                self.end(stream, end);
            }
            Event::Data { stream, data, padding, end } => {
                let pending = self.pending.get_mut(&stream).unwrap();
                for (place, &byte) in data.iter().enumerate() {
                    assert_eq!(byte, content(pending.index, pending.received + place));
                }
                pending.received += data.len();
                let bytes = data.len() as u32 + padding;
                [Some(stream), None]
                    .into_iter()
                    .for_each(|window| *self.grants.entry(window).or_default() += bytes);
                self.end(stream, end);
            }
            Event::Trailers { stream, fields } => {
                self.pending.get_mut(&stream).unwrap().trailers = Some(texts(fields));
                self.end(stream, EndStream::Yes);
            }
            Event::Reset { stream, code } => {
                // A stream that is complete may still be reset, where the server needs no more of the request.
                let Some(pending) = self.pending.remove(&stream) else { return };
                let ending = if code.to_string() == "REFUSED_STREAM" {
                    Ending::Refused
                } else {
                    Ending::ResetByServer
                };
                self.endings[pending.index] = Some(ending);
            }
            Event::GoAway { .. } => self.has_gone = true,
            Event::Settings | Event::Acknowledged | Event::Granted { .. } => {}
        }
    }

    /// Checks a complete response. Its request may still be on its way.
    fn end(&mut self, stream: StreamId, end: EndStream) {
        if end == EndStream::No {
            return;
        }
        let pending = &self.pending[&stream];
        let exchange = &self.scenario.exchanges[pending.index];
        assert_eq!(pending.received, exchange.response_body);
        assert_eq!(pending.has_interim, exchange.has_interim);
        assert_eq!(pending.fields.as_ref(), Some(&exchange.response));
        assert_eq!(pending.trailers, exchange.trailers);
        self.endings[pending.index] = Some(Ending::Complete);
    }

    /// Forgets complete exchanges, and grants some windows.
    fn act(&mut self, client: &mut Client) {
        self.pending.retain(|_, pending| {
            let request_body = self.scenario.exchanges[pending.index].request_body;
            self.endings[pending.index].is_none() || pending.sent < request_body
        });
        // Now and then, so that the server has to wait.
        self.rounds += 1;
        if self.rounds.is_multiple_of(3) {
            self.grants.drain().for_each(|(stream, bytes)| client.grant(stream, bytes));
        }
    }

    fn is_done(&self) -> bool {
        let is_over = self.has_gone || self.endings.iter().all(Option::is_some);
        is_over && self.pending.is_empty()
    }
}

fn texts(fields: &echoctl_http2::Fields) -> Fields {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    fields.iter().map(|(name, value)| (text(name), text(value))).collect()
}

/// Runs a scenario to its end, and returns how each request ended; `None` if it was never made.
async fn run(scenario: &Scenario) -> Vec<Option<Ending>> {
    let (mut io, other) = tokio::io::duplex(scenario.network);
    let server = tokio::spawn(serve(other, scenario.behaviour.clone(), Arc::new(scenario.exchanges.clone())));
    let (initial_window, connection_window) = scenario.config;
    let mut client = Client::new(Config { initial_window, connection_window });
    let mut user = User {
        scenario,
        pending: HashMap::new(),
        endings: vec![None; scenario.exchanges.len()],
        grants: HashMap::new(),
        walk: 0,
        rounds: 0,
        has_gone: false,
    };
    loop {
        if client.is_ready() {
            user.send(&mut client);
        }
        user.act(&mut client);
        let is_done = user.is_done() && client.output().is_empty();
        if is_done || !transfer(&mut io, &mut client, &mut user).await {
            break;
        }
    }
    drop(io);
    server.await.expect("the server is content");
    user.endings
}

/// Writes or reads some bytes, whichever is possible first. Returns whether the connection is open.
async fn transfer(io: &mut DuplexStream, client: &mut Client, user: &mut User<'_>) -> bool {
    let (mut reader, mut writer) = tokio::io::split(io);
    let mut buffer = vec![0; user.length(usize::MAX)];
    let written = user.length(client.output().len());
    tokio::select! {
        count = writer.write(&client.output()[..written.min(client.output().len())]), if !client.output().is_empty() => {
            // After GOAWAY the server may be gone. What it has sent can still be read.
            client.sent(count.unwrap_or(usize::MAX));
        }
        count = reader.read(&mut buffer) => {
            let count = count.unwrap();
            let piece = user.length(usize::MAX);
            for bytes in buffer[..count].chunks(piece) {
                client.receive(bytes, &mut |event| user.hear(event)).expect("h2 violates nothing");
            }
            return count > 0;
        }
        // There is more to grant, which may be what the server waits for.
        () = tokio::task::yield_now(), if !user.grants.is_empty() => {}
    }
    true
}

fn check(scenario: &Scenario) -> Vec<Option<Ending>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let ended =
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), run(scenario)).await });
    ended.expect("neither side waits for the other")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn every_exchange_ends_as_it_should(scenario in scenario()) {
        for (ending, exchange) in check(&scenario).into_iter().zip(&scenario.exchanges) {
            match ending {
                Some(Ending::Complete) => prop_assert_eq!(exchange.server_resets_at, None),
                Some(Ending::ResetByServer) => prop_assert!(exchange.server_resets_at.is_some()),
                Some(Ending::Refused) | None => prop_assert!(false, "{ending:?}"),
            }
        }
    }

    #[test]
    fn streams_before_a_go_away_complete(mut scenario in scenario(), after in 1..4_usize) {
        scenario.behaviour.goes_away_after = Some(after);
        let endings = check(&scenario);

        let answered = endings.iter().filter(|ending| !matches!(ending, None | Some(Ending::Refused))).count();
        prop_assert!(answered >= after.min(endings.len()), "{:?}", endings);
    }
}
