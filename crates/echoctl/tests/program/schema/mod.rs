//! Checks JSON against the published schemas. It supports the part of JSON Schema that they use, and fails on any other.

use serde_json::Value;

/// Reads one of the published schemas.
pub(crate) fn schema(name: &str) -> Value {
    let path = format!("{}/schema/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(&path).expect(&path)).expect(&path)
}

/// Whether `value` conforms to `schema`.
///
/// # Errors
/// What does not conform, and where.
pub(crate) fn conforms(value: &Value, schema: &Value) -> Result<(), String> {
    let rules = schema.as_object().ok_or("a schema is an object")?;
    for (name, rule) in rules {
        let fits = match name.as_str() {
            "$schema" | "title" | "description" => true,
            "const" => value == rule,
            "enum" => rule.as_array().is_some_and(|all| all.contains(value)),
            "minimum" => value.as_f64() >= rule.as_f64(),
            "type" => has_type(value, rule)?,
            "required" => {
                let mut names = rule.as_array().into_iter().flatten().filter_map(Value::as_str);
                if let Some(missing) = names.find(|name| value.get(name).is_none()) {
                    return Err(format!("{missing} is missing"));
                }
                true
            }
            "properties" => {
                for (name, rule) in rule.as_object().into_iter().flatten() {
                    if let Some(field) = value.get(name) {
                        conforms(field, rule).map_err(|error| format!("{name}: {error}"))?;
                    }
                }
                true
            }
            "additionalProperties" => {
                for (name, field) in value.as_object().into_iter().flatten() {
                    let known = schema["properties"].get(name).is_some();
                    if !known && rule == &Value::Bool(false) {
                        return Err(format!("{name} is not in the schema"));
                    }
                    if !known && rule.is_object() {
                        conforms(field, rule).map_err(|error| format!("{name}: {error}"))?;
                    }
                }
                true
            }
            "items" => {
                for (at, item) in value.as_array().into_iter().flatten().enumerate() {
                    conforms(item, rule).map_err(|error| format!("{at}: {error}"))?;
                }
                true
            }
            "oneOf" => {
                let tried: Vec<_> =
                    rule.as_array().into_iter().flatten().map(|one| conforms(value, one)).collect();
                if tried.iter().filter(|one| one.is_ok()).count() != 1 {
                    return Err(format!("none of them matches: {tried:?}"));
                }
                true
            }
            other => return Err(format!("this checker does not support {other}")),
        };
        if !fits {
            return Err(format!("{value} is not {name} {rule}"));
        }
    }
    Ok(())
}

fn has_type(value: &Value, name: &Value) -> Result<bool, String> {
    Ok(match name.as_str().unwrap_or_default() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        other => return Err(format!("this checker does not support the type {other}")),
    })
}

/// What a command printed, line by line.
pub(crate) fn events(stdout: &[u8]) -> Vec<Value> {
    let text = String::from_utf8(stdout.to_vec()).expect("text");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}
