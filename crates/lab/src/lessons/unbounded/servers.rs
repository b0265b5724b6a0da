//! Four small echo servers, one of them with an unbounded queue. Each is a loop over one connection; they share the code
//! that listens and accepts.
//!
//! The listing that the learner sees does not show their names: see [`Candidate::listing`].

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};

use crate::kit::{Language, serve_as_child};

/// One of the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lessons) enum Candidate {
    Pieces,
    Lines,
    Counted,
    Spawned,
}

impl Candidate {
    pub(super) const ALL: [Candidate; 4] =
        [Candidate::Pieces, Candidate::Lines, Candidate::Counted, Candidate::Spawned];

    /// Its name on the command line of the child process.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Candidate::Pieces => "pieces",
            Candidate::Lines => "lines",
            Candidate::Counted => "counted",
            Candidate::Spawned => "spawned",
        }
    }

    pub(in crate::lessons) fn find(name: &str) -> Option<Candidate> {
        Candidate::ALL.into_iter().find(|candidate| candidate.name() == name)
    }

    /// Serves until stdin is closed. Calls `listening` with the address.
    pub(in crate::lessons) fn serve(
        self,
        listening: impl FnOnce(SocketAddr) -> io::Result<()>,
    ) -> io::Result<()> {
        match self {
            Candidate::Pieces => serve_as_child(pieces, listening),
            Candidate::Lines => serve_as_child(lines, listening),
            Candidate::Counted => serve_as_child(counted, listening),
            Candidate::Spawned => serve_as_child(spawned, listening),
        }
    }

    /// Its code, with the function renamed to `letter`.
    pub(super) fn listing(self, letter: char, language: Language) -> String {
        let (source, keyword, end) = match language {
            Language::Rust => (include_str!("servers.rs"), "async fn", "\n}\n"),
            Language::Node => (include_str!("servers.js"), "async function", "\n}\n"),
            Language::Python => (include_str!("servers.py"), "async def", "\n\n\n"),
        };
        let begin = format!("{keyword} {}(", self.name());
        let from = source.find(&begin).expect("each candidate is a function of its name");
        let body = &source[from..];
        let end = body.find(end).expect("a function ends before the next") + end.trim_end().len();
        body[..end].replacen(&begin, &format!("{keyword} {letter}("), 1)
    }
}

// [show]
async fn pieces(mut socket: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = socket.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        socket.write_all(&buffer[..read]).await?;
    }
}

async fn lines(socket: TcpStream) -> io::Result<()> {
    let (reader, mut writer) = socket.into_split();
    let (mut reader, mut line) = (BufReader::new(reader), Vec::new());
    while reader.read_until(b'\n', &mut line).await? > 0 {
        writer.write_all(&line).await?;
        line.clear();
    }
    Ok(())
}

async fn counted(socket: TcpStream) -> io::Result<()> {
    let (reader, mut writer) = socket.into_split();
    let (queue, mut replies) = mpsc::channel::<Vec<u8>>(1000);
    tokio::spawn(async move {
        while let Some(reply) = replies.recv().await {
            writer.write_all(&reply).await?;
        }
        io::Result::Ok(())
    });
    let mut lines = BufReader::new(reader).split(b'\n');
    while let Some(line) = lines.next_segment().await? {
        if queue.send([&line[..], b"\n"].concat()).await.is_err() {
            break;
        }
    }
    Ok(())
}

async fn spawned(socket: TcpStream) -> io::Result<()> {
    let (reader, writer) = socket.into_split();
    let writer = Arc::new(Mutex::new(writer));
    let mut lines = BufReader::new(reader).split(b'\n');
    while let Some(line) = lines.next_segment().await? {
        let writer = writer.clone();
        tokio::spawn(async move {
            let reply = [&line[..], b"\n"].concat();
            writer.lock().await.write_all(&reply).await
        });
    }
    Ok(())
}
// [/show]

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_one_function_without_its_name() {
        for (candidate, language) in Candidate::ALL
            .into_iter()
            .flat_map(|candidate| Language::ALL.map(|language| (candidate, language)))
        {
            let listing = candidate.listing('a', language);

            assert!(listing.starts_with("async ") && listing.contains(" a("), "{listing}");
            assert!(
                listing.lines().skip(1).all(|line| line.is_empty() || line.starts_with([' ', '}'])),
                "{listing}"
            );
            assert!(!listing.contains(candidate.name()) || candidate == Candidate::Lines, "{listing}");
        }
    }
}
