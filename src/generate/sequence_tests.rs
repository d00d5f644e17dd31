//! A text that is given logits, without a model.

use super::GenerateOptions;
use super::banned::{Banned, BannedPhrase};
use super::generation::FinishReason;
use super::output::Output;
use super::sampler::Sampler;
use super::sequence::{CHUNK, Sequence, Step};
use crate::error::Code;
use crate::model::{Logits, Row};

const VOCAB: usize = 8;

fn sequence(prompt: usize, max_tokens: usize) -> Sequence {
    let options = GenerateOptions { max_tokens, ..Default::default() };
    let sampler = Sampler::new(&options, &crate::tokenize::test_support::byte_level());
    Sequence::new(vec![1; prompt], &options, sampler, vec![7], Output::document(), None, 400).unwrap()
}

/// Logits that leave no doubt about the next token.
fn says(token: usize) -> Logits {
    vec![Row::whole((0..VOCAB).map(|id| if id == token { 9.0 } else { 0.0 }).collect())]
}

#[test]
fn a_prompt_is_wanted_in_chunks_and_only_its_end_has_logits() {
    let mut text = sequence(2 * CHUNK + 3, 5);
    text.skip(CHUNK);
    assert_eq!((text.wants().len(), text.outputs()), (CHUNK, 0));
    assert_eq!(text.take(Vec::new()).unwrap(), Step::default());
    assert_eq!((text.wants().len(), text.outputs()), (3, 1));
    text.take(says(4)).unwrap();
    assert_eq!((text.wants(), text.outputs()), (&[4][..], 1));
    let mut whole = sequence(CHUNK, 5);
    assert_eq!((whole.wants().len(), whole.outputs()), (CHUNK, 1));
    whole.take(says(2)).unwrap();
    assert_eq!(whole.wants(), [2]);
}

#[test]
fn an_end_token_ends_it_at_once_and_its_length_without_another_pass() {
    let mut stopped = sequence(1, 5);
    stopped.take(says(3)).unwrap();
    assert_eq!(stopped.take(says(7)).unwrap().finished, Some(FinishReason::Stop));
    assert_eq!((stopped.summary().completion_tokens, stopped.take(says(3)).unwrap()), (1, Step::default()));

    let mut long = sequence(1, 2);
    assert_eq!(long.take(says(3)).unwrap().finished, None);
    assert_eq!(long.take(says(4)).unwrap().finished, None);
    assert!(long.wants().is_empty() && long.outputs() == 0);
    assert_eq!(long.take(Vec::new()).unwrap().finished, Some(FinishReason::Length));
    let ids: Vec<u32> = long.summary().tokens.iter().map(|token| token.id).collect();
    assert_eq!(ids, [3, 4]);
}

#[test]
fn an_error_ends_what_can_be_said() {
    let mut text = sequence(1, 5);
    assert_eq!(text.take(vec![Row::whole(vec![f32::NAN; VOCAB])]).unwrap_err().code(), Code::ModelFormat);
    assert_eq!(text.take(says(3)).unwrap_err().code(), Code::Internal);
    assert_eq!(text.summary().finish_reason, FinishReason::Cancelled);
}

#[test]
fn proposed_tokens_that_are_drawn_stay_and_the_others_do_not() {
    let options = GenerateOptions { max_tokens: 20, ..Default::default() };
    let vocabulary = crate::tokenize::test_support::byte_level();
    let text = |options: &GenerateOptions| {
        let sampler = Sampler::new(options, &vocabulary);
        Sequence::new(vec![1, 2, 3, 4, 5, 6, 1, 2], options, sampler, vec![7], Output::document(), None, 400).unwrap()
    };
    let mut repeats = text(&options);
    repeats.take(says(3)).unwrap();
    assert_eq!(repeats.wants(), [3]);
    repeats.speculate(true);
    assert_eq!((repeats.wants(), repeats.outputs()), (&[3, 4, 5][..], 3));
    let drawn = |tokens: &[usize]| tokens.iter().flat_map(|token| says(*token)).collect::<Logits>();
    // The second proposal is wrong: what its logits say is not drawn from.
    repeats.take(drawn(&[4, 2, 6])).unwrap();
    assert_eq!((repeats.wants(), repeats.wrong()), (&[2][..], 1));
    repeats.speculate(true);
    assert_eq!(repeats.wants(), [2], "3, 4, 2 did not stand before");
    repeats.take(says(3)).unwrap();
    assert_eq!((repeats.wants(), repeats.wrong()), (&[3][..], 0));
    let ids = |text: &Sequence| text.summary().tokens.iter().map(|token| token.id).collect::<Vec<_>>();
    assert_eq!(ids(&repeats), [3, 4, 2, 3]);
    // The end of the turn leaves what was read behind it.
    let mut ends = text(&options);
    ends.take(says(3)).unwrap();
    ends.speculate(true);
    assert_eq!(ends.take(drawn(&[7, 5, 6])).unwrap().finished, Some(FinishReason::Stop));
    assert_eq!((ids(&ends), ends.wrong()), (vec![3], 2));
    let mut without = text(&GenerateOptions { speculation: false, ..options });
    without.take(says(3)).unwrap();
    without.speculate(true);
    assert_eq!(without.wants(), [3]);
}

#[test]
fn what_was_written_of_a_phrase_is_taken_back_and_other_words_are_run() {
    let tokenizer = crate::tokenize::test_support::byte_level();
    let options = GenerateOptions { max_tokens: 20, ..Default::default() };
    let id = |text: &str| tokenizer.encode_as_text(text).unwrap()[0];
    let [q, a, b, x, y] = ["q", "a", "b", "x", "y"].map(id);
    let says = |token: u32| Row::whole((0..400).map(|id| if id == token { 9.0 } else { 0.0 }).collect());
    let banned = [BannedPhrase { phrase: "ab".to_owned(), instead: Some("xy".to_owned()) }];
    let banned = std::sync::Arc::new(Banned::new(&banned).unwrap().unwrap());
    let text = |prompt: &[u32]| {
        let output = Output::text(&tokenizer, &[]);
        let sampler = Sampler::new(&options, &tokenizer);
        let text = Sequence::new(prompt.to_vec(), &options, sampler, vec![399], output, None, 400).unwrap();
        text.guarded(Some(&banned), &tokenizer)
    };
    let ids = |text: &Sequence| text.summary().tokens.iter().map(|token| token.id).collect::<Vec<_>>();

    let mut inside = text(&[1]);
    assert_eq!(inside.take(vec![says(q)]).unwrap().text, "q");
    assert_eq!(inside.take(vec![says(a)]).unwrap().text, "", "it may be taken back");
    // What was run of the text is `qa`; the logits after `q` are gone.
    inside.take(vec![says(b)]).unwrap();
    assert_eq!((inside.wrong(), inside.wants(), inside.outputs()), (2, &[q, x, y][..], 3));
    assert_eq!(inside.take(vec![says(x), says(y), says(q)]).unwrap().text, "xyq");
    assert_eq!((ids(&inside), inside.wrong()), (vec![q, x, y, q], 0));

    let mut first = text(&[1]);
    first.take(vec![says(a)]).unwrap();
    first.take(vec![says(b)]).unwrap();
    assert_eq!((first.wrong(), first.wants()), (1, &[x, y][..]));

    // A proposal that came stands in the way no longer than what is taken back.
    let mut proposed = text(&[q, a, b, b, 5, q]);
    proposed.take(vec![says(a)]).unwrap();
    proposed.speculate(true);
    assert_eq!(proposed.wants(), [a]);
    let mut proposed = text(&[5, q, a, b, 5, q]);
    proposed.take(vec![says(q)]).unwrap();
    proposed.take(vec![says(5)]).unwrap();
    proposed.take(vec![says(q)]).unwrap();
    proposed.take(vec![says(a)]).unwrap();
    proposed.speculate(true);
    assert_eq!(proposed.wants(), [a, b, 5], "they stood after 5, q, a");
    proposed.take(vec![says(b), says(5), says(5)]).unwrap();
    // Of the text `q`, `5` stand, and `q` is run again; the two proposals and `a` are not of it.
    assert_eq!((proposed.wrong(), proposed.wants()), (4, &[q, x, y][..]));
}
