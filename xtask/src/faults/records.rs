//! Variants of a record, changed in every way that JSON allows, for `report` and `compare`.

use serde_json::{Map, Value, json};

/// A position in a JSON value: from the root, key by key and index by index.
type Place = Vec<Step>;

#[derive(Debug, Clone)]
enum Step {
    Key(String),
    Index(usize),
}

/// Copies of `record`, each with `text` before one string; in the last one, before all strings.
pub(super) fn with_text(record: &Value, text: &str) -> Vec<(String, Value)> {
    let strings = places(record, &|value| value.is_string());
    let mut copies = Vec::new();
    let mut all = record.clone();
    for place in strings {
        let mut one = record.clone();
        for copy in [&mut one, &mut all] {
            if let Some(Value::String(old)) = at(copy, &place) {
                *old = format!("{text}{old}");
            }
        }
        copies.push((name(&place), one));
    }
    copies.push(("all strings".to_owned(), all));
    copies
}

/// Copies of `record`, each with an unknown key in one object.
pub(super) fn with_key(record: &Value, key: &str) -> Vec<(String, Value)> {
    let add = |object: &mut Map<String, Value>| drop(object.insert(key.to_owned(), json!(key)));
    let changed = |place: &Place| {
        let mut copy = record.clone();
        at(&mut copy, place).and_then(Value::as_object_mut).map(add);
        (format!("a key in {}", name(place)), copy)
    };
    places(record, &Value::is_object).iter().map(changed).collect()
}

/// Copies of `record`, each with another value for one number.
pub(super) fn with_number(record: &Value, numbers: &[Value]) -> Vec<(String, Value)> {
    let mut copies = Vec::new();
    for place in places(record, &Value::is_number) {
        for number in numbers {
            let mut copy = record.clone();
            if let Some(old) = at(&mut copy, &place) {
                *old = number.clone();
            }
            copies.push((format!("{} = {number}", name(&place)), copy));
        }
    }
    copies
}

/// `record` with this many samples, all copies of the first one, at the times that `time` returns.
pub(super) fn with_times(record: &Value, count: usize, time: impl Fn(usize) -> f64) -> Value {
    let mut copy = record.clone();
    let first = record["samples"][0].clone();
    let sample = |number: usize| {
        let mut sample = first.clone();
        sample["t"] = json!(time(number));
        sample
    };
    copy["samples"] = (0..count).map(sample).collect();
    copy
}

fn places(value: &Value, is_wanted: &impl Fn(&Value) -> bool) -> Vec<Place> {
    let mut found = Vec::new();
    collect(value, is_wanted, &mut Vec::new(), &mut found);
    found
}

fn collect(value: &Value, is_wanted: &impl Fn(&Value) -> bool, place: &mut Place, found: &mut Vec<Place>) {
    if is_wanted(value) {
        found.push(place.clone());
    }
    let mut enter = |step: Step, inner: &Value| {
        place.push(step);
        collect(inner, is_wanted, place, found);
        place.pop();
    };
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(key, inner)| enter(Step::Key(key.clone()), inner));
        }
        // Of many similar ones, the first and the last are enough.
        Value::Array(items) => {
            let last = items.len().saturating_sub(1);
            let ends = items.iter().enumerate().filter(|(index, _)| *index == 0 || *index == last);
            ends.for_each(|(index, inner)| enter(Step::Index(index), inner));
        }
        _ => {}
    }
}

fn at<'a>(value: &'a mut Value, place: &Place) -> Option<&'a mut Value> {
    place.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(*index),
    })
}

fn name(place: &Place) -> String {
    let step = |step: &Step| match step {
        Step::Key(key) => key.clone(),
        Step::Index(index) => index.to_string(),
    };
    place.iter().map(step).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Value {
        json!({"a": "x", "samples": [{"t": 1.0, "n": 2}, {"t": 2.0, "n": 3}], "b": {"c": "y"}})
    }

    #[test]
    fn each_string_is_changed_separately_and_with_all() {
        let copies = with_text(&record(), "!");

        assert_eq!(copies.len(), 3);
        assert_eq!(copies[0].1["a"], "!x");
        assert_eq!(copies[0].1["b"]["c"], "y");
        assert_eq!((&copies[2].1["a"], &copies[2].1["b"]["c"]), (&json!("!x"), &json!("!y")));
    }

    #[test]
    fn each_object_gets_a_key_and_each_number_every_value() {
        assert_eq!(with_key(&record(), "k").len(), 4);

        let copies = with_number(&record(), &[json!(0), json!(null)]);
        assert_eq!(copies.len(), 8);
        assert_eq!(copies[1].0, "samples.0.n = null");
    }

    #[test]
    fn samples_are_repeated_at_other_times() {
        let copy = with_times(&record(), 3, |number| -(number as f64));

        assert_eq!(copy["samples"][2], json!({"t": -2.0, "n": 2}));
    }
}
