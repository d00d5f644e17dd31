//! Numbers and quotations of a text: what can be checked against the case word for word.

/// Numbers of a text with their decimals, separators and slashes, as in `9/10`, `９／10` and `12,000.50`; digits that belong to a
/// word, as in `P7`, are none.
pub(crate) fn numbers(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut before = None;
    let mut chars = text.char_indices().peekable();
    while let Some((start, c)) = chars.next() {
        let in_word = before.replace(c).is_some_and(|c: char| narrow(c).is_ascii_alphabetic());
        if !is_digit(c) {
            continue;
        }
        let mut end = start + c.len_utf8();
        while let Some(&(at, c)) = chars.peek() {
            // The full-width comma parts clauses.
            let joins = matches!(c, '.' | ',' | '/' | ':' | '．' | '／' | '：')
                && text[at + c.len_utf8()..].starts_with(is_digit);
            if !is_digit(c) && !joins {
                break;
            }
            end = at + c.len_utf8();
            before = Some(c);
            chars.next();
        }
        if !in_word {
            found.push(&text[start..end]);
        }
    }
    found
}

/// The same as they are compared: in ASCII.
pub(crate) fn plain_numbers(text: &str) -> impl Iterator<Item = String> {
    numbers(text).into_iter().map(plain)
}

/// A number as it is compared with others.
pub(crate) fn plain(number: &str) -> String {
    number.chars().map(narrow).collect()
}

fn is_digit(c: char) -> bool {
    narrow(c).is_ascii_digit()
}

/// The ASCII character of a full-width one.
fn narrow(c: char) -> char {
    match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
        c => c,
    }
}

/// What stands in quotes.
pub(crate) fn quotations(text: &str) -> Vec<&str> {
    const QUOTES: [(char, char); 7] =
        [('“', '”'), ('「', '」'), ('『', '』'), ('"', '"'), ('«', '»'), ('‘', '’'), ('„', '“')];
    let mut found = Vec::new();
    for (open, close) in QUOTES {
        let mut rest = text;
        while let Some((_, after)) = rest.split_once(open) {
            let Some((quoted, behind)) = after.split_once(close) else { break };
            if !quoted.trim().is_empty() {
                found.push(quoted.trim());
            }
            rest = behind;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_whole_and_words_are_none() {
        assert_eq!(numbers("技术深度为9/10，30天内；P7，A1，12,000.50元。2026"), ["9/10", "30", "12,000.50", "2026"]);
        assert_eq!(numbers("3. at 10:30, 7th, v2.1 x"), ["3", "10:30", "7"]);
        assert_eq!(numbers("深度９／１０，得８．５分；Ｐ7，第2、3项"), ["９／１０", "８．５", "2", "3"]);
        assert_eq!(plain_numbers("９／10，1２").collect::<Vec<_>>(), ["9/10", "12"]);
        assert!(numbers("").is_empty() && numbers("无").is_empty());
    }

    #[test]
    fn quotations_of_every_kind() {
        assert_eq!(quotations("称“踏实”，又称「可靠」；\"firm\" and “open"), ["踏实", "可靠", "firm"]);
        assert_eq!(quotations("称‘踏实’，don’t; „gut“"), ["踏实", "gut"]);
        assert!(quotations("“ ”\"").is_empty());
    }
}
