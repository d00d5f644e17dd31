//! English employees whose reviewers disagree with the rules in one conclusion of five.

use crate::cases::{Employee, Truth, line};
use crate::program::Outcome;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use std::path::Path;

/// Share of the labels that are another than the rule's.
const NOISE: f64 = 0.2;
const ROLES: [&str; 10] = [
    "backend engineer",
    "data analyst",
    "sales manager",
    "product manager",
    "test engineer",
    "HR specialist",
    "finance analyst",
    "project manager",
    "support engineer",
    "security engineer",
];
const CAUSES: [&str; 4] = ["Performance", "Potential", "Depth", "Teamwork"];
const LABELS: [&[&str]; 4] =
    [&["reward", "keep", "improve"], &["rising", "steady", "base"], &["mentor", "train"], &["lead", "join"]];

/// The four conclusions, `{}` being the word that is decided.
pub type Wording = [&'static str; 4];
pub const SHORT: Wording = ["Result: {}.", "Pool: {}.", "Skill: {}.", "Team: {}."];
pub const LONG: Wording = [
    "After looking at the performance of the last two years, the panel has agreed on the result {} and the manager will talk about it soon.",
    "With regard to the potential that was seen in daily work, the employee is placed in the pool {} until the review of the next year.",
    "As for the depth of knowledge that the work has shown so far, the plan of the team for the coming year is to {} here.",
    "When it comes to work with other teams, which the panel has discussed at length, the employee should {} a project across teams next.",
];

/// An employee, with the label that some reviewer gives: right as often as it is this one.
pub fn employee(rng: &mut StdRng, wording: &Wording) -> Employee {
    let role = ROLES.choose(rng).copied().unwrap_or_default();
    let [performance, potential] = [rng.random_range(0..3), rng.random_range(0..3)];
    let [depth, teamwork] = [rng.random_range(1..=10), rng.random_range(1..=10)];
    let rules = [performance, potential, usize::from(depth < 7), usize::from(teamwork < 6)];
    let mut truth = Vec::new();
    for (at, rule) in rules.into_iter().enumerate() {
        let others: Vec<usize> = (0..LABELS[at].len()).filter(|other| *other != rule).collect();
        let noisy = rng.random_bool(NOISE);
        let label = if noisy { others.choose(rng).copied().unwrap_or(rule) } else { rule };
        truth.push(Truth { text: wording[at].replace("{}", LABELS[at][label]), causes: vec![CAUSES[at]] });
    }
    let fields = vec![
        ("Role", format!("P{} {role}", rng.random_range(4..=9))),
        ("Performance", ["A", "B", "C"][performance].to_owned()),
        ("Potential", ["high", "medium", "low"][potential].to_owned()),
        ("Depth", format!("{depth}/10")),
        ("Teamwork", format!("{teamwork}/10")),
    ];
    Employee { fields, truth }
}

pub fn write_csv(path: &Path, rows: usize, wording: &Wording, rng: &mut StdRng) -> Outcome {
    let mut text = String::from("input,output\n");
    for _ in 0..rows {
        let employee = employee(rng, wording);
        let output: Vec<&str> = employee.truth.iter().map(|truth| truth.text.as_str()).collect();
        text += &format!("\"{}\",\"{}\"\n", line(&employee.fields, ", "), output.join(" "));
    }
    Ok(std::fs::write(path, text)?)
}
