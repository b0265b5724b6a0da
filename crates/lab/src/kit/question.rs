//! The question before an experiment: a prediction makes the measurement worth reading.

/// A question with choices, lettered from `a`.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// The question, with everything that is needed to answer it.
    pub text: &'static str,
    /// The answers to choose from, each of them plausible.
    pub choices: &'static [&'static str],
}

impl Question {
    /// The choices with their letters, in order.
    pub fn lettered(&self) -> impl Iterator<Item = (char, &'static str)> + '_ {
        ('a'..='z').zip(self.choices.iter().copied())
    }

    /// The letter of the choice that an answer names, if any. Case and a closing bracket do not matter.
    pub fn letter(&self, answer: &str) -> Option<char> {
        let answer = answer.trim().trim_end_matches(')').to_ascii_lowercase();
        self.lettered().map(|(letter, _)| letter).find(|letter| answer == letter.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUESTION: Question = Question { text: "how many?", choices: &["none", "one"] };

    #[test]
    fn an_answer_is_a_letter_of_a_choice() {
        assert_eq!(QUESTION.letter("b"), Some('b'));
        assert_eq!(QUESTION.letter(" A) \n"), Some('a'));
        for nothing in ["", "c", "ab", "1"] {
            assert_eq!(QUESTION.letter(nothing), None, "{nothing:?}");
        }
    }
}
