//! Nothing is sent to another host without consent, however its address is spelt.
//!
//! In a network namespace with one route to the outside, which counts every packet and drops it.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::case::{Case, case, quick};
use super::kit::{Findings, Host, Tunnel, World, wait_until, within};

pub(super) const CASES: &[Case] = &[
    quick("another-host-in-every-spelling", spellings),
    quick("an-address-of-this-host-beside-its-loopback", own_address),
    case("an-address-from-the-environment", environment),
    case("a-name-with-a-harmless-and-another-address", mixed),
    case("with-consent-it-is-sent", consent),
];

/// The names of the other host and of this one in `/etc/hosts`.
const HOSTS: &str = "127.0.0.1 here\n192.0.2.9 remote localhost.remote\n192.0.2.9 localhost\n\
                     127.0.0.1 both\n192.0.2.9 both\n::ffff:192.0.2.9 mapped\n";

fn host() -> Host {
    Host { hosts: Some(HOSTS), ..Host::default() }
}

fn spellings(world: &World) -> Result<()> {
    within(world, &host(), || {
        let tunnel = Tunnel::open()?;
        let spellings = [
            "192.0.2.9:80",
            "[::ffff:192.0.2.9]:80",
            "[::ffff:c000:209]:80",
            "[::192.0.2.9]:80",
            "0300.0.02.011:80",
            "0xc0.0.2.9:80",
            "0xc0000209:80",
            "3221225993:80",
            "192.521:80",
            "127.0.0.1@192.0.2.9:80",
            "user:pass@192.0.2.9:80",
            "192.0.2.9.:80",
            "192.0.2.9#127.0.0.1:80",
            "remote:80",
            "REMOTE:80",
            "remote.:80",
            "localhost.remote:80",
            "localhost:80",
            "mapped:80",
            "64:ff9b::192.0.2.9:80",
            "[64:ff9b::c000:209]:80",
            "[fe80::1%lo]:80",
            "[fe80::1]:80",
            "255.255.255.255:80",
            "224.0.0.1:80",
            "[ff02::1]:80",
            "http://192.0.2.9:80",
            " 192.0.2.9:80",
            "192.0.2.9 :80",
        ];
        let mut findings = Findings::default();
        findings.each(&spellings, |spelling| (*spelling).to_owned(), |spelling| refused(world, spelling));
        findings.verdict()?;
        ensure!(tunnel.sent() == 0, "{} packets were sent", tunnel.sent());
        Ok(())
    })
}

/// Every command that sends refuses to send there.
fn refused(world: &World, addr: &str) -> Result<()> {
    let flood = world.echoctl(&["flood", "--for", "300ms", "--no-read", "--", addr]).start()?;
    let ping = world.echoctl(&["ping", "--count", "1", "--", addr]).start()?;
    let audit = world.echoctl(&["audit", "--for", "300ms", addr]).start()?;
    for running in [flood, ping, audit] {
        running.end(SOON)?.with_code(&[2, 4])?;
    }
    Ok(())
}

/// This host's address on a network is not on its loopback: other hosts may be behind it, as with a forwarded port.
fn own_address(world: &World) -> Result<()> {
    within(world, &host(), || {
        let _tunnel = Tunnel::open()?;
        let listener = TcpListener::bind("192.0.2.1:0")?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let mut findings = Findings::default();
        for addr in [
            format!("192.0.2.1:{port}"),
            format!("[::ffff:192.0.2.1]:{port}"),
            format!("0.0.0.0:{port}"),
            format!("[::]:{port}"),
        ] {
            for command in [
                &["flood", &addr, "--for", "300ms"][..],
                &["ping", &addr, "--count", "1"],
                &["audit", &addr, "--for", "300ms"],
            ] {
                let ended = world.echoctl(command).run(SOON)?;
                let result = ended.with_code(&[2, 4]).and_then(|()| {
                    ensure!(listener.accept().is_err(), "it connected: {ended}");
                    Ok(())
                });
                findings.add(format!("{} {addr}", command[0]), result);
            }
        }
        findings.verdict()
    })
}

fn environment(world: &World) -> Result<()> {
    within(world, &host(), || {
        let tunnel = Tunnel::open()?;
        for command in [&["flood", "--for", "300ms"][..], &["ping", "--count", "1"]] {
            let ended = world.echoctl(command).env("ECHOCTL_ADDR", "192.0.2.9:80").run(SOON)?;
            ended.with_code(&[2])?;
            ensure!(tunnel.sent() == 0, "{} packets were sent: {ended}", tunnel.sent());
        }
        Ok(())
    })
}

/// The guard checks each address of a name, not only the first: if the loopback refuses, the next one is not tried.
fn mixed(world: &World) -> Result<()> {
    within(world, &host(), || {
        let tunnel = Tunnel::open()?;
        for command in [
            &["flood", "both:80", "--for", "300ms"][..],
            &["ping", "both:80", "--count", "1"],
            &["audit", "both:80", "--for", "300ms"],
        ] {
            let ended = world.echoctl(command).run(SOON)?;
            ended.with_code(&[2, 4])?;
            ensure!(tunnel.sent() == 0, "{} packets were sent: {ended}", tunnel.sent());
        }
        Ok(())
    })
}

/// The counter works: packets that consent allows are counted.
fn consent(world: &World) -> Result<()> {
    within(world, &host(), || {
        let tunnel = Tunnel::open()?;
        let command = ["ping", "192.0.2.9:80", "--count", "1", "--allow-remote", "--timeout", "500ms"];
        let ping = world.echoctl(&command).start()?;
        ensure!(wait_until(SOON, || tunnel.sent() > 0), "nothing was sent: {:?}", ping.printed());
        Ok(())
    })
}

/// Maximum time for a refusal, and for names that do not resolve, on a busy machine.
const SOON: Duration = Duration::from_secs(30);
