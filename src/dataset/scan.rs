//! Where in a CSV a byte is, and whether its quotes are closed.
//!
//! The `csv` crate reads leniently: an unclosed quote takes the rest of the file as one field, text after a closing
//! quote is joined to the field. Both mean that rows were lost, so the quotes are checked here first. Works on bytes,
//! because a place is also needed in a file that cannot be decoded; quotes, line ends and the delimiters allowed are
//! the same bytes in UTF-8 and GB18030, and never part of a longer character.

/// A place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Number of the record, from 1; 0 is the header.
    pub row: usize,
    /// Line of the file, from 1. Of this byte, not of the beginning of its record.
    pub line: usize,
    /// Index of the field in its record.
    pub field: usize,
}

/// A quoted field that does not end as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QuoteFault {
    /// The file ends inside it.
    Unclosed { opened: Place },
    /// It is closed, but the field goes on.
    TextAfter { opened: Place, closed: Place },
}

#[derive(Clone, Copy)]
enum State {
    FieldStart,
    Unquoted,
    Quoted(Place),
    Closed(Place, Place),
}

/// The first fault in the quotes.
pub(super) fn quote_fault(bytes: &[u8], delimiter: u8) -> Option<QuoteFault> {
    walk(bytes, delimiter, bytes.len()).1
}

/// The place of the byte at `offset`.
pub(super) fn locate(bytes: &[u8], delimiter: u8, offset: usize) -> Place {
    walk(bytes, delimiter, offset).0
}

fn walk(bytes: &[u8], delimiter: u8, stop: usize) -> (Place, Option<QuoteFault>) {
    let mut place = Place { row: 0, line: 1, field: 0 };
    let mut state = State::FieldStart;
    let mut fault = None;
    let mut blank = true;
    for (at, &byte) in bytes.iter().enumerate().take(stop) {
        let ends_line = byte == b'\n' || (byte == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
        let ends_record = matches!(byte, b'\n' | b'\r');
        state = match state {
            State::Quoted(opened) if byte == b'"' => State::Closed(opened, place),
            State::Quoted(opened) => State::Quoted(opened),
            State::Closed(opened, _) if byte == b'"' => State::Quoted(opened),
            State::FieldStart if byte == b'"' => State::Quoted(place),
            _ if ends_record => State::FieldStart,
            _ if byte == delimiter => State::FieldStart,
            State::Closed(opened, closed) => {
                fault = fault.or(Some(QuoteFault::TextAfter { opened, closed }));
                State::Unquoted
            }
            State::FieldStart | State::Unquoted => State::Unquoted,
        };
        if ends_line {
            place.line += 1;
        }
        match state {
            State::FieldStart if ends_record => {
                place.row += usize::from(!blank);
                place.field = 0;
                blank = true;
            }
            State::FieldStart => {
                place.field += 1;
                blank = false;
            }
            _ => blank = false,
        }
    }
    if let State::Quoted(opened) = state
        && stop >= bytes.len()
    {
        fault = fault.or(Some(QuoteFault::Unclosed { opened }));
    }
    (place, fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_records_lines_and_fields() {
        let text = b"a,b\r\n1,\"x\ny\"\r\n\r\n2,z\r3,w\n";
        for (needle, row, line, field) in [
            (b'a', 0, 1, 0),
            (b'b', 0, 1, 1),
            (b'1', 1, 2, 0),
            (b'x', 1, 2, 1),
            (b'y', 1, 3, 1),
            (b'2', 2, 5, 0),
            (b'z', 2, 5, 1),
            (b'w', 3, 6, 1),
        ] {
            let offset = text.iter().position(|&b| b == needle).unwrap();
            assert_eq!(locate(text, b',', offset), Place { row, line, field }, "{}", char::from(needle));
        }
    }

    #[test]
    fn faults_name_where_the_quote_was_opened() {
        let at = |row, line, field| Place { row, line, field };
        for (text, fault) in [
            ("a,b\n1,\"x\"\"y\"\n", None),
            ("a,b\n1,x\"y\n", None),
            ("a,b\n1,\"\"\n2,\"\"\"\"", None),
            ("a,b\n1,\"xy\n2,z\n", Some(QuoteFault::Unclosed { opened: at(1, 2, 1) })),
            ("a,b\n\"1,x\n\"2\",y\n", Some(QuoteFault::TextAfter { opened: at(1, 2, 0), closed: at(1, 3, 0) })),
            ("a,b\n1,\"x\" \n", Some(QuoteFault::TextAfter { opened: at(1, 2, 1), closed: at(1, 2, 1) })),
        ] {
            assert_eq!(quote_fault(text.as_bytes(), b','), fault, "{text:?}");
        }
    }
}
