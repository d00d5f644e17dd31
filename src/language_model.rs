//! A base model as one thing: decoder, tokenizer and chat template, loaded from a Hugging Face directory or a GGUF file.

use crate::adapter::{Adapter, AdapterBase, AdapterOptions};
use crate::control::Monitor;
use crate::error::{Code, Error, Result};
use crate::memory;
use crate::model::{Decoder, KvCacheDtype, LoadPlan, ModelFiles, model_name};
use crate::options::{Options, invalid};
use crate::tensor::DeviceChoice;
use crate::tokenize::{ChatTemplate, PromptFormat, TokenizeOptions, Tokenizer, Vocabulary};
use crate::weights::{Dtype, Quantize};
use jiff::civil::Date;
use once_cell::sync::OnceCell;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Options of `tailora_model_load`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelOptions {
    /// Where the model runs: `auto` (a GPU if this build and machine have one), `cpu` or `cuda:N`.
    #[schemars(with = "String", extend("pattern" = "^(auto|cpu|cuda(:[0-9]+)?)$"))]
    pub device: DeviceChoice,
    /// Type in which weights that are not quantized are kept.
    pub dtype: Dtype,
    /// Quantization of the weights while they load, as GGML has it; null for none. CPU only.
    pub quantize: Option<Quantize>,
    /// Products take operands in f32: those of quantized weights are of the dequantized ones, none the much faster integer
    /// ones, and those of bf16 weights do not round to bf16. Keys and values are kept in f32, if `kv_cache_dtype` is `auto`.
    pub exact: bool,
    /// Type in which the keys and values of tokens that were read are kept. Other than `auto` on the CPU only.
    pub kv_cache_dtype: KvCacheDtype,
    /// Threads of the CPU; 0 means one per core.
    #[schemars(range(min = 0, max = 1024))]
    pub threads: usize,
    /// Name in reports and adapter files; null takes that of the directory or GGUF file.
    pub name: Option<String>,
    /// The day that a chat template tells the model, as `2026-11-27`; null is today. Trained adapters keep it.
    pub date: Option<String>,
}

impl Default for ModelOptions {
    fn default() -> Self {
        ModelOptions {
            device: DeviceChoice::Auto,
            dtype: Dtype::Auto,
            quantize: None,
            exact: false,
            kv_cache_dtype: KvCacheDtype::Auto,
            threads: 0,
            name: None,
            date: None,
        }
    }
}

impl Options for ModelOptions {
    const NAME: &'static str = "model";

    fn check(&self) -> Result<()> {
        self.day().map(drop)
    }
}

impl ModelOptions {
    /// In f32 on the device that `TAILORA_TEST_DEVICE` names, or the CPU.
    #[cfg(test)]
    pub(crate) fn of_tests() -> Self {
        let device = std::env::var("TAILORA_TEST_DEVICE").unwrap_or_else(|_| "cpu".to_owned());
        ModelOptions { device: device.try_into().unwrap(), dtype: Dtype::F32, ..Default::default() }
    }

    fn day(&self) -> Result<Date> {
        match self.date.as_deref() {
            None => Ok(jiff::Zoned::now().date()),
            // Only this form: the parser would take times and zones too.
            Some(text) => text
                .parse()
                .ok()
                .filter(|date: &Date| date.to_string() == text)
                .ok_or_else(|| invalid("date", format!("`{text}`"), "null or a day such as 2026-11-27")),
        }
    }
}

/// Bytes that a tokenizer takes for each byte of its file while it is built.
const TOKENIZER_GROWTH: u64 = 16;

/// A loaded base model. Immutable; clones share it, and any thread may use it.
#[derive(Clone)]
pub struct LanguageModel(Arc<Inner>);

struct Inner {
    name: String,
    path: PathBuf,
    decoder: Arc<Decoder>,
    format: PromptFormat,
    /// Of the tokenizer and the chat template.
    notes: Vec<String>,
    date: Date,
    quantize: Option<Quantize>,
    vocabulary: OnceCell<Arc<Vocabulary>>,
}

impl LanguageModel {
    /// Loads a Hugging Face directory (`config.json`, safetensors, `tokenizer.json`, and the chat template if there is one), or
    /// a GGUF file: its path, or a directory with one and no `config.json`. A `tokenizer.json` beside it stands instead of
    /// the tokenizer in it.
    ///
    /// # Errors
    /// `Io` for files that cannot be read, `ModelFormat` for damaged ones (with the tensor and both shapes),
    /// `Unsupported` for other architectures, `Tokenizer`, `Device`, `Cancelled`.
    pub fn load(path: &Path, options: &ModelOptions, monitor: &mut Monitor<'_>) -> Result<Self> {
        Self::with_decoder(path, options, |files, plan| Decoder::shared(files, plan, monitor))
    }

    /// With a decoder of its own, which no other model reads with.
    #[cfg(test)]
    pub(crate) fn load_own(path: &Path, options: &ModelOptions) -> Result<Self> {
        Self::with_decoder(path, options, |files, plan| Decoder::open(files, plan, &mut Monitor::none()).map(Arc::new))
    }

    fn with_decoder(
        path: &Path,
        options: &ModelOptions,
        decoder: impl FnOnce(&ModelFiles, &LoadPlan) -> Result<Arc<Decoder>>,
    ) -> Result<Self> {
        options.validate()?;
        let files = ModelFiles::find(path)?;
        // What a tokenizer becomes is many times its file.
        let tokenizer =
            std::fs::metadata(files.directory().join("tokenizer.json")).map_or(0, |metadata| metadata.len());
        memory::probe(tokenizer.saturating_mul(TOKENIZER_GROWTH))?;
        // The tokenizer first: it is small, and its errors come before minutes of loading.
        let tokenizer = Tokenizer::open(&files)?;
        let date = options.day()?;
        let template = ChatTemplate::open(&files, &tokenizer)?.map(|template| template.on(date));
        let plan = LoadPlan {
            device: options.device,
            dtype: options.dtype,
            quantize: options.quantize,
            exact: options.exact,
            kv_cache_dtype: options.kv_cache_dtype,
            threads: options.threads,
        };
        let decoder = decoder(&files, &plan)?;
        let config = decoder.config();
        let mut notes = tokenizer.check_rows(config.vocab_size)?;
        let format = PromptFormat::new(tokenizer, template, &config.eos_token_ids, config.bos_token_id)?;
        format.check_rows(config.vocab_size)?;
        notes.extend(format.notes());
        let name = options.name.clone().unwrap_or_else(|| model_name(path));
        Ok(LanguageModel(Arc::new(Inner {
            name,
            path: path.to_path_buf(),
            decoder,
            format,
            notes,
            date,
            quantize: options.quantize,
            vocabulary: OnceCell::new(),
        })))
    }

    pub(crate) fn decoder(&self) -> &Decoder {
        &self.0.decoder
    }

    pub(crate) fn format(&self) -> &PromptFormat {
        &self.0.format
    }

    /// Its tokens for grammars: made at the first call, since a large vocabulary takes a second, and shared by all users.
    pub(crate) fn vocabulary(&self) -> Result<Arc<Vocabulary>> {
        let vocab_size = self.0.decoder.config().vocab_size;
        let make = || Vocabulary::new(self.0.format.tokenizer(), vocab_size, &self.end_tokens()).map(Arc::new);
        self.0.vocabulary.get_or_try_init(make).cloned()
    }

    /// Tokens that end a text: those of the model's configuration, and what its chat template writes after an answer.
    pub(crate) fn end_tokens(&self) -> Vec<u32> {
        let mut ids = self.0.decoder.config().eos_token_ids.clone();
        let end_of_turn = self.0.format.end_of_turn();
        if !ids.contains(&end_of_turn) {
            ids.push(end_of_turn);
        }
        ids
    }

    /// The name in reports and adapter files.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// SHA-256 of the weight files, hex; computed at the first call.
    ///
    /// # Errors
    /// `Io` if a weight file was written to after the model was loaded: its hash would be that of other weights.
    pub fn sha256(&self) -> Result<&str> {
        self.0.decoder.sha256()
    }

    /// The identity and shapes that an adapter is held against.
    pub(crate) fn adapter_base(&self) -> Result<AdapterBase> {
        Ok(AdapterBase::try_from(&*self.0.decoder)?.named(self.name()))
    }

    /// Loads a PEFT adapter directory that fits this model; see [`Adapter::load`] for its errors.
    pub fn load_adapter(&self, dir: &Path, options: &AdapterOptions) -> Result<Adapter> {
        let loaded = Adapter::load_with(dir, self.adapter_base()?, options)?;
        Ok(loaded.with_notes(self.template_note(dir)))
    }

    /// An adapter that was trained with a template of its own is given the base's, which it may not know.
    fn template_note(&self, dir: &Path) -> Option<String> {
        let own = match ChatTemplate::load(dir) {
            Ok(own) => own?,
            Err(err) => return Some(format!("the adapter's own chat template was not read: {}", err.message())),
        };
        let differs = self.0.format.template().is_none_or(|base| base.source().trim() != own.source().trim());
        differs.then(|| {
            "the adapter's folder has a chat template that differs from the base model's, which is used".to_owned()
        })
    }

    /// Refuses an adapter of another base model.
    pub(crate) fn check_adapter(&self, adapter: &Adapter) -> Result<()> {
        let base = adapter.base();
        let here = self.adapter_base()?;
        let same = base.sha256.is_none() || base.sha256 == here.sha256;
        if same && base.same_shapes(&here) {
            return Ok(());
        }
        Err(Error::new(
            Code::AdapterMismatch,
            format!(
                "the adapter {} belongs to the base model {}; the model here is {}",
                adapter.name(),
                base.name,
                self.name()
            ),
        )
        .with("adapter", adapter.name())
        .with("adapter_base", &base.name)
        .with("adapter_base_sha256", base.sha256.as_deref())
        .with("model", self.name())
        .with("model_sha256", here.sha256))
    }

    /// Tokens of a text, without special ones around it.
    pub fn count_tokens(&self, text: &str) -> Result<usize> {
        Ok(self.0.format.tokenizer().encode(text, false)?.len())
    }

    /// The token ids of a text, without special ones around it.
    pub fn tokenize(&self, text: &str, options: &TokenizeOptions) -> Result<Vec<u32>> {
        self.0.format.ids(text, options)
    }

    /// The text of token ids.
    pub fn detokenize(&self, ids: &[u32], options: &TokenizeOptions) -> Result<String> {
        self.0.format.text(ids, self.0.decoder.config().vocab_size, options)
    }

    /// What there is to know about the model, for hosts.
    pub fn info(&self) -> Value {
        let Inner { name, path, decoder, format, notes, date, quantize, .. } = &*self.0;
        let config = decoder.config();
        let (tensors, bytes) = decoder.stored();
        let stored = decoder.weight_types();
        json!({
            "name": name,
            "path": path.display().to_string(),
            "model_type": config.family.model_type,
            "vocab_size": config.vocab_size,
            "hidden_size": config.hidden_size,
            "intermediate_size": config.intermediate_size,
            "num_hidden_layers": config.num_hidden_layers,
            "num_attention_heads": config.num_attention_heads,
            "num_key_value_heads": config.num_key_value_heads,
            "head_dim": config.head_dim,
            "max_position_embeddings": config.max_position_embeddings,
            "bos_token_id": config.bos_token_id,
            "eos_token_ids": config.eos_token_ids,
            "chat_template": format.has_template(),
            "date": date.to_string(),
            "device": decoder.device().name(),
            "dtype": decoder.dtype().name(),
            "kv_cache_dtype": decoder.kv_cache_dtype(),
            "quantize": quantize,
            "weight_types": stored.types,
            "notes": decoder.notes().into_iter().chain(notes.iter().cloned()).collect::<Vec<String>>(),
            "threads": decoder.num_threads(),
            "tensors": tensors,
            "bytes": bytes,
            "tokenizer_vocab_size": format.tokenizer().vocab_size(),
            "tokenizer_sha256": format.tokenizer().sha256(),
        })
    }
}

impl std::fmt::Debug for LanguageModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LanguageModel({})", self.0.name)
    }
}
