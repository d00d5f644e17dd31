//! The metadata of a GGUF file as a decoder's configuration: put into the words of `config.json`, so that one reader
//! judges both. Source: `convert_hf_to_gguf.py` and `llama-arch.cpp` of llama.cpp.

use super::Gguf;
use crate::error::{Code, Error, Result};
use crate::model::config::DecoderConfig;
use serde_json::{Map, Value, json};

/// Control tokens that end a turn wherever a vocabulary has them, as in llama.cpp.
const END_TOKENS: [&str; 6] =
    ["<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>"];
/// ggml's type of a control token.
const CONTROL: f64 = 3.0;

impl DecoderConfig {
    /// Reads the configuration of a GGUF file.
    pub(crate) fn from_gguf(gguf: &Gguf) -> Result<Self> {
        let architecture = gguf.required("general.architecture", gguf.text("general.architecture"))?;
        let reader = Reader { gguf, architecture };
        let named = |err: Error| err.in_file(gguf.path());
        let value = reader.config()?;
        let mut config = DecoderConfig::from_json(&value).map_err(named)?;
        reader.scale_frequencies(&mut config)?;
        config.eos_token_ids = reader.end_tokens()?;
        Ok(config)
    }
}

struct Reader<'a> {
    gguf: &'a Gguf,
    architecture: &'a str,
}

impl Reader<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture)
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
        config.insert("model_type".to_owned(), self.architecture.into());
        // Before anything else, so that a foreign architecture is called that.
        DecoderConfig::check_family(self.architecture).map_err(|err| self.unsupported(err.message().to_owned()))?;
        if self.gguf.whole("split.count")?.is_some_and(|parts| parts > 1) {
            return Err(self.unsupported(
                "one part of a model in several files; join them with `llama-gguf-split --merge`".to_owned(),
            ));
        }
        if let Some(experts) = self.whole("expert_count")?.filter(|experts| *experts > 0) {
            return Err(self.unsupported(format!("a mixture of {experts} experts is not supported")));
        }
        let mut put = |name: &str, value: Value| config.insert(name.to_owned(), value);
        let (hidden, heads) = (self.required("embedding_length")?, self.required("attention.head_count")?);
        let context = self.required("context_length")?;
        put("hidden_size", hidden.into());
        put("num_attention_heads", heads.into());
        put("intermediate_size", self.required("feed_forward_length")?.into());
        put("num_hidden_layers", self.required("block_count")?.into());
        put("num_key_value_heads", self.whole("attention.head_count_kv")?.unwrap_or(heads).into());
        put("vocab_size", self.gguf.vocab_size()?.into());
        put("tie_word_embeddings", (!self.gguf.has("output.weight")).into());
        put(
            "rms_norm_eps",
            self.gguf
                .required(&self.key("attention.layer_norm_rms_epsilon"), self.real("attention.layer_norm_rms_epsilon"))?
                .into(),
        );
        // A window makes no difference to sequences that fit into it; windows of single layers are not in the metadata.
        let window = self.whole("attention.sliding_window")?.filter(|window| *window > 0).unwrap_or(context);
        put("max_position_embeddings", context.min(window).into());
        put("attention_bias", self.gguf.has("blk.0.attn_output.bias").into());
        put("mlp_bias", self.gguf.has("blk.0.ffn_down.bias").into());
        let head_dim = self.head_dim(hidden, heads)?;
        put("head_dim", head_dim.into());
        put("rope_theta", self.real("rope.freq_base")?.unwrap_or(10_000.0).into());
        put("rope_scaling", self.rope_scaling()?);
        put("bos_token_id", self.gguf.whole("tokenizer.ggml.bos_token_id")?.into());
        Ok(Value::Object(config))
    }

    fn head_dim(&self, hidden: u64, heads: u64) -> Result<u64> {
        let head_dim = match self.whole("attention.key_length")? {
            Some(length) => length,
            None => hidden.checked_div(heads).unwrap_or(0),
        };
        for name in ["attention.value_length", "rope.dimension_count"] {
            if let Some(other) = self.whole(name)?.filter(|other| *other != head_dim) {
                let key = self.key(name);
                return Err(
                    self.unsupported(format!("metadata `{key}` is {other}; expected the size of a head, {head_dim}"))
                );
            }
        }
        Ok(head_dim)
    }

    fn rope_scaling(&self) -> Result<Value> {
        for tensor in ["rope_factors_long.weight", "rope_factors_short.weight"] {
            if self.gguf.has(tensor) {
                return Err(self.unsupported(format!("rope scaling by the tensor {tensor} is not supported")));
            }
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
