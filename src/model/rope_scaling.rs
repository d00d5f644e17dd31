//! RoPE frequencies and their scalings, as `modeling_rope_utils.py` of transformers computes them.

use crate::error::{Code, Error, Result};
use serde_json::Value;

/// The angles per position of a model.
#[derive(Debug, Clone)]
pub(crate) struct RopeScaling {
    /// `head_dim / 2` frequencies.
    pub(crate) inv_freq: Vec<f32>,
    /// Factor of cosines and sines (YaRN); 1 otherwise.
    pub(crate) attention_factor: f32,
}

impl RopeScaling {
    /// Reads `rope_theta` and `rope_scaling`, or the newer `rope_parameters` that holds both.
    pub(crate) fn from_config(config: &Value, head_dim: usize, max_positions: usize) -> Result<Self> {
        let newer = config.get("rope_parameters").filter(|v| v.is_object());
        let scaling = newer.or_else(|| config.get("rope_scaling").filter(|v| v.is_object()));
        let parameters = Parameters { scaling: scaling.unwrap_or(&Value::Null) };
        let theta =
            parameters.optional("rope_theta")?.or(config.get("rope_theta").and_then(Value::as_f64)).unwrap_or(10_000.0);
        if !(theta.is_finite() && theta > 1.0) {
            return Err(bad(format!("`rope_theta` is {theta}; expected a number above 1")));
        }
        if let Some(partial) = parameters.optional("partial_rotary_factor")?.filter(|f| *f != 1.0) {
            return Err(unsupported(format!("partial_rotary_factor {partial} is not supported; expected 1")));
        }
        let base: Vec<f32> =
            (0..head_dim / 2).map(|i| 1.0 / (theta as f32).powf(2.0 * i as f32 / head_dim as f32)).collect();
        let plain = |inv_freq| Ok(RopeScaling { inv_freq, attention_factor: 1.0 });
        match parameters.kind() {
            "default" => plain(base),
            "linear" => {
                let factor = parameters.positive("factor")? as f32;
                plain(base.into_iter().map(|f| f / factor).collect())
            }
            "llama3" => plain(llama3(base, &parameters)?),
            "yarn" => yarn(base, theta, head_dim, max_positions, &parameters),
            other => Err(unsupported(format!(
                "rope scaling `{other}` is not supported; supported are default, linear, llama3, yarn"
            ))),
        }
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
    if !(factor >= 1.0 && original >= 1.0) {
        return Err(bad(format!("yarn: `factor` {factor} and original context {original} must be at least 1")));
    }
    let mscale = |scale: f64, m: f64| if scale <= 1.0 { 1.0 } else { 0.1 * m * scale.ln() + 1.0 };
    let attention_factor = match parameters.optional("attention_factor")? {
        Some(given) => given,
        None => match (parameters.optional("mscale")?, parameters.optional("mscale_all_dim")?) {
            (Some(m), Some(all)) if m != 0.0 && all != 0.0 => mscale(factor, m) / mscale(factor, all),
            _ => mscale(factor, 1.0),
        },
    };
    let beta_fast = parameters.optional("beta_fast")?.filter(|b| *b != 0.0).unwrap_or(32.0);
    let beta_slow = parameters.optional("beta_slow")?.filter(|b| *b != 0.0).unwrap_or(1.0);
    let truncate = parameters.scaling.get("truncate").and_then(Value::as_bool).unwrap_or(true);
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
    Ok(RopeScaling { inv_freq, attention_factor: attention_factor as f32 })
}

struct Parameters<'a> {
    scaling: &'a Value,
}

impl<'a> Parameters<'a> {
    /// `rope_type`, or `type` as older configs call it.
    fn kind(&self) -> &'a str {
        let text = |key| self.scaling.get(key).and_then(Value::as_str);
        text("rope_type").or_else(|| text("type")).unwrap_or("default")
    }

    fn optional(&self, key: &str) -> Result<Option<f64>> {
        match self.scaling.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_f64() {
                Some(number) => Ok(Some(number)),
                None => Err(bad(format!("rope scaling: `{key}` is {value}; expected a number"))),
            },
        }
    }

    fn positive(&self, key: &str) -> Result<f64> {
        match self.optional(key)? {
            Some(number) if number.is_finite() && number > 0.0 => Ok(number),
            Some(number) => Err(bad(format!("rope scaling: `{key}` is {number}; expected a positive number"))),
            None => Err(bad(format!("rope scaling `{}` needs `{key}`", self.kind()))),
        }
    }
}

fn bad(message: String) -> Error {
    Error::new(Code::ModelFormat, message)
}

fn unsupported(message: String) -> Error {
    Error::new(Code::Unsupported, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_older_and_the_newer_form_agree() {
        let older = json!({"rope_theta": 5e5, "rope_scaling": {"type": "linear", "factor": 4.0}});
        let newer = json!({"rope_parameters": {"rope_theta": 5e5, "rope_type": "linear", "factor": 4.0}});
        let (a, b) =
            (RopeScaling::from_config(&older, 8, 64).unwrap(), RopeScaling::from_config(&newer, 8, 64).unwrap());
        assert_eq!(a.inv_freq, b.inv_freq);
        assert_eq!(a.inv_freq[0], 0.25);
    }

    #[test]
    fn frequencies_equal_those_of_transformers() {
        let ops = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ops");
        for name in ["rope", "rope_llama3", "rope_linear", "rope_yarn"] {
            let bytes = std::fs::read(ops.join(format!("{name}.safetensors"))).unwrap();
            let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
            let settings: Value = serde_json::from_str(&metadata.metadata().as_ref().unwrap()["settings"]).unwrap();
            let tensors = candle_core::safetensors::load_buffer(&bytes, &candle_core::Device::Cpu).unwrap();
            let expected: Vec<f32> = tensors["inv_freq"].to_vec1().unwrap();
            let found = RopeScaling::from_config(&json!({"rope_parameters": settings}), 16, 512).unwrap();
            assert_eq!(found.inv_freq.len(), expected.len());
            for (f, e) in found.inv_freq.iter().zip(&expected) {
                assert!((f - e).abs() <= 2e-6 * e, "{name}: {f}, transformers has {e}");
            }
        }
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        let err = |config: Value| RopeScaling::from_config(&config, 8, 64).unwrap_err().message().to_string();
        assert!(err(json!({"rope_scaling": {"rope_type": "llama3"}})).contains("needs `factor`"));
        assert!(err(json!({"rope_scaling": {"rope_type": "longrope"}})).contains("`longrope` is not supported"));
        assert!(err(json!({"rope_scaling": {"rope_type": "linear", "factor": -1}})).contains("positive"));
        assert!(err(json!({"rope_theta": 0})).contains("rope_theta"));
    }
}
