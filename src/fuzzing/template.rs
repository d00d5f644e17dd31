//! A chat template: parsed, and rendered with a conversation of each form.

use super::check;
use crate::tokenize::{ChatTemplate, Message};
use std::path::Path;

pub(super) fn run(bytes: &[u8]) {
    let Ok(source) = std::str::from_utf8(bytes) else { return };
    let tokens = vec![("bos_token".to_owned(), "<s>".to_owned()), ("eos_token".to_owned(), "</s>".to_owned())];
    let Some(template) = check(ChatTemplate::compile(source.to_owned(), tokens, Path::new("chat_template.jinja")))
    else {
        return;
    };
    let turns = [Message::new("system", "Be brief."), Message::new("user", "你好"), Message::new("assistant", "Hi")];
    for in_parts in [false, true] {
        let turns: Vec<Message> = turns.iter().map(|turn| turn.clone().in_parts(in_parts)).collect();
        check(template.render(&turns[..2], true));
        check(template.render(&turns, false));
    }
}
