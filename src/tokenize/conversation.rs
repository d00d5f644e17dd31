//! From a conversation of several turns to the tokens that a model is asked with.
//!
//! The turns go through the model's own template as `transformers` would put them. What a template would do in silence is
//! an error here: a turn that it leaves out is an instruction that nobody follows.

use super::Message;
use super::control_tokens::{ControlTokens, escapes_marks};
use super::prompt::{PromptFormat, plain};
use super::template::joined;
use crate::error::{Code, Error, Result};

const ASSISTANT: &str = "assistant";

impl PromptFormat {
    /// The tokens of a conversation after a role prompt, up to where the model is to answer. A last turn of the assistant
    /// is the beginning of the answer. Control tokens in contents are text; what is markup and no more (`<think>`) stays so in
    /// the assistant's own turns.
    ///
    /// # Errors
    /// `Tokenizer` if the template refuses the conversation, or leaves one of its turns out.
    pub fn conversation(&self, system: Option<&str>, messages: &[Message]) -> Result<Vec<u32>> {
        let system = system.filter(|text| !text.is_empty()).map(|text| Message::new("system", text));
        let before = usize::from(system.is_some());
        let all = system.iter().chain(messages);
        let mut turns: Vec<Message> = all.map(|turn| turn.with(plain(&turn.content))).collect();
        let begun = turns.pop_if(|turn| turn.role == ASSISTANT);
        self.check_turns(&turns, before)?;
        let mut ids = self.ask(&turns)?;
        if let Some(begun) = begun {
            ids.extend(self.begun(&begun.content)?);
        }
        Ok(ids)
    }

    /// The tokens of turns of which the last one is to be answered.
    pub(super) fn ask(&self, turns: &[Message]) -> Result<Vec<u32>> {
        let marked = self.mark(turns)?;
        let text = self.render(marked.as_deref().unwrap_or(turns))?;
        if marked.is_some() && escapes_marks(&text) {
            return Err(Error::new(
                Code::Tokenizer,
                "the text contains a control token, and the chat template writes texts in a form in which it cannot be told \
                 from its own; remove it",
            ));
        }
        Ok(self.after_bos(match marked {
            Some(_) => self.in_prompt.encode_marked(&self.tokenizer, &text, false)?,
            None => self.tokenizer.encode(&text, false)?,
        }))
    }

    /// The turns with the control tokens of their contents wrapped; `None` if there are none.
    fn mark(&self, turns: &[Message]) -> Result<Option<Vec<Message>>> {
        let mut any = false;
        for turn in turns {
            any |= self.control_tokens(turn).mark(&self.tokenizer, &[&turn.content])?.is_some();
        }
        let wrapped = |turn: &Message| turn.with(self.control_tokens(turn).wrap(&turn.content));
        Ok(any.then(|| turns.iter().map(wrapped).collect()))
    }

    /// The assistant's earlier answers are the model's own, and templates read their markup.
    fn control_tokens(&self, turn: &Message) -> &ControlTokens {
        if turn.role == ASSISTANT { &self.in_turn } else { &self.in_prompt }
    }

    fn render(&self, turns: &[Message]) -> Result<String> {
        match &self.template {
            Some(template) => Ok(template.render(&self.fitted(turns), true)? + &self.learnt.header),
            None => Ok(turns.iter().map(|turn| turn.content.as_str()).collect::<Vec<_>>().join("\n\n") + "\n"),
        }
    }

    /// The turns as the template takes them: contents as texts or parts, the role prompt as a turn or before the question.
    fn fitted(&self, turns: &[Message]) -> Vec<Message> {
        let fit = |turn: &Message| turn.clone().in_parts(self.learnt.in_parts);
        match turns {
            [system, question, rest @ ..] if self.joins(system) && question.role == "user" => {
                let system = Some(system.content.as_str()).filter(|text| !text.is_empty());
                let first = question.with(joined(system, &question.content));
                [&first].into_iter().chain(rest).map(fit).collect()
            }
            turns => turns.iter().map(fit).collect(),
        }
    }

    /// Whether a role prompt goes to the beginning of the question.
    fn joins(&self, turn: &Message) -> bool {
        turn.role == "system" && !self.learnt.takes_system
    }

    /// Refuses turns that the template would leave out; the first `before` are not the caller's messages. Each is tried with
    /// a word of its own for a content, since a template may cut contents, and none cuts these. One that does not take them
    /// says so when it is given the contents.
    fn check_turns(&self, turns: &[Message], before: usize) -> Result<()> {
        let Some(template) = &self.template else { return check_plain(turns) };
        let word = |index: usize| format!("Content{index}End");
        let words: Vec<Message> = turns.iter().enumerate().map(|(index, turn)| turn.with(word(index))).collect();
        let Ok(text) = template.render(&self.fitted(&words), true) else { return Ok(()) };
        match turns.iter().enumerate().find(|(index, _)| !text.contains(&word(*index))) {
            None => Ok(()),
            Some((index, turn)) => Err(left_out(index.checked_sub(before), &turn.role)),
        }
    }
}

/// Without a template there is no way to say who speaks.
fn check_plain(turns: &[Message]) -> Result<()> {
    let roles: Vec<&str> = turns.iter().map(|turn| turn.role.as_str()).collect();
    if let ["user"] | ["system", "user"] = roles[..] {
        return Ok(());
    }
    Err(Error::new(
        Code::Tokenizer,
        "the model has no chat template, so it can be asked one question after a role prompt and nothing else; give it its \
         template (chat_template.jinja), or write the conversation as a `raw` prompt",
    )
    .with("roles", roles))
}

fn left_out(index: Option<usize>, role: &str) -> Error {
    let what = index.map_or_else(|| "the role prompt".to_owned(), |index| format!("`messages[{index}]`"));
    let message = format!(
        "the model's chat template leaves out {what}, of the role `{role}`; put what it says into a turn of a role that the \
         template has"
    );
    Error::new(Code::Tokenizer, message).with("message", index).with("role", role)
}
