//! Output that is a valid document of a JSON Schema, by llguidance's token masks.
//!
//! A token limit must not break the promise, so a constraint also knows a short way to end its document from any
//! state: close what is open, leave out what is optional. The generator takes it while it still fits.

use super::vocabulary::{first_line, token_env};
use crate::error::{Code, Error, Result};
use crate::tokenize::Tokenizer;
use llguidance::api::{StopReason, TopLevelGrammar};
use llguidance::toktrie::{InferenceCapabilities, SimpleVob, TokEnv, TokTrie};
use llguidance::{JsonCompileOptions, Matcher, ParserFactory};
use serde_json::Value;
use std::sync::Arc;

/// A document may be this large; llguidance's own limits hold what it grows into.
const MAX_SCHEMA_BYTES: usize = 1 << 20;

/// Compiles JSON Schemas for one model. Holds the model's token trie: build it once per model.
pub(crate) struct SchemaCompiler {
    factory: ParserFactory,
    numbers: Arc<NumberTokens>,
}

impl SchemaCompiler {
    pub(crate) fn new(tokenizer: &Tokenizer, vocab_size: usize, eos_token_ids: &[u32]) -> Result<Self> {
        let env = token_env(tokenizer, vocab_size, eos_token_ids)?;
        let capabilities = InferenceCapabilities {
            ff_tokens: llguidance::toktrie::TokenizerEnv::tokenize_is_canonical(&*env),
            ..Default::default()
        };
        let slices = llguidance::earley::SlicedBiasComputer::json_slices();
        let mut factory = ParserFactory::new(&env, capabilities, &slices)
            .map_err(|err| Error::new(Code::Internal, format!("cannot set up the grammar engine: {err}")))?;
        factory.quiet().limits_mut().verbose_errors = false;
        let numbers = Arc::new(NumberTokens::of(env.tok_trie()));
        Ok(SchemaCompiler { factory, numbers })
    }

    /// Compiles a schema. What it uses of JSON Schema and llguidance cannot enforce is an error, never ignored.
    pub(crate) fn compile(&self, schema: &Value) -> Result<Constraint> {
        let parser = self.factory.create_parser(TopLevelGrammar::from_json_schema(prepared(schema)?));
        let parser = parser.map_err(|err| {
            Error::new(Code::Schema, format!("the JSON Schema cannot be compiled: {}", first_line(&err)))
        })?;
        Ok(Constraint {
            matcher: Matcher::new(Ok(parser)),
            env: self.factory.tok_env().clone(),
            numbers: self.numbers.clone(),
            scan: Scan::default(),
        })
    }
}

/// The schema with our way of writing JSON: no white space that a model could go on with forever, no control
/// characters by `\u` escapes.
fn prepared(schema: &Value) -> Result<Value> {
    let Value::Object(keywords) = schema else {
        return Err(Error::new(Code::Schema, "a JSON Schema must be a JSON object"));
    };
    if keywords.contains_key("x-guidance") {
        return Err(Error::new(Code::Schema, "the JSON Schema must not set `x-guidance`; the library sets it"));
    }
    let size = schema.to_string().len();
    if size > MAX_SCHEMA_BYTES {
        return Err(Error::new(
            Code::Schema,
            format!("the JSON Schema has {size} bytes; expected at most {MAX_SCHEMA_BYTES}"),
        ));
    }
    let mut schema = schema.clone();
    let options = JsonCompileOptions {
        whitespace_flexible: false,
        json_allowed_escapes: Some("nrt\\\"".to_string()),
        ..Default::default()
    };
    options.apply_to(&mut schema);
    Ok(schema)
}

/// One document in the making.
#[derive(Clone)]
pub(crate) struct Constraint {
    matcher: Matcher,
    env: TokEnv,
    numbers: Arc<NumberTokens>,
    scan: Scan,
}

impl Constraint {
    /// The tokens that may come next.
    pub(crate) fn mask(&mut self) -> Result<SimpleVob> {
        let mut mask = self.matcher.compute_mask().map_err(|err| failed(&err))?;
        self.numbers.restrain(&mut mask, self.scan);
        Ok(mask)
    }

    /// Text that the schema leaves no choice about, as tokens; they are taken.
    pub(crate) fn take_forced(&mut self) -> Result<Vec<u32>> {
        let forced = self.matcher.consume_ff_tokens();
        if self.matcher.is_error() {
            return Err(failed(&self.matcher.get_error().unwrap_or_default()));
        }
        self.scan_tokens(&forced);
        Ok(forced)
    }

    /// Takes an allowed token, and returns the tokens that it forces, which are taken too.
    pub(crate) fn commit(&mut self, token: u32) -> Result<Vec<u32>> {
        self.matcher.consume_token(token).map_err(|err| failed(&err))?;
        self.scan_tokens(&[token]);
        if self.matcher.is_stopped() { Ok(Vec::new()) } else { self.take_forced() }
    }

    /// Whether nothing can follow.
    pub(crate) fn is_finished(&self) -> bool {
        self.matcher.is_stopped()
    }

    /// The bytes that a token adds to the document.
    pub(crate) fn bytes(&self, token: u32) -> Vec<u8> {
        self.env.tok_trie().decode_raw(&[token])
    }

    /// At most `limit` tokens that end the document from here, if the short way out that is tried here is one.
    pub(crate) fn way_out(&self, limit: usize) -> Result<Option<Vec<u32>>> {
        let mut rest = self.clone();
        let mut tokens = Vec::new();
        loop {
            if tokens.len() > limit {
                return Ok(None);
            }
            if rest.is_finished() || rest.matcher.is_accepting().map_err(|err| failed(&err))? {
                return Ok(Some(tokens));
            }
            let Some(token) = rest.nearest_to_the_end()? else { return Ok(None) };
            tokens.push(token);
            tokens.extend(rest.commit(token)?);
        }
    }

    /// Of the allowed tokens, the one that most closes.
    fn nearest_to_the_end(&mut self) -> Result<Option<u32>> {
        let mask = self.mask()?;
        let trie = self.env.tok_trie();
        let scan = self.scan;
        let rank = |&id: &u32| {
            let bytes = trie.token(id);
            (scan.distance(bytes.first().copied().unwrap_or(0)), bytes.len(), id)
        };
        let tokens = mask.iter().filter(|&id| !trie.token(id).is_empty() && !trie.eos_tokens().contains(&id));
        Ok(tokens.min_by_key(rank))
    }

    fn scan_tokens(&mut self, tokens: &[u32]) {
        let trie = self.env.tok_trie();
        for &byte in tokens.iter().flat_map(|&token| trie.token(token)) {
            self.scan.push(byte);
        }
    }
}

fn failed(err: &impl ToString) -> Error {
    let reason = first_line(err);
    let text = if reason == StopReason::NoExtensionBias.to_string() {
        "no token can go on with the document: the JSON Schema allows no document at all, or the model's vocabulary lacks \
         a character that it needs"
            .to_string()
    } else {
        format!("the JSON Schema is too complex to be followed: {reason}")
    };
    Error::new(Code::Schema, text)
}

/// Digits of a number that are enough: a double holds no more.
const MAX_DIGITS: usize = 15;

/// Tokens that can write a number which is JSON but fits no double (`8e2013`, four hundred digits), so that parsers
/// refuse the document.
struct NumberTokens {
    /// Have an exponent in them.
    exponent: SimpleVob,
    /// Begin with what makes an exponent of a number before them.
    e: SimpleVob,
    /// Begin with a digit.
    digit: SimpleVob,
}

impl NumberTokens {
    fn of(trie: &TokTrie) -> Self {
        let those = |wanted: &dyn Fn(&[u8]) -> bool| {
            let mut set = trie.alloc_token_set();
            (0..trie.vocab_size() as u32).filter(|&id| wanted(trie.token(id))).for_each(|id| set.allow_token(id));
            set
        };
        let is_e = |byte: &u8| matches!(byte, b'e' | b'E');
        NumberTokens {
            exponent: those(&|word| word.windows(2).any(|pair| pair[0].is_ascii_digit() && is_e(&pair[1]))),
            e: those(&|word| word.first().is_some_and(is_e)),
            digit: those(&|word| word.first().is_some_and(u8::is_ascii_digit)),
        }
    }

    /// Takes such tokens out of `mask`, unless the schema wants just them.
    fn restrain(&self, mask: &mut SimpleVob, scan: Scan) {
        if scan.in_string {
            return;
        }
        let mut left = mask.clone();
        left.sub(&self.exponent);
        if scan.digits > 0 {
            left.sub(&self.e);
        }
        if scan.digits >= MAX_DIGITS {
            left.sub(&self.digit);
        }
        if !left.is_zero() {
            *mask = left;
        }
    }
}

/// As much of JSON's syntax as it takes to tell a brace from a brace in a string, and a long number from a short one.
#[derive(Debug, Clone, Copy, Default)]
struct Scan {
    in_string: bool,
    escaped: bool,
    /// Digits of the number so far.
    digits: usize,
}

impl Scan {
    fn push(&mut self, byte: u8) {
        match byte {
            b'0'..=b'9' if !self.in_string => self.digits += 1,
            b'.' => {}
            _ => self.digits = 0,
        }
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.in_string => self.escaped = true,
            b'"' => self.in_string = !self.in_string,
            _ => {}
        }
    }

    /// How far from the end of the document a byte leads, as an order.
    fn distance(self, byte: u8) -> u8 {
        if self.in_string {
            return match byte {
                b'"' if !self.escaped => 0,
                b'\\' => 2,
                _ => 1,
            };
        }
        match byte {
            b'}' | b']' => 0,
            b',' | b':' => 1,
            b'0'..=b'9' | b'n' | b't' | b'f' => 2,
            b'"' => 3,
            b'[' => 5,
            b'{' => 6,
            _ => 4,
        }
    }
}
