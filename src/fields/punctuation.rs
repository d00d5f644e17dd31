//! What parts a line into fields, and a field into name and value, in the punctuation of both languages.

use crate::dataset::is_invisible;

/// Parts fields wherever it stands.
pub(super) fn is_separator(c: char) -> bool {
    matches!(c, ',' | '，' | '﹐' | ';' | '；' | '﹔' | '、' | '﹑' | '､' | '\n' | '|' | '｜')
}

/// Ends a name.
pub(super) fn is_colon(c: char) -> bool {
    matches!(c, ':' | '：' | '﹕' | '︰' | '∶' | '꞉')
}

/// White space within a line.
pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace() && c != '\n'
}

/// What may stand around a name or value and is no part of it.
pub(super) fn is_edge(c: char) -> bool {
    c.is_whitespace() || is_invisible(c)
}

/// White space at the start of a text: its bytes, and whether it is as wide as two blanks, and so parts fields.
pub(super) fn gap(text: &str) -> (usize, bool) {
    let (mut bytes, mut width) = (0, 0);
    for c in text.chars().take_while(|&c| is_blank(c)) {
        bytes += c.len_utf8();
        width += if matches!(c, '\t' | '\u{3000}') { 2 } else { 1 };
    }
    (bytes, width >= 2)
}

/// The mark after which values stand in a whole line: the first that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Colon,
    Equals,
}

impl Mark {
    pub(super) fn of_line(text: &str) -> Mark {
        let first = text.chars().find(|&c| is_mark(c));
        if first.is_some_and(|c| Mark::Equals.is(c)) { Mark::Equals } else { Mark::Colon }
    }

    pub(super) fn is(self, c: char) -> bool {
        match self {
            Mark::Colon => is_colon(c),
            Mark::Equals => matches!(c, '=' | '＝'),
        }
    }
}

/// Ends a name in some line.
pub(super) fn is_mark(c: char) -> bool {
    Mark::Colon.is(c) || Mark::Equals.is(c)
}

/// Whether a colon between these texts is part of an address (`https://…`).
pub(super) fn is_address(after: &str) -> bool {
    after.starts_with("//")
}

/// Whether a colon between these texts is part of a time or a ratio (`10:30`).
pub(super) fn is_time(before: &str, after: &str) -> bool {
    let numeric = |c: char| c.is_ascii_digit() || is_colon(c) || matches!(c, '.' | '-' | '/');
    let before = before.trim();
    !before.is_empty() && before.chars().all(numeric) && after.starts_with(|c: char| c.is_ascii_digit())
}
