//! A QR code in the cells of a terminal.
//!
//! One cell shows two modules, one above the other, as black on white whatever the colours of the terminal are: not every camera reads
//! a code with exchanged colours.

use qrcodegen::{QrCode, QrCodeEcc};

/// The code of `text`, with a line of cells per two rows of modules; `None` if it is too long for a code.
pub(super) fn qr_code(text: &str) -> Option<Vec<String>> {
    // The projector's light and the room's corners cost fewer modules than the smaller cells of a larger code.
    QrCode::encode_text(text, QrCodeEcc::Low).ok().map(|code| lines(&code))
}

/// Two rows of modules per line, with a margin around all.
fn lines(code: &QrCode) -> Vec<String> {
    let modules = -MARGIN..code.size() + MARGIN;
    let rows = modules.clone().step_by(2);
    let cell = |x: i32, y: i32| match (code.get_module(x, y), code.get_module(x, y + 1)) {
        (true, true) => '█',
        (true, false) => '▀',
        (false, true) => '▄',
        (false, false) => ' ',
    };
    rows.map(|y| modules.clone().map(|x| cell(x, y)).collect()).collect()
}

/// Light modules around the code. The standard asks for four; cameras find a code with two, and a terminal has few rows.
const MARGIN: i32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_is_drawn_once() {
        let code = QrCode::encode_text("http://192.168.1.20:7008/k3v9q2", QrCodeEcc::Low).unwrap();

        let lines = lines(&code);

        let width = usize::try_from(code.size() + 2 * MARGIN).unwrap();
        assert!(lines.iter().all(|line| line.chars().count() == width), "{lines:#?}");
        let cells = lines.iter().enumerate().flat_map(|(row, line)| {
            line.chars().enumerate().flat_map(move |(x, cell)| {
                [(x, 2 * row, "█▀".contains(cell)), (x, 2 * row + 1, "█▄".contains(cell))]
            })
        });
        for (x, y, is_dark) in cells {
            let at = |cell: usize| i32::try_from(cell).unwrap() - MARGIN;
            assert_eq!(is_dark, code.get_module(at(x), at(y)), "{x} {y}");
        }
    }

    #[test]
    fn a_text_that_no_code_holds_has_none() {
        assert!(qr_code("http://127.0.0.1:7008/x").is_some());
        assert!(qr_code(&"x".repeat(5000)).is_none());
    }
}
