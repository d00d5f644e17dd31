//! The memory that is predicted before a training against what a counting allocator sees during it: every byte that the
//! library holds is counted, so the figures are the same on any machine and any day. Only large weights lie elsewhere, on Linux:
//! in mappings of huge pages, of which the system says what is in use.

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};
use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tailora::{
    ByteSize, Dataset, DatasetOptions, GradientCheckpointing, LanguageModel, ModelOptions, Monitor, Quantize,
    TrainOptions,
};

/// The system's allocator, with a count of live bytes and their maximum.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(LIVE.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(LIVE.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// One test at a time: the count is of the whole process.
static ALONE: Mutex<()> = Mutex::new(());

#[derive(Clone, Copy)]
struct Shape {
    hidden: usize,
    mlp: usize,
    layers: usize,
    vocab: usize,
}

const SMALL: Shape = Shape { hidden: 128, mlp: 384, layers: 3, vocab: 2048 };
const WIDE: Shape = Shape { hidden: 256, mlp: 640, layers: 2, vocab: 6000 };
const DEEP: Shape = Shape { hidden: 128, mlp: 384, layers: 8, vocab: 512 };

/// Writes a Qwen2 model of that shape with constant weights: memory does not ask what is in it.
fn write_model(dir: &Path, shape: Shape) {
    let Shape { hidden, mlp, layers, vocab } = shape;
    let keys = hidden / 2;
    let config = json!({
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": hidden, "intermediate_size": mlp,
        "num_hidden_layers": layers, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": vocab,
        "max_position_embeddings": 4096, "rms_norm_eps": 1e-6, "rope_theta": 1e6, "hidden_act": "silu",
        "tie_word_embeddings": true, "use_sliding_window": false, "bos_token_id": 288, "eos_token_id": 290,
    });
    std::fs::write(dir.join("config.json"), config.to_string()).unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/qwen2");
    for file in ["tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(fixture.join(file), dir.join(file)).unwrap();
    }
    let mut shapes = vec![
        ("model.embed_tokens.weight".to_owned(), vec![vocab, hidden]),
        ("model.norm.weight".to_owned(), vec![hidden]),
    ];
    for layer in 0..layers {
        let parts: [(&str, Vec<usize>); 12] = [
            ("input_layernorm.weight", vec![hidden]),
            ("self_attn.q_proj.weight", vec![hidden, hidden]),
            ("self_attn.q_proj.bias", vec![hidden]),
            ("self_attn.k_proj.weight", vec![keys, hidden]),
            ("self_attn.k_proj.bias", vec![keys]),
            ("self_attn.v_proj.weight", vec![keys, hidden]),
            ("self_attn.v_proj.bias", vec![keys]),
            ("self_attn.o_proj.weight", vec![hidden, hidden]),
            ("post_attention_layernorm.weight", vec![hidden]),
            ("mlp.gate_proj.weight", vec![mlp, hidden]),
            ("mlp.up_proj.weight", vec![mlp, hidden]),
            ("mlp.down_proj.weight", vec![hidden, mlp]),
        ];
        shapes.extend(parts.map(|(name, shape)| (format!("model.layers.{layer}.{name}"), shape)));
    }
    let values = 0.02f32.to_le_bytes().repeat(vocab.max(mlp) * hidden);
    let views = shapes.iter().map(|(name, shape)| {
        let bytes = &values[..4 * shape.iter().product::<usize>()];
        (name.clone(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize_to_file(views, None, &dir.join("model.safetensors")).unwrap();
}

/// Rows of `chars` characters, of which the second half is trained.
fn write_csv(dir: &Path, rows: usize, chars: usize) {
    let text = |row: usize, from: usize| -> String {
        (from..from + chars / 2).map(|i| char::from(b'a' + ((i * i + row * 7 + i / 3) % 26) as u8)).collect()
    };
    let lines: String = (0..rows).map(|row| format!("{},{}\n", text(row, 0), text(row, 1000))).collect();
    std::fs::write(dir.join("rows.csv"), "input,output\n".to_owned() + &lines).unwrap();
}

/// Live bytes, once the threads of models that are gone have ended.
fn settled() -> usize {
    loop {
        let live = LIVE.load(Relaxed);
        std::thread::sleep(Duration::from_millis(50));
        if LIVE.load(Relaxed) == live {
            return live;
        }
    }
}

/// Bytes in use of mappings for which huge pages were asked; 0 where the system has no such list.
fn mapped() -> usize {
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    let (mut resident, mut sum) = (0, 0);
    for line in maps.lines() {
        if let Some(kilobytes) = line.strip_prefix("Rss:") {
            resident = kilobytes.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10;
        }
        if line.strip_prefix("VmFlags:").is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "hg")) {
            sum += resident;
        }
    }
    sum
}

/// The summary of a training, and the bytes that were held at most, model included.
fn trained(shape: Shape, chars: usize, quantize: Option<Quantize>, options: &TrainOptions) -> (Value, usize) {
    trained_on(12, shape, chars, quantize, options)
}

fn trained_on(
    rows: usize,
    shape: Shape,
    chars: usize,
    quantize: Option<Quantize>,
    options: &TrainOptions,
) -> (Value, usize) {
    let dir = tempfile::tempdir().unwrap();
    write_model(dir.path(), shape);
    write_csv(dir.path(), rows, chars);
    let none = &mut Monitor::none();
    let before = settled() + mapped();
    let how = ModelOptions { threads: 2, quantize, ..Default::default() };
    let model = LanguageModel::load(dir.path(), &how, none).unwrap();
    let dataset = Dataset::open_csv(&dir.path().join("rows.csv"), &DatasetOptions::default(), none).unwrap();
    PEAK.store(LIVE.load(Relaxed), Relaxed);
    let outcome = tailora::train(&model, &dataset, options, none).unwrap();
    (outcome.summary, PEAK.load(Relaxed) + mapped() - before)
}

fn options(checkpoint: bool) -> TrainOptions {
    TrainOptions {
        max_steps: 3,
        validation_folds: Some(0),
        memorisation_samples: 0,
        calibration_rows: 0,
        gradient_checkpointing: GradientCheckpointing::Fixed(checkpoint),
        ..Default::default()
    }
}

#[test]
fn the_peak_is_predicted_within_15_percent() {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut wrong = Vec::new();
    // Every two of shape, type and checkpointing meet.
    for (at, (shape, chars)) in [(SMALL, 300), (WIDE, 120), (WIDE, 900)].into_iter().enumerate() {
        for (place, quantize) in [None, "q8_0".parse().ok(), "q4_k".parse().ok()].into_iter().enumerate() {
            let checkpoint = (at + place) % 2 == 1;
            let (summary, held) = trained(shape, chars, quantize, &options(checkpoint));
            let predicted = summary["memory"]["peak_bytes"].as_u64().unwrap();
            let ratio = predicted as f64 / held as f64;
            let case = format!(
                "{} wide, rows of {} tokens, {quantize:?}, checkpointing {checkpoint}: predicted {predicted}, held {held}: {ratio:.3}",
                shape.hidden, summary["longest_row"]
            );
            println!("{case} {}", summary["memory"]);
            assert_eq!(summary["gradient_checkpointing"], checkpoint);
            if !(0.85..1.15).contains(&ratio) {
                wrong.push(case);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_limit_turns_checkpointing_on_and_is_kept_to() {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let (plain, held) = trained(WIDE, 600, None, &options(false));
    let bytes = |name: &str| plain["memory"][name].as_u64().unwrap();
    let limit = (bytes("without_checkpointing_bytes") + bytes("with_checkpointing_bytes")) / 2;
    let limited = TrainOptions {
        gradient_checkpointing: GradientCheckpointing::AUTO,
        max_memory: Some(ByteSize::Bytes(limit)),
        ..options(false)
    };
    let (summary, held_limited) = trained(WIDE, 600, None, &limited);
    assert_eq!(summary["gradient_checkpointing"], true);
    assert!(held > limit as usize && held_limited <= limit as usize, "{held} {held_limited}, limit {limit}");
    assert_eq!(summary["loss"], plain["loss"], "the same bits");
}

#[test]
fn as_many_layers_keep_their_activations_as_the_limit_allows() {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let (plain, _) = trained(DEEP, 600, None, &options(false));
    let bytes = |name: &str| plain["memory"][name].as_u64().unwrap();
    let (without, with) = (bytes("without_checkpointing_bytes"), bytes("with_checkpointing_bytes"));
    let mut layers = vec![plain["memory"]["checkpointed_layers"].as_u64().unwrap()];
    for share in [3, 2, 1] {
        let limit = with + (without - with) * share / 4;
        let limited = TrainOptions {
            gradient_checkpointing: GradientCheckpointing::AUTO,
            max_memory: Some(ByteSize::Bytes(limit)),
            ..options(false)
        };
        let (summary, held) = trained(DEEP, 600, None, &limited);
        let predicted = summary["memory"]["peak_bytes"].as_u64().unwrap();
        let ratio = predicted as f64 / held as f64;
        println!("limit {limit}, predicted {predicted}, held {held}: {ratio:.3} {}", summary["memory"]);
        assert!(predicted <= limit && (0.85..1.15).contains(&ratio), "{ratio:.3}");
        assert_eq!(summary["loss"], plain["loss"], "the same bits");
        layers.push(summary["memory"]["checkpointed_layers"].as_u64().unwrap());
    }
    assert!(layers[0] == 0 && layers.is_sorted_by(|fewer, more| fewer < more) && layers[3] < 8, "{layers:?}");
}

#[test]
fn the_peak_of_a_validation_is_predicted_too() {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    // Rows are trained on one by one, and validated together.
    let options = TrainOptions { batch_size: 1, validation_share: 0.5, ..options(true) };
    let (summary, held) = trained_on(40, WIDE, 200, None, &options);
    let (few, _) = trained_on(40, WIDE, 200, None, &TrainOptions { validation_share: 0.0, ..options });
    let predicted = |summary: &Value| summary["memory"]["peak_bytes"].as_f64().unwrap();
    let ratio = predicted(&summary) / held as f64;
    assert!((0.85..1.15).contains(&ratio), "held {held}: {ratio:.3} {summary}");
    assert!(predicted(&few) < 0.8 * predicted(&summary), "{few} {summary}");
}

#[test]
fn more_steps_need_no_more_memory() {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let steps =
        |max_steps| trained(SMALL, 30, None, &TrainOptions { max_steps, validation_share: 0.0, ..options(false) }).1;
    // What is made once in a process is made here.
    steps(1);
    // Ten epochs: rows of different lengths have met in most ways that they can, of which the longest batch counts.
    let (few, many) = (steps(30) as f64, steps(1000) as f64);
    assert!((many / few - 1.0).abs() < 0.01, "{few} bytes in 30 steps, {many} in 1000");
}
