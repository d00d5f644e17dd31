//! RoPE frequencies and their scalings, as `modeling_rope_utils.py` of transformers computes them.

use super::fields::{Fields, note};
use crate::error::{Code, Error, Result};

/// Far above any real one.
const LARGEST_FACTOR: f64 = 65_536.0;
/// What the scalings read, all together.
const KNOWN: &[&str] = &[
    "attention_factor",
    "beta_fast",
    "beta_slow",
    "factor",
    "finetuned",
    "high_freq_factor",
    "low_freq_factor",
    "mscale",
    "mscale_all_dim",
    "original_max_position_embeddings",
    "partial_rotary_factor",
    "rope_theta",
    "rope_type",
    "truncate",
    "type",
];

/// The angles per position of a model.
#[derive(Debug, Clone)]
pub(crate) struct RopeScaling {
    /// `head_dim / 2` frequencies.
    pub(crate) inv_freq: Vec<f32>,
    /// Factor of cosines and sines (YaRN); 1 otherwise.
    pub(crate) attention_factor: f32,
    /// Longest sequence: what the config says, or what YaRN makes of it. Qwen's recipe leaves `max_position_embeddings` at
    /// the length that the scaling starts from.
    pub(crate) context: usize,
}

impl RopeScaling {
    /// Reads `rope_theta` and `rope_scaling`, or the newer `rope_parameters` that holds both.
    pub(super) fn read(
        config: Fields<'_>,
        head_dim: usize,
        max_positions: usize,
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        let newer = config.inner("rope_parameters", "rope_parameters.")?;
        let older = config.inner("rope_scaling", "rope_scaling.")?;
        let parameters = Parameters(newer.or(older));
        let (outer, inner) = (config.real("rope_theta")?, parameters.optional("rope_theta")?);
        if let (Some(outer), Some(inner)) = (outer, inner)
            && outer != inner
        {
            return Err(bad(format!(
                "`rope_theta` is {outer}, and {inner} where the scaling is; expected one of them"
            )));
        }
        let theta = inner.or(outer).unwrap_or(10_000.0);
        if !(theta.is_finite() && theta > 1.0) {
            return Err(bad(format!("`rope_theta` is {theta}; expected a number above 1")));
        }
        if let Some(partial) = parameters.optional("partial_rotary_factor")?.filter(|f| *f != 1.0) {
            return Err(unsupported(format!("partial_rotary_factor {partial} is not supported; expected 1")));
        }
        notes.extend(parameters.check_names()?);
        let base: Vec<f32> =
            (0..head_dim / 2).map(|i| 1.0 / (theta as f32).powf(2.0 * i as f32 / head_dim as f32)).collect();
        let plain = |inv_freq| Ok(RopeScaling { inv_freq, attention_factor: 1.0, context: max_positions });
        match parameters.kind()? {
            // Frequencies change beyond the context that the config says, and no sequence is longer.
            "default" | "dynamic" => plain(base),
            "linear" => {
                let factor = parameters.positive("factor")? as f32;
                plain(base.into_iter().map(|f| f / factor).collect())
            }
            "llama3" => plain(llama3(base, &parameters)?),
            "yarn" => yarn(base, theta, head_dim, max_positions, &parameters),
            other => Err(unsupported(format!(
                "rope scaling `{other}` is not supported; supported are default, linear, dynamic, llama3, yarn"
            ))),
        }
    }
}

#[cfg(test)]
impl RopeScaling {
    /// Read as a Llama config's.
    pub(crate) fn of_json(config: &serde_json::Value, head_dim: usize, max_positions: usize) -> Result<Self> {
        RopeScaling::read(Fields::of(config, "")?, head_dim, max_positions, &mut Vec::new())
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
    Ok(RopeScaling { inv_freq, attention_factor: attention_factor as f32, context })
}

/// `rope_scaling` or `rope_parameters`, if there is one.
struct Parameters<'a>(Option<Fields<'a>>);

impl<'a> Parameters<'a> {
    /// `rope_type`, or `type` as older configs call it.
    fn kind(&self) -> Result<&'a str> {
        let Some(fields) = self.0 else { return Ok("default") };
        match (fields.text("rope_type")?, fields.text("type")?) {
            (Some(newer), Some(older)) if newer != older => Err(bad(format!(
                "rope scaling: `rope_type` is `{newer}` and `type` is `{older}`; expected one of them"
            ))),
            (None, None) if fields.get("factor").is_some() => {
                Err(bad("rope scaling has a `factor` and no `rope_type`; expected linear, llama3 or yarn".to_owned()))
            }
            (newer, older) => Ok(newer.or(older).unwrap_or("default")),
        }
    }

    /// A parameter of another kind of scaling that came with the family's relatives, or per layer type.
    fn check_names(&self) -> Result<Option<String>> {
        let Some(fields) = self.0 else { return Ok(None) };
        let unknown: Vec<&str> = fields.names().filter(|name| !KNOWN.contains(name)).collect();
        let changing = |name: &&&str| fields.get(name).is_some_and(|value| value.is_object() || value.is_array());
        if let Some(name) = unknown.iter().find(changing) {
            return Err(unsupported(format!("rope scaling with `{name}` is not supported")));
        }
        Ok(note("the rope scaling in config.json has parameters that are not known here and were not used", &unknown))
    }

    fn optional(&self, key: &str) -> Result<Option<f64>> {
        self.0.map_or(Ok(None), |fields| fields.real(key))
    }

    fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.0.map_or(Ok(None), |fields| fields.flag(key))
    }

    fn positive(&self, key: &str) -> Result<f64> {
        match self.optional(key)? {
            Some(number) if number.is_finite() && number > 0.0 => Ok(number),
            Some(number) => Err(bad(format!("rope scaling: `{key}` is {number}; expected a positive number"))),
            None => Err(bad(format!("rope scaling `{}` needs `{key}`", self.kind()?))),
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
    use serde_json::{Value, json};

    #[test]
    fn the_older_and_the_newer_form_agree() {
        let older = json!({"rope_theta": 5e5, "rope_scaling": {"type": "linear", "factor": 4.0}});
        let newer = json!({"rope_parameters": {"rope_theta": 5e5, "rope_type": "linear", "factor": 4.0}});
        let (a, b) = (RopeScaling::of_json(&older, 8, 64).unwrap(), RopeScaling::of_json(&newer, 8, 64).unwrap());
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
            let found = RopeScaling::of_json(&json!({"rope_parameters": settings}), 16, 512).unwrap();
            assert_eq!(found.inv_freq.len(), expected.len());
            for (f, e) in found.inv_freq.iter().zip(&expected) {
                assert!((f - e).abs() <= 2e-6 * e, "{name}: {f}, transformers has {e}");
            }
        }
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        let err = |config: Value| RopeScaling::of_json(&config, 8, 64).unwrap_err().message().to_string();
        assert!(err(json!({"rope_scaling": {"rope_type": "llama3"}})).contains("needs `factor`"));
        assert!(err(json!({"rope_scaling": {"rope_type": "longrope"}})).contains("`longrope` is not supported"));
        assert!(err(json!({"rope_scaling": {"rope_type": "linear", "factor": -1}})).contains("positive"));
        assert!(err(json!({"rope_theta": 0})).contains("rope_theta"));
    }

    /// The contexts are those of vLLM; "as it is" where the config already says the longer one.
    #[test]
    fn yarn_makes_the_context_longer() {
        let context = |max: usize, scaling: Value| {
            RopeScaling::of_json(&json!({"rope_scaling": scaling}), 8, max).unwrap().context
        };
        let qwen = json!({"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768});
        assert_eq!(context(32768, qwen.clone()), 131_072);
        assert_eq!(context(131_072, qwen), 131_072);
        assert_eq!(context(32768, json!({"rope_type": "yarn", "factor": 2.5})), 81_920);
        assert_eq!(context(40960, json!({"rope_type": "yarn", "original_max_position_embeddings": 32768})), 40960);
        assert_eq!(context(4096, json!({"rope_type": "linear", "factor": 4.0})), 4096);
        assert_eq!(context(4096, Value::Null), 4096);
    }

    #[test]
    fn what_contradicts_itself_or_is_of_another_type_is_named() {
        for (config, word) in [
            (json!({"rope_theta": "x"}), "`rope_theta` is \"x\"; expected a number"),
            (json!({"rope_theta": true}), "`rope_theta` is true"),
            (json!({"rope_scaling": "yarn"}), "rope_scaling is \"yarn\"; expected an object"),
            (json!({"rope_scaling": [4]}), "rope_scaling is a list of 1"),
            (json!({"rope_scaling": {"factor": 4}}), "no `rope_type`"),
            (json!({"rope_scaling": {"rope_type": 4}}), "`rope_scaling.rope_type` is 4"),
            (json!({"rope_scaling": {"rope_type": "linear", "type": "yarn", "factor": 2}}), "expected one of them"),
            (json!({"rope_scaling": {"type": "yarn", "factor": 0.5}}), "`factor` is 0.5"),
            (json!({"rope_scaling": {"type": "yarn", "factor": 1e300}}), "`factor` is"),
            (json!({"rope_scaling": {"type": "yarn", "factor": "4"}}), "`rope_scaling.factor` is \"4\""),
            (json!({"rope_scaling": {"type": "yarn", "factor": 4, "attention_factor": -1}}), "attention_factor"),
            (json!({"rope_scaling": {"type": "yarn", "factor": 4, "truncate": 1}}), "truncate"),
            (json!({"rope_scaling": {"type": "default", "mrope_section": [16, 24, 24]}}), "mrope_section"),
            (json!({"rope_parameters": {"full_attention": {"rope_theta": 1e6}}}), "full_attention"),
            (json!({"rope_theta": 1e6, "rope_parameters": {"rope_theta": 1e4}}), "expected one of them"),
        ] {
            let err = RopeScaling::of_json(&config, 8, 64).unwrap_err();
            assert!(err.message().contains(word), "{config}: {err}");
        }
        let mut notes = Vec::new();
        let config = json!({"rope_scaling": {"type": "linear", "factor": 2, "new_thing": 3}});
        RopeScaling::read(Fields::of(&config, "").unwrap(), 8, 64, &mut notes).unwrap();
        assert!(notes[0].contains("new_thing"), "{notes:?}");
    }
}
