//! A sequence's draws: of a token and those that it forces, past banned phrases.

use super::banned::Banned;
use super::document::{Advance, Document};
use super::generation::FinishReason;
use super::guard::{Guard, Instead, quoted};
use super::logits::check_numbers;
use super::next::Judged;
use super::sequence::{Sequence, Step};
use crate::error::{Code, Error, Result};
use crate::model::Row;
use crate::tokenize::Tokenizer;
use llguidance::toktrie::SimpleVob;
use std::sync::Arc;

/// Draws in one place that end in a banned phrase, before all tokens that complete one are looked for.
const DRAWS: usize = 16;
/// Draws in one place after that: of tokens that force a phrase.
const MOST_DRAWS: usize = 64;

impl Sequence {
    /// Keeps phrases out of it.
    pub(super) fn guarded(mut self, banned: Option<&Arc<Banned>>, tokenizer: &Tokenizer) -> Self {
        self.guard = banned.map(|banned| Guard::new(banned, tokenizer, self.document.as_ref()));
        if let Some(banned) = banned {
            let is_json = self.document.as_ref().is_some_and(Document::is_json);
            let written = |phrase: String| if is_json { quoted(&phrase) } else { phrase };
            self.output.hold_back(banned.replaced().into_iter().map(written).collect());
        }
        self
    }

    /// Takes what the text begins with whatever the logits say.
    pub(super) fn first_tokens(&mut self) -> Result<Vec<u32>> {
        let forced = self.document.as_mut().map(Document::take_forced).transpose()?.unwrap_or_default();
        match self.completed_by(&forced) {
            Some(phrase) => Err(self.leaves_nothing_else(phrase)),
            None => Ok(forced),
        }
    }

    /// Draws a token, and takes it with those that it forces.
    pub(super) fn draw(&mut self, logits: &Row) -> Result<Step> {
        // Also where the log-probability is not needed: NaN must not decide anything.
        check_numbers(logits)?;
        let mut ruled_out: Vec<(u32, usize)> = Vec::new();
        for draws in 1.. {
            let before = self.document.as_ref().filter(|_| self.guard.is_some()).cloned();
            let id = self.sample(logits, &ruled_out)?;
            if self.end_tokens.contains(&id) {
                return Ok(self.finish(FinishReason::Stop, String::new()));
            }
            let (tokens, then) = match self.document.as_mut() {
                None => (vec![id], None),
                Some(document) => match document.commit(id, self.output.count())? {
                    Advance::Tokens(tokens) => (tokens, None),
                    Advance::End(tokens) => (tokens, Some(FinishReason::Length)),
                },
            };
            let Some(phrase) = self.completed_by(&tokens) else { return self.append(tokens, logits, then) };
            if then.is_none()
                && let Some(instead) = self.instead(phrase, &tokens)?
            {
                return self.put(instead, logits);
            }
            self.document = before;
            ruled_out.push((id, phrase));
            if draws == DRAWS {
                ruled_out.extend(self.all_that_complete_a_phrase(logits.len()));
            }
            if draws == MOST_DRAWS {
                return Err(self.leaves_nothing_else(phrase));
            }
        }
        Ok(Step::default())
    }

    /// Draws one of the tokens that may come, but for some that would complete a phrase.
    fn sample(&mut self, logits: &Row, ruled_out: &[(u32, usize)]) -> Result<u32> {
        let mut mask = self.document.as_mut().map(Document::mask).transpose()?;
        if let Some((_, phrase)) = ruled_out.last() {
            let mask = mask.get_or_insert_with(|| SimpleVob::alloc_ones(logits.len()));
            ruled_out.iter().for_each(|(id, _)| mask.disallow_token(*id));
            if mask.is_zero() {
                return Err(self.leaves_nothing_else(*phrase));
            }
        }
        self.sampler.sample(logits, mask.as_ref())
    }

    fn all_that_complete_a_phrase(&self, vocabulary: usize) -> Vec<(u32, usize)> {
        (0..vocabulary as u32).filter_map(|id| Some((id, self.completed_by(&[id])?))).collect()
    }

    /// The phrase that the text would have with these tokens.
    fn completed_by(&self, tokens: &[u32]) -> Option<usize> {
        let guard = self.guard.as_ref()?;
        let phrase = guard.completed_by(tokens, self.document.as_ref())?;
        match tokens {
            // What a stop string takes away is not of the text.
            [id] => self.output.stopped_by(*id).map_or(Some(phrase), |text| guard.banned().find(text.as_bytes())),
            _ => Some(phrase),
        }
    }

    fn leaves_nothing_else(&self, phrase: usize) -> Error {
        let phrase = self.guard.as_ref().map_or("", |guard| guard.banned().phrase(phrase));
        let form = self.document.as_ref().map_or("text", Document::form);
        let why =
            format!("the {form} leaves nothing to write here but the banned phrase `{phrase}`; expected another way");
        Error::new(Code::Schema, why).with("phrase", phrase)
    }

    fn instead(&self, phrase: usize, tokens: &[u32]) -> Result<Option<Instead>> {
        let Some(guard) = &self.guard else { return Ok(None) };
        let can_begin = self.output.count() == 0 || self.after_prompt.is_some();
        let instead = guard.instead(phrase, tokens, &self.output, self.budget)?;
        Ok(instead.filter(|instead| instead.standing > 0 || can_begin))
    }

    /// Writes what is to stand in a phrase's place, `logits` being those after the text so far.
    fn put(&mut self, Instead { standing, mut tokens, document }: Instead, logits: &Row) -> Result<Step> {
        self.document = document;
        let placed = standing..standing + tokens.len();
        self.guard.iter_mut().for_each(|guard| guard.place(placed.clone()));
        if standing == self.output.count() {
            return self.append(tokens, logits, None);
        }
        let Some(last) = standing.checked_sub(1) else {
            self.take_back_to(0);
            let Some(after_prompt) = self.after_prompt.take() else { return Ok(Step::default()) };
            return self.append(tokens, &after_prompt, None);
        };
        // The logits after the last token that stands are gone: it is run again.
        let again = self.output.tokens()[last].clone();
        self.take_back_to(last);
        tokens.insert(0, again.id);
        Ok(self.together(tokens, Judged { logprob: again.logprob, top: again.top }, None))
    }

    /// Has the text end after its first `keep` tokens.
    fn take_back_to(&mut self, keep: usize) {
        self.wrong += self.output.count() - keep;
        let document = self.document.as_ref();
        self.output.take_back(keep, |id| document.map(|document| document.bytes(id)).unwrap_or_default());
        let standing: Vec<u32> = self.output.tokens().iter().map(|token| token.id).collect();
        self.guard.iter_mut().for_each(|guard| guard.begin_again(&standing, document));
        self.sampler.begin_again(&self.prompt, &standing);
        if let Some(lookup) = &mut self.lookup {
            lookup.replace(&self.prompt, &standing);
        }
    }
}
