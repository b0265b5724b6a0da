//! A terminal of fixed size in a tmux server of its own, filmed while it is used.

use std::path::Path;
use std::process::{self, Command};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, iter};

use anyhow::{Context, Result, anyhow, bail};

use super::film::{COLUMNS, Film, ROWS};

pub(super) struct Terminal {
    /// The name of the tmux server's socket.
    socket: String,
    film: Film,
    /// How far the picture is above the end of what was printed, in lines.
    above: i32,
}

impl Terminal {
    /// Starts a shell in `folder`, in which `echoctl` is `program`.
    pub(super) fn open(program: &Path, folder: &Path) -> Result<Terminal> {
        let bin = program.parent().context("the program has no folder")?;
        let others = env::var_os("PATH").unwrap_or_default();
        let path = iter::once(bin.to_owned()).chain(env::split_paths(&others));
        let path = env::join_paths(path)?.into_string().map_err(|_| anyhow!("PATH is not UTF-8"))?;
        let terminal =
            Terminal { socket: format!("echoctl-docs-{}", process::id()), film: Film::default(), above: 0 };
        let (columns, rows) = (COLUMNS.to_string(), ROWS.to_string());
        let folder = folder.to_string_lossy();
        let shell = format!("env -i PATH='{path}' TERM=screen-256color LANG=C.UTF-8 PS1='$ ' sh");
        terminal.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &columns,
            "-y",
            &rows,
            "-c",
            &folder,
            &shell,
        ])?;
        Ok(terminal)
    }

    /// Types `text` as a person would.
    pub(super) fn write(&mut self, text: &str) -> Result<()> {
        for character in text.chars() {
            self.tmux(&["send-keys", "-l", &character.to_string()])?;
            self.film_for(KEYSTROKE)?;
        }
        Ok(())
    }

    pub(super) fn press(&self, key: &str) -> Result<()> {
        self.tmux(&["send-keys", key]).map(drop)
    }

    pub(super) fn scroll(&mut self, lines: i32) {
        self.above = (self.above - lines).max(0);
    }

    pub(super) fn film_for(&mut self, duration: Duration) -> Result<()> {
        let end = Instant::now() + duration;
        while Instant::now() < end {
            self.shoot()?;
            thread::sleep(INTERVAL);
        }
        Ok(())
    }

    /// Films until the screen contains `text`.
    pub(super) fn wait_for(&mut self, text: &str, within: Duration) -> Result<()> {
        let end = Instant::now() + within;
        while !self.shoot()?.contains(text) {
            if Instant::now() > end {
                bail!("'{text}' did not appear within {within:?}");
            }
            thread::sleep(INTERVAL);
        }
        Ok(())
    }

    pub(super) fn close(mut self) -> Film {
        std::mem::take(&mut self.film)
    }

    /// Takes one picture, and returns its text.
    fn shoot(&mut self) -> Result<String> {
        let (first, last) = ((-self.above).to_string(), (ROWS as i32 - 1 - self.above).to_string());
        let picture = self.tmux(&["capture-pane", "-e", "-p", "-S", &first, "-E", &last])?;
        self.film.add(&picture);
        Ok(picture)
    }

    fn tmux(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new("tmux").args(["-L", &self.socket]).args(arguments).output();
        let output = output.context("cannot start tmux\nhint: apt-get install tmux")?;
        if !output.status.success() {
            bail!("tmux {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        String::from_utf8(output.stdout).context("tmux printed what is not UTF-8")
    }
}

/// Ends the shell and the tmux server, also after an error.
impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.tmux(&["kill-server"]);
    }
}

/// Between two pictures, and between two keys.
const INTERVAL: Duration = Duration::from_millis(100);
const KEYSTROKE: Duration = Duration::from_millis(60);
