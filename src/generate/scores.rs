//! The log-probabilities of many given texts, read side by side. What they begin with in common is read once.

use super::context::Context;
use super::engine::Engine;
use super::logits::log_probability;
use super::session::Session;
use crate::control::Cancel;
use crate::error::Result;
use crate::model::Logits;

/// Texts that are read at the same time.
const AT_ONCE: usize = 8;
/// Bytes of logits of a pass: so many of its tokens may be scored.
const LOGIT_BYTES: usize = 96 << 20;

/// A completion after a prompt, as far as it is read.
struct Reading {
    /// Its place among the texts.
    index: usize,
    context: Context,
    /// The prompt and the completion.
    ids: Vec<u32>,
    /// Tokens of the prompt.
    prompt: usize,
    /// Tokens that were read.
    read: usize,
    scores: Vec<f32>,
}

impl Session {
    /// The log-probability of each token of `completion` after `prompt`, in nats.
    pub(crate) fn score(&mut self, prompt: &[u32], completion: &[u32], cancel: &Cancel) -> Result<Vec<f32>> {
        let texts = vec![(prompt.to_vec(), completion.to_vec())];
        Ok(self.score_many(texts, cancel)?.pop().unwrap_or_default())
    }

    /// The log-probability of each token of completions after prompts, in nats, in the order of the texts. Those that
    /// begin as the first does cost what follows that beginning.
    pub(crate) fn score_many(&mut self, texts: Vec<(Vec<u32>, Vec<u32>)>, cancel: &Cancel) -> Result<Vec<Vec<f32>>> {
        let mut scores = vec![Vec::new(); texts.len()];
        let mut waiting = texts.into_iter().enumerate().filter(|(_, (_, completion))| !completion.is_empty());
        let Some((index, (prompt, completion))) = waiting.next() else { return Ok(scores) };
        let empty = self.context.fresh();
        let mut context = std::mem::replace(&mut self.context, empty);
        let read = context.begin(&prompt, completion.len())?;
        let mut first = [Reading::new(index, context, prompt, &completion, read)];
        while !first[0].is_finished() {
            self.engine.score(&mut first, cancel)?;
        }
        let [first] = first;
        scores[first.index] = first.scores;
        self.context = first.context;
        let mut readings: Vec<Reading> = Vec::new();
        loop {
            while readings.len() < AT_ONCE {
                let Some((index, (prompt, completion))) = waiting.next() else { break };
                let (context, read) = self.context.fork_for(&prompt, completion.len())?;
                readings.push(Reading::new(index, context, prompt, &completion, read));
            }
            if readings.is_empty() {
                return Ok(scores);
            }
            self.engine.score(&mut readings, cancel)?;
            for finished in readings.extract_if(.., |reading| reading.is_finished()) {
                scores[finished.index] = finished.scores;
            }
        }
    }
}

impl Engine {
    /// One pass of each reading's next tokens.
    fn score(&self, readings: &mut [Reading], cancel: &Cancel) -> Result<()> {
        cancel.check()?;
        let most = (LOGIT_BYTES / (4 * self.vocab_size())).clamp(1, self.chunk() * readings.len());
        let each = self.chunk().min((most / readings.len()).max(1));
        let counts: Vec<usize> = readings.iter().map(|reading| reading.next(each)).collect();
        let requests = readings.iter_mut().zip(&counts).map(|(reading, count)| {
            let tokens = reading.ids[reading.read..reading.read + count].to_vec();
            let outputs = reading.outputs(*count);
            (&mut reading.context, tokens, outputs)
        });
        let replies = self.read_many(requests);
        readings
            .iter_mut()
            .zip(replies)
            .zip(counts)
            .try_for_each(|((reading, logits), count)| reading.take(&logits?, count))
    }
}

impl Reading {
    fn new(index: usize, context: Context, prompt: Vec<u32>, completion: &[u32], read: usize) -> Self {
        let (length, scores) = (prompt.len(), Vec::with_capacity(completion.len()));
        let ids = [prompt.as_slice(), completion].concat();
        Reading { index, context, ids, prompt: length, read, scores }
    }

    /// Nothing follows the last token that would have to be said.
    fn is_finished(&self) -> bool {
        self.read + 1 >= self.ids.len()
    }

    /// Of at most `most` tokens, how many are read next.
    fn next(&self, most: usize) -> usize {
        most.min(self.ids.len() - 1 - self.read)
    }

    /// After how many of the next `count` tokens, from the end, a token of the completion stands.
    fn outputs(&self, count: usize) -> usize {
        count.min((self.read + count + 1).saturating_sub(self.prompt))
    }

    /// The logits after them.
    fn take(&mut self, logits: &Logits, count: usize) -> Result<()> {
        self.read += count;
        let following = &self.ids[self.read + 1 - logits.len()..];
        for (logits, id) in logits.iter().zip(following) {
            self.scores.push(log_probability(logits, *id)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::test_support::*;

    /// Prompts that begin alike for a while, with completions of any length.
    fn texts() -> Vec<(Vec<u32>, Vec<u32>)> {
        let ids = |count: usize, first: u32| (0..).map(|i| 5 + (first + 7 * i) % 250).take(count).collect::<Vec<u32>>();
        let role = ids(150, 3);
        let text = |shared: usize, own: usize, completion: usize| {
            let prompt = [&role[..shared], &ids(own, (shared + own) as u32)].concat();
            (prompt, ids(completion, 1))
        };
        let mut texts = vec![text(150, 20, 90)];
        texts.extend((0..20).map(|index| text(7 * index, 1 + 11 * (index % 4), 70 + index)));
        texts.extend([text(100, 3, 0), text(0, 1, 1), text(150, 0, 90), text(64, 0, 1)]);
        texts
    }

    #[test]
    fn each_text_has_the_scores_that_it_has_alone() {
        let model = random_model();
        let mut used = session(&model);
        used.attach(&adapter(&model), 1.5).unwrap();
        let together = used.score_many(texts(), &Cancel::new()).unwrap();
        for ((prompt, completion), scores) in texts().iter().zip(&together) {
            let mut alone = session(&model);
            alone.attach(&adapter(&model), 1.5).unwrap();
            let alone = alone.score(prompt, completion, &Cancel::new()).unwrap();
            assert_eq!(alone.len(), completion.len());
            // Read in pieces of other sizes, so that last bits may differ.
            assert!(alone.iter().zip(scores).all(|(one, other)| (one - other).abs() < 1e-3), "{alone:?} {scores:?}");
        }
        assert_eq!(used.score_many(texts(), &Cancel::new()).unwrap(), together);
        assert!(used.score_many(Vec::new(), &Cancel::new()).unwrap().is_empty());
        // Room for those that are read at the same time, however many there are.
        let pool = model.decoder().kv_pool().lock().unwrap();
        assert!(pool.rows() <= 2 * ((1 + AT_ONCE) * 320 + pool.known_rows()), "{} rows", pool.rows());
    }

    #[test]
    fn a_text_that_cannot_be_read_is_an_error() {
        let model = random_model();
        let mut used = session(&model);
        let mut texts = texts();
        texts.push((vec![7; 500], vec![7; 13]));
        let err = used.score_many(texts.clone(), &Cancel::new()).unwrap_err();
        assert_eq!(err.details()["required"], 513);
        let cancel = Cancel::new();
        cancel.request();
        assert_eq!(used.score_many(texts, &cancel).unwrap_err().code(), crate::error::Code::Cancelled);
    }
}
