//! Forward passes that callers on any threads share: what they ask for at the same time is read in one.
//!
//! There is no thread of its own. The first caller that finds no pass under way makes one, of its own requests and of those
//! that wait; the others sleep until theirs are done. Each sleeps by itself, and is woken when there is something for it to
//! do: of many callers, all would else wake at each one's coming. Every request is read as if it were alone: the bits of a
//! row do not depend on the rows beside it.

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
pub(super) type OfRequests<'a> = dyn Fn(&mut [&mut Request]) -> Result<Vec<Logits>> + 'a;

/// A request as it comes back.
pub(crate) type Reply = (Request, Result<Logits>);

/// The callers of one model.
#[derive(Debug, Default)]
pub(super) struct Passes {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Call>,
    /// Whether a pass is under way.
    running: bool,
    /// Who gathers callers for a pass, and for how many it waits.
    gathering: Option<(Arc<Condvar>, usize)>,
    /// Callers that the next pass may have, those of the last one and those that came meanwhile; and how long it took.
    last: (usize, Duration),
}

#[derive(Debug)]
struct Call {
    requests: Vec<Request>,
    replies: Arc<Mutex<Option<Vec<Reply>>>>,
    /// Wakes its caller.
    caller: Arc<Condvar>,
}

/// What a lock guards. After a panic in between: requests that were answered, or keys and values that nobody counts as read.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Passes {
    /// How many there were in the last pass, or wait now.
    pub(super) fn callers(&self) -> usize {
        let state = lock(&self.state);
        state.last.0.max(state.waiting.len())
    }

    /// Has `pass` read what is asked for, with what other callers ask for meanwhile. An error is that of its request alone, whose
    /// sequence has then read no more than before.
    pub(super) fn read(&self, requests: Vec<Request>, pass: &OfRequests<'_>) -> Vec<Reply> {
        let (replies, caller) = (Arc::new(Mutex::new(None)), Arc::new(Condvar::new()));
        let mut state = lock(&self.state);
        state.waiting.push_back(Call { requests, replies: replies.clone(), caller: caller.clone() });
        state.tell_who_gathers();
        loop {
            if let Some(replies) = lock(&replies).take() {
                return replies;
            }
            if state.running {
                state = caller.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.running = true;
            state = gather(state, &caller);
            let calls = state.next();
            drop(state);
            OnePass { passes: self, started: Instant::now(), callers: calls.len(), calls, done: Vec::new() }.run(pass);
            state = lock(&self.state);
        }
    }
}

/// Waits a little for those who were in the last pass, which are about to come again: else who came meanwhile and they would
/// go on by turns.
fn gather<'a>(mut state: MutexGuard<'a, State>, caller: &Arc<Condvar>) -> MutexGuard<'a, State> {
    let (callers, took) = state.last;
    let until = Instant::now() + LONGEST_WAIT.min(took / 4);
    state.gathering = Some((caller.clone(), callers));
    while state.waiting.len() < callers {
        let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else { break };
        state = caller.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
    }
    state.gathering = None;
    state
}

impl State {
    /// Wakes who gathers once all have come.
    fn tell_who_gathers(&self) {
        if let Some((who, callers)) = &self.gathering
            && self.waiting.len() >= *callers
        {
            who.notify_one();
        }
    }

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
        let stack = |call: &Call| {
            let stack = &call.requests.first()?.stack;
            Some((stack.identity(), stack.identity().is_none().then_some(Arc::as_ptr(stack))))
        };
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
    /// Callers whose replies are there.
    done: Vec<Arc<Condvar>>,
}

impl OnePass<'_> {
    fn run(mut self, pass: &OfRequests<'_>) {
        let mut requests: Vec<&mut Request> = self.calls.iter_mut().flat_map(|call| &mut call.requests).collect();
        let mut results = match pass(&mut requests) {
            Ok(logits) => logits.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(err) if requests.len() == 1 => vec![Err(err)],
            Err(_) => {
                let alone = |request: &mut Request| pass(&mut [request]).map(|mut logits| logits.remove(0));
                requests.into_iter().map(alone).collect()
            }
        }
        .into_iter();
        for call in self.calls.drain(..) {
            let replies = call.requests.into_iter().zip(results.by_ref()).collect();
            *lock(&call.replies) = Some(replies);
            self.done.push(call.caller);
        }
    }
}

impl Drop for OnePass<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.passes.state);
        for call in self.calls.drain(..) {
            let failed = || Err(Error::new(Code::Internal, "a pass shared with this call came to no end"));
            *lock(&call.replies) = Some(call.requests.into_iter().map(|request| (request, failed())).collect());
            self.done.push(call.caller);
        }
        state.running = false;
        state.last = (self.callers + state.waiting.len(), self.started.elapsed());
        // Who has come meanwhile is to make the next pass.
        self.done.extend(state.waiting.front().map(|call| call.caller.clone()));
        drop(state);
        self.done.iter().for_each(|caller| caller.notify_one());
    }
}
