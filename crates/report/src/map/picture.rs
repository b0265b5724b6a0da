//! A map as a drawing: clients before the servers that they connect to, one box per process, one line per pair of processes.
//!
//! ```text
//! ┌──────┐            ┌───────┐            ┌─────┐
//! │ curl │ ─4.1 MiB── │ nginx │ ─4.3 MiB── │ api │      a thick line in the accent colour is held back; its arrow shows where the
//! └──────┘     ◂      └───────┘     ◂      └─────┘      bytes go to
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use echoctl_record::{Bytes, EdgeFlow, NodeKind, Pressure, ProcessEdge, ProcessMap, ProcessNode, Rate};

use crate::draw::Escaped;
use crate::draw::svg::Size;

/// The direction in which the servers are from their clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// To the right: for a screen.
    Across,
    /// Below: for a phone.
    Down,
}

/// The drawing as SVG for a page with the style sheet of charts. Draws at most [`MAX_NODES`] nodes, those of `pressures` first.
pub(super) fn picture(map: &ProcessMap, pressures: &[Pressure], layout: Layout, id: &str) -> String {
    let picture = Picture::new(map, pressures, layout);
    let (width, height) = picture.size();
    let font = picture.font();
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart map\" role=\"img\" viewBox=\"0 0 {width} {height}\" \
         font-size=\"{font}\" aria-labelledby=\"{id}-title\">\n<title id=\"{id}-title\">Processes and their connections</title>\n"
    );
    for pair in picture.pairs() {
        picture.line(&mut out, &pair);
    }
    for &node in picture.places.keys() {
        picture.node(&mut out, node);
    }
    out + "</svg>\n"
}

/// The nodes of a map with their places.
struct Picture<'a> {
    map: &'a ProcessMap,
    pressures: &'a [Pressure],
    layout: Layout,
    /// Of each node, its layer and its place in the layer.
    places: BTreeMap<usize, (usize, usize)>,
}

/// All that is between two nodes.
#[derive(Debug, Default, Clone)]
struct Pair {
    from: usize,
    to: usize,
    connections: u32,
    queued: u64,
    rate: f64,
    /// Whether bytes to the server are held back, and those to the client.
    to_server: bool,
    to_client: bool,
}

impl<'a> Picture<'a> {
    fn new(map: &'a ProcessMap, pressures: &'a [Pressure], layout: Layout) -> Picture<'a> {
        let shown = most_important(map, pressures);
        let layers = layers(map, &shown);
        let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
        let place = |(&node, &layer): (&usize, &usize)| {
            let size = sizes.entry(layer).or_default();
            *size += 1;
            (node, (layer, *size - 1))
        };
        let places = layers.iter().map(place).collect();
        Picture { map, pressures, layout, places }
    }

    fn font(&self) -> f64 {
        if self.layout == Layout::Across { Size::WIDE.font } else { Size::NARROW.font }
    }

    /// Width and height of a box, and of the gap behind it, in the direction of the layers and across.
    fn box_size(&self) -> (f64, f64) {
        match self.layout {
            Layout::Across => (210.0, 106.0),
            Layout::Down => (220.0, 92.0),
        }
    }

    fn pitch(&self) -> (f64, f64) {
        let (width, height) = self.box_size();
        match self.layout {
            Layout::Across => (width + 150.0, height + 26.0),
            Layout::Down => (width + 16.0, height + 64.0),
        }
    }

    /// The upper left corner of a node's box.
    fn corner(&self, node: usize) -> (f64, f64) {
        let (layer, at) = self.places.get(&node).copied().unwrap_or_default();
        let (dx, dy) = self.pitch();
        let (column, row) = if self.layout == Layout::Across { (layer, at) } else { (at, layer) };
        (MARGIN + dx * column as f64, MARGIN + dy * row as f64)
    }

    fn size(&self) -> (f64, f64) {
        let (width, height) = self.box_size();
        let corners = || self.places.keys().map(|&node| self.corner(node));
        let right = corners().map(|corner| corner.0).fold(0.0, f64::max) + width + MARGIN;
        let bottom = corners().map(|corner| corner.1).fold(0.0, f64::max) + height + MARGIN;
        // A small map is not drawn larger than text.
        (right.max(if self.layout == Layout::Across { Size::WIDE.width } else { Size::NARROW.width }), bottom)
    }

    fn pairs(&self) -> Vec<Pair> {
        let mut pairs: BTreeMap<(usize, usize), Pair> = BTreeMap::new();
        for edge in &self.map.edges {
            let is_shown = |node: &usize| self.places.contains_key(node);
            if edge.from == edge.to || !is_shown(&edge.from) || !is_shown(&edge.to) {
                continue;
            }
            let pair = pairs.entry((edge.from, edge.to)).or_default();
            (pair.from, pair.to) = (edge.from, edge.to);
            pair.connections += edge.connections;
            for flow in [&edge.to_server, &edge.to_client] {
                pair.queued = pair.queued.saturating_add(flow.queued().unwrap_or(0));
                pair.rate += flow.rate.unwrap_or(0.0);
            }
            pair.to_server |= edge.to_server.held_back > 0;
            pair.to_client |= edge.to_client.held_back > 0;
        }
        pairs.into_values().collect()
    }

    /// A line from box to box, with what is on it.
    fn line(&self, out: &mut String, pair: &Pair) {
        let (width, height) = self.box_size();
        let (from, to) = (self.corner(pair.from), self.corner(pair.to));
        let is_across = self.layout == Layout::Across;
        let forwards = if is_across { to.0 > from.0 } else { to.1 > from.1 };
        let ((x1, y1), (x2, y2)) = match (is_across, forwards) {
            (true, true) => ((from.0 + width, from.1 + height / 2.0), (to.0, to.1 + height / 2.0)),
            (true, false) => ((from.0 + width / 2.0, from.1 + height), (to.0 + width / 2.0, to.1)),
            (false, true) => ((from.0 + width / 2.0, from.1 + height), (to.0 + width / 2.0, to.1)),
            (false, false) => ((from.0 + width, from.1 + height / 2.0), (to.0, to.1 + height / 2.0)),
        };
        let is_held_back = pair.to_server || pair.to_client;
        let class = match is_held_back {
            true => "orange held",
            false if pair.rate > 0.0 => "blue",
            false => "grey idle",
        };
        let _ = writeln!(out, "<path class=\"hop {class}\" d=\"M{x1} {y1} L{x2} {y2}\"/>");
        let arrow = match (pair.to_server, pair.to_client, is_across) {
            (true, true, _) => "both ways ",
            (true, false, true) => "▸ ",
            (false, true, true) => "◂ ",
            (true, false, false) => "▾ ",
            (false, true, false) => "▴ ",
            _ => "",
        };
        let full = if is_held_back { ", full" } else { "" };
        let count = if pair.connections > 1 { format!("{} × ", pair.connections) } else { String::new() };
        let (x, y) = ((x1 + x2) / 2.0, (y1 + y2) / 2.0);
        let first = format!("{arrow}{count}{}{full}", Bytes(pair.queued));
        label(out, class, (x, y - 8.0), &first);
        if pair.rate >= 1.0 {
            label(out, class, (x, y + 20.0), &Rate(pair.rate).to_string());
        }
    }

    fn node(&self, out: &mut String, index: usize) {
        let Some(node) = self.map.processes.get(index) else { return };
        let (width, height) = self.box_size();
        let (x, y) = self.corner(index);
        let (class, does) = self.role(index);
        let _ = writeln!(
            out,
            "<rect class=\"node {class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>"
        );
        let growth = node.memory_growth.filter(|rate| rate.abs() >= MIN_GROWTH);
        let growth = growth
            .map_or(String::new(), |rate| format!(", {}{}", if rate > 0.0 { "+" } else { "" }, Rate(rate)));
        let memory = node.memory.map_or(String::new(), |bytes| format!("{}{growth}", Bytes(bytes)));
        // Bold letters are wider.
        let letters = ((width - 20.0) / (0.62 * self.font())) as usize;
        let lines = [("title", &*node.name), ("", &*pids(node)), ("", &*memory), ("does", &*does)];
        let pitch = (height - 10.0) / lines.len() as f64;
        for (line, (class, text)) in lines.iter().filter(|line| !line.1.is_empty()).enumerate() {
            let (x, y) = (x + 10.0, y + 5.0 + pitch * (line as f64 + 0.72));
            let text = shortened(text, letters);
            let _ = writeln!(out, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>", Escaped(&text));
        }
    }

    /// The class of a node's box, and what it does.
    fn role(&self, node: usize) -> (&'static str, String) {
        for pressure in self.pressures {
            if pressure.readers.contains(&node) {
                return ("begins", pressure.begins.verb(pressure.readers.len() > 1).to_owned());
            }
            if let Some(hop) = pressure.hops.iter().find(|hop| hop.process == node) {
                let class = if hop.role.is_absorber() { "absorbs" } else { "held" };
                return (class, hop.role.to_string());
            }
        }
        ("", String::new())
    }
}

/// The pids of a node, or what is known instead.
fn pids(node: &ProcessNode) -> String {
    match (node.kind, node.pids.as_slice()) {
        (NodeKind::Process, [pid]) => format!("pid {pid}"),
        (NodeKind::Process, [pid, others @ ..]) => format!("pid {pid} and {} more", others.len()),
        (NodeKind::Process, []) => String::new(),
        (NodeKind::OtherUser, _) => "another user".to_owned(),
        (NodeKind::Remote, _) => "another host".to_owned(),
        (NodeKind::Hidden, _) => "not visible here".to_owned(),
        (NodeKind::Unknown, _) => "not known yet".to_owned(),
    }
}

/// The beginning of a text, in at most this many letters.
fn shortened(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        return text.to_owned();
    }
    text.chars().take(letters.saturating_sub(1)).chain(['…']).collect()
}

fn label(out: &mut String, class: &str, (x, y): (f64, f64), text: &str) {
    let _ = writeln!(
        out,
        "<text class=\"label {class}\" text-anchor=\"middle\" x=\"{x}\" y=\"{y}\">{}</text>",
        Escaped(text)
    );
}

/// The nodes that are drawn: those of the pressures, and then those that buffer most.
fn most_important(map: &ProcessMap, pressures: &[Pressure]) -> BTreeSet<usize> {
    let in_pressures = pressures.iter().flat_map(|pressure| {
        pressure.readers.iter().copied().chain(pressure.hops.iter().map(|hop| hop.process))
    });
    let mut edges: Vec<_> = map.edges.iter().filter(|edge| edge.from != edge.to).collect();
    let rank = |edge: &&ProcessEdge| {
        let of = |flow: &EdgeFlow| flow.queued().unwrap_or(0) as f64 + flow.rate.unwrap_or(0.0);
        of(&edge.to_server) + of(&edge.to_client)
    };
    edges.sort_by(|one, other| rank(other).total_cmp(&rank(one)));
    let mut shown = BTreeSet::new();
    for node in in_pressures.chain(edges.iter().flat_map(|edge| [edge.from, edge.to])) {
        if shown.len() < MAX_NODES {
            shown.insert(node);
        }
    }
    shown
}

/// The layer of each node: one after that of its clients, as far as that is possible where connections form a circle.
fn layers(map: &ProcessMap, shown: &BTreeSet<usize>) -> BTreeMap<usize, usize> {
    let mut layers: BTreeMap<usize, usize> = shown.iter().map(|&node| (node, 0)).collect();
    let deepest = shown.len().min(MAX_LAYERS) - usize::from(!shown.is_empty());
    for _ in 0..deepest {
        for edge in map.edges.iter().filter(|edge| edge.from != edge.to) {
            if let (Some(&from), Some(&to)) = (layers.get(&edge.from), layers.get(&edge.to))
                && to <= from
                && from < deepest
            {
                layers.insert(edge.to, from + 1);
            }
        }
    }
    layers
}

/// Nodes in a drawing: more do not fit on a screen, and are in the table below it.
const MAX_NODES: usize = 24;

/// Layers: longer chains of servers are drawn with several processes in the last layer.
const MAX_LAYERS: usize = 8;

/// Distance between the drawing and its border.
const MARGIN: f64 = 6.0;

/// Bytes per second: smaller changes of memory are not worth a figure.
const MIN_GROWTH: f64 = 16.0 * 1024.0;
