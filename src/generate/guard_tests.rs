//! Texts under banned phrases: none has one, and those that would not have had one are the same.

use super::test_support::{generate, options, random_model, session, tiny_model};
use super::{Generation, Session};
use crate::control::{Cancel, Control};
use crate::error::{Code, Result};
use crate::language_model::LanguageModel;
use serde_json::{Value, json};

const CASES: [&str; 4] = [
    "岗位:P7高级架构师,绩效:A/A-,潜力:高,技术深度:9/10,跨团队协作:6/10",
    "岗位:P5测试工程师,绩效:C/B,潜力:低,技术深度:4/10,跨团队协作:3/10",
    "岗位:M2研发经理,绩效:B+/B,潜力:中,技术深度:6/10,跨团队协作:9/10",
    "岗位:P6数据分析师,绩效:B/B,潜力:高,技术深度:7/10,跨团队协作:7/10",
];
const PUT: &str = "另有安排";

fn schema() -> Value {
    json!({
        "type": "object", "additionalProperties": false, "required": ["report", "box"],
        "properties": {
            "report": { "type": "string", "minLength": 1, "maxLength": 24 },
            "box": { "enum": ["A1", "B2", "weak"] },
        },
    })
}

/// Phrases that a model likes: parts of what it says without a rule.
fn liked(texts: &[String]) -> Vec<String> {
    let part = |text: &String| {
        let chars: Vec<char> = text.chars().collect();
        chars.windows(3).step_by(7).take(5).map(String::from_iter).collect::<Vec<_>>()
    };
    let mut parts: Vec<String> = texts.iter().flat_map(part).collect();
    parts.retain(|part| part.chars().all(char::is_alphanumeric) && !PUT.contains(part.as_str()));
    parts.sort();
    parts.dedup();
    parts.truncate(12);
    parts
}

/// What is asked for with a seed: greedy or sampled, free or a document.
fn asked(seed: usize, banned: &Value) -> String {
    let temperature = [0.0, 0.8, 1.3][seed % 3];
    let mut asked = json!({ "max_tokens": 40, "temperature": temperature, "seed": seed, "banned": banned });
    match seed % 5 {
        0 => asked["json_schema"] = schema(),
        1 => asked["stop"] = json!(["。", "e t"]),
        2 => asked["repetition_penalty"] = json!(1.2),
        _ => {}
    }
    asked.to_string()
}

/// What a reader sees of a text.
fn seen(text: &str) -> Vec<String> {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(document)) => document.values().filter_map(Value::as_str).map(str::to_lowercase).collect(),
        _ => vec![text.to_ascii_lowercase()],
    }
}

/// What came of texts under rules.
#[derive(Debug, Default)]
struct Held {
    /// Texts that were written without the rules too.
    compared: usize,
    /// Those of them that would have had a phrase.
    had: usize,
    /// Texts in which other words stand in a phrase's place.
    put: usize,
}

/// Writes texts under rules, and every `stride`th without them too.
fn hold(model: &LanguageModel, seeds: std::ops::Range<usize>, stride: usize) -> Held {
    let mut session = session(model);
    let free = |seed: usize, session: &mut Session| generate(session, CASES[seed % 4], &asked(seed, &json!([])));
    let texts: Vec<String> = (0..30).map(|seed| free(seed, &mut session)).flat_map(|text| seen(&text.text)).collect();
    let mut phrases = liked(&texts);
    assert!(phrases.len() > 4, "{phrases:?}");
    phrases.push("WEAK".to_owned());
    let has = |text: &str| seen(text).iter().any(|text| phrases.iter().any(|p| text.contains(&p.to_lowercase())));
    let mut held = Held::default();
    for seed in seeds {
        let instead = [None, Some(PUT)][seed / 15 % 2];
        let banned = phrases.iter().map(|phrase| json!({ "phrase": phrase, "instead": instead })).collect();
        let with = generate(&mut session, CASES[seed % 4], &asked(seed, &banned));
        assert!(!has(&with.text), "{seed}: {}", with.text);
        held.put += usize::from(with.text.contains(PUT));
        if seed % stride == 0 {
            held.compared += 1;
            let without = free(seed, &mut session);
            match has(&without.text) {
                true => held.had += 1,
                false => assert_eq!(with, without, "{seed}"),
            }
        }
    }
    held
}

#[test]
fn no_text_has_a_banned_phrase_and_the_others_stay() {
    for model in [random_model(), tiny_model()] {
        let held = hold(&model, 0..60, 1);
        assert!((4..60).contains(&held.had) && held.put > 0, "{held:?}");
    }
}

#[test]
#[ignore = "minutes"]
fn none_of_ten_thousand_texts_has_a_banned_phrase() {
    for (model, thousands) in [(random_model(), 8), (tiny_model(), 2)] {
        for thousand in 0..thousands {
            // Seven shares no factor with what changes from seed to seed.
            let held = hold(&model, thousand * 1000..(thousand + 1) * 1000, 7);
            println!("a thousand texts, none with a phrase: {held:?}");
        }
    }
}

/// A text and the pieces of it that a listener got.
fn streamed(session: &mut Session, prompt: &str, asked: &Value) -> (Generation, Vec<String>) {
    let mut pieces = Vec::new();
    let mut listen = |piece: &str| {
        pieces.push(piece.to_owned());
        Control::Continue
    };
    let text = session.generate(prompt, &options(&asked.to_string()), &Cancel::new(), &mut listen).unwrap();
    (text, pieces)
}

/// Holds the log-probabilities of a text to those that the model gives when it reads it, and its tokens to its bytes.
fn check_tokens(session: &mut Session, prompt: &str, asked: &Value, text: &Generation) -> Result<()> {
    let ids: Vec<u32> = text.tokens.iter().map(|token| token.id).collect();
    let prompt = session.prompt_ids(prompt, &options(&asked.to_string()))?;
    let scores = session.score(&prompt, &ids, &Cancel::new())?;
    for (token, score) in text.tokens.iter().zip(&scores) {
        assert!((token.logprob - score).abs() < 1e-3, "{token:?}: {score}");
    }
    assert_eq!((text.tokens.len(), scores.len()), (text.completion_tokens, text.completion_tokens));
    let mut spans = text.tokens.iter().map(|token| (token.start, token.end));
    assert!(
        spans.clone().all(|(start, end)| start <= end)
            && spans.next_back().map(|(_, end)| end) == Some(text.text.len())
    );
    Ok(())
}

#[test]
fn preferred_words_stand_where_the_phrase_would_have() {
    let model = tiny_model();
    let mut session = session(&model);
    let free = generate(&mut session, CASES[0], r#"{"max_tokens":60}"#).text;
    let chars = free.chars().count();
    let mut taken_back = 0;
    // At the beginning of the text, and wherever tokens begin and end.
    for (at, length) in (0..chars - 6).step_by(3).flat_map(|at| [(at, 2), (at, 5)]) {
        let phrase: String = free.chars().skip(at).take(length).collect();
        let start = free.find(&phrase).unwrap();
        if phrase.trim() != phrase {
            continue;
        }
        let asked = |speculation: bool| {
            json!({ "max_tokens": 60, "top_logprobs": 2, "speculation": speculation,
                "banned": [{ "phrase": phrase, "instead": PUT }] })
        };
        let (with, pieces) = streamed(&mut session, CASES[0], &asked(true));
        assert!(with.text.starts_with(&format!("{}{PUT}", &free[..start])), "{phrase}: {free}\n{}", with.text);
        assert!(!with.text.contains(&phrase), "{phrase}: {}", with.text);
        assert_eq!(pieces.concat(), with.text);
        if at % 7 == 0 {
            assert_eq!(streamed(&mut session, CASES[0], &asked(false)).0, with, "{phrase}");
            check_tokens(&mut session, CASES[0], &asked(true), &with).unwrap();
        }
        taken_back += usize::from(with.tokens.iter().any(|token| token.top.is_empty()));
    }
    assert!(taken_back > 10, "{taken_back}");
}

#[test]
fn each_of_several_texts_is_what_it_is_alone() {
    for model in [random_model(), tiny_model()] {
        let free = generate(&mut session(&model), CASES[1], r#"{"max_tokens":40,"temperature":0.9}"#).text;
        let banned: Value = liked(&[free]).iter().map(|phrase| json!({ "phrase": phrase, "instead": PUT })).collect();
        for form in [json!(null), schema()] {
            let asked = json!({ "max_tokens": 40, "temperature": 0.9, "n": 6, "seed": 3, "banned": banned, "json_schema": form });
            let choices = session(&model).choices(CASES[1], &options(&asked.to_string()), &Cancel::new()).unwrap();
            for choice in choices {
                let mut alone = asked.clone();
                (alone["n"], alone["seed"]) = (json!(1), json!(choice.seed));
                assert_eq!(streamed(&mut session(&model), CASES[1], &alone).0, choice);
            }
        }
    }
}

#[test]
fn a_stop_string_takes_a_phrase_with_it() {
    let model = tiny_model();
    let mut session = session(&model);
    let free = generate(&mut session, CASES[0], r#"{"max_tokens":60}"#).text;
    let phrase: String = free.chars().skip(9).take(4).collect();
    let end = free.find(&phrase).unwrap() + phrase.len();
    let stop: String = free[..end].chars().rev().take(6).collect::<Vec<_>>().into_iter().rev().collect();
    for instead in [json!(null), json!(PUT)] {
        let asked = json!({ "max_tokens": 60, "stop": [stop] });
        let with = json!({ "max_tokens": 60, "stop": [stop], "banned": [{ "phrase": phrase, "instead": instead }] });
        let expected = streamed(&mut session, CASES[0], &asked).0;
        let (text, pieces) = streamed(&mut session, CASES[0], &with);
        assert_eq!(text, expected);
        assert_eq!(pieces.concat(), text.text);
        assert!(free.starts_with(&(text.text + &stop)));
    }
}

#[test]
fn a_stopped_text_keeps_what_its_listener_has() {
    let model = tiny_model();
    let mut session = session(&model);
    let free = generate(&mut session, CASES[0], r#"{"max_tokens":60}"#).text;
    let phrase: String = free.chars().skip(9).take(5).collect();
    let asked = json!({ "max_tokens": 60, "banned": [{ "phrase": phrase, "instead": PUT }] });
    for most in 1..12 {
        let mut pieces = Vec::new();
        let mut listen = |piece: &str| {
            pieces.push(piece.to_owned());
            if pieces.len() == most { Control::Stop } else { Control::Continue }
        };
        let text = session.generate(CASES[0], &options(&asked.to_string()), &Cancel::new(), &mut listen).unwrap();
        assert_eq!(text.text, pieces.concat());
        assert!(!text.text.contains(&phrase), "{}", text.text);
    }
}

#[test]
fn documents_have_none_either() {
    let model = random_model();
    let mut session = session(&model);
    let schema = json!({
        "type": "object", "additionalProperties": false, "required": ["box", "e"],
        "properties": { "box": { "enum": ["weak", "ebb", "star"] }, "e": { "type": "string", "minLength": 1, "maxLength": 12 } },
    });
    let mut put = 0;
    for seed in 0..60 {
        let asked = json!({
            "max_tokens": 60, "temperature": 1.5, "seed": seed, "json_schema": schema,
            "banned": [{ "phrase": "e" , "instead": "o" }, { "phrase": "\\" }, { "phrase": "weak" }],
        });
        let (text, pieces) = streamed(&mut session, "x", &asked);
        let document: Value = serde_json::from_str(&text.text).unwrap_or_else(|err| panic!("{}: {err}", text.text));
        assert_eq!(document["box"], "star", "{}", text.text);
        let said = document["e"].as_str().unwrap();
        assert!(!said.to_lowercase().contains('e') && !said.contains('\\'), "{}", text.text);
        put += usize::from(said.contains('o'));
        assert_eq!(pieces.concat(), text.text);
        check_tokens(&mut session, "x", &asked, &text).unwrap();
    }
    assert!(put > 10, "{put}");
    let only = json!({ "max_tokens": 60, "json_schema": { "enum": ["weak"] }, "banned": [{ "phrase": "weak" }] });
    let err =
        session.generate("x", &options(&only.to_string()), &Cancel::new(), &mut |_| Control::Continue).unwrap_err();
    assert_eq!((err.code(), &err.details()["phrase"]), (Code::Schema, &"weak".into()), "{err}");
}

#[test]
fn a_text_without_another_word_is_an_error() {
    let banned: Value = (b' '..=b'~')
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|byte| json!({ "phrase": char::from(byte).to_string() }))
        .collect();
    let asked = json!({ "max_tokens": 8, "regex": "[a-z]{8}", "banned": banned });
    let mut session = session(&random_model());
    let err =
        session.generate("x", &options(&asked.to_string()), &Cancel::new(), &mut |_| Control::Continue).unwrap_err();
    assert_eq!(err.code(), Code::Schema, "{err}");
}
