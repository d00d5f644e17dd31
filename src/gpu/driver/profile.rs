//! Where a card's time goes, for those who make it faster: with `TAILORA_GPU_PROFILE=FILE` each piece of work is waited for,
//! and FILE says what took how long, and how much memory there was at most.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Pieces of work after which the file is written again.
const EVERY: u64 = 4096;

/// What took how long so far.
pub(super) struct Profile {
    file: PathBuf,
    work: Mutex<Work>,
}

#[derive(Default)]
struct Work {
    pieces: u64,
    /// Calls and time, by name.
    by_name: BTreeMap<String, (u64, Duration)>,
}

impl Profile {
    /// If it was asked for.
    pub(super) fn wanted() -> Option<Self> {
        let file = std::env::var_os("TAILORA_GPU_PROFILE")?.into();
        Some(Profile { file, work: Mutex::default() })
    }

    /// Counts what `began` then and is done now. `memory` tells the most bytes that were in use, and that were held.
    pub(super) fn count(&self, name: String, began: Instant, memory: impl FnOnce() -> (u64, u64)) {
        let took = began.elapsed();
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = work.by_name.entry(name).or_default();
        *entry = (entry.0 + 1, entry.1 + took);
        work.pieces += 1;
        if work.pieces.is_multiple_of(EVERY) {
            // A profile that cannot be written is no reason to stop the work.
            let _ = std::fs::write(&self.file, work.table(memory()));
        }
    }
}

impl Work {
    fn table(&self, (used, held): (u64, u64)) -> String {
        let mut rows: Vec<_> = self.by_name.iter().collect();
        rows.sort_by_key(|(_, (_, took))| std::cmp::Reverse(*took));
        let mut table = format!("memory in use {} MiB, held {} MiB at most\n", used >> 20, held >> 20);
        let _ = writeln!(table, "{:>10} {:>10} {:>10}", "ms", "calls", "µs a call");
        for (name, (calls, took)) in rows {
            let micros = took.as_secs_f64() * 1e6;
            let _ = writeln!(table, "{:>10.2} {calls:>10} {:>10.1} {name}", micros / 1e3, micros / *calls as f64);
        }
        table
    }
}
