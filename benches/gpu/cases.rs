//! What is measured: which work, on which weights.

use crate::program::Outcome;
use std::fmt;
use std::path::{Path, PathBuf};

/// Tokens of a row that is trained on, and of a prompt that is read.
pub const TOKENS: usize = 512;
/// Rows of a training step.
pub const ROWS: usize = 4;
/// Rank of the adapter, on every linear layer.
pub const RANK: usize = 8;
/// Tokens that each text is made of.
const COMPLETION: usize = 128;

/// How the weights are stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Weights {
    Bf16,
    Q4KM,
}

impl Weights {
    const ALL: [Weights; 2] = [Weights::Bf16, Weights::Q4KM];

    /// As `llama-quantize` calls them.
    pub fn name(self) -> &'static str {
        match self {
            Weights::Bf16 => "bf16",
            Weights::Q4KM => "q4_k_m",
        }
    }

    /// Where `make_models.py` puts them.
    pub fn path(self, models: &Path) -> PathBuf {
        models.join(match self {
            Weights::Bf16 => "bf16",
            Weights::Q4KM => "q4_k_m.gguf",
        })
    }
}

/// What a training may keep of its layers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Memory {
    All,
    /// Their inputs.
    Inputs,
    /// What fits into [`LIMIT`].
    Limited,
}

/// The memory of a small card.
pub const LIMIT: &str = "8GiB";

/// What is done with a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Work {
    /// Steps of [`ROWS`] rows of [`TOKENS`] tokens.
    Train { memory: Memory },
    /// A prompt of [`TOKENS`] tokens, up to the first token after it.
    Prefill,
    /// Texts after a prompt of one token, so that each token takes one pass.
    Decode { at_once: usize },
}

impl Work {
    const ALL: [Work; 6] = [
        Work::Train { memory: Memory::All },
        Work::Train { memory: Memory::Inputs },
        Work::Train { memory: Memory::Limited },
        Work::Prefill,
        Work::Decode { at_once: 1 },
        Work::Decode { at_once: 32 },
    ];

    /// Whether it has a process of its own.
    fn is_alone(self) -> bool {
        matches!(self, Work::Train { .. })
    }

    /// Weights of 16 bits alone are larger than some limits.
    fn is_for(self, weights: Weights) -> bool {
        weights == Weights::Q4KM || self != Work::Train { memory: Memory::Limited }
    }

    /// Sequences at once, tokens of each prompt, tokens generated for each; for texts.
    pub fn texts(self) -> (usize, usize, usize) {
        match self {
            Work::Decode { at_once } => (at_once, 1, COMPLETION),
            _ => (1, TOKENS, 1),
        }
    }
}

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Case {
    pub work: Work,
    pub weights: Weights,
}

impl Case {
    pub fn all() -> impl Iterator<Item = Case> {
        let cases = Work::ALL.into_iter().flat_map(|work| Weights::ALL.map(|weights| Case { work, weights }));
        cases.filter(|case| case.work.is_for(case.weights))
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.work {
            Work::Train { memory: Memory::All } => f.write_str("train")?,
            Work::Train { memory: Memory::Inputs } => f.write_str("train checkpointed")?,
            Work::Train { memory: Memory::Limited } => write!(f, "train in {LIMIT}")?,
            Work::Prefill => write!(f, "prefill {TOKENS}")?,
            Work::Decode { at_once } => write!(f, "decode {at_once}")?,
        }
        write!(f, " {}", self.weights.name())
    }
}

/// The chosen cases by the process that measures them: one for each training, and one for all texts of a model, which
/// takes seconds to load.
pub fn processes(parts: &[String]) -> Outcome<Vec<Vec<Case>>> {
    let is_chosen = |case: &Case| parts.is_empty() || parts.iter().any(|part| case.to_string().contains(part));
    let mut processes: Vec<Vec<Case>> = Vec::new();
    for case in Case::all().filter(is_chosen) {
        let fits = |with: &&mut Vec<Case>| {
            let alone = |other: &Case| other.work.is_alone() || case.work.is_alone();
            with.iter().all(|other| other.weights == case.weights && !alone(other))
        };
        match processes.iter_mut().find(fits) {
            Some(with) => with.push(case),
            None => processes.push(vec![case]),
        }
    }
    match processes.is_empty() {
        true => {
            let names: Vec<String> = Case::all().map(|case| case.to_string()).collect();
            Err(format!("no case contains any of {parts:?}; there are:\n  {}", names.join("\n  ")).into())
        }
        false => Ok(processes),
    }
}
