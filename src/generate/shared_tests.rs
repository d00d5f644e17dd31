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
        // Some longer than a chunk, so that prompts are read while others write, and in other pieces than alone.
        prompt: format!("employee {index}: {}", "rated A, potential high; ".repeat(1 + 6 * (index % 3))),
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
    // Whoever is gone has given the memory back, but for what prompts to come may begin with.
    let pool = model.decoder().kv_pool().lock().unwrap();
    assert!(pool.rows() <= 2 * pool.known_rows(), "{} rows, {} known", pool.rows(), pool.known_rows());
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

/// Sessions one after the other, which find what earlier ones read, and a model that has read nothing.
#[test]
fn a_prompt_that_was_read_before_gives_the_same_text() {
    let role = "You review talent, soberly. ".repeat(9);
    let models: [fn() -> LanguageModel; 3] = [tiny_model, tiny_model_with_small_cache, random_model];
    for (index, load) in models.into_iter().enumerate() {
        let model = &load();
        let ask = |model: &LanguageModel, adapted: bool, case: usize, options: &str| {
            let mut session = session(model);
            if adapted {
                session.attach(&adapter(model), 1.5).unwrap();
            }
            let prompt = format!("{role}case {case}: rated A, potential high");
            generate(&mut session, &prompt, options)
        };
        for (case, options) in [
            r#"{"max_tokens":30}"#.to_owned(),
            r#"{"max_tokens":30,"temperature":0.9,"seed":3}"#.to_owned(),
            format!(r#"{{"max_tokens":60,"json_schema":{SCHEMA}}}"#),
        ]
        .iter()
        .enumerate()
        {
            for adapted in [false, true].into_iter().take(1 + index / 2) {
                let before = ask(model, adapted, case, options);
                let again = ask(model, adapted, case, options);
                let fresh = load();
                let alone = ask(&fresh, adapted, case, options);
                assert_eq!((&before.text, &again.text), (&alone.text, &alone.text));
                if model.decoder().device().is_host() {
                    assert_eq!((&before, &again), (&alone, &alone));
                }
            }
        }
        assert!(model.decoder().kv_pool().lock().unwrap().known_rows() > 0);
    }
}

#[test]
fn a_prompt_that_many_read_at_once_is_read_once() {
    use crate::model::{BlockTable, LoraStack, Request};
    use std::sync::Arc;
    let model = random_model();
    let decoder = model.decoder();
    let tokens: Vec<u32> = (0..64).map(|index| 5 + index % 200).collect();
    let request = || {
        let mut table = BlockTable::default();
        decoder.kv_pool().lock().unwrap().reserve(&mut table, 70).unwrap();
        Request { tokens: tokens.clone(), table, stack: Arc::new(LoraStack::none()), outputs: 0 }
    };
    let replies = decoder.read(vec![request(), request(), request()]);
    let mut next = Vec::new();
    for (mut request, result) in replies {
        assert!(result.unwrap().is_empty());
        request.table.advance(64);
        next.push(Request { tokens: vec![7], outputs: 1, ..request });
    }
    assert_eq!(decoder.kv_pool().lock().unwrap().known_rows(), 64);
    let replies = decoder.read(next);
    let logits = |at: usize| replies[at].1.as_ref().unwrap()[0].all().unwrap().to_vec();
    assert!(logits(0) == logits(1) && logits(1) == logits(2));
    let mut pool = decoder.kv_pool().lock().unwrap();
    replies.into_iter().for_each(|(mut request, _)| pool.release(&mut request.table));
}

/// What is read ahead changes no bit, however much of it comes true.
#[test]
fn a_text_is_the_same_with_and_without_speculation() {
    let model = tiny_model();
    let mut total = 0;
    for (index, prompt) in
        ["岗位:P7高级架构师,绩效:A/A-,潜力:高,技术深度:9/10,跨团队协作:6/10", "a b c a b c a b c a b"]
            .iter()
            .enumerate()
    {
        for more in
            [r#""temperature":0"#, r#""temperature":0.7,"seed":5"#, r#""repetition_penalty":1.2,"top_logprobs":2"#]
        {
            let options = |speculation: bool| format!(r#"{{"max_tokens":90,"speculation":{speculation},{more}}}"#);
            let with = generate(&mut session(&model), prompt, &options(true));
            let without = generate(&mut session(&model), prompt, &options(false));
            assert_eq!(with.text, without.text, "{index} {more}");
            if model.decoder().device().is_host() {
                assert_eq!(with, without, "{index} {more}");
            }
            total += with.completion_tokens;
        }
    }
    assert!(total > 100, "{total}");
}
