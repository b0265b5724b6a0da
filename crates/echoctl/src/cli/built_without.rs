//! What this build of the program leaves out, and how to get it: for help, for the version and for usage errors.

/// A cargo feature that this build does not have.
struct Missing {
    feature: &'static str,
    /// What needs it.
    what: &'static str,
    /// The words of a command line that mean it.
    words: &'static [&'static str],
}

const MISSING: &[Missing] = &[
    #[cfg(not(feature = "live"))]
    Missing {
        feature: "live",
        what: "class, doctor --class, --metrics of serve and watch",
        words: &["class", "--class", "--metrics"],
    },
    #[cfg(not(feature = "tls"))]
    Missing { feature: "tls", what: "audits over TLS", words: &[] },
    #[cfg(not(feature = "tui"))]
    Missing { feature: "tui", what: "watch in full screen (it prints lines instead)", words: &[] },
];

/// The version, with what it lacks.
pub(super) fn version() -> String {
    let features: Vec<&str> = MISSING.iter().map(|missing| missing.feature).collect();
    let without =
        if features.is_empty() { String::new() } else { format!(" (without {})", features.join(", ")) };
    format!("{}{without}", env!("CARGO_PKG_VERSION"))
}

/// The last part of the program's help. Empty if nothing is missing.
pub(super) fn help() -> String {
    let heading = if MISSING.is_empty() { "" } else { "\n\nBuilt without:" };
    let lines = MISSING.iter().map(|missing| format!("\n  {:4}  {}", missing.feature, missing.what));
    lines.fold(heading.to_owned(), |help, line| help + &line)
}

/// The hint for an unknown `word` that another build knows.
pub(super) fn hint(word: &str) -> Option<String> {
    let name = word.split('=').next()?;
    MISSING.iter().find(|missing| missing.words.contains(&name)).map(|missing| remedy(missing.feature))
}

/// How to get a program that has `feature`.
pub(crate) fn remedy(feature: &str) -> String {
    format!("this program was built without it: build echoctl with --features {feature}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_feature_is_named_everywhere() {
        for missing in MISSING {
            assert!(
                version().contains(missing.feature) && help().contains(missing.what),
                "{}",
                missing.feature
            );
            for word in missing.words {
                assert!(hint(word).is_some_and(|hint| hint.ends_with(missing.feature)), "{word}");
            }
        }
        assert_eq!(hint("--banana"), None);
    }

    #[test]
    #[cfg(all(feature = "live", feature = "tls", feature = "tui"))]
    fn a_complete_build_lacks_nothing() {
        assert_eq!((version().as_str(), help().as_str()), (env!("CARGO_PKG_VERSION"), ""));
        assert_eq!(hint("class"), None);
    }
}
