//! The peer: llama.cpp's own programs for measuring, on the same file.

use crate::Outcome;
use crate::cases::{THREADS, Work};
use crate::process;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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

    /// Tokens a second, and the highest resident memory.
    pub fn measure(&self, file: &Path, work: &Work) -> Outcome<(f64, Option<f64>)> {
        if work.at_once > 1 { self.batched_bench(file, work) } else { self.bench(file, work) }
    }

    /// It reads or generates once more before, untimed.
    fn bench(&self, file: &Path, work: &Work) -> Outcome<(f64, Option<f64>)> {
        let (prompt, completion) = if work.is_prefill() { (work.prompt, 0) } else { (0, work.completion) };
        let mut command = self.program("llama-bench");
        command.arg("-m").arg(file).args(["-o", "json", "-r", "1"]);
        command.args(["-t", &THREADS.to_string(), "-p", &prompt.to_string(), "-n", &completion.to_string()]);
        let (text, peak_gib) = process::run(&mut command)?;
        let results: Value = serde_json::from_str(&text)?;
        Ok((speed(&results[0], "avg_ts")?, peak_gib))
    }

    fn batched_bench(&self, file: &Path, work: &Work) -> Outcome<(f64, Option<f64>)> {
        let Work { at_once, prompt, completion, .. } = *work;
        let mut command = self.program("llama-batched-bench");
        let context = at_once * (prompt + completion);
        command.arg("-m").arg(file).args(["--output-format", "jsonl"]);
        let settings = [("-t", THREADS), ("-c", context), ("-npl", at_once), ("-npp", prompt), ("-ntg", completion)];
        for (name, value) in settings {
            command.args([name, &value.to_string()]);
        }
        let (text, peak_gib) = process::run(&mut command)?;
        let line = text.lines().find(|line| line.starts_with('{')).unwrap_or(&text);
        Ok((speed(&serde_json::from_str(line)?, "speed_tg")?, peak_gib))
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.0.join(name));
        // What it says there is for its developers.
        command.stderr(Stdio::null());
        command
    }
}

fn speed(result: &Value, key: &str) -> Outcome<f64> {
    let speed = result[key].as_f64().filter(|speed| *speed > 0.0);
    Ok(speed.ok_or_else(|| format!("no `{key}` in {result}"))?)
}
