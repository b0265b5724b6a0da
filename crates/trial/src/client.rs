//! The client of a run, and the time that passes for it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::time::{Duration, Instant};

use echoctl_client::{
    Config, Connection, Flood, LiveConnection, Outcome, Phase, Rate, Reading, StopHandle, Totals,
};
use echoctl_observe::{AsHandle, LocalEndpoint, MAX_PER_SAMPLE, WatchedConnection};
use tokio::runtime::Handle;

use crate::Error;

/// What a [`Trial`](crate::Trial) needs from its client. Tests replay one, with a clock that they set.
pub trait Client {
    /// What it is doing.
    fn state(&self) -> ClientState;

    /// Bytes that it has written. Called every few milliseconds.
    fn produced(&self) -> u64;

    /// Bytes of the frames that named its connections, in each direction: the kernels count them, and the client does not.
    fn introduction(&self) -> u64 {
        0
    }

    /// Its result, once, when it has finished.
    ///
    /// # Errors
    /// If it failed without a result.
    fn outcome(&mut self) -> Result<Option<Outcome>, Error>;

    /// Stops sending. A drain at the end still takes place.
    fn stop(&self);

    /// Stops everything immediately.
    fn abort(&self);

    /// Whether another connection gets a reply to one frame in this time.
    fn is_newcomer_served(&self, within: Duration) -> bool;

    /// Reads some of the replies that it left unread, and returns the number of bytes.
    fn discard(&self) -> u64;

    /// The time.
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// Waits.
    fn sleep(&mut self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// A client at one instant.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClientState {
    /// Totals of all connections.
    pub totals: Totals,
    /// Connections that have more to send.
    pub sending: u32,
    /// How long no connection could write.
    pub held_back: Option<Duration>,
}

/// A flood that runs on a tokio runtime.
#[derive(Debug)]
pub struct FloodClient {
    config: Config,
    runtime: Handle,
    connections: Vec<Arc<Connection>>,
    control: StopHandle,
    outcome: Receiver<Outcome>,
}

impl FloodClient {
    /// Starts to send.
    pub fn start(flood: Flood, runtime: &Handle) -> FloodClient {
        let (connections, control, config) =
            (flood.connections().to_vec(), flood.stop_handle(), flood.config().clone());
        let (done, outcome) = mpsc::sync_channel(1);
        runtime.spawn(async move { done.send(flood.run().await) });
        FloodClient { config, runtime: runtime.clone(), connections, control, outcome }
    }

    /// The local addresses of its connections.
    pub(crate) fn local_addrs(&self) -> impl Iterator<Item = SocketAddr> {
        self.connections.iter().map(|connection| connection.local_addr())
    }

    /// Stops it from another thread.
    pub fn stop_handle(&self) -> StopHandle {
        self.control.clone()
    }
}

impl Client for FloodClient {
    fn state(&self) -> ClientState {
        let totals = self.control.totals();
        let sending = self.connections.iter().filter(|connection| connection.phase() == Phase::Sending);
        let stalled = self.connections.iter().filter_map(|connection| connection.stalled()).min();
        ClientState {
            totals,
            sending: u32::try_from(sending.count()).unwrap_or(u32::MAX),
            held_back: stalled.filter(|_| totals.open > 0 && totals.stalled == totals.open),
        }
    }

    /// On the first connections only, so that it costs less than 100 µs.
    fn produced(&self) -> u64 {
        self.connections.iter().take(MAX_PER_SAMPLE).map(|connection| connection.produced()).sum()
    }

    fn introduction(&self) -> u64 {
        self.connections.iter().map(|connection| connection.introduction()).sum()
    }

    fn outcome(&mut self) -> Result<Option<Outcome>, Error> {
        match self.outcome.try_recv() {
            Ok(outcome) => Ok(Some(outcome)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(Error::NoOutcome),
        }
    }

    fn stop(&self) {
        self.control.stop();
    }

    fn abort(&self) {
        self.control.abort();
    }

    fn is_newcomer_served(&self, within: Duration) -> bool {
        let config = Config {
            connections: 1,
            bytes: Some(1),
            rate: Rate::Max,
            rate_until: None,
            reading: Reading::All,
            duration: None,
            idle_timeout: None,
            connect_timeout: within,
            ..self.config.clone()
        };
        let is_served = async {
            let Ok(newcomer) = Flood::connect(config).await else { return false };
            let connection = Arc::clone(&newcomer.connections()[0]);
            let has_reply = async {
                while connection.consumed() == 0 {
                    tokio::time::sleep(REPLY_POLL).await;
                }
            };
            tokio::select! {
                () = has_reply => true,
                outcome = newcomer.run() => outcome.totals.consumed > 0,
            }
        };
        self.runtime.block_on(async { tokio::time::timeout(within, is_served).await.unwrap_or(false) })
    }

    fn discard(&self) -> u64 {
        self.connections.iter().map(|connection| connection.discard() as u64).sum()
    }
}

/// Interval at which to check whether a reply has arrived.
const REPLY_POLL: Duration = Duration::from_millis(1);

/// A connection of a client, to be sampled. Its socket stays open until the sampler drops it.
pub fn watched<C: LiveConnection + AsHandle + Send + Sync + 'static>(
    connection: &Arc<C>,
) -> WatchedConnection {
    let counted = Arc::clone(connection);
    WatchedConnection {
        local: connection.local_addr(),
        peer: connection.peer_addr(),
        endpoint: Some(LocalEndpoint {
            socket: Arc::clone(connection) as _,
            counts: Box::new(move || counted.in_kernels()),
        }),
    }
}
