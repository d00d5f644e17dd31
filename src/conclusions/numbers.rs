//! Numbers and quotations of a text: what can be checked against the case word for word.

/// Numbers of a text with their decimals, separators and slashes, as in `9/10` and `12,000.50`; digits that belong to a
/// word, as in `P7`, are none.
pub(crate) fn numbers(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find(|c: char| c.is_ascii_digit()).map(|from| at + from) {
        let bytes = text.as_bytes();
        let mut end = start;
        while end < bytes.len() {
            let joins =
                matches!(bytes[end], b'.' | b',' | b'/' | b':') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
            if !bytes[end].is_ascii_digit() && !joins {
                break;
            }
            end += 1;
        }
        let in_word = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphabetic);
        if !in_word(start.checked_sub(1).and_then(|before| bytes.get(before))) {
            found.push(&text[start..end]);
        }
        at = end;
    }
    found
}

/// What stands in quotes.
pub(crate) fn quotations(text: &str) -> Vec<&str> {
    const QUOTES: [(char, char); 5] = [('“', '”'), ('「', '」'), ('『', '』'), ('"', '"'), ('«', '»')];
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
        assert!(numbers("").is_empty() && numbers("无").is_empty());
    }

    #[test]
    fn quotations_of_every_kind() {
        assert_eq!(quotations("称“踏实”，又称「可靠」；\"firm\" and “open"), ["踏实", "可靠", "firm"]);
        assert!(quotations("“ ”\"").is_empty());
    }
}
