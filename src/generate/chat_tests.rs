//! Conversations as prompts, and what else might have been said.

use super::test_support::*;
use super::{GenerateOptions, Generation, Session, SessionOptions};
use crate::control::{Cancel, Control};
use crate::options::from_value;
use serde_json::{Value, json};

const HISTORY: [(&str, &str); 3] = [("user", "岗位:P6"), ("assistant", "好。"), ("user", "岗位:P7,绩效:A")];

fn asked(messages: &[(&str, &str)], more: Value) -> GenerateOptions {
    let messages: Vec<Value> =
        messages.iter().map(|(role, content)| json!({"role": role, "content": content})).collect();
    let mut options = json!({"max_tokens": 8, "messages": messages});
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    from_value(options).unwrap()
}

fn say(session: &mut Session, prompt: &str, options: &GenerateOptions) -> Generation {
    session.generate(prompt, options, &Cancel::new(), &mut |_| Control::Continue).unwrap()
}

#[test]
fn a_prompt_is_the_last_turn_of_a_conversation() {
    let mut session = session(&tiny_model());
    let whole = asked(&HISTORY, json!({}));
    let before = asked(&HISTORY[..2], json!({}));
    assert_eq!(session.prompt_ids("", &whole).unwrap(), session.prompt_ids(HISTORY[2].1, &before).unwrap());
    assert_eq!(say(&mut session, "", &whole), say(&mut session, HISTORY[2].1, &before));
    let mut stream = session.stream("", &whole).unwrap();
    let mut streamed = String::new();
    while let Some(piece) = stream.next(&Cancel::new()).unwrap() {
        streamed.push_str(&piece);
    }
    assert_eq!(streamed, say(&mut session, "", &whole).text);
    let nobody =
        session.generate("", &asked(&[("system", "s")], json!({})), &Cancel::new(), &mut |_| Control::Continue);
    assert_eq!(nobody.unwrap_err().details()["option"], "messages");
}

#[test]
fn one_role_prompt_counts() {
    let model = tiny_model();
    let with = SessionOptions { system: Some("你是HR专家。".to_owned()), ..SessionOptions::default() };
    let (with, without) = (Session::new(&model, &with).unwrap(), session(&model));
    let own: Vec<_> = [("system", "你是HR专家。")].into_iter().chain(HISTORY).collect();
    let expected = without.prompt_ids("", &asked(&own, json!({}))).unwrap();
    assert_eq!(with.prompt_ids("", &asked(&own, json!({}))).unwrap(), expected);
    assert_eq!(with.prompt_ids("", &asked(&HISTORY, json!({}))).unwrap(), expected);
    assert_eq!(without.prompt_ids("", &asked(&HISTORY, json!({"system": "你是HR专家。"}))).unwrap(), expected);
    assert_ne!(without.prompt_ids("", &asked(&HISTORY, json!({}))).unwrap(), expected);
}

#[test]
fn an_answer_goes_on_from_its_beginning() {
    let mut session = session(&tiny_model());
    let question = [("user", "岗位:P7,绩效:A")];
    let whole = say(&mut session, "", &asked(&question, json!({"max_tokens": 30})));
    // Where the tokens of the beginning are those that the model wrote.
    let tokenizer = session.model().format().tokenizer().clone();
    let ids: Vec<u32> = whole.tokens.iter().map(|token| token.id).collect();
    let found = (1..whole.tokens.len()).find(|&count| {
        let text = &whole.text[..whole.tokens[count - 1].end];
        tokenizer.encode_continuation(text).unwrap() == ids[..count]
    });
    let count = found.unwrap();
    let (begun, rest) = whole.text.split_at(whole.tokens[count - 1].end);
    let going_on = asked(&[question[0], ("assistant", begun)], json!({"max_tokens": 30 - count}));
    assert_eq!(say(&mut session, "", &going_on).text, rest);
}

#[test]
fn alternatives_are_the_models_own_and_change_nothing() {
    for model in [random_model(), tiny_model()] {
        let schema = json!({"type": "object", "properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"], "additionalProperties": false});
        for more in [json!({"temperature": 1.2, "seed": 3}), json!({"json_schema": schema, "max_tokens": 30})] {
            let mut session = session(&model);
            let plain = say(&mut session, "", &asked(&HISTORY, more.clone()));
            let mut listed = more;
            listed["top_logprobs"] = 5.into();
            let listed = say(&mut session, "", &asked(&HISTORY, listed));
            assert_eq!(plain.text, listed.text);
            for (token, plain) in listed.tokens.iter().zip(&plain.tokens) {
                assert_eq!((token.id, token.logprob, plain.top.len()), (plain.id, plain.logprob, 0));
                assert_eq!(token.top.len(), 5);
                assert!(token.top.is_sorted_by(|a, b| a.logprob >= b.logprob));
                let same = token.top.iter().find(|top| top.id == token.id);
                assert!(same.map_or(token.logprob <= token.top[4].logprob, |same| same.logprob == token.logprob));
                assert!(token.top.iter().map(|top| top.logprob.exp()).sum::<f32>() < 1.0 + 1e-5);
            }
            let value = listed.to_json(true);
            assert_eq!(value["tokens"][0]["top"].as_array().unwrap().len(), 5, "{value}");
            assert!(plain.to_json(true)["tokens"][0].get("top").is_none());
        }
    }
}
