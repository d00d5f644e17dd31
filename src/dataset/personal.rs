//! Personal data in a field: what a company must not train on without thought.

use super::findings::Kind;
use fancy_regex::Regex;
use std::sync::LazyLock;

/// What is in a field, in words.
pub(super) fn found_in(field: &str) -> Vec<(Kind, String)> {
    let mut found = Vec::new();
    let personal =
        |kind, what: &str| (kind, format!("contains {what}; remove or replace personal data before training"));
    if has_id_number(field) {
        found.push(personal(Kind::IdNumber, "an identity number"));
    }
    let digits = field.bytes().filter(u8::is_ascii_digit).count();
    if digits >= 11 && matches(&PHONE, field) {
        found.push(personal(Kind::PhoneNumber, "a phone number"));
    }
    if field.contains('@') && matches(&EMAIL, field) {
        found.push(personal(Kind::Email, "an e-mail address"));
    }
    found
}

type Pattern = LazyLock<Option<Regex>>;

static PHONE: Pattern =
    LazyLock::new(|| Regex::new(r"(?<![0-9])(?:\+?86[- ]?)?1[3-9][0-9][- ]?[0-9]{4}[- ]?[0-9]{4}(?![0-9])").ok());
static EMAIL: Pattern =
    LazyLock::new(|| Regex::new(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}").ok());

fn matches(pattern: &Pattern, field: &str) -> bool {
    pattern.as_ref().is_some_and(|regex| regex.is_match(field).unwrap_or(false))
}

/// Looks for 18 characters of GB 11643: a date of birth in the middle, and a right check digit at the end.
fn has_id_number(field: &str) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let is_alphanumeric = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = field.as_bytes();
    bytes.windows(18).enumerate().any(|(at, window)| {
        let (digits, check) = window.split_at(17);
        if !digits.iter().all(u8::is_ascii_digit) || is_alphanumeric(bytes.get(at + 18)) {
            return false;
        }
        if at > 0 && is_alphanumeric(bytes.get(at - 1)) {
            return false;
        }
        let number = |range: std::ops::Range<usize>| digits[range].iter().fold(0, |n, b| n * 10 + u32::from(b - b'0'));
        let sum: u32 = digits.iter().zip(WEIGHTS).map(|(b, weight)| u32::from(b - b'0') * weight).sum();
        let expected = b"10X98765432"[(sum % 11) as usize];
        (1800..2100).contains(&number(6..10))
            && (1..=12).contains(&number(10..12))
            && (1..=31).contains(&number(12..14))
            && check[0].to_ascii_uppercase() == expected
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patterns_are_regular_expressions() {
        assert!(PHONE.is_some() && EMAIL.is_some());
    }

    #[test]
    fn personal_data_is_found_and_look_alikes_are_not() {
        for (field, kinds) in [
            ("电话13812345678。", &[Kind::PhoneNumber][..]),
            ("+86 138-1234-5678", &[Kind::PhoneNumber]),
            ("138 1234 5678", &[Kind::PhoneNumber]),
            ("订单号213812345678", &[]),
            ("12345678901", &[]),
            ("身份证11010519491231002X", &[Kind::IdNumber]),
            ("11010519491231002x", &[Kind::IdNumber]),
            ("110105194912310021", &[]),
            ("11010519491331002X", &[]),
            ("mail: Zhang.San+hr@example.com.cn!", &[Kind::Email]),
            ("a@b, 50 @ 3", &[]),
            ("工号10023；评分A", &[]),
        ] {
            let found: Vec<Kind> = found_in(field).into_iter().map(|(kind, _)| kind).collect();
            assert_eq!(found, kinds, "{field}");
        }
    }
}
