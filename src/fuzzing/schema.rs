//! A JSON Schema, compiled for a small vocabulary and followed for a few tokens that the rest of the input chooses. Its way
//! out must be one.

use super::check;
use crate::control::Cancel;
use crate::error::Code;
use crate::generate::constraint::Form;
use crate::generate::constraint::bytes::COMPILER;

/// Tokens that a document may take.
const BUDGET: usize = 48;

/// Tokens that are followed before the way out is taken.
const FOLLOWED: usize = 12;

pub(super) fn run(bytes: &[u8]) {
    let Ok(schema) = serde_json::from_slice(bytes) else { return };
    let Some(mut document) = check(COMPILER.compile(Form::JsonSchema(&schema), &Cancel::new())) else { return };
    let mut text = Vec::new();
    let add = |tokens: &[u32], document: &crate::generate::constraint::Constraint, text: &mut Vec<u8>| {
        tokens.iter().for_each(|token| text.extend(document.bytes(*token)));
    };
    let Some(forced) = check(document.take_forced()) else { return };
    add(&forced, &document, &mut text);
    for choice in bytes.iter().take(FOLLOWED) {
        if document.is_finished() {
            break;
        }
        let Some(mask) = check(document.mask()) else { return };
        let allowed: Vec<u32> = mask.iter().filter(|token| *token < 256).collect();
        let Some(&token) = allowed.get(usize::from(*choice) % allowed.len().max(1)) else { break };
        let Some(forced) = check(document.commit(token)) else { return };
        add(&[token], &document, &mut text);
        add(&forced, &document, &mut text);
    }
    let Some(end) = document.way_out(BUDGET) else { return };
    for token in end {
        // What ends soonest is part of what the engine allows.
        if let Err(err) = document.commit(token) {
            assert!(err.message().contains("too complex"), "{err}");
            assert_ne!(err.code(), Code::Internal, "{err}");
            return;
        }
        add(&[token], &document, &mut text);
    }
    let text = String::from_utf8(text).expect("a document is UTF-8");
    serde_json::from_str::<serde_json::Value>(&text).unwrap_or_else(|err| panic!("{err}: {text}"));
}
