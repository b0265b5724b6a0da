//! The server to audit: one that is running, or a command that the audit starts.

use std::sync::atomic::AtomicBool;

use anyhow::Context;
use echoctl_audit::{AuditConfig, Permitted, Script};
use echoctl_observe::ServerAddr;
use echoctl_trial::spawn::{Launch, ListenAt, Target};

use super::args::Args;
use super::destination::Destination;
use super::failure::{self, failure};
use super::start::Start;
use crate::cli::called;
use crate::commands::supervise;
use crate::exit::{Exit, Failure};
use crate::output;

/// A server that listens and may be attacked.
#[derive(Debug)]
pub(super) struct Server {
    addr: ServerAddr,
    /// The host that requests name.
    host: String,
    /// The command, if the audit started it.
    target: Option<Target>,
}

impl Server {
    /// Starts the command, or else finds the server at the address.
    ///
    /// # Errors
    /// Exit 2 for an address that may not be attacked; exit 4 if nothing listens there or the command does not start.
    pub(super) fn start_or_find(args: &Args, at: &Destination, stop: &AtomicBool) -> Result<Server, Failure> {
        if args.command.is_empty() { Server::find(args, at) } else { Server::start(args, at, stop) }
    }

    fn find(args: &Args, at: &Destination) -> Result<Server, Failure> {
        let addr = match (at, at.addr(Start::Running)) {
            (Destination::Unix(addr), _) => {
                args.consent.check_unix(addr).map_err(start_hint)?;
                addr.clone()
            }
            (_, given) => {
                let given = given.context("there is no address")?;
                let found = args.consent.find(&given).map_err(|failure| command_hint(failure, &given))?;
                found.first_listening().map_err(start_hint)?.into()
            }
        };
        // Watching a process takes a few file descriptors. If the limit cannot be raised, it stays as it is.
        let _ = echoctl_observe::raise_descriptor_limit();
        Ok(Server { host: at.host(port(&addr)), addr, target: None })
    }

    fn start(args: &Args, at: &Destination, stop: &AtomicBool) -> Result<Server, Failure> {
        let listen_at = match (at, at.addr(Start::ByCommand)) {
            (Destination::Unix(addr), _) => ListenAt::Given(addr.clone()),
            (Destination::FreshUnix, _) => ListenAt::FreePath,
            (_, Some(given)) => ListenAt::Given(args.consent.find(&given)?.first().into()),
            (_, None) => ListenAt::FreePort,
        };
        let launch = Launch {
            command: args.command.clone(),
            at: listen_at,
            ready_timeout: args.ready_timeout,
            supervisor: supervise::words().context("cannot determine the path of this program")?,
            // A client is another child of this process.
            owns_orphans: args.client.command().is_none(),
        };
        let target = Target::start(&launch, stop).map_err(|error| failure(error.into()))?;
        let addr = target.addr().clone();
        Ok(Server { host: at.host(port(&addr)), addr, target: Some(target) })
    }

    /// Whether the audit started it.
    pub(super) fn is_own(&self) -> bool {
        self.target.is_some()
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
    pub(super) fn attack(&self, args: &Args, at: &Destination, script: Script) -> AuditConfig {
        let mut config = args.config(self.addr.clone(), script);
        config.trust = args.tls.trust(&self.addr);
        config.server_name = at.server_name();
        match &self.target {
            Some(target) => {
                config.pids.extend(target.roots());
                config.permitted = Permitted::Target(target.descendants());
                config.is_fresh = true;
                config.printed = Some(target.printed());
            }
            None => {
                config.permitted = args.consent.only_user(&self.addr).map_or(Permitted::Any, Permitted::User);
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

fn port(addr: &ServerAddr) -> Option<u16> {
    addr.tcp().map(|addr| addr.port())
}

/// Adds a hint if an address looks like a program.
fn command_hint(failure: Failure, addr: &str) -> Failure {
    if std::path::Path::new(addr).is_file() {
        failure.hint(format_args!("to start a server: {} audit -- {addr}", called()))
    } else {
        failure
    }
}

/// Says that the server may be started by the audit, if nothing listens.
fn start_hint(failure: Failure) -> Failure {
    match failure.exit() {
        Exit::Unreachable => failure.hint(failure::start_hint()),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use echoctl_audit::Preset;

    use super::*;

    #[test]
    fn a_running_server_of_another_user_needs_consent() {
        let addr = ServerAddr::Tcp(([127, 0, 0, 1], 7007).into());
        let server = Server { addr, host: "localhost:7007".to_owned(), target: None };
        let attack = |options: &[&str]| {
            server.attack(&Args::of(options), &Destination::FreePort, Preset::Raw.script("localhost"))
        };

        let (config, with_consent) = (attack(&["--pid", "5"]), attack(&["--allow-other-user"]));

        let own = echoctl_observe::own_uid().map_or(Permitted::Any, Permitted::User);
        assert_eq!((config.pids, config.permitted, config.is_fresh), (vec![5], own, false));
        assert_eq!((with_consent.pids, with_consent.permitted), (Vec::new(), Permitted::Any));
    }
}
