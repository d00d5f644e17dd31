//! Sessions and streams on real forward passes.

use super::test_support::*;
use super::*;
use crate::control::{Cancel, Control};
use crate::error::Code;
use crate::language_model::LanguageModel;

const PROMPT: &str = "role:engineer,rating:A/A-,potential:high";

fn bits(generation: &Generation) -> Vec<(u32, u32)> {
    generation.tokens.iter().map(|token| (token.id, token.logprob.to_bits())).collect()
}

#[test]
fn trained_models_say_what_is_known_of_them() {
    let Some(path) = asset("models/reference.json") else { return };
    let reference: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for (name, expected) in reference.as_object().unwrap() {
        let Some(dir) = asset(&format!("models/{name}")) else { return };
        let model = load(&dir);
        let raw = options(r#"{"raw":true,"max_tokens":32}"#);
        let mut session = session(&model);
        let prompt = expected["prompt"].as_str().unwrap();
        let ids = serde_json::to_value(session.prompt_ids(prompt, &raw).unwrap()).unwrap();
        assert_eq!(ids, expected["ids"], "{name}");
        let generation = session.generate(prompt, &raw, &Cancel::new(), &mut |_| Control::Continue).unwrap();
        let greedy: Vec<u32> = generation.tokens.iter().map(|token| token.id).collect();
        assert_eq!(serde_json::to_value(greedy).unwrap(), expected["greedy32"], "{name}");
        assert_eq!(generation.text, expected["greedy_text"], "{name}");
        assert_eq!(generation.finish_reason, FinishReason::Length);
        assert_eq!(
            (generation.prompt_tokens, generation.completion_tokens),
            (expected["ids"].as_array().unwrap().len(), 32)
        );
    }
}

#[test]
fn the_pieces_of_a_stream_are_the_text() {
    for model in [random_model(), tiny_model()] {
        for seed in 0..12 {
            let json = format!(r#"{{"temperature":1.3,"seed":{seed},"max_tokens":60,"stop":["e","，的"]}}"#);
            let mut pieces = Vec::new();
            let mut on_text = |piece: &str| {
                assert!(!piece.is_empty());
                pieces.push(piece.to_string());
                Control::Continue
            };
            let generation = session(&model).generate(PROMPT, &options(&json), &Cancel::new(), &mut on_text).unwrap();
            assert_eq!(pieces.concat(), generation.text);
            assert!(!generation.text.contains('e') && !generation.text.contains("，的"));
            assert!(generation.tokens.iter().all(|token| token.end <= generation.text.len() && token.logprob <= 0.0));
            let mut stream = session(&model).stream(PROMPT, &options(&json)).unwrap();
            let mut pulled = String::new();
            while let Some(piece) = stream.next(&Cancel::new()).unwrap() {
                pulled.push_str(&piece);
            }
            assert_eq!(pulled, generation.text);
            assert_eq!(stream.summary(), generation);
            let Usage { prompt_tokens, completion_tokens } = stream.usage();
            assert_eq!((prompt_tokens, completion_tokens), (generation.prompt_tokens, generation.completion_tokens));
            assert_eq!(stream.next(&Cancel::new()).unwrap(), None);
        }
    }
}

#[test]
fn a_seed_decides_and_history_does_not() {
    let model = tiny_model();
    let sampled = |session: &mut Session, prompt: &str, seed: u64| {
        generate(
            session,
            prompt,
            &format!(r#"{{"temperature":1.0,"seed":{seed},"max_tokens":40,"system":"你是HR专家。"}}"#),
        )
    };
    let prompt = "岗位:P7高级架构师,绩效:A/A-,潜力:高,技术深度:9/10,跨团队协作:6/10,".repeat(3);
    let fresh = sampled(&mut session(&model), &prompt, 5);
    let mut used = session(&model);
    // A longer prompt that shares more than one chunk, a shorter one, and one that shares nothing.
    for other in [format!("{prompt}更多"), prompt[..prompt.len() / 2].to_string().replace('\u{fffd}', ""), "x".into()]
    {
        sampled(&mut used, &other, 1);
        assert_eq!(bits(&sampled(&mut used, &prompt, 5)), bits(&fresh));
    }
    assert!(used.context_shares(&prompt, &options(r#"{"system":"你是HR专家。"}"#)));
    assert_ne!(sampled(&mut used, &prompt, 6).text, fresh.text);
}

#[test]
fn scores_are_the_log_probabilities_of_generation() {
    let model = tiny_model();
    let mut session = session(&model);
    let generation = generate(&mut session, PROMPT, r#"{"max_tokens":90}"#);
    let ids: Vec<u32> = generation.tokens.iter().map(|token| token.id).collect();
    let prompt = session.prompt_ids(PROMPT, &options("{}")).unwrap();
    let scores = session.score(&prompt, &ids, &Cancel::new()).unwrap();
    assert_eq!(scores.len(), ids.len());
    for (score, token) in scores.iter().zip(&generation.tokens) {
        assert!((score - token.logprob).abs() < 1e-3, "{score} {}", token.logprob);
    }
    assert_eq!(session.score(&prompt, &[], &Cancel::new()).unwrap(), [0.0; 0]);
}

#[test]
fn sequences_that_are_stepped_together_say_what_each_says_alone() {
    let model = tiny_model();
    let prompts =
        ["岗位:P7", PROMPT, "role:engineer,rating:A/A-,potential:high,technical depth:9/10,teamwork:6/10,since:2019"];
    let limit = model.decoder().config().max_position_embeddings;
    let engine = Engine::new(&model);
    let slot = |(index, prompt): (usize, &&str)| {
        let options = options(&format!(r#"{{"temperature":0.8,"seed":{index},"max_tokens":{}}}"#, 9 + 8 * index));
        let ids = model.format().prompt(None, prompt).unwrap();
        let output = Output::text(model.format().tokenizer(), &[]);
        let sampler = Sampler::new(&options, model.format().tokenizer());
        let sequence = Sequence::new(ids, &options, sampler, model.end_tokens(), output, None, limit).unwrap();
        Slot::new(sequence, engine.context(&crate::model::LoraStack::none(), limit).unwrap())
    };
    let run = |mut slots: Vec<Slot>| {
        while !slots.iter().all(Slot::is_finished) {
            engine.step(&mut slots).into_iter().for_each(|step| drop(step.unwrap()));
        }
        slots.iter().map(|slot| slot.sequence.summary()).collect::<Vec<_>>()
    };
    let together = run(prompts.iter().enumerate().map(slot).collect());
    let alone: Vec<Generation> = prompts.iter().enumerate().flat_map(|one| run(vec![slot(one)])).collect();
    for (together, alone) in together.iter().zip(&alone) {
        let ids = |generation: &Generation| generation.tokens.iter().map(|token| token.id).collect::<Vec<_>>();
        assert_eq!((&together.text, together.finish_reason), (&alone.text, alone.finish_reason));
        assert_eq!(ids(together), ids(alone));
        let bits = |generation: &Generation| generation.tokens.iter().map(|t| t.logprob.to_bits()).collect::<Vec<_>>();
        if model.decoder().device().is_host() {
            assert_eq!(bits(together), bits(alone));
        }
    }
    let through_a_session =
        generate(&mut session(&model), prompts[1], r#"{"temperature":0.8,"seed":1,"max_tokens":17}"#);
    assert_eq!(alone[1], through_a_session);
}

#[test]
fn stop_strings_may_span_tokens() {
    let model = tiny_model();
    let mut session = session(&model);
    let free = generate(&mut session, PROMPT, r#"{"max_tokens":50}"#);
    let boundaries: Vec<usize> = free.tokens.iter().map(|token| token.end).collect();
    let chars: Vec<usize> = free.text.char_indices().map(|(at, _)| at).collect();
    let mut spanning = 0;
    for window in chars.windows(5).step_by(3) {
        let stop = &free.text[window[0]..window[4]];
        let first = free.text.find(stop).unwrap();
        spanning += usize::from(boundaries.iter().any(|&end| first < end && end < first + stop.len()));
        let json = serde_json::json!({ "max_tokens": 50, "stop": [stop] }).to_string();
        let stopped = generate(&mut session, PROMPT, &json);
        assert_eq!(stopped.text, free.text[..first], "{stop}");
        assert_eq!(stopped.finish_reason, FinishReason::StopString);
        assert!(stopped.completion_tokens <= free.completion_tokens);
    }
    assert!(spanning > 3);
}

#[test]
fn cancelling_keeps_what_was_said() {
    let model = tiny_model();
    let mut session = session(&model);
    let whole = generate(&mut session, PROMPT, r#"{"max_tokens":30}"#);
    let cancel = Cancel::new();
    cancel.request();
    let none = session.generate(PROMPT, &options("{}"), &cancel, &mut |_| Control::Continue).unwrap();
    assert_eq!((none.text.as_str(), none.finish_reason), ("", FinishReason::Cancelled));
    let mut left = 4;
    let mut on_text = |_: &str| {
        left -= 1;
        if left == 0 { Control::Stop } else { Control::Continue }
    };
    let part = session.generate(PROMPT, &options("{}"), &Cancel::new(), &mut on_text).unwrap();
    assert_eq!(part.finish_reason, FinishReason::Cancelled);
    assert!(!part.text.is_empty() && whole.text.starts_with(&part.text) && part.text.len() < whole.text.len());
    assert_eq!(bits(&generate(&mut session, PROMPT, r#"{"max_tokens":30}"#)), bits(&whole));
}

#[test]
fn a_prompt_that_does_not_fit_is_refused_with_numbers() {
    let model = random_model();
    let mut session = session(&model);
    let err =
        session.generate(&"x ".repeat(600), &options("{}"), &Cancel::new(), &mut |_| Control::Continue).unwrap_err();
    assert_eq!(err.code(), Code::ContextLength);
    assert_eq!(err.details()["context_length"], 512);
    assert!(err.details()["prompt_tokens"].as_u64().unwrap() > 512);
    // The context ends before `max_tokens` does.
    let mut short = Session::new(&model, &SessionOptions { context_length: Some(100), ..Default::default() }).unwrap();
    let generation = generate(&mut short, "hi", r#"{"max_tokens":400,"temperature":5}"#);
    if generation.finish_reason == FinishReason::Length {
        assert_eq!(generation.prompt_tokens + generation.completion_tokens, 100);
    }
    for bad in [0, 1, 513] {
        let options = SessionOptions { context_length: Some(bad), ..Default::default() };
        assert_eq!(Session::new(&model, &options).err().unwrap().code(), Code::InvalidOptions);
    }
}

#[test]
fn adapters_stack_and_come_off_without_a_trace() {
    let model = random_model();
    let (first, second) = (adapter(&model), other_adapter(&model));
    let run = |session: &mut Session| generate(session, PROMPT, r#"{"max_tokens":24}"#);
    let mut session = session(&model);
    let base = run(&mut session);
    session.attach(&first, 1.0).unwrap();
    let adapted = run(&mut session);
    assert_ne!(bits(&adapted), bits(&base));
    session.attach(&second, 0.5).unwrap();
    let stacked = run(&mut session);
    assert_ne!(bits(&stacked), bits(&adapted));
    let scales: Vec<f64> = session.attached().iter().map(|attached| attached.scale).collect();
    assert_eq!(scales, [1.0, 0.5]);

    let mut reversed = super::test_support::session(&model);
    reversed.attach(&second, 0.5).unwrap();
    reversed.attach(&first, 1.0).unwrap();
    close(&run(&mut reversed), &stacked);

    session.detach(&first).unwrap();
    let mut only_second = super::test_support::session(&model);
    only_second.attach(&second, 0.5).unwrap();
    assert_eq!(bits(&run(&mut session)), bits(&run(&mut only_second)));
    session.detach(&second).unwrap();
    assert_eq!(bits(&run(&mut session)), bits(&base));
    assert_eq!(session.detach(&second).unwrap_err().code(), Code::InvalidArgument);

    // Twice half is once whole; scale 0 is the base.
    session.attach(&first, 0.5).unwrap();
    session.attach(&first, 0.5).unwrap();
    close(&run(&mut session), &adapted);
    session.set_scale(&first, 2.0).unwrap();
    let scales: Vec<f64> = session.attached().iter().map(|attached| attached.scale).collect();
    assert_eq!(scales, [0.5, 2.0], "of two, the last one");
    session.detach(&first).unwrap();
    assert_eq!(session.attached().len(), 1);
    session.reset().unwrap();
    session.attach(&first, 0.0).unwrap();
    close(&run(&mut session), &base);
    session.reset().unwrap();
    assert_eq!(bits(&run(&mut session)), bits(&base));
}

fn close(a: &Generation, b: &Generation) {
    assert_eq!(a.text, b.text);
    for (a, b) in a.tokens.iter().zip(&b.tokens) {
        assert!((a.logprob - b.logprob).abs() < 1e-4, "{} {}", a.logprob, b.logprob);
    }
}

#[test]
fn an_adapter_of_another_base_is_refused_by_name() {
    let adapter = adapter(&random_model());
    let err = session(&tiny_model()).attach(&adapter, 1.0).unwrap_err();
    assert_eq!(err.code(), Code::AdapterMismatch);
    assert!(err.message().contains("tailora-tiny"), "{err}");
}

#[test]
fn a_stream_goes_on_whatever_becomes_of_its_session() {
    let model: LanguageModel = random_model();
    let mut session = session(&model);
    let expected = generate(&mut session, PROMPT, r#"{"max_tokens":24}"#);
    let mut stream = session.stream(PROMPT, &options(r#"{"max_tokens":24}"#)).unwrap();
    let mut text = stream.next(&Cancel::new()).unwrap().unwrap();
    session.attach(&adapter(&model), 1.0).unwrap();
    generate(&mut session, "other", r#"{"max_tokens":5}"#);
    drop(session);
    while let Some(piece) = stream.next(&Cancel::new()).unwrap() {
        text.push_str(&piece);
    }
    assert_eq!(text, expected.text);
    // The stream finds the front of the prompt read; on a card, a pass of another size sums in another order.
    if model.decoder().device().is_host() {
        assert_eq!(bits(&stream.summary()), bits(&expected));
    }
}

#[test]
fn logits_that_are_not_numbers_are_an_error() {
    let model = random_model();
    let mut session = session(&model);
    session.attach(&adapter(&model), 1e30).unwrap();
    let err = session.generate(PROMPT, &options("{}"), &Cancel::new(), &mut |_| Control::Continue).unwrap_err();
    assert_eq!(err.code(), Code::ModelFormat, "{err}");
    assert!(err.message().contains("scale"), "{err}");
    session.reset().unwrap();
    generate(&mut session, PROMPT, r#"{"max_tokens":3}"#);
}

#[test]
fn the_result_as_json() {
    let mut session = session(&tiny_model());
    let generation = generate(&mut session, PROMPT, r#"{"max_tokens":8,"seed":9}"#);
    let plain = generation.to_json(false);
    assert_eq!(plain["text"], generation.text.as_str());
    assert_eq!((&plain["seed"], plain.get("tokens")), (&9.into(), None));
    let tokens = generation.to_json(true)["tokens"].clone();
    assert_eq!(tokens.as_array().map(Vec::len), Some(generation.tokens.len()));
}
