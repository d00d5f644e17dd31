//! What Python makes of our files: PEFT loads an adapter trained here and gives the same probabilities, merged into the
//! base or not, and TensorBoard reads the curve.
//!
//! Needs PyTorch, transformers, PEFT and TensorBoard: `TAILORA_PYTHON`, which `cargo xtask test` sets where
//! `cargo xtask python` has made one.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use tailora::options::from_value;
use tailora::{
    Cancel, Control, Dataset, GenerateOptions, LanguageModel, Monitor, Session, SessionOptions, TrainOptions, train,
};

const STEPS: usize = 12;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The interpreter, or a line that says why the test does not run.
fn python() -> Option<PathBuf> {
    let named = std::env::var_os("TAILORA_PYTHON").map(PathBuf::from);
    if named.is_none() {
        println!("SKIPPED: TAILORA_PYTHON is not set; run `cargo xtask python` once, then `cargo xtask test`");
    }
    named
}

/// The JSON that one of `tests/reference` prints.
fn reference(python: &Path, script: &str, args: &[&str]) -> Value {
    let folder = root().join("tests").join("reference");
    let output = Command::new(python).arg(folder.join(script)).args(args).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// log softmax of `logits[position]` at `id`.
fn log_probability(logits: &Value, position: usize, id: u64) -> f64 {
    let row: Vec<f64> = logits[position].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
    let highest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = row.iter().map(|x| (x - highest).exp()).sum();
    row[id as usize] - highest - sum.ln()
}

#[test]
fn python_reads_what_training_wrote() {
    let Some(python) = python() else { return };
    let base = root().join("tests/fixtures/models/qwen2");
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("rows.csv");
    let rows: String = (0..10).map(|i| format!("\"level:P{i}\",\"grade {i}: keep, then promote\"\n")).collect();
    std::fs::write(&csv, format!("input,output\n{rows}")).unwrap();

    let monitor = &mut Monitor::none();
    let model = LanguageModel::load(&base, &from_value(json!({"device": "cpu"})).unwrap(), monitor).unwrap();
    let dataset = Dataset::open_csv(&csv, &from_value(Value::Null).unwrap(), monitor).unwrap();
    let runs = folder.path().join("runs");
    // alpha ≠ r, a layer with a rank of its own, rsLoRA: every place where the scale could go wrong.
    let options: TrainOptions = from_value(json!({
        "output_dir": runs, "max_steps": STEPS, "learning_rate": 2e-2, "validation_share": 0.2, "eval_steps": 4, "validation_folds": 0,
        "r": 4, "lora_alpha": 6, "use_rslora": true, "rank_pattern": {"q_proj": 2}
    }))
    .unwrap();
    let trained = train(&model, &dataset, &options, monitor).unwrap();
    let adapter = folder.path().join("adapter");
    trained.adapter.save(&adapter).unwrap();

    let mut session = Session::new(&model, &SessionOptions::default()).unwrap();
    session.attach(&trained.adapter, 1.0).unwrap();
    let prompt = "level:P3";
    let options: GenerateOptions = from_value(json!({"raw": true, "logprobs": true, "max_tokens": 12})).unwrap();
    let generated = session.generate(prompt, &options, &Cancel::new(), &mut |_| Control::Continue).unwrap();
    assert!(generated.tokens.len() >= 4, "{generated:?}");

    let tokenizer = tokenizers::Tokenizer::from_file(base.join("tokenizer.json")).unwrap();
    let mut ids: Vec<u32> = tokenizer.encode(prompt, false).unwrap().get_ids().to_vec();
    let start = ids.len();
    assert_eq!(start, generated.prompt_tokens);
    ids.extend(generated.tokens.iter().map(|token| token.id));
    let ids = serde_json::to_string(&ids).unwrap();
    let peft = reference(&python, "check_adapter.py", &[adapter.to_str().unwrap(), base.to_str().unwrap(), &ids]);
    for (index, token) in generated.tokens.iter().enumerate() {
        for kind in ["logits", "merged_logits"] {
            let theirs = log_probability(&peft[kind], start + index - 1, token.id.into());
            let ours = f64::from(token.logprob);
            assert!((ours - theirs).abs() < 1e-3, "{kind}, token {index}: ours {ours}, PEFT's {theirs}");
        }
    }

    let events = find_events(&runs).expect("an event file under the run directory");
    let curve = reference(&python, "check_tensorboard.py", &[events.to_str().unwrap()]);
    let points = |tag: &str| curve[tag].as_array().map(Vec::len);
    assert_eq!(points("train/loss"), Some(STEPS), "{curve}");
    assert_eq!(points("train/learning_rate"), Some(STEPS), "{curve}");
    // Before the first step, then every four.
    assert_eq!(points("validation/loss"), Some(1 + STEPS / 4), "{curve}");
}

/// The folder below `dir` that holds an event file.
fn find_events(dir: &Path) -> Option<PathBuf> {
    let entries: Vec<PathBuf> = std::fs::read_dir(dir).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    let is_events = |path: &&PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().contains("tfevents"));
    if entries.iter().any(|path| is_events(&path)) {
        return Some(dir.to_owned());
    }
    entries.iter().filter(|path| path.is_dir()).find_map(|path| find_events(path))
}
