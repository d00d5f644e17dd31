//! A conversation as the prompt: who said what, before the turn that is to be answered.

use crate::error::Result;
use crate::options::invalid;
use crate::tokenize::Message;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChatRole {
    /// The role prompt.
    System,
    /// Who asks.
    User,
    /// The model.
    Assistant,
    /// What a tool gave that the model called.
    Tool,
}

impl ChatRole {
    /// As chat templates know it.
    pub fn name(self) -> &'static str {
        match self {
            ChatRole::System => "system",
            ChatRole::User => "user",
            ChatRole::Assistant => "assistant",
            ChatRole::Tool => "tool",
        }
    }
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChatMessage {
    /// Who speaks.
    pub role: ChatRole,
    /// What was said. Control tokens in it are text.
    pub content: String,
}

impl ChatMessage {
    /// A turn.
    pub fn new(role: ChatRole, content: impl Into<String>) -> Self {
        ChatMessage { role, content: content.into() }
    }
}

/// Whether a conversation brings its own role prompt.
fn has_system(messages: &[ChatMessage]) -> bool {
    messages.iter().any(|message| message.role == ChatRole::System)
}

/// What of the option `messages` contradicts those beside it.
pub(super) fn check(messages: Option<&[ChatMessage]>, system: Option<&str>, raw: bool) -> Result<()> {
    let Some(messages) = messages else { return Ok(()) };
    if messages.is_empty() {
        return Err(invalid("messages", "an empty list", "at least one message, or null"));
    }
    if raw {
        return Err(invalid("messages", "given together with `raw`", "one of the two: a raw prompt has no roles"));
    }
    if system.is_some() && has_system(messages) {
        let found = "with a message of the role `system`, together with the option `system`";
        return Err(invalid("messages", found, "one role prompt: here or there"));
    }
    Ok(())
}

/// The turns with the prompt as the last of them, unless it is empty; and the role prompt, unless they bring one.
///
/// # Errors
/// `InvalidOptions` if nobody is to be answered.
pub(super) fn turns<'a>(
    messages: &[ChatMessage],
    prompt: &str,
    system: Option<&'a str>,
) -> Result<(Option<&'a str>, Vec<Message>)> {
    let system = system.filter(|_| !has_system(messages));
    let turn = |message: &ChatMessage| Message::new(message.role.name(), &message.content);
    let mut turns: Vec<Message> = messages.iter().map(turn).collect();
    if !prompt.is_empty() {
        turns.push(Message::new("user", prompt));
        return Ok((system, turns));
    }
    // The beginning of an answer may stand last.
    let asks = |message: &ChatMessage| matches!(message.role, ChatRole::User | ChatRole::Tool);
    let before = match messages {
        [before @ .., last] if last.role == ChatRole::Assistant => before,
        all => all,
    };
    if !before.last().is_some_and(asks) {
        let last =
            before.last().map_or("nothing before the answer".to_owned(), |last| format!("`{}`", last.role.name()));
        let found = format!("a conversation that ends with {last}");
        let expected = "a last message of the role `user` or `tool` (and perhaps the beginning of the answer, of the role \
                        `assistant`), or a prompt, which then is the last turn";
        return Err(invalid("messages", found, expected));
    }
    Ok((system, turns))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(json: &str) -> Vec<ChatMessage> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_last_turn_is_to_be_answered() {
        let asked = messages(r#"[{"role":"user","content":"a"}]"#);
        assert_eq!(turns(&asked, "", None).unwrap().1.len(), 1);
        let answered = messages(r#"[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]"#);
        assert_eq!(turns(&answered, "", None).unwrap().1.len(), 2, "the beginning of an answer");
        assert_eq!(turns(&answered, "c", None).unwrap().1[2], Message::new("user", "c"));
        let called = messages(r#"[{"role":"user","content":"a"},{"role":"tool","content":"b"}]"#);
        assert_eq!(turns(&called, "", None).unwrap().1[1].role, "tool");
        for nobody in [
            r#"[{"role":"system","content":"a"}]"#,
            r#"[{"role":"assistant","content":"a"}]"#,
            r#"[{"role":"system","content":"a"},{"role":"assistant","content":"a"}]"#,
            r#"[{"role":"assistant","content":"a"},{"role":"assistant","content":"a"}]"#,
        ] {
            assert_eq!(turns(&messages(nobody), "", None).unwrap_err().details()["option"], "messages", "{nobody}");
        }
    }

    #[test]
    fn there_is_one_role_prompt() {
        let bare = messages(r#"[{"role":"user","content":"a"}]"#);
        assert_eq!(turns(&bare, "", Some("s")).unwrap().0, Some("s"));
        let own = messages(r#"[{"role":"system","content":"o"},{"role":"user","content":"a"}]"#);
        assert_eq!(turns(&own, "", Some("s")).unwrap().0, None);
    }
}
