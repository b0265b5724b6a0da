//! Keeps what is recorded of a run bounded, however long the run is.

/// Drops every other element where there are more than `most`, or one more still: the shape of a run stays, at half the
/// resolution, and so do the first element and the last.
///
/// ```
/// let mut elements = vec![0, 1, 2, 3, 4];
/// echoctl_record::decimate(&mut elements, 4);
/// assert_eq!(elements, [0, 2, 4]);
/// ```
pub fn decimate<T>(elements: &mut Vec<T>, most: usize) {
    // Of an odd number the last is one of those that stay.
    if elements.len() <= most || elements.len().is_multiple_of(2) {
        return;
    }
    let mut is_kept = false;
    elements.retain(|_| {
        is_kept = !is_kept;
        is_kept
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_stay_below_the_most_however_many_come() {
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
