//! Upper and lower case, and kinds of characters, as Python's strings have them.

use super::text;

pub(super) fn cased(text: &str, how: &str) -> String {
    let title = |first: &mut bool, c: char| {
        let cased: String = if std::mem::take(first) { c.to_uppercase().collect() } else { c.to_lowercase().collect() };
        cased
    };
    match how {
        "upper" => text.to_uppercase(),
        "casefold" => text.to_lowercase().replace('ß', "ss"),
        "capitalize" => {
            let mut first = true;
            text.chars().map(|c| title(&mut first, c)).collect()
        }
        "title" => {
            let mut first = true;
            let word = |c: char| {
                let written = title(&mut first, c);
                first = !(c.is_lowercase() || c.is_uppercase());
                written
            };
            text.chars().map(word).collect()
        }
        "swapcase" => {
            let swap = |c: char| -> String {
                if c.is_uppercase() { c.to_lowercase().collect() } else { c.to_uppercase().collect() }
            };
            text.chars().map(swap).collect()
        }
        _ => text.to_lowercase(),
    }
}

/// Python's white space: Unicode's and four separators.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// `isalnum` and the like.
pub(super) fn is_kind(of: &str, name: &str) -> bool {
    let all = |is: fn(char) -> bool| !of.is_empty() && of.chars().all(is);
    let cased = |is: fn(char) -> bool, is_not: fn(char) -> bool| of.chars().any(is) && !of.chars().any(is_not);
    match name {
        "isalnum" => all(char::is_alphanumeric),
        "isalpha" => all(char::is_alphabetic),
        "isascii" => of.is_ascii(),
        "isdecimal" | "isdigit" => all(|c| c.is_ascii_digit() || is_decimal(c)),
        "isnumeric" => all(char::is_numeric),
        "isidentifier" => {
            of.starts_with(|c: char| c == '_' || c.is_alphabetic())
                && of.chars().all(|c| c == '_' || c.is_alphanumeric())
        }
        "islower" => cased(char::is_lowercase, char::is_uppercase),
        "isupper" => cased(char::is_uppercase, char::is_lowercase),
        "isprintable" => of.chars().all(text::is_printable),
        "isspace" => all(is_space),
        _ => of.chars().any(|c| c.is_uppercase() || c.is_lowercase()) && cased_title(of),
    }
}

/// The decimal digits of other scripts come in tens.
fn is_decimal(c: char) -> bool {
    matches!(u32::from(c), 0x660..=0x669 | 0x6F0..=0x6F9 | 0x966..=0x96F | 0x9E6..=0x9EF | 0xFF10..=0xFF19)
}

fn cased_title(of: &str) -> bool {
    let mut in_word = false;
    of.chars().all(|c| {
        let fits = if in_word { !c.is_uppercase() } else { !c.is_lowercase() };
        in_word = c.is_uppercase() || c.is_lowercase();
        fits
    })
}
