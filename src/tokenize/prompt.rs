//! From a role prompt, an input and an output to the tokens that a model is trained on and asked with.

use super::control_tokens::ControlTokens;
use super::{ChatTemplate, Message, Tokenizer};
use crate::error::{Code, Error, Result};

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
    tokenizer: Tokenizer,
    template: Option<ChatTemplate>,
    bos: Option<u32>,
    end_of_turn: u32,
    /// What the template writes between the generation prompt and the answer (Llama 2: one space).
    before_answer: String,
    takes_system: bool,
    in_prompt: ControlTokens,
    in_answer: ControlTokens,
}

impl PromptFormat {
    /// `eos_token_ids` and `bos` are those of the model's configuration.
    ///
    /// The end of turn is what the template writes after an answer if the model stops at it, else the tokenizer's
    /// `eos_token` if the model stops at that, else the first of `eos_token_ids`.
    ///
    /// # Errors
    /// `Code::Tokenizer` if no end of turn can be found, or the template cannot render one question.
    pub fn new(
        tokenizer: Tokenizer,
        template: Option<ChatTemplate>,
        eos_token_ids: &[u32],
        bos: Option<u32>,
    ) -> Result<Self> {
        let probe = template.as_ref().map(|template| Probe::new(template, &tokenizer)).transpose()?.unwrap_or_default();
        let eos_token = tokenizer.named_token("eos_token");
        let stops = |id: &u32| eos_token_ids.is_empty() || eos_token_ids.contains(id);
        let end_of_turn =
            probe.end_of_turn.filter(stops).or(eos_token.filter(stops)).or(eos_token_ids.first().copied());
        let Some(end_of_turn) = end_of_turn else {
            return Err(Error::new(
                Code::Tokenizer,
                "no end-of-turn token: config.json has no `eos_token_id` and tokenizer_config.json no `eos_token`",
            ));
        };
        let source = template.as_ref().map(ChatTemplate::source);
        Ok(PromptFormat {
            bos: tokenizer.leading_bos(bos)?,
            end_of_turn,
            before_answer: probe.before_answer,
            takes_system: probe.takes_system,
            in_prompt: ControlTokens::new(&tokenizer, source)?,
            // Answers are the trainer's own; only true control tokens are kept out of them, `<think>` may be taught.
            in_answer: ControlTokens::new(&tokenizer, None)?,
            tokenizer,
            template,
        })
    }

    /// The tokens of a question, up to where the model is to answer. Exactly one BOS if the tokenizer uses one. Without
    /// a template: `system`, a blank line, `user`, a line break. A template that knows no system role gets `system` at
    /// the beginning of the question.
    pub fn prompt(&self, system: Option<&str>, user: &str) -> Result<Vec<u32>> {
        let (text, marked) = self.render(system, user)?;
        let mut ids = match marked {
            true => self.in_prompt.encode_marked(&self.tokenizer, &text, false)?,
            false => self.tokenizer.encode(&text, false)?,
        };
        if let Some(bos) = self.bos.filter(|bos| ids.first() != Some(bos)) {
            ids.insert(0, bos);
        }
        Ok(ids)
    }

    /// The tokens of a question with its answer. The answer is encoded on its own, so that training continues exactly
    /// the prompt that generation will continue.
    pub fn example(&self, system: Option<&str>, input: &str, output: &str) -> Result<Example> {
        let mut ids = self.prompt(system, input)?;
        let prompt_len = ids.len();
        let answer = format!("{}{output}", self.before_answer);
        ids.extend(match self.in_answer.mark(&self.tokenizer, &[&answer])?.as_deref() {
            Some([marked]) => self.in_answer.encode_marked(&self.tokenizer, marked, true)?,
            _ => self.tokenizer.encode_continuation(&answer)?,
        });
        ids.push(self.end_of_turn);
        Ok(Example { ids, prompt_len })
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

    /// The prompt's text, and whether control tokens are marked in it.
    fn render(&self, system: Option<&str>, user: &str) -> Result<(String, bool)> {
        let system = system.filter(|text| !text.is_empty());
        let texts: Vec<&str> = system.into_iter().chain([user]).collect();
        let marked = self.in_prompt.mark(&self.tokenizer, &texts)?;
        let is_marked = marked.is_some();
        let mut texts = marked.unwrap_or_else(|| texts.into_iter().map(str::to_owned).collect());
        let user = texts.pop().unwrap_or_default();
        let system = texts.pop();
        let text = match &self.template {
            Some(template) => template.render(&self.conversation(system, user), true)?,
            None => joined(system, &user) + "\n",
        };
        Ok((text, is_marked))
    }

    fn conversation(&self, system: Option<String>, user: String) -> Vec<Message> {
        match system {
            Some(system) if self.takes_system => vec![Message::new("system", system), Message::new("user", user)],
            system => vec![Message::new("user", joined(system, &user))],
        }
    }
}

fn joined(system: Option<String>, user: &str) -> String {
    system.map_or_else(|| user.to_owned(), |system| format!("{system}\n\n{user}"))
}

/// What is learnt about a template by rendering conversations whose words are known.
#[derive(Debug)]
struct Probe {
    takes_system: bool,
    before_answer: String,
    end_of_turn: Option<u32>,
}

impl Default for Probe {
    fn default() -> Self {
        Probe { takes_system: true, before_answer: String::new(), end_of_turn: None }
    }
}

impl Probe {
    fn new(template: &ChatTemplate, tokenizer: &Tokenizer) -> Result<Self> {
        const SYSTEM: &str = "Instruction0";
        const USER: &str = "Question0";
        const ANSWER: &str = "Answer0";
        let user = Message::new("user", USER);
        let prompt = template.render(std::slice::from_ref(&user), true)?;
        // A refusal and a role that is left out without a word (Phi-3) are the same to us.
        let takes_system = template
            .render(&[Message::new("system", SYSTEM), user.clone()], true)
            .is_ok_and(|text| text.contains(SYSTEM) && text.contains(USER));
        let mut probe = Probe { takes_system, ..Probe::default() };
        if let Ok(whole) = template.render(&[user, Message::new("assistant", ANSWER)], false)
            && let Some((before, after)) = whole.rsplit_once(ANSWER)
        {
            let between = before.strip_prefix(prompt.as_str()).unwrap_or_default();
            probe.before_answer = if between.trim().is_empty() { between.to_owned() } else { String::new() };
            let ids = tokenizer.encode_continuation(after.trim_start())?;
            probe.end_of_turn = ids.first().copied().filter(|&id| tokenizer.is_special(id));
        }
        Ok(probe)
    }
}
