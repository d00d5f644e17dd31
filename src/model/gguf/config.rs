//! The metadata of a GGUF file as a decoder's configuration: put into the words of `config.json`, so that one reader
//! judges both. Source: `convert_hf_to_gguf.py` and `llama-arch.cpp` of llama.cpp.

use super::Gguf;
use super::architectures::{Architecture, architecture};
use crate::error::{Code, Error, Result};
use crate::model::config::DecoderConfig;
use crate::model::families::{Biases, Family, Windows, family};
use serde_json::{Map, Value, json};

/// Control tokens that end a turn wherever a vocabulary has them, as in llama.cpp.
const END_TOKENS: [&str; 6] =
    ["<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>"];
/// ggml's type of a control token.
const CONTROL: f64 = 3.0;

impl DecoderConfig {
    /// Reads the configuration of a GGUF file.
    pub(crate) fn from_gguf(gguf: &Gguf) -> Result<Self> {
        let named = |err: Error| err.in_file(gguf.path());
        let name = gguf.required("general.architecture", gguf.text("general.architecture"))?;
        // Before anything else, so that a foreign architecture is called that.
        let architecture = architecture(name).map_err(named)?;
        let family = family(architecture.model_type).map_err(named)?;
        let reader = Reader { gguf, architecture, family };
        let value = reader.config()?;
        let mut config = DecoderConfig::from_json(&value).map_err(named)?;
        // The converter has added it.
        config.norm_offset = 0.0;
        reader.scale_frequencies(&mut config)?;
        config.eos_token_ids = reader.end_tokens()?;
        Ok(config)
    }
}

struct Reader<'a> {
    gguf: &'a Gguf,
    architecture: &'static Architecture,
    family: &'static Family,
}

/// Numbers under other names: ours and GGUF's.
const NUMBERS: [(&str, &str); 6] = [
    ("attention_multiplier", "attention.scale"),
    ("embedding_multiplier", "embedding_scale"),
    ("residual_multiplier", "residual_scale"),
    ("logits_scaling", "logit_scale"),
    ("attn_logit_softcapping", "attn_logit_softcapping"),
    ("final_logit_softcapping", "final_logit_softcapping"),
];

impl Reader<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture.name)
    }

    fn whole(&self, name: &str) -> Result<Option<u64>> {
        self.gguf.whole(&self.key(name))
    }

    fn real(&self, name: &str) -> Result<Option<f64>> {
        self.gguf.real(&self.key(name))
    }

    fn required(&self, name: &str) -> Result<u64> {
        self.gguf.required(&self.key(name), self.whole(name))
    }

    fn unsupported(&self, what: String) -> Error {
        self.gguf.error(Code::Unsupported, what)
    }

    /// As `config.json` would have it.
    fn config(&self) -> Result<Value> {
        let mut config = Map::new();
        let mut put = |name: &str, value: Value| config.insert(name.to_owned(), value);
        put("model_type", self.architecture.model_type.into());
        let (hidden, heads) = (self.required("embedding_length")?, self.required("attention.head_count")?);
        put("hidden_size", hidden.into());
        put("num_attention_heads", heads.into());
        put("intermediate_size", self.required("feed_forward_length")?.into());
        put("num_hidden_layers", self.required("block_count")?.into());
        put("num_key_value_heads", self.whole("attention.head_count_kv")?.unwrap_or(heads).into());
        put("vocab_size", self.gguf.vocab_size()?.into());
        put("tie_word_embeddings", (!self.gguf.has("output.weight")).into());
        let eps = "attention.layer_norm_rms_epsilon";
        put("rms_norm_eps", self.gguf.required(&self.key(eps), self.real(eps))?.into());
        let inputs_alone = self.family.biases == Biases::InputsAsSaid && self.gguf.has("blk.0.attn_q.bias");
        put("attention_bias", (inputs_alone || self.gguf.has("blk.0.attn_output.bias")).into());
        put("mlp_bias", self.gguf.has("blk.0.ffn_down.bias").into());
        // Read by themselves; and a family's own ids may not be this vocabulary's.
        put("eos_token_id", Value::Null);
        put("bos_token_id", self.gguf.whole("tokenizer.ggml.bos_token_id")?.into());
        for (ours, theirs) in NUMBERS {
            if let Some(number) = self.real(theirs)? {
                put(ours, number.into());
            }
        }
        self.heads(hidden, heads, &mut put)?;
        self.context(&mut put)?;
        self.experts(&mut put)?;
        Ok(Value::Object(config))
    }

    /// The size of a head, which part of it rotates, and how its scores are scaled.
    fn heads(&self, hidden: u64, heads: u64, put: &mut dyn FnMut(&str, Value) -> Option<Value>) -> Result<()> {
        let even = hidden.checked_div(heads).unwrap_or(0);
        let head_dim = self.whole("attention.key_length")?.unwrap_or(even);
        let other = |name: &str| self.whole(name).map(|found| found.filter(|other| *other != head_dim));
        let refuse = |name: &str, found: u64| {
            let key = self.key(name);
            Err(self.unsupported(format!("metadata `{key}` is {found}; expected the size of a head, {head_dim}")))
        };
        if let Some(found) = other("attention.value_length")? {
            return refuse("attention.value_length", found);
        }
        match other("rope.dimension_count")? {
            None if self.family.settings.contains(&"partial_rotary_factor") => {
                put("partial_rotary_factor", 1.0.into());
            }
            None => {}
            Some(rotated) if self.family.settings.contains(&"partial_rotary_factor") => {
                put("partial_rotary_factor", (rotated as f64 / head_dim as f64).into());
            }
            Some(rotated) => return refuse("rope.dimension_count", rotated),
        }
        if self.family.settings.contains(&"query_pre_attn_scalar") {
            let by_width = self.architecture.scaled_by_width.contains(&self.required("block_count")?);
            put("query_pre_attn_scalar", if by_width { even } else { head_dim }.into());
        }
        put("head_dim", head_dim.into());
        Ok(())
    }

    /// Positions and windows.
    fn context(&self, put: &mut dyn FnMut(&str, Value) -> Option<Value>) -> Result<()> {
        let context = self.required("context_length")?;
        let window = self.whole("attention.sliding_window")?.filter(|window| *window > 0);
        match self.family.windows {
            Windows::All | Windows::AllBut(_) => {
                put("max_position_embeddings", context.into());
                put("sliding_window", window.into());
            }
            // A window makes no difference to sequences that fit into it; which layers have it is not in the metadata.
            _ => drop(put("max_position_embeddings", context.min(window.unwrap_or(context)).into())),
        }
        put("rope_theta", self.real("rope.freq_base")?.unwrap_or(10_000.0).into());
        if let Some(theta) = self.real("rope.freq_base_swa")? {
            put("rope_local_base_freq", theta.into());
        }
        if let Some(every) = self.whole("attention.sliding_window_pattern")? {
            put("sliding_window_pattern", every.into());
        }
        put("rope_scaling", self.rope_scaling()?);
        Ok(())
    }

    fn experts(&self, put: &mut dyn FnMut(&str, Value) -> Option<Value>) -> Result<()> {
        let Some(count) = self.whole("expert_count")?.filter(|experts| *experts > 0) else { return Ok(()) };
        if !self.family.settings.contains(&"num_experts") {
            return Err(self.unsupported(format!("a mixture of {count} experts is not supported")));
        }
        put("num_experts", count.into());
        put("num_experts_per_tok", self.required("expert_used_count")?.into());
        put("moe_intermediate_size", self.required("expert_feed_forward_length")?.into());
        // llama.cpp always does.
        put("norm_topk_prob", true.into());
        Ok(())
    }

    /// LongRoPE's factors, which are tensors.
    fn long_factors(&self) -> Result<Option<Value>> {
        let (long, short) = ("rope_factors_long.weight", "rope_factors_short.weight");
        if !self.gguf.has(long) && !self.gguf.has(short) {
            return Ok(None);
        }
        Ok(Some(json!({
            "rope_type": "longrope",
            "long_factor": self.gguf.vector(long)?,
            "short_factor": self.gguf.vector(short)?,
            "original_max_position_embeddings": self.whole("rope.scaling.original_context_length")?,
            "attention_factor": self.real("rope.scaling.attn_factor")?,
        })))
    }

    fn rope_scaling(&self) -> Result<Value> {
        if let Some(longrope) = self.long_factors()? {
            return Ok(longrope);
        }
        let kind = self.gguf.text(&self.key("rope.scaling.type"))?.unwrap_or("none");
        let factor = match self.real("rope.scaling.factor")? {
            None => self.real("rope.scale_linear")?,
            factor => factor,
        };
        if let Some(other) = self.real("rope.scaling.attn_factor")?.filter(|factor| *factor != 1.0) {
            return Err(self.unsupported(format!("rope scaling with the attention factor {other} is not supported")));
        }
        match (kind, factor) {
            ("none", _) | ("linear", None | Some(0.0 | 1.0)) => Ok(Value::Null),
            ("linear", Some(factor)) => Ok(json!({"rope_type": "linear", "factor": factor})),
            ("yarn", Some(factor)) => Ok(json!({
                "rope_type": "yarn",
                "factor": factor,
                "original_max_position_embeddings": self.whole("rope.scaling.original_context_length")?,
                "beta_fast": self.real("rope.scaling.yarn_beta_fast")?,
                "beta_slow": self.real("rope.scaling.yarn_beta_slow")?,
            })),
            (kind, _) => Err(self.unsupported(format!(
                "rope scaling `{kind}` with the factor {factor:?} is not supported; supported are none, linear, yarn and \
                 the tensor rope_freqs.weight"
            ))),
        }
    }

    /// Llama 3's scaling comes as the numbers by which each frequency is divided.
    fn scale_frequencies(&self, config: &mut DecoderConfig) -> Result<()> {
        const NAME: &str = "rope_freqs.weight";
        if !self.gguf.has(NAME) {
            return Ok(());
        }
        let Some(rope) = config.ropes.first_mut() else { return Ok(()) };
        let factors = self.gguf.values(NAME, &[rope.inv_freq.len()])?;
        if let Some(factor) = factors.iter().find(|factor| **factor <= 0.0) {
            return Err(self
                .gguf
                .error(Code::ModelFormat, format!("tensor {NAME} has {factor}; expected positive numbers")));
        }
        rope.inv_freq.iter_mut().zip(factors).for_each(|(frequency, factor)| *frequency /= factor);
        Ok(())
    }

    fn end_tokens(&self) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        for name in ["eos", "eot", "eom"] {
            ids.extend(self.gguf.token_id(name)?);
        }
        let types = self.gguf.numbers("tokenizer.ggml.token_type")?.unwrap_or_default();
        let tokens = self.gguf.texts("tokenizer.ggml.tokens")?.unwrap_or_default();
        for (id, token) in tokens.iter().enumerate() {
            if types.get(id) == Some(&CONTROL) && END_TOKENS.contains(&&**token) {
                ids.push(id as u32);
            }
        }
        let mut seen = std::collections::HashSet::new();
        ids.retain(|id| seen.insert(*id));
        Ok(ids)
    }
}
