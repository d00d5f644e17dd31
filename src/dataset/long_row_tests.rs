//! Rows that do not fit, on real tokenizers.

use super::tests::open_with;
use super::*;
use crate::error::Code;
use crate::tokenize::PromptFormat;
use crate::tokenize::test_support::{format, repository};

const SYSTEM: &str = "You review staff.";

fn dataset(text: &str, long_rows: LongRows, max_length: Option<usize>) -> Dataset {
    let options = DatasetOptions { long_rows, max_length, system: Some(SYSTEM.to_owned()), ..Default::default() };
    open_with(text.as_bytes(), &options).unwrap()
}

fn formats() -> Vec<PromptFormat> {
    ["tests/fixtures/models/qwen2", "samples/models/tailora-tiny"]
        .map(|path| format(&repository(path), &["<|im_end|>"]))
        .into()
}

/// Over all lengths: what fits, what is lost, and where.
#[test]
fn the_middle_of_the_input_goes_first_and_then_the_end_of_the_output() {
    let input: String = (0..40).map(|index| format!("字段{index}:值😀{index},")).collect();
    let output = "该员工技术突出😀，建议晋升。".repeat(8);
    let text = format!("input,output\n\"{input}\",{output}\nshort,短\n");
    for format in formats() {
        let decode = |ids: &[u32]| format.tokenizer().decode(ids, false);
        let whole = dataset(&text, LongRows::Error, None).examples(&format, 1 << 20, &mut Monitor::none()).unwrap();
        let (full, prompt_len) = (&whole.rows[0].ids, whole.rows[0].prompt_len);
        let answer = full.len() - prompt_len;
        let (mut cut_inputs, mut cut_outputs, mut refused) = (0, 0, 0);
        let mut last_lost = usize::MAX;
        for max_length in (40..full.len()).step_by(17).chain([full.len() - 1]) {
            let dataset = dataset(&text, LongRows::Truncate, None);
            let examples = match dataset.examples(&format, max_length, &mut Monitor::none()) {
                Ok(examples) => examples,
                Err(err) => {
                    assert_eq!(err.code(), Code::ContextLength, "{err}");
                    assert!(err.message().contains("it cannot be cut either"), "{err}");
                    refused += 1;
                    continue;
                }
            };
            let (row, cut) = (&examples.rows[0], &examples.truncated[0]);
            assert_eq!((examples.rows.len(), examples.truncated.len(), cut.row, cut.tokens), (2, 1, 1, full.len()));
            assert_eq!(examples.rows[1], whole.rows[1]);
            assert!(row.ids.len() <= max_length, "{} of {max_length}", row.ids.len());
            let (prompt, completion) = row.ids.split_at(row.prompt_len);
            let (prompt_text, completion_text) = (decode(prompt), decode(completion));
            assert!(!prompt_text.contains('\u{FFFD}') && !completion_text.contains('\u{FFFD}'), "{completion_text}");
            assert!(prompt_text.contains(SYSTEM) && prompt_text.contains("字段0") && !completion.is_empty());
            assert_eq!(prompt_text.contains('…'), cut.input_characters > 0);
            assert_eq!(completion, &full[prompt_len..prompt_len + completion.len()], "whole tokens of the answer");
            let ends = completion.last() == Some(&format.end_of_turn());
            assert_eq!(ends, cut.output_tokens == 0, "the end of turn is not learnt halfway");
            if cut.output_tokens > 0 {
                assert_eq!(cut.output_tokens, answer - completion.len());
                assert!(row.prompt_len <= prompt_len.max(max_length / 4 + 64), "the input was cut first");
                cut_outputs += 1;
            }
            cut_inputs += usize::from(cut.input_characters > 0);
            assert!(cut.input_characters + cut.output_tokens <= last_lost, "more room, less lost");
            last_lost = cut.input_characters + cut.output_tokens;
        }
        assert!(cut_inputs > 3 && cut_outputs > 1, "{cut_inputs} {cut_outputs} {refused}");
    }
}

#[test]
fn a_dataset_has_a_limit_of_its_own_and_previews_go_by_it() {
    let text = format!("input,output\na,b\nc,{}\n", "long ".repeat(100));
    let format = &formats()[0];
    let limit = 60;
    let cut = dataset(&text, LongRows::Truncate, Some(limit));
    let examples = cut.examples(format, 1 << 20, &mut Monitor::none()).unwrap();
    assert!(examples.longest() <= limit && examples.truncated.len() == 1);
    assert_eq!(serde_json::to_value(examples.listed_cuts()).unwrap()[0]["row"], 2);
    let preview = cut.preview(format, 1 << 20, 2).unwrap();
    let ids: Vec<u64> = preview["tokens"].as_array().unwrap().iter().map(|t| t["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, examples.rows[1].ids.iter().map(|&id| u64::from(id)).collect::<Vec<_>>());
    assert_eq!((&preview["max_length"], &preview["too_long"]), (&limit.into(), &true.into()));
    assert_eq!(preview["truncated"], serde_json::to_value(&examples.truncated[0]).unwrap());
    assert!(!preview["text"].as_str().unwrap().ends_with("<|im_end|>"));
    let preview = cut.preview(format, 1 << 20, 1).unwrap();
    assert_eq!((&preview["truncated"], &preview["too_long"]), (&Value::Null, &false.into()));
    assert_eq!(cut.preview(format, 50, 2).unwrap()["max_length"], 50, "the model's context");
    let whole = dataset(&text, LongRows::Error, Some(limit));
    let preview = whole.preview(format, 1 << 20, 2).unwrap();
    assert_eq!((&preview["truncated"], &preview["too_long"]), (&Value::Null, &true.into()));
    assert!(preview["text"].as_str().unwrap().ends_with("<|im_end|>"));
    assert_eq!(whole.examples(format, 1 << 20, &mut Monitor::none()).unwrap_err().details()["max_length"], limit);
}

/// What is cut is found by reading about as much as fits, not the whole again and again.
#[test]
fn a_megabyte_is_cut_in_a_moment() {
    let text = format!("input,output\n{},b\n", "很长".repeat(160_000));
    let begun = std::time::Instant::now();
    let examples =
        dataset(&text, LongRows::Truncate, None).examples(&formats()[1], 1024, &mut Monitor::none()).unwrap();
    assert!((1000..=1024).contains(&examples.rows[0].ids.len()), "{}", examples.rows[0].ids.len());
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}
