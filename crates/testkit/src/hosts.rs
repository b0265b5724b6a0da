//! Several hosts, each a network namespace with a name and an address of its own, for tests of programs on several machines.
//!
//! A test that needs them runs itself again in a network namespace of its own, which is the router between them.

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use crate::elsewhere::{is_alone, run, run_alone};
use crate::{Running, eventually};

/// Hosts that reach each other.
#[derive(Debug)]
pub struct Hosts {
    /// A process in the namespaces of each.
    keepers: Vec<Running>,
}

impl Hosts {
    /// Hosts of these names, for the test of this name.
    ///
    /// `None` in a process that is done: the test has run in another one, or is not possible here, for the reason that `skip` gets.
    pub fn start(test: &str, names: &[&str], skip: fn(&str)) -> Option<Hosts> {
        if !is_alone() {
            run_alone(test, skip);
            return None;
        }
        run("ip", &["link", "set", "lo", "up"]);
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("the namespace is our own");
        let keepers = names.iter().enumerate().map(|(number, name)| keeper(number, name)).collect();
        Some(Hosts { keepers })
    }

    /// The address of a host.
    pub fn addr(&self, number: usize) -> Ipv4Addr {
        Ipv4Addr::new(10, 78, number as u8, 2)
    }

    /// A program on a host.
    pub fn command(&self, number: usize, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.keepers[number].pid().to_string(), "-n", "-u", program]);
        command.stdin(Stdio::null());
        command
    }
}

/// Starts a process in new namespaces and connects it to this one.
fn keeper(number: usize, name: &str) -> Running {
    let own = namespace("self");
    let mut unshare = Command::new("unshare");
    let named = format!("echo {name} > /proc/sys/kernel/hostname && exec sleep 1000");
    let running = Running::start(unshare.args(["--net", "--uts", "sh", "-c", &named]).stdin(Stdio::null()));
    let pid = running.pid().to_string();
    eventually("the host has its namespaces", || {
        let host = Command::new("nsenter").args(["-t", &pid, "-u", "hostname"]).output();
        let is_named = host.is_ok_and(|host| host.stdout.trim_ascii() == name.as_bytes());
        is_named && namespace(&pid).is_some_and(|namespace| Some(namespace) != own)
    });
    let (near, subnet) = (format!("near{number}"), format!("10.78.{number}"));
    let inside = |arguments: &[&str]| run("nsenter", &[&["-t", &pid, "-n", "ip"], arguments].concat());
    run("ip", &["link", "add", &near, "type", "veth", "peer", "name", "far", "netns", &pid]);
    run("ip", &["addr", "add", &format!("{subnet}.1/30"), "dev", &near]);
    run("ip", &["link", "set", &near, "up"]);
    inside(&["link", "set", "lo", "up"]);
    inside(&["addr", "add", &format!("{subnet}.2/30"), "dev", "far"]);
    inside(&["link", "set", "far", "up"]);
    inside(&["route", "add", "default", "via", &format!("{subnet}.1")]);
    running
}

/// What identifies the network namespace of a process.
fn namespace(pid: &str) -> Option<std::path::PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/ns/net")).ok()
}
