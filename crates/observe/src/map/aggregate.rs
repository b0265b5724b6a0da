//! Adds up connections: the ends by node, and the connections between the same two nodes by the address that they were opened to.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use echoctl_record::{EdgeFlow, NodeKind, ProcessEdge, ProcessMap, ProcessNode};

use super::end::EndOwner;
use super::links::Link;
use super::listeners::{Address, Listeners};
use super::nodes::Groups;
use super::owners::Owners;
use super::progress::LinkHistory;
use crate::Owner;
use crate::process::with_script;

/// A map in the making.
#[derive(Debug)]
pub(super) struct Aggregate<'a> {
    groups: &'a Groups,
    /// Addresses at which the processes of a group listen.
    listen: HashMap<u32, BTreeSet<String>>,
    nodes: BTreeMap<EndOwner, BTreeSet<u32>>,
    edges: BTreeMap<(EndOwner, EndOwner, Address), ProcessEdge>,
}

impl<'a> Aggregate<'a> {
    pub(super) fn new(groups: &'a Groups, owners: &Owners, listeners: &Listeners) -> Aggregate<'a> {
        let mut listen: HashMap<u32, BTreeSet<String>> = HashMap::new();
        for (inode, address) in listeners.all() {
            for owner in owners.of(inode) {
                listen.entry(groups.of(owner.pid)).or_default().insert(address.to_string());
            }
        }
        Aggregate { groups, listen, nodes: BTreeMap::new(), edges: BTreeMap::new() }
    }

    /// Adds a connection.
    pub(super) fn add(&mut self, link: &Link, history: &LinkHistory, now: Instant) {
        let (from, to) = (self.node(&link.client.0), self.node(&link.server.0));
        let place = self.edges.entry((from, to, link.address.clone()));
        let edge = place.or_insert_with(|| ProcessEdge {
            transport: link.transport,
            address: link.address.to_string(),
            ..ProcessEdge::default()
        });
        edge.connections += 1;
        edge.in_accept_queue += u32::from(!link.is_accepted);
        let is_first = edge.connections == 1;
        add_flow(&mut edge.to_server, history.to_server.flow(now), is_first);
        add_flow(&mut edge.to_client, history.to_client.flow(now), is_first);
    }

    /// The node of an owner: of a process, its group.
    fn node(&mut self, owner: &EndOwner) -> EndOwner {
        let (node, pid) = match *owner {
            EndOwner::Process(pid) => (EndOwner::Process(self.groups.of(pid)), Some(pid)),
            _ => (owner.clone(), None),
        };
        self.nodes.entry(node.clone()).or_default().extend(pid);
        node
    }

    /// The map of what was added.
    pub(super) fn map(mut self) -> ProcessMap {
        let index: BTreeMap<EndOwner, usize> = self.nodes.keys().cloned().zip(0..).collect();
        let nodes = std::mem::take(&mut self.nodes);
        let processes = nodes.into_iter().map(|(owner, pids)| self.describe(&owner, pids)).collect();
        let edges = self.edges.into_iter().map(|((from, to, ..), edge)| ProcessEdge {
            from: index[&from],
            to: index[&to],
            ..edge
        });
        ProcessMap { processes, edges: edges.collect(), ..ProcessMap::default() }
    }

    fn describe(&self, owner: &EndOwner, pids: BTreeSet<u32>) -> ProcessNode {
        let (kind, name) = match owner {
            EndOwner::Process(pid) => (NodeKind::Process, name(*pid)),
            EndOwner::User(user, _) => (NodeKind::OtherUser, user.clone()),
            EndOwner::Remote(ip) => (NodeKind::Remote, ip.to_string()),
            EndOwner::Hidden(address) => (NodeKind::Hidden, address.clone()),
            EndOwner::Unknown(address) => (NodeKind::Unknown, address.clone()),
        };
        let listen = match owner {
            EndOwner::Process(pid) => self.listen.get(pid).into_iter().flatten().cloned().collect(),
            other => other.listens_at().into_iter().map(str::to_owned).collect(),
        };
        ProcessNode { kind, name, pids: pids.into_iter().collect(), listen, ..ProcessNode::default() }
    }
}

/// The name of a process; empty if it has just exited.
fn name(pid: u32) -> String {
    Owner::of(pid).map_or(String::new(), |owner| with_script(pid, &owner.name))
}

/// Adds what flows over one connection. A figure of an edge is visible if it is for all its connections.
fn add_flow(sum: &mut EdgeFlow, flow: EdgeFlow, is_first: bool) {
    if is_first {
        *sum = flow;
        return;
    }
    let most = |one: Option<f64>, other: Option<f64>| one.into_iter().chain(other).reduce(f64::max);
    *sum = EdgeFlow {
        send_queue: sum.send_queue.zip(flow.send_queue).map(|(one, other)| one + other),
        receive_queue: sum.receive_queue.zip(flow.receive_queue).map(|(one, other)| one + other),
        fill: sum.fill.max(flow.fill),
        full: sum.full + flow.full,
        held_back: sum.held_back + flow.held_back,
        not_read: sum.not_read + flow.not_read,
        unanswered: sum.unanswered + flow.unanswered,
        stalled_seconds: most(sum.stalled_seconds, flow.stalled_seconds),
        // Of a connection that is new, no rate is known yet.
        rate: added(sum.rate, flow.rate),
        held_back_rate: added(sum.held_back_rate, flow.held_back_rate),
    };
}

/// The sum of the values that are known.
fn added(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).reduce(|one, other| one + other)
}
