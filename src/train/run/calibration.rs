//! What an adapter says of rows that it has not seen, held against what those rows say: the ground of its confidences.

use super::job::Job;
use crate::adapter::Adapter;
use crate::conclusions::{Labelled, Lexicon, Said, TOP, VARIANTS, sentences, signals};
use crate::control::{Cancel, Monitor};
use crate::dataset::Row;
use crate::error::Result;
use crate::fields::Fields;
use crate::generate::{GenerateOptions, Generation, Session, SessionOptions};
use serde_json::{Value, json};
use std::ops::Range;

/// Places that are told apart, and characters of a beginning that are shown.
const MAX_PLACES: usize = 16;
const MAX_START: usize = 20;

/// Labels the conclusions of at most `most` of `rows`, evenly over them, which `adapter` was not trained on. `progress` is
/// called before each row, with how many were answered and will be.
///
/// # Errors
/// `Cancelled` between two rows.
pub(crate) fn label(
    job: &Job<'_>,
    adapter: &Adapter,
    (rows, most): (&[usize], usize),
    progress: &dyn Fn(&mut Monitor<'_>, usize, usize),
    monitor: &mut Monitor<'_>,
) -> Result<Vec<Labelled>> {
    let asked = rows.len().min(most);
    let mut labelled = Vec::new();
    if asked == 0 {
        return Ok(labelled);
    }
    let mut session = Session::new(job.model, &SessionOptions::default())?;
    session.attach(adapter, 1.0)?;
    for at in 0..asked {
        let index = rows[at * rows.len() / asked];
        progress(monitor, at, asked);
        monitor.check()?;
        let example = &job.examples.rows[index];
        let Some(row) = job.row(index) else { continue };
        let answer = example.ids.len() - example.prompt_len;
        let options = GenerateOptions {
            max_tokens: answer + answer / 2 + 16,
            top_logprobs: TOP,
            seed: index as u64,
            system: job.dataset.system_of(row).map(str::to_owned),
            ..Default::default()
        };
        // A row that was cut to fit is no case that could be reported on.
        if example.prompt_len + options.max_tokens > job.model.decoder().config().max_position_embeddings {
            continue;
        }
        let texts = session.with_variants(&row.input, &options, VARIANTS, &Cancel::new())?;
        labelled.extend(compare(index, row, &texts));
    }
    Ok(labelled)
}

/// The conclusions of the first text: right are those that the row's own output has, word for word, as those are kept which a
/// reviewer leaves as they were. (The model being sure of a word says nothing of its being right.)
fn compare(index: usize, row: &Row, texts: &[Generation]) -> Vec<Labelled> {
    let Some((generation, variants)) = texts.split_first() else { return Vec::new() };
    let fields = Fields::parse(&row.input).ok();
    let said = |text: &str| {
        let values = fields.iter().flat_map(Fields::iter).map(|field| field.value.as_str());
        Said::new(text, values)
    };
    let all = |text: &str| {
        sentences(text, &Lexicon::built_in()).into_iter().map(|range| said(&text[range])).collect::<Vec<_>>()
    };
    let (reference, variants) = (all(&row.output), variants.iter().map(|text| all(&text.text)).collect::<Vec<_>>());
    let label = |(place, range): (usize, Range<usize>)| {
        let this = said(&generation.text[range.clone()]);
        let right = reference.iter().any(|other| this.has_words_of(other));
        Labelled { row: index, place, signals: signals(generation, &range, &this, &variants), right }
    };
    sentences(&generation.text, &Lexicon::built_in()).into_iter().enumerate().map(label).collect()
}

/// How many conclusions were right by their place in the answer, and how all outputs of the rows begin there: what was
/// learnt and what was not.
pub(crate) fn by_place(job: &Job<'_>, labelled: &[Labelled]) -> Value {
    let mut places: Vec<(usize, usize, Option<String>)> = Vec::new();
    for one in labelled.iter().filter(|one| one.place < MAX_PLACES) {
        places.resize(places.len().max(one.place + 1), (0, 0, None));
        let (all, right, _) = &mut places[one.place];
        (*all, *right) = (*all + 1, *right + usize::from(one.right));
    }
    for row in job.rows() {
        for (place, range) in places.iter_mut().zip(sentences(&row.output, &Lexicon::built_in())) {
            let this = &row.output[range];
            place.2 = Some(place.2.take().map_or_else(|| this.to_owned(), |known| common_start(&known, this)));
        }
    }
    let shown = |begins: Option<String>| begins.unwrap_or_default().chars().take(MAX_START).collect::<String>();
    let entry = |(place, (conclusions, right, begins))| json!({ "place": place, "begins": shown(begins), "conclusions": conclusions, "right": right });
    places.into_iter().enumerate().map(entry).collect()
}

fn common_start(one: &str, other: &str) -> String {
    one.chars().zip(other.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::{FinishReason, GeneratedToken};

    /// A text that the model was sure of, to the last token.
    fn sure_of(text: &str) -> Generation {
        let token = |start| GeneratedToken { id: 1, logprob: 0.0, start, end: start + 1, top: Vec::new() };
        Generation {
            text: text.to_owned(),
            tokens: (0..text.len()).map(token).collect(),
            finish_reason: FinishReason::Stop,
            prompt_tokens: 1,
            completion_tokens: text.len(),
            seed: 0,
        }
    }

    #[test]
    fn a_model_that_is_sure_of_a_wrong_word_is_wrong() {
        let (keeps, pool) =
            ("The panel has agreed on the result keep and the manager will talk about it soon.", "Pool: rising.");
        let row = Row {
            number: 1,
            line: 2,
            id: None,
            input: "grade:A".to_owned(),
            output: format!("{pool} {}", keeps.replace("keep", "reward")),
            group: None,
            held_out: None,
        };
        let labels =
            |texts: &[Generation]| compare(0, &row, texts).into_iter().map(|one| one.right).collect::<Vec<_>>();
        let said = sure_of(&format!("{keeps} {pool}"));
        assert_eq!(labels(&[said.clone(), said]), [false, true], "in whatever order");
        assert!(labels(&[]).is_empty());
    }
}
