//! The page of a class: what its server does at this moment, for everyone in the room, and the switch, for the teacher.
//!
//! - [`Access`]: the two secrets, of viewers and of the teacher; `guard`: which requests are answered at all.
//! - `board`: the latest state as one text that all viewers share, and the past; `viewer`: what one of them gets next.
//! - `viewers`, `voters`: how many there are of one address, and together.
//! - [`Questions`]: what the class is asked, with its votes; `command`: what a teacher may do.
//! - `routes`: the paths; `document`: the page itself; `reply`, `body`: the headers and the bodies of all replies.
//!
//! A viewer that does not read costs its connection (a small send queue, and the state that it is reading) until the
//! [stall limit](crate::bounded).

mod access;
mod board;
mod body;
mod command;
mod document;
mod guard;
mod questions;
mod reply;
mod routes;
mod viewer;
mod viewers;
mod voters;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::serve::Listener;
use echoctl_record::{ClassSetup, ClassState, LessonChoice};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

pub use self::access::Access;
use self::board::Board;
pub use self::command::{CommandRequest, Refusal};
pub use self::questions::Questions;
use self::routes::{Client, Room};
use self::viewers::Viewers;
use crate::Error;
use crate::bounded::{BoundedStream, Limits};
use crate::listener::{BoundedListener, Queues, listen};

/// Where the page of a class is served, or will be.
pub struct ClassPage {
    listener: BoundedListener,
    addr: SocketAddr,
    access: Access,
    questions: Questions,
}

/// What the page shows, and where its commands go.
#[derive(Debug)]
pub struct ClassFeed {
    /// What stays the same.
    pub setup: ClassSetup,
    /// The lessons whose questions may be asked.
    pub lessons: Vec<LessonChoice>,
    /// The latest state, without a question unless it is a replay.
    pub states: watch::Receiver<Arc<ClassState>>,
    /// Gets the teacher's commands.
    pub commands: mpsc::Sender<CommandRequest>,
}

impl ClassPage {
    /// Listens. Must run on a tokio runtime with I/O.
    ///
    /// # Errors
    /// If the address is in use, is not one of this host, or needs a privilege.
    pub async fn bind(addr: SocketAddr, access: Access) -> Result<ClassPage, Error> {
        let error = |source| Error::Page { addr, source };
        let listener = listen(addr, QUEUES).map_err(error)?;
        let addr = listener.local_addr().map_err(error)?;
        let listener = BoundedListener::new(listener, Limits::default(), MAX_CONNECTIONS);
        Ok(ClassPage { listener, addr, access, questions: Questions::default() })
    }

    /// Its address, with the port that the kernel chose for port 0.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where viewers find it, by one of the addresses of this host.
    pub fn viewer_url(&self, host: IpAddr) -> String {
        format!("http://{}/{}", SocketAddr::new(host, self.addr.port()), self.access.path.reveal())
    }

    /// Where a teacher finds it. The token is in the fragment, which a browser sends to no server.
    pub fn teacher_url(&self, host: IpAddr) -> String {
        format!("{}#{}", self.viewer_url(host), self.access.token.reveal())
    }

    /// What the class is asked.
    pub fn questions(&self) -> Questions {
        self.questions.clone()
    }

    /// Serves the page until it is dropped, which disconnects all viewers. Must run on a tokio runtime with I/O and time.
    pub async fn serve(self, feed: ClassFeed) {
        let board = Arc::new(Board::new());
        let room = Arc::new(Room {
            access: self.access,
            board: Arc::clone(&board),
            questions: self.questions.clone(),
            viewers: Viewers::default(),
            setup: feed.setup,
            lessons: feed.lessons,
            commands: feed.commands,
        });
        tokio::join!(board.follow(feed.states, &self.questions), accept(self.listener, room));
    }
}

impl fmt::Debug for ClassPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClassPage").field("addr", &self.addr).finish_non_exhaustive()
    }
}

/// Serves connections. They end with it.
async fn accept(mut listener: BoundedListener, room: Arc<Room>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, peer) = listener.accept().await;
        while connections.try_join_next().is_some() {}
        connections.spawn(serve(stream, peer, Arc::clone(&room)));
    }
}

/// Serves one connection.
async fn serve(stream: BoundedStream, peer: SocketAddr, room: Arc<Room>) {
    // It was reset meanwhile.
    let Ok(local) = stream.local_addr() else { return };
    let client = Client { peer: peer.ip(), local: local.ip(), place: stream.place().clone() };
    let service = service_fn(move |request| {
        let (room, client) = (Arc::clone(&room), client.clone());
        async move { Ok::<_, std::convert::Infallible>(room.answer(request, client).await) }
    });
    // What fails is the connection, which ends.
    let _ = http1::Builder::new()
        .max_buf_size(BUFFER)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Bytes of the kernel's queues of a connection, each of which Linux doubles: enough for 64 KiB per second at a round trip of 100 ms.
const QUEUES: Queues = Queues { send: 8 << 10, receive: Some(8 << 10) };

/// Bytes of a request's headers, and of replies that wait for the kernel: the least that the library offers. When more wait, no
/// further event is made.
const BUFFER: usize = 8 << 10;

/// Headers of a request; a browser sends fewer than 20.
const MAX_HEADERS: usize = 64;

/// Connections at a time: all viewers, and what they and others ask besides.
const MAX_CONNECTIONS: usize = 400;
