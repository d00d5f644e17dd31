//! The range of every option.

use super::train_options::TrainOptions;
use crate::error::Result;
use crate::options::{Options, invalid};
use std::path::Path;

const MAX_RANK: usize = 4096;

impl Options for TrainOptions {
    const NAME: &'static str = "train";

    fn validate(&self) -> Result<()> {
        check_name(&self.name)?;
        self.check_integers()?;
        if self.validation_folds == Some(1) {
            return Err(invalid("validation_folds", 1, "0 for none, or from 2 to 40"));
        }
        self.check_numbers()?;
        self.check_output()?;
        self.max_memory.as_ref().map(|size| size.bytes("max_memory")).transpose()?;
        self.check_patterns()
    }
}

impl TrainOptions {
    fn check_integers(&self) -> Result<()> {
        let integers = [
            ("r", self.r as u64, 1, MAX_RANK as u64),
            ("batch_size", self.batch_size as u64, 1, 4096),
            ("gradient_accumulation_steps", self.gradient_accumulation_steps as u64, 1, 4096),
            ("max_length", self.max_length as u64, 8, 1 << 24),
            ("logging_steps", self.logging_steps, 1, u64::MAX),
            ("validation_folds", self.validation_folds.unwrap_or(0) as u64, 0, 40),
            ("memorisation_samples", self.memorisation_samples as u64, 0, 8),
        ];
        for (name, found, min, max) in integers {
            if !(min..=max).contains(&found) {
                let upper = if max == u64::MAX { String::new() } else { format!(", at most {max}") };
                return Err(invalid(name, found, &format!("at least {min}{upper}")));
            }
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<()> {
        let numbers = [
            ("lora_alpha", self.lora_alpha, f64::MIN_POSITIVE, 1e6),
            ("lora_dropout", self.lora_dropout, 0.0, 0.9),
            ("learning_rate", self.learning_rate, 0.0, 10.0),
            ("loraplus_lr_ratio", self.loraplus_lr_ratio.unwrap_or(1.0), f64::MIN_POSITIVE, 1e4),
            ("weight_decay", self.weight_decay, 0.0, 10.0),
            ("adam_beta1", self.adam_beta1, 0.0, BELOW_ONE),
            ("adam_beta2", self.adam_beta2, 0.0, BELOW_ONE),
            ("adam_epsilon", self.adam_epsilon, f64::MIN_POSITIVE, 1.0),
            ("max_grad_norm", self.max_grad_norm, 0.0, f64::MAX),
            ("warmup_ratio", self.warmup_ratio, 0.0, 1.0),
            ("num_train_epochs", self.num_train_epochs, f64::MIN_POSITIVE, 1e6),
            ("validation_share", self.validation_share, 0.0, 0.5),
        ];
        for (name, found, min, max) in numbers {
            // NaN is outside every range.
            if !(min..=max).contains(&found) {
                return Err(invalid(name, found, &range_text(min, max)));
            }
        }
        Ok(())
    }

    fn check_output(&self) -> Result<()> {
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
        Ok(())
    }

    fn check_patterns(&self) -> Result<()> {
        for (pattern, r) in self.rank_pattern.iter() {
            if !(1..=MAX_RANK).contains(r) {
                return Err(invalid(
                    "rank_pattern",
                    format!("{r} for `{pattern}`"),
                    &format!("ranks from 1 to {MAX_RANK}"),
                ));
            }
        }
        for (pattern, alpha) in self.alpha_pattern.iter() {
            if !(f64::MIN_POSITIVE..=1e6).contains(alpha) {
                return Err(invalid(
                    "alpha_pattern",
                    format!("{alpha} for `{pattern}`"),
                    "numbers above 0, at most 1000000",
                ));
            }
        }
        self.rank_pattern.compile().and_then(|_| self.alpha_pattern.compile()).map(drop)
    }
}

const BELOW_ONE: f64 = 1.0 - f64::EPSILON;

fn range_text(min: f64, max: f64) -> String {
    let lower =
        if min == f64::MIN_POSITIVE { "a number above 0".to_owned() } else { format!("a number of at least {min}") };
    match max {
        f64::MAX => lower,
        BELOW_ONE => format!("{lower} and below 1"),
        _ => format!("{lower} and at most {max}"),
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
