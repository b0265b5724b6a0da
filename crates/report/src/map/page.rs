//! A map as a page: the sentences, the drawing, and the figures of all processes and connections.

use echoctl_record::{Bytes, EdgeFlow, Fill, Pressure, ProcessMap, Rate, Transport};

use super::picture::{Layout, picture};
use super::sentence::{NO_PRESSURE, idle, name, pressure_sentence};
use crate::draw::{Block, Drawing};
use crate::model::table::ABSENT;
use crate::{Page, Section, Table};

/// The page of a map.
pub fn map_page(map: &ProcessMap, pressures: &[Pressure]) -> Page {
    let mut sentences = pressures.iter().map(|pressure| pressure_sentence(map, pressure));
    let lead = sentences.next().unwrap_or_else(|| NO_PRESSURE.to_owned());
    let mut page = Page::new("Backpressure between processes", lead);
    for sentence in sentences {
        page = page.open(Block::Paragraph(sentence));
    }
    if !map.edges.is_empty() {
        page = page.open(Block::Drawing(Drawing {
            wide: picture(map, pressures, Layout::Across, "map-wide"),
            narrow: picture(map, pressures, Layout::Down, "map-narrow"),
            caption: CAPTION.to_owned(),
        }));
    }
    let section = Section::new("Connections").table(connections(map)).paragraph(HELD_BACK);
    let idle = idle(map).map_or(String::new(), |idle| format!(" Not listed: {idle}."));
    page.section(section)
        .section(Section::new("Processes").table(processes(map)).paragraph(format!("{GROWTH}{idle}")))
}

fn connections(map: &ProcessMap) -> Table {
    let head = ["From", "To", "Address", "Number", "Bytes to", "Queued", "Held back", "Read"];
    let mut table = Table::new("", head);
    for edge in &map.edges {
        let (from, to) = (name(map, edge.from), name(map, edge.to));
        let transport = if edge.transport == Transport::Unix { "unix " } else { "" };
        let directions = [("server", &edge.to_server), ("client", &edge.to_client)];
        let is_idle = |flow: &EdgeFlow| flow.fill == Fill::Empty && flow.rate.unwrap_or(0.0) == 0.0;
        // A direction in which nothing is queued or flows needs no row of its own.
        let busy: Vec<_> = directions.into_iter().filter(|(_, flow)| !is_idle(flow)).collect();
        for (reader, flow) in if busy.is_empty() { directions[..1].to_vec() } else { busy } {
            table = table.row([
                from.clone(),
                to.clone(),
                format!("{transport}{}", edge.address),
                edge.connections.to_string(),
                reader.to_owned(),
                flow.queued().map_or(ABSENT.to_owned(), |bytes| Bytes(bytes).to_string()),
                flow.held_back.to_string(),
                flow.rate.map_or(ABSENT.to_owned(), |rate| Rate(rate).to_string()),
            ]);
        }
    }
    table
}

fn processes(map: &ProcessMap) -> Table {
    let mut table = Table::new("", ["Process", "Memory", "Growth", "Written to disk", "Listens at"]);
    for (index, node) in map.processes.iter().enumerate() {
        let rate = |rate: Option<f64>| rate.map_or(ABSENT.to_owned(), |rate| Rate(rate).to_string());
        table = table.row([
            name(map, index),
            node.memory.map_or(ABSENT.to_owned(), |bytes| Bytes(bytes).to_string()),
            rate(node.memory_growth),
            rate(node.disk_rate),
            node.listen.join(", "),
        ]);
    }
    table
}

const CAPTION: &str = "Each box is a process or the workers of one server; a client is before the server that it connects to. A line \
    shows the bytes in the queues of all connections between two processes. A thick line is held back: its writer cannot write, \
    because the reader to which the arrow points does not read, or reads more slowly.";

const HELD_BACK: &str = "A connection is held back if its writer could not write for most of the last second: its send queue is full, \
    or the receive window of its reader is closed.";

const GROWTH: &str = "Growth and disk writes are averages over the last 10 s.";
