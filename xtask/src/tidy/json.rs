//! Names in JSON are snake_case: keys, and the values that are names, such as reasons (`queue_over_limit`).
//!
//! They are read in the schemas, which the tests compare with what the program prints, and in the attributes of serde.

use serde_json::Value;

use super::Finding;
use super::tree::{File, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let schemas = tree.files().iter().filter(|file| file.path.starts_with("crates/echoctl/schema/"));
    let code = tree.rust().filter(|file| file.path.starts_with("crates/"));
    schemas.flat_map(schema).chain(code.flat_map(renames)).collect()
}

fn schema(file: &File) -> Vec<Finding> {
    let Ok(value) = serde_json::from_str(&file.text) else {
        return vec![Finding::new(&file.path, 1, "the schema is not JSON", "correct its syntax")];
    };
    let mut names = Vec::new();
    collect(&value, &mut names);
    names.retain(|name| !is_snake_case(name) && !OTHERS.contains(name));
    names.dedup();
    let finding = |name: &str| {
        let quoted = format!("\"{name}\"");
        let line = file.text.lines().position(|line| line.contains(&quoted)).unwrap_or(0);
        not_snake_case(file, line + 1, name)
    };
    names.into_iter().map(finding).collect()
}

/// The names of properties and the texts of `enum` and `const`, at any depth.
fn collect<'a>(value: &'a Value, names: &mut Vec<&'a str>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match (key.as_str(), value) {
                    ("properties", Value::Object(properties)) => {
                        names.extend(properties.keys().map(String::as_str))
                    }
                    ("enum", Value::Array(values)) => names.extend(values.iter().filter_map(Value::as_str)),
                    ("const", Value::String(text)) => names.push(text),
                    _ => {}
                }
                collect(value, names);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, names)),
        _ => {}
    }
}

fn renames(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in
        (1..).zip(file.text.lines().map(str::trim)).filter(|(_, line)| line.contains("serde("))
    {
        for (key, _) in line.match_indices("rename") {
            let mut parts = line[key..].splitn(3, '"');
            let (key, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            if !(is_snake_case(name) && (name == "snake_case" || !key.contains("rename_all"))) {
                findings.push(not_snake_case(file, number, name));
            }
        }
    }
    findings
}

fn not_snake_case(file: &File, line: usize, name: &str) -> Finding {
    let remedy = "write small letters, digits and `_`, as in `queue_over_limit`";
    Finding::new(&file.path, line, format!("the JSON name `{name}` is not snake_case"), remedy)
}

fn is_snake_case(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// Values that are spelled as others spell them: the protocol of the DNS, the option `--io`, and what a record file begins with.
const OTHERS: [&str; 10] = [
    "UDP",
    "TCP",
    "NOERROR",
    "FORMERR",
    "NOTIMP",
    "REFUSED",
    "BADVERS",
    "SERVFAIL",
    "one-thread",
    "echoctl run",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::places;

    #[test]
    fn keys_and_values_of_a_schema_are_read() {
        let text = "{\"properties\": {\n\"good_1\": {\"const\": \"fine\"},\n\"badKey\": {},\n\"reason\": {\"enum\": [\n\"ok\",\n\
                    \"over limit\"]}}, \"description\": \"Any text\"}";

        assert_eq!(
            places(check, &[("crates/echoctl/schema/a.json", text)]),
            ["crates/echoctl/schema/a.json:3", "crates/echoctl/schema/a.json:6"]
        );
    }

    #[test]
    fn renames_of_serde_are_read() {
        let text = "#[serde(rename_all = \"snake_case\")]\n#[serde(rename_all = \"lowercase\")]\n\
                    #[serde(rename = \"a_b\", default)]\n#[serde(rename = \"aB\")]\n";

        assert_eq!(
            places(check, &[("crates/a/src/a.rs", text)]),
            ["crates/a/src/a.rs:2", "crates/a/src/a.rs:4"]
        );
    }
}
