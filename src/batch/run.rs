//! The work: threads with a session each, which take the rows in their order, and the caller's thread, which puts their
//! lines in order and on the disk.

use super::cases::Case;
use super::journal::{self, Journal, Written};
use super::options::BatchOptions;
use crate::control::{Cancel, Monitor, Phase, Progress};
use crate::error::{Code, Error, Result};
use crate::generate::{Attached, Session, SessionOptions};
use crate::language_model::LanguageModel;
use crate::own_stack;
use crate::report::{ReportOptions, report};
use crate::salted::leading_u64;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const PARALLEL_ON_CPU: usize = 8;
const PARALLEL_ON_CARD: usize = 32;
/// A row is begun at most so many rows for each session after the first that is not written: a slow row holds up the
/// others before their lines fill the memory.
const AHEAD: usize = 4;
/// The host is asked this often whether it wants to stop.
const POLL: Duration = Duration::from_millis(50);

/// Rows that are to be written.
pub(super) struct Run<'a> {
    pub(super) model: &'a LanguageModel,
    pub(super) adapters: &'a [Attached],
    pub(super) options: &'a BatchOptions,
    pub(super) cases: &'a [Case],
    /// Rows that were written before.
    pub(super) before: usize,
}

/// A row's place among the cases, and its line; an error is the job's.
type Outcome = (usize, Result<(String, bool)>);

/// Which rows are begun and which are written.
struct Queue {
    next: Mutex<Next>,
    room: Condvar,
    len: usize,
    ahead: usize,
    stop: Cancel,
}

struct Next {
    begun: usize,
    written: usize,
}

impl Run<'_> {
    /// Writes all rows, in their order.
    pub(super) fn write(&self, journal: &mut Journal, monitor: &mut Monitor<'_>) -> Result<Written> {
        if self.cases.is_empty() {
            return Ok(Written::default());
        }
        let parallel = self.parallel();
        let next = Mutex::new(Next { begun: 0, written: 0 });
        let (len, ahead, stop) = (self.cases.len(), AHEAD * parallel, Cancel::new());
        let queue = Queue { next, room: Condvar::new(), len, ahead, stop };
        let (sender, outcomes) = channel();
        std::thread::scope(|scope| {
            // However this ends, the threads are told to.
            let _stop = StopOnDrop(&queue);
            let mut threads = Vec::with_capacity(parallel);
            for _ in 0..parallel {
                let (sender, queue) = (sender.clone(), &queue);
                threads.push(own_stack::start_in(scope, move || self.work(queue, &sender))?);
            }
            drop(sender);
            let written = self.collect(&queue, &outcomes, journal, monitor);
            queue.stop();
            for thread in threads {
                thread.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload));
            }
            written
        })
    }

    fn parallel(&self) -> usize {
        let on_card = self.model.decoder().device().is_on_card();
        let default = if on_card { PARALLEL_ON_CARD } else { PARALLEL_ON_CPU };
        self.options.parallel.unwrap_or(default).min(self.cases.len())
    }

    /// One thread: a session, and rows as long as there are any.
    fn work(&self, queue: &Queue, outcomes: &Sender<Outcome>) {
        let _stop = StopOnPanic(queue);
        let mut session = None;
        while let Some(index) = queue.take() {
            let case = &self.cases[index];
            let outcome = self.outcome(&mut session, case, &queue.stop);
            let outcome = match outcome {
                Err(_) if queue.stop.is_requested() => return,
                Err(err) if !is_of_the_row(err.code()) => Err(err.context(format!("row {}", case.row))),
                outcome => Ok((journal::line(case, &outcome), outcome.is_ok())),
            };
            // Nobody listens any more.
            if outcomes.send((index, outcome)).is_err() {
                return;
            }
        }
    }

    fn outcome(&self, session: &mut Option<Session>, case: &Case, stop: &Cancel) -> Result<Value> {
        let input = case.input.as_ref().map_err(Clone::clone)?;
        let mut own = match session.take() {
            Some(session) => session,
            None => self.session()?,
        };
        let outcome = report(&mut own, input, &self.report_options(case), stop);
        // After an error, the next row has a new one.
        *session = outcome.is_ok().then_some(own);
        outcome
    }

    fn session(&self) -> Result<Session> {
        let mut session = Session::new(self.model, &SessionOptions::default())?;
        for Attached { adapter, scale } in self.adapters {
            session.attach(adapter, *scale)?;
        }
        Ok(session)
    }

    fn report_options(&self, case: &Case) -> ReportOptions {
        let mut options = self.options.report.clone();
        let number = case.row.to_string();
        options.generate.seed = row_seed(options.generate.seed, case.id.as_deref().unwrap_or(&number));
        options
    }

    /// Puts lines into their order, writes them, and tells the host.
    fn collect(
        &self,
        queue: &Queue,
        outcomes: &Receiver<Outcome>,
        journal: &mut Journal,
        monitor: &mut Monitor<'_>,
    ) -> Result<Written> {
        let (begun, mut waiting, mut written) = (Instant::now(), BTreeMap::new(), Written::default());
        loop {
            match outcomes.recv_timeout(POLL) {
                Ok((index, outcome)) => {
                    waiting.insert(index, outcome?);
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            let mut lines = String::new();
            let before = written;
            while let Some((line, is_report)) = waiting.remove(&written.rows()) {
                lines += &line;
                written.count(is_report);
            }
            if written != before {
                journal.add(&lines)?;
                queue.wrote(written.rows());
                monitor.report(&self.progress(written.rows(), begun));
            }
            monitor.check().map_err(|err| self.cancelled(&err, written))?;
        }
        Ok(written)
    }

    /// Time is left by the pace of this call alone.
    fn progress(&self, rows: usize, begun: Instant) -> Progress {
        let (elapsed, total) = (begun.elapsed(), self.cases.len() as u64);
        let this_call = Progress::new(Phase::Report, rows as u64, total, elapsed);
        let before = self.before as u64;
        Progress { step: this_call.step + before, total_steps: total + before, ..this_call }
    }

    fn cancelled(&self, err: &Error, written: Written) -> Error {
        let (done, rows) = (self.before + written.rows(), self.before + self.cases.len());
        let message = format!("{err}; {done} of {rows} rows are written, and the same call goes on from there");
        Error::new(Code::Cancelled, message).with("done", done).with("rows", rows)
    }
}

/// A row's seed: the first 8 bytes of SHA-256 of the job's seed, big-endian, and the row's id.
fn row_seed(seed: u64, id: &str) -> u64 {
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    hash.update(id);
    leading_u64(&hash.finalize().into())
}

/// Whether an error is about what the row says, so that it would come again, and other rows may be well.
fn is_of_the_row(code: Code) -> bool {
    use Code::{ContextLength, CsvFormat, Internal, InvalidArgument, Schema, Tokenizer, Unsupported};
    matches!(code, InvalidArgument | CsvFormat | ContextLength | Schema | Tokenizer | Unsupported | Internal)
}

impl Queue {
    /// The next row, once there is room for its line; none if there is no more, or the job stops.
    fn take(&self) -> Option<usize> {
        let mut next = self.lock();
        while next.begun < self.len && next.begun >= next.written + self.ahead && !self.stop.is_requested() {
            next = self.room.wait(next).unwrap_or_else(PoisonError::into_inner);
        }
        if next.begun == self.len || self.stop.is_requested() {
            return None;
        }
        next.begun += 1;
        Some(next.begun - 1)
    }

    fn wrote(&self, rows: usize) {
        self.lock().written = rows;
        self.room.notify_all();
    }

    fn stop(&self) {
        // Under the lock: a thread that has looked and not yet gone to sleep would miss it.
        let _next = self.lock();
        self.stop.request();
        self.room.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Next> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct StopOnDrop<'a>(&'a Queue);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Without the row of a thread that panicked, the others would wait for ever.
struct StopOnPanic<'a>(&'a Queue);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rows_seed_is_that_of_job_and_id() {
        // printf '\0\0\0\0\0\0\0\7E1' | sha256sum
        let expected = Sha256::digest([&[0, 0, 0, 0, 0, 0, 0, 7], &b"E1"[..]].concat());
        assert_eq!(row_seed(7, "E1"), leading_u64(&expected.into()));
        assert_ne!(row_seed(7, "E1"), row_seed(8, "E1"));
        assert_ne!(row_seed(7, "E1"), row_seed(7, "E2"));
    }
}
