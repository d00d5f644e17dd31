//! What is measured: which work, on which weights.

use crate::Outcome;
use crate::files::Weights;
use std::fmt;

/// Texts that are read or written at the same time.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    name: &'static str,
    /// Sequences at once, each from a thread and in a session of its own.
    pub at_once: usize,
    /// Tokens of each prompt.
    pub prompt: usize,
    /// Tokens generated for each.
    pub completion: usize,
}

/// The prompt and, since the model's last output is a token anyway, one token.
const PREFILL: Work = Work { name: "prefill 512", at_once: 1, prompt: 512, completion: 1 };
/// A prompt of one token, so that each token takes one pass, as in `llama-bench`.
const DECODE: Work = Work { name: "decode 1", at_once: 1, prompt: 1, completion: 64 };
const DECODE_16: Work = Work { name: "decode 16", at_once: 16, ..DECODE };

impl Work {
    /// Whether reading the prompt is what is measured.
    pub fn is_prefill(&self) -> bool {
        self.completion == 1
    }

    /// The tokens whose time is taken.
    pub fn tokens(&self) -> usize {
        self.at_once * if self.is_prefill() { self.prompt } else { self.completion }
    }
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub work: Work,
    pub weights: Weights,
    /// Whether ours has an adapter on every linear layer; it is then measured beside itself without one.
    pub adapter: bool,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let adapter = if self.adapter { " lora" } else { "" };
        write!(f, "{} {}{adapter}", self.work.name, self.weights.name())
    }
}

impl Case {
    /// Whether memory bandwidth is what bounds it: a pass for each token.
    pub fn is_bound_by_bandwidth(&self) -> bool {
        !self.work.is_prefill() && self.work.at_once == 1
    }
}

/// The cases whose names contain `part`.
pub fn cases(part: &str) -> Outcome<Vec<Case>> {
    let case = |work, weights| Case { work, weights, adapter: false };
    let all = [
        case(PREFILL, Weights::Q8_0),
        case(PREFILL, Weights::Q4KM),
        case(PREFILL, Weights::Bf16),
        case(DECODE, Weights::Q8_0),
        case(DECODE, Weights::Q4KM),
        case(DECODE, Weights::Bf16),
        case(DECODE_16, Weights::Q8_0),
        Case { adapter: true, ..case(DECODE, Weights::Q8_0) },
    ];
    let chosen: Vec<Case> = all.into_iter().filter(|case| case.to_string().contains(part)).collect();
    match chosen.is_empty() {
        true => {
            let names = all.map(|case| case.to_string()).join("\n  ");
            Err(format!("no case contains `{part}`; there are:\n  {names}").into())
        }
        false => Ok(chosen),
    }
}
