//! Promise: the steps of action.yml report the verdict as GitHub expects it, and no input of theirs runs as code.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// The root of the repository, which is where GitHub puts an action.
fn repository() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap()
}

/// The values of action.yml by their paths: `inputs.preset.default`. It supports the part of YAML that the file uses: mappings, one list of one
/// item, and values on one line, plain or in single quotes.
fn action() -> BTreeMap<String, String> {
    let text = fs::read_to_string(repository().join("action.yml")).unwrap();
    let mut values = BTreeMap::new();
    let mut parents: Vec<(usize, &str)> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let entry = line.trim_start_matches([' ', '-']);
        let indentation = line.len() - entry.len();
        let (key, value) = entry.split_once(':').unwrap_or_else(|| panic!("no mapping: {line}"));
        parents.retain(|(outer, _)| *outer < indentation);
        parents.push((indentation, key));
        let value = value.trim();
        assert!(!value.starts_with(['|', '>', '"', '[', '{', '&', '*']), "not supported here: {line}");
        let unquoted = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\'')).unwrap_or(value);
        let path: Vec<&str> = parents.iter().map(|(_, key)| *key).collect();
        values.insert(path.join("."), unquoted.to_owned());
    }
    values
}

/// A job that runs the action, with folders of its own.
struct Job {
    folder: TempDir,
    /// Before the folders of the system.
    path: String,
}

/// What the step left behind.
#[derive(Debug)]
struct Ended {
    code: i32,
    log: String,
    outputs: BTreeMap<String, String>,
    summary: String,
}

impl Job {
    fn new() -> Job {
        let folder = tempfile::tempdir().unwrap();
        for name in ["workspace", "temp", "bin"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let path = folder.path().join("bin").display().to_string();
        Job { folder, path }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Makes a program of these lines.
    fn program(&self, path: &str, lines: &str) -> PathBuf {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Runs the action with these inputs, as a runner does.
    fn run(&self, inputs: &[(&str, &str)]) -> Ended {
        let action = action();
        let (output, summary) = (self.at("output"), self.at("summary"));
        fs::write(&output, "").unwrap();
        fs::write(&summary, "").unwrap();
        assert_eq!(action["runs.steps.shell"], "bash");
        let mut bash = Command::new("bash");
        bash.args(["--noprofile", "--norc", "-e", "-o", "pipefail", "-c", &action["runs.steps.run"]])
            .current_dir(self.at("workspace"))
            .env_clear()
            .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", self.path))
            .env("GITHUB_ACTION_PATH", repository())
            .env("GITHUB_SERVER_URL", format!("file://{}", self.at("releases").display()))
            .env("GITHUB_OUTPUT", &output)
            .env("GITHUB_STEP_SUMMARY", &summary)
            .env("RUNNER_TEMP", self.at("temp"));
        for (name, value) in &action {
            if let Some(name) = name.strip_prefix("runs.steps.env.") {
                bash.env(name, evaluated(value, &action, inputs));
            }
        }
        for (name, _) in inputs {
            assert!(action.contains_key(&format!("inputs.{name}.default")), "no input {name}");
        }

        let ended = bash.output().unwrap();

        let outputs = fs::read_to_string(&output).unwrap();
        let outputs = outputs.lines().map(|line| line.split_once('=').expect(line)).map(owned).collect();
        let log =
            format!("{}{}", String::from_utf8(ended.stdout).unwrap(), String::from_utf8_lossy(&ended.stderr));
        let summary = fs::read_to_string(&summary).unwrap();
        Ended { code: ended.status.code().unwrap(), log, outputs, summary }
    }
}

impl Ended {
    /// The lines that a runner takes as commands: those outside of the part where commands are stopped.
    fn commands(&self) -> Vec<&str> {
        let mut stopped = None;
        let mut commands = Vec::new();
        for line in self.log.lines().filter(|line| line.trim_start().starts_with("::")) {
            match (stopped, line.strip_prefix("::stop-commands::")) {
                (None, Some(token)) => stopped = Some(token),
                (None, None) => commands.push(line),
                (Some(token), _) if line == format!("::{token}::") => stopped = None,
                (Some(_), _) => {}
            }
        }
        assert_eq!(stopped, None, "commands stay stopped: {}", self.log);
        commands
    }

    fn output(&self, name: &str) -> &str {
        self.outputs.get(name).map_or("", String::as_str)
    }
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// The value of an expression such as `${{ inputs.preset }}`.
fn evaluated(expression: &str, action: &BTreeMap<String, String>, inputs: &[(&str, &str)]) -> String {
    let name = expression.strip_prefix("${{ ").and_then(|rest| rest.strip_suffix(" }}")).expect(expression);
    if let Some(name) = name.strip_prefix("inputs.") {
        let given = inputs.iter().find(|(input, _)| *input == name).map(|(_, value)| (*value).to_owned());
        return given.unwrap_or_else(|| action[&format!("inputs.{name}.default")].clone());
    }
    match name {
        "github.action_repository" => "owner/echoctl".to_owned(),
        "github.action_ref" => "v9.9.9".to_owned(),
        other => panic!("unknown expression: {other}"),
    }
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_echoctl");

/// Our own server as a command that needs its quotes.
fn own(policy: &str) -> String {
    format!("sh -c 'exec \"$0\" serve --addr \"127.0.0.1:$PORT\" --backpressure {policy}' \"{PROGRAM}\"")
}

#[test]
fn every_input_reaches_the_step_as_environment_only() {
    let action = action();
    let names = |prefix: &str, suffix: &str| -> Vec<String> {
        let inside = action.keys().filter_map(|path| path.strip_prefix(prefix)?.strip_suffix(suffix));
        inside.map(str::to_owned).collect()
    };

    let run = &action["runs.steps.run"];

    assert!(!run.contains("${{"), "{run}");
    for name in names("inputs.", ".default") {
        let variable = format!("INPUT_{}", name.to_uppercase().replace('-', "_"));
        assert_eq!(action[&format!("runs.steps.env.{variable}")], format!("${{{{ inputs.{name} }}}}"));
        assert!(action.contains_key(&format!("inputs.{name}.description")), "{name}");
    }
    for name in names("outputs.", ".value") {
        assert_eq!(
            action[&format!("outputs.{name}.value")],
            format!("${{{{ steps.audit.outputs.{name} }}}}")
        );
    }
    assert_eq!((&action["runs.using"][..], &action["runs.steps.id"][..]), ("composite", "audit"));
}

#[test]
fn a_safe_server_passes() {
    let job = Job::new();
    fs::create_dir(job.at("workspace/sub folder")).unwrap();

    let ended = job.run(&[
        ("command", &own("await")),
        ("preset", "echo"),
        ("expect", "bounded,disconnects"),
        ("args", "-n \"64MiB\""),
        ("working-directory", "sub folder"),
        ("echoctl", PROGRAM),
    ]);

    assert_eq!(ended.code, 0, "{}", ended.log);
    assert_eq!((ended.output("verdict"), ended.output("exit-code")), ("bounded", "0"));
    for (output, content) in [("junit", "<testsuite"), ("sarif", "\"results\": []"), ("report", "<html")] {
        let text = fs::read_to_string(ended.output(output)).unwrap();
        assert!(text.contains(content), "{output}: {text}");
    }
    assert!(ended.summary.starts_with("### echoctl audit: bounded\n\n    BOUNDED "), "{}", ended.summary);
    assert!(ended.log.contains("BOUNDED "), "{}", ended.log);
    assert_eq!(ended.commands(), [""; 0]);
}

#[test]
fn a_harmful_server_fails_with_an_annotation() {
    let job = Job::new();

    let ended = job.run(&[("command", &own("off")), ("args", "-n 64MiB"), ("echoctl", PROGRAM)]);

    assert_eq!(ended.code, 1, "{}", ended.log);
    assert_eq!((ended.output("verdict"), ended.output("exit-code")), ("unbounded", "1"));
    let sarif = fs::read_to_string(ended.output("sarif")).unwrap();
    assert!(sarif.contains("\"level\": \"error\""), "{sarif}");
    let commands = ended.commands();
    assert_eq!(commands.len(), 1, "{commands:?}");
    assert!(commands[0].starts_with("::error title=echoctl audit: unbounded::UNBOUNDED "), "{commands:?}");
}

#[test]
fn a_server_that_does_not_start_is_an_error() {
    let job = Job::new();

    // What it prints looks like workflow commands.
    let ended = job.run(&[
        ("command", "sh -c 'echo ::error::forged; echo %0A::add-mask::forged >&2; exit 3'"),
        ("echoctl", PROGRAM),
    ]);

    assert_eq!(ended.code, 4, "{}", ended.log);
    assert_eq!((ended.output("verdict"), ended.output("exit-code"), ended.output("report")), ("", "4", ""));
    let sarif = fs::read_to_string(ended.output("sarif")).unwrap();
    assert!(sarif.contains("\"executionSuccessful\": false"), "{sarif}");
    assert!(ended.log.contains("forged"), "{}", ended.log);
    let commands = ended.commands();
    assert_eq!(commands.len(), 1, "{commands:?}");
    assert!(commands[0].starts_with("::error title=echoctl audit: no verdict::"), "{commands:?}");
    assert!(commands[0].contains("%250A") && ended.summary.contains("    "), "{commands:?}");
}

#[test]
fn no_input_runs_as_code_or_forges_an_output() {
    let job = Job::new();
    for hostile in [
        "$(touch x)",
        "`touch x`",
        "'; touch x; '",
        "\"; touch x; \"",
        "a\ntouch x\nverdict=forged",
        "--junit=x",
        "-x; touch x",
        "\\",
        "x%0A::error::forged",
    ] {
        for input in
            ["command", "target", "preset", "script", "expect", "args", "working-directory", "echoctl"]
        {
            let default = [("echoctl", PROGRAM), ("command", "false")];
            let inputs = default.into_iter().filter(|(name, _)| *name != input).chain([(input, hostile)]);

            let ended = job.run(&inputs.collect::<Vec<_>>());

            let about = format!("{input} {hostile:?}: {}", ended.log);
            assert!([1, 2, 4].contains(&ended.code), "{about}");
            assert_eq!(ended.output("exit-code"), ended.code.to_string(), "{about}");
            assert_eq!(ended.output("verdict"), "", "{about}");
            let commands = ended.commands();
            assert!(commands.len() == 1 && commands[0].starts_with("::error title=echoctl audit"), "{about}");
            let is_made = fs::read_dir(job.at("workspace")).unwrap().next().is_some();
            // An option that was given as one of the options is one.
            assert!(!is_made || (input, hostile) == ("args", "--junit=x"), "{about}");
            fs::remove_file(job.at("workspace/x")).ok();
        }
    }
}

#[test]
fn the_program_is_found_downloaded_or_built() {
    let job = Job::new();
    let wanted = &[("command", "false")][..];
    let prints = |name: &str| format!("echo {name} \"$@\" >&2; exit 4");
    let builds = format!(
        "echo build \"$@\"; mkdir -p \"$6/bin\"; printf '#!/bin/sh\\n{}\\n' > \"$6/bin/echoctl\"; chmod +x \"$6/bin/echoctl\"",
        "echo built $1 >&2; exit 4"
    );
    job.program("bin/cargo", &builds);

    let release = "releases/owner/echoctl/releases/download/v9.9.9";
    let archive = "echoctl-v9.9.9-x86_64-unknown-linux-gnu";
    job.program(&format!("{release}/{archive}/echoctl"), &prints("downloaded"));
    let packed = "tar -czf $0.tar.gz $0 && sha256sum $0.tar.gz > SHA256SUMS";
    let packed =
        Command::new("sh").args(["-c", packed, archive]).current_dir(job.at(release)).status().unwrap();
    assert!(packed.success());
    let has_release = cfg!(target_arch = "x86_64");

    if has_release {
        let downloaded = job.run(wanted);
        assert!(downloaded.log.contains("downloaded audit --plain"), "{}", downloaded.log);
        fs::remove_dir_all(job.at("temp/echoctl")).unwrap();
    }

    // An archive that is not the published one is not used.
    fs::write(job.at(release).join("SHA256SUMS"), format!("{}  {archive}.tar.gz\n", "0".repeat(64))).unwrap();
    let built = job.run(wanted);
    assert!(
        built.log.contains("build install --locked --path ") && built.log.contains("built audit"),
        "{}",
        built.log
    );

    job.program("bin/echoctl", &prints("found"));
    let found = job.run(wanted);
    assert!(found.log.contains("found audit --plain"), "{}", found.log);
}
