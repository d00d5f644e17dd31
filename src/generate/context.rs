//! The tokens a model has read, as its KV cache holds them, and what of them the next prompt can use again.
//!
//! Prompts are read in chunks of a fixed size, and only whole chunks are used again. So the arithmetic that a prompt
//! goes through has the same shapes whether or not an earlier call left part of it behind: what was generated before
//! never changes a bit of what is generated now.

use crate::control::Cancel;
use crate::error::{Code, Error, Result};
use crate::language_model::LanguageModel;
use crate::model::{KvCache, LoraStack};
use crate::tensor::Matrix;

/// Tokens per forward pass of a prompt.
pub(crate) const CHUNK: usize = 64;

/// Growing the cache drops it, so it grows in steps.
const CAPACITY_STEP: usize = 256;

/// A model under one stack of adapters, and what it has read.
pub(crate) struct Context {
    model: LanguageModel,
    lora: LoraStack,
    /// Most tokens it may hold.
    limit: usize,
    cache: Option<KvCache>,
    tokens: Vec<u32>,
    /// How many of `tokens`, from the start, were read by `prefill` in whole chunks.
    reusable: usize,
}

impl Context {
    pub(crate) fn new(model: &LanguageModel, lora: LoraStack, limit: usize) -> Self {
        Context { model: model.clone(), lora, limit, cache: None, tokens: Vec::new(), reusable: 0 }
    }

    /// Most tokens, prompt and completion together.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// An empty context with the same model and adapters.
    pub(crate) fn fresh(&self) -> Self {
        Context::new(&self.model, self.lora.clone(), self.limit)
    }

    /// A context of its own that has read the same.
    pub(crate) fn duplicate(&self) -> Result<Self> {
        Ok(Context {
            cache: self.cache.as_ref().map(KvCache::duplicate).transpose()?,
            tokens: self.tokens.clone(),
            reusable: self.reusable,
            ..self.fresh()
        })
    }

    /// Tokens of `prompt` that need not be read again.
    pub(crate) fn shared_prefix(&self, prompt: &[u32]) -> usize {
        let known = self.tokens.iter().take(self.reusable);
        let common = known.zip(prompt).take_while(|(a, b)| a == b).count();
        common.min(prompt.len().saturating_sub(1)) / CHUNK * CHUNK
    }

    /// Reads `prompt`, with room for `more` tokens after it; the logits of what may follow it, `[vocab]`.
    pub(crate) fn prefill(&mut self, prompt: &[u32], more: usize, cancel: &Cancel) -> Result<Vec<f32>> {
        let needed = prompt.len() + more;
        if prompt.is_empty() {
            return Err(Error::new(Code::InvalidArgument, "the prompt has no token; expected at least one"));
        }
        if needed > self.limit {
            return Err(too_long(prompt.len(), more, self.limit));
        }
        let shared = self.make_room(prompt, needed)?;
        let mut last = None;
        for chunk in prompt[shared..].chunks(CHUNK) {
            cancel.check()?;
            last = Some(self.read(chunk)?);
            self.reusable = self.tokens.len() / CHUNK * CHUNK;
        }
        let hidden = last.ok_or_else(|| Error::new(Code::Internal, "a prompt left no token to read"))?;
        let rows = hidden.rows();
        self.model.decoder().logits(&hidden.part(rows - 1..rows)?)?.into_values()
    }

    /// Reads `tokens` after what was read; the logits after each of them, `[tokens, vocab]`.
    pub(crate) fn extend(&mut self, tokens: &[u32]) -> Result<Vec<Vec<f32>>> {
        let hidden = self.read(tokens)?;
        let logits = self.model.decoder().logits(&hidden)?;
        let vocab = logits.cols();
        Ok(logits.into_values()?.chunks_exact(vocab).map(<[f32]>::to_vec).collect())
    }

    /// Keeps what `prompt` shares with the cache, and sees to a capacity of `needed` tokens.
    fn make_room(&mut self, prompt: &[u32], needed: usize) -> Result<usize> {
        let shared = self.shared_prefix(prompt);
        if let Some(cache) = self.cache.as_mut().filter(|cache| cache.capacity() >= needed) {
            cache.truncate(shared);
            self.tokens.truncate(shared);
            self.reusable = shared;
            return Ok(shared);
        }
        self.clear();
        let capacity = needed.next_multiple_of(CAPACITY_STEP).min(self.limit);
        self.cache = Some(self.model.decoder().new_cache(capacity)?);
        Ok(0)
    }

    fn read(&mut self, tokens: &[u32]) -> Result<Matrix> {
        let cache = self.cache.as_mut().ok_or_else(|| Error::new(Code::Internal, "nothing was read before this"))?;
        let result = self.model.decoder().extend(tokens, cache, &self.lora);
        match &result {
            Ok(_) => self.tokens.extend_from_slice(tokens),
            // The cache may hold half a layer stack now.
            Err(_) => self.clear(),
        }
        result
    }

    fn clear(&mut self) {
        self.cache = None;
        self.tokens.clear();
        self.reusable = 0;
    }
}

/// The error for a prompt that leaves no room.
pub(crate) fn too_long(prompt_tokens: usize, more: usize, limit: usize) -> Error {
    Error::new(
        Code::ContextLength,
        format!(
            "the prompt has {prompt_tokens} tokens and needs room for {more} more; the context holds {limit}: shorten \
             the input or the role prompt"
        ),
    )
    .with("prompt_tokens", prompt_tokens)
    .with("required", prompt_tokens + more)
    .with("context_length", limit)
}
