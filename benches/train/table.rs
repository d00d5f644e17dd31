//! The results: a table for people, a JSON object for programs.

use crate::figures::{figure, median};
use crate::rounds::{CaseResult, Measurement};
use crate::spread::{range, spread};
use serde_json::{Value, json};

/// What the rounds of a case come to.
struct Line {
    tokens_per_s: f64,
    /// The type of weights with which the peer is fastest.
    peer: Option<&'static str>,
    peer_tokens_per_s: Option<f64>,
    /// The median speeds' ratio.
    speed_ratio: Option<f64>,
    /// The lowest and highest ratio within a round.
    spread: Option<(f64, f64)>,
    peak_gib: Option<f64>,
    peer_peak_gib: Option<f64>,
    memory_ratio: Option<f64>,
}

impl Line {
    fn of(case: &CaseResult) -> Self {
        let speed = |all: &[Measurement]| median(all.iter().map(|one| one.tokens_per_s).collect());
        let peak = |all: &[Measurement]| all.iter().filter_map(|one| one.peak_gib).reduce(f64::max);
        let tokens_per_s = speed(&case.ours).unwrap_or(f64::NAN);
        let measured = case.peers.iter().filter_map(|(dtype, all)| Some((*dtype, all.as_slice(), speed(all)?)));
        let fastest = measured.max_by(|(.., left), (.., right)| left.total_cmp(right));
        let (peer, measured) = fastest.map(|(dtype, all, _)| (dtype, all)).unzip();
        let measured = measured.unwrap_or_default();
        let peer_tokens_per_s = speed(measured);
        let pairs = case.ours.iter().zip(measured).map(|(ours, peer)| ours.tokens_per_s / peer.tokens_per_s);
        let (peak_gib, peer_peak_gib) = (peak(&case.ours), peak(measured));
        Line {
            tokens_per_s,
            peer,
            peer_tokens_per_s,
            speed_ratio: peer_tokens_per_s.map(|peer| tokens_per_s / peer),
            spread: spread(pairs),
            peak_gib,
            peer_peak_gib,
            memory_ratio: peak_gib.zip(peer_peak_gib).map(|(ours, peer)| ours / peer),
        }
    }
}

/// Prints the table.
pub fn print(cases: &[CaseResult]) {
    println!("\nTraining, tokens/s that are not padding (median), peak resident memory (highest)\n");
    let head = ["case", "ours", "PEFT", "fastest in", "ratio", "rounds", "ours GiB", "PEFT GiB", "ratio"];
    println!("{}", columns(&head.map(str::to_owned)));
    for case in cases {
        let line = Line::of(case);
        println!(
            "{}",
            columns(&[
                case.name.clone(),
                format!("{:.1}", line.tokens_per_s),
                figure(line.peer_tokens_per_s, 1),
                line.peer.unwrap_or("-").to_owned(),
                figure(line.speed_ratio, 2),
                range(line.spread),
                figure(line.peak_gib, 2),
                figure(line.peer_peak_gib, 2),
                figure(line.memory_ratio, 2),
            ])
        );
    }
    println!();
}

fn columns(cells: &[String; 9]) -> String {
    let [name, rest @ ..] = cells;
    rest.iter().fold(format!("{name:<32}"), |line, cell| format!("{line}{cell:>17}"))
}

/// The object of the last line.
pub fn json(cases: &[CaseResult]) -> Value {
    let cases: Vec<Value> = cases
        .iter()
        .map(|case| {
            let line = Line::of(case);
            json!({
                "name": case.name,
                "tokens_per_s": line.tokens_per_s,
                "peer": line.peer,
                "peers": case.peers.iter().map(|(dtype, all)| {
                    json!({"dtype": dtype, "tokens_per_s": median(all.iter().map(|one| one.tokens_per_s).collect())})
                }).collect::<Vec<_>>(),
                "peer_tokens_per_s": line.peer_tokens_per_s,
                "speed_ratio": line.speed_ratio,
                "peak_gib": line.peak_gib,
                "peer_peak_gib": line.peer_peak_gib,
                "memory_ratio": line.memory_ratio,
            })
        })
        .collect();
    json!({ "cases": cases })
}
