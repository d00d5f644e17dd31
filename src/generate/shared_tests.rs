//! Sessions on many threads of one model: each says, bit for bit, what it says alone.

use super::test_support::*;
use super::{Generation, Session};
use crate::control::{Cancel, Control};
use crate::language_model::LanguageModel;
use std::sync::Barrier;

const SCHEMA: &str = r#"{"type":"object","properties":{"rating":{"enum":["high","low"]},"years":{"type":"integer","minimum":0,"maximum":40}},"required":["rating","years"],"additionalProperties":false}"#;

/// A caller: adapters with their scales, prompt and options.
struct Caller {
    adapters: Vec<(bool, f64)>,
    prompt: String,
    options: String,
}

fn callers() -> Vec<Caller> {
    let adapters = [vec![], vec![(false, 1.0)], vec![(true, 0.5)], vec![(false, 0.7), (true, 1.0)]];
    let caller = |index: usize| Caller {
        adapters: adapters[index % 4].clone(),
        // Some longer than a chunk, so that prompts are read while others write.
        prompt: format!("employee {index}: {}", "rated A, potential high; ".repeat(1 + 3 * (index % 3))),
        options: match index % 3 {
            0 => format!(r#"{{"max_tokens":40,"temperature":0.9,"seed":{index}}}"#),
            1 => r#"{"max_tokens":25,"temperature":0}"#.to_owned(),
            _ => format!(r#"{{"max_tokens":60,"seed":{index},"json_schema":{SCHEMA}}}"#),
        },
    };
    (0..8).map(caller).collect()
}

fn session_of(model: &LanguageModel, caller: &Caller) -> Session {
    let mut session = session(model);
    for (second, scale) in &caller.adapters {
        let adapter = if *second { other_adapter(model) } else { adapter(model) };
        session.attach(&adapter, *scale).unwrap();
    }
    session
}

#[test]
fn threads_that_share_a_model_say_what_each_says_alone() {
    let model = random_model();
    let callers = callers();
    let say = |caller: &Caller| generate(&mut session_of(&model, caller), &caller.prompt, &caller.options);
    let alone: Vec<Generation> = callers.iter().map(say).collect();
    let start = Barrier::new(callers.len() + 1);
    let rounds = 3;
    std::thread::scope(|scope| {
        let together: Vec<_> = callers
            .iter()
            .map(|caller| {
                scope.spawn(|| {
                    start.wait();
                    (0..rounds).map(|_| say(caller)).collect::<Vec<_>>()
                })
            })
            .collect();
        // One who comes and goes, and never hears the end.
        let cancelled = scope.spawn(|| {
            start.wait();
            for (index, caller) in callers.iter().take(6).enumerate() {
                let (cancel, mut pieces) = (Cancel::new(), 0);
                let mut session = session_of(&model, caller);
                let options = options(r#"{"max_tokens":50,"temperature":1,"seed":3}"#);
                let mut listen = |_: &str| {
                    pieces += 1;
                    if pieces == index { Control::Stop } else { Control::Continue }
                };
                session.generate("who is it", &options, &cancel, &mut listen).unwrap();
            }
        });
        for (together, alone) in together.into_iter().zip(&alone) {
            for generation in together.join().unwrap() {
                assert_eq!((&generation.text, generation.finish_reason), (&alone.text, alone.finish_reason));
                if model.decoder().device().is_host() {
                    assert_eq!(&generation, alone);
                }
            }
        }
        cancelled.join().unwrap();
    });
    // Whoever is gone has given the memory back.
    assert_eq!(model.decoder().kv_pool().lock().unwrap().rows(), 0);
}

#[test]
fn a_request_that_cannot_be_read_does_not_harm_those_beside_it() {
    use crate::model::{BlockTable, LoraStack, Reply, Request};
    use std::sync::Arc;
    let model = random_model();
    let decoder = model.decoder();
    let request = |tokens: &[u32]| {
        let mut table = BlockTable::default();
        decoder.kv_pool().lock().unwrap().reserve(&mut table, tokens.len()).unwrap();
        Request { tokens: tokens.to_vec(), table, stack: Arc::new(LoraStack::none()), outputs: 1 }
    };
    let all =
        |reply: &Reply| reply.1.as_ref().unwrap().iter().map(|row| row.all().unwrap().to_vec()).collect::<Vec<_>>();
    let alone = all(&decoder.read(vec![request(&[5, 6, 7])])[0]);
    // A token that no vocabulary has, and a sequence without room.
    let mut without_room = request(&[1]);
    decoder.kv_pool().lock().unwrap().release(&mut without_room.table);
    let replies = decoder.read(vec![request(&[5, 6, 7]), request(&[1_000_000]), without_room]);
    assert_eq!(all(&replies[0]), alone);
    assert!(replies[1].1.as_ref().unwrap_err().message().contains("outside the model's vocabulary"));
    assert!(replies[2].1.is_err());
    for (mut request, _) in replies {
        decoder.kv_pool().lock().unwrap().release(&mut request.table);
    }
}
