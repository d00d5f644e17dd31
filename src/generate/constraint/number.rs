//! Numbers of a schema, exactly: bounds are decimals as they are written, never doubles, and become expressions over the
//! digits of a document.
//!
//! Numbers that a model writes are plain (no exponent), short enough that a double holds them, and never `-0`.

use super::decimal::Decimal;
use super::digits::{
    MOST_DIGITS, USUAL_DIGITS, down_to_whole, every_form, from, multiples, plain, rounded, up_to, up_to_whole,
};
use llguidance::derivre::RegexAst;
use std::cmp::Ordering;

/// Multiples between two bounds that are simply listed.
const MOST_LISTED: u128 = 1_000;

/// A bound, and whether it is itself allowed.
pub(super) type Bound = Option<(Decimal, bool)>;

/// Which numbers: a subset of all, or of the whole ones.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct NumberShape {
    /// Whole numbers only.
    pub(super) integer: bool,
    /// No whole numbers (what is left of `number` without `integer`).
    pub(super) fractional: bool,
    pub(super) least: Bound,
    pub(super) most: Bound,
    pub(super) multiples: Vec<Decimal>,
    pub(super) excluded: Vec<Decimal>,
}

impl NumberShape {
    pub(super) fn at_least(&mut self, bound: Decimal, inclusive: bool) {
        let tighter = self.least.as_ref().is_none_or(|(old, old_inclusive)| match bound.cmp(old) {
            Ordering::Equal => *old_inclusive && !inclusive,
            order => order == Ordering::Greater,
        });
        if tighter {
            self.least = Some((bound, inclusive));
        }
    }

    pub(super) fn at_most(&mut self, bound: Decimal, inclusive: bool) {
        let tighter = self.most.as_ref().is_none_or(|(old, old_inclusive)| match bound.cmp(old) {
            Ordering::Equal => *old_inclusive && !inclusive,
            order => order == Ordering::Less,
        });
        if tighter {
            self.most = Some((bound, inclusive));
        }
    }

    /// Whether no number satisfies both. `false` may also mean that it is not known.
    pub(super) fn is_disjoint(&self, other: &NumberShape) -> bool {
        let apart = |most: &Bound, least: &Bound| match (most, least) {
            (Some((most, a)), Some((least, b))) => most < least || (most == least && !(*a && *b)),
            _ => false,
        };
        (self.integer && other.fractional)
            || (self.fractional && other.integer)
            || apart(&self.most, &other.least)
            || apart(&other.most, &self.least)
    }

    /// Whether there are such numbers, however many digits they need. `false` may also mean that it is not known.
    pub(super) fn has_room(&self) -> bool {
        let between = matches!((&self.least, &self.most), (Some((least, _)), Some((most, _))) if least < most);
        between && !self.integer && self.multiples.is_empty()
    }

    /// The numbers as an expression; the first of `digits` that leaves any is to be taken.
    pub(super) fn regexes(&self) -> Result<Vec<RegexAst>, (&'static str, String)> {
        if let Some(listed) = self.listed() {
            return Ok(vec![listed]);
        }
        let (mut least, mut most) = (self.least.clone(), self.most.clone());
        if self.integer {
            (least, most) = (least.map(up_to_whole), most.map(down_to_whole));
        }
        let long = |bound: &Bound| bound.as_ref().is_some_and(|(bound, _)| bound.whole.len() > MOST_DIGITS);
        // A bound beyond all digits that are ever written bounds nothing, or everything.
        if long(&least) && least.as_ref().is_some_and(|(bound, _)| !bound.negative) {
            return Err(("minimum", format!("leaves only numbers of more than {MOST_DIGITS} digits")));
        }
        if long(&most) && most.as_ref().is_some_and(|(bound, _)| bound.negative) {
            return Err(("maximum", format!("leaves only numbers of more than {MOST_DIGITS} digits")));
        }
        least = least.filter(|(bound, _)| bound.whole.len() <= MOST_DIGITS);
        most = most.filter(|(bound, _)| bound.whole.len() <= MOST_DIGITS);
        let needed = [&least, &most].into_iter().flatten().map(|(bound, _)| bound.digits().min(MOST_DIGITS)).max();
        let mut widths = vec![USUAL_DIGITS];
        widths.extend(needed.filter(|needed| *needed >= USUAL_DIGITS).map(|needed| needed + 1));
        widths.into_iter().map(|digits| self.with_digits(&least, &most, digits)).collect()
    }

    fn with_digits(&self, least: &Bound, most: &Bound, digits: usize) -> Result<RegexAst, (&'static str, String)> {
        let zero = Some((Decimal::zero(), true));
        let mut choices = Vec::new();
        // From 0 up.
        if most.as_ref().is_none_or(|(bound, inclusive)| !bound.negative && (*inclusive || !bound.is_zero())) {
            let least = least.clone().filter(|(bound, _)| !bound.negative).or(zero);
            choices.push(self.magnitudes(&least, most, digits)?);
        }
        // Below 0.
        if least.as_ref().is_none_or(|(bound, _)| bound.negative) {
            let nearest = most
                .clone()
                .filter(|(bound, _)| bound.negative)
                .map(|(bound, inclusive)| (bound.magnitude(), inclusive));
            let nearest = nearest.or(Some((Decimal::zero(), false)));
            let farthest = least.clone().map(|(bound, inclusive)| (bound.magnitude(), inclusive));
            let magnitude = self.magnitudes(&nearest, &farthest, digits)?;
            choices.push(RegexAst::Concat(vec![RegexAst::Literal("-".to_string()), magnitude]));
        }
        let any = RegexAst::Or(choices);
        if self.excluded.is_empty() {
            return Ok(any);
        }
        let excluded = self.excluded.iter().map(|number| RegexAst::Regex(every_form(number))).collect();
        Ok(RegexAst::And(vec![any, RegexAst::Not(Box::new(RegexAst::Or(excluded)))]))
    }

    /// Unsigned numbers between two bounds.
    fn magnitudes(&self, least: &Bound, most: &Bound, digits: usize) -> Result<RegexAst, (&'static str, String)> {
        let mut all = vec![RegexAst::Regex(plain(digits, self.integer))];
        if let Some((bound, inclusive)) = least {
            let (bound, inclusive) = rounded(bound, *inclusive, true);
            all.push(RegexAst::Regex(from(&bound, inclusive)));
        }
        if let Some((bound, inclusive)) = most {
            let (bound, inclusive) = rounded(bound, *inclusive, false);
            all.push(RegexAst::Regex(up_to(&bound, inclusive)));
        }
        if self.fractional {
            all.push(RegexAst::Regex(r"[0-9]+\.[0-9]*[1-9][0-9]*".to_string()));
        }
        for multiple in &self.multiples {
            all.push(multiples(multiple)?);
        }
        Ok(RegexAst::And(all))
    }

    /// Few multiples between two bounds, as literals.
    fn listed(&self) -> Option<RegexAst> {
        let [multiple] = self.multiples.as_slice() else { return None };
        let (least, most) = (self.least.as_ref()?, self.most.as_ref()?);
        let (step, scale) = multiple.scaled()?;
        let bound = |decimal: &Decimal| -> Option<i128> {
            let (value, its_scale) = decimal.scaled()?;
            let scale = scale.checked_sub(its_scale)?;
            let value = i128::try_from(value.checked_mul(10u128.checked_pow(scale)?)?).ok()?;
            Some(if decimal.negative { -value } else { value })
        };
        let (low, high) = (bound(&least.0)?, bound(&most.0)?);
        let step = i128::try_from(step).ok().filter(|step| *step > 0)?;
        let (first, last) = (-(-low).div_euclid(step), high.div_euclid(step));
        if first > last || (last - first) as u128 > MOST_LISTED {
            return None;
        }
        let written = |value: i128| {
            let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale as usize + 1);
            let (whole, fraction) = digits.split_at(digits.len() - scale as usize);
            Decimal::new(value < 0, whole, fraction)
        };
        let right = |number: &Decimal| {
            (least.1 || *number != least.0)
                && (most.1 || *number != most.0)
                && !self.excluded.contains(number)
                && (!self.integer || number.is_whole())
                && !(self.fractional && number.is_whole())
        };
        let numbers = (first..=last).map(|count| written(count * step)).filter(right);
        Some(RegexAst::Or(numbers.map(|number| RegexAst::Literal(number.to_string())).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use llguidance::derivre::RegexBuilder;
    use serde_json::{Value, json};

    fn decimal(value: Value) -> Decimal {
        Decimal::of(value.as_number().unwrap()).unwrap()
    }

    fn matches(shape: &NumberShape, text: &str) -> bool {
        shape.regexes().unwrap().into_iter().any(|ast| {
            let mut builder = RegexBuilder::new();
            let expression = builder.mk(&ast).unwrap();
            builder.to_regex(expression).is_match(text)
        })
    }

    #[test]
    fn bounds_hold_for_every_number() {
        let numbers = [
            "-20", "-10.5", "-10", "-9.99", "-1", "-0.5", "0", "0.0", "0.05", "0.1", "0.5", "1", "1.5", "9.99", "10",
            "10.0", "10.01", "12", "99", "100", "100.5", "1234",
        ];
        let bounds = [
            json!(-10),
            json!(-9.99),
            json!(-0.5),
            json!(0),
            json!(0.05),
            json!(0.5),
            json!(1),
            json!(10),
            json!(10.01),
            json!(99),
            json!(100.5),
        ];
        for least in &bounds {
            for most in &bounds {
                for (at_least, at_most) in [(true, true), (false, true), (true, false)] {
                    let mut shape = NumberShape::default();
                    shape.at_least(decimal(least.clone()), at_least);
                    shape.at_most(decimal(most.clone()), at_most);
                    for text in numbers {
                        let number: f64 = text.parse().unwrap();
                        let (low, high) = (least.as_f64().unwrap(), most.as_f64().unwrap());
                        let right =
                            (number > low || at_least && number == low) && (number < high || at_most && number == high);
                        assert_eq!(matches(&shape, text), right, "{text} in {least}..{most} {at_least} {at_most}");
                    }
                }
            }
        }
    }

    #[test]
    fn numbers_of_64_bits_are_exact() {
        let mut shape = NumberShape { integer: true, ..Default::default() };
        shape.at_least(decimal(json!(1234567890123456788i64)), false);
        shape.at_most(decimal(json!(1234567890123456790i64)), false);
        assert!(matches(&shape, "1234567890123456789"));
        for other in ["1234567890123456788", "1234567890123456790", "1", "123456789012345678"] {
            assert!(!matches(&shape, other), "{other}");
        }
        for bound in [i64::MIN, -i64::MAX, i64::MAX] {
            let mut shape = NumberShape { integer: true, ..Default::default() };
            shape.at_least(decimal(json!(bound)), true);
            shape.at_most(decimal(json!(bound)), true);
            assert!(matches(&shape, &bound.to_string()) && !matches(&shape, "0"));
        }
    }

    #[test]
    fn multiples_hold_for_every_number() {
        for (of, right, wrong) in [
            (json!(7), vec!["0", "7", "-14", "700"], vec!["1", "-8", "7.5"]),
            (json!(0.5), vec!["0", "0.5", "2", "-3.5"], vec!["0.25", "0.7"]),
            (json!(0.01), vec!["0.01", "12.34", "5"], vec!["0.001"]),
            (json!(1000000), vec!["0", "3000000", "-1000000"], vec!["300000", "1"]),
        ] {
            let shape = NumberShape { multiples: vec![decimal(of.clone())], ..Default::default() };
            right.iter().for_each(|text| assert!(matches(&shape, text), "{text} of {of}"));
            wrong.iter().for_each(|text| assert!(!matches(&shape, text), "{text} of {of}"));
        }
        let mut dear = NumberShape { multiples: vec![decimal(json!(999983))], ..Default::default() };
        assert_eq!(dear.regexes().unwrap_err().0, "multipleOf");
        dear.at_least(decimal(json!(-1000000)), true);
        dear.at_most(decimal(json!(2000000)), true);
        assert!(["-999983", "0", "1999966"].iter().all(|text| matches(&dear, text)));
        assert!(!matches(&dear, "1000000"));
    }
}
