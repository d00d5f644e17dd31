//! The results: a table for people, a JSON object for programs.

use crate::figures::{figure, median};
use crate::rounds::{Rounds, Side};
use crate::spread::{range, spread};
use serde_json::{Value, json};

/// What the rounds come to.
struct Line {
    reports_per_minute: [Option<f64>; 2],
    tokens_per_s: [Option<f64>; 2],
    peak_gib: [Option<f64>; 2],
    /// Of all rounds.
    unfinished: [usize; 2],
    speed_ratio: Option<f64>,
    /// The lowest and highest ratio within a round.
    spread: Option<(f64, f64)>,
    mask_share: Option<f64>,
    confidence_cost: Option<f64>,
    influence_cost: Option<f64>,
}

impl Line {
    fn of(rounds: &Rounds) -> Self {
        let sides = [&rounds.ours, &rounds.peer];
        let medians = |of: fn(&Side) -> f64| sides.map(|side| median(side.iter().map(of).collect()));
        let reports_per_minute = medians(Side::reports_per_minute);
        let ratio = |ours: &Side, peer: &Side| ours.reports_per_minute() / peer.reports_per_minute();
        Line {
            reports_per_minute,
            tokens_per_s: medians(Side::tokens_per_s),
            peak_gib: sides.map(|side| side.iter().filter_map(|one| one.peak_gib).reduce(f64::max)),
            unfinished: sides.map(|side| side.iter().map(|one| one.written.unfinished).sum()),
            speed_ratio: reports_per_minute[0].zip(reports_per_minute[1]).map(|(ours, peer)| ours / peer),
            spread: spread(rounds.ours.iter().zip(&rounds.peer).map(|(ours, peer)| ratio(ours, peer))),
            mask_share: median(rounds.mask_shares.clone()),
            confidence_cost: median(rounds.confidence_costs.clone()),
            influence_cost: median(rounds.influence_costs.clone()),
        }
    }
}

/// Prints the table.
pub fn print(rounds: &Rounds) {
    let line = Line::of(rounds);
    println!("\nReports with one role prompt (median), peak resident memory (highest)\n");
    println!("{:<28}{:>12}{:>12}", "", "ours", "llama.cpp");
    let row = |name: &str, values: [String; 2]| println!("{name:<28}{:>12}{:>12}", values[0], values[1]);
    row("reports a minute", line.reports_per_minute.map(|value| figure(value, 1)));
    row("tokens/s", line.tokens_per_s.map(|value| figure(value, 1)));
    row("GiB", line.peak_gib.map(|value| figure(value, 2)));
    row("unfinished, of all rounds", line.unfinished.map(|count| count.to_string()));
    println!("\nratio {}, of the rounds {}", figure(line.speed_ratio, 2), range(line.spread));
    println!("masks: {} % of a token's time", figure(line.mask_share.map(|share| 100.0 * share), 1));
    println!("confidences: {} % more time", figure(line.confidence_cost.map(|cost| 100.0 * cost), 1));
    println!(
        "influence: {} % more time than with confidences\n",
        figure(line.influence_cost.map(|cost| 100.0 * cost), 1)
    );
}

/// The object of the last line.
pub fn json(rounds: &Rounds) -> Value {
    let line = Line::of(rounds);
    json!({ "cases": [{
        "name": format!("{} reports {}", rounds.reports, rounds.weights.name()),
        "ours": line.reports_per_minute[0],
        "peer": line.reports_per_minute[1],
        "speed_ratio": line.speed_ratio,
        "tokens_per_s": line.tokens_per_s[0],
        "peer_tokens_per_s": line.tokens_per_s[1],
        "unfinished": line.unfinished[0],
        "peer_unfinished": line.unfinished[1],
        "mask_share": line.mask_share,
        "confidence_cost": line.confidence_cost,
        "influence_cost": line.influence_cost,
        "peak_gib": line.peak_gib[0],
        "peer_peak_gib": line.peak_gib[1],
    }] })
}
