//! What an experiment found: evidence, claims, and the explanation.

use echoctl_report::Chart;
use serde::Serialize;
use serde_json::Value;

use super::{Claim, Table};

/// What an experiment gives back. The figures stand in it once: claims and sentences are made from them.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The letter of the choice that the measured values bear out; `None` where they bear out none.
    pub measured: Option<char>,
    /// The measured values, by the names that stand in the JSON.
    pub evidence: Value,
    /// The evidence as people read it.
    pub tables: Vec<Table>,
    /// What happened over time, for lessons about motion.
    pub chart: Option<Chart>,
    /// What is claimed, in the order of the explanation.
    pub claims: Vec<Claim>,
    /// The explanation: paragraphs of plain sentences.
    pub explanation: Vec<String>,
}

impl Finding {
    /// A finding of measured values. They must serialise to an object.
    pub fn new<E: Serialize>(evidence: &E) -> Finding {
        let evidence = serde_json::to_value(evidence).expect("numbers, texts and lists always serialise");
        Finding {
            measured: None,
            evidence,
            tables: Vec::new(),
            chart: None,
            claims: Vec::new(),
            explanation: Vec::new(),
        }
    }

    /// Says which choice the values bear out.
    #[must_use]
    pub fn measured(mut self, letter: char) -> Finding {
        self.measured = Some(letter);
        self
    }

    /// Adds a table of evidence.
    #[must_use]
    pub fn table(mut self, table: Table) -> Finding {
        self.tables.push(table);
        self
    }

    /// Adds what happened over time.
    #[must_use]
    pub fn chart(mut self, chart: Chart) -> Finding {
        self.chart = Some(chart);
        self
    }

    /// Claims something: what must hold, whether it does, and what was seen.
    #[must_use]
    pub fn claim(mut self, claim: &str, holds: bool, measured: impl Into<String>) -> Finding {
        self.claims.push(Claim { claim: claim.to_owned(), measured: measured.into(), holds });
        self
    }

    /// Adds a paragraph to the explanation.
    #[must_use]
    pub fn explain(mut self, paragraph: impl Into<String>) -> Finding {
        self.explanation.push(paragraph.into());
        self
    }

    /// Whether all that was claimed holds. A finding that claims nothing shows nothing.
    pub fn holds(&self) -> bool {
        !self.claims.is_empty() && self.claims.iter().all(|claim| claim.holds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_holds_when_all_its_claims_do_and_there_are_some() {
        let nothing = Finding::new(&Value::Null);
        assert!(!nothing.holds());

        let right = nothing.claim("one", true, "1");
        assert!(right.holds());
        assert!(!right.claim("two", false, "3").holds());
    }
}
