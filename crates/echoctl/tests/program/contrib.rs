//! Promise: the files in `contrib/` use metrics that are exported, and options that exist.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::peer::{echoctl, text};
use crate::scraped::exporter;

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contrib").join(path)).unwrap()
}

/// The names of metrics in an expression: whatever has one of our prefixes.
fn metrics_in(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_ours =
        |word: &&str| ["tcp_", "process_tree_", "echoctl_"].iter().any(|prefix| word.starts_with(prefix));
    words.filter(is_ours).map(str::to_owned).collect()
}

#[test]
fn every_expression_uses_exported_metrics() {
    let server = exporter(&["serve", "--addr", "0"]);
    let exported: BTreeSet<String> = server.scrape().names().into_iter().collect();
    let dashboard: Value = serde_json::from_str(&file("grafana/dashboard.json")).unwrap();
    let mut expressions = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{panel:#}");
        expressions.extend(targets.iter().map(|target| target["expr"].as_str().unwrap().to_owned()));
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        expressions.extend(variable["query"]["query"].as_str().map(str::to_owned));
    }
    let rules = file("prometheus/rules.yml");
    let of_rules = rules.split("expr: ").skip(1).map(|rest| rest.split("for: ").next().unwrap().to_owned());
    expressions.extend(of_rules);

    let mut used = BTreeSet::new();
    for expression in &expressions {
        let metrics = metrics_in(expression);
        assert!(
            !metrics.is_empty() && metrics.is_subset(&exported),
            "{expression} has a metric that is not in {exported:?}"
        );
        used.extend(metrics);
    }
    let unused: Vec<&String> = exported.difference(&used).collect();
    assert_eq!(
        unused,
        ["echoctl_build_info", "echoctl_server_buffered_bytes"],
        "the dashboard shows all others"
    );
}

#[test]
fn the_dashboard_is_a_model_of_grafana_10() {
    let dashboard: Value = serde_json::from_str(&file("grafana/dashboard.json")).unwrap();

    assert!(dashboard["schemaVersion"].as_u64() >= Some(38) && dashboard["id"].is_null());
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    for panel in panels {
        let place = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(place("x") + place("w") <= 24 && place("h") > 0, "{panel:#}");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "the user chooses it");
        assert!(["title", "description"].iter().all(|text| !panel[*text].as_str().unwrap().is_empty()));
    }
}

#[test]
fn every_option_in_a_manifest_exists() {
    for (path, command) in [("kubernetes/daemonset.yaml", "watch"), ("kubernetes/job.yaml", "flood")] {
        let manifest = file(path);
        let help = text(&echoctl(&[command, "--help"]).output().unwrap().stdout);

        let arguments = manifest.lines().filter_map(|line| line.trim().strip_prefix("- "));
        let options: Vec<&str> = arguments.clone().filter(|argument| argument.starts_with("--")).collect();

        assert!(arguments.clone().any(|argument| argument == command) && !options.is_empty(), "{path}");
        for option in options {
            assert!(
                help.contains(&format!("{option}\n")) || help.contains(&format!("{option} ")),
                "{path}: {option}"
            );
        }
    }
    assert!(file("systemd/echoctl-watch.service").contains("echoctl watch --metrics 127.0.0.1:9646\n"));
}
