//! What stands between fields: the option, unless the file says it itself.

use super::invisible::plain;
use crate::error::Result;
use crate::options::invalid;

/// The delimiters that may be asked for, those that people use first. All are one byte in every encoding that is read.
const COMMON: [char; 4] = [',', ';', '\t', '|'];

/// The delimiter that an option names.
pub(super) fn of_option(delimiter: &str) -> Result<u8> {
    match delimiter.as_bytes() {
        &[byte] if is_allowed(byte) => Ok(byte),
        _ => Err(invalid("delimiter", format!("{delimiter:?}"), "one of `,`, `;`, `:`, `|` or a tab")),
    }
}

/// Letters, digits, quotes and line ends have a meaning of their own.
fn is_allowed(byte: u8) -> bool {
    matches!(byte, b'\t' | b' ' | b'!' | b'#'..=b'/' | b':'..=b'@' | b'|' | b'~' | b'^')
}

/// A first line `sep=;`, as spreadsheets write and honour it: its delimiter, and its bytes with the line end.
pub(super) fn line(text: &[u8]) -> Option<(u8, usize)> {
    let end = text.iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
    let line = &text[..end];
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    let (name, delimiter) = (line.get(..4)?, *line.get(4)?);
    let after = if text[end..].starts_with(b"\r\n") { end + 2 } else { end + 1 };
    let says_so = name.eq_ignore_ascii_case(b"sep=") && line[5..].trim_ascii().is_empty() && is_allowed(delimiter);
    says_so.then_some((delimiter, after))
}

/// The common delimiter that parts this header, which `delimiter` does not: one with which both columns are there, or
/// else the first that is in it.
pub(super) fn likely(header: &str, delimiter: u8, columns: [&str; 2]) -> Option<char> {
    let others = COMMON.into_iter().filter(|&c| u32::from(c) != u32::from(delimiter) && header.contains(c));
    let has_both = |&c: &char| {
        let is = |name: &str| header.split(c).any(|cell| plain(cell) == plain(name));
        is(columns[0]) && is(columns[1])
    };
    others.clone().find(has_both).or(others.clone().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_line_may_say_the_delimiter() {
        for (text, found) in [
            ("sep=;\na;b", Some((b';', 6))),
            ("SEP=,\r\na,b", Some((b',', 7))),
            ("\"sep=|\"\ra|b", Some((b'|', 8))),
            ("sep=\t\n", Some((b'\t', 6))),
            ("sep=;", None),
            ("sep=a\n", None),
            ("sep=\"\n", None),
            ("sep=;b\n", None),
            ("sep;b\n", None),
            ("input,output\n", None),
        ] {
            assert_eq!(line(text.as_bytes()), found, "{text:?}");
        }
    }

    #[test]
    fn the_hint_is_one_that_the_option_takes() {
        for (header, hint) in [("input;output", ';'), ("input\toutput", '\t'), ("a, b|input|output", '|'), ("x;y", ';')]
        {
            let found = likely(header, if header.contains(',') { b';' } else { b',' }, ["input", "output"]).unwrap();
            assert_eq!(found, hint);
            assert_eq!(of_option(&found.to_string()).unwrap(), hint as u8);
        }
        assert_eq!(likely("input", b',', ["input", "output"]), None);
    }
}
