//! The server to audit: one that is running, or a command that the audit starts.

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use echoctl_audit::{AuditConfig, Permitted, Script};
use echoctl_trial::spawn::{Launch, ListenAt, Target};

use super::args::Args;
use super::failure::failure;
use crate::address;
use crate::cli::called;
use crate::commands::supervise;
use crate::exit::Failure;
use crate::output;

/// A server that listens and may be attacked.
#[derive(Debug)]
pub(super) struct Server {
    addr: SocketAddr,
    /// The host that requests name.
    host: String,
    /// The command, if the audit started it.
    target: Option<Target>,
}

impl Server {
    /// Starts the command, or else finds the server at the address.
    ///
    /// # Errors
    /// Exit 2 for an address that is invalid or may not be attacked; exit 4 if nothing listens there or the command does not start.
    pub(super) fn start_or_find(args: &Args, stop: &AtomicBool) -> Result<Server, Failure> {
        let given = args.addr();
        if args.command.is_empty() {
            let given = given.as_deref().unwrap_or(address::DEFAULT);
            let found =
                args.consent.find(supported(given)?).map_err(|failure| command_hint(failure, given))?;
            // Watching a process takes a few file descriptors. If the limit cannot be raised, it stays as it is.
            let _ = echoctl_observe::raise_descriptor_limit();
            return Ok(Server { addr: found.first_listening()?, host: host(given), target: None });
        }
        let addr = given.as_deref().map(|addr| args.consent.find(supported(addr)?)).transpose()?;
        let launch = Launch {
            command: args.command.clone(),
            at: addr.map_or(ListenAt::FreePort, |target| ListenAt::Given(target.first().into())),
            ready_timeout: args.ready_timeout,
            supervisor: supervise::words().context("cannot determine the path of this program")?,
            owns_orphans: true,
        };
        let target = Target::start(&launch, stop).map_err(|error| failure(error.into()))?;
        let addr = target.addr().tcp().context("the command has no address of TCP")?;
        let host = host(&given.unwrap_or_else(|| addr.port().to_string()));
        Ok(Server { addr, host, target: Some(target) })
    }

    /// The host that requests name.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The command that started it, or its address.
    pub(super) fn name(&self) -> String {
        self.target.as_ref().map_or_else(|| self.addr.to_string(), |target| target.command().to_owned())
    }

    /// The attack on it with this script: which processes belong to it, and who may listen at its address.
    pub(super) fn attack(&self, args: &Args, script: Script) -> AuditConfig {
        let mut config = args.config(self.addr, script);
        match &self.target {
            Some(target) => {
                config.pids.extend(target.roots());
                config.permitted = Permitted::Target(target.descendants());
                config.is_fresh = true;
                config.printed = Some(target.printed());
            }
            None => {
                config.permitted = args.consent.only_user(self.addr).map_or(Permitted::Any, Permitted::User);
            }
        }
        config
    }

    /// Stops it if the audit started it, and returns its last output.
    pub(super) fn stop(self) -> String {
        let Some(target) = self.target else { return String::new() };
        let output = target.output();
        if let Some(left) = target.stop() {
            output::warning(format_args!("cannot stop {left}: still running, perhaps as another user"));
        }
        output
    }
}

/// The host that requests will name, as far as it is known before the server is started.
pub(super) fn host_before_start(args: &Args) -> String {
    match args.addr() {
        Some(addr) => host(&addr),
        None if args.command.is_empty() => host(address::DEFAULT),
        // Its port is chosen when it is started.
        None => "localhost".to_owned(),
    }
}

/// The host that requests name, for an address as given: a bare port is one of this host.
fn host(addr: &str) -> String {
    let port = addr.strip_prefix(':').unwrap_or(addr);
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if is_port { format!("localhost:{port}") } else { addr.to_owned() }
}

/// Adds a hint if an address looks like a program.
fn command_hint(failure: Failure, addr: &str) -> Failure {
    if std::path::Path::new(addr).is_file() {
        failure.hint(format_args!("to start a server: {} audit -- {addr}", called()))
    } else {
        failure
    }
}

/// Refuses addresses of transports that are not supported.
fn supported(addr: &str) -> Result<&str, Failure> {
    let refused = |what: &str| {
        let failure = Failure::usage(format_args!("{what} not supported"));
        failure.hint("audit the plain TCP port behind it")
    };
    if addr.starts_with("unix:") || addr.starts_with('/') {
        return Err(refused("Unix sockets are"));
    }
    if ["tls:", "https:", "wss:"].iter().any(|scheme| addr.starts_with(scheme)) {
        return Err(refused("TLS is"));
    }
    Ok(addr)
}

#[cfg(test)]
mod tests {
    use echoctl_audit::Preset;

    use super::*;

    #[test]
    fn a_running_server_of_another_user_needs_consent() {
        let server =
            Server { addr: ([127, 0, 0, 1], 7007).into(), host: "localhost:7007".to_owned(), target: None };
        let attack = |options: &[&str]| server.attack(&Args::of(options), Preset::Raw.script("localhost"));

        let (config, with_consent) = (attack(&["--pid", "5"]), attack(&["--allow-other-user"]));

        let own = echoctl_observe::own_uid().map_or(Permitted::Any, Permitted::User);
        assert_eq!((config.pids, config.permitted, config.is_fresh), (vec![5], own, false));
        assert_eq!((with_consent.pids, with_consent.permitted), (Vec::new(), Permitted::Any));
    }

    #[test]
    fn a_port_names_this_host_in_requests() {
        for (addr, expected) in [
            ("8080", "localhost:8080"),
            (":8080", "localhost:8080"),
            ("example.test:80", "example.test:80"),
            ("[::1]:80", "[::1]:80"),
            (":", ":"),
        ] {
            assert_eq!(host(addr), expected);
        }
    }

    #[test]
    fn addresses_of_other_transports_are_refused() {
        for addr in ["unix:/run/x", "/run/x", "https://localhost", "wss:x", "tls:x"] {
            assert!(supported(addr).is_err(), "{addr}");
        }
        assert!(supported("localhost:80").is_ok_and(|addr| addr == "localhost:80"));
    }
}
