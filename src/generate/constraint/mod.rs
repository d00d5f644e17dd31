//! Output that is a valid document of a JSON Schema, by llguidance's token masks.
//!
//! ```text
//! schema → source, keywords   places that are checked and found
//!        → shape, merge       what documents look like, type by type
//!          (negation, holds; number, decimal, text, pattern)
//!        → grammar, rules     rules of bytes (grammar_lists, grammar_objects)
//!        → engine             llguidance, for masks
//!        → way_out            how a document ends soonest (paths, automaton)
//! ```
//!
//! A token limit must not break the promise, so a constraint also knows the shortest way to end its document from
//! anywhere. The generator takes it while it still fits.

mod automaton;
mod decimal;
mod digits;
mod disjoint;
mod engine;
mod grammar;
mod grammar_lists;
mod grammar_objects;
mod holds;
mod keywords;
mod merge;
mod merge_objects;
mod negation;
mod number;
mod paths;
mod pattern;
mod pointer;
mod rules;
mod shape;
mod source;
mod text;
mod way_out;

pub(crate) use source::check_size;

use crate::control::Cancel;
use crate::error::{Code, Error, Result};
use crate::own_stack::on_own_stack;
use crate::tokenize::{Vocabulary, first_line};
use llguidance::Matcher;
use llguidance::api::StopReason;
use llguidance::toktrie::SimpleVob;
use paths::Paths;
use serde_json::Value;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use way_out::WayOut;

/// Compiles JSON Schemas for one model.
pub(crate) struct SchemaCompiler {
    vocabulary: Arc<Vocabulary>,
}

/// Bytes of a shortest document that are looked at for characters that no token writes.
const LONGEST_PROBE: usize = 1 << 16;

impl SchemaCompiler {
    pub(crate) fn new(vocabulary: Arc<Vocabulary>) -> Self {
        SchemaCompiler { vocabulary }
    }

    /// Compiles a schema. What it uses of JSON Schema and no grammar can hold is an error, never ignored. Works on a
    /// stack of its own, within bounds.
    pub(crate) fn compile(&self, schema: &Value, cancel: &Cancel) -> Result<Constraint> {
        check_size(schema)?;
        on_own_stack(|| {
            let compiled =
                llguidance::panic_utils::catch_unwind(AssertUnwindSafe(|| Ok(self.compiled(schema, cancel))));
            compiled.unwrap_or_else(|err| Err(too_complex(&first_line(&err))))
        })?
    }

    fn compiled(&self, schema: &Value, cancel: &Cancel) -> Result<Constraint> {
        let source = source::Source::new(source::unwrapped(schema), cancel);
        let mut builder = grammar::Builder::new(shape::Reader::new(source));
        let (grammar, automata) = builder.build()?;
        cancel.check()?;
        let places: Vec<_> = grammar.patterns.iter().map(|pattern| (pattern.place, pattern.keyword)).collect();
        let paths = Paths::new(grammar, automata).map_err(|pattern| {
            let (place, keyword) = places[pattern];
            builder.reader.source.refuse(place, keyword, "is too dear to follow to its end; expected a simpler one")
        })?;
        let paths = Arc::new(paths);
        if paths.costs().of(paths.grammar().start) == automaton::NEVER {
            return Err(Error::new(
                Code::Schema,
                "the JSON Schema allows no document at all: what it requires contradicts itself, or never ends",
            ));
        }
        cancel.check()?;
        let init = engine::grammar_init(paths.grammar(), paths.costs())?;
        cancel.check()?;
        let parser = self.vocabulary.factory().create_parser_from_init_default(init);
        let parser = parser.map_err(|err| too_complex(&first_line(&err)))?;
        Ok(Constraint {
            matcher: Matcher::new(Ok(parser)),
            vocabulary: self.vocabulary.clone(),
            way_out: WayOut::new(paths),
        })
    }
}

fn too_complex(reason: &str) -> Error {
    Error::new(Code::Schema, format!("the JSON Schema cannot be compiled: {reason}; expected a smaller or simpler one"))
}

/// One document in the making.
#[derive(Clone)]
pub(crate) struct Constraint {
    matcher: Matcher,
    vocabulary: Arc<Vocabulary>,
    way_out: WayOut,
}

impl Constraint {
    /// The tokens that may come next.
    pub(crate) fn mask(&mut self) -> Result<SimpleVob> {
        self.matcher.compute_mask().map_err(|err| failed(&err))
    }

    /// Text that the schema leaves no choice about, as tokens; they are taken.
    pub(crate) fn take_forced(&mut self) -> Result<Vec<u32>> {
        let forced = self.matcher.consume_ff_tokens();
        if self.matcher.is_error() {
            return Err(failed(&self.matcher.get_error().unwrap_or_default()));
        }
        self.follow(&forced)?;
        Ok(forced)
    }

    /// Takes an allowed token, and returns the tokens that it forces, which are taken too.
    pub(crate) fn commit(&mut self, token: u32) -> Result<Vec<u32>> {
        self.matcher.consume_token(token).map_err(|err| failed(&err))?;
        self.follow(&[token])?;
        if self.matcher.is_stopped() { Ok(Vec::new()) } else { self.take_forced() }
    }

    /// Whether nothing can follow.
    pub(crate) fn is_finished(&self) -> bool {
        self.matcher.is_stopped()
    }

    /// The bytes that a token adds to the document.
    pub(crate) fn bytes(&self, token: u32) -> Vec<u8> {
        self.vocabulary.trie().decode_raw(&[token])
    }

    /// At most `limit` tokens that end the document from here. `None`: its shortest end takes more.
    pub(crate) fn way_out(&self, limit: usize) -> Option<Vec<u32>> {
        let text = self.way_out.text(self.vocabulary.most_bytes(limit))?;
        let trie = self.vocabulary.trie();
        let tokens = trie.greedy_tokenize(&text);
        // A vocabulary may lack a byte; the trie then leaves it out.
        (tokens.len() <= limit && trie.decode_raw(&tokens) == text).then_some(tokens)
    }

    /// Refuses a document whose shortest end the model's tokens cannot write at all, however many there may be.
    pub(crate) fn check_vocabulary(&self) -> Result<()> {
        let trie = self.vocabulary.trie();
        match self.way_out.text(LONGEST_PROBE) {
            Some(text) if trie.decode_raw(&trie.greedy_tokenize(&text)) != text => Err(lacks_a_character()),
            _ => Ok(()),
        }
    }

    /// Whether it is certain, without trying, that the document can be ended within `limit` tokens after `token`.
    pub(crate) fn surely_ends_after(&self, token: u32, limit: usize) -> bool {
        let mut ahead = self.way_out.clone();
        ahead.push(&self.bytes(token))
            && ahead.bytes_left().and_then(|bytes| self.vocabulary.most_tokens(bytes)).is_some_and(|most| most <= limit)
    }

    fn follow(&mut self, tokens: &[u32]) -> Result<()> {
        let bytes = self.vocabulary.trie().decode_raw(tokens);
        if self.way_out.push(&bytes) {
            return Ok(());
        }
        Err(Error::new(Code::Internal, "the grammar engine took a text that the JSON Schema does not allow"))
    }
}

fn failed(err: &impl ToString) -> Error {
    let reason = first_line(err);
    if reason == StopReason::NoExtensionBias.to_string() {
        return lacks_a_character();
    }
    Error::new(Code::Schema, format!("the JSON Schema is too complex to be followed: {reason}"))
}

fn lacks_a_character() -> Error {
    Error::new(
        Code::Schema,
        "no token can go on with the document: the model's vocabulary lacks a character that the JSON Schema needs",
    )
}

#[cfg(test)]
mod tests;
