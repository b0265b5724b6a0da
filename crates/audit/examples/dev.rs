#![allow(missing_docs, clippy::unwrap_used)]
use std::sync::atomic::AtomicBool;
use std::time::Duration;
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let split = args.iter().position(|a| a == "--").unwrap();
    let script = args.iter().position(|a| a == "--script").map(|i| args[i + 1].clone()).unwrap();
    let cmd: Vec<std::ffi::OsString> = args[split + 1..].iter().map(|s| s.into()).collect();
    let stop = AtomicBool::new(false);
    let script = echoctl_audit::Script::read(script.as_ref()).unwrap_or_else(|e| panic!("{e}"));
    let target =
        echoctl_audit::Target::start(&cmd, None, Duration::from_secs(90), &stop).unwrap_or_else(|e| {
            eprintln!("{e}");
            std::process::exit(4)
        });
    let mut plan = echoctl_audit::Plan::new(target.addr(), script);
    plan.is_fresh = true;
    plan.pids = target.roots();
    let out = plan.attack(&stop, &mut |_| {});
    match out {
        Ok(o) => {
            if let Ok(p) = std::env::var("EVIDENCE") {
                std::fs::write(p, serde_json::to_string(&o.evidence).unwrap()).unwrap();
            }
            let last = o.evidence.points.last().unwrap();
            let first = o.evidence.points.first().unwrap();
            let j = serde_json::json!({"event":"summary","verdict":o.judgement.verdict,"reason":o.judgement.reason,"accepted":last.sample.s_received,
              "memory_growth": last.sample.server_memory.unwrap_or(0).saturating_sub(first.sample.server_memory.unwrap_or(0)), "t": last.sample.t, "seconds": o.seconds,
              "read_out": o.evidence.read_out.as_ref().map(|r| (r.bytes, r.in_kernels, r.seconds, r.stopped, r.damaged_at)), "bystander": o.bystander, "up": o.upstreams, "hidden": o.evidence.hidden_upstream});
            println!("{j}");
            eprintln!("{:?}", o.evidence.ending);
            use echoctl_record::Verdict::*;
            drop(target);
            std::process::exit(match o.judgement.verdict {
                Unbounded | Crashes | Spills => 1,
                Slow | Inconclusive => 3,
                _ => 0,
            });
        }
        Err(e) => {
            eprintln!("{e}");
            drop(target);
            std::process::exit(4)
        }
    }
}
