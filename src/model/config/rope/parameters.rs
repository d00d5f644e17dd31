//! The parameters of a scaling, as they are stated.

use super::super::fields::{Fields, note};
use super::{bad, unsupported};
use crate::error::Result;

/// What the scalings read, all together.
const KNOWN: &[&str] = &[
    "attention_factor",
    "beta_fast",
    "beta_slow",
    "factor",
    "finetuned",
    "high_freq_factor",
    "long_factor",
    "low_freq_factor",
    "mscale",
    "mscale_all_dim",
    "original_max_position_embeddings",
    "partial_rotary_factor",
    "rope_theta",
    "rope_type",
    "short_factor",
    "truncate",
    "type",
];

/// `rope_scaling` or `rope_parameters`, if there is one.
pub(super) struct Parameters<'a>(pub(super) Option<Fields<'a>>);

impl<'a> Parameters<'a> {
    /// A config may say the same in the newer and in the older form, and nothing else.
    pub(super) fn of_either(newer: Option<Fields<'a>>, older: Option<Fields<'a>>) -> Result<Self> {
        let (Some(new), Some(old)) = (newer, older) else { return Ok(Parameters(newer.or(older))) };
        let (new_kind, old_kind) = (Parameters(newer).kind()?, Parameters(older).kind()?);
        if new_kind != old_kind {
            return Err(bad(format!(
                "`rope_parameters` has the type {new_kind} and `rope_scaling` {old_kind}; expected one of them"
            )));
        }
        let differs = |name: &&str| match (new.get(name), old.get(name)) {
            (Some(new), Some(old)) => new != old && (new.as_f64().is_none() || new.as_f64() != old.as_f64()),
            _ => false,
        };
        match KNOWN.iter().filter(|name| !name.ends_with("type")).find(|name| differs(name)) {
            Some(name) => {
                Err(bad(format!("`{name}` differs between `rope_parameters` and `rope_scaling`; expected one of them")))
            }
            None => Ok(Parameters(newer)),
        }
    }

    /// `rope_type`, or `type` as older configs call it.
    pub(super) fn kind(&self) -> Result<&'a str> {
        let Some(fields) = self.0 else { return Ok("default") };
        match (fields.text("rope_type")?, fields.text("type")?) {
            (Some(newer), Some(older)) if newer != older => Err(bad(format!(
                "rope scaling: `rope_type` is `{newer}` and `type` is `{older}`; expected one of them"
            ))),
            (None, None) if fields.get("factor").is_some() => {
                Err(bad("rope scaling has a `factor` and no `rope_type`; expected linear, llama3 or yarn".to_owned()))
            }
            (newer, older) => Ok(match newer.or(older).unwrap_or("default") {
                // LongRoPE under the names that Phi-3's first configs had for it.
                "su" => "longrope",
                "yarn" if fields.get("long_factor").is_some() => "longrope",
                other => other,
            }),
        }
    }

    /// The base of the frequencies: `name` in the config itself, or `rope_theta` here.
    pub(super) fn theta(&self, config: Fields<'_>, name: &str) -> Result<f64> {
        let (outer, inner) = (config.real(name)?, self.optional("rope_theta")?);
        if let (Some(outer), Some(inner), true) = (outer, inner, config.stated(name).is_some())
            && outer != inner
        {
            return Err(bad(format!("`{name}` is {outer}, and {inner} where the scaling is; expected one of them")));
        }
        match inner.or(outer).unwrap_or(10_000.0) {
            theta if theta.is_finite() && theta > 1.0 => Ok(theta),
            theta => Err(bad(format!("`{name}` is {theta}; expected a number above 1"))),
        }
    }

    /// How many features of a head are rotated.
    pub(super) fn rotated(&self, config: Fields<'_>, head_dim: usize, may_be_partial: bool) -> Result<usize> {
        const NAME: &str = "partial_rotary_factor";
        let factor = match self.optional(NAME)? {
            Some(factor) => factor,
            None => config.real(NAME)?.unwrap_or(1.0),
        };
        if factor == 1.0 {
            return Ok(head_dim);
        }
        if !may_be_partial {
            return Err(unsupported(format!("{NAME} {factor} is not supported; expected 1")));
        }
        match (head_dim as f64 * factor) as usize {
            rotated if factor > 0.0 && factor < 1.0 && rotated > 0 && rotated.is_multiple_of(2) => Ok(rotated),
            rotated => Err(bad(format!(
                "`{NAME}` is {factor}: {rotated} of {head_dim} features rotate; expected an even part of them"
            ))),
        }
    }

    /// A list of as many positive numbers.
    pub(super) fn list(&self, key: &str, len: usize) -> Result<Vec<f32>> {
        let numbers = self.0.map_or(Ok(None), |fields| fields.reals(key))?;
        let numbers = numbers.ok_or_else(|| bad(format!("rope scaling `longrope` needs `{key}`")))?;
        if numbers.len() != len || !numbers.iter().all(|number| number.is_finite() && *number > 0.0) {
            let found = numbers.len();
            return Err(bad(format!("rope scaling: `{key}` has {found} numbers; expected {len} positive ones")));
        }
        Ok(numbers.into_iter().map(|number| number as f32).collect())
    }

    /// A parameter of another kind of scaling that came with the family's relatives, or per layer type.
    pub(super) fn check_names(&self) -> Result<Option<String>> {
        let Some(fields) = self.0 else { return Ok(None) };
        let unknown: Vec<&str> = fields.names().filter(|name| !KNOWN.contains(name)).collect();
        let changing = |name: &&&str| fields.get(name).is_some_and(|value| value.is_object() || value.is_array());
        if let Some(name) = unknown.iter().find(changing) {
            return Err(unsupported(format!("rope scaling with `{name}` is not supported")));
        }
        Ok(note("the rope scaling in config.json has parameters that are not known here and were not used", &unknown))
    }

    pub(super) fn optional(&self, key: &str) -> Result<Option<f64>> {
        self.0.map_or(Ok(None), |fields| fields.real(key))
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.0.map_or(Ok(None), |fields| fields.flag(key))
    }

    pub(super) fn positive(&self, key: &str) -> Result<f64> {
        match self.optional(key)? {
            Some(number) if number.is_finite() && number > 0.0 => Ok(number),
            Some(number) => Err(bad(format!("rope scaling: `{key}` is {number}; expected a positive number"))),
            None => Err(bad(format!("rope scaling `{}` needs `{key}`", self.kind()?))),
        }
    }
}
