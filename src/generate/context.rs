//! The tokens a model has read of one sequence, as blocks of a pool hold them, and what of them the next prompt can use again.
//!
//! Prompts are read in chunks of a fixed size, and only whole chunks are used again. So the arithmetic that a prompt
//! goes through has the same shapes whether or not an earlier call left part of it behind: what was generated before
//! never changes a bit of what is generated now. (On a card, which reads prompts in longer pieces, it may change last bits:
//! passes of different sizes sum in different orders there.)

use super::room::too_long;
use super::sequence::CHUNK;
use crate::error::{Code, Error, Result};
use crate::model::{BlockTable, KvPool, Logits, LoraStack, Reply, Request, lock};
use std::sync::{Arc, Mutex};

/// The keys and values of a model's sequences.
type Pool = Arc<Mutex<KvPool>>;

/// What a model has read of a sequence under one stack of adapters.
pub(crate) struct Context {
    pool: Pool,
    table: BlockTable,
    lora: Arc<LoraStack>,
    /// Most tokens it may hold.
    limit: usize,
    tokens: Vec<u32>,
    /// Tokens of the prompt, all of `tokens` or their beginning.
    prompt: usize,
    /// How many of `tokens`, from the start, are whole chunks of a prompt.
    reusable: usize,
}

impl Context {
    pub(super) fn new(pool: &Pool, lora: Arc<LoraStack>, limit: usize) -> Self {
        Context {
            pool: pool.clone(),
            table: BlockTable::default(),
            lora,
            limit,
            tokens: Vec::new(),
            prompt: 0,
            reusable: 0,
        }
    }

    /// Most tokens, prompt and completion together.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// An empty context with the same adapters.
    pub(crate) fn fresh(&self) -> Self {
        Context::new(&self.pool, self.lora.clone(), self.limit)
    }

    /// A context that has read the same. The two share the blocks that neither writes.
    pub(crate) fn fork(&self) -> Self {
        let mut fork = self.fresh();
        fork.table = lock(&self.pool).fork(&self.table);
        fork.tokens.clone_from(&self.tokens);
        (fork.prompt, fork.reusable) = (self.prompt, self.reusable);
        fork
    }

    /// A context for `prompt`, with room for `more` tokens after it, that has read what the two begin with in common; how many
    /// of its tokens that are.
    pub(crate) fn fork_for(&self, prompt: &[u32], more: usize) -> Result<(Self, usize)> {
        let mut fork = self.fork();
        let common = self.tokens.iter().zip(prompt).take_while(|(a, b)| a == b).count();
        let read = fork.begin_after(common.min(prompt.len().saturating_sub(1)), prompt, more)?;
        Ok((fork, read))
    }

    /// Tokens of `prompt` that need not be read again.
    pub(crate) fn shared_prefix(&self, prompt: &[u32]) -> usize {
        let known = self.tokens.iter().take(self.reusable);
        let common = known.zip(prompt).take_while(|(a, b)| a == b).count();
        common.min(prompt.len().saturating_sub(1)) / CHUNK * CHUNK
    }

    /// Makes ready for `prompt`, with room for `more` tokens after it; how many of its tokens need not be read again, as this
    /// sequence or another one did.
    pub(crate) fn begin(&mut self, prompt: &[u32], more: usize) -> Result<usize> {
        let shared = self.begin_after(self.shared_prefix(prompt), prompt, more)?;
        // Of the last token the logits are wanted.
        let following = &prompt[shared..prompt.len() - 1];
        let mut pool = lock(&self.pool);
        let found = pool.known(&self.table, &self.lora, following);
        let adopted = pool.adopt(&mut self.table, &found);
        self.table.advance(adopted);
        self.tokens.extend_from_slice(&following[..adopted]);
        self.reusable += adopted;
        Ok(shared + adopted)
    }

    /// The same where the first `known` tokens are those that were read.
    fn begin_after(&mut self, known: usize, prompt: &[u32], more: usize) -> Result<usize> {
        let needed = prompt.len() + more;
        if prompt.is_empty() {
            return Err(Error::new(Code::InvalidArgument, "the prompt has no token; expected at least one"));
        }
        if needed > self.limit {
            return Err(too_long(prompt.len(), more, self.limit));
        }
        let mut pool = lock(&self.pool);
        let shared = pool.begin(&mut self.table, known, needed);
        self.tokens.truncate(shared);
        self.reusable = self.reusable.min(shared);
        pool.reserve(&mut self.table, needed - shared)?;
        self.prompt = prompt.len();
        Ok(shared)
    }

    /// What asks the model to read `tokens` next, with logits after the last `outputs` of them. It has the blocks until
    /// [`Context::take_back`].
    pub(super) fn request(&mut self, tokens: Vec<u32>, outputs: usize) -> Request {
        Request { tokens, table: std::mem::take(&mut self.table), stack: self.lora.clone(), outputs }
    }

    /// Takes the blocks back, and makes count what was read.
    pub(super) fn take_back(&mut self, (request, result): Reply) -> Result<Logits> {
        self.table = request.table;
        let logits = result?;
        self.table.advance(request.tokens.len());
        self.tokens.extend(request.tokens);
        self.reusable = self.tokens.len().min(self.prompt) / CHUNK * CHUNK;
        Ok(logits)
    }

    /// Forgets the last `count` tokens, which are not of the text.
    pub(super) fn forget_last(&mut self, count: usize) {
        let left = self.tokens.len().saturating_sub(count);
        self.tokens.truncate(left);
        self.table.forget_last(count);
        self.reusable = self.reusable.min(left / CHUNK * CHUNK);
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        lock(&self.pool).release(&mut self.table);
    }
}
