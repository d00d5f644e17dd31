//! What no range says of the options.

use super::train_options::TrainOptions;
use crate::adapter::check_name;
use crate::error::Result;
use crate::options::{Options, invalid};
use std::path::Path;

impl Options for TrainOptions {
    const NAME: &'static str = "train";

    fn check(&self) -> Result<()> {
        check_name("name", &self.name)?;
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

/// An empty path would be the working directory.
fn check_output_dir(dir: &Path) -> Result<()> {
    let text = dir.to_string_lossy();
    if text.trim().is_empty() || text.contains('\0') {
        return Err(invalid("output_dir", format_args!("{text:?}"), "the path of a folder, or null to write nothing"));
    }
    Ok(())
}
