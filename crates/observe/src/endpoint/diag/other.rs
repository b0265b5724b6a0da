//! Replaces sock_diag on other systems, which have none. It cannot be opened, so its methods cannot be called; they
//! exist so that callers compile.

use std::net::SocketAddr;

use super::SocketEntry;
use crate::Error;

/// The kernel's socket tables, which this system does not show: it cannot be opened.
#[derive(Debug)]
pub enum SocketDiag {}

impl SocketDiag {
    /// Not visible on this system.
    ///
    /// # Errors
    /// Always.
    pub fn open() -> Result<SocketDiag, Error> {
        Err(Error::NotVisible { what: "the kernel's table of sockets" })
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
