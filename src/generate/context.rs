//! The tokens a model has read, as its KV cache holds them, and what of them the next prompt can use again.
//!
//! Prompts are read in chunks of a fixed size, and only whole chunks are used again. So the arithmetic that a prompt
//! goes through has the same shapes whether or not an earlier call left part of it behind: what was generated before
//! never changes a bit of what is generated now.

use super::sequence::{CHUNK, too_long};
use crate::error::{Code, Error, Result};
use crate::model::{Decoder, KvCache, LoraStack};

/// Growing the cache drops it, so it grows in steps.
const CAPACITY_STEP: usize = 256;

/// What a model has read under one stack of adapters.
pub(crate) struct Context {
    lora: LoraStack,
    /// Most tokens it may hold.
    limit: usize,
    cache: Option<KvCache>,
    tokens: Vec<u32>,
    /// Tokens of the prompt, all of `tokens` or their beginning.
    prompt: usize,
    /// How many of `tokens`, from the start, are whole chunks of a prompt.
    reusable: usize,
}

impl Context {
    pub(crate) fn new(lora: LoraStack, limit: usize) -> Self {
        Context { lora, limit, cache: None, tokens: Vec::new(), prompt: 0, reusable: 0 }
    }

    /// Most tokens, prompt and completion together.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// An empty context with the same adapters.
    pub(crate) fn fresh(&self) -> Self {
        Context::new(self.lora.clone(), self.limit)
    }

    /// A context of its own that has read the same.
    pub(crate) fn duplicate(&self) -> Result<Self> {
        Ok(Context {
            cache: self.cache.as_ref().map(KvCache::duplicate).transpose()?,
            tokens: self.tokens.clone(),
            prompt: self.prompt,
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

    /// Makes ready for `prompt`, with room for `more` tokens after it; how many of its tokens need not be read again.
    pub(crate) fn begin(&mut self, decoder: &Decoder, prompt: &[u32], more: usize) -> Result<usize> {
        let needed = prompt.len() + more;
        if prompt.is_empty() {
            return Err(Error::new(Code::InvalidArgument, "the prompt has no token; expected at least one"));
        }
        if needed > self.limit {
            return Err(too_long(prompt.len(), more, self.limit));
        }
        let shared = self.make_room(decoder, prompt, needed)?;
        self.prompt = prompt.len();
        Ok(shared)
    }

    /// Reads `tokens` after what was read; the logits after each of the last `outputs` of them.
    pub(crate) fn read(&mut self, decoder: &Decoder, tokens: &[u32], outputs: usize) -> Result<Vec<Vec<f32>>> {
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        let cache = self.cache.as_mut().ok_or_else(|| Error::new(Code::Internal, "nothing was read before this"))?;
        let hidden = match decoder.extend(tokens, cache, &self.lora) {
            Ok(hidden) => hidden,
            Err(err) => {
                // The cache may hold half a layer stack now.
                self.clear();
                return Err(err);
            }
        };
        self.tokens.extend_from_slice(tokens);
        self.reusable = self.tokens.len().min(self.prompt) / CHUNK * CHUNK;
        if outputs == 0 {
            return Ok(Vec::new());
        }
        let logits = decoder.logits(&hidden.part(tokens.len() - outputs..tokens.len())?)?;
        let vocab = logits.cols();
        Ok(logits.into_values()?.chunks_exact(vocab).map(<[f32]>::to_vec).collect())
    }

    /// Keeps what `prompt` shares with the cache, and sees to a capacity of `needed` tokens.
    fn make_room(&mut self, decoder: &Decoder, prompt: &[u32], needed: usize) -> Result<usize> {
        let shared = self.shared_prefix(prompt);
        if let Some(cache) = self.cache.as_mut().filter(|cache| cache.capacity() >= needed) {
            cache.truncate(shared);
            self.tokens.truncate(shared);
            self.reusable = shared;
            return Ok(shared);
        }
        self.clear();
        let capacity = needed.next_multiple_of(CAPACITY_STEP).min(self.limit);
        self.cache = Some(decoder.new_cache(capacity)?);
        Ok(0)
    }

    fn clear(&mut self) {
        self.cache = None;
        self.tokens.clear();
        self.prompt = 0;
        self.reusable = 0;
    }
}
