//! Encodes the number of a frame as eight characters that are safe in a line of text.
//!
//! ```text
//! A A A A B 7 x   k
//! seven base-64   a check digit over the seven and the connection
//! digits
//! ```
//!
//! Seven digits suffice for 4 × 10¹² frames. The check digit works as in an ISBN: each digit has an odd weight, and
//! odd numbers are invertible modulo 64, so a single changed digit always changes the sum. Without it a damaged
//! number would look like a jump ahead (lost frames) or back (a duplicate), and corruption would be reported as loss.
//! The sum includes the connection, so that a frame that comes back on another connection is detected too.

/// Length of a number in characters.
pub(crate) const DIGITS: usize = 8;

/// The 64 digits: letters, digits, `-` and `_`, without special meaning in a shell, a line or a JSON string.
pub(crate) const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Encodes `number` for the connection with this `salt`.
pub(crate) fn encode(number: u64, salt: u64) -> [u8; DIGITS] {
    let mut text = [0; DIGITS];
    let mut sum = salt;
    for (place, character) in text[..DIGITS - 1].iter_mut().enumerate() {
        let digit = number >> (6 * (DIGITS - 2 - place)) & 63;
        sum = sum.wrapping_add(digit * weight(place));
        *character = ALPHABET[digit as usize];
    }
    text[DIGITS - 1] = ALPHABET[(sum & 63) as usize];
    text
}

/// Decodes a number; `None` if it is not a valid frame number on this connection.
pub(crate) fn decode(text: &[u8; DIGITS], salt: u64) -> Option<u64> {
    let (mut number, mut sum) = (0, salt);
    for (place, &character) in text[..DIGITS - 1].iter().enumerate() {
        let digit = value(character)?;
        number = number << 6 | digit;
        sum = sum.wrapping_add(digit * weight(place));
    }
    (value(text[DIGITS - 1])? == sum & 63).then_some(number)
}

const fn weight(place: usize) -> u64 {
    2 * place as u64 + 1
}

fn value(character: u8) -> Option<u64> {
    let value = VALUES[usize::from(character)];
    (value < 64).then_some(u64::from(value))
}

/// The value of each character; 255 if it is not a digit.
const VALUES: [u8; 256] = {
    let mut values = [255; 256];
    let mut digit = 0;
    while digit < 64 {
        values[ALPHABET[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_back() {
        for number in [0, 1, 63, 64, 4095, 123_456_789, (1 << 42) - 1] {
            assert_eq!(decode(&encode(number, 17), 17), Some(number));
        }
    }

    #[test]
    fn every_single_wrong_character_is_detected() {
        let right = encode(98_765_432, 5);

        for place in 0..DIGITS {
            for wrong in (0..=255).filter(|&wrong| wrong != right[place]) {
                let mut text = right;
                text[place] = wrong;
                assert_eq!(decode(&text, 5), None, "{wrong} at {place}");
            }
        }
    }

    #[test]
    fn a_frame_of_another_connection_is_detected() {
        assert_eq!(decode(&encode(7, 1), 2), None);
    }
}
