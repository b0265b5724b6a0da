//! The bodies of replies: texts that are shared, or the events of one viewer.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame, SizeHint};

use super::viewer::Viewer;

/// The body of a reply.
pub(super) enum ReplyBody {
    /// Parts, the next one last.
    Parts(Vec<Bytes>),
    /// Events without an end.
    Events(Events),
}

/// What a viewer gets next.
type Events = Pin<Box<dyn Future<Output = (Bytes, Viewer)> + Send>>;

impl From<Bytes> for ReplyBody {
    fn from(text: Bytes) -> ReplyBody {
        ReplyBody::Parts(vec![text])
    }
}

impl From<Vec<Bytes>> for ReplyBody {
    fn from(mut parts: Vec<Bytes>) -> ReplyBody {
        parts.reverse();
        ReplyBody::Parts(parts)
    }
}

impl From<Viewer> for ReplyBody {
    fn from(viewer: Viewer) -> ReplyBody {
        ReplyBody::Events(Box::pin(viewer.next()))
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let part = match self.get_mut() {
            ReplyBody::Parts(parts) => parts.pop(),
            ReplyBody::Events(next) => {
                let (event, viewer) = ready!(next.as_mut().poll(context));
                *next = Box::pin(viewer.next());
                Some(event)
            }
        };
        Poll::Ready(part.map(|part| Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, ReplyBody::Parts(parts) if parts.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ReplyBody::Parts(parts) => SizeHint::with_exact(parts.iter().map(|part| part.len() as u64).sum()),
            ReplyBody::Events(_) => SizeHint::default(),
        }
    }
}
