//! A document in the making that always ends within its token limit.

use super::constraint::Constraint;
use crate::error::{Code, Error, Result};
use llguidance::toktrie::SimpleVob;

/// A document and the most tokens it may take.
#[derive(Clone)]
pub(crate) struct Document {
    constraint: Constraint,
    budget: usize,
    /// The next mask, if it was made ahead.
    mask: Option<Result<SimpleVob>>,
}

/// What a sampled token of a document leads to.
pub(crate) enum Advance {
    /// These tokens: the sampled one and those it forces.
    Tokens(Vec<u32>),
    /// The sampled one would lead too far from the end; these end the document instead.
    End(Vec<u32>),
}

impl Document {
    /// Refuses a document that cannot be finished within `budget` tokens.
    pub(crate) fn new(constraint: Constraint, budget: usize) -> Result<Self> {
        let mut start = constraint.clone();
        let forced = start.take_forced()?.len();
        if budget.checked_sub(forced).and_then(|left| start.way_out(left)).is_some() {
            return Ok(Document { constraint, budget, mask: None });
        }
        start.check_vocabulary()?;
        Err(unfinished(start.form(), budget))
    }

    /// Makes the next mask.
    pub(crate) fn prepare(&mut self) {
        self.mask = Some(self.constraint.mask());
    }

    /// The tokens that may come next.
    pub(crate) fn mask(&mut self) -> Result<SimpleVob> {
        self.mask.take().unwrap_or_else(|| self.constraint.mask())
    }

    /// Text that the schema leaves no choice about, as tokens; they are taken.
    pub(crate) fn take_forced(&mut self) -> Result<Vec<u32>> {
        self.constraint.take_forced()
    }

    /// The bytes that a token adds to the document.
    pub(crate) fn bytes(&self, token: u32) -> Vec<u8> {
        self.constraint.bytes(token)
    }

    /// Whether it is one of JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.constraint.is_json()
    }

    /// What it follows, for messages.
    pub(crate) fn form(&self) -> &'static str {
        self.constraint.form()
    }

    /// Takes the tokens that it begins with. `false`: no document does that can be ended within the budget.
    pub(crate) fn replay(&mut self, tokens: &[u32]) -> Result<bool> {
        self.mask = None;
        if !self.constraint.replay(tokens)? {
            return Ok(false);
        }
        let left = self.budget.checked_sub(tokens.len());
        Ok(left.and_then(|left| self.constraint.way_out(left)).is_some())
    }

    /// What comes next in any case, beyond the tokens that were taken.
    pub(crate) fn forced_bytes(&self) -> Vec<u8> {
        self.constraint.forced_bytes()
    }

    /// Whether nothing can follow.
    pub(crate) fn is_finished(&self) -> bool {
        self.constraint.is_finished()
    }

    /// Fails unless the document may end here.
    pub(crate) fn check_end(&self) -> Result<()> {
        self.constraint.way_out(0).map(drop).ok_or_else(|| unfinished(self.constraint.form(), self.budget))
    }

    /// Takes `id`, unless the document could then not be ended within its budget; `count` tokens were generated before.
    pub(crate) fn commit(&mut self, id: u32, count: usize) -> Result<Advance> {
        // What is forced is part of every way out, so it takes no more tokens than bytes of that.
        if self.constraint.surely_ends_after(id, self.budget.saturating_sub(count + 1)) {
            return Ok(Advance::Tokens(self.take(id)?));
        }
        let before = self.constraint.clone();
        let tokens = self.take(id)?;
        let left = self.budget.checked_sub(count + tokens.len());
        if left.and_then(|left| self.constraint.way_out(left)).is_some() {
            return Ok(Advance::Tokens(tokens));
        }
        self.constraint = before;
        let way_out = self.constraint.way_out(self.budget.saturating_sub(count));
        Ok(Advance::End(way_out.ok_or_else(|| unfinished(self.constraint.form(), self.budget))?))
    }

    fn take(&mut self, id: u32) -> Result<Vec<u32>> {
        let mut tokens = vec![id];
        tokens.extend(self.constraint.commit(id)?);
        Ok(tokens)
    }
}

fn unfinished(form: &str, budget: usize) -> Error {
    let bounds =
        if form == "JSON Schema" { "`maxLength`, `maxItems`, no recursion" } else { "upper limits of what repeats" };
    let why = format!(
        "no document of the {form} could be finished within {budget} tokens; raise `max_tokens`, or bound it ({bounds})"
    );
    Error::new(Code::Schema, why).with("max_tokens", budget)
}
