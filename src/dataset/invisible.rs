//! Characters that nobody sees: copied along from web pages and spreadsheets, they make two names differ that look alike.

use std::borrow::Cow;

/// Whether a character is a format character: zero-width ones, byte order marks, joiners, bidi controls, soft hyphens,
/// variation selectors and tags.
pub(crate) fn is_invisible(c: char) -> bool {
    is_joiner(c)
        || matches!(c,
            '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
            | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}'
            | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF9}'..='\u{FFFB}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Those that belong into texts: they join and part letters of some scripts, and make emoji.
pub(super) fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}')
}

/// A text without them.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    match text.contains(is_invisible) {
        true => Cow::Owned(text.replace(is_invisible, "")),
        false => Cow::Borrowed(text),
    }
}

/// A name as people compare it: also without quotes, inner blanks, case and width.
pub(super) fn plain(name: &str) -> String {
    let narrow = |c: char| match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
        c => c,
    };
    let kept = |c: &char| !c.is_whitespace() && !matches!(c, '"' | '\'' | '_' | '-');
    visible(name).chars().map(narrow).filter(kept).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_become_alike() {
        for text in [
            "绩\u{200B}效",
            "\u{FEFF}绩效",
            "绩效\u{2060}",
            "\u{202E}绩效\u{202C}",
            "绩\u{AD}效",
            "绩\u{200D}效\u{FE0F}",
        ] {
            assert_eq!(visible(text), "绩效", "{text:?}");
        }
        assert!(matches!(visible("绩效 é-\u{3000}"), Cow::Borrowed(_)));
    }
}
