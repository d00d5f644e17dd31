//! The log records of long work: what was loaded, trained and written, in figures. Made of what the host is told anyway,
//! and of nothing that a row, a prompt or an answer says.

use crate::control::{Phase, Progress};
use crate::docx::ReviewSummary;
use crate::registry::{AliasChange, Publication};
use serde_json::Value;
use std::time::Instant;
use tracing::{debug, info, trace, warn};

pub(super) fn model_loaded(info: &Value, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    info!(
        target: "tailora::model",
        name = %info["name"], model_type = %info["model_type"], device = %info["device"], dtype = %info["dtype"],
        bytes = %info["bytes"], seconds, "model loaded"
    );
    debug!(
        target: "tailora::model",
        path = %info["path"], tensors = %info["tensors"], weight_types = %info["weight_types"],
        num_hidden_layers = %info["num_hidden_layers"], hidden_size = %info["hidden_size"],
        vocab_size = %info["vocab_size"], tokenizer_vocab_size = %info["tokenizer_vocab_size"],
        chat_template = %info["chat_template"], threads = %info["threads"], "what was loaded"
    );
    for note in notes(info) {
        warn!(target: "tailora::model", "{note}");
    }
}

pub(super) fn adapter_loaded(info: &Value, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    info!(
        target: "tailora::adapter",
        name = %info["name"], r = %info["r"], parameters = %info["parameters"], seconds, "adapter loaded"
    );
    for note in notes(info) {
        warn!(target: "tailora::adapter", "{note}");
    }
}

/// Of findings, kinds and counts only: their sentences may quote the file.
pub(super) fn dataset_opened(info: &Value, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    info!(
        target: "tailora::dataset",
        rows = %info["rows"], bytes = %info["bytes"], encoding = %info["encoding"], seconds, "dataset opened"
    );
    debug!(target: "tailora::dataset", path = %info["path"], sha256 = %info["sha256"], "what was opened");
    for (kind, count) in info["finding_counts"].as_object().into_iter().flatten() {
        warn!(target: "tailora::dataset", kind, %count, "findings that are worth a look before training");
    }
}

pub(super) fn training_started(model: &str, rows: usize, options: &crate::train::TrainOptions) {
    info!(target: "tailora::train", model, name = options.name, rows, "training started");
    debug!(
        target: "tailora::train",
        r = options.r, lora_alpha = options.lora_alpha, learning_rate = options.learning_rate,
        num_train_epochs = options.num_train_epochs, batch_size = options.batch_size, max_length = options.max_length,
        seed = options.seed, "with these options among others"
    );
}

pub(super) fn training_ended(summary: &Value) {
    info!(
        target: "tailora::train",
        stop_reason = %summary["stop_reason"], steps = %summary["steps"], best_step = %summary["best_step"],
        validation_loss = %summary["validation_loss"], tokens_per_second = %summary["tokens_per_second"],
        seconds = %summary["seconds"], "training ended"
    );
    if summary["adapter_path"].is_string() {
        debug!(target: "tailora::train", adapter_path = %summary["adapter_path"], "adapter saved");
    }
    for note in notes(summary) {
        warn!(target: "tailora::train", "{note}");
    }
}

pub(super) fn evaluated(evaluation: &Value) {
    info!(
        target: "tailora::train",
        rows = %evaluation["rows"], tokens = %evaluation["tokens"], base = %evaluation["base"]["loss"],
        adapter = %evaluation["adapter"]["loss"], seconds = %evaluation["seconds"], "evaluated"
    );
    for note in notes(evaluation) {
        warn!(target: "tailora::train", "{note}");
    }
}

pub(super) fn text_generated(result: &Value, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    info!(
        target: "tailora::generate",
        prompt_tokens = %result["prompt_tokens"], completion_tokens = %result["completion_tokens"],
        finish_reason = %result["finish_reason"], seconds, "text generated"
    );
}

pub(super) fn text_scored(result: &Value, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    info!(
        target: "tailora::generate",
        prompt_tokens = %result["prompt_tokens"], completion_tokens = %result["completion_tokens"], seconds, "text scored"
    );
}

pub(super) fn chunk_given(bytes: usize) {
    trace!(target: "tailora::generate", bytes, "chunk of a stream");
}

pub(super) fn report_written(report: &Value, begun: Instant) {
    let (generation, seconds) = (&report["generation"], begun.elapsed().as_secs_f64());
    info!(
        target: "tailora::report",
        conclusions = report["conclusions"].as_array().map_or(0, Vec::len),
        prompt_tokens = %generation["prompt_tokens"], completion_tokens = %generation["completion_tokens"],
        finish_reason = %generation["finish_reason"], seconds, "report written"
    );
    for note in notes(report) {
        warn!(target: "tailora::report", "{note}");
    }
}

pub(super) fn batch_written(summary: &Value) {
    info!(
        target: "tailora::batch",
        rows = %summary["rows"], reports = %summary["reports"], failed = %summary["failed"], resumed = %summary["resumed"],
        seconds = %summary["seconds"], rows_per_minute = %summary["rows_per_minute"], "batch written"
    );
    debug!(target: "tailora::batch", output = %summary["output"], "where its reports are");
}

pub(super) fn docx_written(cases: usize, files: usize) {
    info!(target: "tailora::docx", cases, files, "Word files written");
}

pub(super) fn docx_read(cases: usize, rows: usize) {
    info!(target: "tailora::docx", cases, rows, "reviewed Word file read");
}

pub(super) fn recalibrated(summary: &ReviewSummary) {
    let ReviewSummary { cases, conclusions, kept, before, after, version, .. } = summary;
    info!(
        target: "tailora::adapter",
        cases, conclusions, kept, %before, %after, version, "adapter calibrated by reviews"
    );
}

pub(super) fn published(publication: &Publication) {
    info!(target: "tailora::registry", version = publication.version, "version published");
}

pub(super) fn alias_changed(alias: &str, change: &AliasChange) {
    let versions: Vec<&str> = change.shares.iter().map(|share| share.version.as_str()).collect();
    info!(target: "tailora::registry", alias, ?versions, number = change.number, action = ?change.action, "alias changed");
}

pub(super) fn progress(event: &Progress) {
    let Progress { step, total_steps, loss, validation_loss, learning_rate, tokens_per_second, .. } = event;
    match event.phase {
        Phase::Train => {
            debug!(target: "tailora::train", step, total_steps, loss, learning_rate, tokens_per_second, "step");
        }
        Phase::Validate if validation_loss.is_some() => {
            info!(target: "tailora::train", step, total_steps, validation_loss, "validated");
        }
        phase => trace!(target: "tailora::progress", ?phase, step, total_steps, "progress"),
    }
}

fn notes(facts: &Value) -> impl Iterator<Item = &str> {
    facts["notes"].as_array().into_iter().flatten().filter_map(Value::as_str)
}
