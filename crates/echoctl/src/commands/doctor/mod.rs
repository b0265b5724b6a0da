//! `echoctl doctor`: reports what can be measured on this machine, and how accurately.

#[cfg(feature = "live")]
mod class;
mod doors;

use std::fmt;

use echoctl_observe::{
    CensusScope, Cgroup, KernelBuffering, QueueLimits, SelfTest, SocketDiag, SysctlRange, TcpMemory,
    available_memory, listeners, machine, sees_other_users,
};
use echoctl_record::{Bytes, Machine, Rate, SCHEMA_VERSION, Seconds, count};
use serde::Serialize;
use serde_json::Value;

use crate::exit::{Exit, Outcome};
use crate::hidden_listeners::hidden_listeners;
use crate::output::{ignore_broken_pipe, json_line, present, print};
use doors::{DoorState, Doors};

/// Check what can be measured on this machine, and how accurately
///
/// Takes two seconds. A self-test on loopback compares the byte counters of the kernel with those of an echo server that
/// counts for itself. Exits with 3 if the figures cannot be trusted, or if this system does not show the server's end of a
/// connection.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print the result as one JSON object
    #[arg(short = 'J', long, help_heading = "Output")]
    json: bool,

    /// Test what `echoctl class` needs: ports, addresses, memory
    #[cfg(feature = "live")]
    #[arg(long, conflicts_with = "json")]
    class: bool,
}

pub(crate) fn run(args: Args) -> Outcome {
    #[cfg(feature = "live")]
    if args.class {
        return class::run();
    }
    let findings = Findings::gather()?;
    ignore_broken_pipe(if args.json { json_line("summary", &findings.as_json()) } else { print(&findings) })?;
    Ok(if findings.warnings().is_empty() { Exit::Done } else { Exit::Inconclusive })
}

/// What can be measured here, and the results of the self-test.
struct Findings {
    machine: Machine,
    /// Why the server's end of a connection is not visible, if so.
    server_end_hidden: Option<String>,
    sees_other_users: bool,
    /// Number of listening sockets whose processes are not visible, although those of other users are.
    hidden_listeners: usize,
    census: CensusScope,
    doors: Doors,
    available: Option<u64>,
    cgroup: Option<Cgroup>,
    limits: Option<QueueLimits>,
    tcp: Option<TcpMemory>,
    test: SelfTest,
}

impl Findings {
    fn gather() -> Result<Findings, echoctl_observe::Error> {
        Ok(Findings {
            machine: machine(),
            server_end_hidden: SocketDiag::open().err().map(|error| error.to_string()),
            sees_other_users: sees_other_users(),
            hidden_listeners: listeners().map_or(0, |all| {
                all.iter().filter(|listener| sees_other_users() && listener.owners.is_empty()).count()
            }),
            census: CensusScope::here(),
            doors: Doors::here(CensusScope::here()),
            available: available_memory(),
            cgroup: Cgroup::own(),
            limits: QueueLimits::here(),
            // Before the self-test, whose own queues would be included.
            tcp: TcpMemory::now(),
            test: SelfTest::run()?,
        })
    }

    /// Why the figures cannot be trusted; empty if they can.
    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(why) = &self.server_end_hidden {
            warnings.push(format!("the bytes inside a server are not visible: {why}"));
        } else if self.test.stalled_error != Some(0) {
            let wrong = self.test.stalled_error.map_or("-".to_owned(), |bytes| Bytes(bytes).to_string());
            warnings.push(format!("the byte counters were wrong by {wrong} for a stalled echo"));
        } else if !self.test.is_good() {
            warnings.push("the byte counters lag behind a running echo: the machine may be busy".to_owned());
        }
        if let Some(tcp) = self.tcp.filter(|tcp| tcp.utilization() > MAX_TCP_UTILIZATION) {
            warnings.push(format!(
                "other programs' connections use {} of kernel memory; above {} the kernel shrinks all queues",
                Bytes(tcp.used),
                Bytes(tcp.pressure)
            ));
        }
        warnings
    }

    /// Number of stalled connections that bring the kernel to shrink queues. Only the server's end is counted, since clients
    /// are usually on other hosts: its send queue at the maximum, and its receive queue at the initial size.
    fn connections_to_pressure(&self) -> Option<u64> {
        let (limits, tcp) = (self.limits?, self.tcp?);
        let each = limits.send.max + limits.receive.default;
        Some(tcp.pressure.saturating_sub(tcp.used) / each.max(1))
    }

    fn as_json(&self) -> Json<'_> {
        let test = &self.test;
        Json {
            schema_version: SCHEMA_VERSION,
            machine: &self.machine,
            sees_server_end: self.server_end_hidden.is_none(),
            sees_other_users: self.sees_other_users,
            sees_payload: match self.census {
                CensusScope::Everyone => "all_users",
                CensusScope::OwnUser => "own_user",
                CensusScope::Descendants => "descendants",
                CensusScope::Nobody => "none",
            },
            doors: self.doors.list(),
            figures: vec![
                ("memory_available", self.available.map(Value::from)),
                ("cgroup_available", self.cgroup.and_then(|group| group.available).map(Value::from)),
                ("cgroup_sockets", self.cgroup.and_then(|group| group.sockets).map(Value::from)),
                ("tcp_memory", self.tcp.map(|tcp| tcp.used.into())),
                ("tcp_memory_pressure", self.tcp.map(|tcp| tcp.pressure.into())),
                ("sample_cost", Some(test.cost_median.as_secs_f64().into())),
                ("sample_cost_p99", Some(test.cost_p99.as_secs_f64().into())),
                ("stalled_error", test.stalled_error.map(Value::from)),
                ("running_error", test.running_error_median.map(Value::from)),
                ("running_error_p95", test.running_error_p95.map(Value::from)),
                ("running_rate", Some(test.running_rate.into())),
            ],
            trusted: self.warnings().is_empty(),
            warnings: self.warnings(),
        }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for section in [visible(self), here(self), queues(self), tested(&self.test)] {
            writeln!(f, "{}", section.0)?;
        }
        let warnings = self.warnings();
        if warnings.is_empty() {
            return write!(
                f,
                "The figures can be trusted on this machine: the server's end is visible, and\nthe byte counters are \
                 exact for a stalled echo. For a running one their median\nerror, {}, is within the limit of {}.",
                Bytes(self.test.running_error_median.unwrap_or(0)),
                Bytes(SelfTest::RUNNING_TOLERANCE)
            );
        }
        write!(f, "The figures cannot be trusted in full:")?;
        warnings.iter().try_for_each(|doubt| write!(f, "\n  {doubt}"))
    }
}

fn visible(findings: &Findings) -> Section {
    let (linux, doors) = (cfg!(target_os = "linux"), &findings.doors);
    let server = match &findings.server_end_hidden {
        None => "yes: both queues, for any program and user".to_owned(),
        Some(why) => format!("no: {why}"),
    };
    let container = if doors.other_namespaces.is_open() || !doors.namespace_files.is_open() {
        doors.other_namespaces.text()
    } else {
        format!("queues only, for all users; for the rest:\n{}", doors.other_namespaces.key())
    };
    let owners = match hidden_listeners(findings.hidden_listeners, true) {
        Some(hidden) => format!("{}, but\n{}", doors.files.text(), hidden.replace(": ", ":\n")),
        None => doors.files.text(),
    };
    let unless_linux = |text: String, other: &str| if linux { text } else { other.to_owned() };
    let section = Section::new("What is visible here")
        .row("our end of a connection", "yes")
        .row("the server's end of it", server)
        .row("  over Unix sockets", doors.unix_sockets.text())
        .row("  in containers", container)
        .row("name and memory of a process", unless_linux(doors.memory.text(), "memory, given its pid"))
        .row("payload in its memory", doors.payload.text());
    section
        .row("process that has a socket open", unless_linux(owners, "no: use --pid"))
        .row("what a process writes to disk", doors.files.text())
}

fn here(findings: &Findings) -> Section {
    let Machine { system, kernel, architecture, processors, memory, .. } = &findings.machine;
    let kernel = kernel.as_deref().unwrap_or("");
    let memory = memory.zip(findings.available);
    let memory = memory.map(|(all, available)| format!("{}, {} available", Bytes(all), Bytes(available)));
    Section::new("This machine")
        .row("system", format_args!("{system} {kernel}, {architecture}"))
        .row("processors", processors)
        .row_if("memory", memory)
        .row_if("left in the control group", findings.cgroup.and_then(|group| group.available).map(Bytes))
        .row_if("kernel memory of its sockets", findings.cgroup.and_then(|group| group.sockets).map(Bytes))
}

fn queues(findings: &Findings) -> Section {
    let section = Section::new("Kernel queues of one connection");
    let Some(limits) = findings.limits else { return section.row("sizes", "not visible here") };
    let sizes = |SysctlRange { min, default, max }: SysctlRange| {
        format!("{} initially, {} to {}", Bytes(default), Bytes(min), Bytes(max))
    };
    let buffering = KernelBuffering::new(&limits);
    let buffering = format!(
        "{}, if the client never reads: both send\nqueues and the server's receive queue at their\n\
         maximum, the client's receive queue at {}.\nOnly bytes beyond it are surely in the server",
        Bytes(buffering.total()),
        Bytes(buffering.client_receive)
    );
    let tcp = findings.tcp;
    let used =
        tcp.map(|tcp| format!("{} for {} on this host", Bytes(tcp.used), count(tcp.sockets, "socket")));
    let pressure = tcp.map(|tcp| format!("above {}; the maximum is {}", Bytes(tcp.pressure), Bytes(tcp.max)));
    let reached = findings.connections_to_pressure().map(|clients| {
        format!(
            "about {clients} clients on other hosts that never\nread: each fills a send queue ({}) and an\n\
             initial receive queue ({}) of this host",
            Bytes(limits.send.max),
            Bytes(limits.receive.default)
        )
    });
    section
        .row("receive queue", sizes(limits.receive))
        .row("send queue", sizes(limits.send))
        .row("kernel buffering", buffering)
        .row_if("kernel memory of TCP", used)
        .row_if("  memory pressure", pressure)
        .row_if("  pressure is reached by", reached)
}

fn tested(test: &SelfTest) -> Section {
    let [median, p99] = [test.cost_median, test.cost_p99].map(|cost| Seconds(cost.as_secs_f64()));
    let stalled = test
        .stalled_error
        .map(|error| format!("error: {} with {} in flight", Bytes(error), Bytes(test.stalled_bytes)));
    let running = test.running_error_median.zip(test.running_error_p95).map(|(median, p95)| {
        format!("error: median {}, p95 {}\nat {}", Bytes(median), Bytes(p95), Rate(test.running_rate))
    });
    Section::new("The self-test")
        .row("cost of a sample", format_args!("median {median} per connection, p99 {p99}"))
        .row_if("byte counters, stalled echo", stalled)
        .row_if("byte counters, running echo", running)
}

/// A part of the result: a title, rows of a name and a value, and an empty line.
struct Section(String);

impl Section {
    fn new(title: &str) -> Section {
        Section(format!("{title}\n"))
    }

    /// Adds a row. Further lines of the value stand below its first one.
    fn row(mut self, name: &str, value: impl fmt::Display) -> Section {
        for (index, line) in value.to_string().lines().enumerate() {
            let name = if index == 0 { name } else { "" };
            self.0 += &format!("  {name:<31}{line}\n");
        }
        self
    }

    /// Adds a row if there is a value.
    fn row_if(self, name: &str, value: Option<impl fmt::Display>) -> Section {
        match value {
            Some(value) => self.row(name, value),
            None => self,
        }
    }
}

/// The findings for a program. Sizes in bytes, times in seconds.
#[derive(Serialize)]
struct Json<'a> {
    schema_version: u32,
    machine: &'a Machine,
    sees_server_end: bool,
    sees_other_users: bool,
    sees_payload: &'static str,
    doors: [DoorState; 7],
    #[serde(flatten, serialize_with = "present")]
    figures: Vec<(&'static str, Option<Value>)>,
    trusted: bool,
    warnings: Vec<String>,
}

/// Above this fraction of the pressure threshold, a run of many connections may exceed it and get smaller queues.
const MAX_TCP_UTILIZATION: f64 = 0.5;
