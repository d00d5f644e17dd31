//! Ours and the peer's measurements in turn, so that a machine that slows down slows both.

use crate::files::{self, Weights};
use crate::llama::{Llama, THREADS};
use crate::options::Options;
use crate::work::Written;
use crate::{Outcome, process, program, server};
use serde_json::{Value, json};
use std::process::Command;

/// One side's reports of a round.
#[derive(Debug, Clone, Copy)]
pub struct Side {
    pub written: Written,
    /// Highest resident memory of the process; `None` where the system does not say.
    pub peak_gib: Option<f64>,
}

impl Side {
    pub fn reports_per_minute(&self) -> f64 {
        60.0 * self.written.reports as f64 / self.written.seconds
    }

    pub fn tokens_per_s(&self) -> f64 {
        self.written.tokens as f64 / self.written.seconds
    }
}

/// All rounds; no peer's if there is none.
pub struct Rounds {
    pub reports: usize,
    pub weights: Weights,
    pub ours: Vec<Side>,
    pub peer: Vec<Side>,
    /// The part of a token's time that a token in no schema does not take.
    pub mask_shares: Vec<f64>,
    /// By how much confidences lengthen the time of documents.
    pub confidence_costs: Vec<f64>,
    /// By how much measuring the influence lengthens that again.
    pub influence_costs: Vec<f64>,
}

/// Measures both sides.
pub fn measure(llama: Option<&Llama>, options: &Options) -> Outcome<Rounds> {
    let model = files::prepare(&options.weights.shape(options.small), options.weights, llama)?;
    let job = json!({
        "file": model.file, "model": {"device": "cpu", "threads": THREADS, "quantize": model.quantize},
        "reports": options.reports,
    });
    let mut rounds = Rounds {
        reports: options.reports,
        weights: options.weights,
        ours: Vec::new(),
        peer: Vec::new(),
        mask_shares: Vec::new(),
        confidence_costs: Vec::new(),
        influence_costs: Vec::new(),
    };
    for round in 1..=options.rounds {
        ours(&job, &mut rounds)?;
        announce(round, "ours", rounds.ours.last());
        if let Some(llama) = llama {
            let (written, peak_gib) = server::measure(llama, &model.file, options.reports)?;
            rounds.peer.push(Side { written, peak_gib });
            announce(round, "llama.cpp", rounds.peer.last());
        }
    }
    Ok(rounds)
}

/// Runs a job in this program as a child.
fn ours(job: &Value, rounds: &mut Rounds) -> Outcome {
    let path = files::folder().join("reports.json");
    std::fs::write(&path, job.to_string())?;
    let (text, peak_gib) = process::run(Command::new(std::env::current_exe()?).arg(program::CHILD).arg(path))?;
    let figures: Value = serde_json::from_str(text.lines().last().unwrap_or_default())?;
    let written = |name: &str| -> Outcome<Written> {
        let number = |of: &str| figures[name][of].as_f64().ok_or_else(|| format!("no `{name}.{of}` in {figures}"));
        let count = |of: &str| number(of).map(|count| count as usize);
        let (reports, unfinished, tokens) = (count("reports")?, count("unfinished")?, count("tokens")?);
        Ok(Written { seconds: number("seconds")?, reports, unfinished, tokens })
    };
    let (bound, free) = (written("bound")?, written("free")?);
    let [document, confident, influenced] = ["document", "confident", "influenced"].map(&written);
    let (document, confident, influenced) = (document?, confident?, influenced?);
    let of_token = |written: &Written| written.seconds / written.tokens as f64;
    rounds.mask_shares.push(1.0 - of_token(&free) / of_token(&bound));
    rounds.confidence_costs.push(confident.seconds / document.seconds - 1.0);
    rounds.influence_costs.push(influenced.seconds / confident.seconds - 1.0);
    rounds.ours.push(Side { written: written("plain")?, peak_gib });
    Ok(())
}

fn announce(round: usize, name: &str, side: Option<&Side>) {
    if let Some(side) = side {
        let Written { unfinished, tokens, seconds, .. } = side.written;
        let (speed, gib) = (side.reports_per_minute(), side.peak_gib.unwrap_or(f64::NAN));
        eprintln!(
            "round {round}  {name}: {speed:.1} reports/min, {tokens} tokens in {seconds:.1} s, {unfinished} unfinished, \
             {gib:.2} GiB"
        );
    }
}
