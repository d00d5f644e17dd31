//! How to train: names and defaults of PEFT's `LoraConfig` and transformers' `TrainingArguments`, where they have one.

use super::memory_options::{ByteSize, GradientCheckpointing};
use crate::adapter::{LoraConfig, PatternMap, TargetModules};
use crate::error::{Code, Error, Result};
use crate::files::read_text;
use crate::options::{Options, from_value, invalid, read};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const MAX_FILE: u64 = 1 << 20;

/// How the learning rate goes on after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SchedulerType {
    /// Half a cosine, down to zero.
    Cosine,
    /// A straight line, down to zero.
    Linear,
    /// It stays.
    Constant,
}

/// Options of `tailora_train`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainOptions {
    /// The adapter's name, as in `hr_review`: 1 to 64 letters, digits, `_`, `-` or `.`, at most 192 bytes of UTF-8.
    pub name: String,
    /// Run directory for the config, metrics, TensorBoard events and adapter versions: a new or empty folder, or that of an earlier run; null writes nothing.
    pub output_dir: Option<PathBuf>,

    /// Linear layers to adapt: `all-linear`, a list of names such as `["q_proj", "v_proj"]`, or a regular expression over full names.
    pub target_modules: TargetModules,
    /// Linear layers to leave out of `target_modules`: a list of names or a regular expression.
    pub exclude_modules: Option<TargetModules>,
    /// Rank of the adapter.
    #[schemars(range(min = 1, max = 4096))]
    pub r: usize,
    /// The adapter's output is scaled by `lora_alpha / r`.
    #[schemars(range(max = 1e6), extend("exclusiveMinimum" = 0))]
    pub lora_alpha: f64,
    /// Share of the adapter's inputs that a training step drops.
    #[schemars(range(min = 0.0, max = 0.9))]
    pub lora_dropout: f64,
    /// Scale by `lora_alpha / √r` instead, which keeps high ranks stable.
    pub use_rslora: bool,
    /// Ranks of layers that differ from `r`, by name or regular expression; the first match counts.
    #[schemars(extend("additionalProperties" = json!({ "type": "integer", "minimum": 1, "maximum": 4096 })))]
    pub rank_pattern: PatternMap<usize>,
    /// Alphas of layers that differ from `lora_alpha`, by name or regular expression; the first match counts.
    #[schemars(extend("additionalProperties" = json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 1_000_000 })))]
    pub alpha_pattern: PatternMap<f64>,

    /// Highest learning rate, reached at the end of the warm-up.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub learning_rate: f64,
    /// LoRA+ (Hayou et al. 2024): the learning rate of B is this many times that of A; null means the same.
    #[schemars(range(max = 1e4), extend("exclusiveMinimum" = 0))]
    pub loraplus_lr_ratio: Option<f64>,
    /// Decoupled weight decay of AdamW.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub weight_decay: f64,
    /// AdamW's decay of the first moment.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1))]
    pub adam_beta1: f64,
    /// AdamW's decay of the second moment.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1))]
    pub adam_beta2: f64,
    /// AdamW's epsilon.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0))]
    pub adam_epsilon: f64,
    /// Gradients are scaled down to this norm if theirs is greater; 0 turns clipping off.
    #[schemars(range(min = 0.0, max = 1e30))]
    pub max_grad_norm: f64,
    /// What the learning rate does after the warm-up.
    pub lr_scheduler_type: SchedulerType,
    /// Share of all steps in which the learning rate rises from zero.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub warmup_ratio: f64,
    /// Steps of the warm-up; if greater than 0 it stands instead of `warmup_ratio`.
    pub warmup_steps: u64,

    /// Passes over the training rows at most; early stopping may end sooner.
    #[schemars(range(max = 1e6), extend("exclusiveMinimum" = 0))]
    pub num_train_epochs: f64,
    /// Optimizer steps at least, so that a handful of rows is learnt too: with fewer, epochs are added. Null means 60 where
    /// folds find the best step (see `validation_folds`), so that there is one to find, and none elsewhere.
    pub min_steps: Option<u64>,
    /// Optimizer steps exactly, in place of `num_train_epochs` and `min_steps`; 0 leaves those in charge.
    pub max_steps: u64,
    /// Rows per forward and backward pass.
    #[schemars(range(min = 1, max = 4096))]
    pub batch_size: usize,
    /// Passes whose gradients are averaged into one optimizer step.
    #[schemars(range(min = 1, max = 4096))]
    pub gradient_accumulation_steps: usize,
    /// `true`: layers keep only their inputs and are run again for the backward pass, which takes about a quarter more time
    /// for a small part of the memory. `auto`: where the memory (`max_memory`, else what the machine has free) does not
    /// suffice without. The result has the same bits.
    pub gradient_checkpointing: GradientCheckpointing,
    /// Memory that model and training may take together, in bytes or as in `12GiB`. A training that is estimated to need
    /// more does not begin. Null means what the machine has free, and refuses nothing.
    pub max_memory: Option<ByteSize>,
    /// Tokens per row at most, prompt and completion together; longer rows are reported by the dataset.
    #[schemars(range(min = 8, max = 16_777_216))]
    pub max_length: usize,

    /// Share of the rows kept for validation; 0 trains on all rows and keeps the last step.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub validation_share: f64,
    /// With 2 or more, no row is kept for good: so many times, that part of the rows is held out and the rest trained on;
    /// the step with the lowest mean validation loss is the best one, and the adapter is trained on all rows up to it. It
    /// takes as many times as long, and one more. 0 never does so; null does with 5 folds where there are 5 to 39 rows,
    /// since a tenth of so few says little. Without a `validation_share` there are no folds.
    #[schemars(range(min = 0, max = 40))]
    pub validation_folds: Option<usize>,
    /// Validations without a better loss after which training ends; 0 never ends early. The best step is kept either way.
    pub early_stopping_patience: u32,
    /// Steps between validations; 0 validates at the end of every epoch.
    pub eval_steps: u64,
    /// Steps between lines in `metrics.jsonl` and TensorBoard.
    #[schemars(range(min = 1))]
    pub logging_steps: u64,
    /// Steps between checkpoints of the run's whole state in `output_dir`, each replacing the last; 0 writes none.
    pub checkpoint_steps: u64,
    /// Goes on from the run directory's checkpoint, if there is one, and ends in the same bits as an unbroken run.
    pub resume_from_checkpoint: bool,
    /// After training, so many unseen inputs are answered (at most 128 tokens each), and the summary says how much of the
    /// answers is copied from the training rows word for word; 0 leaves that out.
    #[schemars(range(min = 0, max = 8))]
    pub memorisation_samples: usize,
    /// Decides the initial A, the split, the order of rows and dropout.
    pub seed: u64,
}

impl Default for TrainOptions {
    fn default() -> Self {
        TrainOptions {
            name: "adapter".to_owned(),
            output_dir: None,
            target_modules: TargetModules::all_linear(),
            exclude_modules: None,
            r: 8,
            lora_alpha: 16.0,
            lora_dropout: 0.0,
            use_rslora: false,
            rank_pattern: PatternMap::default(),
            alpha_pattern: PatternMap::default(),
            learning_rate: 2e-4,
            loraplus_lr_ratio: None,
            weight_decay: 0.0,
            adam_beta1: 0.9,
            adam_beta2: 0.999,
            adam_epsilon: 1e-8,
            max_grad_norm: 1.0,
            lr_scheduler_type: SchedulerType::Cosine,
            warmup_ratio: 0.1,
            warmup_steps: 0,
            num_train_epochs: 15.0,
            min_steps: None,
            max_steps: 0,
            batch_size: 4,
            gradient_accumulation_steps: 1,
            gradient_checkpointing: GradientCheckpointing::AUTO,
            max_memory: None,
            max_length: 1024,
            validation_share: 0.1,
            validation_folds: None,
            early_stopping_patience: 3,
            eval_steps: 0,
            logging_steps: 1,
            checkpoint_steps: 0,
            resume_from_checkpoint: false,
            memorisation_samples: 4,
            seed: 42,
        }
    }
}

impl Options for TrainOptions {
    const NAME: &'static str = "train";

    fn check(&self) -> Result<()> {
        check_name(&self.name)?;
        if self.validation_folds == Some(1) {
            return Err(invalid("validation_folds", 1, "0 for none, or from 2 to 40"));
        }
        if let Some(dir) = &self.output_dir {
            check_output_dir(dir)?;
        } else {
            if self.checkpoint_steps > 0 {
                return Err(invalid("checkpoint_steps", self.checkpoint_steps, "0, or `output_dir` to be set too"));
            }
            if self.resume_from_checkpoint {
                return Err(invalid("resume_from_checkpoint", true, "false, or `output_dir` to be set too"));
            }
        }
        self.max_memory.as_ref().map(|size| size.bytes("max_memory")).transpose()?;
        self.rank_pattern.compile().and_then(|_| self.alpha_pattern.compile()).map(drop)
    }
}

/// The name becomes part of a folder's name, on every system the library runs on.
fn check_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let length = name.chars().count();
    // File systems take 255 bytes, of which the version has its part.
    if (1..=64).contains(&length)
        && name.len() <= 192
        && name.chars().all(plain)
        && !name.starts_with('.')
        && !name.ends_with('.')
    {
        return Ok(());
    }
    Err(invalid(
        "name",
        format_args!("{name:?}"),
        "1 to 64 letters, digits, `_`, `-` or `.`, at most 192 bytes of UTF-8, with no `.` at either end, since it names a folder",
    ))
}

/// An empty path would be the working directory.
fn check_output_dir(dir: &Path) -> Result<()> {
    let text = dir.to_string_lossy();
    if text.trim().is_empty() || text.contains('\0') {
        return Err(invalid("output_dir", format_args!("{text:?}"), "the path of a folder, or null to write nothing"));
    }
    Ok(())
}

impl TrainOptions {
    /// Reads options from a file: `.json`, `.yaml` or `.yml`. A relative `output_dir` stays relative to the working directory.
    ///
    /// # Errors
    /// `Io`: unreadable. `InvalidOptions`: not JSON or YAML, unknown key, value outside its range; each names the file.
    pub fn from_file(path: &Path) -> Result<Self> {
        let text = read_text(path, MAX_FILE)?;
        let bad = |what: String| Error::new(Code::InvalidOptions, what);
        let extension = path.extension().and_then(|ext| ext.to_str()).map(str::to_ascii_lowercase);
        let value: Result<Value> = match extension.as_deref() {
            Some("json") => read(text.trim_start_matches('\u{feff}'), "the options"),
            Some("yaml" | "yml") => {
                serde_saphyr::from_str(&text).map_err(|err| bad(format!("not valid YAML: {}", err.to_string().trim())))
            }
            _ => Err(bad("the extension says neither JSON nor YAML; expected .json, .yaml or .yml".to_owned())),
        };
        value.and_then(from_value).map_err(|err: Error| err.in_file(path))
    }

    /// The adapter that these options ask for.
    pub(crate) fn lora_config(&self) -> LoraConfig {
        LoraConfig {
            r: self.r,
            lora_alpha: self.lora_alpha,
            use_rslora: self.use_rslora,
            rank_pattern: self.rank_pattern.clone(),
            alpha_pattern: self.alpha_pattern.clone(),
            target_modules: self.target_modules.clone(),
            exclude_modules: self.exclude_modules.clone(),
            lora_dropout: self.lora_dropout,
            ..Default::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{parse, schema};

    #[test]
    fn yaml_and_json_say_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            TrainOptions::from_file(&path)
        };
        let yaml = "# house style\nname: hr_review\nr: 16\nlearning_rate: 2e-4\ntarget_modules: [q_proj, v_proj]\nrank_pattern:\n  zz_proj: 4\n  q_proj: 2\nlr_scheduler_type: linear\nuse_rslora: true\noutput_dir: runs/hr\n";
        let json = r#"{"name": "hr_review", "r": 16, "learning_rate": 0.0002, "target_modules": ["q_proj", "v_proj"], "rank_pattern": {"zz_proj": 4, "q_proj": 2}, "lr_scheduler_type": "linear", "use_rslora": true, "output_dir": "runs/hr"}"#;
        let (from_yaml, from_json) = (write("a.yaml", yaml).unwrap(), write("a.json", json).unwrap());
        assert_eq!(from_yaml, from_json);
        assert_eq!(from_yaml.learning_rate, 2e-4);
        assert_eq!(from_yaml.rank_pattern.iter().map(|(key, _)| key).collect::<Vec<_>>(), ["zz_proj", "q_proj"]);
        assert_eq!(from_yaml.batch_size, 4);
        assert_eq!(write("empty.yml", "").unwrap(), TrainOptions::default());

        for (name, text, words) in [
            ("b.yaml", "learning_rat: 1", vec!["b.yaml", "learning_rate"]),
            ("c.yaml", "r: [", vec!["c.yaml", "YAML"]),
            ("d.json", "{", vec!["d.json", "JSON"]),
            ("e.toml", "r = 1", vec!["e.toml", ".yaml"]),
            ("f.yaml", "r: 0", vec!["f.yaml", "`r` is 0", "from 1 to 4096"]),
            ("g.yaml", "r: many", vec!["g.yaml", "train option `r`"]),
        ] {
            let err = write(name, text).unwrap_err();
            assert_eq!(err.code(), Code::InvalidOptions, "{err}");
            assert!(words.iter().all(|word| err.message().contains(word)), "{words:?}: {err}");
        }
        assert_eq!(TrainOptions::from_file(&dir.path().join("none.json")).unwrap_err().code(), Code::Io);
    }

    #[test]
    fn each_range_is_checked_by_name() {
        for (key, value) in [
            ("r", json!(0)),
            ("r", json!(5000)),
            ("lora_alpha", json!(0)),
            ("lora_dropout", json!(1.0)),
            ("learning_rate", json!(-1e-4)),
            ("loraplus_lr_ratio", json!(0)),
            ("adam_beta2", json!(1)),
            ("adam_epsilon", json!(0)),
            ("warmup_ratio", json!(1.5)),
            ("num_train_epochs", json!(0)),
            ("batch_size", json!(0)),
            ("gradient_accumulation_steps", json!(0)),
            ("max_length", json!(4)),
            ("validation_share", json!(0.6)),
            ("validation_folds", json!(1)),
            ("validation_folds", json!(41)),
            ("memorisation_samples", json!(9)),
            ("logging_steps", json!(0)),
            ("checkpoint_steps", json!(5)),
            ("resume_from_checkpoint", json!(true)),
            ("name", json!("a/b")),
            ("name", json!("..")),
            ("name", json!("")),
            ("name", json!("𠮷".repeat(64))),
            ("output_dir", json!("")),
            ("output_dir", json!(" \t")),
            ("output_dir", json!("a\0b")),
            ("rank_pattern", json!({"q_proj": 0})),
            ("alpha_pattern", json!({"q_proj": -1})),
        ] {
            let err = parse::<TrainOptions>(Some(&json!({ key: value }).to_string())).unwrap_err();
            assert_eq!(err.code(), Code::InvalidOptions, "{err}");
            assert!(err.message().contains(&format!("`{key}`")), "{key}: {err}");
        }
        assert!(parse::<TrainOptions>(Some(r#"{"rank_pattern": {"q_proj(": 2}}"#)).is_err());
        assert!(parse::<TrainOptions>(Some(r#"{"seed": -1}"#)).is_err());
        for name in ["人才评价", &"评".repeat(64), &"𠮷".repeat(48)] {
            assert_eq!(parse::<TrainOptions>(Some(&json!({ "name": name }).to_string())).unwrap().name, name);
        }
    }

    #[test]
    fn every_option_is_described_and_the_defaults_pass() {
        TrainOptions::default().validate().unwrap();
        let schema = schema::<TrainOptions>();
        for (name, property) in schema["properties"].as_object().unwrap() {
            assert!(property["description"].is_string(), "{name}: {property}");
        }
    }
}
