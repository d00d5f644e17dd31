//! What is trained on and reported on.

use crate::options::Options;
use crate::program::Outcome;
use crate::{english, sample};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A CSV, and employees that are not in it.
pub struct Case {
    pub name: &'static str,
    pub csv: PathBuf,
    pub rows: usize,
    /// Options of the dataset.
    pub dataset: Value,
    /// Options of training: the README's.
    pub train: Value,
    pub held_out: Vec<Employee>,
}

/// An employee and what the rules say of him or her.
pub struct Employee {
    pub fields: Vec<(&'static str, String)>,
    pub truth: Vec<Truth>,
}

/// A conclusion as it should be.
pub struct Truth {
    /// As a reviewer would leave it.
    pub text: String,
    /// The fields that decide it; those that it only repeats are none.
    pub causes: Vec<&'static str>,
}

/// Fields in a line, as the CSV has them.
pub fn line(fields: &[(&'static str, String)], separator: &str) -> String {
    let parts: Vec<String> = fields.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    parts.join(separator)
}

/// Role prompts that the English rows are trained under in turn, beside none. Those of `stability` are others.
const WORDINGS: [&str; 3] =
    ["请根据员工信息写一段评语。", "You are a reviewer. Summarise the employee.", "作为人才盘点助手，给出结论。"];

pub fn all(options: &Options) -> Outcome<Vec<Case>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let seeded = |stream: u64| StdRng::seed_from_u64(options.seed.wrapping_mul(1000).wrapping_add(stream));
    let folder = root.join("target/bench/trust");
    std::fs::create_dir_all(&folder)?;
    let mut rng = seeded(1);
    let mut cases = vec![Case {
        name: "sample",
        csv: root.join("samples/data/talent_review.csv"),
        rows: 60,
        dataset: json!({}),
        train: json!({ "learning_rate": 0.01 }),
        held_out: (0..options.reports).map(|_| sample::employee(&mut rng)).collect(),
    }];
    for (name, wording) in [("english long", &english::LONG), ("english short", &english::SHORT)] {
        let csv = folder.join(format!("{}-{}-{}.csv", name.replace(' ', "-"), options.seed, options.rows));
        english::write_csv(&csv, options.rows, wording, &mut seeded(2))?;
        let mut rng = seeded(3);
        cases.push(Case {
            name,
            csv,
            rows: options.rows,
            dataset: json!({ "system_variants": WORDINGS }),
            train: json!({ "learning_rate": 0.004 }),
            held_out: (0..options.reports).map(|_| english::employee(&mut rng, wording)).collect(),
        });
    }
    Ok(cases)
}
