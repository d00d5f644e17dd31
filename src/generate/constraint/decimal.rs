//! Numbers as they are written: decimals of any length, compared digit by digit, never through a double.

use serde_json::{Number, Value};
use std::cmp::Ordering;

/// A number as text has it: no leading zeros in `whole`, no trailing ones in `fraction`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decimal {
    pub(super) negative: bool,
    pub(super) whole: String,
    pub(super) fraction: String,
}

impl Decimal {
    /// `None` for exponents that no double has.
    pub(super) fn of(number: &Number) -> Option<Decimal> {
        let text = number.to_string();
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().ok().filter(|exponent: &i32| exponent.abs() <= 400)?;
        let (negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits = format!("{whole}{fraction}");
        let mut point = whole.len() as i32 + exponent;
        if point < 0 {
            digits.insert_str(0, &"0".repeat(-point as usize));
            point = 0;
        }
        while digits.len() < point as usize {
            digits.push('0');
        }
        let (whole, fraction) = digits.split_at(point as usize);
        Some(Decimal::new(negative, whole, fraction))
    }

    pub(super) fn new(negative: bool, whole: &str, fraction: &str) -> Decimal {
        let whole = whole.trim_start_matches('0');
        let whole = if whole.is_empty() { "0" } else { whole }.to_string();
        let fraction = fraction.trim_end_matches('0').to_string();
        let negative = negative && !(whole == "0" && fraction.is_empty());
        Decimal { negative, whole, fraction }
    }

    pub(super) fn zero() -> Decimal {
        Decimal::new(false, "0", "")
    }

    pub(super) fn is_zero(&self) -> bool {
        self.whole == "0" && self.fraction.is_empty()
    }

    pub(super) fn is_whole(&self) -> bool {
        self.fraction.is_empty()
    }

    pub(super) fn magnitude(&self) -> Decimal {
        Decimal { negative: false, ..self.clone() }
    }

    pub(super) fn digits(&self) -> usize {
        self.whole.len() + self.fraction.len()
    }

    /// All digits as one number, and how many of them are after the point.
    pub(super) fn scaled(&self) -> Option<(u128, u32)> {
        if self.digits() > 30 {
            return None;
        }
        Some((format!("{}{}", self.whole, self.fraction).parse().ok()?, self.fraction.len() as u32))
    }

    /// Whether this is a whole multiple of `of`. `None` if the numbers are too long to tell.
    pub(super) fn is_multiple(&self, of: &Decimal) -> Option<bool> {
        let ((value, scale), (of, of_scale)) = (self.scaled()?, of.scaled()?);
        let most = scale.max(of_scale);
        let value = value.checked_mul(10u128.checked_pow(most - scale)?)?;
        let of = of.checked_mul(10u128.checked_pow(most - of_scale)?)?;
        Some(of != 0 && value % of == 0)
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Decimal) -> Ordering {
        let magnitude = |a: &Decimal, b: &Decimal| {
            a.whole
                .len()
                .cmp(&b.whole.len())
                .then_with(|| a.whole.cmp(&b.whole))
                .then_with(|| a.fraction.cmp(&b.fraction))
        };
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => magnitude(self, other),
            (true, true) => magnitude(other, self),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Decimal) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Equal as JSON Schema has it: 1 is 1.0.
pub(super) fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (Decimal::of(a), Decimal::of(b)) {
            (Some(a), Some(b)) => a == b,
            _ => a == b,
        },
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        let point = if self.fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{}{point}{}", self.whole, self.fraction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn decimal(value: Value) -> Decimal {
        Decimal::of(value.as_number().unwrap()).unwrap()
    }

    #[test]
    fn a_decimal_is_the_number_that_is_written() {
        for (value, text) in [
            (json!(0), "0"),
            (json!(-0.0), "0"),
            (json!(1e22), "10000000000000000000000"),
            (json!(-1.5e-7), "-0.00000015"),
            (json!(i64::MIN), "-9223372036854775808"),
            (json!(u64::MAX), "18446744073709551615"),
            (json!(100.250), "100.25"),
        ] {
            assert_eq!(decimal(value).to_string(), text);
        }
        assert!(decimal(json!(-2)) < decimal(json!(-1.5)));
        assert!(decimal(json!(9.99)) < decimal(json!(10)));
        assert!(equal(&json!([1, { "a": 1.0 }]), &json!([1.0, { "a": 1 }])));
        assert!(!equal(&json!(9007199254740993u64), &json!(9007199254740992u64)));
    }
}
