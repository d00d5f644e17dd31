//! What a grammar costs a token, on a real vocabulary of 152k tokens: run with `--ignored --nocapture`.

use super::constraint::{Compiler, Form};
use super::document::{Advance, Document};
use super::logits::log_probability;
use super::test_support::asset;
use super::{GenerateOptions, Sampler};
use crate::control::Cancel;
use crate::tokenize::{Tokenizer, Vocabulary};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

const VOCAB: usize = 151_936;

fn texts(limits: Value) -> Value {
    let mut text = json!({ "type": "string" });
    text.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
    json!({
        "type": "object", "additionalProperties": false, "required": ["report", "points"],
        "properties": {
            "report": text,
            "points": { "type": "array", "minItems": 2, "maxItems": 4, "items": text },
        },
    })
}

/// A document by a model that knows nothing: how long the masks and the taking of tokens took, and how many there were.
fn write(compiler: &Compiler, schema: &Value, budget: usize, seed: u64, words: &[u32]) -> (Duration, Duration, usize) {
    let constraint = compiler.compile(Form::JsonSchema(schema), &Cancel::new()).unwrap();
    let mut document = Document::new(constraint, budget).unwrap();
    let mut rng = StdRng::seed_from_u64(seed);
    let mut count = document.take_forced().unwrap().len();
    let (mut masks, mut takes) = (Duration::ZERO, Duration::ZERO);
    let mut drawn = 0;
    while !document.is_finished() && count < budget {
        let begun = Instant::now();
        let mask = document.mask().unwrap();
        masks += begun.elapsed();
        let mut tries = (0..64).map(|_| words[rng.random_range(0..words.len())]);
        let id = tries.find(|id| mask.is_allowed(*id)).unwrap_or_else(|| mask.first_bit_set().unwrap() as u32);
        let begun = Instant::now();
        drawn += 1;
        match document.commit(id, count).unwrap() {
            Advance::Tokens(tokens) => count += tokens.len(),
            Advance::End(_) => count = budget,
        }
        takes += begun.elapsed();
    }
    (masks, takes, drawn)
}

#[test]
#[ignore = "a measurement"]
fn a_grammar_on_a_large_vocabulary() {
    let Some(folder) = asset("tokenizers/qwen2.5") else { return };
    let tokenizer = Tokenizer::load(&folder).unwrap();
    let vocabulary = Arc::new(Vocabulary::new(&tokenizer, VOCAB, &[151_645]).unwrap());
    let compiler = Compiler::new(vocabulary);
    let all: Vec<u32> = (0..VOCAB as u32).collect();
    let is_chinese = |id: &u32| {
        let bytes = tokenizer.token_bytes(*id).unwrap_or_default();
        String::from_utf8(bytes)
            .is_ok_and(|text| !text.is_empty() && text.chars().all(|c| ('\u{4E00}'..'\u{9FFF}').contains(&c)))
    };
    let chinese: Vec<u32> = all.iter().copied().filter(is_chinese).collect();
    for (name, schema, budget) in [
        ("free", texts(json!({})), 400),
        ("minLength 40", texts(json!({ "minLength": 40 })), 4000),
        ("minLength 400", texts(json!({ "minLength": 400 })), 4000),
        ("maxLength 600", texts(json!({ "maxLength": 600 })), 4000),
        ("200 to 600", texts(json!({ "minLength": 200, "maxLength": 600 })), 4000),
        ("free, 60 tokens", texts(json!({})), 60),
        ("minLength 40, 120 tokens", texts(json!({ "minLength": 40 })), 120),
        ("minLength 400, 400 tokens", texts(json!({ "minLength": 400 })), 400),
        ("200 to 600, 400 tokens", texts(json!({ "minLength": 200, "maxLength": 600 })), 400),
    ] {
        for (kind, words) in [("any", &all), ("Chinese", &chinese)] {
            let (mut masks, mut takes, mut count) = (Duration::ZERO, Duration::ZERO, 0);
            for seed in 0..2 {
                let (mask, take, drawn) = write(&compiler, &schema, budget, seed, words);
                (masks, takes, count) = (masks + mask, takes + take, count + drawn);
            }
            let each = |time: Duration| time.as_secs_f64() * 1e3 / count as f64;
            println!("{name:28} {kind:8} {count:5} tokens: mask {:7.3} ms, take {:7.3} ms", each(masks), each(takes));
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn a_draw_among_many_tokens() {
    let mut rng = StdRng::seed_from_u64(2);
    // Logits as peaked as those of a real model: a few stand out.
    let logits = (0..VOCAB)
        .map(|_| (0..6).map(|_| rng.random::<f32>() - 0.5).sum::<f32>() * 4.0 + 8.0 * rng.random::<f32>().powi(60))
        .collect();
    let logits = crate::model::Row::whole(logits);
    for json in [
        "{}",
        r#"{"temperature":1}"#,
        r#"{"temperature":1,"top_k":40}"#,
        r#"{"temperature":1,"top_p":0.95}"#,
        r#"{"temperature":1,"min_p":0.05}"#,
        r#"{"temperature":1,"typical_p":0.9}"#,
        r#"{"temperature":1,"dry_multiplier":0.8,"presence_penalty":0.5}"#,
    ] {
        let options: GenerateOptions = crate::options::parse(Some(json)).unwrap();
        let mut sampler = Sampler::new(&options, &crate::tokenize::test_support::byte_level());
        let begun = Instant::now();
        for _ in 0..100 {
            let id = sampler.sample(&logits, None).unwrap();
            sampler.observe(&[id]);
        }
        println!("{json:60} {:7.3} ms", begun.elapsed().as_secs_f64() * 10.0);
    }
    let begun = Instant::now();
    (0..100).for_each(|id| assert!(log_probability(&logits, id).unwrap() < 0.0));
    println!("{:60} {:7.3} ms", "a log-probability", begun.elapsed().as_secs_f64() * 10.0);
}

/// A model of one narrow layer behind a real tokenizer: what is not the forward pass.
fn narrow_model() -> Option<(tempfile::TempDir, crate::language_model::LanguageModel)> {
    use crate::tensor::testing::normal_values;
    use candle_core::{Device, Tensor};
    let tokenizer = asset("tokenizers/qwen2.5")?;
    let dir = tempfile::tempdir().unwrap();
    for file in ["tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(tokenizer.join(file), dir.path().join(file)).unwrap();
    }
    let hidden = 64;
    let config = json!({
        "model_type": "qwen2", "vocab_size": VOCAB, "hidden_size": hidden, "intermediate_size": hidden,
        "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "tie_word_embeddings": true, "eos_token_id": 151_645,
    });
    std::fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    let mut tensors = std::collections::HashMap::new();
    let mut put = |name: &str, shape: &[usize]| {
        let values = normal_values(shape.iter().product(), tensors.len() as u64);
        tensors.insert(name.to_owned(), Tensor::from_vec(values, shape, &Device::Cpu).unwrap());
    };
    put("model.embed_tokens.weight", &[VOCAB, hidden]);
    for norm in ["model.norm", "model.layers.0.input_layernorm", "model.layers.0.post_attention_layernorm"] {
        put(&format!("{norm}.weight"), &[hidden]);
    }
    for (path, out) in
        [("self_attn.q_proj", hidden), ("self_attn.k_proj", hidden / 2), ("self_attn.v_proj", hidden / 2)]
    {
        put(&format!("model.layers.0.{path}.weight"), &[out, hidden]);
        put(&format!("model.layers.0.{path}.bias"), &[out]);
    }
    for path in ["self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"] {
        put(&format!("model.layers.0.{path}.weight"), &[hidden, hidden]);
    }
    candle_core::safetensors::save(&tensors, dir.path().join("model.safetensors")).unwrap();
    let model = super::test_support::load(dir.path());
    Some((dir, model))
}

#[test]
#[ignore = "a measurement"]
fn a_token_of_a_session() {
    let Some((_dir, model)) = narrow_model() else { return };
    let mut session = super::test_support::session(&model);
    let bound = texts(json!({ "minLength": 200, "maxLength": 600 }));
    for (name, options) in [
        ("free", json!({ "max_tokens": 300 })),
        ("free, temperature 1", json!({ "max_tokens": 300, "temperature": 1 })),
        ("schema", json!({ "max_tokens": 300, "temperature": 1, "json_schema": texts(json!({})) })),
        ("schema again", json!({ "max_tokens": 300, "temperature": 1, "json_schema": texts(json!({})) })),
        ("200 to 600", json!({ "max_tokens": 2000, "temperature": 1, "json_schema": bound })),
        ("200 to 600, 300 tokens", json!({ "max_tokens": 300, "temperature": 1, "json_schema": bound })),
        ("regex", json!({ "max_tokens": 300, "temperature": 1, "regex": "[^.]{100,400}\\." })),
    ] {
        let begun = Instant::now();
        let generation = super::test_support::generate(&mut session, "x", &options.to_string());
        let (time, count) = (begun.elapsed().as_secs_f64() * 1e3, generation.completion_tokens);
        println!("{name:28} {count:5} tokens: {:7.3} ms each", time / count as f64);
    }
}
