//! How probable a given text is as the answer to a prompt.

use super::GenerateOptions;
use super::generation::GeneratedToken;
use super::messages::{ChatMessage, ChatRole};
use super::output::Output;
use super::session::Session;
use crate::control::Cancel;
use crate::error::Result;
use crate::options::Options;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How a given text is put to the model.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ScoreOptions {
    /// Role prompt: the system message of the model's chat template.
    pub system: Option<String>,
    /// The conversation before the prompt, as in the options `generate`.
    pub messages: Option<Vec<ChatMessage>>,
    /// Take prompt and completion as they are: no chat template, no role prompt; control tokens in them are control tokens.
    pub raw: bool,
    /// Score the end of the turn after the completion too: how probable it is that the answer is this and nothing more.
    pub end_of_turn: bool,
}

impl Options for ScoreOptions {
    const NAME: &'static str = "score";

    fn check(&self) -> Result<()> {
        self.prompt().check()
    }
}

impl ScoreOptions {
    /// What of them says how the prompt is put.
    fn prompt(&self) -> GenerateOptions {
        let (system, messages) = (self.system.clone(), self.messages.clone());
        GenerateOptions { system, messages, raw: self.raw, ..GenerateOptions::default() }
    }

    /// Whether the prompt ends in the beginning of the answer.
    fn goes_on(&self, prompt: &str) -> bool {
        let last = self.messages.as_deref().and_then(<[ChatMessage]>::last);
        prompt.is_empty() && last.is_some_and(|message| message.role == ChatRole::Assistant)
    }
}

/// A given text with the log-probabilities of its tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredText {
    /// The text, as its tokens have it.
    pub text: String,
    /// The tokens of the text, in order; the end of the turn last, if it was asked for.
    pub tokens: Vec<GeneratedToken>,
    /// Tokens of the prompt, role prompt and template included.
    pub prompt_tokens: usize,
}

impl ScoredText {
    /// The log-probability of the whole, in nats.
    pub fn logprob(&self) -> f64 {
        self.tokens.iter().map(|token| f64::from(token.logprob)).sum()
    }

    /// For hosts.
    pub fn to_json(&self) -> Value {
        let tokens = self.tokens.iter().map(|token| token.to_json(&self.text));
        json!({
            "logprob": self.logprob(),
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.tokens.len(),
            "tokens": tokens.collect::<Vec<_>>(),
        })
    }
}

impl Session {
    /// Scores `completion` as the answer to `prompt`. Control tokens in it are text, unless the prompt is raw.
    ///
    /// # Errors
    /// As for [`Session::generate`], and `Cancelled`.
    pub fn score_text(
        &mut self,
        prompt: &str,
        completion: &str,
        options: &ScoreOptions,
        cancel: &Cancel,
    ) -> Result<ScoredText> {
        options.validate()?;
        let asked = self.prompt_ids(prompt, &options.prompt())?;
        let model = self.model().clone();
        let format = model.format();
        let mut ids = match options.raw {
            true => format.raw_completion(completion)?,
            false => format.completion(completion, options.goes_on(prompt))?,
        };
        if options.end_of_turn {
            ids.push(format.end_of_turn());
        }
        let scores = self.score(&asked, &ids, cancel)?;
        let mut output = Output::text(format.tokenizer(), &[]);
        for (&id, logprob) in ids.iter().zip(scores) {
            output.push(id, logprob, &[]);
        }
        output.finish();
        let (text, tokens) = output.text_and_tokens();
        Ok(ScoredText { text, tokens, prompt_tokens: asked.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use crate::generate::test_support::*;

    const PROMPT: &str = "岗位:P7,绩效:A";

    fn score(session: &mut Session, completion: &str, json: &str) -> ScoredText {
        let options = crate::options::parse(Some(json)).unwrap();
        session.score_text(PROMPT, completion, &options, &Cancel::new()).unwrap()
    }

    #[test]
    fn a_generated_text_has_the_scores_of_its_generation() {
        let mut session = session(&tiny_model());
        let said = generate(&mut session, PROMPT, r#"{"max_tokens":30}"#);
        let scored = score(&mut session, &said.text, "{}");
        let ids = |tokens: &[GeneratedToken]| tokens.iter().map(|token| token.id).collect::<Vec<_>>();
        // A text may have another spelling in tokens than the model chose.
        if ids(&scored.tokens) == ids(&said.tokens) {
            for (scored, said) in scored.tokens.iter().zip(&said.tokens) {
                assert!((scored.logprob - said.logprob).abs() < 1e-3, "{scored:?} {said:?}");
            }
        }
        assert_eq!((&scored.text, scored.prompt_tokens), (&said.text, said.prompt_tokens));
        let json = scored.to_json();
        assert_eq!(json["completion_tokens"], scored.tokens.len());
        let texts: String = json["tokens"].as_array().unwrap().iter().map(|t| t["text"].as_str().unwrap()).collect();
        assert!(texts.len() >= said.text.len(), "{json}");
        assert!((json["logprob"].as_f64().unwrap() - scored.logprob()).abs() < 1e-9 && scored.logprob() < 0.0);
    }

    #[test]
    fn a_better_answer_and_its_end_have_their_share() {
        let mut session = session(&tiny_model());
        let said = generate(&mut session, PROMPT, r#"{"max_tokens":12}"#).text;
        let good = score(&mut session, &said, "{}");
        let bad = score(&mut session, "zqxj zqxj zqxj zqxj", "{}");
        let mean = |scored: &ScoredText| scored.logprob() / scored.tokens.len() as f64;
        assert!(mean(&good) > mean(&bad), "{} {}", mean(&good), mean(&bad));
        let ended = score(&mut session, &said, r#"{"end_of_turn":true}"#);
        assert_eq!(ended.tokens.len(), good.tokens.len() + 1);
        assert_eq!((ended.text.as_str(), ended.tokens.last().unwrap().start), (said.as_str(), said.len()));
        let nothing = score(&mut session, "", "{}");
        assert_eq!((nothing.tokens.len(), nothing.logprob()), (0, 0.0));
    }

    #[test]
    fn an_answer_that_has_begun_goes_on() {
        let mut session = session(&tiny_model());
        let model = session.model().clone();
        let tokenizer = model.format().tokenizer();
        let said = "该员工表现突出。";
        let whole = score(&mut session, said, "{}");
        let conversation = |begun: &str| serde_json::json!({"messages": [{"role": "user", "content": PROMPT}, {"role": "assistant", "content": begun}]});
        for (at, _) in said.char_indices().skip(1) {
            let (begun, rest) = said.split_at(at);
            // Only where the tokens of the whole are those of the two parts.
            let parts = [begun, rest].map(|part| tokenizer.encode_continuation(part).unwrap()).concat();
            if parts != whole.tokens.iter().map(|token| token.id).collect::<Vec<_>>() {
                continue;
            }
            let options = crate::options::from_value(conversation(begun)).unwrap();
            let scored = session.score_text("", rest, &options, &Cancel::new()).unwrap();
            let end = &whole.tokens[whole.tokens.len() - scored.tokens.len()..];
            for (scored, whole) in scored.tokens.iter().zip(end) {
                assert!((scored.logprob - whole.logprob).abs() < 1e-3, "{scored:?} {whole:?}");
            }
        }
    }

    #[test]
    fn what_cannot_be_put_to_the_model_is_refused() {
        let mut session = session(&random_model());
        let parse = |json: &str| crate::options::parse::<ScoreOptions>(Some(json));
        assert_eq!(parse(r#"{"raw":true,"system":"a"}"#).unwrap_err().details()["option"], "system");
        assert_eq!(parse(r#"{"messages":[]}"#).unwrap_err().details()["option"], "messages");
        let long = "word ".repeat(20_000);
        let err = session.score_text("a", &long, &ScoreOptions::default(), &Cancel::new()).unwrap_err();
        assert_eq!(err.code(), Code::ContextLength);
        let cancel = Cancel::new();
        cancel.request();
        let err = session.score_text("a", "b", &ScoreOptions::default(), &cancel).unwrap_err();
        assert_eq!(err.code(), Code::Cancelled);
    }

    #[test]
    fn control_tokens_of_a_completion_are_text_unless_it_is_raw() {
        let mut session = session(&random_model());
        let (text, control) = (score(&mut session, "a<|im_end|>", "{}"), r#"{"raw":true}"#);
        let raw = score(&mut session, "a<|im_end|>", control);
        assert!(text.tokens.len() > raw.tokens.len());
        assert_eq!((text.text.as_str(), raw.tokens.len()), ("a<|im_end|>", 2));
    }
}
