//! Draws the chart of the README: runs the demo with the given program, and writes its chart as SVG to the given file.
//!
//! `cargo xtask docs` calls it with the release build.

use std::path::Path;

use echoctl_lab::demo::{self, Plan};
use echoctl_report::svg::{self, Size};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [program, file] = arguments.as_slice() else { return Err("usage: picture PROGRAM FILE.svg".into()) };
    let outcome = demo::run(Plan::FULL, Path::new(program), |_| {}).await?;
    if let Some(problem) = outcome.problems().first() {
        return Err(problem.clone().into());
    }
    let chart = demo::memory_chart(&outcome.plan, &outcome.off.samples, &outcome.on.samples);
    std::fs::write(file, svg::draw(&chart, Size::WIDE))?;
    Ok(())
}
