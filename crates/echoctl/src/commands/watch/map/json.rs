//! The events of `watch --map --json`.

use echoctl_record::{Pressure, ProcessMap};
use echoctl_report::pressure_sentence;
use serde::Serialize;

/// One map, and the pressure in it.
#[derive(Serialize)]
pub(super) struct MapEvent<'a> {
    #[serde(flatten)]
    map: &'a ProcessMap,
    pressure: Vec<PressureEvent<'a>>,
}

/// One pressure, and what it says.
#[derive(Serialize)]
struct PressureEvent<'a> {
    #[serde(flatten)]
    pressure: &'a Pressure,
    sentence: String,
}

impl<'a> MapEvent<'a> {
    pub(super) fn new(map: &'a ProcessMap, pressures: &'a [Pressure]) -> MapEvent<'a> {
        let event = |pressure| PressureEvent { pressure, sentence: pressure_sentence(map, pressure) };
        MapEvent { map, pressure: pressures.iter().map(event).collect() }
    }
}
