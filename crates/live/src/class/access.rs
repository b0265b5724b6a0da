//! The two secrets of a page, of its viewers and of its teacher, and the names that it is reached by.

use std::fmt;
use std::hint::black_box;

use rand::TryRng;
use rand::rngs::SysRng;

use crate::Error;

/// The secrets of one page, and the hosts that it is served as.
#[derive(Debug)]
pub struct Access {
    pub(super) path: Secret,
    pub(super) token: Secret,
    pub(super) hosts: Vec<String>,
}

impl Access {
    /// New secrets, drawn from the operating system.
    ///
    /// # Errors
    /// If it has no random numbers.
    pub fn new() -> Result<Access, Error> {
        Ok(Access { path: Secret::new(PATH_LETTERS)?, token: Secret::new(TOKEN_LETTERS)?, hosts: Vec::new() })
    }

    /// Serves the page as these hosts too, besides `localhost` and the addresses that clients connect to: host names, or the
    /// public address of a machine that has a private one.
    #[must_use]
    pub fn with_hosts(mut self, hosts: impl IntoIterator<Item = String>) -> Access {
        self.hosts.extend(hosts.into_iter().map(|host| host.to_ascii_lowercase()));
        self
    }
}

/// A text that cannot be guessed.
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn new(letters: usize) -> Result<Secret, Error> {
        let mut bytes = vec![0; letters];
        SysRng.try_fill_bytes(&mut bytes).map_err(|why| Error::Random(why.into()))?;
        Ok(Secret(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()))
    }

    /// For the eyes of those who may know it.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether `guess` is this secret. Takes the same time for all guesses of the right length, which is known.
    pub(super) fn is(&self, guess: &str) -> bool {
        let differences = self.0.bytes().zip(guess.bytes()).fold(0, |all, (a, b)| black_box(all | (a ^ b)));
        guess.len() == self.0.len() && differences == 0
    }
}

/// So that it gets into no log.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Five bits per letter, without those that look alike on a board: i, l, o and u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Letters of the viewers' path: 40 bits, short enough to be typed from a board. At 10,000 guesses per second, one is right after
/// a year and a half.
const PATH_LETTERS: usize = 8;

/// Letters of a teacher's token: 130 bits.
const TOKEN_LETTERS: usize = 26;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_secret_is_right() {
        let secret = Secret("abc".to_owned());

        assert!(secret.is("abc"));
        for guess in ["", "a", "ab", "abx", "bbc", "abcd", "ABC", "abc\0"] {
            assert!(!secret.is(guess), "{guess}");
        }
    }

    #[test]
    fn secrets_differ_and_are_not_printed() {
        let secrets = [(); 2].map(|()| Secret::new(TOKEN_LETTERS).unwrap());

        assert_ne!(secrets[0].reveal(), secrets[1].reveal());
        assert_eq!(format!("{:?}", secrets[0]), "Secret(…)");
    }
}
