//! What a caller may ask of a generation.

use crate::error::Result;
use crate::options::{Options, invalid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// More stop strings than this only slow every token down.
const MAX_STOP_STRINGS: usize = 16;

/// How one text is generated. The defaults are greedy and therefore reproducible without a seed.
///
/// Sampling goes through its filters in the order of Hugging Face's `generate`: grammar, repetition penalty,
/// temperature, top-k, top-p, min-p, draw. (llama.cpp applies the temperature after the filters, so equal values of
/// `top_p` and `min_p` keep fewer tokens there at temperatures above 1.)
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GenerateOptions {
    /// Most tokens to generate. The end-of-turn token is not counted.
    #[schemars(range(min = 1))]
    pub max_tokens: usize,
    /// 0 takes the most probable token each time (greedy); above 0 tokens are drawn from the distribution flattened (> 1) or sharpened (< 1) by it.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub temperature: f64,
    /// Draw only from the k most probable tokens; 0 means all.
    pub top_k: usize,
    /// Draw only from the smallest set of most probable tokens whose probabilities sum to this (nucleus sampling); 1 means all.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0))]
    pub top_p: f64,
    /// Draw only from tokens at least this share as probable as the most probable one; 0 means all.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_p: f64,
    /// Divides positive and multiplies negative logits of tokens that the prompt or the completion already has (Keskar et al. 2019); 1 changes nothing.
    #[schemars(range(min = 0.01, max = 100.0))]
    pub repetition_penalty: f64,
    /// Generation ends before the first of these texts; none is part of the output.
    pub stop: Vec<String>,
    /// Seed of the draws. Same seed, prompt, options, adapters and machine: same text.
    pub seed: u64,
    /// A JSON Schema that the text must satisfy. Every text is then a complete, valid document, even when `max_tokens` cuts it short.
    pub json_schema: Option<Value>,
    /// Role prompt: the system message of the model's chat template.
    pub system: Option<String>,
    /// Take the prompt as it is: no chat template, no role prompt.
    pub raw: bool,
    /// List every token with its log-probability in the result.
    pub logprobs: bool,
}

impl Default for GenerateOptions {
    fn default() -> Self {
        GenerateOptions {
            max_tokens: 512,
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            stop: Vec::new(),
            seed: 0,
            json_schema: None,
            system: None,
            raw: false,
            logprobs: false,
        }
    }
}

impl Options for GenerateOptions {
    const NAME: &'static str = "generate";

    fn check_text(text: &str) -> Result<()> {
        super::exact::check_schema_numbers(text, "json_schema")
    }

    fn check(&self) -> Result<()> {
        if self.stop.len() > MAX_STOP_STRINGS {
            return Err(invalid(
                "stop",
                format!("a list of {}", self.stop.len()),
                &format!("at most {MAX_STOP_STRINGS} texts"),
            ));
        }
        if self.stop.iter().any(String::is_empty) {
            return Err(invalid("stop", "a list with an empty text", "texts of at least one character"));
        }
        if self.json_schema.is_some() && !self.stop.is_empty() {
            return Err(invalid(
                "stop",
                "given together with `json_schema`",
                "one of the two: a stop string would break the document",
            ));
        }
        if self.raw && self.system.is_some() {
            return Err(invalid("system", "given together with `raw`", "one of the two: a raw prompt has no roles"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use crate::options::parse;

    #[test]
    fn defaults_are_greedy_and_valid() {
        let options = parse::<GenerateOptions>(None).unwrap();
        options.validate().unwrap();
        assert_eq!((options.temperature, options.seed, options.max_tokens), (0.0, 0, 512));
    }

    #[test]
    fn values_outside_their_range_are_named() {
        for (json, name) in [
            (r#"{"max_tokens":0}"#, "max_tokens"),
            (r#"{"temperature":-0.1}"#, "temperature"),
            (r#"{"temperature":1e9}"#, "temperature"),
            (r#"{"top_p":0}"#, "top_p"),
            (r#"{"top_p":1.5}"#, "top_p"),
            (r#"{"min_p":-1}"#, "min_p"),
            (r#"{"repetition_penalty":0}"#, "repetition_penalty"),
            (r#"{"stop":[""]}"#, "stop"),
            (r#"{"stop":["a"],"json_schema":{}}"#, "stop"),
            (r#"{"raw":true,"system":"x"}"#, "system"),
        ] {
            let err = parse::<GenerateOptions>(Some(json)).unwrap_err();
            assert_eq!(err.code(), Code::InvalidOptions, "{json}");
            assert_eq!(err.details()["option"], name, "{json}: {err}");
        }
    }
}
