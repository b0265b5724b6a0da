//! How long a connection has waited, as it is printed: in whole units, so that a line changes once a second.

use std::fmt;

/// Seconds that have passed, printed as `0.4 s`, `42 s`, `34 min`, `5 h` or `3 d`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Age(pub f64);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            age if age < 0.95 => format!("{:.1} s", age.max(0.0)),
            // 0.95 s and more would be printed as 1.0.
            age if age < 600.0 => format!("{:.0} s", age.max(1.0).floor()),
            age if age < 7200.0 => format!("{:.0} min", (age / 60.0).floor()),
            age if age < 172_800.0 => format!("{:.0} h", (age / 3600.0).floor()),
            age => format!("{:.0} d", (age / 86_400.0).floor()),
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_print_in_whole_units() {
        let ages = [0.0, 0.44, 0.97, 9.9, 42.3, 599.9, 600.0, 7199.0, 7200.0, 172_800.0];
        let expected = ["0.0 s", "0.4 s", "1 s", "9 s", "42 s", "599 s", "10 min", "119 min", "2 h", "2 d"];
        assert_eq!(ages.map(|s| Age(s).to_string()), expected);
    }
}
