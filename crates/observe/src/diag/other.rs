//! Other systems: no such thing. The methods are there so that callers need no second way; nobody can come to call them.

use std::net::SocketAddr;

use super::SocketEntry;
use crate::Error;

/// A line to the kernel's socket tables, which this system does not have: it cannot be opened.
#[derive(Debug)]
pub enum SocketDiag {}

impl SocketDiag {
    /// Not visible on this system.
    ///
    /// # Errors
    /// Always.
    pub fn open() -> Result<SocketDiag, Error> {
        Err(Error::NotVisible { what: "the server's end of a connection" })
    }

    /// See Linux.
    ///
    /// # Errors
    /// Never called.
    pub fn find(&mut self, _: SocketAddr, _: SocketAddr) -> Result<Option<SocketEntry>, Error> {
        match *self {}
    }

    /// See Linux.
    ///
    /// # Errors
    /// Never called.
    pub fn listening(&mut self) -> Result<Vec<SocketEntry>, Error> {
        match *self {}
    }

    /// See Linux.
    ///
    /// # Errors
    /// Never called.
    pub fn connections(&mut self, _: u16) -> Result<Vec<SocketEntry>, Error> {
        match *self {}
    }
}
