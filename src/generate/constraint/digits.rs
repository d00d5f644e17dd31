//! Numbers as regular expressions over their digits.

use super::decimal::Decimal;
use llguidance::derivre::RegexAst;

/// Digits of a number that are enough: a double holds no more.
pub(super) const USUAL_DIGITS: usize = 15;

/// Digits that a bound may force on a number.
pub(super) const MOST_DIGITS: usize = 40;

/// A `multipleOf` whose digits come to more has too many remainders to keep track of.
pub(super) const MOST_REMAINDERS: u32 = 1_000;

/// Plain numbers without a sign, of at most so many digits.
pub(super) fn plain(digits: usize, integer: bool) -> String {
    let whole = |most: usize| if most <= 1 { "[0-9]".to_string() } else { format!("(0|[1-9][0-9]{{0,{}}})", most - 1) };
    let mut choices = vec![whole(digits)];
    if !integer {
        choices.extend((1..digits).map(|before| {
            let exactly = if before == 1 { "[0-9]".to_string() } else { format!("[1-9][0-9]{{{}}}", before - 1) };
            format!(r"{exactly}\.[0-9]{{1,{}}}", digits - before)
        }));
    }
    choices.join("|")
}

/// A bound with no more digits after the point than are written; rounded to the inside.
pub(super) fn rounded(bound: &Decimal, inclusive: bool, up: bool) -> (Decimal, bool) {
    if bound.fraction.len() <= MOST_DIGITS {
        return (bound.clone(), inclusive);
    }
    let digits = &bound.fraction[..USUAL_DIGITS];
    if !up {
        return (Decimal::new(false, &bound.whole, digits), true);
    }
    (increased(&bound.whole, digits), true)
}

/// The next number of as many digits.
pub(super) fn increased(whole: &str, fraction: &str) -> Decimal {
    let mut digits: Vec<u8> = format!("0{whole}{fraction}").into_bytes();
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            break;
        }
        *digit = b'0';
    }
    let digits: String = digits.into_iter().map(char::from).collect();
    let (whole, fraction) = digits.split_at(digits.len() - fraction.len());
    Decimal::new(false, whole, fraction)
}

pub(super) fn up_to_whole((bound, inclusive): (Decimal, bool)) -> (Decimal, bool) {
    match bound.is_whole() {
        true => (bound, inclusive),
        false if bound.negative => (Decimal::new(true, &bound.whole, ""), true),
        false => (increased(&bound.whole, ""), true),
    }
}

pub(super) fn down_to_whole((bound, inclusive): (Decimal, bool)) -> (Decimal, bool) {
    match bound.is_whole() {
        true => (bound, inclusive),
        false if bound.negative => {
            let next = increased(&bound.whole, "");
            (Decimal::new(true, &next.whole, ""), true)
        }
        false => (Decimal::new(false, &bound.whole, ""), true),
    }
}

const REST: &str = r"(\.[0-9]+)?";

/// Unsigned numbers of at least `bound`, in digits.
pub(super) fn from(bound: &Decimal, inclusive: bool) -> String {
    let Decimal { whole, fraction, .. } = bound;
    let least = if whole == "0" { 1 } else { whole.len() };
    let mut choices = vec![format!("[1-9][0-9]{{{least},}}{REST}")];
    choices.extend(differing(whole, '9').map(|(same, digits, left)| format!("{same}{digits}[0-9]{{{left}}}{REST}")));
    choices.extend(differing(fraction, '9').map(|(same, digits, _)| format!(r"{whole}\.{same}{digits}[0-9]*")));
    let more = "[0-9]*[1-9][0-9]*";
    choices.push(match (fraction.is_empty(), inclusive) {
        (true, true) => format!("{whole}{REST}"),
        (true, false) => format!(r"{whole}\.{more}"),
        (false, true) => format!(r"{whole}\.{fraction}[0-9]*"),
        (false, false) => format!(r"{whole}\.{fraction}{more}"),
    });
    choices.join("|")
}

/// Unsigned numbers of at most `bound`, in digits.
pub(super) fn up_to(bound: &Decimal, inclusive: bool) -> String {
    let Decimal { whole, fraction, .. } = bound;
    let mut choices = Vec::new();
    if whole.len() > 1 {
        choices.push(format!("(0|[1-9][0-9]{{0,{}}}){REST}", whole.len() - 2));
    }
    let lower = differing(whole, '0').map(|(same, digits, left)| {
        // No leading zero.
        let digits = if same.is_empty() && left > 0 { digits.replace("[0-", "[1-") } else { digits };
        format!("{same}{digits}[0-9]{{{left}}}{REST}")
    });
    choices.extend(lower.filter(|choice| !choice.starts_with("[1-0]")));
    if !fraction.is_empty() {
        choices.push(whole.to_string());
        choices.extend((1..fraction.len()).map(|end| format!(r"{whole}\.{}", &fraction[..end])));
        choices.extend(differing(fraction, '0').map(|(same, digits, _)| format!(r"{whole}\.{same}{digits}[0-9]*")));
    }
    if inclusive {
        choices.push(if fraction.is_empty() { format!(r"{whole}(\.0+)?") } else { format!(r"{whole}\.{fraction}0*") });
    }
    if choices.is_empty() { r"[^\s\S]".to_string() } else { choices.join("|") }
}

/// For each digit that can go towards `end`: the digits before it, the ones it can be, and how many follow.
pub(super) fn differing(digits: &str, end: char) -> impl Iterator<Item = (&str, String, usize)> {
    digits.char_indices().filter(move |(_, digit)| *digit != end).map(move |(at, digit)| {
        let (from, to) = match end {
            '9' => ((digit as u8 + 1) as char, '9'),
            _ => ('0', (digit as u8 - 1) as char),
        };
        (&digits[..at], format!("[{from}-{to}]"), digits.len() - at - 1)
    })
}

/// Every way to write a number without an exponent.
pub(super) fn every_form(number: &Decimal) -> String {
    let sign = if number.negative { "-" } else { "" };
    match number.fraction.is_empty() {
        true => format!(r"{sign}{}(\.0+)?", number.whole),
        false => format!(r"{sign}{}\.{}0*", number.whole, number.fraction),
    }
}

/// Unsigned multiples of a number.
pub(super) fn multiples(of: &Decimal) -> Result<RegexAst, (&'static str, String)> {
    let dear = || {
        let expected = format!(
            "expected one of which at most {MOST_REMAINDERS} fit a power of ten, or bounds that leave few multiples"
        );
        let written = Some(of.to_string()).filter(|digits| digits.len() <= MOST_DIGITS);
        let written = written.unwrap_or_else(|| format!("a number of {} digits", of.to_string().len()));
        ("multipleOf", format!("is {written}, which takes too many remainders to keep track of; {expected}"))
    };
    let (digits, scale) = of.scaled().ok_or_else(dear)?;
    let zeros = digits.to_string().bytes().rev().take_while(|digit| *digit == b'0').count() as u32;
    let core =
        u32::try_from(digits / 10u128.pow(zeros)).ok().filter(|core| *core <= MOST_REMAINDERS).ok_or_else(dear)?;
    if scale > 0 {
        // No trailing zeros here: `zeros` is 0.
        let few = RegexAst::Regex(format!(r"[0-9]+(\.[0-9]{{1,{scale}}})?"));
        return match core {
            1 => Ok(few),
            _ if scale > 6 => Err(dear()),
            _ => Ok(RegexAst::And(vec![few, RegexAst::MultipleOf(core, scale)])),
        };
    }
    let core = if core == 1 { RegexAst::Regex("[0-9]+".to_string()) } else { RegexAst::MultipleOf(core, 0) };
    let zero = RegexAst::Literal("0".to_string());
    Ok(RegexAst::Or(vec![zero, RegexAst::Concat(vec![core, RegexAst::Literal("0".repeat(zeros as usize))])]))
}
