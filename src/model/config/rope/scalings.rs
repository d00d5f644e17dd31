//! The frequencies of each scaling.

use super::super::fields::Fields;
use super::parameters::Parameters;
use super::{LongRope, RopeScaling, bad, unsupported};
use crate::error::Result;

/// Far above any real one.
const LARGEST_FACTOR: f64 = 65_536.0;

/// The frequencies of `rotated` features of a head.
pub(super) fn scaled(
    parameters: &Parameters<'_>,
    config: Fields<'_>,
    theta: f64,
    rotated: usize,
    context: usize,
) -> Result<RopeScaling> {
    let base: Vec<f32> = (0..rotated / 2).map(|i| 1.0 / (theta as f32).powf(2.0 * i as f32 / rotated as f32)).collect();
    let plain = |inv_freq| Ok(RopeScaling { inv_freq, long: None, attention_factor: 1.0, context });
    match parameters.kind()? {
        // Frequencies change beyond the context that the config says, and no sequence is longer.
        "default" | "dynamic" => plain(base),
        "linear" => {
            let factor = parameters.positive("factor")? as f32;
            plain(base.into_iter().map(|f| f / factor).collect())
        }
        "llama3" => plain(llama3(base, parameters)?),
        "yarn" => yarn(base, theta, rotated, context, parameters),
        "longrope" => longrope(&base, config, context, parameters),
        other => Err(unsupported(format!(
            "rope scaling `{other}` is not supported; supported are default, linear, dynamic, llama3, yarn, longrope"
        ))),
    }
}

/// Llama 3.1: long wavelengths are stretched, short ones kept, those between blended.
fn llama3(base: Vec<f32>, parameters: &Parameters<'_>) -> Result<Vec<f32>> {
    let factor = parameters.positive("factor")? as f32;
    let low = parameters.positive("low_freq_factor")? as f32;
    let high = parameters.positive("high_freq_factor")? as f32;
    let context = parameters.positive("original_max_position_embeddings")? as f32;
    if high <= low {
        return Err(bad(format!("rope scaling: `high_freq_factor` {high} must exceed `low_freq_factor` {low}")));
    }
    Ok(base
        .into_iter()
        .map(|freq| {
            let wavelength = 2.0 * std::f32::consts::PI / freq;
            if wavelength < context / high {
                freq
            } else if wavelength > context / low {
                freq / factor
            } else {
                let smooth = (context / wavelength - low) / (high - low);
                (1.0 - smooth) * freq / factor + smooth * freq
            }
        })
        .collect())
}

/// YaRN (Peng et al. 2023).
fn yarn(
    base: Vec<f32>,
    theta: f64,
    head_dim: usize,
    max_positions: usize,
    parameters: &Parameters<'_>,
) -> Result<RopeScaling> {
    let original = parameters.optional("original_max_position_embeddings")?.unwrap_or(max_positions as f64);
    let factor = match parameters.optional("factor")? {
        Some(factor) => factor,
        None => max_positions as f64 / original,
    };
    if !((1.0..=LARGEST_FACTOR).contains(&factor) && original >= 1.0 && original.is_finite()) {
        return Err(bad(format!(
            "yarn: `factor` is {factor} and the original context {original}; expected 1 to {LARGEST_FACTOR}, and at least 1"
        )));
    }
    let mscale = |scale: f64, m: f64| if scale <= 1.0 { 1.0 } else { 0.1 * m * scale.ln() + 1.0 };
    let attention_factor = match parameters.optional("attention_factor")? {
        Some(given) if given.is_finite() && given > 0.0 => given,
        Some(given) => return Err(bad(format!("yarn: `attention_factor` is {given}; expected a positive number"))),
        None => match (parameters.optional("mscale")?, parameters.optional("mscale_all_dim")?) {
            (Some(m), Some(all)) if m != 0.0 && all != 0.0 => mscale(factor, m) / mscale(factor, all),
            _ => mscale(factor, 1.0),
        },
    };
    let beta_fast = parameters.optional("beta_fast")?.filter(|b| *b != 0.0).unwrap_or(32.0);
    let beta_slow = parameters.optional("beta_slow")?.filter(|b| *b != 0.0).unwrap_or(1.0);
    let truncate = parameters.flag("truncate")?.unwrap_or(true);
    let dim = head_dim as f64;
    let correction =
        |rotations: f64| dim * (original / (rotations * 2.0 * std::f64::consts::PI)).ln() / (2.0 * theta.ln());
    let (mut low, mut high) = (correction(beta_fast), correction(beta_slow));
    if truncate {
        (low, high) = (low.floor(), high.ceil());
    }
    let (low, mut high) = (low.max(0.0), high.min(dim - 1.0));
    if low == high {
        high += 0.001;
    }
    let inv_freq = base
        .into_iter()
        .enumerate()
        .map(|(i, freq)| {
            let ramp = ((i as f64 - low) / (high - low)).clamp(0.0, 1.0) as f32;
            let keep = 1.0 - ramp;
            freq / factor as f32 * (1.0 - keep) + freq * keep
        })
        .collect();
    let context = max_positions.max((original * factor) as usize);
    Ok(RopeScaling { inv_freq, long: None, attention_factor: attention_factor as f32, context })
}

/// LongRoPE (Ding et al. 2024): two sets of factors, for sequences up to the original context and for longer ones.
fn longrope(base: &[f32], config: Fields<'_>, context: usize, parameters: &Parameters<'_>) -> Result<RopeScaling> {
    const ORIGINAL: &str = "original_max_position_embeddings";
    let original = match config.size(ORIGINAL)? {
        Some(original) => original as f64,
        None => parameters.optional(ORIGINAL)?.unwrap_or(context as f64),
    };
    if !(original > 1.0 && original <= context as f64) {
        return Err(bad(format!("`{ORIGINAL}` is {original}; expected 2 to `max_position_embeddings`, {context}")));
    }
    let factor = parameters.optional("factor")?.unwrap_or(context as f64 / original);
    let attention_factor = match parameters.optional("attention_factor")? {
        Some(given) if given.is_finite() && given > 0.0 => given,
        Some(given) => return Err(bad(format!("longrope: `attention_factor` is {given}; expected a positive number"))),
        None if factor <= 1.0 => 1.0,
        None => (1.0 + factor.ln() / original.ln()).sqrt(),
    };
    let divided = |key: &str| -> Result<Vec<f32>> {
        let factors = parameters.list(key, base.len())?;
        Ok(base.iter().zip(factors).map(|(frequency, factor)| frequency / factor).collect())
    };
    let long = LongRope { inv_freq: divided("long_factor")?, beyond: original as usize };
    let inv_freq = divided("short_factor")?;
    Ok(RopeScaling { inv_freq, long: Some(long), attention_factor: attention_factor as f32, context })
}
