//! Forward passes that callers on any threads share: what they ask for at the same time is read in one.
//!
//! There is no thread of its own. The first caller that finds no pass under way makes one, of its own requests and of those
//! that wait; the others sleep until theirs are done. Every request is read as if it were alone: the bits of a row do not
//! depend on the rows beside it.

use super::kv_pool::BlockTable;
use super::row::Row;
use super::sites::LoraStack;
use crate::error::{Code, Error, Result};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Tokens of a pass from which on no further caller's are added: who waits, waits no longer than such a pass.
const MOST_TOKENS: usize = 512;
/// The longest wait for callers who were in the pass before, and a part of how long that took.
const LONGEST_WAIT: Duration = Duration::from_millis(20);

/// Tokens that follow those a sequence has read.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) tokens: Vec<u32>,
    /// Where the pool has the sequence; with room for the tokens.
    pub(crate) table: BlockTable,
    pub(crate) stack: Arc<LoraStack>,
    /// After how many tokens, from the last, logits are wanted.
    pub(crate) outputs: usize,
}

/// The logits after each of the tokens that were to be outputs.
pub(crate) type Logits = Vec<Row>;

/// One pass over requests, each in its place; the same error for all.
pub(super) type OfRequests<'a> = dyn Fn(&[&Request]) -> Result<Vec<Logits>> + 'a;

/// A request as it comes back.
pub(crate) type Reply = (Request, Result<Logits>);

/// The callers of one model.
#[derive(Debug, Default)]
pub(super) struct Passes {
    state: Mutex<State>,
    /// A caller has come, or a pass has ended.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Call>,
    /// Whether a pass is under way.
    running: bool,
    /// Callers of the last pass, and how long it took.
    last: (usize, Duration),
}

#[derive(Debug)]
struct Call {
    requests: Vec<Request>,
    replies: Arc<Mutex<Option<Vec<Reply>>>>,
}

/// What a lock guards. After a panic in between: requests that were answered, or keys and values that nobody counts as read.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Passes {
    /// Has `pass` read what is asked for, with what other callers ask for meanwhile. An error is that of its request alone, whose
    /// sequence has then read no more than before.
    pub(super) fn read(&self, requests: Vec<Request>, pass: &OfRequests<'_>) -> Vec<Reply> {
        let replies = Arc::new(Mutex::new(None));
        let mut state = lock(&self.state);
        state.waiting.push_back(Call { requests, replies: replies.clone() });
        self.changed.notify_all();
        loop {
            if let Some(replies) = lock(&replies).take() {
                return replies;
            }
            if state.running {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.running = true;
            state = self.gather(state);
            let calls = state.next();
            drop(state);
            OnePass { passes: self, started: Instant::now(), callers: calls.len(), calls }.run(pass);
            state = lock(&self.state);
        }
    }

    /// Waits a little for those who were in the last pass: they are about to come again.
    fn gather<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let (callers, took) = state.last;
        let until = Instant::now() + LONGEST_WAIT.min(took / 4);
        while state.waiting.len() < callers {
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else { break };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }
}

impl State {
    /// The calls of the next pass, in the order they came; those of one stack of adapters beside each other.
    fn next(&mut self) -> Vec<Call> {
        let mut calls: Vec<Call> = Vec::new();
        let mut tokens = 0;
        while let Some(call) = self.waiting.front() {
            let of_call: usize = call.requests.iter().map(|request| request.tokens.len()).sum();
            if !calls.is_empty() && tokens + of_call > MOST_TOKENS {
                break;
            }
            tokens += of_call;
            calls.extend(self.waiting.pop_front());
        }
        let stack = |call: &Call| call.requests.first().map(|request| Arc::as_ptr(&request.stack));
        calls.sort_by_key(stack);
        calls
    }
}

/// The calls of a pass under way. However it ends, who waits is told.
struct OnePass<'a> {
    passes: &'a Passes,
    started: Instant,
    callers: usize,
    calls: Vec<Call>,
}

impl OnePass<'_> {
    fn run(mut self, pass: &OfRequests<'_>) {
        let requests: Vec<&Request> = self.calls.iter().flat_map(|call| &call.requests).collect();
        let mut results = match pass(&requests) {
            Ok(logits) => logits.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(err) if requests.len() == 1 => vec![Err(err)],
            Err(_) => {
                let alone = |request: &&Request| pass(&[request]).map(|mut logits| logits.remove(0));
                requests.iter().map(alone).collect()
            }
        }
        .into_iter();
        for call in self.calls.drain(..) {
            let replies = call.requests.into_iter().zip(results.by_ref()).collect();
            *lock(&call.replies) = Some(replies);
        }
    }
}

impl Drop for OnePass<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.passes.state);
        for call in self.calls.drain(..) {
            let failed = || Err(Error::new(Code::Internal, "a pass shared with this call came to no end"));
            *lock(&call.replies) = Some(call.requests.into_iter().map(|request| (request, failed())).collect());
        }
        state.running = false;
        state.last = (self.callers, self.started.elapsed());
        self.passes.changed.notify_all();
    }
}
