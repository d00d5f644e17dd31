//! What a caller may ask of a generation.

use super::banned::{self, BannedPhrase};
use super::constraint::Form;
use super::messages::{self, ChatMessage};
use crate::error::Result;
use crate::options::{Options, invalid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// More stop strings than this only slow every token down.
const MAX_STOP_STRINGS: usize = 16;

/// DRY's breakers are looked for in every token of a text.
const MAX_BREAKERS: usize = 64;

/// How one text is generated. The defaults are greedy and therefore reproducible without a seed.
///
/// Sampling goes through its steps in the order of Hugging Face's `generate`: grammar, logit bias, penalties,
/// temperature, top-k, top-p, min-p, typical-p, draw. (llama.cpp applies the temperature after the filters, so equal
/// values of `top_p` and `min_p` keep fewer tokens there at temperatures above 1.)
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
    /// Draw only from the tokens whose surprise is nearest to the expected one, until their probabilities sum to this (locally typical sampling, Meister et al. 2022); 1 means all.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0))]
    pub typical_p: f64,
    /// Taken from the logit of every token that the completion already has; negative values favour them. 0 changes nothing.
    #[schemars(range(min = -2.0, max = 2.0))]
    pub presence_penalty: f64,
    /// Taken from a token's logit for every time that the completion already has it. 0 changes nothing.
    #[schemars(range(min = -2.0, max = 2.0))]
    pub frequency_penalty: f64,
    /// DRY: a token that would go on with a repetition of the last n tokens loses this · `dry_base`^(n − `dry_allowed_length`) of its logit; 0 is off.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub dry_multiplier: f64,
    /// How fast DRY's penalty grows with the length of the repetition.
    #[schemars(range(min = 1.0, max = 100.0))]
    pub dry_base: f64,
    /// The shortest repetition, in tokens, that DRY penalizes.
    #[schemars(range(min = 1, max = 1000))]
    pub dry_allowed_length: usize,
    /// How many tokens of prompt and completion, from their end, DRY looks at; 0 means all.
    pub dry_penalty_last_n: usize,
    /// DRY counts no repetition across a token that contains one of these texts, nor across the model's control tokens.
    pub dry_sequence_breakers: Vec<String>,
    /// Added to the logits of tokens, by their ids (`{"1234": -100}`): −100 all but rules a token out.
    #[schemars(extend("additionalProperties" = json!({ "type": "number", "minimum": -100, "maximum": 100 })))]
    pub logit_bias: BTreeMap<String, f64>,
    /// Generation ends before the first of these texts; none is part of the output.
    pub stop: Vec<String>,
    /// Phrases that are never written: `[{"phrase": "…", "instead": "…"}]`. A token that would complete one is not drawn; where the model would have written a phrase with an `instead`, that is written, and streams hold back what may be its beginning. In a JSON document the strings count, with their escapes undone, also those of an `enum`; keys do not. A text that would have had none is the same as without this.
    pub banned: Vec<BannedPhrase>,
    /// Seed of the draws. Same seed, prompt, options, adapters and machine: same text.
    pub seed: u64,
    /// A JSON Schema that the text must satisfy. Every text is then a complete, valid document, even when `max_tokens` cuts it short.
    pub json_schema: Option<Value>,
    /// A regular expression (ECMA 262) that the whole text must match, also where `max_tokens` cuts it short.
    pub regex: Option<String>,
    /// A Lark grammar that the text must be of, also where `max_tokens` cuts it short; it begins at the rule `start`.
    pub lark: Option<String>,
    /// Role prompt: the system message of the model's chat template.
    pub system: Option<String>,
    /// The conversation before the prompt: `[{"role":"user","content":"…"}, …]`, through the model's chat template; roles are `system`, `user`, `assistant` and `tool`. With an empty prompt its last message is answered; one of the role `assistant` is then the beginning of the answer. A message of the role `system` stands instead of the session's role prompt.
    pub messages: Option<Vec<ChatMessage>>,
    /// Take the prompt as it is: no chat template, no role prompt.
    pub raw: bool,
    /// Let a pass read tokens ahead that may come because they stood in prompt or text before. The text is the same, on the CPU to the bit; where it repeats its input it is written faster. Only on the CPU, and while few texts are written at the same time.
    pub speculation: bool,
    /// List every token with its log-probability in the result.
    pub logprobs: bool,
    /// List every token with so many of the most probable ones in its place and their log-probabilities; none with those that a rule put in the place of a banned phrase.
    #[schemars(range(max = 20))]
    pub top_logprobs: usize,
    /// How many texts to generate for the prompt, which is read once. The first is what 1 gives; the others have seeds derived from `seed`, each named in its result. Not for streams.
    #[schemars(range(min = 1, max = 32))]
    pub n: usize,
}

impl GenerateOptions {
    /// What the text must be, if it is not free.
    pub(super) fn form(&self) -> Option<Form<'_>> {
        let (regex, lark) = (self.regex.as_deref().map(Form::Regex), self.lark.as_deref().map(Form::Lark));
        self.json_schema.as_ref().map(Form::JsonSchema).or(regex).or(lark)
    }

    /// Refuses several choices where one text is written.
    pub(super) fn check_one(&self) -> Result<()> {
        if self.n == 1 {
            return Ok(());
        }
        Err(invalid("n", self.n, "1: several choices are generated as whole texts, not as a stream"))
    }

    /// Whether the result lists the tokens.
    pub(crate) fn lists_tokens(&self) -> bool {
        self.logprobs || self.top_logprobs > 0
    }

    /// The token ids of `logit_bias`, and what is added to each.
    pub(crate) fn logit_biases(&self) -> impl Iterator<Item = (u32, f64)> {
        self.logit_bias.iter().filter_map(|(id, bias)| Some((id.parse().ok()?, *bias)))
    }
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
            typical_p: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            dry_multiplier: 0.0,
            dry_base: 1.75,
            dry_allowed_length: 2,
            dry_penalty_last_n: 0,
            dry_sequence_breakers: ["\n", ":", "\"", "*"].map(str::to_owned).to_vec(),
            logit_bias: BTreeMap::new(),
            stop: Vec::new(),
            banned: Vec::new(),
            seed: 0,
            json_schema: None,
            regex: None,
            lark: None,
            system: None,
            messages: None,
            raw: false,
            logprobs: false,
            top_logprobs: 0,
            n: 1,
            speculation: true,
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
        if self.dry_sequence_breakers.len() > MAX_BREAKERS || self.dry_sequence_breakers.iter().any(String::is_empty) {
            let expected = format!("at most {MAX_BREAKERS} texts of at least one character");
            return Err(invalid("dry_sequence_breakers", "too long, or has an empty text", &expected));
        }
        banned::check("banned", &self.banned)?;
        if let Some(key) = self.logit_bias.keys().find(|key| key.parse::<u32>().is_err()) {
            return Err(invalid("logit_bias", format!("of `{key}`"), "token ids, such as `{\"1234\": -100}`"));
        }
        let forms = [
            ("json_schema", self.json_schema.is_some()),
            ("regex", self.regex.is_some()),
            ("lark", self.lark.is_some()),
        ];
        let mut given = forms.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name);
        let form = given.next();
        if let Some((form, other)) = form.zip(given.next()) {
            return Err(invalid(other, format!("given together with `{form}`"), "one of the two"));
        }
        if let Some(form) = form.filter(|_| !self.stop.is_empty()) {
            return Err(invalid(
                "stop",
                format!("given together with `{form}`"),
                "one of the two: a stop string would break the document",
            ));
        }
        if self.raw && self.system.is_some() {
            return Err(invalid("system", "given together with `raw`", "one of the two: a raw prompt has no roles"));
        }
        messages::check(self.messages.as_deref(), self.system.as_deref(), self.raw)
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
            (r#"{"typical_p":0}"#, "typical_p"),
            (r#"{"presence_penalty":3}"#, "presence_penalty"),
            (r#"{"frequency_penalty":-2.5}"#, "frequency_penalty"),
            (r#"{"dry_base":0.5}"#, "dry_base"),
            (r#"{"dry_allowed_length":0}"#, "dry_allowed_length"),
            (r#"{"dry_sequence_breakers":[""]}"#, "dry_sequence_breakers"),
            (r#"{"logit_bias":{"1":-101}}"#, "logit_bias"),
            (r#"{"logit_bias":{"the":1}}"#, "logit_bias"),
            (r#"{"stop":[""]}"#, "stop"),
            (r#"{"banned":[{"phrase":""}]}"#, "banned"),
            (r#"{"banned":[{"phrase":" a"}]}"#, "banned"),
            (r#"{"banned":[{"phrase":"a","instead":""}]}"#, "banned"),
            (r#"{"banned":[{"phrase":"a","instead":"b"},{"phrase":"B"}]}"#, "banned"),
            (r#"{"stop":["a"],"json_schema":{}}"#, "stop"),
            (r#"{"regex":"a","json_schema":{}}"#, "regex"),
            (r#"{"regex":"a","lark":"start: A"}"#, "lark"),
            (r#"{"lark":"start: A","stop":["a"]}"#, "stop"),
            (r#"{"raw":true,"system":"x"}"#, "system"),
            (r#"{"top_logprobs":21}"#, "top_logprobs"),
            (r#"{"n":0}"#, "n"),
            (r#"{"n":33}"#, "n"),
        ] {
            let err = parse::<GenerateOptions>(Some(json)).unwrap_err();
            assert_eq!(err.code(), Code::InvalidOptions, "{json}");
            assert_eq!(err.details()["option"], name, "{json}: {err}");
        }
    }

    #[test]
    fn what_is_no_conversation_is_refused_with_its_place() {
        for (json, option, words) in [
            (r#"{"messages":[]}"#, "messages", "at least one message"),
            (r#"{"messages":[{"role":"user","content":"a"}],"raw":true}"#, "messages", "`raw`"),
            (r#"{"messages":[{"role":"system","content":"a"}],"system":"b"}"#, "messages", "one role prompt"),
            (r#"{"messages":"hello"}"#, "messages", "expected a list"),
            (r#"{"messages":["hello"]}"#, "messages", "`messages[0]` is \"hello\"; expected an object"),
            (r#"{"messages":[{"role":"bot","content":"a"}]}"#, "messages.role", "\"tool\""),
            (r#"{"messages":[{"role":"user"}]}"#, "messages", "`messages[0]`: missing field `content`"),
            (r#"{"messages":[{"role":"user","content":null}]}"#, "messages.content", "is null; expected a text"),
            (r#"{"messages":[{"role":"user","text":"a"}]}"#, "messages", "unknown field `text`"),
        ] {
            let err = parse::<GenerateOptions>(Some(json)).unwrap_err();
            assert_eq!(err.code(), Code::InvalidOptions, "{json}");
            assert_eq!(err.details()["option"], option, "{json}: {err}");
            assert!(err.message().contains(words), "{json}: {err}");
        }
    }
}
