//! Numbers of a schema that JSON cannot bring to us: read as a double they would be others, in silence.

use crate::error::{Code, Error, Result};
use serde_json::Value;

/// Refuses options whose `option` has a number in it that no 64-bit integer and no double holds as it is written. The text
/// is valid JSON.
pub(crate) fn check_schema_numbers(text: &str, option: &str) -> Result<()> {
    let bytes = text.as_bytes();
    let (mut at, mut depth, mut inside) = (0, 0usize, false);
    while at < bytes.len() {
        match bytes[at] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 1 => inside = false,
            b'"' => {
                let end = string_end(bytes, at);
                let is_key = depth == 1 && text[end..].trim_start().starts_with(':');
                if is_key {
                    inside = &text[at + 1..end - 1] == option;
                }
                at = end;
                continue;
            }
            b'-' | b'0'..=b'9' => {
                let more = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
                let end = at + bytes[at..].iter().take_while(more).count();
                let number = &text[at..end];
                if inside && !is_held(number) {
                    let shown: String = number.chars().take(60).collect();
                    return Err(Error::new(
                        Code::InvalidOptions,
                        format!("option `{option}` has the number {shown}, which neither 64 bits nor a double hold; expected one with fewer digits"),
                    )
                    .with("option", option));
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// After the closing quote of the string that begins at `at`.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != b'"' {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    (end + 1).min(bytes.len())
}

/// Whether a number is the same after it was read.
fn is_held(number: &str) -> bool {
    let read = serde_json::from_str::<Value>(number).ok().map(|read| read.to_string());
    read.is_some_and(|read| digits(&read) == digits(number))
}

/// Sign, significant digits and the power of ten of the first of them.
fn digits(number: &str) -> (bool, String, i64) {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let zeros = all.bytes().take_while(|digit| *digit == b'0').count();
    let significant = all[zeros..].trim_end_matches('0').to_string();
    if significant.is_empty() {
        return (false, significant, 0);
    }
    let exponent: i64 = exponent.trim_start_matches('+').parse().unwrap_or(i64::MAX / 2);
    (negative, significant, exponent + whole.len() as i64 - zeros as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_would_change_is_refused() {
        for (number, held) in [
            ("1234567890123456789", true),
            ("18446744073709551615", true),
            // A double, but one that is written 18446744073709552000.
            ("18446744073709551616", false),
            ("18446744073709551617", false),
            ("-9223372036854775808", true),
            ("12345678901234567890123", false),
            ("0.1", true),
            ("1.50", true),
            ("1e22", true),
            ("0.1234567890123456789", false),
            ("-0", true),
            ("1.7976931348623157e308", true),
            ("5e-324", true),
        ] {
            let text = format!(r#"{{"a":[0.1234567890123456789],"s":{{"x\"":"1e999","enum":[{number}]}},"b":1}}"#);
            assert_eq!(check_schema_numbers(&text, "s").is_ok(), held, "{number}");
            assert!(check_schema_numbers(&text, "b").is_ok());
        }
    }
}
