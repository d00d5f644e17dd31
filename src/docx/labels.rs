//! What a reviewer made of each conclusion, by laying the draft beside the text that was accepted.
//!
//! Words are compared, not characters: two sentences have many letters in common, and few words. A Chinese character is a
//! word here.

use serde::Serialize;
use similar::{Algorithm, DiffOp, capture_diff_slices};
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;

/// What became of a conclusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// It stands there as it was, perhaps at another place.
    Kept,
    /// Other words stand in it, around at least half of its own.
    Edited,
    /// It is gone, or too little of it is left to be the same.
    Deleted,
}

/// A label, and the text that took the conclusion's place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outcome {
    pub(super) label: Label,
    pub(super) text: String,
}

/// Words of draft and accepted text to compare, as a product: some seconds at worst. A file has a budget of it.
pub(super) const BUDGET: u64 = 1 << 31;

/// Labels the conclusions at `ranges` of the draft, or nothing if the comparison would cost more than `budget`.
pub(super) fn label(draft: &str, ranges: &[Range<usize>], accepted: &str, budget: &mut u64) -> Option<Vec<Outcome>> {
    let alignment = Alignment::new(draft, accepted, budget)?;
    let spans: Vec<Range<usize>> = ranges.iter().map(|range| alignment.old.span(range)).collect();
    let mut outcomes: Vec<Option<Outcome>> = spans.iter().map(|span| alignment.kept(span)).collect();
    // Where those stand that were kept in place: nothing else was moved there.
    let mut taken: Vec<Range<usize>> = Vec::new();
    for (span, outcome) in spans.iter().zip(&outcomes) {
        if outcome.is_some() {
            taken.extend(alignment.image(span).map(|image| alignment.new.bytes(&image)));
        }
    }
    for ((range, span), outcome) in ranges.iter().zip(&spans).zip(&mut outcomes) {
        if outcome.is_some() {
            continue;
        }
        let text = draft.get(range.clone()).unwrap_or_default();
        *outcome = Some(match moved(text, accepted, &taken) {
            Some(place) => {
                taken.push(place);
                Outcome { label: Label::Kept, text: text.to_owned() }
            }
            None => alignment.changed(span),
        });
    }
    Some(outcomes.into_iter().flatten().collect())
}

/// A text as words and what stands between them.
struct Words<'a> {
    text: &'a str,
    words: Vec<&'a str>,
    /// The byte at which each begins, and the end.
    starts: Vec<usize>,
}

impl<'a> Words<'a> {
    fn new(text: &'a str) -> Self {
        let (mut words, mut starts) = (Vec::new(), Vec::new());
        for (start, word) in text.split_word_bound_indices() {
            words.push(word);
            starts.push(start);
        }
        starts.push(text.len());
        Words { text, words, starts }
    }

    /// The words that a range of bytes touches.
    fn span(&self, range: &Range<usize>) -> Range<usize> {
        let start = self.starts.partition_point(|&start| start <= range.start).saturating_sub(1);
        start..self.starts.partition_point(|&start| start < range.end).min(self.words.len()).max(start)
    }

    fn bytes(&self, span: &Range<usize>) -> Range<usize> {
        self.starts[span.start]..self.starts[span.end]
    }

    /// The text of a span, trimmed.
    fn of(&self, span: &Range<usize>) -> &'a str {
        self.text[self.bytes(span)].trim()
    }

    fn visible(&self, span: Range<usize>) -> impl DoubleEndedIterator<Item = usize> {
        span.filter(|&index| !is_space(self.words[index]))
    }
}

fn is_space(word: &str) -> bool {
    word.chars().all(char::is_whitespace)
}

fn is_line_break(word: &str) -> bool {
    word.contains('\n')
}

/// Whether a sentence may end with this word, or a list item begin after it.
fn ends_sentence(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| "。！？!?；;.…：:”’\"'」』）)】》]-–—•·*".contains(c))
}

/// Which word of the draft became which of the accepted text.
struct Alignment<'a> {
    old: Words<'a>,
    new: Words<'a>,
    to_new: Vec<Option<usize>>,
    /// Whether a word of the accepted text comes from the draft.
    is_old: Vec<bool>,
}

impl<'a> Alignment<'a> {
    fn new(draft: &'a str, accepted: &'a str, budget: &mut u64) -> Option<Self> {
        let (old, new) = (Words::new(draft), Words::new(accepted));
        let (a, b) = (&old.words, &new.words);
        let prefix = a.iter().zip(b).take_while(|(a, b)| a == b).count();
        let rest = a[prefix..].iter().rev().zip(b[prefix..].iter().rev());
        let suffix = rest.take_while(|(a, b)| a == b).count();
        let cost = (a.len() - prefix - suffix) as u64 * (b.len() - prefix - suffix) as u64;
        *budget = budget.checked_sub(cost)?;
        let mut to_new = vec![None; a.len()];
        let mut is_old = vec![false; b.len()];
        for op in capture_diff_slices(Algorithm::Myers, a, b) {
            if let DiffOp::Equal { old_index, new_index, len } = op {
                for offset in 0..len {
                    to_new[old_index + offset] = Some(new_index + offset);
                    is_old[new_index + offset] = true;
                }
            }
        }
        Some(Alignment { old, new, to_new, is_old })
    }

    /// From the first to the last word of the accepted text that comes from a span.
    fn image(&self, span: &Range<usize>) -> Option<Range<usize>> {
        let mut found = self.old.visible(span.clone()).filter_map(|index| self.to_new[index]);
        let first = found.next()?;
        Some(first..found.next_back().unwrap_or(first) + 1)
    }

    /// The outcome of a conclusion that stands where it stood: all of its words, nothing between them, and nothing put
    /// before or behind them in the same sentence.
    fn kept(&self, span: &Range<usize>) -> Option<Outcome> {
        let image = self.image(span)?;
        let all = self.old.visible(span.clone()).all(|index| self.to_new[index].is_some());
        let same = self.old.visible(span.clone()).count() == self.new.visible(image.clone()).count();
        let kept = all && same && self.is_free_before(span, &image) && self.is_free_behind(span, &image);
        kept.then(|| Outcome { label: Label::Kept, text: self.new.of(&image).to_owned() })
    }

    fn is_free_before(&self, span: &Range<usize>, image: &Range<usize>) -> bool {
        for index in (0..image.start).rev() {
            let word = self.new.words[index];
            if is_line_break(word) {
                return true;
            }
            if !is_space(word) {
                let neighbour = self.old.visible(0..span.start).next_back();
                return ends_sentence(word) || neighbour.is_some_and(|old| self.to_new[old] == Some(index));
            }
        }
        true
    }

    fn is_free_behind(&self, span: &Range<usize>, image: &Range<usize>) -> bool {
        if ends_sentence(self.new.words[image.end - 1]) {
            return true;
        }
        for index in image.end..self.new.words.len() {
            let word = self.new.words[index];
            if is_line_break(word) {
                return true;
            }
            if !is_space(word) {
                let neighbour = self.old.visible(span.end..self.old.words.len()).next();
                return ends_sentence(word) || neighbour.is_some_and(|old| self.to_new[old] == Some(index));
            }
        }
        true
    }

    /// Edited if at least half of its words are left, else deleted.
    fn changed(&self, span: &Range<usize>) -> Outcome {
        let is_word = |index: &usize| self.old.words[*index].chars().any(char::is_alphanumeric);
        let words: Vec<usize> = self.old.visible(span.clone()).filter(is_word).collect();
        let left = words.iter().filter(|&&index| self.to_new[index].is_some()).count();
        match self.image(span) {
            Some(image) if left > 0 && left * 2 >= words.len() => {
                Outcome { label: Label::Edited, text: self.new.of(&self.with_insertions(image)).to_owned() }
            }
            _ => Outcome { label: Label::Deleted, text: String::new() },
        }
    }

    /// An image with what was inserted right beside it, as far as its sentence reaches.
    fn with_insertions(&self, image: Range<usize>) -> Range<usize> {
        let (mut start, mut end) = (image.start, image.end);
        let words = &self.new.words;
        let belongs = |index: usize| !is_line_break(words[index]) && (!self.is_old[index] || is_space(words[index]));
        while start > 0 && belongs(start - 1) && !ends_sentence(words[start - 1]) {
            start -= 1;
        }
        while end < words.len() && !ends_sentence(words[end - 1]) && (belongs(end) || ends_sentence(words[end])) {
            end += 1;
        }
        start..end
    }
}

/// Where a text stands word for word as sentences of its own, at a place that is not `taken`.
fn moved(text: &str, accepted: &str, taken: &[Range<usize>]) -> Option<Range<usize>> {
    let text = text.trim();
    let found = accepted.match_indices(text).map(|(start, _)| start..start + text.len());
    let is_free = |range: &Range<usize>| !taken.iter().any(|other| other.start < range.end && range.start < other.end);
    let stands_alone = |range: &Range<usize>| {
        let before = accepted[..range.start].trim_end_matches([' ', '\t', '\u{3000}']).chars().next_back();
        let behind = accepted[range.end..].trim_start_matches([' ', '\t', '\u{3000}']).chars().next();
        let parts = |c: Option<char>| c.is_none_or(|c| c == '\n' || ends_sentence(c.encode_utf8(&mut [0; 4])));
        parts(before) && (parts(text.chars().next_back()) || parts(behind))
    };
    if text.is_empty() { None } else { { found }.find(|range| is_free(range) && stands_alone(range)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAFT: &str = "技术架构能力强，绩效稳定。跨团队协作偏弱。建议纳入继任者计划。";

    /// The labels of a draft's sentences, which end with `。`, `.` or a line break.
    fn labels(draft: &str, accepted: &str) -> Vec<(Label, String)> {
        let mut ranges = Vec::new();
        let mut start = 0;
        for part in draft.split_inclusive(['。', '.', '\n']) {
            let left = start + part.len() - part.trim_start().len();
            ranges.push(left..left + part.trim().len());
            start += part.len();
        }
        let outcomes = label(draft, &ranges, accepted, &mut BUDGET.clone()).unwrap();
        outcomes.into_iter().map(|outcome| (outcome.label, outcome.text)).collect()
    }

    fn only(draft: &str, accepted: &str) -> Vec<Label> {
        labels(draft, accepted).into_iter().map(|(label, _)| label).collect()
    }

    use Label::{Deleted, Edited, Kept};

    #[test]
    fn what_was_left_alone_is_kept() {
        for accepted in [
            DRAFT,
            "技术架构能力强，绩效稳定。\n跨团队协作偏弱。 建议纳入继任者计划。",
            "概述：技术架构能力强，绩效稳定。跨团队协作偏弱。沟通能力好。建议纳入继任者计划。本人同意。",
            "建议纳入继任者计划。技术架构能力强，绩效稳定。跨团队协作偏弱。",
            "跨团队协作偏弱。\n建议纳入继任者计划。\n技术架构能力强，绩效稳定。",
        ] {
            assert_eq!(only(DRAFT, accepted), [Kept; 3], "{accepted}");
        }
        let list = "Strong engineer\nWeak in teams";
        assert_eq!(only(list, "Weak in teams\nStrong engineer\nNew item"), [Kept; 2]);
    }

    #[test]
    fn what_was_changed_says_how() {
        let edited = labels(DRAFT, "技术架构能力较强，绩效稳定。建议明年纳入继任者计划。");
        let text = |text: &str| text.to_owned();
        assert_eq!(
            edited,
            [
                (Edited, text("技术架构能力较强，绩效稳定。")),
                (Deleted, text("")),
                (Edited, text("建议明年纳入继任者计划。"))
            ]
        );
        assert_eq!(
            labels("Strong engineer. Weak in teams.", "Strong engineer. Needs coaching on negotiations in Q3."),
            [(Kept, text("Strong engineer.")), (Deleted, text(""))]
        );
        assert_eq!(labels("技术能力强。", "我不认为技术能力强。"), [(Edited, text("我不认为技术能力强。"))]);
        assert_eq!(labels("技术能力强", "技术能力强，但不稳定"), [(Edited, text("技术能力强，但不稳定"))]);
        assert_eq!(labels("得分9/10。", "得分8/10。"), [(Edited, text("得分8/10。"))]);
        assert_eq!(
            labels("Fine. Promote next year.", "Fine. Do not promote next year."),
            [(Kept, text("Fine.")), (Edited, text("Do not promote next year."))]
        );
        assert_eq!(
            labels("甲乙丙偏弱。丁。", "甲乙丙有所欠缺。"),
            [(Edited, text("甲乙丙有所欠缺。")), (Deleted, text(""))]
        );
        assert_eq!(only(DRAFT, ""), [Deleted; 3]);
    }

    #[test]
    fn one_of_two_equal_conclusions_was_deleted() {
        assert_eq!(
            only("能力强。绩效好。能力强。", "能力强。绩效好。").iter().filter(|label| **label == Kept).count(),
            2
        );
        assert_eq!(only("能力强。能力强。", "能力强。能力强。"), [Kept; 2]);
    }

    #[test]
    fn a_comparison_without_end_is_not_begun() {
        let (a, b) = ("甲".repeat(3000), "乙".repeat(3000));
        let mut budget = 9_000_001;
        assert!(label(&a, &[], &b, &mut budget).is_some());
        assert_eq!(budget, 1);
        assert!(label(&a, &[], &b, &mut budget).is_none());
        assert!(label(&a, &[], &a, &mut budget).is_some());
    }
}
