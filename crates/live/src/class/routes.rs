//! The paths of the page, all below the viewers' secret path, and what each of them answers.

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use echoctl_record::{ClassCommand, ClassSetup, LessonChoice};
use hyper::body::{Body, Buf, Bytes, Incoming};
use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, Request, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::access::Access;
use super::board::{Board, event};
use super::command::{CommandRequest, Refusal, perform};
use super::document::document;
use super::guard::{check, check_token};
use super::questions::{Questions, Vote};
use super::reply::{Failure, Reply, done, json, reply};
use super::viewer::{Step, Viewer};
use super::viewers::Viewers;
use crate::places::PlaceId;

/// Everything that requests need.
pub(super) struct Room {
    pub(super) access: Access,
    pub(super) board: Arc<Board>,
    pub(super) questions: Questions,
    pub(super) viewers: Viewers,
    pub(super) setup: ClassSetup,
    pub(super) lessons: Vec<LessonChoice>,
    pub(super) commands: mpsc::Sender<CommandRequest>,
}

/// The sender of a request.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) peer: IpAddr,
    /// The address that it connected to.
    pub(super) local: IpAddr,
    pub(super) place: PlaceId,
}

impl Room {
    /// Answers any request.
    pub(super) async fn answer(&self, request: Request<Incoming>, client: Client) -> Reply {
        match check(&request, client.local, &self.access) {
            Ok(()) => self.route(request, client).await.unwrap_or_else(Reply::from),
            Err(failure) => failure.into(),
        }
    }

    async fn route(&self, request: Request<Incoming>, client: Client) -> Result<Reply, Failure> {
        let path = request.uri().path().trim_start_matches('/');
        let (secret, rest) = path.split_once('/').unwrap_or((path, ""));
        if !self.access.path.is(secret) {
            return Err(Failure::new(
                StatusCode::NOT_FOUND,
                "not found: the address on the board has a path",
            ));
        }
        match (request.method(), rest) {
            (&Method::GET | &Method::HEAD, "") => document(),
            (&Method::GET, "events") => self.events(&request, &client),
            (&Method::GET, "teacher") => self.teacher(&request),
            (&Method::POST, "vote") => self.vote(request).await,
            (&Method::POST, "command") => self.command(request).await,
            (_, "") => Ok(not_allowed("GET, HEAD")),
            (_, "events" | "teacher") => Ok(not_allowed("GET")),
            (_, "vote" | "command") => Ok(not_allowed("POST")),
            _ => Err(Failure::new(StatusCode::NOT_FOUND, "not found")),
        }
    }

    fn events(&self, request: &Request<Incoming>, client: &Client) -> Result<Reply, Failure> {
        #[derive(Serialize)]
        struct Hello<'a> {
            voter: Option<&'a str>,
            setup: &'a ClassSetup,
        }
        let ticket = self.viewers.admit(client.peer)?;
        let kept = request.uri().query().and_then(|query| query.strip_prefix("voter="));
        let voter = self.questions.voters().join(client.peer, kept);
        let hello = Hello { voter: voter.as_ref().map(|voter| voter.number()), setup: &self.setup };
        let viewer = Viewer {
            board: Arc::clone(&self.board),
            latest: self.board.subscribe(),
            step: Step::Hello(event("hello", &hello)),
            _places: (ticket, client.place.serve()),
            _voter: voter,
        };
        Ok(reply(StatusCode::OK, "text/event-stream", viewer.into()))
    }

    fn teacher(&self, request: &Request<Incoming>) -> Result<Reply, Failure> {
        #[derive(Serialize)]
        struct Teacher<'a> {
            lessons: &'a [LessonChoice],
        }
        check_token(request.headers(), &self.access.token)?;
        Ok(json(StatusCode::OK, &Teacher { lessons: &self.lessons }))
    }

    async fn vote(&self, request: Request<Incoming>) -> Result<Reply, Failure> {
        let vote: Vote = read(request.into_body()).await?;
        outcome(self.questions.vote(vote))
    }

    async fn command(&self, request: Request<Incoming>) -> Result<Reply, Failure> {
        check_token(request.headers(), &self.access.token)?;
        let command: ClassCommand = read(request.into_body()).await?;
        outcome(perform(command, &self.questions, &self.lessons, &self.commands).await)
    }
}

fn outcome(outcome: Result<(), Refusal>) -> Result<Reply, Failure> {
    match outcome {
        Ok(()) => Ok(done()),
        Err(refusal) => Err(Failure::new(StatusCode::CONFLICT, refusal.to_string())),
    }
}

fn not_allowed(methods: &'static str) -> Reply {
    let mut reply = Reply::from(Failure::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed"));
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    reply
}

/// The JSON of a request of at most [`MAX_BODY`]. A client that sends it slowly is disconnected: see [`bounded`](crate::bounded).
async fn read<T: DeserializeOwned>(mut body: Incoming) -> Result<T, Failure> {
    let too_large = || Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large");
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(too_large());
    }
    let mut text = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|_| Failure::new(StatusCode::BAD_REQUEST, "the request ended early"))?;
        let data: Bytes = frame.into_data().unwrap_or_default();
        if text.len() + data.remaining() > MAX_BODY {
            return Err(too_large());
        }
        text.extend_from_slice(&data);
    }
    serde_json::from_slice(&text)
        .map_err(|why| Failure::new(StatusCode::BAD_REQUEST, format!("not valid: {why}")))
}

/// Bytes of a request's body: the longest question, with all its choices.
const MAX_BODY: usize = 16 << 10;
