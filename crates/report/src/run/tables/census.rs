//! Whose bytes were in the server's memory at the end of an attack.

use echoctl_record::{Bytes, Census, Evidence, Marked};

/// What the census counted, as a sentence without its full stop; `None` if there was none.
pub fn census(evidence: &Evidence) -> Option<String> {
    let census = evidence.census.as_ref()?;
    let read = evidence.points.last().map_or(0, |last| last.server_read());
    let found = match census.marked {
        Marked::Input => input(census.added(), read, census),
        Marked::Output => output(census),
    };
    let searched = match census.is_complete {
        true => String::new(),
        false => format!(", of which {} could be searched", Bytes(census.scanned)),
    };
    Some(format!("{found}{searched} (counted by marks in the data)"))
}

fn input(found: u64, read: u64, census: &Census) -> String {
    let read = Bytes(read);
    match found {
        0 if census.is_complete => format!("nothing of the {read} that the server read is in its memory"),
        0 => format!("nothing of the {read} that the server read was found in its memory"),
        // Some servers keep two copies, or leave the freed one as it was.
        found if Bytes(found) > read => {
            format!("all of the {read} that the server read is in its memory, some of it more than once")
        }
        found => format!("{} of the {read} that the server read are in its memory", Bytes(found)),
    }
}

fn output(census: &Census) -> String {
    let found = match census.bytes {
        0 => "no bytes like those that the server sends are".to_owned(),
        found => format!("{} like those that the server sends are", Bytes(found)),
    };
    let before = match census.before {
        0 => String::new(),
        before => format!(", {} of them before the attack", Bytes(before)),
    };
    format!("{found} in its memory{before}")
}

#[cfg(test)]
mod tests {
    use echoctl_record::{Point, Sample};

    use super::*;

    const MIB: u64 = 1 << 20;

    fn said(marked: Marked, bytes: u64, before: u64, is_complete: bool) -> String {
        let sample = Sample { server_read: Some(96 * MIB), ..Sample::default() };
        let census = Census { marked, bytes, before, scanned: 200 * MIB, is_complete, seconds: 0.1 };
        let evidence = Evidence {
            points: vec![Point { sample, ..Point::default() }],
            census: Some(census),
            ..Evidence::default()
        };
        super::census(&evidence).unwrap().replace(" (counted by marks in the data)", "")
    }

    #[test]
    fn input_is_counted_against_what_the_server_read() {
        let texts = [
            said(Marked::Input, 92 * MIB, 0, true),
            said(Marked::Input, 180 * MIB, 0, true),
            said(Marked::Input, 0, 0, true),
            said(Marked::Input, 40 * MIB, 0, false),
        ];

        assert_eq!(
            texts,
            [
                "92 MiB of the 96 MiB that the server read are in its memory",
                "all of the 96 MiB that the server read is in its memory, some of it more than once",
                "nothing of the 96 MiB that the server read is in its memory",
                "40 MiB of the 96 MiB that the server read are in its memory, of which 200 MiB could be searched",
            ]
        );
    }

    #[test]
    fn output_is_counted_as_bytes_like_those_sent() {
        assert_eq!(
            said(Marked::Output, 40 * MIB, MIB, true),
            "40 MiB like those that the server sends are in its memory, 1 MiB of them before the attack"
        );
        assert_eq!(
            said(Marked::Output, 0, 0, true),
            "no bytes like those that the server sends are in its memory"
        );
    }

    #[test]
    fn without_a_census_nothing_is_said() {
        assert_eq!(super::census(&Evidence::default()), None);
    }
}
