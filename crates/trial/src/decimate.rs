//! Limits the number of recorded elements, however long a run is.

/// Removes every second element if there are more than `most` (or one more, if their number is even). The shape of a run remains,
/// at half the resolution, and so do the first and the last element.
///
/// ```
/// let mut elements = vec![0, 1, 2, 3, 4];
/// echoctl_trial::decimate(&mut elements, 4);
/// assert_eq!(elements, [0, 2, 4]);
/// ```
pub fn decimate<T>(elements: &mut Vec<T>, most: usize) {
    // Of an odd number of elements the last one stays.
    if elements.len() <= most || elements.len().is_multiple_of(2) {
        return;
    }
    let mut stays = false;
    elements.retain(|_| {
        stays = !stays;
        stays
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_elements_is_limited() {
        let mut elements = Vec::new();
        for number in 0..10_000 {
            elements.push(number);
            decimate(&mut elements, 99);
            assert!(elements.len() <= 100 && elements.last() == Some(&number));
        }

        assert_eq!(elements[0], 0);
        assert!(elements.is_sorted() && elements.len() > 40);
    }
}
