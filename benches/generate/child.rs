//! One measurement of ours, in a process of its own.

use crate::Outcome;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, Instant};
use tailora::options::from_value;
use tailora::{
    Adapter, AdapterOptions, Cancel, Control, GenerateOptions, LanguageModel, Monitor, Session, SessionOptions,
};

/// With an adapter: how often the texts are timed without and with it, in turn.
const PAIRS: usize = 3;

/// Generates as `job` says and prints one JSON object.
pub fn run(job: &Path) -> Outcome {
    let job: Value = serde_json::from_slice(&std::fs::read(job)?)?;
    let path = |value: &Value| value.as_str().map(|path| Path::new(path).to_owned());
    let file = path(&job["file"]).ok_or("the job has no file")?;
    let model = LanguageModel::load(&file, &from_value(job["model"].clone())?, &mut Monitor::none())?;
    let adapter = match path(&job["adapter"]) {
        None => None,
        Some(dir) => Some(model.load_adapter(&dir, &AdapterOptions::default())?),
    };
    let number = |name: &str| job[name].as_u64().unwrap_or_default() as usize;
    let mut texts = Texts {
        model,
        at_once: number("at_once"),
        prompt: number("prompt"),
        completion: number("completion"),
        random: StdRng::seed_from_u64(4),
    };
    let (pairs, adapters) = match &adapter {
        None => (1, vec![None]),
        Some(adapter) => (PAIRS, vec![None, Some(adapter)]),
    };
    // Not timed: memory is touched for the first time, threads start.
    for adapter in &adapters {
        texts.time(*adapter, texts.completion.min(4))?;
    }
    let mut seconds = vec![0.0; adapters.len()];
    for _ in 0..pairs {
        for (adapter, sum) in adapters.iter().zip(&mut seconds) {
            *sum += texts.time(*adapter, texts.completion)?.as_secs_f64();
        }
    }
    let seconds: Vec<f64> = seconds.iter().map(|sum| sum / pairs as f64).collect();
    println!("{}", json!({"bare_seconds": seconds[0], "seconds": seconds.last()}));
    Ok(())
}

struct Texts {
    model: LanguageModel,
    at_once: usize,
    prompt: usize,
    completion: usize,
    random: StdRng,
}

impl Texts {
    /// From the moment that all threads ask to that at which the last has its text.
    fn time(&mut self, adapter: Option<&Adapter>, completion: usize) -> Outcome<Duration> {
        let options: GenerateOptions = from_value(json!({"raw": true, "max_tokens": completion}))?;
        let mut sessions = Vec::new();
        for _ in 0..self.at_once {
            let mut session = Session::new(&self.model, &SessionOptions::default())?;
            if let Some(adapter) = adapter {
                session.attach(adapter, 1.0)?;
            }
            sessions.push((session, self.letters()));
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

    /// A prompt like no other: nothing that was read before can be used again.
    fn letters(&mut self) -> String {
        (0..self.prompt).map(|_| char::from(self.random.random_range(b'a'..=b'z'))).collect()
    }
}
