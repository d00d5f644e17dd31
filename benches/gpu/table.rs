//! The results: a table for people, a JSON object for programs.

use crate::bounds::Bounds;
use crate::cases::Case;
use crate::figures::figure;
use crate::results::Results;
use serde_json::{Value, json};

/// What both sides made of a case.
struct Line {
    name: String,
    tokens_per_s: Option<f64>,
    peer_tokens_per_s: Option<f64>,
    peak_gib: Option<f64>,
    peer_peak_gib: Option<f64>,
    bound: Option<f64>,
}

impl Line {
    /// The peer has the best of its variants, and no quantized weights: those stand beside its bf16.
    fn of(case: Case, ours: &Results, peer: &Results, bounds: &Bounds) -> Self {
        let name = case.to_string();
        let work = name.trim_end_matches(case.weights.name());
        let of = |found: Option<&Value>, key: &str| found.and_then(|figures| figures[key].as_f64());
        let (mine, theirs) = (ours.named(&name), peer.fastest(work));
        Line {
            tokens_per_s: of(mine, "tokens_per_second"),
            peer_tokens_per_s: of(theirs, "tokens_per_second"),
            peak_gib: of(mine, "peak_gib"),
            peer_peak_gib: of(theirs, "peak_gib"),
            bound: bounds.of(&case),
            name,
        }
    }

    fn speed_ratio(&self) -> Option<f64> {
        ratio(self.tokens_per_s, self.peer_tokens_per_s)
    }

    fn bound_share(&self) -> Option<f64> {
        ratio(self.tokens_per_s, self.bound)
    }

    fn peer_bound_share(&self) -> Option<f64> {
        ratio(self.peer_tokens_per_s, self.bound)
    }
}

fn ratio(ours: Option<f64>, other: Option<f64>) -> Option<f64> {
    ours.zip(other).map(|(ours, other)| ours / other)
}

fn lines(ours: &Results, peer: &Results, bounds: &Bounds) -> Vec<Line> {
    Case::all().map(|case| Line::of(case, ours, peer, bounds)).collect()
}

/// Prints the table.
pub fn print(ours: &Results, peer: &Results, bounds: &Bounds) {
    let tera = |operations: Option<f64>| figure(operations.map(|operations| operations / 1e12), 2);
    println!("\nOn the GPU, tokens/s, highest memory of the card");
    println!("PyTorch's products {} TFLOP/s, copies {} TB/s\n", tera(bounds.gemm), tera(bounds.copy));
    let head = ["case", "ours", "peer", "ratio", "of bound", "peer's", "ours GiB", "peer GiB"];
    println!("{}", columns(&head.map(str::to_owned)));
    for line in lines(ours, peer, bounds) {
        println!(
            "{}",
            columns(&[
                line.name.clone(),
                figure(line.tokens_per_s, 1),
                figure(line.peer_tokens_per_s, 1),
                figure(line.speed_ratio(), 2),
                figure(line.bound_share(), 2),
                figure(line.peer_bound_share(), 2),
                figure(line.peak_gib, 1),
                figure(line.peer_peak_gib, 1),
            ])
        );
    }
    println!();
}

fn columns(cells: &[String; 8]) -> String {
    let [name, rest @ ..] = cells;
    rest.iter().fold(format!("{name:<26}"), |line, cell| format!("{line}{cell:>11}"))
}

/// The object of the last line.
pub fn json(ours: &Results, peer: &Results, bounds: &Bounds) -> Value {
    let cases = lines(ours, peer, bounds).into_iter().map(|line| {
        json!({
            "name": line.name,
            "ours": line.tokens_per_s,
            "peer": line.peer_tokens_per_s,
            "speed_ratio": line.speed_ratio(),
            "bound_share": line.bound_share(),
            "peer_bound_share": line.peer_bound_share(),
            "peak_gib": line.peak_gib,
            "peer_peak_gib": line.peer_peak_gib,
        })
    });
    let cases: Vec<Value> = cases.collect();
    json!({ "cases": cases, "gemm_tflops": bounds.gemm.map(|gemm| gemm / 1e12) })
}
