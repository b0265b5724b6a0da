//! A small HTTP/2 server, which answers every request with the same long body. It does what this experiment needs of RFC 9113: the
//! windows of streams, PING and SETTINGS. It reads no header fields, and relies on a client that opens the window of the connection wide.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::{Semaphore, mpsc};

use super::body::Body;
use crate::kit::serve_as_child;

/// How a response is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lessons) enum Method {
    /// Everything is accepted at once, and queued until the client grants a window.
    Naive,
    /// The next piece is made when the client has granted a window for the last.
    Waiting,
}

impl Method {
    pub(super) const ALL: [Method; 2] = [Method::Naive, Method::Waiting];

    /// Its name on the command line of the child process.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Method::Naive => "http2-naive",
            Method::Waiting => "http2-waiting",
        }
    }

    pub(in crate::lessons) fn find(name: &str) -> Option<Method> {
        Method::ALL.into_iter().find(|method| method.name() == name)
    }

    /// Serves until stdin is closed. Calls `listening` with the address.
    pub(in crate::lessons) fn serve(
        self,
        listening: impl FnOnce(SocketAddr) -> io::Result<()>,
    ) -> io::Result<()> {
        serve_as_child(move |socket| connection(socket, self), listening)
    }
}

/// Reads the frames of one client to the end.
async fn connection(socket: TcpStream, method: Method) -> io::Result<()> {
    let (mut reader, writer) = socket.into_split();
    let (frames, to_write) = mpsc::channel(FRAMES);
    tokio::spawn(write_frames(writer, to_write));
    reader.read_exact(&mut [0; PREFACE_LEN]).await?;
    send(&frames, SETTINGS, 0, 0, &[]).await?;
    let (mut initial_window, mut windows) = (DEFAULT_WINDOW, HashMap::<u32, Arc<Semaphore>>::new());
    loop {
        let (kind, flags, id, payload) = read_frame(&mut reader).await?;
        match kind {
            SETTINGS if flags & ACK == 0 => {
                initial_window = window_in(&payload).unwrap_or(initial_window);
                send(&frames, SETTINGS, ACK, 0, &[]).await?;
            }
            PING if flags & ACK == 0 => send(&frames, PING, ACK, 0, &payload).await?,
            HEADERS => {
                send(&frames, HEADERS, END_HEADERS, id, &[STATUS_200]).await?;
                let window = Arc::new(Semaphore::new(initial_window as usize));
                windows.insert(id, window.clone());
                let stream = Stream { id, window, frames: frames.clone() };
                match method {
                    Method::Naive => tokio::spawn(naive(stream, Body::new())),
                    Method::Waiting => tokio::spawn(waiting(stream, Body::new())),
                };
            }
            // The increment has 31 bits, so the sum of all that a client sends in its life fits.
            WINDOW_UPDATE => {
                if let (Some(window), Some(&grant)) = (windows.get(&id), payload.first_chunk()) {
                    let grant = u32::from_be_bytes(grant) as usize;
                    window.add_permits(grant.min(Semaphore::MAX_PERMITS - window.available_permits()));
                }
            }
            _ => {}
        }
    }
}

// [show]
/// Naive: send() of the library accepts everything, and queues it until the client grants a window.
async fn naive(stream: Stream, mut body: Body) -> io::Result<()> {
    let (queue, mut queued) = mpsc::unbounded_channel::<Vec<u8>>();
    tokio::spawn(async move {
        while let Some(piece) = queued.recv().await {
            stream.data(&piece).await?;
        }
        io::Result::Ok(())
    });
    while let Some(piece) = body.next().await {
        drop(queue.send(piece)); // returns at once: this is the bug
    }
    Ok(())
}

/// Waiting: the next piece is made when the client has granted a window for this one.
async fn waiting(stream: Stream, mut body: Body) -> io::Result<()> {
    while let Some(piece) = body.next().await {
        stream.data(&piece).await?; // while this waits, nothing is produced
    }
    Ok(())
}

/// The stream of a response. Its window is a number of permits, one per byte, that the client adds to.
struct Stream {
    id: u32,
    window: Arc<Semaphore>,
    frames: mpsc::Sender<Vec<u8>>,
}

impl Stream {
    /// Sends a DATA frame, after the client has granted a window for it.
    async fn data(&self, piece: &[u8]) -> io::Result<()> {
        let permits = self.window.acquire_many(piece.len() as u32).await.map_err(io::Error::other)?;
        permits.forget();
        send(&self.frames, DATA, 0, self.id, piece).await
    }
}
// [/show]

/// Writes frames in their order, to one client.
async fn write_frames(mut writer: OwnedWriteHalf, mut frames: mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
    while let Some(frame) = frames.recv().await {
        writer.write_all(&frame).await?;
    }
    Ok(())
}

/// Passes a frame to the writer, when there is room for it.
async fn send(
    frames: &mpsc::Sender<Vec<u8>>,
    kind: u8,
    flags: u8,
    stream: u32,
    payload: &[u8],
) -> io::Result<()> {
    let [_, a, b, c] = (payload.len() as u32).to_be_bytes();
    let [s, t, r, m] = stream.to_be_bytes();
    let frame = [&[a, b, c, kind, flags, s, t, r, m], payload].concat();
    frames.send(frame).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
}

/// The next frame: its type, flags, stream and payload.
async fn read_frame(reader: &mut (impl AsyncReadExt + Unpin)) -> io::Result<(u8, u8, u32, Vec<u8>)> {
    let mut header = [0; 9];
    reader.read_exact(&mut header).await?;
    let [a, b, c, kind, flags, stream @ ..] = header;
    let length = u32::from_be_bytes([0, a, b, c]);
    if length > MAX_FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame exceeds the maximum"));
    }
    let mut payload = vec![0; length as usize];
    reader.read_exact(&mut payload).await?;
    Ok((kind, flags, u32::from_be_bytes(stream), payload))
}

/// SETTINGS_INITIAL_WINDOW_SIZE in the payload of SETTINGS: pairs of a number of two bytes and a value of four.
fn window_in(settings: &[u8]) -> Option<u32> {
    let (pairs, _) = settings.as_chunks::<6>();
    let value = |[_, _, value @ ..]: [u8; 6]| u32::from_be_bytes(value);
    pairs.iter().find(|pair| pair.starts_with(&INITIAL_WINDOW_SIZE)).map(|&pair| value(pair))
}

/// Frames that wait for the socket: 64 KiB, so that what fills is the window and not this queue.
const FRAMES: usize = 4;

/// The longest payload that the protocol permits by default, in bytes.
const MAX_FRAME: u32 = 16_384;

/// A stream's window unless the client sets another, in bytes.
const DEFAULT_WINDOW: u32 = 65_535;

/// What a client sends first: `PRI * HTTP/2.0`, and an empty body.
const PREFACE_LEN: usize = 24;

/// The field `:status: 200`, from HPACK's static table.
const STATUS_200: u8 = 0x88;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const INITIAL_WINDOW_SIZE: [u8; 2] = [0, 4];
