//! The DNS answerer: an authoritative server for the zone `test.`, on UDP and on TCP at one address.
//!
//! DNS is the everyday protocol that is spoken both ways, so it shows what framing is for: over UDP a message is a
//! datagram and needs no mark; over TCP each message is led by its length in two bytes (RFC 1035, section 4.2.2).
//!
//! - [`reply`]: the answer to one query, which may be hostile. Bytes in, bytes out; [`Answer`] reads one.
//! - [`Answerer`]: the sockets around it; it tells each [`Exchange`] to whoever wants to see the messages.
//!
//! | name | type | answer |
//! |---|---|---|
//! | any name under `test.` | A, AAAA | 127.0.0.1, ::1 |
//! | `4000.txt.test.` | TXT | a text of 4000 bytes |
//! | any other name under `test.` | TXT | a short text |
//! | `test.` itself | SOA, NS | the zone's own |
//! | any name under `test.` | another type, or a TXT that no message can hold | none: SOA beside it says so (RFC 2308) |
//! | any name elsewhere | | refused |

mod answerer;
mod connections;
mod exchange;
mod message;
mod query;
mod reply;
mod zone;

pub use answerer::Answerer;
pub use exchange::{Answer, Exchange, Transport};
pub(crate) use query::write as query;
pub use reply::{MAX_UNVERIFIED, reply};
