//! The result of an experiment: evidence, claims and explanation.

use echoctl_report::{Chart, Table};
use serde::Serialize;
use serde_json::Value;

/// The result of an experiment. Claims and sentences are made from the same figures as the evidence.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The letter of the choice that the measurements support; `None` if they support none.
    pub measured: Option<char>,
    /// The measured values, by their names in the JSON output.
    pub evidence: Value,
    /// The evidence as tables.
    pub tables: Vec<Table>,
    /// The evidence over time, for lessons about motion.
    pub chart: Option<Chart>,
    /// The claims, in the order of the explanation.
    pub claims: Vec<Claim>,
    /// The explanation, as paragraphs of plain sentences.
    pub explanation: Vec<String>,
}

/// A statement about measured values, and the values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Claim {
    /// What must hold, as a short sentence.
    pub claim: String,
    /// The values that were measured.
    pub measured: String,
    /// Whether it holds.
    pub holds: bool,
}

impl Finding {
    /// A finding with these measured values, which must serialise to an object.
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

    /// Sets the choice that the values support, if they support one.
    #[must_use]
    pub fn measured(mut self, letter: impl Into<Option<char>>) -> Finding {
        self.measured = letter.into();
        self
    }

    /// Adds a table of evidence.
    #[must_use]
    pub fn table(mut self, table: Table) -> Finding {
        self.tables.push(table);
        self
    }

    /// Adds a chart of the evidence over time.
    #[must_use]
    pub fn chart(mut self, chart: Chart) -> Finding {
        self.chart = Some(chart);
        self
    }

    /// Adds a claim: what must hold, whether it does, and what was measured.
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

    /// Whether all claims hold. A finding without claims shows nothing.
    pub fn holds(&self) -> bool {
        !self.claims.is_empty() && self.claims.iter().all(|claim| claim.holds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_holds_if_it_has_claims_and_all_hold() {
        let nothing = Finding::new(&Value::Null);
        assert!(!nothing.holds());

        let right = nothing.claim("one", true, "1");
        assert!(right.holds());
        assert!(!right.claim("two", false, "3").holds());
    }
}
