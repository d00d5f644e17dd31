//! What the conclusions of a case come to.

use crate::reports::Judged;
use serde_json::{Value, json};

const BINS: usize = 10;

pub struct Figures {
    pub json: Value,
    bins: Vec<(usize, f64, f64)>,
}

pub fn of(judged: &[Judged]) -> Figures {
    let all = judged.len().max(1) as f64;
    let share = |which: &dyn Fn(&Judged) -> bool| judged.iter().filter(|one| which(one)).count() as f64 / all;
    let mean = |of: &dyn Fn(&Judged) -> f64| judged.iter().map(of).sum::<f64>() / all;
    let hit = |one: &Judged| f64::from(u8::from(one.right));
    let mut bins = vec![(0, 0.0, 0.0); BINS];
    for one in judged {
        let bin = &mut bins[((one.confidence * BINS as f64) as usize).min(BINS - 1)];
        *bin = (bin.0 + 1, bin.1 + one.confidence, bin.2 + hit(one));
    }
    let ece: f64 = bins.iter().map(|bin| (bin.1 - bin.2).abs()).sum::<f64>() / all;
    let sources =
        judged.iter().fold([0; 3], |sum: [usize; 3], one| std::array::from_fn(|at| sum[at] + one.sources[at]));
    let ratio = |part: usize, rest: usize| part as f64 / (part + rest).max(1) as f64;
    let json = json!({
        "conclusions": judged.len(),
        "right": share(&|one| one.right),
        "confidence": mean(&|one| one.confidence),
        "ece": ece,
        "auc": auc(judged),
        "brier": mean(&|one| (one.confidence - hit(one)).powi(2)),
        "source_precision": ratio(sources[0], sources[1]),
        "source_recall": ratio(sources[0], sources[2]),
        "grounded": share(&|one| one.grounded),
    });
    Figures { json, bins }
}

/// The probability that a right conclusion has more confidence than a wrong one.
fn auc(judged: &[Judged]) -> Option<f64> {
    let (right, wrong): (Vec<&Judged>, Vec<&Judged>) = judged.iter().partition(|one| one.right);
    let pairs = right.iter().flat_map(|right| wrong.iter().map(|wrong| (right.confidence, wrong.confidence)));
    let won: f64 = pairs
        .map(|(right, wrong)| {
            if right > wrong {
                1.0
            } else if right == wrong {
                0.5
            } else {
                0.0
            }
        })
        .sum();
    let all = right.len() * wrong.len();
    (all > 0).then(|| won / all as f64)
}

impl Figures {
    pub fn table(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.json.as_object().into_iter().flatten() {
            text += &match value.as_f64() {
                Some(value) if !name.contains("conclusions") => format!("  {name:17} {value:.3}\n"),
                _ => format!("  {name:17} {value}\n"),
            };
        }
        text += "  confidence of     mean   right  conclusions\n";
        for (at, (count, confidence, right)) in self.bins.iter().enumerate().filter(|(_, bin)| bin.0 > 0) {
            let of = |sum: f64| sum / *count as f64;
            text += &format!(
                "  {:.1} to {:.1}        {:.3}  {:.3}  {count}\n",
                at as f64 / 10.0,
                (at + 1) as f64 / 10.0,
                of(*confidence),
                of(*right)
            );
        }
        text.trim_end().to_owned()
    }
}
