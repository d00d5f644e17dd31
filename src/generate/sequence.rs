//! One text as it grows, without I/O: it says which tokens it wants run next, and takes the logits that come of them.
//!
//! Whoever runs the model may run one sequence or many: nothing here knows of it.

use super::GenerateOptions;
use super::constraint::Constraint;
use super::document::Document;
use super::generation::{FinishReason, Generation, Usage};
use super::guard::Guard;
use super::logits::log_probability;
use super::lookup::Lookup;
use super::next::{Judged, Next};
use super::output::Output;
use super::room::too_long;
use super::sampler::Sampler;
use super::top::Top;
use crate::error::{Code, Error, Result};
use crate::model::{Logits, Row};

/// Tokens of a prompt that are run in one pass, for whose end others wait.
pub(crate) const CHUNK: usize = 64;
/// The same while nobody waits: the weights are read for more tokens.
pub(crate) const CHUNK_ALONE: usize = 192;
/// The same on a card, whose products of few rows are no faster than those of many.
pub(crate) const CHUNK_ON_CARD: usize = 512;

/// A prompt and the text that follows it.
pub(crate) struct Sequence {
    pub(super) prompt: Vec<u32>,
    /// Most tokens that may be generated.
    pub(super) budget: usize,
    seed: u64,
    pub(super) end_tokens: Vec<u32>,
    pub(super) sampler: Sampler,
    pub(super) document: Option<Document>,
    pub(super) output: Output,
    top: Option<Top>,
    /// What keeps phrases out of the text, if any are banned.
    pub(super) guard: Option<Guard>,
    /// The logits after the prompt, as long as all of the text may be taken back.
    pub(super) after_prompt: Option<Row>,
    /// What proposes tokens, if any are to be.
    pub(super) lookup: Option<Lookup>,
    next: Next,
    /// Tokens that were run last and are not of the text.
    pub(super) wrong: usize,
    /// Tokens of the prompt that are run at a time.
    chunk: usize,
    finish_reason: Option<FinishReason>,
}

/// What came of the logits.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Step {
    /// The text that became certain.
    pub(crate) text: String,
    /// Why the text has ended, if it has.
    pub(crate) finished: Option<FinishReason>,
}

impl Step {
    /// With what came of the next logits.
    fn and(self, next: Step) -> Step {
        Step { text: self.text + &next.text, finished: next.finished }
    }
}

impl Sequence {
    /// A text after `prompt`, in a context of `limit` tokens.
    pub(crate) fn new(
        prompt: Vec<u32>,
        options: &GenerateOptions,
        sampler: Sampler,
        end_tokens: Vec<u32>,
        output: Output,
        constraint: Option<Constraint>,
        limit: usize,
    ) -> Result<Self> {
        let room = limit.saturating_sub(prompt.len());
        if room == 0 {
            return Err(too_long(prompt.len(), 1, limit));
        }
        let budget = options.max_tokens.min(room);
        let document = constraint.map(|constraint| Document::new(constraint, budget)).transpose()?;
        Ok(Sequence {
            budget,
            seed: options.seed,
            end_tokens,
            sampler,
            document,
            output,
            top: None,
            guard: None,
            after_prompt: None,
            lookup: options.speculation.then(|| Lookup::new(&prompt)),
            prompt,
            next: Next::Prompt(0),
            wrong: 0,
            chunk: CHUNK,
            finish_reason: None,
        })
    }

    /// Reads what is left of the prompt in pieces of another length than [`CHUNK`].
    pub(super) fn read_in_chunks_of(&mut self, chunk: usize) {
        self.chunk = chunk;
    }

    /// Lists what might have stood in each token's place.
    pub(super) fn listing(mut self, top: Option<Top>) -> Self {
        self.top = top;
        self
    }

    /// A text that is expected to repeat this one, but for a word here and there: the text is the same without, and later.
    pub(super) fn expecting(mut self, text: &[u32]) -> Self {
        self.lookup.iter_mut().for_each(|lookup| lookup.expect(text.to_vec()));
        self
    }

    pub(crate) fn prompt(&self) -> &[u32] {
        &self.prompt
    }

    /// Most tokens that may be generated.
    pub(crate) fn budget(&self) -> usize {
        self.budget
    }

    /// Why the text ended, once it has.
    pub(crate) fn finish_reason(&self) -> Option<FinishReason> {
        self.finish_reason
    }

    /// So many tokens of the prompt were run already.
    pub(crate) fn skip(&mut self, read: usize) {
        self.next = Next::Prompt(read);
    }

    /// The tokens to run next, after those before; none if the text is complete, which `take` then says.
    pub(crate) fn wants(&self) -> &[u32] {
        self.next.tokens(&self.prompt, self.chunk)
    }

    /// After how many of them, from the end, the logits are needed.
    pub(crate) fn outputs(&self) -> usize {
        self.next.outputs(&self.prompt, self.chunk)
    }

    /// Looks for tokens that may follow the last one, to be run with it: those that are expected, and where rows are to
    /// `spare`, those that may well be wrong.
    pub(super) fn speculate(&mut self, spare: bool) {
        if let (Next::Last(tokens), Some(lookup)) = (&mut self.next, &mut self.lookup)
            && tokens.len() == 1
            && (spare || lookup.expects())
        {
            tokens.extend(lookup.propose(self.budget.saturating_sub(self.output.count() + 1)));
        }
    }

    /// How many of the tokens that were run last are not of the text.
    pub(super) fn wrong(&self) -> usize {
        self.wrong
    }

    /// Whether the next draw has something to it that does not depend on the logits.
    pub(crate) fn can_prepare(&self) -> bool {
        self.finish_reason.is_none() && self.next.draws() && self.document.is_some()
    }

    /// Makes ready for the next draw.
    pub(crate) fn prepare(&mut self) {
        self.document.iter_mut().for_each(Document::prepare);
    }

    /// Takes the logits of the outputs, in their order.
    pub(crate) fn take(&mut self, mut logits: Logits) -> Result<Step> {
        self.wrong = 0;
        if self.finish_reason.is_some() {
            return Ok(Step::default());
        }
        match std::mem::replace(&mut self.next, Next::End) {
            Next::Prompt(read) if read + self.chunk < self.prompt.len() => {
                self.next = Next::Prompt(read + self.chunk);
                Ok(Step::default())
            }
            Next::Prompt(_) => {
                let logits = logits.pop().ok_or_else(without_logits)?;
                self.sampler.observe_prompt(&self.prompt);
                let forced = self.first_tokens()?;
                let step = if forced.is_empty() { self.draw(&logits) } else { self.append(forced, &logits, None) }?;
                if self.guard.as_ref().is_some_and(|guard| guard.banned().replaces()) {
                    self.after_prompt = Some(logits);
                }
                Ok(step)
            }
            Next::Together { tokens, run, first, then } => self.take_together(&tokens, run, first, then, &logits),
            Next::Last(tokens) => self.take_last(&tokens[1..], &logits),
            Next::End => self.end(),
        }
    }

    /// Ends the text as a request to stop does; the text that this makes certain.
    pub(crate) fn cancel(&mut self) -> Step {
        self.finish(FinishReason::Cancelled, String::new())
    }

    /// Ends the text where its listener has it: what is not certain yet is left out.
    pub(crate) fn cut(&mut self) {
        self.finish_reason.get_or_insert(FinishReason::Cancelled);
    }

    /// The text so far; `Cancelled` as its finish reason if it has not ended by itself.
    pub(crate) fn summary(&self) -> Generation {
        let (text, tokens) = self.output.text_and_tokens();
        let Usage { prompt_tokens, completion_tokens } = self.usage();
        Generation {
            text,
            tokens,
            finish_reason: self.finish_reason.unwrap_or(FinishReason::Cancelled),
            prompt_tokens,
            completion_tokens,
            seed: self.seed,
        }
    }

    /// The tokens read and written so far.
    pub(crate) fn usage(&self) -> Usage {
        Usage { prompt_tokens: self.prompt.len(), completion_tokens: self.output.count() }
    }

    fn take_together(
        &mut self,
        tokens: &[u32],
        run: usize,
        first: Judged,
        then: Option<FinishReason>,
        logits: &[Row],
    ) -> Result<Step> {
        let others = logits.iter().zip(&tokens[1..]).map(|(logits, &id)| self.judged(logits, id));
        let judged = std::iter::once(Ok(first)).chain(others).collect::<Result<Vec<_>>>()?;
        let step = self.push(tokens, judged, then)?;
        match (&self.next, logits.get(tokens.len() - 1)) {
            (Next::Last(_), Some(after_all)) if run == tokens.len() => Ok(step.and(self.draw(after_all)?)),
            _ => Ok(step),
        }
    }

    /// Draws after the last token, and after each of the proposed ones as long as they are what was drawn.
    fn take_last(&mut self, proposed: &[u32], logits: &[Row]) -> Result<Step> {
        let mut came = 0;
        let mut step = self.draw(logits.first().ok_or_else(without_logits)?)?;
        for (id, logits) in proposed.iter().zip(&logits[1..]) {
            match &self.next {
                Next::Last(drawn) if step.finished.is_none() && self.wrong == 0 && drawn[..] == [*id] => came += 1,
                _ => break,
            }
            step = step.and(self.draw(logits)?);
        }
        self.wrong += proposed.len() - came;
        if let Some(lookup) = self.lookup.as_mut().filter(|_| !proposed.is_empty()) {
            lookup.learn(proposed.len(), came);
        }
        Ok(step)
    }

    /// Adds tokens to the text, `first` being the logits of the first of them.
    pub(super) fn append(&mut self, tokens: Vec<u32>, first: &Row, then: Option<FinishReason>) -> Result<Step> {
        let of_first = tokens.first().map(|id| self.judged(first, *id)).transpose()?;
        match of_first {
            Some(first) if tokens.len() > 1 => Ok(self.together(tokens, first, then)),
            of_first => self.push(&tokens, of_first.into_iter().collect(), then),
        }
    }

    /// Adds several tokens, once they are run.
    pub(super) fn together(&mut self, tokens: Vec<u32>, first: Judged, then: Option<FinishReason>) -> Step {
        let ends = then.is_some() || self.is_complete_with(tokens.len());
        let run = tokens.len() - usize::from(ends);
        self.next = Next::Together { tokens, run, first, then };
        Step::default()
    }

    fn judged(&self, logits: &Row, id: u32) -> Result<Judged> {
        let top = self.top.as_ref().map(|top| top.of(logits)).transpose()?.unwrap_or_default();
        Ok(Judged { logprob: log_probability(logits, id)?, top })
    }

    fn push(&mut self, tokens: &[u32], judged: Vec<Judged>, then: Option<FinishReason>) -> Result<Step> {
        self.sampler.observe(tokens);
        self.lookup.iter_mut().for_each(|lookup| lookup.extend(tokens));
        self.guard.iter_mut().for_each(|guard| guard.follow(tokens, self.document.as_ref()));
        let mut text = String::new();
        for (&id, judged) in tokens.iter().zip(judged) {
            let bytes = self.document.as_ref().map(|document| document.bytes(id)).unwrap_or_default();
            // Where a rule wrote, nothing else might have stood.
            let is_placed = self.guard.as_ref().is_some_and(|guard| guard.has_placed(self.output.count()));
            text.push_str(&self.output.push(id, judged.logprob, &bytes));
            self.output.set_top(if is_placed { Vec::new() } else { judged.top });
        }
        if self.output.given() > 0 {
            self.after_prompt = None;
        }
        if self.output.is_stopped() {
            return Ok(self.finish(FinishReason::StopString, text));
        }
        if let Some(reason) = then {
            return Ok(self.finish(reason, text));
        }
        self.next = match tokens.last() {
            Some(&last) if !self.is_complete_with(0) => Next::Last(vec![last]),
            _ => Next::End,
        };
        Ok(Step { text, finished: None })
    }

    /// Whether nothing can follow so many more tokens, which the document has already.
    fn is_complete_with(&self, more: usize) -> bool {
        self.output.count() + more >= self.budget || self.document.as_ref().is_some_and(Document::is_finished)
    }

    fn end(&mut self) -> Result<Step> {
        if self.document.as_ref().is_some_and(Document::is_finished) {
            return Ok(self.finish(FinishReason::Stop, String::new()));
        }
        if self.output.count() < self.budget {
            return Err(Error::new(Code::Internal, "a text cannot go on after an error"));
        }
        self.document.as_ref().map_or(Ok(()), Document::check_end)?;
        Ok(self.finish(FinishReason::Length, String::new()))
    }

    pub(super) fn finish(&mut self, reason: FinishReason, mut text: String) -> Step {
        self.finish_reason = Some(reason);
        text.push_str(&self.output.finish());
        Step { text, finished: Some(reason) }
    }
}

fn without_logits() -> Error {
    Error::new(Code::Internal, "a pass gave no logits where they were asked for")
}
