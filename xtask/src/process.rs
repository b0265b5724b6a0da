//! Runs programs from the root of the workspace, without a standard input, and reports their failures.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The cargo that runs this command, so that the toolchain stays the same.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// Runs `command` until it exits, with our stdout and stderr.
///
/// # Errors
/// When it cannot be started or fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    command.current_dir(root()).stdin(Stdio::null());
    let line = line(command);
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// Runs `command` until it exits, and returns what it prints; its stderr is ours.
///
/// # Errors
/// When it cannot be started, fails, or does not print text.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    output_in(root(), command)
}

/// [`output`] of a command that runs in another folder.
///
/// # Errors
/// As for [`output`].
pub(crate) fn output_in(folder: &Path, command: &mut Command) -> Result<String> {
    command.current_dir(folder).stdin(Stdio::null()).stderr(Stdio::inherit());
    let line = line(command);
    let output = command.output().with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` failed ({})", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` did not print text"))
}

/// Whether `tool` can be started.
pub(crate) fn is_installed(tool: &str) -> bool {
    Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// The root of the workspace: the directory above this package's.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("invariant: a member has a directory above it")
}

/// A program of the workspace as last built in this command's own profile: in the directory of this program, wherever
/// the target directory is.
pub(crate) fn sibling(name: &str) -> Result<PathBuf> {
    let own = env::current_exe().context("cannot find this program's path")?;
    Ok(own.with_file_name(format!("{name}{}", env::consts::EXE_SUFFIX)))
}

/// The command as a user would type it.
fn line(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or_default();
    let mut words = vec![program.to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}
