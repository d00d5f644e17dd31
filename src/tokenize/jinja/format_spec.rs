//! How one value is written: the part of a format after the colon, or after the percent sign.

use super::Fault;
use super::run::Run;
use super::text;
use super::value::Value;

/// No number is written with more digits.
pub(super) const MOST_DIGITS: usize = 1000;

/// How one value is written.
#[derive(Default)]
pub(super) struct Spec {
    pub(super) fill: Option<char>,
    pub(super) align: Option<char>,
    pub(super) sign: Option<char>,
    pub(super) alternate: bool,
    pub(super) width: usize,
    pub(super) grouping: Option<char>,
    pub(super) precision: Option<usize>,
    pub(super) kind: Option<char>,
}

impl Spec {
    /// `[[fill]align][sign][#][0][width][grouping][.precision][type]`.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let mut spec = Spec::default();
        let mut chars = text.chars();
        let is_align = |c: &char| "<>=^".contains(*c);
        let mut ahead = chars.clone();
        let (first, second) = (ahead.next(), ahead.next());
        if second.as_ref().is_some_and(is_align) {
            (spec.fill, spec.align) = (first, second);
            chars = ahead;
        } else if first.as_ref().is_some_and(is_align) {
            spec.align = first;
            chars.next();
        }
        let mut next = chars.next();
        if let Some(sign) = next.filter(|c| "+- ".contains(*c)) {
            spec.sign = Some(sign).filter(|sign| *sign != '-');
            next = chars.next();
        }
        if next == Some('#') {
            spec.alternate = true;
            next = chars.next();
        }
        if next == Some('0') && spec.align.is_none() {
            (spec.fill, spec.align) = (Some('0'), Some('='));
        }
        (spec.width, next) = digits(next, &mut chars);
        if let Some(mark) = next.filter(|c| matches!(c, ',' | '_')) {
            spec.grouping = Some(mark);
            next = chars.next();
        }
        if next == Some('.') {
            let (precision, after) = digits(chars.next(), &mut chars);
            spec.precision = Some(precision);
            next = after;
        }
        spec.kind = next;
        match chars.next() {
            None => Ok(spec),
            Some(_) => Err(Fault::of(format!("Invalid format specifier '{text}'"))),
        }
    }

    pub(super) fn write(&mut self, run: &Run, value: &Value) -> Result<String, Fault> {
        let refused = |kind: char| Err(Fault::of(format!("Unknown format code '{kind}' for {}", value.kind())));
        match (value, self.kind) {
            (Value::Text(text), None | Some('s')) => self.text(run, text),
            (Value::Int(number), None | Some('d' | 'x' | 'X' | 'o' | 'b')) => self.integer(run, *number),
            (Value::Int(_) | Value::Float(_), Some('e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%'))
            | (Value::Float(_), None) => self.float(run, value.as_float().unwrap_or_default()),
            (Value::Bool(_) | Value::None | Value::List(_) | Value::Dict(_), None) => {
                let text = value.to_text(run)?;
                self.text(run, &text)
            }
            (_, Some(kind)) => refused(kind),
            (_, None) => refused('s'),
        }
    }

    pub(super) fn text(&self, run: &Run, text: &str) -> Result<String, Fault> {
        let cut: String = match self.precision {
            Some(most) => text.chars().take(most).collect(),
            None => text.to_owned(),
        };
        self.padded(run, "", cut, '<')
    }

    pub(super) fn integer(&self, run: &Run, number: i64) -> Result<String, Fault> {
        let magnitude = number.unsigned_abs();
        let (prefix, digits) = match self.kind {
            Some('x') => ("0x", format!("{magnitude:x}")),
            Some('X') => ("0X", format!("{magnitude:X}")),
            Some('o') => ("0o", format!("{magnitude:o}")),
            Some('b') => ("0b", format!("{magnitude:b}")),
            _ => ("", magnitude.to_string()),
        };
        self.number(run, number < 0, if self.alternate { prefix } else { "" }, digits)
    }

    pub(super) fn float(&self, run: &Run, number: f64) -> Result<String, Fault> {
        let precision = self.precision.unwrap_or(6);
        if precision > MOST_DIGITS {
            return Err(Fault::of("a precision is too large"));
        }
        let magnitude = number.abs();
        let upper = matches!(self.kind, Some('E' | 'F' | 'G'));
        let digits = if !number.is_finite() {
            text::float(magnitude)
        } else {
            match self.kind {
                None if self.precision.is_none() => text::float(magnitude),
                Some('e' | 'E') => scientific(magnitude, precision),
                Some('%') => format!("{:.precision$}%", magnitude * 100.0),
                Some('g' | 'G') | None => general(magnitude, precision.max(1), self.kind.is_none()),
                _ => format!("{magnitude:.precision$}"),
            }
        };
        let digits = if upper { digits.to_uppercase() } else { digits };
        self.number(run, number.is_sign_negative() && !number.is_nan(), "", digits)
    }

    pub(super) fn number(&self, run: &Run, negative: bool, prefix: &str, mut digits: String) -> Result<String, Fault> {
        if let Some(mark) = self.grouping {
            let whole = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
            for at in (1..whole).rev().filter(|at| (whole - at) % 3 == 0) {
                digits.insert(at, mark);
            }
        }
        let sign = match (negative, self.sign) {
            (true, _) => "-",
            (false, Some('+')) => "+",
            (false, Some(' ')) => " ",
            (false, _) => "",
        };
        self.padded(run, &format!("{sign}{prefix}"), digits, '>')
    }

    /// Fills up to the width; `head` (sign and prefix) stays before zeros.
    pub(super) fn padded(&self, run: &Run, head: &str, text: String, align: char) -> Result<String, Fault> {
        let length = head.chars().count() + text.chars().count();
        let missing = self.width.saturating_sub(length);
        let fill = self.fill.unwrap_or(' ');
        run.room(missing.saturating_mul(fill.len_utf8()).saturating_add(text.len()))?;
        let filling = |count: usize| fill.to_string().repeat(count);
        Ok(match self.align.unwrap_or(align) {
            '<' => format!("{head}{text}{}", filling(missing)),
            '^' => format!("{}{head}{text}{}", filling(missing / 2), filling(missing - missing / 2)),
            '=' => format!("{head}{}{text}", filling(missing)),
            _ => format!("{}{head}{text}", filling(missing)),
        })
    }
}

fn scientific(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    format!("{digits}e{}", text::signed_exponent(exponent.parse().unwrap_or(0)))
}

/// `%g`: as few digits as `precision` allows, without zeros at the end.
fn general(number: f64, precision: usize, keeps_point: bool) -> String {
    let exponent: i32 = match number == 0.0 {
        true => 0,
        false => format!("{number:.*e}", precision - 1).split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0),
    };
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if exponent < -4 || exponent >= precision as i32 {
        let text = scientific(number, precision - 1);
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "+00"));
        return format!("{}e{exponent}", trimmed(digits));
    }
    let decimals = usize::try_from(precision as i32 - 1 - exponent).unwrap_or(0);
    let text = trimmed(&format!("{number:.decimals$}"));
    if keeps_point && !text.contains('.') { text + ".0" } else { text }
}

pub(super) fn digits(first: Option<char>, chars: &mut std::str::Chars<'_>) -> (usize, Option<char>) {
    let (mut number, mut next) = (0usize, first);
    while let Some(digit) = next.and_then(|c| c.to_digit(10)) {
        number = number.saturating_mul(10).saturating_add(digit as usize);
        next = chars.next();
    }
    (number, next)
}
