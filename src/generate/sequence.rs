//! One text as it grows, without I/O: it says which tokens it wants run next, and takes the logits that come of them.
//!
//! Whoever runs the model may run one sequence or many: nothing here knows of it.

use super::GenerateOptions;
use super::constraint::Constraint;
use super::document::{Advance, Document};
use super::generation::{FinishReason, Generation, TopToken};
use super::logits::{check_numbers, log_probability};
use super::output::Output;
use super::sampler::Sampler;
use super::top::Top;
use crate::error::{Code, Error, Result};
use crate::model::{Logits, Row};

/// Tokens of a prompt that are run in one pass.
pub(crate) const CHUNK: usize = 64;
/// The same on a card, whose products of few rows are no faster than those of many.
pub(crate) const CHUNK_ON_CARD: usize = 512;

/// A prompt and the text that follows it.
pub(crate) struct Sequence {
    prompt: Vec<u32>,
    /// Most tokens that may be generated.
    budget: usize,
    seed: u64,
    end_tokens: Vec<u32>,
    sampler: Sampler,
    document: Option<Document>,
    output: Output,
    top: Option<Top>,
    next: Next,
    /// Tokens of the prompt that are run at a time.
    chunk: usize,
    finish_reason: Option<FinishReason>,
}

/// What is to be run next.
enum Next {
    /// The prompt from this token on.
    Prompt(usize),
    /// Tokens that came together, but for the last: the logits after each give the log-probability of the one behind it.
    /// That of the first is known.
    Together { tokens: Vec<u32>, first: Judged, then: Option<FinishReason> },
    /// The last token of the text.
    Last(u32),
    /// Nothing.
    End,
}

/// What the model says of a token of the text.
struct Judged {
    logprob: f32,
    /// What might have stood in its place, where that is to be listed.
    top: Vec<TopToken>,
}

/// What came of the logits.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Step {
    /// The text that became certain.
    pub(crate) text: String,
    /// Why the text has ended, if it has.
    pub(crate) finished: Option<FinishReason>,
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
            prompt,
            budget,
            seed: options.seed,
            end_tokens,
            sampler,
            document,
            output,
            top: None,
            next: Next::Prompt(0),
            chunk: CHUNK,
            finish_reason: None,
        })
    }

    /// With pieces of the prompt of another length than [`CHUNK`].
    pub(crate) fn in_chunks_of(mut self, chunk: usize) -> Self {
        self.chunk = chunk;
        self
    }

    /// Lists what might have stood in each token's place.
    pub(super) fn listing(mut self, top: Option<Top>) -> Self {
        self.top = top;
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
        match &self.next {
            Next::Prompt(read) => &self.prompt[*read..self.prompt.len().min(read + self.chunk)],
            Next::Together { tokens, .. } => &tokens[..tokens.len() - 1],
            Next::Last(token) => std::slice::from_ref(token),
            Next::End => &[],
        }
    }

    /// After how many of them, from the end, the logits are needed.
    pub(crate) fn outputs(&self) -> usize {
        match &self.next {
            Next::Prompt(read) => usize::from(read + self.chunk >= self.prompt.len()),
            Next::Together { tokens, .. } => tokens.len() - 1,
            Next::Last(_) => 1,
            Next::End => 0,
        }
    }

    /// Whether the next draw has something to it that does not depend on the logits.
    pub(crate) fn can_prepare(&self) -> bool {
        self.finish_reason.is_none() && matches!(self.next, Next::Last(_)) && self.document.is_some()
    }

    /// Makes ready for the next draw.
    pub(crate) fn prepare(&mut self) {
        self.document.iter_mut().for_each(Document::prepare);
    }

    /// Takes the logits of the outputs, in their order.
    pub(crate) fn take(&mut self, mut logits: Logits) -> Result<Step> {
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
                let forced = self.document.as_mut().map(Document::take_forced).transpose()?.unwrap_or_default();
                if forced.is_empty() { self.draw(&logits) } else { self.append(forced, &logits, None) }
            }
            Next::Together { tokens, first, then } => {
                let others = logits.iter().zip(&tokens[1..]).map(|(logits, &id)| self.judged(logits, id));
                let judged = std::iter::once(Ok(first)).chain(others).collect::<Result<Vec<_>>>()?;
                self.push(&tokens, judged, then)
            }
            Next::Last(_) => self.draw(&logits.pop().ok_or_else(without_logits)?),
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
        Generation {
            text,
            tokens,
            finish_reason: self.finish_reason.unwrap_or(FinishReason::Cancelled),
            prompt_tokens: self.prompt.len(),
            completion_tokens: self.output.count(),
            seed: self.seed,
        }
    }

    /// Draws a token, and takes it with those that it forces.
    fn draw(&mut self, logits: &Row) -> Result<Step> {
        // Also where the log-probability is not needed: NaN must not decide anything.
        check_numbers(logits)?;
        let id = match self.document.as_mut() {
            None => self.sampler.sample(logits, None)?,
            Some(document) => self.sampler.sample(logits, Some(&document.mask()?))?,
        };
        if self.end_tokens.contains(&id) {
            return Ok(self.finish(FinishReason::Stop, String::new()));
        }
        match self.document.as_mut() {
            None => self.append(vec![id], logits, None),
            Some(document) => match document.commit(id, self.output.count())? {
                Advance::Tokens(tokens) => self.append(tokens, logits, None),
                Advance::End(tokens) => self.append(tokens, logits, Some(FinishReason::Length)),
            },
        }
    }

    /// Adds tokens to the text, `first` being the logits of the first of them. The last one is run when something follows
    /// it.
    fn append(&mut self, tokens: Vec<u32>, first: &Row, then: Option<FinishReason>) -> Result<Step> {
        let of_first = tokens.first().map(|id| self.judged(first, *id)).transpose()?;
        match of_first {
            Some(first) if tokens.len() > 1 => {
                self.next = Next::Together { tokens, first, then };
                Ok(Step::default())
            }
            of_first => self.push(&tokens, of_first.into_iter().collect(), then),
        }
    }

    fn judged(&self, logits: &Row, id: u32) -> Result<Judged> {
        let top = self.top.as_ref().map(|top| top.of(logits)).transpose()?.unwrap_or_default();
        Ok(Judged { logprob: log_probability(logits, id)?, top })
    }

    fn push(&mut self, tokens: &[u32], judged: Vec<Judged>, then: Option<FinishReason>) -> Result<Step> {
        self.sampler.observe(tokens);
        let mut text = String::new();
        for (&id, judged) in tokens.iter().zip(judged) {
            let bytes = self.document.as_ref().map(|document| document.bytes(id)).unwrap_or_default();
            text.push_str(&self.output.push(id, judged.logprob, &bytes));
            self.output.set_top(judged.top);
        }
        if self.output.is_stopped() {
            return Ok(self.finish(FinishReason::StopString, text));
        }
        if let Some(reason) = then {
            return Ok(self.finish(reason, text));
        }
        self.next = match tokens.last() {
            Some(&last) if !self.is_complete() => Next::Last(last),
            _ => Next::End,
        };
        Ok(Step { text, finished: None })
    }

    fn is_complete(&self) -> bool {
        self.output.count() >= self.budget || self.document.as_ref().is_some_and(Document::is_finished)
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

    fn finish(&mut self, reason: FinishReason, mut text: String) -> Step {
        self.finish_reason = Some(reason);
        text.push_str(&self.output.finish());
        Step { text, finished: Some(reason) }
    }
}

fn without_logits() -> Error {
    Error::new(Code::Internal, "a pass gave no logits where they were asked for")
}

/// The error for a prompt that leaves no room.
pub(crate) fn too_long(prompt_tokens: usize, more: usize, limit: usize) -> Error {
    Error::new(
        Code::ContextLength,
        format!(
            "the prompt has {prompt_tokens} tokens and needs room for {more} more; the context holds {limit}: shorten \
             the input or the role prompt"
        ),
    )
    .with("prompt_tokens", prompt_tokens)
    .with("required", prompt_tokens + more)
    .with("context_length", limit)
}
