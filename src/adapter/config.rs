//! PEFT's `adapter_config.json`: what we read of it, what we refuse, what we write.

use super::modules::TargetModules;
use super::patterns::PatternMap;
use crate::error::{Code, Error, Result};
use crate::files::read_text;
use crate::model::{Module, ModuleTable, is_off};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::path::Path;

/// The config's file name, as PEFT has it.
pub(crate) const FILE_NAME: &str = "adapter_config.json";
const MAX_SIZE: u64 = 16 << 20;

/// Keys that change nothing at inference with a saved adapter, whatever their value. (The `*_config` ones steer how
/// training starts; an initialisation that also changed the base model is refused by `init_lora_weights`.)
const HARMLESS_KEYS: &[&str] = &[
    "auto_mapping",
    "corda_config",
    "eva_config",
    "inference_mode",
    "loftq_config",
    "lora_ga_config",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
    "velora_config",
];

/// Initialisations that leave the base model's weights as they are; the others (PiSSA, OLoRA, CorDA, LoftQ, LoRA-GA)
/// subtract something from them, so their adapters mean nothing on the plain base.
const PLAIN_INITIALISATIONS: &[&str] = &["gaussian", "eva", "orthogonal"];

/// A LoRA adapter's configuration, with PEFT's names and meanings.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LoraConfig {
    /// Rank of the update matrices where `rank_pattern` says nothing else.
    pub(crate) r: usize,
    /// The update is scaled by `lora_alpha / r`, or `lora_alpha / √r` with `use_rslora`.
    pub(crate) lora_alpha: f64,
    /// Rank-stabilized scaling (Kalajdzievski 2023, <https://arxiv.org/abs/2312.03732>).
    pub(crate) use_rslora: bool,
    /// Ranks that differ from `r`.
    pub(crate) rank_pattern: PatternMap<usize>,
    /// Alphas that differ from `lora_alpha`.
    pub(crate) alpha_pattern: PatternMap<f64>,
    pub(crate) target_modules: TargetModules,
    pub(crate) exclude_modules: Option<TargetModules>,
    /// Only these layers, for targets that were named by the end of their names.
    pub(crate) layers_to_transform: Option<Vec<usize>>,
    /// The name of the list of layers; empty means any.
    pub(crate) layers_pattern: Vec<String>,
    /// Share of the inputs of A that training drops; nothing at inference.
    pub(crate) lora_dropout: f64,
    pub(crate) base_model_name_or_path: Option<String>,
}

impl Default for LoraConfig {
    fn default() -> Self {
        LoraConfig {
            r: 8,
            lora_alpha: 16.0,
            use_rslora: false,
            rank_pattern: PatternMap::default(),
            alpha_pattern: PatternMap::default(),
            target_modules: TargetModules::all_linear(),
            exclude_modules: None,
            layers_to_transform: None,
            layers_pattern: Vec::new(),
            lora_dropout: 0.0,
            base_model_name_or_path: None,
        }
    }
}

impl LoraConfig {
    /// Reads the config of an adapter folder.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE_NAME);
        if !path.exists() && dir.exists() {
            return Err(not_an_adapter(dir));
        }
        let text = read_text(&path, MAX_SIZE)?;
        let at_path = |err: Error| err.in_file(&path);
        let value = serde_json::from_str(&text)
            .map_err(|err| at_path(Error::new(Code::AdapterFormat, format!("not valid JSON: {err}"))))?;
        Self::from_value(value).map_err(at_path)
    }

    /// Takes PEFT's JSON apart. Keys unknown here may be there as long as they are off (null, false, empty).
    pub(crate) fn from_value(value: Value) -> Result<Self> {
        let Value::Object(mut keys) = value else {
            return Err(Error::new(Code::AdapterFormat, format!("expected a JSON object, found {}", shorten(&value))));
        };
        refuse_unless(&mut keys, "peft_type", "\"LORA\"", |value| value == "LORA")?;
        refuse_unless(&mut keys, "task_type", "\"CAUSAL_LM\"", |value| value.is_null() || value == "CAUSAL_LM")?;
        refuse_unless(&mut keys, "bias", "\"none\"", |value| value.is_null() || value == "none")?;
        refuse_unless(
            &mut keys,
            "init_lora_weights",
            "an initialisation that leaves the base model as it is",
            |value| {
                matches!(value, Value::Null | Value::Bool(_))
                    || value.as_str().is_some_and(|name| PLAIN_INITIALISATIONS.contains(&name.to_lowercase().as_str()))
            },
        )?;

        let r = take(&mut keys, "r", "a positive integer")?.unwrap_or(8);
        let config = LoraConfig {
            r,
            lora_alpha: take(&mut keys, "lora_alpha", "a number")?.unwrap_or(8.0),
            use_rslora: take(&mut keys, "use_rslora", "true or false")?.unwrap_or_default(),
            rank_pattern: take(&mut keys, "rank_pattern", "an object of positive integers")?.unwrap_or_default(),
            alpha_pattern: take(&mut keys, "alpha_pattern", "an object of numbers")?.unwrap_or_default(),
            target_modules: take(&mut keys, "target_modules", "a list of names or a string")?
                .unwrap_or_else(peft_default_targets),
            exclude_modules: take(&mut keys, "exclude_modules", "a list of names or a string")?,
            layers_to_transform: take::<OneOrMany<usize>>(&mut keys, "layers_to_transform", "a list of layer numbers")?
                .map(OneOrMany::into_vec),
            layers_pattern: take::<OneOrMany<String>>(&mut keys, "layers_pattern", "a list of names")?
                .map_or_else(Vec::new, OneOrMany::into_vec),
            lora_dropout: take(&mut keys, "lora_dropout", "a number from 0 to 1")?.unwrap_or_default(),
            base_model_name_or_path: take(&mut keys, "base_model_name_or_path", "a string")?,
        };
        for key in HARMLESS_KEYS {
            keys.remove(*key);
        }
        if let Some((key, value)) = keys.iter().find(|(_, value)| !is_off(value)) {
            return Err(unsupported(key, value, "it to be off (null, false or empty)"));
        }
        config.check()?;
        Ok(config)
    }

    /// Checks what the types cannot express.
    pub(crate) fn check(&self) -> Result<()> {
        let refuse = |key: &str, found: String, expected: &str| {
            Err(Error::new(Code::AdapterFormat, format!("`{key}` is {found}; expected {expected}")).with("key", key))
        };
        for (key, r) in self.rank_pattern.iter().chain([("r", &self.r)]) {
            if *r == 0 {
                return refuse(key, r.to_string(), "a rank of at least 1");
            }
        }
        for (key, alpha) in self.alpha_pattern.iter().chain([("lora_alpha", &self.lora_alpha)]) {
            if !alpha.is_finite() {
                return refuse(key, alpha.to_string(), "a finite number");
            }
        }
        if !(0.0..=1.0).contains(&self.lora_dropout) {
            return refuse("lora_dropout", self.lora_dropout.to_string(), "a number from 0 to 1");
        }
        // As PEFT's LoraConfig does.
        let by_layer = self.layers_to_transform.is_some() || !self.layers_pattern.is_empty();
        if by_layer && matches!(self.target_modules, TargetModules::Pattern(_)) {
            return refuse("layers_to_transform", "set".to_owned(), "`target_modules` to be a list then");
        }
        if !self.layers_pattern.is_empty() && self.layers_to_transform.is_none() {
            return refuse("layers_pattern", "set".to_owned(), "`layers_to_transform` to be set then");
        }
        Ok(())
    }

    /// The config as PEFT reads it, `all-linear` spelled out as PEFT itself does on saving.
    pub(crate) fn to_value(&self, modules: &'static ModuleTable) -> Value {
        let target_modules = if self.target_modules.is_all_linear() {
            TargetModules::List(modules.modules().map(Module::name).map(str::to_owned).collect())
        } else {
            self.target_modules.clone()
        };
        let alpha_pattern: Map<String, Value> =
            self.alpha_pattern.iter().map(|(pattern, alpha)| (pattern.to_owned(), number(*alpha))).collect();
        let mut value = json!({
            "alpha_pattern": alpha_pattern,
            "auto_mapping": null,
            "base_model_name_or_path": self.base_model_name_or_path,
            "bias": "none",
            "fan_in_fan_out": false,
            "inference_mode": true,
            "init_lora_weights": true,
            "layers_pattern": (!self.layers_pattern.is_empty()).then_some(&self.layers_pattern),
            "layers_to_transform": self.layers_to_transform,
            "lora_alpha": number(self.lora_alpha),
            "lora_dropout": self.lora_dropout,
            "modules_to_save": null,
            "peft_type": "LORA",
            "r": self.r,
            "rank_pattern": self.rank_pattern,
            "revision": null,
            "target_modules": target_modules,
            "task_type": "CAUSAL_LM",
            "use_rslora": self.use_rslora,
        });
        // Younger than the others: an older PEFT refuses a key that it does not know.
        if let (Some(excluded), Value::Object(keys)) = (&self.exclude_modules, &mut value) {
            keys.insert("exclude_modules".to_owned(), json!(excluded));
        }
        value
    }
}

/// What a path is that was given as an adapter and has no config of one.
fn not_an_adapter(dir: &Path) -> Error {
    let is = |file: &str| dir.join(file).exists();
    let inner = || {
        let entries = std::fs::read_dir(dir).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
        entries.filter(|path| path.join(FILE_NAME).is_file()).max()
    };
    let why = if !dir.is_dir() {
        "is a file; expected an adapter's folder, with adapter_config.json and adapter_model.safetensors".to_owned()
    } else if is("config.json") || is("model.safetensors") || is("model.safetensors.index.json") {
        "is a model's folder, not an adapter's; expected adapter_config.json and adapter_model.safetensors".to_owned()
    } else if let Some(inner) = inner() {
        format!("has no {FILE_NAME}; there is one in {}, if you mean that", inner.display())
    } else {
        format!("has no {FILE_NAME}; expected a folder as PEFT's save_pretrained writes it")
    };
    Error::new(Code::AdapterFormat, format!("{} {why}", dir.display())).with_path(dir)
}

/// PEFT writes alphas as integers; a float that is one is written so too.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e15 { json!(value as i64) } else { json!(value) }
}

/// What PEFT takes for Llama, Qwen2 and Qwen3 when `target_modules` is null.
fn peft_default_targets() -> TargetModules {
    TargetModules::List(vec!["q_proj".to_owned(), "v_proj".to_owned()])
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            OneOrMany::One(value) => vec![value],
            OneOrMany::Many(values) => values,
        }
    }
}

/// Removes a key; null counts as absent.
fn take<T: DeserializeOwned>(keys: &mut Map<String, Value>, key: &str, expected: &str) -> Result<Option<T>> {
    match keys.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => T::deserialize(&value).map(Some).map_err(|_| {
            Error::new(Code::AdapterFormat, format!("`{key}` is {}; expected {expected}", shorten(&value)))
                .with("key", key)
        }),
    }
}

fn refuse_unless(
    keys: &mut Map<String, Value>,
    key: &str,
    expected: &str,
    accept: impl Fn(&Value) -> bool,
) -> Result<()> {
    let value = keys.remove(key).unwrap_or(Value::Null);
    if accept(&value) { Ok(()) } else { Err(unsupported(key, &value, expected)) }
}

fn unsupported(key: &str, value: &Value, expected: &str) -> Error {
    Error::new(Code::Unsupported, format!("`{key}` is {}, which is not supported; expected {expected}", shorten(value)))
        .with("key", key)
        .with("value", value)
}

/// A value short enough for a message.
fn shorten(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 80 { text } else { text.chars().take(80).chain("…".chars()).collect() }
}
