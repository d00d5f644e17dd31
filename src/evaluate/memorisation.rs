//! Whether a trained model writes new answers or copies those it was trained on.
//!
//! It answers inputs that it has not seen, greedily, and what it writes is searched for in the training outputs. Answers of
//! one house share phrases anyway, so the same is measured for the true answers of those inputs: a copy is an answer of
//! which at least half is one run of some training output, longer than any that the true answers share with them.

use super::overlap::SuffixAutomaton;
use crate::control::Monitor;
use crate::error::Result;
use crate::generate::{Context, Engine, GenerateOptions, Output, Sampler, Sequence, Slot};
use crate::language_model::LanguageModel;
use crate::model::LoraStack;
use serde_json::{Value, json};

/// Tokens of an answer at most.
pub(crate) const MAX_TOKENS: usize = 128;
/// A shorter run is a phrase, not a copy.
const COPY_CHARS: usize = 20;
/// Share of an answer that one run covers if it is a copy.
const COPY_SHARE: f64 = 0.5;

/// Who is asked what.
pub(crate) struct Probe<'a> {
    /// The adapter as it answers.
    pub(crate) lora: LoraStack,
    /// Rows whose inputs are asked.
    pub(crate) asked: Vec<Asked<'a>>,
    /// Outputs it was trained on, by row.
    pub(crate) trained: Vec<(usize, &'a str)>,
    /// What a reader of the figures must know.
    pub(crate) note: Option<&'static str>,
}

/// A row that is asked.
pub(crate) struct Asked<'a> {
    pub(crate) prompt: &'a [u32],
    /// The true answer.
    pub(crate) output: &'a str,
    /// Where it stands among the trained rows, if it may.
    pub(crate) row: Option<usize>,
}

/// The longest run that an answer shares with a training output.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Overlap {
    chars: usize,
    /// Part of the answer that the run is, 0 to 1.
    share: f64,
}

impl Overlap {
    fn of<'t>(answer: &str, outputs: impl Iterator<Item = &'t str>) -> Self {
        let automaton = SuffixAutomaton::new(answer);
        let chars = outputs.map(|output| automaton.longest_in(output)).max().unwrap_or(0);
        Overlap { chars, share: chars as f64 / answer.chars().count().max(1) as f64 }
    }

    /// `usual` is the longest run that true answers share with training outputs.
    fn is_copy(self, usual: usize) -> bool {
        self.chars >= COPY_CHARS && self.share >= COPY_SHARE && self.chars > usual
    }
}

/// The figure for the summary, of at most so many answers; null if nothing is to be asked.
///
/// # Errors
/// `Cancelled` between any two tokens.
pub(crate) fn memorisation(
    model: &LanguageModel,
    samples: usize,
    probe: &Probe<'_>,
    monitor: &mut Monitor<'_>,
) -> Result<Value> {
    let samples = samples.min(probe.asked.len());
    if samples == 0 {
        return Ok(Value::Null);
    }
    let (mut longest, mut usual) = (Overlap { chars: 0, share: 0.0 }, 0);
    let mut answers = Vec::with_capacity(samples);
    let engine = Engine::new(model);
    let empty = engine.context(&probe.lora, model.decoder().config().max_position_embeddings)?;
    for sample in 0..samples {
        // Evenly over the rows: files are often sorted.
        let asked = &probe.asked[sample * probe.asked.len() / samples];
        let answer = greedy_answer(model, asked.prompt, &engine, empty.fresh(), monitor)?;
        let overlap = Overlap::of(answer.trim(), probe.trained.iter().map(|&(_, output)| output));
        let others = probe.trained.iter().filter(|&&(row, _)| Some(row) != asked.row).map(|&(_, output)| output);
        usual = usual.max(Overlap::of(asked.output.trim(), others).chars);
        if overlap.chars > longest.chars {
            longest = overlap;
        }
        answers.push(overlap);
    }
    let copies = answers.iter().filter(|overlap| overlap.is_copy(usual)).count();
    Ok(json!({
        "outputs": samples,
        "longest_overlap_chars": longest.chars,
        "share": longest.share,
        "reference_overlap_chars": usual,
        "copied_outputs": copies,
        "copied": copies > 0,
        "note": probe.note,
    }))
}

/// The likeliest token, one after the other, until the model ends its turn.
fn greedy_answer(
    model: &LanguageModel,
    prompt: &[u32],
    engine: &Engine,
    context: Context,
    monitor: &Monitor<'_>,
) -> Result<String> {
    let options = GenerateOptions { max_tokens: MAX_TOKENS, ..Default::default() };
    let output = Output::text(model.format().tokenizer(), &[]);
    let sampler = Sampler::new(&options, model.format().tokenizer());
    let sequence =
        Sequence::new(prompt.to_vec(), &options, sampler, model.end_tokens(), output, None, context.limit())?;
    let mut slot = Slot::new(sequence, context);
    while !slot.is_finished() {
        monitor.check()?;
        engine.step_one(&mut slot)?;
    }
    Ok(slot.sequence.summary().text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_long_most_of_the_answer_and_longer_than_usual() {
        let trained = ["the candidate leads two teams and should be promoted", "keep the candidate in place for now"];
        let overlap = |answer: &str| Overlap::of(answer, trained.iter().copied());
        let copied = overlap("the candidate leads two teams and should rest");
        assert_eq!(copied.chars, "the candidate leads two teams and should ".len());
        assert!(copied.is_copy(10));
        assert!(!copied.is_copy(copied.chars), "true answers share as much");
        let phrase = overlap("keep the candidate");
        assert_eq!(phrase, Overlap { chars: 18, share: 1.0 });
        assert!(!phrase.is_copy(0), "a phrase");
        let long =
            "every word of this answer is its own, up to where it says that one should be promoted, and it goes on";
        assert!(!overlap(&(long.to_owned() + " and should be promoted")).is_copy(0), "a small part");
        assert_eq!(overlap(""), Overlap { chars: 0, share: 0.0 });
        assert_eq!(Overlap::of("abc", [].into_iter()).chars, 0);
    }
}
