//! What llama.cpp's programs for measuring say of a work.

use crate::Outcome;
use crate::cases::Work;
use crate::llama::{Llama, THREADS};
use crate::process;
use serde_json::Value;
use std::path::Path;

impl Llama {
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
}

fn speed(result: &Value, key: &str) -> Outcome<f64> {
    let speed = result[key].as_f64().filter(|speed| *speed > 0.0);
    Ok(speed.ok_or_else(|| format!("no `{key}` in {result}"))?)
}
