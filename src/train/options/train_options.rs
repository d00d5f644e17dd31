//! How to train: names and defaults of PEFT's `LoraConfig` and transformers' `TrainingArguments`, where they have one.

use super::memory::{ByteSize, GradientCheckpointing};
use crate::adapter::{LoraConfig, PatternMap, TargetModules};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::PathBuf;

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

    /// Passes over the training rows at most; early stopping may end sooner, and `epoch_doublings` add some.
    #[schemars(range(max = 1e6), extend("exclusiveMinimum" = 0))]
    pub num_train_epochs: f64,
    /// With folds (see `validation_folds`), how many times the epochs are doubled while the validation loss of the first fold
    /// still falls at their end: it is then run again, and the other folds and the last run are as long. Not with `max_steps`.
    #[schemars(range(max = 6))]
    pub epoch_doublings: u32,
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
    /// for a small part of the memory. `auto`: as few layers as the memory (`max_memory`, else what the device has free)
    /// asks for. The result has the same bits.
    pub gradient_checkpointing: GradientCheckpointing,
    /// Memory that model and training may take together, in bytes or as in `12GiB`. A training that is estimated to need
    /// more does not begin. Null means what the machine has free, and refuses nothing.
    pub max_memory: Option<ByteSize>,
    /// Tokens per row at most, prompt and completion together; longer rows are reported by the dataset.
    #[schemars(range(min = 8, max = 16_777_216))]
    pub max_length: usize,

    /// Share of the rows kept for validation; 0 trains on all rows and keeps the last step. Of 100 rows and more, 100 are kept
    /// at least (but no more than a fifth), so that confidences can be calibrated; `calibration_rows: 0` leaves that out.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub validation_share: f64,
    /// With 2 or more, no row is kept for good: so many times, that part of the rows is held out and the rest trained on;
    /// the step with the lowest mean validation loss is the best one, and the adapter is trained on all rows up to it. It
    /// takes as many times as long, and one more. 0 never does so; null does with 5 folds where there are 5 to 99 rows,
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
    /// After training, at most so many rows that were held out are answered, by a model that has not seen them, and the
    /// conclusions held against the rows' own: that tells reports how often a conclusion with such signs is right. With
    /// folds, all rows are held out in turn. 0 leaves it out, and reports then say `uncalibrated`.
    #[schemars(range(min = 0, max = 10_000))]
    pub calibration_rows: usize,
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
            epoch_doublings: 2,
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
            calibration_rows: 200,
            seed: 42,
        }
    }
}

impl TrainOptions {
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
