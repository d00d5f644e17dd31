//! Texts that are read or written at the same time, as a host asks for them.

use crate::program::Outcome;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use std::sync::Barrier;
use std::time::{Duration, Instant};
use tailora::options::from_value;
use tailora::{Adapter, Cancel, Control, GenerateOptions, LanguageModel, Session, SessionOptions};

/// Sequences of a size, each from a thread and in a session of its own.
pub struct Texts {
    model: LanguageModel,
    /// Sequences at once.
    at_once: usize,
    /// Tokens of each prompt.
    prompt: usize,
    random: StdRng,
}

impl Texts {
    /// The prompts are the same every time.
    pub fn new(model: &LanguageModel, at_once: usize, prompt: usize) -> Self {
        Texts { model: model.clone(), at_once, prompt, random: StdRng::seed_from_u64(4) }
    }

    /// From the moment that all threads ask to that at which the last has its text. Each token takes a pass: texts of random
    /// weights repeat themselves, which would be written ahead.
    pub fn time(&mut self, adapter: Option<&Adapter>, completion: usize) -> Outcome<Duration> {
        let options: GenerateOptions =
            from_value(json!({"raw": true, "speculation": false, "max_tokens": completion}))?;
        let mut sessions = Vec::new();
        for _ in 0..self.at_once {
            let mut session = Session::new(&self.model, &SessionOptions::default())?;
            if let Some(adapter) = adapter {
                session.attach(adapter, 1.0)?;
            }
            sessions.push((session, characters(&mut self.random, self.prompt)));
        }
        let start = Barrier::new(self.at_once + 1);
        let generate = |session: &mut Session, prompt: &str| {
            start.wait();
            session.generate(prompt, &options, &Cancel::new(), &mut |_| Control::Continue)
        };
        let (began, texts) = std::thread::scope(|scope| {
            let threads: Vec<_> =
                sessions.iter_mut().map(|(session, prompt)| scope.spawn(|| generate(session, prompt))).collect();
            start.wait();
            let began = Instant::now();
            (began, threads.into_iter().map(|thread| thread.join()).collect::<Vec<_>>())
        });
        let elapsed = began.elapsed();
        for text in texts {
            let text = text.map_err(|_| "a thread panicked")??;
            if (text.prompt_tokens, text.completion_tokens) != (self.prompt, completion) {
                let (prompt, made) = (text.prompt_tokens, text.completion_tokens);
                return Err(format!("{made} tokens after {prompt}; expected {completion} after {}", self.prompt).into());
            }
        }
        Ok(elapsed)
    }
}

/// A text like no other: nothing that was read before can be used again. Letters and digits in turn, which Qwen's rule
/// splits apart, so that each is a token whatever merges a tokenizer has.
pub fn characters(random: &mut StdRng, count: usize) -> String {
    let one = |at: usize| {
        char::from(if at.is_multiple_of(2) {
            random.random_range(b'a'..=b'z')
        } else {
            random.random_range(b'0'..=b'9')
        })
    };
    (0..count).map(one).collect()
}
