//! What the decoder makes of the requests of its callers.

use super::batch::Batch;
use super::decoder::Decoder;
use super::kv_pool::{BLOCK, KvPool};
use super::passes::{Logits, Reply, Request, lock};
use super::row::Row;
use super::sites::LoraStack;
use crate::error::{Code, Error, Result};
use crate::tensor::buffers::Shapes;
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

    /// How many callers shared the last pass, or wait for the next.
    pub(crate) fn callers(&self) -> usize {
        self.passes.callers()
    }

    /// One pass over requests, each in its place; the same error for all. Of those that read the same piece of a prompt one
    /// reads it for all.
    fn pass(&self, requests: &mut [&mut Request]) -> Result<Vec<Logits>> {
        let _buffers = self.hold_buffers(Shapes::Repeat);
        let mut logits: Vec<Logits> = requests.iter().map(|_| Logits::new()).collect();
        let asked: Vec<usize> = (0..requests.len()).filter(|index| !requests[*index].tokens.is_empty()).collect();
        let (now, twins) = self.apart(requests, asked, true);
        self.read_now(requests, &now, &mut logits)?;
        let (left, _) = self.apart(requests, twins, false);
        self.read_now(requests, &left, &mut logits)?;
        Ok(logits)
    }

    /// Those that are to be read, and those that another of them reads, if such are to be looked for. What is known already
    /// need not be read.
    fn apart(&self, requests: &mut [&mut Request], of: Vec<usize>, twins: bool) -> (Vec<usize>, Vec<usize>) {
        let mut pool = lock(&self.kv_pool);
        let (mut read, mut wait): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
        for index in of {
            if twins && read.iter().any(|other| requests[index].is_twin_of(requests[*other])) {
                wait.push(index);
                continue;
            }
            let request = &mut *requests[index];
            if request.is_piece_of_prompt() {
                let known = pool.known(&request.table, &request.stack, &request.tokens);
                if known.len() * BLOCK == request.tokens.len() {
                    pool.adopt(&mut request.table, &known);
                    continue;
                }
            }
            read.push(index);
        }
        (read, wait)
    }

    /// Reads some of the requests, and puts their logits into their places.
    fn read_now(&self, requests: &mut [&mut Request], now: &[usize], logits: &mut [Logits]) -> Result<()> {
        if now.is_empty() {
            return Ok(());
        }
        let mut stacks: Vec<&LoraStack> = Vec::new();
        let mut batch = Batch::default();
        let mut pool = lock(&self.kv_pool);
        for request in now.iter().map(|index| &*requests[*index]) {
            let (tokens, table) = (&request.tokens, &request.table);
            if !pool.has_room(table, tokens.len()) {
                return Err(Error::new(Code::Internal, "more tokens than a context was made ready for"));
            }
            let known = stacks.iter().position(|stack| stack.is(&request.stack));
            let stack = known.unwrap_or(stacks.len());
            if known.is_none() {
                stacks.push(&request.stack);
            }
            batch.push_tokens(tokens, table, stack, tokens.len() - request.outputs..tokens.len());
        }
        let hidden = self.hidden(&batch, &mut pool, &stacks)?;
        drop(pool);
        let rows = if hidden.rows() == 0 { Vec::new() } else { Row::all_of(self.logits(&hidden)?)? };
        let (mut rows, mut pool) = (rows.into_iter(), lock(&self.kv_pool));
        for index in now {
            let request = &mut *requests[*index];
            logits[*index] = rows.by_ref().take(request.outputs).collect();
            if request.begins_blocks() {
                pool.remember(&mut request.table, &request.stack, &request.tokens);
            }
        }
        Ok(())
    }
}

impl Request {
    /// Whether it is of whole blocks, as the pieces of a prompt are but for the last.
    fn is_piece_of_prompt(&self) -> bool {
        self.outputs == 0 && self.tokens.len().is_multiple_of(BLOCK) && self.table.len().is_multiple_of(BLOCK)
    }

    /// Whether it begins with whole blocks, which a prompt that begins alike need not read again. The last piece of a prompt
    /// may, and so may a text that is scored.
    fn begins_blocks(&self) -> bool {
        self.tokens.len() >= BLOCK && self.table.len().is_multiple_of(BLOCK)
    }

    /// Whether both read the same after the same.
    fn is_twin_of(&self, other: &Request) -> bool {
        let place = |request: &Request| (request.table.len(), request.table.last_block());
        self.is_piece_of_prompt()
            && other.is_piece_of_prompt()
            && place(self) == place(other)
            && self.tokens == other.tokens
            && self.stack.is(&other.stack)
    }
}
