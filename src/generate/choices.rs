//! Several texts of one prompt: the prompt is read once, and the texts are written in one batch.

use super::GenerateOptions;
use super::context::Context;
use super::engine::Slot;
use super::generation::Generation;
use super::sequence::{CHUNK, Sequence};
use super::session::{Held, Session};
use crate::control::{Cancel, Control};
use crate::error::{Code, Result};
use crate::options::Options;

/// Texts of different prompts that are written together.
const BATCH: usize = 16;
/// Seeds that every reader of JSON holds exactly.
const SEED_BITS: u32 = 53;

/// The seed of a choice: the first has the call's own, so that it is the text of a call for one.
fn seed_of(seed: u64, index: usize) -> u64 {
    if index == 0 {
        return seed;
    }
    // SplitMix64 (Steele et al. 2014): neighbouring seeds and indices lead far apart.
    let mut mixed = seed.wrapping_add((index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed ^ (mixed >> 31)) >> (u64::BITS - SEED_BITS)
}

impl Session {
    /// Generates as many texts for `prompt` as the option `n` says. Each is what a call for one with its seed gives; the
    /// first has the seed of the options. A request to stop ends those that are not complete, and is not an error.
    pub fn choices(&mut self, prompt: &str, options: &GenerateOptions, cancel: &Cancel) -> Result<Vec<Generation>> {
        if options.n == 1 {
            return Ok(vec![self.generate(prompt, options, cancel, &mut |_| Control::Continue)?]);
        }
        options.validate()?;
        let ids = self.prompt_ids(prompt, options)?;
        let held = match self.held_to(options, cancel) {
            Err(err) if err.code() == Code::Cancelled => {
                let none = |index| Generation::cancelled(ids.len(), seed_of(options.seed, index));
                return Ok((0..options.n).map(none).collect());
            }
            other => other?,
        };
        let choice = |index| GenerateOptions { seed: seed_of(options.seed, index), ..options.clone() };
        let choices: Vec<GenerateOptions> = (0..options.n).map(choice).collect();
        self.texts_of(&ids, &choices, &held, cancel)
    }

    /// Generates the text for `prompt`, and in the same batch `count` variants of it, drawn from the model's whole
    /// distribution: what it might have said instead.
    ///
    /// # Errors
    /// As for [`Session::generate`], and `Cancelled`.
    pub(crate) fn with_variants(
        &mut self,
        prompt: &str,
        options: &GenerateOptions,
        count: usize,
        cancel: &Cancel,
    ) -> Result<Vec<Generation>> {
        options.validate()?;
        options.check_one()?;
        let ids = self.prompt_ids(prompt, options)?;
        let held = self.held_to(options, cancel)?;
        let variant = |index| GenerateOptions {
            seed: seed_of(options.seed, index),
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            typical_p: 1.0,
            ..options.clone()
        };
        let all: Vec<GenerateOptions> = std::iter::once(options.clone()).chain((1..=count).map(variant)).collect();
        let texts = self.texts_of(&ids, &all, &held, cancel)?;
        cancel.check()?;
        Ok(texts)
    }

    /// Generates the text for each of other prompts as `options` say, several in a batch, where each is expected to repeat the
    /// text `expected` for the most part: what does costs less. What a prompt begins with as the one before these did is not
    /// read again.
    ///
    /// # Errors
    /// As for [`Session::generate`], and `Cancelled`.
    pub(crate) fn for_prompts(
        &mut self,
        prompts: &[String],
        expected: &Generation,
        options: &GenerateOptions,
        cancel: &Cancel,
    ) -> Result<Vec<Generation>> {
        options.validate()?;
        options.check_one()?;
        let held = self.held_to(options, cancel)?;
        let expected: Vec<u32> = expected.tokens.iter().map(|token| token.id).collect();
        let mut waiting = prompts.iter().enumerate();
        let mut texts = vec![None; prompts.len()];
        let (mut slots, mut places) = (Vec::new(), Vec::new());
        loop {
            for (place, prompt) in waiting.by_ref().take(BATCH - slots.len()) {
                let ids = self.prompt_ids(prompt, options)?;
                let sequence = self.sequence(ids, options, held.clone(), self.context.limit())?;
                slots.push(Slot::new(sequence.expecting(&expected), self.context.fork()));
                places.push(place);
            }
            if slots.is_empty() {
                return Ok(texts.into_iter().flatten().collect());
            }
            cancel.check()?;
            self.engine.step(&mut slots).into_iter().try_for_each(|step| step.map(drop))?;
            for at in (0..slots.len()).rev().filter(|at| slots[*at].is_finished()).collect::<Vec<_>>() {
                texts[places.swap_remove(at)] = Some(slots.swap_remove(at).sequence.summary());
            }
        }
    }

    /// One text of the prompt for each of `options`.
    fn texts_of(
        &mut self,
        prompt: &[u32],
        options: &[GenerateOptions],
        held: &Held,
        cancel: &Cancel,
    ) -> Result<Vec<Generation>> {
        let sequence = |options| self.sequence(prompt.to_vec(), options, held.clone(), self.context.limit());
        let sequences = options.iter().map(sequence).collect::<Result<Vec<_>>>()?;
        let mut slots = self.share(prompt, sequences, cancel)?;
        self.write(&mut slots, cancel)?;
        let texts = slots.iter().map(|slot| slot.sequence.summary()).collect();
        if let Some(first) = slots.into_iter().next() {
            self.context = first.into_context();
        }
        Ok(texts)
    }

    /// Writes all texts to their ends, a token of each at a time. A request to stop ends those that are not complete.
    fn write(&self, slots: &mut [Slot], cancel: &Cancel) -> Result<()> {
        while !slots.iter().all(Slot::is_finished) {
            if cancel.check().is_err() {
                slots.iter_mut().filter(|slot| !slot.is_finished()).for_each(|slot| drop(slot.sequence.cancel()));
                break;
            }
            self.engine.step(slots).into_iter().try_for_each(|step| step.map(drop))?;
        }
        Ok(())
    }

    /// Each sequence with a context that has read the whole chunks of the prompt; they share its blocks.
    fn share(&mut self, prompt: &[u32], sequences: Vec<Sequence>, cancel: &Cancel) -> Result<Vec<Slot>> {
        let empty = self.context.fresh();
        let mut context = std::mem::replace(&mut self.context, empty);
        let budget = sequences.first().map_or(1, Sequence::budget);
        self.read_ahead(&mut context, prompt, budget, cancel)?;
        let forks: Vec<Context> = sequences.iter().skip(1).map(|_| context.fork()).collect();
        let contexts = std::iter::once(context).chain(forks);
        Ok(sequences.into_iter().zip(contexts).map(|(sequence, context)| Slot::new(sequence, context)).collect())
    }

    /// Reads the whole chunks of a prompt, in the pieces in which a sequence would; fewer after a request to stop.
    fn read_ahead(&self, context: &mut Context, prompt: &[u32], budget: usize, cancel: &Cancel) -> Result<()> {
        let shared = context.begin(prompt, budget)?;
        let whole = (prompt.len() - 1) / CHUNK * CHUNK;
        for piece in prompt.get(shared..whole).unwrap_or_default().chunks(self.engine.chunk()) {
            if cancel.check().is_err() {
                break;
            }
            self.engine.read(context, piece, 0)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::FinishReason;
    use crate::generate::test_support::*;
    use std::collections::HashSet;

    const PROMPT: &str = "岗位:P7高级架构师,绩效:A/A-,潜力:高,技术深度:9/10,跨团队协作:6/10,";

    #[test]
    fn seeds_lead_far_apart_and_fit_every_reader() {
        let seeds: HashSet<u64> = (0..40).flat_map(|seed| (0..32).map(move |index| seed_of(seed, index))).collect();
        assert_eq!(seeds.len(), 40 * 32);
        assert!(seeds.iter().all(|seed| *seed < 1 << SEED_BITS));
        assert_eq!(seed_of(u64::MAX, 0), u64::MAX);
    }

    #[test]
    fn each_choice_is_what_its_seed_gives_alone() {
        let model = tiny_model();
        // Less than a chunk, and more than two of them.
        for prompt in [PROMPT.to_owned(), PROMPT.repeat(4)] {
            let mut used = session(&model);
            let all = options(r#"{"temperature":1.1,"seed":7,"max_tokens":24,"n":5}"#);
            let choices = used.choices(&prompt, &all, &Cancel::new()).unwrap();
            assert_eq!(choices.len(), 5);
            assert_eq!(choices[0].seed, 7);
            for choice in &choices {
                let alone = format!(r#"{{"temperature":1.1,"seed":{},"max_tokens":24}}"#, choice.seed);
                let alone = generate(&mut session(&model), &prompt, &alone);
                assert_eq!((&alone.text, alone.finish_reason), (&choice.text, choice.finish_reason));
                if model.decoder().device().is_host() {
                    assert_eq!(&alone, choice);
                }
            }
            assert!(choices.iter().map(|choice| &choice.text).collect::<HashSet<_>>().len() > 1);
            let again = used.choices(&prompt, &all, &Cancel::new()).unwrap();
            assert_eq!(
                again.iter().map(|c| &c.text).collect::<Vec<_>>(),
                choices.iter().map(|c| &c.text).collect::<Vec<_>>()
            );
        }
        // Nobody holds blocks that nobody reads, but for those with which prompts to come may begin.
        let pool = model.decoder().kv_pool().lock().unwrap();
        assert!(pool.rows() <= 2 * pool.known_rows(), "{} rows, {} known", pool.rows(), pool.known_rows());
    }

    #[test]
    fn each_choice_is_a_document_of_its_own() {
        let model = random_model();
        let asked = options(
            r#"{"temperature":1,"n":4,"max_tokens":40,"json_schema":{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"],"additionalProperties":false}}"#,
        );
        for choice in session(&model).choices("x", &asked, &Cancel::new()).unwrap() {
            let document: serde_json::Value = serde_json::from_str(&choice.text).unwrap();
            assert!(document["a"].is_i64() || document["a"].is_number(), "{}", choice.text);
        }
    }

    /// What is expected changes no text, whether it comes true or not.
    #[test]
    fn texts_of_other_prompts_are_what_they_are_alone() {
        let model = tiny_model();
        let values = ["A", "A-", "B", "B+", "C", "C+", "D", "S"];
        let prompts: Vec<String> = values
            .iter()
            .flat_map(|value| [PROMPT.replace("A/A-", value), PROMPT.repeat(3).replacen("P7", value, 1)])
            .chain(std::iter::repeat_n("short".to_owned(), 9))
            .collect();
        for more in [r#""temperature":0"#, r#""temperature":0.8,"seed":3"#, r#""temperature":0,"speculation":false"#] {
            let asked = options(&format!(r#"{{"max_tokens":30,{more}}}"#));
            let mut used = session(&model);
            for expected in [PROMPT, "another prompt, whose text is expected in vain"] {
                let expected = used.generate(expected, &asked, &Cancel::new(), &mut |_| Control::Continue).unwrap();
                let texts = used.for_prompts(&prompts, &expected, &asked, &Cancel::new()).unwrap();
                assert_eq!(texts.len(), prompts.len());
                for (prompt, text) in prompts.iter().zip(&texts) {
                    let alone = generate(&mut session(&model), prompt, &format!(r#"{{"max_tokens":30,{more}}}"#));
                    assert_eq!(alone.text, text.text, "{more}: {prompt}");
                }
            }
        }
    }

    #[test]
    fn a_request_to_stop_ends_all() {
        let model = random_model();
        let cancel = Cancel::new();
        cancel.request();
        let asked = options(r#"{"n":3,"max_tokens":50}"#);
        let choices = session(&model).choices(&"long ".repeat(40), &asked, &cancel).unwrap();
        assert_eq!(choices.len(), 3);
        assert!(choices.iter().all(|choice| choice.finish_reason == FinishReason::Cancelled && choice.text.is_empty()));
    }

    #[test]
    fn one_text_is_written_where_one_is_asked_for() {
        let mut session = session(&random_model());
        let asked = options(r#"{"n":2}"#);
        let err = session.generate("a", &asked, &Cancel::new(), &mut |_| Control::Continue).unwrap_err();
        assert_eq!(err.details()["option"], "n");
        assert_eq!(session.stream("a", &asked).map(drop).unwrap_err().details()["option"], "n");
        let long = session.choices("a", &options(r#"{"n":2,"max_tokens":3}"#), &Cancel::new()).unwrap();
        assert_eq!(long.len(), 2);
    }
}
