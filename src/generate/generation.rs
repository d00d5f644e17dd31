//! What a generation ends with.

use serde_json::{Value, json};

/// Why a text ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended its turn, or the JSON document is complete.
    Stop,
    /// `max_tokens` or the end of the context was reached. A JSON document was then closed early, and is still valid.
    Length,
    /// One of the stop strings followed.
    StopString,
    /// The host asked to stop.
    Cancelled,
}

impl FinishReason {
    /// As in JSON: `stop`, `length`, `stop_string`, `cancelled`.
    pub fn name(self) -> &'static str {
        match self {
            FinishReason::Stop => "stop",
            FinishReason::Length => "length",
            FinishReason::StopString => "stop_string",
            FinishReason::Cancelled => "cancelled",
        }
    }
}

/// One generated token.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratedToken {
    /// Its id in the model's vocabulary.
    pub id: u32,
    /// Its log-probability under the model in nats: before grammar, penalties, temperature and filters.
    pub logprob: f32,
    /// The bytes of the text that it took part in: from here …
    pub start: usize,
    /// … to here. A character of several tokens belongs to each of them.
    pub end: usize,
    /// The most probable tokens in its place, best first: as many as `top_logprobs` asks for. It need not be among them.
    pub top: Vec<TopToken>,
}

impl GeneratedToken {
    /// For hosts; `text` is the whole text.
    pub(super) fn to_json(&self, text: &str) -> Value {
        let text = text.get(self.start..self.end).unwrap_or_default();
        let mut token = json!({ "id": self.id, "logprob": self.logprob, "text": text });
        if !self.top.is_empty() {
            let top = self.top.iter().map(|top| json!({ "id": top.id, "logprob": top.logprob, "text": top.text }));
            token["top"] = top.collect();
        }
        token
    }
}

/// A token that the model might have said.
#[derive(Debug, Clone, PartialEq)]
pub struct TopToken {
    /// Its id in the model's vocabulary.
    pub id: u32,
    /// Its log-probability under the model in nats, as for [`GeneratedToken`].
    pub logprob: f32,
    /// Its text; bytes that are no whole character are U+FFFD, and a control token is its name.
    pub text: String,
}

/// Tokens of a text so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// As in [`Generation`].
    pub prompt_tokens: usize,
    /// As in [`Generation`].
    pub completion_tokens: usize,
}

/// A finished text.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// The text: without prompt, end-of-turn token and stop string.
    pub text: String,
    /// The tokens of the text, in order.
    pub tokens: Vec<GeneratedToken>,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// Tokens of the prompt, role prompt and template included.
    pub prompt_tokens: usize,
    /// Tokens generated, including those of a stop string, without the end-of-turn token.
    pub completion_tokens: usize,
    /// The seed of the draws.
    pub seed: u64,
}

impl Generation {
    /// Stopped by the host before it began.
    pub(crate) fn cancelled(prompt_tokens: usize, seed: u64) -> Self {
        Generation {
            text: String::new(),
            tokens: Vec::new(),
            finish_reason: FinishReason::Cancelled,
            prompt_tokens,
            completion_tokens: 0,
            seed,
        }
    }

    /// For hosts: everything but the tokens, and those on request.
    pub fn to_json(&self, with_tokens: bool) -> Value {
        let mut value = json!({
            "text": self.text,
            "finish_reason": self.finish_reason.name(),
            "seed": self.seed,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
        });
        if with_tokens {
            value["tokens"] = self.tokens.iter().map(|token| token.to_json(&self.text)).collect();
        }
        value
    }

    /// Several texts of one prompt for hosts: what the first alone would be, and all of them as `choices`.
    pub fn choices_to_json(choices: &[Generation], with_tokens: bool) -> Value {
        let mut value = choices.first().map(|first| first.to_json(with_tokens)).unwrap_or_default();
        if choices.len() > 1 {
            value["choices"] = choices.iter().map(|choice| choice.to_json(with_tokens)).collect();
        }
        value
    }
}
