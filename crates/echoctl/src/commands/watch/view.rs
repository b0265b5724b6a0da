//! Where a watch is shown.

use echoctl_observe::{Door, Target};

#[cfg(feature = "tui")]
use super::explain::Explainer;
#[cfg(feature = "tui")]
use super::screen::LiveView;
use super::text::CulpritLines;
#[cfg(feature = "tui")]
use super::{door, target};
use crate::exit::Failure;
#[cfg(feature = "tui")]
use crate::output;

/// Form of the output.
pub(super) enum View {
    Json,
    Lines(CulpritLines),
    #[cfg(feature = "tui")]
    Live(Box<LiveView>),
}

impl View {
    /// The instrument, if there is a terminal for it.
    #[cfg(feature = "tui")]
    pub(super) fn live(target: &Target, door: Door) -> Result<Option<View>, Failure> {
        if !output::is_live() {
            return Ok(None);
        }
        let explainer = Explainer::of(target, door);
        let explain = Box::new(move |row: &_| explainer.command(row));
        let view = LiveView::new(target::title(target), door::sentence(door), explain)?;
        Ok(Some(View::Live(Box::new(view))))
    }

    /// None: this build has no instrument.
    #[cfg(not(feature = "tui"))]
    #[expect(clippy::unnecessary_wraps, reason = "the instrument can fail")]
    pub(super) fn live(_: &Target, _: Door) -> Result<Option<View>, Failure> {
        Ok(None)
    }

    pub(super) fn is_live(&self) -> bool {
        !matches!(self, View::Json | View::Lines(_))
    }
}
