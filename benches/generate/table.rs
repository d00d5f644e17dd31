//! The results: a table for people, a JSON object for programs.

use crate::figures::{figure, median};
use crate::rounds::{CaseResult, Measurement};
use crate::spread::{range, spread};
use serde_json::{Value, json};

/// What the rounds of a case come to.
struct Line {
    name: String,
    tokens_per_s: Option<f64>,
    peer_tokens_per_s: Option<f64>,
    /// The median speeds' ratio.
    speed_ratio: Option<f64>,
    /// The lowest and highest ratio within a round.
    spread: Option<(f64, f64)>,
    /// The speed's share of that at which memory could be read.
    bound_share: Option<f64>,
    peak_gib: Option<f64>,
    peer_peak_gib: Option<f64>,
    adapter_cost: Option<f64>,
}

impl Line {
    fn of(result: &CaseResult, bandwidth: Option<f64>) -> Self {
        let speed = |all: &[Measurement]| median(all.iter().map(|one| one.tokens_per_s).collect());
        let peak = |all: &[Measurement]| all.iter().filter_map(|one| one.peak_gib).reduce(f64::max);
        let (tokens_per_s, peer_tokens_per_s) = (speed(&result.ours), speed(&result.peer));
        let pairs = result.ours.iter().zip(&result.peer).map(|(ours, peer)| ours.tokens_per_s / peer.tokens_per_s);
        let bound = bandwidth.filter(|_| result.case.is_bound_by_bandwidth()).map(|speed| speed / result.bytes as f64);
        Line {
            name: result.case.to_string(),
            tokens_per_s,
            peer_tokens_per_s,
            speed_ratio: ratio(tokens_per_s, peer_tokens_per_s),
            spread: spread(pairs),
            bound_share: ratio(tokens_per_s, bound),
            peak_gib: peak(&result.ours),
            peer_peak_gib: peak(&result.peer),
            adapter_cost: median(result.adapter_costs.clone()),
        }
    }
}

fn ratio(ours: Option<f64>, other: Option<f64>) -> Option<f64> {
    ours.zip(other).map(|(ours, other)| ours / other)
}

/// The speed of memory is the machine's, so the best that any round saw is every case's bound.
fn lines(results: &[CaseResult]) -> (Option<f64>, Vec<Line>) {
    let bandwidth = results.iter().flat_map(|result| &result.bandwidths).copied().reduce(f64::max);
    (bandwidth, results.iter().map(|result| Line::of(result, bandwidth)).collect())
}

/// Prints the table.
pub fn print(results: &[CaseResult]) {
    let (bandwidth, lines) = lines(results);
    println!("\nGeneration, tokens/s (median), peak resident memory (highest)");
    if let Some(bandwidth) = bandwidth {
        println!("Memory is read at {:.1} GB/s", bandwidth / 1e9);
    }
    println!();
    let head = ["case", "ours", "llama.cpp", "ratio", "rounds", "of bound", "ours GiB", "peer GiB", "ratio"];
    println!("{}", columns(&head.map(str::to_owned)));
    for line in &lines {
        println!(
            "{}",
            columns(&[
                line.name.clone(),
                figure(line.tokens_per_s, 1),
                figure(line.peer_tokens_per_s, 1),
                figure(line.speed_ratio, 2),
                range(line.spread),
                figure(line.bound_share, 2),
                figure(line.peak_gib, 2),
                figure(line.peer_peak_gib, 2),
                figure(ratio(line.peak_gib, line.peer_peak_gib), 2),
            ])
        );
    }
    println!();
    for line in &lines {
        if let Some(cost) = line.adapter_cost {
            println!("{}: the adapter makes a token take {:.1} % longer\n", line.name, 100.0 * cost);
        }
    }
}

fn columns(cells: &[String; 9]) -> String {
    let [name, rest @ ..] = cells;
    rest.iter().fold(format!("{name:<22}"), |line, cell| format!("{line}{cell:>13}"))
}

/// The object of the last line.
pub fn json(results: &[CaseResult]) -> Value {
    let cases = lines(results).1.into_iter().map(|line| {
        json!({
            "name": line.name,
            "ours": line.tokens_per_s,
            "peer": line.peer_tokens_per_s,
            "speed_ratio": line.speed_ratio,
            "bound_share": line.bound_share,
            "peak_gib": line.peak_gib,
            "peer_peak_gib": line.peer_peak_gib,
            "adapter_cost": line.adapter_cost,
        })
    });
    json!({ "cases": cases.collect::<Vec<_>>() })
}
