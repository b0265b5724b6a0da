//! Promise: the alert rules in `contrib/prometheus` fire in a real Prometheus for a client that stalls while the server's memory
//! grows, and not for a server that makes such a client wait.
//!
//! Skipped where `prometheus` is not installed.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use echoctl_testkit::{Running, eventually};
use serde_json::Value;

use crate::scraped::{Exporter, exporter, get, label, try_get};

const ALERT: &str = "EchoctlMemoryGrowsForStalledClient";

#[test]
fn an_alert_fires_for_memory_that_grows_for_a_stalled_client() {
    if !is_installed("prometheus") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (bounded, unbounded) = (server("await"), server("off"));
    let watch = exporter(&["watch"]);
    let prometheus = Prometheus::start(folder.path(), &[watch.addr, bounded.metrics(), unbounded.metrics()]);
    let _held_back = never_reads(bounded.addr);
    prometheus.until(&stalled(&bounded), |values| values.iter().all(|value| *value == 1.0));
    let _buffered = never_reads(unbounded.addr);

    let fires =
        |alert: &Value| alert["state"] == "firing" && alert["labels"]["listen"] == unbounded.addr.to_string();
    let alert = eventually("the alert fires", || prometheus.alerts(ALERT).into_iter().find(fires));

    let labels = &alert["labels"];
    assert_eq!((&labels["process"], &labels["severity"]), (&"echoctl".into(), &"critical".into()));
    assert_eq!(
        alert["annotations"]["summary"],
        format!("echoctl ({}) buffers what clients do not read (1 stalled)", unbounded.addr)
    );
    // On a busy machine a stall may be interrupted. One that lasts for as long as the rule looks back would be enough for an alert.
    prometheus.until(&format!("min_over_time({}[10s])", stalled(&bounded)), |values| {
        values.iter().all(|value| *value == 1.0)
    });
    // The watch of the host also sees the servers of other tests.
    let alerts = prometheus.alerts(ALERT);
    let waits = bounded.addr.to_string();
    assert!(
        alerts.iter().all(|alert| alert["labels"]["listen"] != waits),
        "it makes its client wait: {alerts:#?}"
    );
    let up = prometheus.query("up");
    assert!(up.len() == 3 && up.iter().all(|value| *value == 1.0), "every scrape succeeds: {up:?}");
}

#[test]
fn the_rules_pass_their_own_tests() {
    if !is_installed("promtool") {
        return;
    }
    for arguments in [["check", "rules", "rules.yml"], ["test", "rules", "rules_test.yml"]] {
        let output = Command::new("promtool").args(arguments).current_dir(rules_folder()).output().unwrap();

        let printed = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {printed}");
    }
}

#[test]
fn promtool_accepts_the_metrics() {
    if !is_installed("promtool") {
        return;
    }
    let server = server("await");
    let metrics = server.exporter.scrape();

    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = command.spawn().unwrap();
    promtool.stdin.take().unwrap().write_all(metrics.0.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();

    let printed = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && printed.is_empty(), "{printed}\n{}", metrics.0);
}

/// An echo server with this policy, which serves its own metrics too.
fn server(policy: &str) -> Server {
    let exporter = exporter(&["serve", "--addr", "0", "--framing", "raw", "--backpressure", policy]);
    let greeting = eventually("it listens", || {
        exporter.lines.try_iter().find_map(|line| Some(line.strip_prefix("listening on ")?.to_owned()))
    });
    let addr = greeting.split_once(' ').expect("an address and its settings").0.parse().unwrap();
    Server { exporter, addr }
}

struct Server {
    exporter: Exporter,
    addr: SocketAddr,
}

impl Server {
    fn metrics(&self) -> SocketAddr {
        self.exporter.addr
    }
}

/// The stalled clients of a server, as a query.
fn stalled(server: &Server) -> String {
    format!("tcp_listener_stalled_connections{{by=\"client\",{}}}", label("listen", server.addr))
}

/// A client that sends 3 MiB/s, as long as the server takes it, and never reads. It ends with the server.
fn never_reads(addr: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(addr).unwrap();
    let mut writer = client.try_clone().unwrap();
    std::thread::spawn(move || {
        while writer.write_all(&[7; 1 << 16]).is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    client
}

/// A Prometheus with our rules, which scrapes and evaluates them every second.
struct Prometheus {
    _running: Running,
    addr: SocketAddr,
}

impl Prometheus {
    fn start(folder: &Path, targets: &[SocketAddr]) -> Prometheus {
        let rules = fs::read_to_string(rules_folder().join("rules.yml")).unwrap();
        fs::write(folder.join("rules.yml"), hurried(&rules)).unwrap();
        let targets: Vec<String> = targets.iter().map(|addr| format!("'{addr}'")).collect();
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [rules.yml]\nscrape_configs:\n  \
             - job_name: echoctl\n    static_configs: [{{targets: [{}]}}]\n",
            targets.join(", ")
        );
        fs::write(folder.join("prometheus.yml"), config).unwrap();
        // Another program may get the port in between: then Prometheus ends, and is started again.
        let mut started = Prometheus::run(folder);
        eventually("Prometheus is ready", || {
            if !started._running.is_running() {
                started = Prometheus::run(folder);
            }
            try_get(started.addr, "/-/ready").is_ok()
        });
        started
    }

    fn run(folder: &Path) -> Prometheus {
        let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", folder.join("prometheus.yml").display()));
        command.arg(format!("--storage.tsdb.path={}", folder.join("data").display()));
        command.arg(format!("--web.listen-address={addr}"));
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Prometheus { _running: Running::start(&mut command), addr }
    }

    /// The values that a query has now.
    fn query(&self, query: &str) -> Vec<f64> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let answer = self.api(&format!("query?query={encoded}"));
        let series = answer["data"]["result"].as_array().expect("a vector");
        series.iter().map(|series| series["value"][1].as_str().unwrap().parse().unwrap()).collect()
    }

    /// Waits until a query has values that fit.
    #[track_caller]
    fn until(&self, query: &str, fits: impl Fn(&[f64]) -> bool) {
        eventually(query, || {
            let values = self.query(query);
            !values.is_empty() && fits(&values)
        });
    }

    /// The pending and firing alerts of this name.
    fn alerts(&self, name: &str) -> Vec<Value> {
        let answer = self.api("alerts");
        let alerts = answer["data"]["alerts"].as_array().expect("a list").clone();
        alerts.into_iter().filter(|alert| alert["labels"]["alertname"] == name).collect()
    }

    fn api(&self, request: &str) -> Value {
        serde_json::from_str(&get(self.addr, &format!("/api/v1/{request}"))).unwrap()
    }
}

/// Rules that decide in seconds what they otherwise decide in minutes.
fn hurried(rules: &str) -> String {
    let hurried = rules.replace("[5m]", "[8s]").replace("for: 2m", "for: 2s").replace("for: 1m", "for: 1s");
    let is_slow =
        |line: &&str| line.trim().starts_with("for: ") && !line.ends_with('s') || line.contains("m]");
    assert_eq!(hurried.lines().find(is_slow), None, "every time is shortened");
    hurried
}

fn rules_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contrib/prometheus")
}

fn is_installed(program: &str) -> bool {
    let is_there = Command::new(program).arg("--version").output().is_ok();
    if !is_there {
        eprintln!("skipped: {program} is not installed");
    }
    is_there
}
