//! The tokenizer as llguidance sees it: every token's bytes in a trie, and text back to tokens.

use super::Tokenizer;
use crate::error::{Code, Error, Result};
use llguidance::ParserFactory;
use llguidance::toktrie::{InferenceCapabilities, TokEnv, TokRxInfo, TokTrie, TokenId, TokenizerEnv};
use std::sync::Arc;

/// Text that a grammar forces is tokenized as the tokenizer would only if these survive the round trip; sentencepiece
/// models that put a space before every text do not pass, and then choose the tokens of forced text themselves.
const PROBES: [&str; 5] = ["{\"report\":\"", "\",\"", "}]}", "结论", "a b"];

/// A model's tokens as the grammar engine takes them. Large, so one for each model.
pub(crate) struct Vocabulary {
    factory: ParserFactory,
    /// Every byte is a token, so a text takes no more tokens than it has bytes.
    all_single: bool,
    longest: usize,
}

impl Vocabulary {
    /// The tokens of `tokenizer` for a model of `vocab_size` logits; ids above that are left out.
    pub(crate) fn new(tokenizer: &Tokenizer, vocab_size: usize, end_tokens: &[u32]) -> Result<Self> {
        Vocabulary::of(token_env(tokenizer, vocab_size, end_tokens)?)
    }

    pub(crate) fn of(env: TokEnv) -> Result<Self> {
        let capabilities =
            InferenceCapabilities { ff_tokens: TokenizerEnv::tokenize_is_canonical(&*env), ..Default::default() };
        let slices = llguidance::earley::SlicedBiasComputer::json_slices();
        let mut factory = ParserFactory::new(&env, capabilities, &slices)
            .map_err(|err| Error::new(Code::Internal, format!("cannot set up the grammar engine: {err}")))?;
        factory.quiet().limits_mut().verbose_errors = false;
        let trie = env.tok_trie();
        let words = (0..trie.vocab_size() as u32).map(|id| trie.token(id));
        let mut single = [false; 256];
        words.clone().filter(|word| word.len() == 1).for_each(|word| single[usize::from(word[0])] = true);
        // UTF-8 never uses the others.
        let all_single = (0..=0xF4).filter(|byte| !matches!(byte, 0xC0 | 0xC1)).all(|byte: usize| single[byte]);
        let longest = words.map(<[u8]>::len).max().unwrap_or(1);
        Ok(Vocabulary { factory, all_single, longest })
    }

    pub(crate) fn factory(&self) -> &ParserFactory {
        &self.factory
    }

    pub(crate) fn trie(&self) -> &TokTrie {
        self.factory.tok_env().tok_trie()
    }

    /// Tokens that a text of so many bytes takes at most; `None` if the model's tokens promise nothing.
    pub(crate) fn most_tokens(&self, bytes: usize) -> Option<usize> {
        self.all_single.then_some(bytes)
    }

    /// Bytes that so many tokens write at most.
    pub(crate) fn most_bytes(&self, tokens: usize) -> usize {
        tokens.saturating_mul(self.longest)
    }
}

/// A trie beside the tokenizer it was made of.
struct Tokens {
    tokenizer: Tokenizer,
    trie: TokTrie,
    canonical: bool,
}

/// Builds the trie of `tokenizer`'s tokens for a model of `vocab_size` logits; ids above that are left out.
fn token_env(tokenizer: &Tokenizer, vocab_size: usize, eos_token_ids: &[u32]) -> Result<TokEnv> {
    let words = words(tokenizer, vocab_size)?;
    let eos: Vec<u32> = eos_token_ids.iter().copied().filter(|&id| (id as usize) < vocab_size).collect();
    let Some(&first_eos) = eos.first() else {
        return Err(Error::new(
            Code::Unsupported,
            "the model's config.json names no end-of-text token, so JSON-Schema-constrained output cannot end; \
             set eos_token_id",
        ));
    };
    // toktrie asserts what it cannot hold (a token of 1 KiB, more than 4 M nodes).
    let trie = llguidance::panic_utils::catch_unwind(std::panic::AssertUnwindSafe(|| {
        Ok(TokTrie::from(&TokRxInfo::new(words.len() as u32, first_eos), &words).with_eos_tokens(&eos))
    }))
    .map_err(|err| Error::new(Code::Tokenizer, format!("the vocabulary cannot be indexed: {}", first_line(&err))))?;
    let mut tokens = Tokens { tokenizer: tokenizer.clone(), trie, canonical: false };
    tokens.canonical = PROBES.iter().all(|probe| tokens.encode_exactly(probe).is_some());
    Ok(Arc::new(tokens))
}

/// Bytes of every token; empty for ids without one. Special tokens carry toktrie's marker byte, which no text has, so
/// that a grammar can never spell one.
fn words(tokenizer: &Tokenizer, vocab_size: usize) -> Result<Vec<Vec<u8>>> {
    let count = u32::try_from(vocab_size).map_err(|_| Error::new(Code::Unsupported, "a vocabulary above 2^32"))?;
    let word = |id: u32| {
        if tokenizer.is_special(id) {
            let mut word = vec![TokTrie::SPECIAL_TOKEN_MARKER];
            word.extend(tokenizer.id_to_token(id).unwrap_or_default().bytes());
            return word;
        }
        tokenizer.token_bytes(id).unwrap_or_default()
    };
    Ok((0..count).map(word).collect())
}

impl Tokens {
    /// The tokenizer's tokens for `text`, if their bytes are exactly `text`.
    fn encode_exactly(&self, text: &str) -> Option<Vec<TokenId>> {
        let ids = self.tokenizer.encode_as_text(text).ok()?;
        let known = ids.iter().all(|&id| (id as usize) < self.trie.vocab_size());
        (known && self.trie.decode_raw(&ids) == text.as_bytes()).then_some(ids)
    }
}

impl TokenizerEnv for Tokens {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<TokenId> {
        let encode =
            |text: &str| self.encode_exactly(text).unwrap_or_else(|| self.trie.greedy_tokenize(text.as_bytes()));
        self.trie.tokenize_with_greedy_fallback(bytes, encode)
    }

    fn tokenize_is_canonical(&self) -> bool {
        self.canonical
    }
}

/// llguidance's errors may go on with a dump of its state.
pub(crate) fn first_line(err: &impl ToString) -> String {
    err.to_string().lines().next().unwrap_or_default().to_string()
}
