//! Whether confidences react to what does not matter: the order of the fields, and the wording of the role prompt.

use crate::cases::Employee;
use crate::program::Outcome;
use crate::reports::Trained;
use serde_json::{Value, json};
use std::fmt;

const ROLES: [&str; 3] = [
    "你是一名资深HRBP。",
    "你是人力资源专家，请根据员工信息撰写评语。",
    "You are an HR business partner. Write a review.",
];

/// How far confidences move on average.
pub struct Moved {
    conclusions: usize,
    fields_shuffled: f64,
    role_prompt_reworded: f64,
    texts_changed: usize,
}

pub fn of(trained: &mut Trained, employees: &[Employee]) -> Outcome<Moved> {
    let mut session = trained.session()?;
    let mut moved = Moved { conclusions: 0, fields_shuffled: 0.0, role_prompt_reworded: 0.0, texts_changed: 0 };
    let mut prompts = 0;
    for (at, employee) in employees.iter().enumerate() {
        let mut shuffled = employee.fields.clone();
        let by = 1 + at % (shuffled.len() - 1);
        shuffled.rotate_left(by);
        if at % 2 == 1 {
            shuffled.reverse();
        }
        let mut say = |fields: &[(&'static str, String)], role: Option<&str>| {
            trained.report(&mut session, fields, json!({ "influence": false, "generate": { "system": role } }))
        };
        let first = say(&employee.fields, None)?;
        let other = say(&shuffled, None)?;
        let (distance, compared, changed) = compare(&first, &other);
        moved.conclusions += compared;
        moved.fields_shuffled += distance;
        moved.texts_changed += changed;
        for role in ROLES {
            let (distance, compared, changed) = compare(&first, &say(&employee.fields, Some(role))?);
            moved.role_prompt_reworded += distance;
            prompts += compared;
            moved.texts_changed += changed;
        }
    }
    moved.fields_shuffled /= moved.conclusions.max(1) as f64;
    moved.role_prompt_reworded /= prompts.max(1) as f64;
    Ok(moved)
}

/// The sum of the distances of confidences at the same places, how many there are, and how many have other texts.
fn compare(one: &Value, other: &Value) -> (f64, usize, usize) {
    let list = |report: &Value| report["conclusions"].as_array().cloned().unwrap_or_default();
    let confidence = |conclusion: &Value| conclusion["confidence"].as_f64().unwrap_or(0.0);
    let (one, other) = (list(one), list(other));
    let pairs: Vec<_> = one.iter().zip(&other).collect();
    let distance = pairs.iter().map(|(a, b)| (confidence(a) - confidence(b)).abs()).sum();
    (distance, pairs.len(), pairs.iter().filter(|(a, b)| a["text"] != b["text"]).count())
}

impl Moved {
    pub fn json(&self) -> Value {
        json!({ "fields_shuffled": self.fields_shuffled, "role_prompt_reworded": self.role_prompt_reworded, "texts_changed": self.texts_changed })
    }
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "  mean change of confidence: {:.3} with the fields shuffled, {:.3} with the role prompt reworded ({} texts changed of {})",
            self.fields_shuffled,
            self.role_prompt_reworded,
            self.texts_changed,
            self.conclusions * (1 + ROLES.len())
        )
    }
}
