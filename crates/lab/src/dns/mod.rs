//! An authoritative DNS server for the zone `test.`, on UDP and TCP at one address.
//!
//! DNS is an everyday protocol with two transports, so it shows why framing is needed: over UDP a message is a datagram; over
//! TCP each message is prefixed with its length in two bytes (RFC 1035, section 4.2.2).
//!
//! - [`reply`]: the reply to one query, which may be hostile, as a function from bytes to bytes; [`Answer`] decodes a reply.
//! - [`Answerer`]: the sockets; it passes each [`Exchange`] to a callback.
//!
//! | name | type | answer |
//! |---|---|---|
//! | any name under `test.` | A, AAAA | 127.0.0.1, ::1 |
//! | `4000.txt.test.` | TXT | a text of 4000 bytes |
//! | any other name under `test.` | TXT | a short text |
//! | `test.` itself | SOA, NS | the zone's own |
//! | any name under `test.` | another type, or a TXT that exceeds a message | no data, with the zone's SOA (RFC 2308) |
//! | any other name | | refused |

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
