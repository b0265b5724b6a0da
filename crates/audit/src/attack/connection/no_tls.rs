//! In place of TLS where this program was built without it: there are no sessions.

use std::convert::Infallible;

use super::fault::Fault;
use super::wire::Wire;
use crate::{Error, TlsError, TlsPeer, Trust};

/// None.
#[derive(Debug, Clone)]
pub(in crate::attack) struct TlsConnector(Infallible);

/// None.
#[derive(Debug)]
pub(super) struct TlsSession(Infallible);

impl TlsConnector {
    /// # Errors
    /// [`Error::TlsNotBuilt`] always.
    pub(in crate::attack) fn new(_: &Trust, _: &str, _: &[String]) -> Result<TlsConnector, Error> {
        Err(Error::TlsNotBuilt)
    }

    pub(super) fn begin(&self) -> Result<TlsSession, TlsError> {
        match self.0 {}
    }
}

impl TlsSession {
    pub(super) fn shake_hands(&mut self, _: &mut Wire) -> Result<bool, TlsError> {
        match self.0 {}
    }

    pub(super) fn is_done(&self) -> bool {
        match self.0 {}
    }

    pub(super) fn peer(&self) -> TlsPeer {
        match self.0 {}
    }

    pub(super) fn write(&mut self, _: &mut Wire, _: &[u8]) -> usize {
        match self.0 {}
    }

    pub(super) fn flush(&mut self, _: &mut Wire) {
        match self.0 {}
    }

    pub(super) fn has_queued(&self) -> bool {
        match self.0 {}
    }

    pub(super) fn settle(&mut self, _: &mut Wire) {
        match self.0 {}
    }

    pub(super) fn read(&mut self, _: &mut Wire, _: &mut [u8]) -> Result<usize, Fault> {
        match self.0 {}
    }
}
