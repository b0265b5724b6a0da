//! The places of a listener: how many connections it has at a time, and which one ends when a further client needs its place.
//!
//! When all are taken, a newcomer gets the place of a connection that makes no progress. It is taken from the address that has
//! the most connections, and there from the one whose last progress is longest ago. So a client that asks and reads is
//! served at once, however many others connect and do neither.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::sync::{Notify, oneshot};

/// All places of a listener.
#[derive(Debug, Clone)]
pub(crate) struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    table: Mutex<Table>,
    limit: usize,
    /// A place is free, or may be taken from its connection.
    change: Notify,
}

#[derive(Debug, Default)]
struct Table {
    taken: HashMap<u64, Taken>,
    /// Counts places and progress, and so orders them.
    last: u64,
}

/// A place that a connection has.
#[derive(Debug)]
struct Taken {
    peer: IpAddr,
    /// The larger, the later it was.
    progress: u64,
    /// A reply is made: the connection waits for this program, not for its client.
    is_served: bool,
    /// Ends the connection; absent once that was requested.
    end: Option<oneshot::Sender<()>>,
}

/// The place of one connection, returned when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    id: PlaceId,
    ended: oneshot::Receiver<()>,
    has_ended: bool,
}

/// Names the place of a connection.
#[derive(Debug, Clone)]
pub(crate) struct PlaceId {
    number: u64,
    places: Places,
}

/// While it exists, the place is not taken away.
#[derive(Debug)]
pub(crate) struct Served(PlaceId);

impl Places {
    pub(crate) fn new(limit: usize) -> Places {
        Places(Arc::new(Shared { table: Mutex::default(), limit, change: Notify::new() }))
    }

    /// A place for a new connection of `peer`. If all are taken, another connection ends first.
    pub(crate) async fn take(&self, peer: IpAddr) -> Place {
        loop {
            if let Some(place) = self.try_take(peer) {
                return place;
            }
            self.0.change.notified().await;
        }
    }

    fn try_take(&self, peer: IpAddr) -> Option<Place> {
        let mut table = self.table();
        if table.taken.len() >= self.0.limit {
            table.end_one();
            return None;
        }
        let (end, ended) = oneshot::channel();
        let number = table.next();
        table.taken.insert(number, Taken { peer, progress: number, is_served: false, end: Some(end) });
        Some(Place { id: PlaceId { number, places: self.clone() }, ended, has_ended: false })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing panics while it is locked.
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Ends one connection, unless one is ending already, or all are served at this moment.
    fn end_one(&mut self) {
        if self.taken.values().any(|taken| taken.end.is_none()) {
            return;
        }
        let mut per_peer: HashMap<IpAddr, usize> = HashMap::new();
        for taken in self.taken.values() {
            *per_peer.entry(taken.peer).or_default() += 1;
        }
        let waiting = self.taken.values_mut().filter(|taken| !taken.is_served);
        let worst = waiting.max_by_key(|taken| (per_peer[&taken.peer], Reverse(taken.progress)));
        if let Some(end) = worst.and_then(|taken| taken.end.take()) {
            // A connection that has ended meanwhile does not receive it.
            let _ = end.send(());
        }
    }
}

impl Place {
    pub(crate) fn id(&self) -> &PlaceId {
        &self.id
    }

    /// Notes that the client reads.
    pub(crate) fn progress(&self) {
        self.id.change(|_| ());
    }

    /// Whether the connection has had to end.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Ready when the connection has to end.
    pub(crate) fn poll_ended(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.has_ended {
            // The table has the other end as long as the place.
            let _ = ready!(Pin::new(&mut self.ended).poll(context));
            self.has_ended = true;
        }
        Poll::Ready(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let places = &self.id.places;
        places.table().taken.remove(&self.id.number);
        places.0.change.notify_one();
    }
}

impl PlaceId {
    /// Keeps the place while a reply is made.
    pub(crate) fn serve(&self) -> Served {
        self.change(|taken| taken.is_served = true);
        Served(self.clone())
    }

    /// Changes the place at progress of its connection.
    fn change(&self, change: impl FnOnce(&mut Taken)) {
        let mut table = self.places.table();
        let now = table.next();
        if let Some(taken) = table.taken.get_mut(&self.number) {
            taken.progress = now;
            change(taken);
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let Served(id) = self;
        id.change(|taken| taken.is_served = false);
        id.places.0.change.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::net::Ipv4Addr;

    fn peer(number: u8) -> IpAddr {
        Ipv4Addr::new(10, 0, 0, number).into()
    }

    /// Places that are all taken.
    fn full(peers: &[IpAddr]) -> (Places, Vec<Place>) {
        let places = Places::new(peers.len());
        let taken = peers.iter().map(|peer| places.try_take(*peer).unwrap()).collect();
        (places, taken)
    }

    /// Which of `taken` ends, so that a newcomer gets its place.
    async fn displaced(places: &Places, taken: &mut Vec<Place>, newcomer: IpAddr) -> Option<usize> {
        assert!(places.try_take(newcomer).is_none(), "all are taken");
        let mut at = None;
        for (index, place) in taken.iter_mut().enumerate() {
            if poll_fn(|context| Poll::Ready(place.poll_ended(context))).await.is_ready() {
                assert_eq!(at.replace(index), None, "one is enough");
            }
        }
        let at = at?;
        drop(taken.remove(at));
        taken.push(places.take(newcomer).await);
        Some(at)
    }

    #[tokio::test]
    async fn the_connection_longest_without_progress_ends() {
        let (places, mut taken) = full(&[peer(1); 4]);
        taken[0].progress();

        assert_eq!(displaced(&places, &mut taken, peer(1)).await, Some(1));
    }

    #[tokio::test]
    async fn an_address_with_many_connections_displaces_its_own() {
        let (places, mut taken) = full(&[peer(1), peer(2), peer(2), peer(2)]);

        for _ in 0..100 {
            assert_ne!(displaced(&places, &mut taken, peer(2)).await, Some(0));
        }
    }

    #[tokio::test]
    async fn a_connection_that_is_served_keeps_its_place() {
        let (places, mut taken) = full(&[peer(1); 2]);
        let first = taken[0].id().serve();
        assert_eq!(displaced(&places, &mut taken, peer(1)).await, Some(1));

        let second = taken[1].id().serve();
        assert_eq!(displaced(&places, &mut taken, peer(1)).await, None);

        drop(second);
        assert_eq!(displaced(&places, &mut taken, peer(1)).await, Some(1));
        drop(first);
    }
}
