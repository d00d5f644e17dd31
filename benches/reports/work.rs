//! What is written: reports on cases, after one role prompt, in one schema. The same for both sides.

use crate::Outcome;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Reports that are asked for at the same time.
pub const AT_ONCE: usize = 16;
/// Of each report.
pub const MAX_TOKENS: usize = 192;

/// A letter is a token.
pub const ROLE_PROMPT: &str = "\
You review the talent of a company of four thousand people. For each case you are given what the personnel system knows: the \
role, the last two ratings, the potential as the manager sees it, the depth of knowledge and the teamwork on a scale of ten, \
and the years with the company. Write what follows from it and nothing else. Name the facts that you rest on. Say what the \
person does well before what is missing; give one risk, and be sober about it: no promises, no remarks on age, family, health \
or origin. A rating of A comes before one of B. Potential counts for more than a single rating, and two ratings for more \
than one.";

/// One of any number of cases.
pub fn input(index: usize) -> String {
    let pick = |step: usize, from: &[&'static str]| from[(index / step + index) % from.len()];
    format!(
        "role:{},rating:{},potential:{},knowledge:{}/10,teamwork:{}/10,years:{},case:{index:03}",
        pick(3, &["P5 engineer", "P6 analyst", "P7 architect", "M2 manager"]),
        pick(5, &["A/A", "A/B", "B/A", "B/C"]),
        pick(7, &["high", "medium", "open"]),
        3 + index % 7,
        4 + index % 6,
        1 + index % 20,
    )
}

/// Bounded, so that a model that knows nothing comes to an end too: a letter is a token here as well.
pub fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "rating": { "enum": ["A", "B", "C"] },
            "points": {
                "type": "array", "minItems": 3, "maxItems": 3,
                "items": { "type": "string", "minLength": 30, "maxLength": 40 },
            },
            "score": { "type": "integer", "minimum": 1, "maximum": 9 },
        },
        "required": ["rating", "points", "score"],
        "additionalProperties": false,
    })
}

/// What became of a number of reports.
#[derive(Debug, Clone, Copy, Default)]
pub struct Written {
    pub seconds: f64,
    pub reports: usize,
    /// Those that ended before their document did.
    pub unfinished: usize,
    /// Tokens generated.
    pub tokens: usize,
}

/// Has `reports` written from [`AT_ONCE`] threads, each of which asks for the next one as soon as it has one. `write` gives
/// the document and its tokens.
pub fn write_all(reports: usize, write: impl Fn(usize) -> Outcome<(String, usize)> + Sync) -> Outcome<Written> {
    let next = AtomicUsize::new(0);
    let began = Instant::now();
    let of_thread = || {
        let mut written = Written::default();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= reports {
                return Ok(written);
            }
            let (document, tokens) = write(index).map_err(|err| err.to_string())?;
            written.reports += 1;
            written.tokens += tokens;
            written.unfinished += usize::from(!is_whole(&document));
        }
    };
    let of_threads: Vec<Result<Written, String>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(of_thread)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".to_owned())))
            .collect()
    });
    let mut all = Written { seconds: began.elapsed().as_secs_f64(), ..Written::default() };
    for written in of_threads {
        let written = written?;
        all.reports += written.reports;
        all.tokens += written.tokens;
        all.unfinished += written.unfinished;
    }
    Ok(all)
}

/// Whether it is a document of the schema, as far as a glance shows.
fn is_whole(document: &str) -> bool {
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    document["rating"].is_string() && document["points"].is_array() && document["score"].is_number()
}
