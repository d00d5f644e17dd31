//! Output that is a valid document of a JSON Schema, or a text of a regular expression or Lark grammar, by llguidance's token
//! masks.
//!
//! ```text
//! schema → source, keywords   places that are checked and found
//!        → shape, merge       what documents look like, type by type
//!          (negation, holds; number, decimal, text, pattern)
//! regex, lark → …
//!        → grammar, rules     rules of bytes (grammar_lists, grammar_objects)
//!        → engine             llguidance, for masks
//!        → way_out            how a document ends soonest (paths, automaton)
//! ```
//!
//! A token limit must not break the promise, so a constraint also knows the shortest way to end its document from
//! anywhere. The generator takes it while it still fits.

mod automaton;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod bytes;
mod decimal;
mod digits;
mod disjoint;
mod engine;
mod grammar;
mod grammar_lists;
mod grammar_objects;
mod holds;
mod keywords;
mod lark;
mod left_recursion;
mod merge;
mod merge_objects;
mod names;
mod negation;
mod number;
mod paths;
mod pattern;
mod pointer;
mod regex;
mod rules;
mod shape;
mod source;
mod terminal;
mod text;
mod way_out;

pub(crate) use source::check_size;

use crate::control::Cancel;
use crate::error::{Code, Error, Result};
use crate::own_stack::on_own_stack;
use crate::tokenize::{Vocabulary, first_line};
use automaton::Automaton;
use llguidance::Matcher;
use llguidance::api::StopReason;
use llguidance::toktrie::SimpleVob;
use paths::Paths;
use rules::Grammar;
use serde_json::Value;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use way_out::WayOut;

/// What texts must be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form<'a> {
    JsonSchema(&'a Value),
    /// The whole text has the pattern.
    Regex(&'a str),
    /// The text is one of the grammar's.
    Lark(&'a str),
}

impl Form<'_> {
    const JSON_SCHEMA: &'static str = "JSON Schema";

    /// For messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Form::JsonSchema(_) => Form::JSON_SCHEMA,
            Form::Regex(_) => "regular expression",
            Form::Lark(_) => "Lark grammar",
        }
    }
}

/// Compiles grammars for one model.
pub(crate) struct Compiler {
    vocabulary: Arc<Vocabulary>,
}

/// Bytes of a shortest document that are looked at for characters that no token writes.
const LONGEST_PROBE: usize = 1 << 16;

impl Compiler {
    pub(crate) fn new(vocabulary: Arc<Vocabulary>) -> Self {
        Compiler { vocabulary }
    }

    /// Compiles what texts must be. What it asks for and no grammar can hold is an error, never ignored. Works on a stack of
    /// its own, within bounds.
    pub(crate) fn compile(&self, form: Form<'_>, cancel: &Cancel) -> Result<Constraint> {
        if let Form::JsonSchema(schema) = form {
            check_size(schema).map_err(|err| err.with("option", "json_schema"))?;
        }
        on_own_stack(|| {
            let compiled = llguidance::panic_utils::catch_unwind(AssertUnwindSafe(|| Ok(self.compiled(form, cancel))));
            compiled.unwrap_or_else(|err| Err(too_complex(form.name(), &first_line(&err))))
        })?
    }

    fn compiled(&self, form: Form<'_>, cancel: &Cancel) -> Result<Constraint> {
        let paths = match form {
            Form::JsonSchema(schema) => paths_of_schema(schema, cancel)?,
            Form::Regex(regex) => paths_of(form, regex::grammar(regex)?)?,
            Form::Lark(source) => paths_of(form, lark::grammar(source)?)?,
        };
        let paths = Arc::new(paths);
        if paths.costs().of(paths.grammar().start) == automaton::NEVER {
            let name = form.name();
            let why =
                format!("the {name} allows no document at all: what it requires contradicts itself, or never ends");
            return Err(Error::new(Code::Schema, why));
        }
        cancel.check()?;
        let init = engine::grammar_init(paths.grammar(), paths.costs(), form.name())?;
        cancel.check()?;
        let parser = self.vocabulary.factory().create_parser_from_init_default(init);
        let parser = parser.map_err(|err| too_complex(form.name(), &first_line(&err)))?;
        Ok(Constraint {
            matcher: Matcher::new(Ok(parser)),
            vocabulary: self.vocabulary.clone(),
            way_out: WayOut::new(paths),
            form: form.name(),
        })
    }
}

fn paths_of_schema(schema: &Value, cancel: &Cancel) -> Result<Paths> {
    let source = source::Source::new(source::unwrapped(schema), cancel);
    let mut builder = grammar::Builder::new(shape::Reader::new(source));
    let (grammar, automata) = builder.build()?;
    cancel.check()?;
    let places: Vec<_> = grammar.patterns.iter().map(|pattern| (pattern.place, pattern.keyword)).collect();
    Paths::new(grammar, automata).map_err(|pattern| {
        let (place, keyword) = places[pattern];
        builder.reader.source.refuse(place, keyword, "is too dear to follow to its end; expected a simpler one")
    })
}

fn paths_of(form: Form<'_>, (grammar, automata): (Grammar, Vec<Automaton>)) -> Result<Paths> {
    let dear = |_| too_complex(form.name(), "a pattern is too dear to follow to its end");
    Paths::new(grammar, automata).map_err(dear)
}

fn too_complex(form: &str, reason: &str) -> Error {
    Error::new(Code::Schema, format!("the {form} cannot be compiled: {reason}; expected a smaller or simpler one"))
}

/// One document in the making.
#[derive(Clone)]
pub(crate) struct Constraint {
    matcher: Matcher,
    vocabulary: Arc<Vocabulary>,
    way_out: WayOut,
    form: &'static str,
}

impl Constraint {
    /// The tokens that may come next.
    pub(crate) fn mask(&mut self) -> Result<SimpleVob> {
        let mask = self.matcher.compute_mask();
        mask.map_err(|err| self.failed(&err))
    }

    /// Text that the schema leaves no choice about, as tokens; they are taken.
    pub(crate) fn take_forced(&mut self) -> Result<Vec<u32>> {
        let forced = self.matcher.consume_ff_tokens();
        if self.matcher.is_error() {
            return Err(self.failed(&self.matcher.get_error().unwrap_or_default()));
        }
        self.follow(&forced)?;
        Ok(forced)
    }

    /// Takes an allowed token, and returns the tokens that it forces, which are taken too.
    pub(crate) fn commit(&mut self, token: u32) -> Result<Vec<u32>> {
        let taken = self.matcher.consume_token(token);
        taken.map_err(|err| self.failed(&err))?;
        self.follow(&[token])?;
        if self.matcher.is_stopped() { Ok(Vec::new()) } else { self.take_forced() }
    }

    /// Takes the tokens that it begins with, and none that they force. `false`: no document begins with them.
    pub(crate) fn replay(&mut self, tokens: &[u32]) -> Result<bool> {
        let taken = self.matcher.try_consume_tokens(tokens).unwrap_or(0);
        if taken < tokens.len() {
            return Ok(false);
        }
        self.follow(tokens)?;
        Ok(true)
    }

    /// What comes next in any case, beyond the tokens that were taken.
    pub(crate) fn forced_bytes(&self) -> Vec<u8> {
        if self.matcher.is_stopped() { Vec::new() } else { self.matcher.clone().compute_ff_bytes() }
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
            Some(text) if trie.decode_raw(&trie.greedy_tokenize(&text)) != text => Err(self.lacks_a_character()),
            _ => Ok(()),
        }
    }

    /// Whether it is certain, without trying, that the document can be ended within `limit` tokens after `token`.
    pub(crate) fn surely_ends_after(&self, token: u32, limit: usize) -> bool {
        let mut ahead = self.way_out.clone();
        ahead.push(&self.bytes(token))
            && ahead.bytes_left().and_then(|bytes| self.vocabulary.most_tokens(bytes)).is_some_and(|most| most <= limit)
    }

    pub(crate) fn is_json(&self) -> bool {
        self.form == Form::JSON_SCHEMA
    }

    /// What is followed, for messages.
    pub(crate) fn form(&self) -> &'static str {
        self.form
    }

    fn failed(&self, err: &impl ToString) -> Error {
        let reason = first_line(err);
        if reason == StopReason::NoExtensionBias.to_string() {
            return self.lacks_a_character();
        }
        Error::new(Code::Schema, format!("the {} is too complex to be followed: {reason}", self.form))
    }

    fn lacks_a_character(&self) -> Error {
        let why = format!(
            "no token can go on with the document: the model's vocabulary lacks a character that the {} needs",
            self.form
        );
        Error::new(Code::Schema, why)
    }

    fn follow(&mut self, tokens: &[u32]) -> Result<()> {
        let bytes = self.vocabulary.trie().decode_raw(tokens);
        if self.way_out.push(&bytes) {
            return Ok(());
        }
        Err(Error::new(Code::Internal, format!("the grammar engine took a text that the {} does not allow", self.form)))
    }
}

#[cfg(test)]
mod grammar_tests;
#[cfg(test)]
mod suite_tests;
#[cfg(test)]
mod tests;
