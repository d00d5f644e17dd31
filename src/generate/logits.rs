//! What a model's logits say by themselves.
//!
//! Log-probabilities are always the model's own, `log_softmax` of the raw logits: a report's confidence must not be
//! flattered by a low temperature or by a grammar that left only one token to choose from.

use crate::error::{Code, Error, Result};
use crate::model::Row;
use crate::tensor::exp::{all_below_infinity, exp_sum_long, largest};
use crate::tensor::simd::vectorized;

/// Fails on logits that are not numbers, which is how damaged weights or a diverged adapter show.
pub(crate) fn check_numbers(logits: &Row) -> Result<()> {
    match logits.shortlist() {
        Some(shortlist) if shortlist.is_sound() => Ok(()),
        _ => checked_largest(logits.all()?).map(drop),
    }
}

/// The same; the largest of them.
fn checked_largest(logits: &[f32]) -> Result<f32> {
    let is_bad = |logit: &f32| logit.is_nan() || *logit == f32::INFINITY;
    let bad = match vectorized(
        #[inline(always)]
        || all_below_infinity(logits),
    ) {
        true => None,
        false => logits.iter().position(is_bad),
    };
    if let Some(id) = bad {
        let message = format!(
            "the model gave the logit {} for token {id}; expected a number: its weights, or those of an attached adapter, \
             are damaged, or an adapter's scale is far too large",
            logits[id]
        );
        return Err(Error::new(Code::ModelFormat, message).with("token", id));
    }
    let max = vectorized(
        #[inline(always)]
        || largest(logits),
    );
    if max == f32::NEG_INFINITY {
        return Err(Error::new(Code::ModelFormat, "the model ruled out every token; its weights are damaged"));
    }
    Ok(max)
}

/// What turns a row's logits into log-probabilities: its largest, and Σ exp(logit − largest).
pub(crate) struct Softmax {
    max: f32,
    sum: f64,
}

impl Softmax {
    pub(crate) fn of(logits: &Row) -> Result<Self> {
        if let Some(shortlist) = logits.shortlist().filter(|shortlist| shortlist.is_sound()) {
            return Ok(Softmax { max: shortlist.max, sum: f64::from(shortlist.sum) });
        }
        let all = logits.all()?;
        let max = checked_largest(all)?;
        let sum = vectorized(
            #[inline(always)]
            || exp_sum_long(all, max),
        );
        Ok(Softmax { max, sum })
    }

    /// The log-probability of a token with this logit, in nats.
    pub(crate) fn log(&self, logit: f32) -> f32 {
        (f64::from(logit) - f64::from(self.max) - self.sum.ln()) as f32
    }
}

/// The model's log-probability of `id`, in nats.
pub(crate) fn log_probability(logits: &Row, id: u32) -> Result<f32> {
    let softmax = Softmax::of(logits)?;
    let logit = logits.at(id)?.ok_or_else(|| {
        Error::new(Code::InvalidArgument, format!("token {id} is outside the model's vocabulary of {}", logits.len()))
            .with("token", id)
    })?;
    Ok(softmax.log(logit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_probabilities_are_those_of_the_raw_logits() {
        let logits = vec![1000.0, 999.0, f32::NEG_INFINITY];
        let expected = -(1.0 + (-1f64).exp()).ln();
        for row in [Row::whole(logits.clone()), Row::listing(logits.clone(), 1), Row::listing(logits, 9)] {
            assert!((f64::from(log_probability(&row, 0).unwrap()) - expected).abs() < 1e-6);
            assert!((f64::from(log_probability(&row, 1).unwrap()) - expected + 1.0).abs() < 1e-6);
            assert_eq!(log_probability(&row, 2).unwrap(), f32::NEG_INFINITY);
            assert_eq!(log_probability(&row, 3).unwrap_err().code(), Code::InvalidArgument);
        }
    }

    #[test]
    fn logits_that_are_not_numbers_are_an_error_that_says_so() {
        for bad in [f32::NAN, f32::INFINITY] {
            for row in [Row::whole(vec![0.0, bad]), Row::listing(vec![0.0, bad], 1)] {
                let err = log_probability(&row, 0).unwrap_err();
                assert_eq!(err.code(), Code::ModelFormat);
                assert_eq!(err.details()["token"], 1);
                assert!(check_numbers(&row).is_err());
            }
        }
        for row in [Row::whole(vec![f32::NEG_INFINITY; 3]), Row::listing(vec![f32::NEG_INFINITY; 3], 2)] {
            assert!(log_probability(&row, 0).is_err() && check_numbers(&row).is_err());
        }
    }
}
