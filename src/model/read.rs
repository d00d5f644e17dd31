//! What the decoder makes of the requests of its callers.

use super::batch::Batch;
use super::decoder::Decoder;
use super::kv_pool::KvPool;
use super::passes::{Logits, Reply, Request, lock};
use super::row::Row;
use super::sites::LoraStack;
use crate::error::{Code, Error, Result};
use std::sync::{Arc, Mutex};

impl Decoder {
    /// The keys and values of all sequences of this model.
    pub(crate) fn kv_pool(&self) -> &Arc<Mutex<KvPool>> {
        &self.kv_pool
    }

    /// Reads what each request asks for, with what other callers ask for meanwhile. An error is that of its request alone, whose
    /// sequence has then read no more than before.
    pub(crate) fn read(&self, requests: Vec<Request>) -> Vec<Reply> {
        self.passes.read(requests, &|requests| self.pass(requests))
    }

    /// One pass over requests, each in its place; the same error for all.
    fn pass(&self, requests: &[&Request]) -> Result<Vec<Logits>> {
        let mut stacks: Vec<&LoraStack> = Vec::new();
        let mut batch = Batch::default();
        let mut pool = lock(&self.kv_pool);
        for request in requests.iter().filter(|request| !request.tokens.is_empty()) {
            let (tokens, table) = (&request.tokens, &request.table);
            if !pool.has_room(table, tokens.len()) {
                return Err(Error::new(Code::Internal, "more tokens than a context was made ready for"));
            }
            let known = stacks.iter().position(|stack| std::ptr::eq(*stack, &*request.stack));
            let stack = known.unwrap_or(stacks.len());
            if known.is_none() {
                stacks.push(&request.stack);
            }
            batch.push_tokens(tokens, table, stack, tokens.len() - request.outputs..tokens.len());
        }
        if batch.tokens().is_empty() {
            return Ok(requests.iter().map(|_| Vec::new()).collect());
        }
        let hidden = self.hidden(&batch, &mut pool, &stacks)?;
        drop(pool);
        let rows = if hidden.rows() == 0 { Vec::new() } else { Row::all_of(self.logits(&hidden)?)? };
        let mut rows = rows.into_iter();
        let logits = |request: &&Request| match request.tokens.is_empty() {
            true => Vec::new(),
            false => rows.by_ref().take(request.outputs).collect(),
        };
        Ok(requests.iter().map(logits).collect())
    }
}
