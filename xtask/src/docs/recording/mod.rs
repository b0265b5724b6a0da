//! The recording of the demo: a tape is played in a terminal, whose pictures become an animated SVG.
//!
//! The terminal is a tmux of its own: it interprets what the program prints, so that each picture is plain lines with colours.

mod film;
mod line;
mod tape;
mod terminal;

use std::path::Path;
use std::{env, fs, process};

use anyhow::{Context, Result, bail};

use film::Film;
use tape::Step;
use terminal::Terminal;

/// Plays [`TAPE`] with `program` as its `echoctl` and draws it as [`SVG`].
pub(super) fn make(program: &Path) -> Result<()> {
    let root = crate::process::root();
    let tape = fs::read_to_string(root.join(TAPE)).with_context(|| format!("cannot read {TAPE}"))?;
    let steps = tape::parse(&tape).with_context(|| format!("cannot play {TAPE}"))?;
    let folder = env::temp_dir().join(format!("echoctl-recording-{}", process::id()));
    fs::create_dir(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let film = play(&steps, program, &folder);
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    fs::write(root.join(SVG), film?.svg()).with_context(|| format!("cannot write {SVG}"))?;
    println!("recorded: {SVG}");
    Ok(())
}

fn play(steps: &[Step], program: &Path, folder: &Path) -> Result<Film> {
    let mut terminal = Terminal::open(program, folder)?;
    terminal.wait_for("$", tape::PROMPT)?;
    for step in steps {
        match step {
            Step::Type(text) => terminal.write(text)?,
            Step::Enter => terminal.press("Enter")?,
            Step::Sleep(duration) => terminal.film_for(*duration)?,
            Step::Wait { text, within } => terminal.wait_for(text, *within)?,
            Step::ScrollUp(lines) => terminal.scroll(-lines),
            Step::ScrollDown(lines) => terminal.scroll(*lines),
        }
    }
    let film = terminal.close();
    if film.is_empty() {
        bail!("{TAPE} shows nothing: it has no Sleep and no Wait");
    }
    Ok(film)
}

const TAPE: &str = "docs/demo.tape";
const SVG: &str = "docs/recording.svg";
