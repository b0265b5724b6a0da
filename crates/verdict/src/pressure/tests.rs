//! Maps of small worlds: which process passes pressure on, and which one absorbs it.

use echoctl_record::{EdgeFlow, Fill, NodeKind, ProcessEdge, ProcessNode};

use super::*;

const MIB: f64 = 1024.0 * 1024.0;

/// A map in the making: nodes by their names.
#[derive(Default)]
struct World(ProcessMap);

impl World {
    fn node(&mut self, name: &str) -> usize {
        if let Some(known) = self.0.processes.iter().position(|node| node.name == name) {
            return known;
        }
        let pid = self.0.processes.len() as u32 + 1;
        self.0.processes.push(ProcessNode {
            name: name.to_owned(),
            pids: vec![pid],
            memory: Some(8 << 20),
            memory_growth: Some(0.0),
            growth_seconds: Some(10.0),
            disk_rate: Some(0.0),
            ..ProcessNode::default()
        });
        self.0.processes.len() - 1
    }

    /// A client opened connections to a server, which sends to it.
    fn replies(mut self, server: &str, client: &str, connections: u32, to_client: EdgeFlow) -> World {
        let (from, to) = (self.node(client), self.node(server));
        let to_server = EdgeFlow { rate: Some(0.0), ..EdgeFlow::default() };
        self.0.edges.push(ProcessEdge {
            from,
            to,
            connections,
            to_client,
            to_server,
            ..ProcessEdge::default()
        });
        self
    }

    fn with(mut self, name: &str, change: impl Fn(&mut ProcessNode)) -> World {
        let node = self.node(name);
        change(&mut self.0.processes[node]);
        self
    }

    fn known_for(self, name: &str, seconds: f64) -> World {
        self.with(name, |node| node.growth_seconds = Some(seconds))
    }

    fn grows(self, name: &str, rate: f64) -> World {
        self.with(name, |node| node.memory_growth = Some(rate))
    }

    /// One line per pressure: `readers | process role, process role`.
    fn found(&self) -> Vec<String> {
        let name = |index: usize| self.0.processes[index].name.as_str();
        let names = |nodes: &[usize]| nodes.iter().map(|&node| name(node)).collect::<Vec<_>>().join("+");
        let line = |pressure: &Pressure| {
            let hops: Vec<String> =
                pressure.hops.iter().map(|hop| format!("{} {}", name(hop.process), hop.role)).collect();
            let verb = pressure.begins.verb(pressure.readers.len() > 1);
            format!("{} {verb} | {}", names(&pressure.readers), hops.join(", "))
        };
        pressure(&self.0).iter().map(line).collect()
    }
}

/// One connection is full and has not moved for 12 s.
fn stalled() -> EdgeFlow {
    stalled_of(1)
}

fn stalled_of(held_back: u32) -> EdgeFlow {
    EdgeFlow {
        send_queue: Some(2 << 20),
        receive_queue: Some(1 << 20),
        fill: Fill::Full,
        full: held_back,
        held_back,
        stalled_seconds: Some(12.0),
        rate: Some(0.0),
        held_back_rate: Some(0.0),
        ..EdgeFlow::default()
    }
}

fn slow(rate: f64) -> EdgeFlow {
    EdgeFlow { rate: Some(rate), held_back_rate: Some(rate), stalled_seconds: Some(0.1), ..stalled() }
}

fn flows(rate: f64) -> EdgeFlow {
    EdgeFlow { rate: Some(rate), send_queue: Some(0), receive_queue: Some(0), ..EdgeFlow::default() }
}

/// curl ◄ nginx ◄ api ◄ upstream
fn chain(nginx_to_curl: EdgeFlow, api_to_nginx: EdgeFlow, upstream_to_api: EdgeFlow) -> World {
    World::default()
        .replies("nginx", "curl", 1, nginx_to_curl)
        .replies("api", "nginx", 1, api_to_nginx)
        .replies("upstream", "api", 1, upstream_to_api)
}

#[test]
fn the_process_that_reads_on_and_grows_absorbs() {
    let world = chain(stalled(), stalled(), flows(20.0 * MIB)).grows("api", 19.0 * MIB);

    assert_eq!(world.found(), ["curl does not read | nginx passes pressure on, api absorbs it"]);
}

#[test]
fn a_proxy_that_buffers_absorbs_in_memory_or_on_disk() {
    let world = || chain(stalled(), flows(20.0 * MIB), flows(20.0 * MIB));
    let on_disk = world().with("nginx", |node| node.disk_rate = Some(18.0 * MIB));

    assert_eq!(world().grows("nginx", 20.0 * MIB).found(), ["curl does not read | nginx absorbs it"]);
    assert_eq!(on_disk.found(), ["curl does not read | nginx absorbs it on disk"]);
    assert_eq!(world().found(), ["curl does not read | nginx discards"]);
    // One second of a garbage-collected heap proves nothing.
    assert_eq!(world().known_for("nginx", 1.0).found(), ["curl does not read | nginx reads on"]);
}

#[test]
fn in_a_bounded_chain_pressure_reaches_the_producer() {
    let world = chain(stalled(), stalled(), stalled());
    let expected = "curl does not read | nginx passes pressure on, api passes pressure on, upstream waits";

    assert_eq!(world.found(), [expected]);
}

#[test]
fn a_process_that_stopped_reading_passes_pressure_on() {
    // Before its queues are full.
    let stopped = EdgeFlow { not_read: 1, receive_queue: Some(9000), ..flows(0.0) };
    let world = chain(stalled(), stalled(), stopped);

    assert_eq!(world.found(), ["curl does not read | nginx passes pressure on, api passes pressure on"]);
}

#[test]
fn a_producer_that_goes_on_producing_absorbs_what_it_makes() {
    let world = World::default().replies("ticker", "client", 1, stalled()).grows("ticker", 3.0 * MIB);

    assert_eq!(world.found(), ["client does not read | ticker absorbs it"]);
}

#[test]
fn a_slow_reader_is_told_from_one_that_does_not_read() {
    let world = chain(slow(10_240.0), slow(10_240.0), flows(5.0 * MIB)).grows("api", 5.0 * MIB);

    assert_eq!(world.found(), ["curl reads slowly | nginx passes pressure on, api absorbs it"]);
    assert_eq!(pressure(&world.0)[0].rate, Some(10_240.0));
}

#[test]
fn a_fast_chain_whose_memory_sways_absorbs_nothing() {
    // Everything is full at 300 MiB/s, and the garbage collector of the process in the middle takes 20 MiB/s for some seconds.
    let world = chain(slow(300.0 * MIB), slow(300.0 * MIB), slow(301.0 * MIB)).grows("api", 20.0 * MIB);
    let expected = "curl reads slowly | nginx passes pressure on, api passes pressure on, upstream waits";

    assert_eq!(world.found(), [expected]);
}

#[test]
fn two_absorbers_are_two_results() {
    let world = World::default()
        .replies("nginx", "curl", 1, stalled())
        .replies("api", "nginx", 1, flows(5.0 * MIB))
        .replies("feed", "browser", 1, stalled())
        .replies("source", "feed", 1, flows(9.0 * MIB))
        .grows("nginx", 5.0 * MIB)
        .grows("feed", 9.0 * MIB);

    let expected = ["curl does not read | nginx absorbs it", "browser does not read | feed absorbs it"];
    assert_eq!(world.found(), expected);
}

#[test]
fn pressure_divides_where_two_processes_write_to_one() {
    let world = World::default()
        .replies("hub", "client", 1, stalled())
        .replies("left", "hub", 1, stalled())
        .replies("right", "hub", 1, stalled())
        .replies("source", "right", 1, flows(4.0 * MIB))
        .grows("right", 4.0 * MIB);

    assert_eq!(
        world.found(),
        ["client does not read | hub passes pressure on, left waits, right absorbs it"]
    );
}

#[test]
fn processes_that_wait_for_each_other_are_the_beginning() {
    let both = |world: World, client: &str, server: &str| {
        let mut world = world.replies(server, client, 1, stalled());
        world.0.edges.last_mut().unwrap().to_server = stalled();
        world
    };
    let pair = both(World::default(), "client", "server");
    let three = both(both(World::default(), "client", "proxy"), "proxy", "server");

    assert_eq!(
        pair.found(),
        ["client+server wait for each other | client passes pressure on, server passes pressure on"]
    );
    assert_eq!(pressure(&three.0)[0].readers.len(), 3);
    let circle = World::default().replies("a", "b", 1, stalled()).replies("b", "c", 1, stalled()).replies(
        "c",
        "a",
        1,
        stalled(),
    );
    assert_eq!(pressure(&circle.0)[0].begins, Begins::WaitForEachOther);
    assert_eq!(pressure(&circle.0).len(), 1);
}

#[test]
fn one_stalled_client_of_fifty_is_counted() {
    let fan_out = |inputs: EdgeFlow| {
        World::default()
            .replies("server", "clients", 50, EdgeFlow { rate: Some(49.0 * MIB), ..stalled_of(1) })
            .replies("source", "server", 50, inputs)
    };
    let with_one_input_each = fan_out(EdgeFlow { rate: Some(49.0 * MIB), ..stalled_of(1) });
    let with_one_input_for_all = fan_out(flows(MIB));

    assert_eq!(
        with_one_input_each.found(),
        ["clients does not read | server passes pressure on, source waits"]
    );
    let hop = &pressure(&with_one_input_each.0)[0].hops[0];
    assert_eq!((hop.held_back, hop.connections), (1, 50));
    assert_eq!(with_one_input_for_all.found(), ["clients does not read | server serves others"]);
    let dropped = fan_out(flows(MIB)).grows("server", 2.0 * MIB);
    assert_eq!(dropped.found(), ["clients does not read | server absorbs it"]);
}

#[test]
fn readers_that_hold_the_same_processes_back_are_one_result() {
    let world = World::default()
        .replies("server", "one", 1, stalled())
        .replies("server", "two", 1, stalled())
        .replies("server", "three", 5, flows(MIB));

    assert_eq!(world.found(), ["one+two do not read | server waits"]);
    assert_eq!(pressure(&world.0)[0].hops[0].held_back, 2);
}

#[test]
fn what_is_not_visible_is_said() {
    let remote = |world: World, name: &str, kind| world.with(name, |node| node.kind = kind);
    let world = remote(chain(stalled(), stalled(), stalled()), "api", NodeKind::OtherUser);
    let elsewhere = remote(chain(stalled(), stalled(), stalled()), "upstream", NodeKind::Remote);
    let unmeasured = chain(stalled(), flows(MIB), flows(MIB)).with("nginx", |node| node.memory_growth = None);

    assert_eq!(world.found(), ["curl does not read | nginx passes pressure on, api not visible here"]);
    let expected =
        "curl does not read | nginx passes pressure on, api passes pressure on, upstream not visible here";
    assert_eq!(elsewhere.found(), [expected]);
    assert_eq!(unmeasured.found(), ["curl does not read | nginx reads on"]);
}

#[test]
fn suspended_silent_and_unaccepting_readers_are_told_apart() {
    let suspended = chain(stalled(), flows(0.0), flows(0.0)).with("curl", |node| node.is_suspended = true);
    let silent = chain(EdgeFlow { unanswered: 1, ..stalled() }, flows(0.0), flows(0.0));
    let mut queued = World::default().replies("server", "client", 1, flows(0.0));
    queued.0.edges[0].to_server = stalled();
    queued.0.edges[0].in_accept_queue = 1;

    assert_eq!(suspended.found(), ["curl is suspended | nginx waits"]);
    assert_eq!(silent.found(), ["curl does not answer | nginx waits"]);
    assert_eq!(queued.found(), ["server does not accept the connections | client waits"]);
}

#[test]
fn an_idle_host_has_no_pressure() {
    assert_eq!(chain(flows(0.0), flows(0.0), flows(0.0)).found(), [""; 0]);
    assert_eq!(chain(flows(9.0 * MIB), flows(9.0 * MIB), flows(9.0 * MIB)).found(), [""; 0]);
    let to_itself = World::default().replies("one", "one", 1, stalled());
    assert_eq!(to_itself.found(), [""; 0]);
    assert_eq!(pressure(&ProcessMap::default()), []);
}

#[test]
fn recorded_chains_are_judged_as_they_were_built() {
    // Client ◄ nginx ◄ Node.js ◄ upstream, of which the client does not read: recorded by `watch --map`.
    let cases = [
        // Without buffering in nginx, and in Node.js `data` events with `write`.
        (
            include_str!("recordings/nginx-node-without-pipe.json"),
            "nginx passes pressure on, node api.js absorbs it",
        ),
        // The same with `pipe`.
        (
            include_str!("recordings/nginx-node-with-pipe.json"),
            "nginx passes pressure on, node api.js passes pressure on, python3 upstream.py waits",
        ),
        // With buffering in nginx, whose replies exceed its memory buffers.
        (include_str!("recordings/nginx-with-buffering.json"), "nginx absorbs it on disk"),
    ];
    for (recording, expected) in cases {
        let world = World(serde_json::from_str(recording).unwrap());

        assert_eq!(world.found(), [format!("python3 noread.py does not read | {expected}")]);
    }
}
