//! `cargo xtask fixtures`: writes `tests/fixtures` again. Afterwards `git diff` shows whether anything moved.

use crate::python;
use crate::shell::{Outcome, command, root, run as run_command};

/// In this order: later ones read what earlier ones wrote.
const SCRIPTS: &[&str] =
    &["make_models.py", "make_lora.py", "make_training.py", "make_ops.py", "make_prose.py", "make_samplers.py"];

pub fn run() -> Outcome {
    let python = python::interpreter()?;
    let folder = root().join("tests").join("reference");
    for script in SCRIPTS {
        run_command(command(&python).arg(script).current_dir(&folder))?;
    }
    Ok(())
}
