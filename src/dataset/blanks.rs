//! White space around quoted fields: `a, "x, y"`, as many programs write and RFC 4180 does not know. Taken strictly, such a
//! quote would be text and the comma in it would part fields.

use std::borrow::Cow;

/// The same CSV without blanks before and after quoted fields. A quote that does not close before the field's end is
/// text, as it is inside a field.
///
/// Linear: inside a field that turns out to be none, quotes stand in pairs, so another such field ends at once.
pub(super) fn without_blanks_around_quotes(text: &str, delimiter: u8) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let is_blank = |byte: u8| matches!(byte, b' ' | b'\t') && byte != delimiter;
    if !bytes.windows(2).any(|pair| (pair[0] == b'"' && is_blank(pair[1])) || (is_blank(pair[0]) && pair[1] == b'"')) {
        return Cow::Borrowed(text);
    }
    let blanks = |at: usize| at + bytes[at..].iter().take_while(|&&byte| is_blank(byte)).count();
    let ends_field = |at: usize| bytes.get(at).is_none_or(|&byte| byte == delimiter || matches!(byte, b'\n' | b'\r'));
    let (mut out, mut copied, mut at) = (String::with_capacity(text.len()), 0, 0);
    while at < bytes.len() {
        let quote = blanks(at);
        if bytes.get(quote) == Some(&b'"')
            && let Some(closed) = closing(bytes, quote)
            && ends_field(blanks(closed))
        {
            out.push_str(&text[copied..at]);
            out.push_str(&text[quote..closed]);
            at = blanks(closed);
            copied = at;
        } else if bytes[at] == b'"' {
            // Not closed as it should be: an error, which is told elsewhere.
            break;
        }
        at += bytes[at..]
            .iter()
            .position(|&byte| byte == delimiter || matches!(byte, b'\n' | b'\r'))
            .unwrap_or(bytes.len() - at);
        at += 1;
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

/// Where the quoted field that begins at `open` ends: behind its last quote.
fn closing(bytes: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == b'"')? + 1;
        if bytes.get(at) != Some(&b'"') {
            return Some(at);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_around_quotes_go_and_others_stay() {
        for (text, tidy) in [
            ("a, \"x, y\"\n", "a,\"x, y\"\n"),
            (" \"a\" ,\t\"x\n y\"  \r\nb , c\n", "\"a\",\"x\n y\"\r\nb , c\n"),
            ("\"a\" \n \"b\"\"c\"", "\"a\"\n\"b\"\"c\""),
            ("a, \"x\" y,\"z\"\n", "a, \"x\" y,\"z\"\n"),
            ("a, \"x\n", "a, \"x\n"),
            ("a, 5\" b\" ,c", "a, 5\" b\" ,c"),
            ("a,\"x\" y,\" z\" \n", "a,\"x\" y,\" z\" \n"),
            ("a,b", "a,b"),
        ] {
            assert_eq!(without_blanks_around_quotes(text, b','), tidy, "{text:?}");
        }
        assert_eq!(without_blanks_around_quotes("a\t \"x\ty\"\t", b'\t'), "a\t\"x\ty\"\t");
    }

    #[test]
    fn the_work_is_linear() {
        let begun = std::time::Instant::now();
        for piece in [" \"", ", \"", ", \"\"", " \"a,", "\" ,", "\n \"\" \"", ", \"x\" y"] {
            without_blanks_around_quotes(&piece.repeat(1_000_000), b',');
        }
        assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    }
}
