//! Dependencies between the crates run one way, and versions and lints are declared only in the root manifest.
//!
//! ```text
//! proto  <- server, client          record <- observe, verdict, report, live   echoctl -> all
//! client, observe, verdict <- trial <- audit <- lab                      bench   -> observe, proto, report, trial, verdict
//! ```
//!
//! What is absent is the point: `proto` and `record` depend on no other crate, `observe` measures without a rule, `verdict` judges
//! without a kernel, and both know nothing of our own server and client; no crate depends on `bench`, which only has programs. A test
//! that needs a forbidden crate belongs in a higher crate.

use super::Finding;
use super::tree::{File, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.members().flat_map(|manifest| [dependencies(manifest), lints(manifest)].concat()).collect()
}

/// For each crate, those of ours that it may depend on, in tests too. Tests may use `testkit` as well, in every crate.
const ARROWS: [(&str, &[&str]); 16] = [
    ("proto", &[]),
    ("http2", &[]),
    ("record", &[]),
    ("server", &["proto"]),
    ("client", &["proto"]),
    ("observe", &["record"]),
    ("verdict", &["record"]),
    ("report", &["record"]),
    ("live", &["record"]),
    ("trial", &["client", "observe", "record", "verdict"]),
    ("audit", &["http2", "observe", "record", "trial", "verdict"]),
    (
        "lab",
        &["audit", "client", "http2", "observe", "proto", "record", "report", "server", "trial", "verdict"],
    ),
    (
        "echoctl",
        &[
            "audit", "client", "lab", "live", "observe", "proto", "record", "report", "server", "trial",
            "verdict",
        ],
    ),
    ("bench", &["observe", "proto", "report", "trial", "verdict"]),
    ("testkit", &[]),
    ("xtask", &[]),
];

/// External dependencies that only some crates may use, and why.
const RESERVED: [(&str, &[&str], &str); 3] = [
    ("anyhow", &["echoctl", "bench", "xtask"], "a library's errors are enums that its caller can match on"),
    ("clap", &["echoctl"], "only `echoctl` parses a command line"),
    (
        "tokio",
        &["server", "client", "trial", "lab", "live", "echoctl", "bench", "http2"],
        "the other crates work with any runtime, or with none (`http2` only tests with one)",
    ),
];

fn dependencies(manifest: &File) -> Vec<Finding> {
    let member = manifest.member();
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == member) else {
        let what = format!("the crate `{member}` is unknown");
        return vec![Finding::new(
            &manifest.path,
            1,
            what,
            "list the crates that it may depend on in arrows.rs",
        )];
    };
    let mut findings = Vec::new();
    for entry in entries(&manifest.text) {
        let mut find = |what: String, remedy: &str| {
            findings.push(Finding::new(&manifest.path, entry.line, what, remedy));
        };
        match entry.name.strip_prefix("echoctl-") {
            Some("testkit") if entry.is_dev => {}
            Some("testkit") => {
                let what = format!("`{member}` must not depend on `testkit`, which panics");
                find(what, "move it to [dev-dependencies]: it is only for tests");
            }
            Some(ours) if !allowed.contains(&ours) => {
                let remedy = "reverse the dependency or move what is needed down; see ARROWS in arrows.rs";
                find(format!("`{member}` must not depend on `{ours}`"), remedy);
            }
            _ => {}
        }
        if let Some((_, users, why)) = RESERVED.iter().find(|(name, ..)| *name == entry.name)
            && !users.contains(&member)
        {
            find(format!("`{member}` must not use {}", entry.name), why);
        }
        if !entry.takes_the_roots_version {
            let remedy = "declare it in [workspace.dependencies] and use it with `.workspace = true`";
            find(format!("`{}` is declared here, not in the root manifest", entry.name), remedy);
        }
    }
    findings
}

fn lints(manifest: &File) -> Vec<Finding> {
    let mut section = "";
    for line in manifest.text.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        }
        let is_set = line.replace(' ', "");
        if (section, is_set.as_str()) == ("[lints]", "workspace=true") || is_set == "lints.workspace=true" {
            return Vec::new();
        }
    }
    let remedy = "add `[lints]` with `workspace = true`";
    vec![Finding::new(&manifest.path, 1, "the workspace's lints do not apply to this crate", remedy)]
}

/// One dependency in a manifest.
struct Entry {
    line: usize,
    name: String,
    /// Only for tests, examples and benchmarks.
    is_dev: bool,
    takes_the_roots_version: bool,
}

/// The dependencies of a manifest, of all kinds and targets. It parses the forms that we write, `name.workspace = true` and
/// `name = { workspace = true, … }`; anything else counts as a version declared here.
fn entries(manifest: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let (mut in_dependencies, mut is_dev) = (false, false);
    for (number, line) in (1..).zip(manifest.lines().map(str::trim)) {
        if let Some(section) = line.strip_prefix('[') {
            let (table, name) =
                section.trim_end_matches(']').rsplit_once("dependencies").unwrap_or(("none", ""));
            is_dev = table.ends_with("dev-");
            in_dependencies = name.is_empty() && (table.is_empty() || table.ends_with(['-', '.']));
            if let Some(name) = name.strip_prefix('.') {
                entries.push(Entry {
                    line: number,
                    name: name.to_owned(),
                    is_dev,
                    takes_the_roots_version: false,
                });
            }
        } else if in_dependencies && let Some((key, value)) = line.split_once('=') {
            let (name, setting) = key.trim().split_once('.').unwrap_or((key.trim(), ""));
            let value = value.replace(' ', "");
            let takes_the_roots_version = (setting == "workspace" && value.starts_with("true"))
                || (value.starts_with('{') && value.contains("workspace=true"));
            entries.push(Entry { line: number, name: name.to_owned(), is_dev, takes_the_roots_version });
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::places;

    const LINTS: &str = "[lints]\nworkspace = true\n";

    fn lines_found(path: &str, dependencies: &str) -> Vec<String> {
        places(check, &[(path, &format!("{LINTS}{dependencies}"))])
    }

    #[test]
    fn an_arrow_that_points_up_is_found_in_tests_too() {
        let up = "[dependencies]\nechoctl-proto.workspace = true\n[dev-dependencies]\nechoctl-lab.workspace = true\n";

        assert_eq!(lines_found("crates/server/Cargo.toml", up), ["crates/server/Cargo.toml:6"]);
        assert!(lines_found("crates/echoctl/Cargo.toml", up).is_empty());
    }

    #[test]
    fn audit_knows_no_server() {
        let text = "[target.'cfg(unix)'.dependencies]\nechoctl-server = { workspace = true }\n";

        assert_eq!(lines_found("crates/audit/Cargo.toml", text), ["crates/audit/Cargo.toml:4"]);
    }

    #[test]
    fn testkit_is_only_for_tests() {
        let text = "[dev-dependencies]\nechoctl-testkit.workspace = true\n[target.'cfg(unix)'.dev-dependencies]\n\
                    echoctl-testkit.workspace = true\n[dependencies]\nechoctl-testkit.workspace = true\n";

        assert_eq!(lines_found("crates/proto/Cargo.toml", text), ["crates/proto/Cargo.toml:8"]);
    }

    #[test]
    fn a_version_outside_the_root_is_found_in_any_form() {
        for text in ["memchr = \"2\"", "memchr = { version = \"2\" }", "memchr.version = \"2\""] {
            let text = format!("[dependencies]\n{text}\n");
            assert_eq!(
                lines_found("crates/proto/Cargo.toml", &text),
                ["crates/proto/Cargo.toml:4"],
                "{text}"
            );
        }
        let table = "[dependencies.memchr]\nversion = \"2\"\n";
        assert_eq!(lines_found("crates/proto/Cargo.toml", table), ["crates/proto/Cargo.toml:3"]);
    }

    #[test]
    fn dependencies_reserved_for_the_top_are_found_below() {
        let text = "[dependencies]\nanyhow.workspace = true\nclap.workspace = true\n";

        assert_eq!(
            lines_found("crates/lab/Cargo.toml", text),
            ["crates/lab/Cargo.toml:4", "crates/lab/Cargo.toml:5"]
        );
    }

    #[test]
    fn a_crate_without_lints_or_without_a_plan_is_found() {
        assert_eq!(
            places(check, &[("crates/proto/Cargo.toml", "[dependencies]\n")]),
            ["crates/proto/Cargo.toml:1"]
        );
        assert_eq!(lines_found("crates/new/Cargo.toml", ""), ["crates/new/Cargo.toml:1"]);
    }

    #[test]
    fn other_tables_are_no_dependencies() {
        let text = "[package]\nname = \"x\"\nversion.workspace = true\n[features]\ndefault = []\n";

        assert!(lines_found("crates/proto/Cargo.toml", text).is_empty());
    }
}
