//! One generation as a machine that is asked for its next piece of text.

use super::GenerateOptions;
use super::constraint::Constraint;
use super::context::Context;
use super::generation::{FinishReason, Generation};
use super::output::Output;
use super::sampler::{Sampler, check_numbers, log_probability};
use crate::control::Cancel;
use crate::error::{Code, Error, Result};

/// A text being generated. Independent of the session that opened it: the session may be used, changed or dropped.
pub struct Stream {
    context: Context,
    prompt: Vec<u32>,
    /// Most tokens that may be generated.
    budget: usize,
    seed: u64,
    eos_token_ids: Vec<u32>,
    sampler: Sampler,
    document: Option<Document>,
    output: Output,
    next: Next,
    finish_reason: Option<FinishReason>,
}

/// Where the logits for the next token come from.
enum Next {
    /// The prompt was not read yet.
    Prompt,
    /// Known already.
    Logits(Vec<f32>),
    /// This token was generated but not read yet.
    After(u32),
}

/// A JSON document in the making.
struct Document {
    constraint: Constraint,
}

impl Stream {
    /// `context` is where the prompt is read; it is kept until `into_context`.
    pub(super) fn open(
        context: Context,
        prompt: Vec<u32>,
        options: &GenerateOptions,
        eos_token_ids: &[u32],
        output: Output,
        constraint: Option<Constraint>,
    ) -> Result<Self> {
        let room = context.limit().saturating_sub(prompt.len());
        if room == 0 {
            return Err(super::context::too_long(prompt.len(), 1, context.limit()));
        }
        let budget = options.max_tokens.min(room);
        let document = constraint.map(|constraint| Document::new(constraint, budget)).transpose()?;
        Ok(Stream {
            context,
            prompt,
            budget,
            seed: options.seed,
            eos_token_ids: eos_token_ids.to_vec(),
            sampler: Sampler::new(options),
            document,
            output,
            next: Next::Prompt,
            finish_reason: None,
        })
    }

    /// The next piece of text, whole characters that are certain to stay; `None` at the end, also when `cancel` made
    /// it the end.
    pub fn next(&mut self, cancel: &Cancel) -> Result<Option<String>> {
        while self.finish_reason.is_none() {
            let piece = match self.step(cancel) {
                Err(err) if err.code() == Code::Cancelled => self.finish(FinishReason::Cancelled)?,
                other => other?,
            };
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    /// Ends the text here, as a request to stop would.
    pub fn cancel(&mut self) {
        self.finish_reason.get_or_insert(FinishReason::Cancelled);
    }

    /// The text so far; `Cancelled` as its finish reason if it has not ended by itself.
    pub fn summary(&self) -> Generation {
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

    pub(super) fn into_context(self) -> Context {
        self.context
    }

    /// One sampled token and what it forces; the text that became certain.
    fn step(&mut self, cancel: &Cancel) -> Result<String> {
        cancel.check()?;
        if matches!(self.next, Next::Prompt) {
            let logits = self.context.prefill(&self.prompt, self.budget, cancel)?;
            self.next = Next::Logits(logits);
            self.sampler.observe(&self.prompt);
            let forced = self.document.as_mut().map(|document| document.constraint.take_forced()).transpose()?;
            return self.append(&forced.unwrap_or_default());
        }
        if self.document.as_ref().is_some_and(|document| document.constraint.is_finished()) {
            return self.finish(FinishReason::Stop);
        }
        if self.output.count() >= self.budget {
            let complete = match self.document.as_mut() {
                None => true,
                Some(document) => document.constraint.way_out(0).is_some(),
            };
            return if complete { self.finish(FinishReason::Length) } else { Err(unfinished(self.budget)) };
        }
        let id = self.sample()?;
        if self.eos_token_ids.contains(&id) {
            return self.finish(FinishReason::Stop);
        }
        match self.document.as_mut() {
            None => self.append(&[id]),
            Some(document) => match document.commit(id, self.output.count(), self.budget)? {
                Advance::Tokens(tokens) => self.append(&tokens),
                Advance::End(tokens) => {
                    let mut piece = self.append(&tokens)?;
                    piece.push_str(&self.finish(FinishReason::Length)?);
                    Ok(piece)
                }
            },
        }
    }

    fn sample(&mut self) -> Result<u32> {
        let logits = self.logits()?;
        // Also where the log-probability is not needed: NaN must not decide anything.
        check_numbers(&logits)?;
        let id = match self.document.as_mut() {
            None => self.sampler.sample(&logits, |_| true)?,
            Some(document) => {
                let mask = document.constraint.mask()?;
                self.sampler.sample(&logits, |id| (id as usize) < mask.len() && mask.is_allowed(id))?
            }
        };
        self.next = Next::Logits(logits);
        Ok(id)
    }

    /// The logits for the token that comes next, moved out of `self.next`.
    fn logits(&mut self) -> Result<Vec<f32>> {
        match std::mem::replace(&mut self.next, Next::Logits(Vec::new())) {
            Next::Logits(logits) => Ok(logits),
            Next::After(token) => Ok(self.context.extend(&[token])?.pop().unwrap_or_default()),
            Next::Prompt => Err(Error::new(Code::Internal, "a token was asked for before the prompt was read")),
        }
    }

    /// Adds tokens to the text. All but the last are read in one forward pass, which gives the log-probabilities of
    /// those that were forced; the last is read when something follows it.
    fn append(&mut self, tokens: &[u32]) -> Result<String> {
        let Some((&last, read)) = tokens.split_last() else { return Ok(String::new()) };
        let mut rows = vec![self.logits()?];
        if !read.is_empty() {
            rows.extend(self.context.extend(read)?);
        }
        self.sampler.observe(tokens);
        self.next = Next::After(last);
        let mut certain = String::new();
        for (&id, logits) in tokens.iter().zip(&rows) {
            let bytes = self.document.as_ref().map(|document| document.constraint.bytes(id)).unwrap_or_default();
            certain.push_str(&self.output.push(id, log_probability(logits, id)?, &bytes));
        }
        if self.output.is_stopped() {
            certain.push_str(&self.finish(FinishReason::StopString)?);
        }
        Ok(certain)
    }

    fn finish(&mut self, reason: FinishReason) -> Result<String> {
        self.finish_reason = Some(reason);
        Ok(self.output.finish())
    }
}

/// What a sampled token of a document leads to.
enum Advance {
    /// These tokens: the sampled one and those it forces.
    Tokens(Vec<u32>),
    /// The sampled one would lead too far from the end; these end the document instead.
    End(Vec<u32>),
}

impl Document {
    fn new(constraint: Constraint, budget: usize) -> Result<Self> {
        let mut start = constraint.clone();
        let forced = start.take_forced()?.len();
        if budget.checked_sub(forced).and_then(|left| start.way_out(left)).is_some() {
            return Ok(Document { constraint });
        }
        start.check_vocabulary()?;
        Err(unfinished(budget))
    }

    /// Takes `id`, unless the document could then not be ended within `budget`; `count` tokens were generated before.
    fn commit(&mut self, id: u32, count: usize, budget: usize) -> Result<Advance> {
        // What is forced is part of every way out, so it takes no more tokens than bytes of that.
        if self.constraint.surely_ends_after(id, budget.saturating_sub(count + 1)) {
            return Ok(Advance::Tokens(self.take(id)?));
        }
        let before = self.constraint.clone();
        let tokens = self.take(id)?;
        let left = budget.checked_sub(count + tokens.len());
        if left.and_then(|left| self.constraint.way_out(left)).is_some() {
            return Ok(Advance::Tokens(tokens));
        }
        self.constraint = before;
        let way_out = self.constraint.way_out(budget.saturating_sub(count));
        Ok(Advance::End(way_out.ok_or_else(|| unfinished(budget))?))
    }

    fn take(&mut self, id: u32) -> Result<Vec<u32>> {
        let mut tokens = vec![id];
        tokens.extend(self.constraint.commit(id)?);
        Ok(tokens)
    }
}

fn unfinished(budget: usize) -> Error {
    Error::new(
        Code::Schema,
        format!(
            "no document of the JSON Schema could be finished within {budget} tokens; raise `max_tokens`, or bound the \
             schema (`maxLength`, `maxItems`, no recursion)"
        ),
    )
    .with("max_tokens", budget)
}
