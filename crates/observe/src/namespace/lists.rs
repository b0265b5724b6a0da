//! Lists of all sockets, one per namespace: the same addresses may be in use in several.

use super::SocketTables;
use super::door::Opened;
use super::socket_tables::{OPERATION, is_connected};
use crate::{Error, SocketDiag, SocketEntry, TcpState};

impl SocketTables {
    /// Whether no socket of any namespace is visible.
    pub(crate) fn is_blind(&self) -> bool {
        self.own.is_none() && self.others.is_empty()
    }

    /// All connections in each namespace that is visible: this program's, and then the others of the server's processes.
    ///
    /// # Errors
    /// If the kernel refuses the request.
    pub fn by_namespace(&mut self) -> Result<Vec<Vec<SocketEntry>>, Error> {
        self.list_by_namespace(|diag| diag.connections(0), |socket| is_connected(socket.state))
    }

    /// All listening sockets in each of these namespaces, in the same order.
    ///
    /// # Errors
    /// If the kernel refuses the request.
    pub(crate) fn listening_by_namespace(&mut self) -> Result<Vec<Vec<SocketEntry>>, Error> {
        self.list_by_namespace(SocketDiag::listening, |socket| socket.state == TcpState::Listen)
    }

    fn list_by_namespace(
        &mut self,
        from_netlink: impl Fn(&mut SocketDiag) -> Result<Vec<SocketEntry>, Error>,
        is_listed: impl Fn(&SocketEntry) -> bool,
    ) -> Result<Vec<Vec<SocketEntry>>, Error> {
        let mut all = Vec::new();
        if let Some(own) = &mut self.own {
            all.push(from_netlink(own)?);
        }
        for other in &mut self.others {
            all.push(match other {
                Opened::Netlink(diag) => from_netlink(diag)?,
                Opened::Files(table) => {
                    let sockets = table.sockets().map_err(Error::kernel(OPERATION))?;
                    sockets.iter().filter(|socket| is_listed(socket)).copied().collect()
                }
            });
        }
        Ok(all)
    }
}
