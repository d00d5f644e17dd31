//! Times the parts of a training on the real model. Nothing of it is kept.

use crate::adapter::Adapter;
use crate::control::Monitor;
use crate::error::Result;
use crate::generate::{Engine, GenerateOptions, Output, Sampler, Sequence, Slot};
use crate::language_model::LanguageModel;
use crate::model::{BatchSize, LoraStack, PackedBatch};
use crate::tensor::buffers::Shapes;
use crate::train::optimizer::Optimizer;
use crate::train::options::TrainOptions;
use std::time::{Duration, Instant};

/// Passes timed at least, and the time after which there are enough.
const PASSES: u32 = 2;
const ENOUGH: Duration = Duration::from_secs(1);

/// Seconds that parts of a training take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Forward and backward, per multiply-add of the forward pass.
    pub(crate) training: f64,
    /// A forward pass with the loss alone, per multiply-add.
    pub(crate) validation: f64,
    pub(crate) optimizer_step: f64,
    /// A token generated after a prompt.
    pub(crate) generated_token: f64,
}

/// Runs a micro-batch, forward alone and with backward, an optimizer step, and a few tokens of generation.
pub(crate) fn pace(
    model: &LanguageModel,
    batch: &PackedBatch,
    size: BatchSize,
    options: &TrainOptions,
    kept_layers: usize,
    monitor: &mut Monitor<'_>,
) -> Result<Pace> {
    let decoder = model.decoder();
    let _buffers = decoder.hold_buffers(Shapes::Change);
    let adapter = Adapter::new_for_training(&options.lora_config(), model.adapter_base()?, options.seed)?;
    let mut optimizer = Optimizer::new(options, &adapter)?;
    let lora = optimizer.stack_for_step()?;
    let work = decoder.multiply_adds(size).max(1.0);
    let mut gradients = None;
    let training = timed(monitor, || {
        gradients = Some(decoder.loss_and_gradients(batch, &lora, 1.0, None, kept_layers)?.1);
        Ok(())
    })?;
    let validation = timed(monitor, || decoder.loss(batch, &lora).map(drop))?;
    let gradients = gradients.unwrap_or_default();
    let optimizer_step = timed(monitor, || {
        let norm = gradients.norm()?;
        optimizer.step(&gradients, norm, options.learning_rate)
    })?;
    let generated_token = match options.memorisation_samples {
        0 => 0.0,
        _ => generated_token(model, &lora, monitor)?,
    };
    Ok(Pace { training: training / work, validation: validation / work, optimizer_step, generated_token })
}

/// Seconds of one token after a short prompt.
fn generated_token(model: &LanguageModel, lora: &LoraStack, monitor: &mut Monitor<'_>) -> Result<f64> {
    const PROMPT: usize = 16;
    // Nothing ends it but its length, which the passes timed do not reach on a model of usual size.
    let options = GenerateOptions { max_tokens: 240, ..Default::default() };
    let limit = model.decoder().config().max_position_embeddings;
    let engine = Engine::new(model);
    let empty = engine.context(lora, limit)?;
    let begin = || -> Result<Slot> {
        let output = Output::text(model.format().tokenizer(), &[]);
        let sampler = Sampler::new(&options, model.format().tokenizer());
        let prompt = vec![0; PROMPT.min(limit.saturating_sub(1))];
        let sequence = Sequence::new(prompt, &options, sampler, Vec::new(), output, None, limit)?;
        Ok(Slot::new(sequence, empty.fresh()))
    };
    let mut slot = begin()?;
    engine.step_one(&mut slot)?;
    timed(monitor, || {
        if slot.is_finished() {
            slot = begin()?;
        }
        engine.step_one(&mut slot).map(drop)
    })
}

/// Mean seconds of `work`. The first time does not count: it fills caches and makes what is made once.
fn timed(monitor: &mut Monitor<'_>, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    monitor.check()?;
    work()?;
    let begun = Instant::now();
    let mut passes = 0;
    while passes < PASSES || (begun.elapsed() < ENOUGH && passes < 200) {
        monitor.check()?;
        work()?;
        passes += 1;
    }
    Ok(begun.elapsed().as_secs_f64() / f64::from(passes))
}
