//! llama.cpp, the peer of what generates: its own programs, on the same file.

use crate::process;
use crate::program::Outcome;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Threads of both sides.
pub const THREADS: usize = 2;

/// The folder with its programs.
pub struct Llama(PathBuf);

impl Llama {
    /// What `cargo xtask llama` made, or the user named.
    pub fn find() -> Option<Self> {
        let named = std::env::var_os("TAILORA_LLAMA_CPP").filter(|name| !name.is_empty()).map(PathBuf::from);
        if named.is_none() {
            eprintln!(
                "SKIPPED: llama.cpp: TAILORA_LLAMA_CPP does not name a folder with it; `cargo xtask llama` makes one"
            );
        }
        named.map(Llama)
    }

    /// Writes `from` with weights of another type.
    pub fn quantize(&self, from: &Path, to: &Path, kind: &str) -> Outcome {
        let mut command = self.program("llama-quantize");
        command.args([from, to]).arg(kind.to_uppercase()).arg(THREADS.to_string());
        process::run(&mut command).map(drop)
    }

    /// One of its programs.
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.0.join(name));
        // What it says there is for its developers.
        command.stderr(Stdio::null());
        command
    }
}
