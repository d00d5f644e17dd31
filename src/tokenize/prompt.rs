//! From a role prompt, an input and an output to the tokens that a model is trained on and asked with.

use super::control_tokens::ControlTokens;
use super::probe::Learnt;
use super::{ChatTemplate, Message, Tokenizer};
use crate::error::{Code, Error, Result};
use jiff::civil::Date;
use std::borrow::Cow;

/// A training example: `ids[..prompt_len]` is given, `ids[prompt_len..]` is learnt (completion and end of turn).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Example {
    /// Prompt, completion, end-of-turn token.
    pub ids: Vec<u32>,
    /// Where the completion begins. Labels follow from this position, never from token ids.
    pub prompt_len: usize,
}

/// How a model is spoken to.
#[derive(Debug)]
pub(crate) struct PromptFormat {
    pub(super) tokenizer: Tokenizer,
    pub(super) template: Option<ChatTemplate>,
    bos: Option<u32>,
    end_of_turn: u32,
    pub(super) learnt: Learnt,
    pub(super) in_prompt: ControlTokens,
    pub(super) in_answer: ControlTokens,
    /// In what the assistant said before: as in answers, and nothing may end its turn or begin another.
    pub(super) in_turn: ControlTokens,
}

impl PromptFormat {
    /// `eos_token_ids` and `bos` are those of the model's configuration.
    ///
    /// The end of turn is what the template writes after an answer, else the tokenizer's `eos_token` if the model stops
    /// at it, else the first of `eos_token_ids`. Generation ends there whatever the configuration says.
    ///
    /// # Errors
    /// `Code::Tokenizer` if no end of turn can be found, or the template cannot render one question.
    pub fn new(
        tokenizer: Tokenizer,
        template: Option<ChatTemplate>,
        eos_token_ids: &[u32],
        bos: Option<u32>,
    ) -> Result<Self> {
        let learnt = template.as_ref().map(|template| Learnt::new(template, &tokenizer)).transpose()?;
        let mut learnt = learnt.unwrap_or_default();
        let eos_token = tokenizer.named_token("eos_token");
        let stops = |id: &u32| eos_token_ids.is_empty() || eos_token_ids.contains(id);
        if let Some(written) = learnt.end_of_turn.filter(|id| !stops(id)) {
            let token = tokenizer.id_to_token(written).unwrap_or_default();
            learnt.notes.push(format!(
                "the chat template ends a turn with {token:?} ({written}), which is not among the model's `eos_token_id` \
                 {eos_token_ids:?}; it ends generation too, and training teaches it"
            ));
        }
        let end_of_turn = learnt.end_of_turn.or(eos_token.filter(stops)).or(eos_token_ids.first().copied());
        let Some(end_of_turn) = end_of_turn.filter(|id| tokenizer.piece(*id).is_some()) else {
            return Err(Error::new(
                Code::Tokenizer,
                "no end-of-turn token: config.json has no `eos_token_id` and tokenizer_config.json no `eos_token` that the \
                 tokenizer knows",
            ));
        };
        let source = template.as_ref().map(ChatTemplate::source);
        let in_turn = ControlTokens::new(&tokenizer, learnt.turns.as_deref().or(source))?;
        Ok(PromptFormat {
            bos: tokenizer.leading_bos(bos)?,
            end_of_turn,
            learnt,
            in_prompt: ControlTokens::new(&tokenizer, source)?,
            // Answers are the trainer's own; only true control tokens are kept out of them, `<think>` may be taught.
            in_answer: ControlTokens::new(&tokenizer, None)?,
            in_turn,
            tokenizer,
            template,
        })
    }

    /// The tokens of a question, up to where the model is to answer. Exactly one BOS if the tokenizer uses one. Without
    /// a template: `system`, a blank line, `user`, a line break. A template that knows no system role gets `system` at
    /// the beginning of the question.
    pub fn prompt(&self, system: Option<&str>, user: &str) -> Result<Vec<u32>> {
        let system = system.filter(|text| !text.is_empty()).map(|text| Message::new("system", plain(text)));
        let turns: Vec<Message> = system.into_iter().chain([Message::new("user", plain(user))]).collect();
        self.ask(&turns)
    }

    /// The tokens of a prompt that was written by hand, control tokens and all: one BOS, and never an end, which some
    /// tokenizers put after every text.
    pub fn raw(&self, prompt: &str) -> Result<Vec<u32>> {
        Ok(self.after_bos(self.tokenizer.encode(&plain(prompt), false)?))
    }

    pub(super) fn after_bos(&self, mut ids: Vec<u32>) -> Vec<u32> {
        if let Some(bos) = self.bos.filter(|bos| ids.first() != Some(bos)) {
            ids.insert(0, bos);
        }
        ids
    }

    /// The tokens of a question with its answer. The answer is encoded on its own, so that training continues exactly
    /// the prompt that generation will continue.
    pub fn example(&self, system: Option<&str>, input: &str, output: &str) -> Result<Example> {
        let mut ids = self.prompt(system, input)?;
        let prompt_len = ids.len();
        ids.extend(self.answer(&plain(output))?);
        ids.push(self.end_of_turn);
        Ok(Example { ids, prompt_len })
    }

    /// The tokens of an answer.
    fn answer(&self, text: &str) -> Result<Vec<u32>> {
        self.go_on(&format!("{}{text}", self.learnt.before_answer), &self.in_answer)
    }

    /// The tokens of the beginning of an answer.
    pub(super) fn begun(&self, text: &str) -> Result<Vec<u32>> {
        self.go_on(&format!("{}{text}", self.learnt.before_answer), &self.in_turn)
    }

    fn go_on(&self, text: &str, control: &ControlTokens) -> Result<Vec<u32>> {
        match control.mark(&self.tokenizer, &[text])?.as_deref() {
            Some([marked]) => control.encode_marked(&self.tokenizer, marked, true),
            _ => self.tokenizer.encode_continuation(text),
        }
    }

    /// The tokens of an answer after its prompt; one that `goes_on` follows the beginning of an answer.
    pub fn completion(&self, text: &str, goes_on: bool) -> Result<Vec<u32>> {
        if goes_on { self.go_on(&plain(text), &self.in_answer) } else { self.answer(&plain(text)) }
    }

    /// The tokens of a text after a raw prompt, control tokens and all.
    pub fn raw_completion(&self, text: &str) -> Result<Vec<u32>> {
        self.tokenizer.encode_continuation(&plain(text))
    }

    /// The token that ends an answer.
    pub fn end_of_turn(&self) -> u32 {
        self.end_of_turn
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The model's chat template.
    pub fn template(&self) -> Option<&ChatTemplate> {
        self.template.as_ref()
    }

    /// Whether the model has a chat template.
    pub fn has_template(&self) -> bool {
        self.template.is_some()
    }

    /// Refuses a model that has no row of embeddings for the tokens that every prompt or answer has.
    pub fn check_rows(&self, rows: usize) -> Result<()> {
        match self.bos.into_iter().chain([self.end_of_turn]).find(|id| *id as usize >= rows) {
            None => Ok(()),
            Some(id) => {
                let token = self.tokenizer.id_to_token(id).unwrap_or_default();
                let message =
                    format!("the token {token:?} ({id}) begins or ends texts, and the model has {rows} rows only");
                Err(Error::new(Code::Tokenizer, message).with("token_id", id).with("rows", rows))
            }
        }
    }

    /// What a host should know about the tokenizer's files and the template.
    pub fn notes(&self) -> Vec<String> {
        self.tokenizer.notes().iter().chain(&self.learnt.notes).cloned().collect()
    }

    /// The day that the template tells, if it tells one.
    pub fn template_date(&self) -> Option<Date> {
        self.template.as_ref().filter(|template| template.tells_the_date()).map(ChatTemplate::date)
    }
}

/// Line ends of any system as `\n`, as models were tuned on, and no byte-order mark.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.contains("\r\n") { Cow::Owned(text.replace("\r\n", "\n")) } else { Cow::Borrowed(text) }
}
