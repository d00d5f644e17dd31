//! A reviewed Word file read back: rows for the next training, and what became of each conclusion.

use super::carried::{self, CarriedDraft};
use super::draft::Text;
use super::labels::{BUDGET, Label, Outcome, label};
use super::package::{MAX_FILE, bad};
use super::regions::{Region, regions};
use super::slots::Standing;
use super::word_file::WordFile;
use crate::error::Result;
use crate::files::read_bytes;
use serde::Serialize;
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;

/// What a reviewer made of a file, with its cases in their order.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Review {
    /// The cases.
    pub cases: Vec<ReviewedCase>,
}

/// What a reviewer made of one report.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ReviewedCase {
    /// The host's name for the case.
    pub id: String,
    /// The input, as it was given.
    pub input: String,
    /// The accepted text, tracked changes on which nobody decided taken as accepted, without white space at its ends;
    /// null where the draft's place is gone from the file.
    pub output: Option<String>,
    /// Tracked changes in the draft's place that are neither accepted nor rejected: 0 once somebody decided on all.
    pub pending: usize,
    /// The report's conclusions, in their order; none where the draft's place is gone.
    pub conclusions: Vec<ReviewedConclusion>,
    /// The report, as it was given.
    #[serde(skip)]
    pub(super) report: Value,
}

/// What a reviewer made of one conclusion.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ReviewedConclusion {
    /// Its kind, as the report said.
    pub kind: String,
    /// Its text in the draft.
    pub text: String,
    /// The confidence that the report gave it.
    pub confidence: f64,
    /// What kind of confidence that was.
    pub confidence_kind: String,
    /// What became of it.
    pub label: Label,
    /// The text that stands in its place; empty if it was deleted.
    pub accepted: String,
}

impl Review {
    /// The rows (input, output) for the next training CSV: of each case whose text is there and not empty.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &str)> {
        let row = |case: &ReviewedCase| case.output.as_deref().is_some_and(|output| !output.is_empty());
        self.cases
            .iter()
            .filter(move |case| row(case))
            .map(|case| (case.input.as_str(), case.output.as_deref().unwrap_or_default()))
    }
}

/// Reads a file that [`write`](super::write()) made and somebody reviewed in Word or LibreOffice: with its changes accepted, rejected
/// or open, its comments there or not. Work and memory are bounded.
///
/// # Errors
/// `Code::DocxFormat`: it is no .docx (encrypted, with macros, damaged, too large), carries no drafts, or was rewritten so
/// far that it cannot be compared.
pub fn read(bytes: &[u8]) -> Result<Review> {
    let file = WordFile::read(bytes, false)?;
    let carried = carried::read(&file)?;
    let standings: Vec<Standing> = carried.drafts.iter().map(|draft| draft.standing).collect();
    let mut regions = regions(&file.document()?, &standings);
    let mut budget = BUDGET;
    let cases = carried.drafts.iter().enumerate();
    let cases = cases.map(|(index, draft)| reviewed(draft, index, &mut regions, &mut budget));
    Ok(Review { cases: cases.collect::<Result<_>>()? })
}

/// Reads a file as [`read`] does.
///
/// # Errors
/// Those of [`read`], naming the file; `Code::Io`.
pub fn read_file(path: &Path) -> Result<Review> {
    read(&read_bytes(path, MAX_FILE as u64)?).map_err(|err| err.in_file(path))
}

fn reviewed(
    carried: &CarriedDraft,
    index: usize,
    regions: &mut HashMap<(Text, usize), Region>,
    budget: &mut u64,
) -> Result<ReviewedCase> {
    let CarriedDraft { case, draft, .. } = carried;
    let conclusions = carried.conclusions(index)?;
    let mut outcomes: Vec<Option<Outcome>> = vec![None; conclusions.len()];
    let mut reviewed = ReviewedCase {
        id: case.id.clone(),
        input: case.input.clone(),
        output: None,
        pending: 0,
        conclusions: Vec::new(),
        report: case.report.clone(),
    };
    for text in [Text::Report, Text::Listed] {
        let region = regions.remove(&(text, index)).unwrap_or_default();
        if !region.found {
            continue;
        }
        let accepted = region.text.trim();
        let (indices, ranges): (Vec<_>, Vec<_>) = draft.ranges(text).into_iter().unzip();
        let labelled = if region.is_too_long { None } else { label(draft.text(text), &ranges, accepted, budget) };
        let labelled = labelled.ok_or_else(|| {
            let message = format!("the text of case `{}` was rewritten too far to be compared with its draft", case.id);
            bad(message).with("case", index).with("id", &case.id)
        })?;
        for (index, outcome) in indices.into_iter().zip(labelled) {
            outcomes[index] = Some(outcome);
        }
        reviewed.pending += region.pending;
        if text == Text::Report {
            reviewed.output = Some(accepted.to_owned());
        }
    }
    if reviewed.output.is_some() {
        let gone = || Outcome { label: Label::Deleted, text: String::new() };
        let outcomes = outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(gone));
        reviewed.conclusions = conclusions
            .into_iter()
            .zip(outcomes)
            .map(|(conclusion, outcome)| ReviewedConclusion {
                kind: conclusion.kind,
                text: conclusion.text,
                confidence: conclusion.confidence,
                confidence_kind: conclusion.confidence_kind,
                label: outcome.label,
                accepted: outcome.text,
            })
            .collect();
    }
    Ok(reviewed)
}
