//! The bits of what this library computes, printed: run it at two commits on one machine, and compare. Hashes are no
//! fixture, since instruction sets and cache sizes decide in which order sums are made.
//!
//! `cargo test --test bits -- --ignored --nocapture`

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use tailora::{
    Cancel, Control, Dataset, DatasetOptions, GenerateOptions, GradientCheckpointing, LanguageModel, ModelOptions,
    Monitor, Quantize, Session, SessionOptions, TrainOptions,
};

const HIDDEN: usize = 256;
const MLP: usize = 512;
const VOCAB: usize = 512;

/// A Qwen2 whose rows are wide enough for K-quants, with weights of a linear congruential generator.
fn write_model(dir: &Path) {
    let config = json!({
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": HIDDEN, "intermediate_size": MLP,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": VOCAB,
        "max_position_embeddings": 1024, "rms_norm_eps": 1e-6, "rope_theta": 1e6, "hidden_act": "silu",
        "tie_word_embeddings": true, "use_sliding_window": false, "bos_token_id": 288, "eos_token_id": 290,
    });
    std::fs::write(dir.join("config.json"), config.to_string()).unwrap();
    let fixture = root().join("tests/fixtures/models/qwen2");
    for file in ["tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(fixture.join(file), dir.join(file)).unwrap();
    }
    let mut shapes = vec![
        ("model.embed_tokens.weight".to_owned(), vec![VOCAB, HIDDEN]),
        ("model.norm.weight".to_owned(), vec![HIDDEN]),
    ];
    for layer in 0..2 {
        for (name, shape) in [
            ("input_layernorm.weight", vec![HIDDEN]),
            ("post_attention_layernorm.weight", vec![HIDDEN]),
            ("self_attn.q_proj.weight", vec![HIDDEN, HIDDEN]),
            ("self_attn.q_proj.bias", vec![HIDDEN]),
            ("self_attn.k_proj.weight", vec![HIDDEN / 2, HIDDEN]),
            ("self_attn.k_proj.bias", vec![HIDDEN / 2]),
            ("self_attn.v_proj.weight", vec![HIDDEN / 2, HIDDEN]),
            ("self_attn.v_proj.bias", vec![HIDDEN / 2]),
            ("self_attn.o_proj.weight", vec![HIDDEN, HIDDEN]),
            ("mlp.gate_proj.weight", vec![MLP, HIDDEN]),
            ("mlp.up_proj.weight", vec![MLP, HIDDEN]),
            ("mlp.down_proj.weight", vec![HIDDEN, MLP]),
        ] {
            shapes.push((format!("model.layers.{layer}.{name}"), shape));
        }
    }
    let mut state = 7u64;
    let mut random = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((state >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * 0.2
    };
    let data: Vec<(String, Vec<usize>, Vec<u8>)> = shapes
        .into_iter()
        .map(|(name, shape)| {
            let around = if name.contains("norm") { 1.0 } else { 0.0 };
            let count = shape.iter().product::<usize>();
            let bytes = (0..count).flat_map(|_| (around + random()).to_le_bytes()).collect();
            (name, shape, bytes)
        })
        .collect();
    let views = data
        .iter()
        .map(|(name, shape, bytes)| (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    safetensors::serialize_to_file(views, None, &dir.join("model.safetensors")).unwrap();
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn load(path: &Path, quantize: Option<Quantize>) -> LanguageModel {
    let options = ModelOptions { threads: 2, quantize, ..Default::default() };
    LanguageModel::load(path, &options, &mut Monitor::none()).unwrap()
}

fn greedy(model: &LanguageModel, prompt: &str) -> String {
    let mut session = Session::new(model, &SessionOptions::default()).unwrap();
    let options = GenerateOptions { max_tokens: 96, ..Default::default() };
    let text = session.generate(prompt, &options, &Cancel::new(), &mut |_| Control::Continue).unwrap().text;
    format!("{:x}", Sha256::digest(text))
}

#[test]
#[ignore = "prints; compares nothing"]
fn bits() {
    let dir = tempfile::tempdir().unwrap();
    write_model(dir.path());
    let csv = root().join("samples/data/talent_review.csv");
    let options = DatasetOptions { max_rows: Some(16), ..Default::default() };
    let dataset = Dataset::open_csv(&csv, &options, &mut Monitor::none()).unwrap();
    for (name, quantize) in
        [("f32", None), ("q8_0", "q8_0".parse().ok()), ("q4_k", "q4_k".parse().ok()), ("q6_k", "q6_k".parse().ok())]
    {
        let (wide, tiny) = (load(dir.path(), quantize), load(&root().join("samples/models/tailora-tiny"), quantize));
        println!("{name:5} greedy, wide {}", greedy(&wide, "岗位:工程师,绩效:A"));
        println!("{name:5} greedy, tiny {}", greedy(&tiny, "岗位:工程师,绩效:A"));
        for checkpointing in [false, true] {
            let options = TrainOptions {
                max_steps: 6,
                learning_rate: 3e-3,
                lora_dropout: 0.1,
                validation_share: 0.2,
                validation_folds: Some(0),
                gradient_checkpointing: GradientCheckpointing::Fixed(checkpointing),
                memorisation_samples: 0,
                ..Default::default()
            };
            for (model, what) in [(&wide, "wide"), (&tiny, "tiny")] {
                let outcome = tailora::train(model, &dataset, &options, &mut Monitor::none()).unwrap();
                println!("{name:5} adapter, {what}, checkpointing {checkpointing:5} {}", outcome.adapter.sha256());
            }
        }
    }
    let assets = root().join("../shared/assets/gguf");
    for file in ["stories260K-f32", "stories260K-f16", "stories260K-q8_0", "stories260K-q4_0", "tinystories-656k-q8_0"]
    {
        let path = assets.join(file).with_extension("gguf");
        match path.is_file() {
            true => println!("{file} greedy {}", greedy(&load(&path, None), "Once upon a time")),
            false => println!("SKIPPED: {} is not there", path.display()),
        }
    }
}
