//! The windows that hold each side back: what the client may still send, and what the server may.

use echoctl_record::Sample;

use super::{finish, is_echo, peak, points, with_visible};
use crate::{Chart, Ink, Series, Stroke, Unit};

/// The receive window that the server's kernel advertised to the client: at 0 the client may send nothing.
pub fn window(samples: &[Sample]) -> Chart {
    let chart = with_visible(
        Chart::lines("Receive window: how much the client may still send", Unit::Bytes),
        [Series::new("window", Ink::Blue, Stroke::Solid, points(samples, |sample| sample.window))],
    );
    let closed = closed_seconds(samples, |sample| sample.window);
    let text = if chart.series.is_empty() {
        String::new()
    } else if closed > 0.0 {
        let reached = "backpressure reached the client's kernel";
        format!("The window was 0 for {} in all: {reached}.", Unit::Seconds.print(closed))
    } else if !is_echo(samples) {
        "The window for what the server receives did not close. What it sends is limited by the client's window.".to_owned()
    } else {
        "The window never closed.".to_owned()
    };
    finish(chart, samples, &text)
}

/// What a server that need not echo has sent and the client has not read, and the client's window: at 0 the server may send nothing.
/// `None` for an echo, whose queues show more. `clients` have one window each, which have no sum.
pub fn output(samples: &[Sample], clients: Clients) -> Option<Chart> {
    if is_echo(samples) {
        return None;
    }
    let pending = |sample: &Sample| Some(sample.server_written?.saturating_sub(sample.consumed));
    let pending = Series::new(PENDING, Ink::Orange, Stroke::Solid, points(samples, pending));
    let window =
        || Series::new(WINDOW, Ink::Blue, Stroke::Dashed, points(samples, |sample| sample.client_window));
    let chart = match clients {
        Clients::One => with_visible(
            Chart::lines("Output pending, and the client's window", Unit::Bytes),
            [pending, window()],
        ),
        Clients::Many => with_visible(Chart::lines("Output pending", Unit::Bytes), [pending]),
    };
    let most = peak(&chart, PENDING).map(|most| {
        format!("At most {} were sent by the server and not read by the client.", Unit::Bytes.print(most))
    });
    let held = match closed_seconds(samples, |sample| sample.client_window) {
        0.0 => None,
        closed => Some(format!(
            "The client's window was 0 for {} in all: the server could send nothing more.",
            Unit::Seconds.print(closed)
        )),
    };
    let text: Vec<String> = most.into_iter().chain(held).collect();
    Some(finish(chart, samples, &text.join(" ")))
}

/// Whose windows a run has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clients {
    /// Our own.
    One,
    /// Those of a watched server.
    Many,
}

/// Seconds for which a window was 0: from each sample at which it was 0 to the next sample.
fn closed_seconds(samples: &[Sample], window: impl Fn(&Sample) -> Option<u64>) -> f64 {
    let is_closed = |pair: &&[Sample]| window(&pair[0]) == Some(0);
    samples.windows(2).filter(is_closed).map(|pair| (pair[1].t - pair[0].t).max(0.0)).sum()
}

const PENDING: &str = "sent and not read";

const WINDOW: &str = "the client's window";
