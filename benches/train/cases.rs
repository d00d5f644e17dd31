//! What is trained: which layers, on which base, on rows of which lengths.

use crate::Outcome;
use crate::model::{WORDS, word};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::f64::consts::TAU;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Threads of both sides.
pub const THREADS: usize = 2;

/// The same training for both sides, in one or more bases of ours.
pub struct Workload {
    targets: &'static str,
    /// What the rows are like.
    pub rows: Rows,
    /// For each case of ours.
    pub bases: Vec<Base>,
}

/// How the frozen weights are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Base {
    /// `dtype` of the model options.
    Dense(&'static str),
    /// `quantize` of the model options.
    Quantized(&'static str),
}

impl Base {
    fn name(self) -> &'static str {
        let (Base::Dense(name) | Base::Quantized(name)) = self;
        name
    }
}

/// The rows of a workload.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rows {
    /// Of `tokens` tokens, `completion` of which are the completion and its end of turn.
    Fixed { name: &'static str, tokens: usize, completion: usize },
    /// As long as the reviews of the nine-box data set: a question of 16 tokens and a review whose length is log-normal
    /// (878 reviews in Qwen2.5's tokens: mean of the logarithm 4.15, deviation 0.41, longest 205).
    Csv,
}

/// A prompt of one token: the first token of a row has nothing before it that could predict it, so with this prompt
/// every token that can be trained is.
const EVERY_TOKEN: Rows = Rows::Fixed { name: "every_token", tokens: 256, completion: 255 };
const FORTY_PERCENT: Rows = Rows::Fixed { name: "40_percent", tokens: 256, completion: 102 };

impl Workload {
    /// What its cases have in common.
    pub fn name(&self) -> String {
        format!("{} {}", self.targets, self.rows.name())
    }

    /// The name of the case that has this base.
    pub fn case(&self, base: Base) -> String {
        format!("{} {} {}", self.targets, base.name(), self.rows.name())
    }

    /// Optimizer steps of a measurement; those of short rows are quick, and differ among themselves.
    pub fn steps(&self, steps: usize) -> usize {
        if self.rows == Rows::Csv { 4 * steps } else { steps }
    }

    /// `target_modules` as PEFT and this library take it.
    pub fn target_modules(&self) -> Value {
        match self.targets {
            "all-linear" => json!("all-linear"),
            list => json!(list.split(',').collect::<Vec<_>>()),
        }
    }
}

/// The workloads that have cases whose names contain `part`, with these cases.
pub fn workloads(part: &str, device: &str) -> Outcome<Vec<Workload>> {
    let all = [
        ("q_proj,v_proj", EVERY_TOKEN),
        ("q_proj,v_proj", FORTY_PERCENT),
        ("all-linear", EVERY_TOKEN),
        ("all-linear", FORTY_PERCENT),
        ("all-linear", Rows::Csv),
    ];
    let mut chosen = Vec::new();
    let mut names = Vec::new();
    for (targets, rows) in all {
        let mut workload = Workload { targets, rows, bases: bases(device) };
        names.extend(workload.bases.iter().map(|base| workload.case(*base)));
        let wanted: Vec<_> =
            workload.bases.iter().copied().filter(|base| workload.case(*base).contains(part)).collect();
        workload.bases = wanted;
        if !workload.bases.is_empty() {
            chosen.push(workload);
        }
    }
    match chosen.is_empty() {
        true => Err(format!("no case contains `{part}`; there are:\n  {}", names.join("\n  ")).into()),
        false => Ok(chosen),
    }
}

/// The bases that are trained on. On a GPU it is one: `bench gpu` measures the others there.
fn bases(device: &str) -> Vec<Base> {
    match device {
        "cpu" => vec![Base::Dense("f32"), Base::Dense("bf16"), Base::Quantized("q8_0")],
        _ => vec![Base::Dense("bf16")],
    }
}

/// A row as token ids, the end of turn (0) last.
struct TokenRow {
    ids: Vec<u32>,
    prompt_len: usize,
}

/// Writes `count` rows as `NAME.csv`, for this library, and as ids in `NAME.json`, for the peer. The same rows every
/// time.
pub fn write_rows(folder: &Path, name: &str, rows: Rows, count: usize) -> Outcome<(PathBuf, PathBuf)> {
    std::fs::create_dir_all(folder)?;
    let mut random = StdRng::seed_from_u64(4);
    let rows: Vec<TokenRow> = (0..count).map(|_| rows.draw(&mut random)).collect();
    let mut csv = String::from("input,output\n");
    for row in &rows {
        let (prompt, completion) = row.ids.split_at(row.prompt_len);
        let words = |ids: &[u32]| ids.iter().map(|id| word(*id)).collect::<Vec<_>>().join(" ");
        writeln!(csv, "{},{}", words(prompt), words(&completion[..completion.len() - 1]))?;
    }
    let ids: Vec<Value> = rows.iter().map(|row| json!({"ids": row.ids, "prompt_len": row.prompt_len})).collect();
    let (csv_path, ids_path) = (folder.join(format!("{name}.csv")), folder.join(format!("{name}.json")));
    std::fs::write(&csv_path, csv)?;
    std::fs::write(&ids_path, Value::from(ids).to_string())?;
    Ok((csv_path, ids_path))
}

impl Rows {
    fn name(self) -> &'static str {
        match self {
            Rows::Fixed { name, .. } => name,
            Rows::Csv => "csv",
        }
    }

    fn draw(self, random: &mut StdRng) -> TokenRow {
        let (tokens, completion) = match self {
            Rows::Fixed { tokens, completion, .. } => (tokens, completion),
            Rows::Csv => {
                // Box and Muller (1958).
                let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
                let normal = radius * (TAU * random.random::<f64>()).cos();
                let review = (4.15 + 0.41 * normal).exp().clamp(8.0, 400.0) as usize;
                (16 + review + 1, review + 1)
            }
        };
        let mut ids: Vec<u32> = (1..tokens).map(|_| random.random_range(1..=WORDS)).collect();
        ids.push(0);
        TokenRow { ids, prompt_len: tokens - completion }
    }
}
