//! Whether two conclusions say the same.
//!
//! They are compared word by word (character by character where a script has no spaces), with each value that is copied
//! from the case standing as one word. What a model says when asked again says the same if it differs little, and in nothing
//! that decides; what a reviewer wrote says the same only if it has the same words.

use similar::{Algorithm, DiffOp, capture_diff_slices};
use std::ops::Range;

/// Words of a conclusion that are compared; a longer one says the same only if it begins the same.
const MAX_WORDS: usize = 1000;
/// Fewer characters have those of a value by chance.
const LEAST_COPY: usize = 3;
/// From here on scripts have thousands of characters, before it alphabets of a few dozen.
const FIRST_OF_MANY: char = '\u{2E80}';
/// Less alike, two conclusions are about different things.
const ALIKE: f64 = 0.8;

/// A conclusion, cut into what is compared.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    words: Vec<Word>,
    /// The characters of each value of the case.
    values: Vec<Vec<char>>,
}

#[derive(Debug, Clone)]
struct Word {
    kind: WordKind,
    /// Its bytes in the text.
    range: Range<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum WordKind {
    /// The value of the field with that index.
    Copied(usize),
    Text(String),
    Mark(char),
}

impl Said {
    /// `values` are those of the case, in the order of its fields.
    pub(crate) fn new<'v>(text: &str, values: impl Iterator<Item = &'v str>) -> Self {
        let values: Vec<(usize, &str)> = values.enumerate().filter(|(_, value)| !value.is_empty()).collect();
        let mut words = Vec::new();
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            if words.len() == MAX_WORDS {
                break;
            }
            let copied =
                values.iter().filter(|(_, value)| is_copy(text, at, value)).max_by_key(|(_, value)| value.len());
            let (kind, len) = match copied {
                Some(&(index, value)) => (WordKind::Copied(index), value.len()),
                None if c.is_whitespace() => {
                    at += c.len_utf8();
                    continue;
                }
                None if c.is_ascii_alphanumeric() => {
                    let len = text[at..].bytes().take_while(u8::is_ascii_alphanumeric).count();
                    (WordKind::Text(text[at..at + len].to_ascii_lowercase()), len)
                }
                None if c.is_alphanumeric() => (WordKind::Text(c.to_string()), c.len_utf8()),
                None => (WordKind::Mark(c), c.len_utf8()),
            };
            words.push(Word { kind, range: at..at + len });
            at += len;
        }
        let values = values.into_iter().map(|(_, value)| value.chars().collect()).collect();
        Said { words, values }
    }

    /// Whether the words are a value of the case that was copied badly: at least [`LEAST_COPY`] characters, most of them of one
    /// value. Letters of an alphabet stand in any word, so of those most neighbours must be neighbours in the value.
    fn is_poor_copy(&self, words: &[Word]) -> bool {
        let texts = words.iter().filter_map(|word| match &word.kind {
            WordKind::Text(text) => Some(text.as_str()),
            _ => None,
        });
        let chars: Vec<char> = texts.flat_map(str::chars).collect();
        let most = |found: usize, all: usize| 5 * found >= 3 * all;
        let is_alphabetic = chars.iter().all(|c| *c < FIRST_OF_MANY);
        let of = |value: &Vec<char>| match is_alphabetic {
            true => {
                let known = |pair: &&[char]| {
                    value.windows(2).any(|own| own.iter().zip(*pair).all(|(own, c)| own.eq_ignore_ascii_case(c)))
                };
                most(chars.windows(2).filter(known).count(), chars.len() - 1)
            }
            false => {
                most(chars.iter().filter(|c| value.iter().any(|own| own.eq_ignore_ascii_case(c))).count(), chars.len())
            }
        };
        chars.len() >= LEAST_COPY && self.values.iter().any(of)
    }

    /// Whether `other` has these words and no others. Spaces and the case of letters may differ.
    pub(crate) fn has_words_of(&self, other: &Said) -> bool {
        self.words.iter().map(|word| &word.kind).eq(other.words.iter().map(|word| &word.kind))
    }

    /// Whether `other`, which the model said when it was asked again, says this too. What differs may be no copied value, no
    /// number, and nothing at the bytes `deciding`.
    pub(crate) fn agrees(&self, other: &Said, deciding: &[Range<usize>]) -> bool {
        let difference = Difference::of(self, other);
        let decides = |word: &Word| {
            let overlaps = |range: &Range<usize>| range.start < word.range.end && word.range.start < range.end;
            word.is_copied() || word.is_number() || deciding.iter().any(overlaps)
        };
        difference.likeness >= ALIKE
            && difference.parts.iter().all(|(old, new)| {
                let around = old.start.saturating_sub(1)..(old.end + 1).min(self.words.len());
                let here = if old.is_empty() { &self.words[around] } else { &self.words[old.clone()] };
                !here.iter().any(decides)
                    && !other.words[new.clone()].iter().any(|word| word.is_copied() || word.is_number())
            })
    }

    /// Whether `other`, said of a case with another value of a field, is this conclusion all the same: copied values may
    /// differ, and be copied badly; words of its own may not.
    pub(crate) fn holds_in(&self, other: &Said) -> bool {
        let difference = Difference::of(self, other);
        difference.parts.iter().all(|(old, new)| {
            let changed = &self.words[old.clone()];
            let beside = |at: Option<usize>| at.and_then(|at| self.words.get(at)).is_some_and(Word::is_copied);
            let in_a_copy =
                changed.iter().any(Word::is_copied) || beside(old.start.checked_sub(1)) || beside(Some(old.end));
            match changed.iter().any(Word::is_own) {
                true => self.is_poor_copy(changed),
                false => in_a_copy || !other.words[new.clone()].iter().any(Word::is_own),
            }
        })
    }
}

impl Word {
    fn is_copied(&self) -> bool {
        matches!(self.kind, WordKind::Copied(_))
    }

    fn is_own(&self) -> bool {
        matches!(self.kind, WordKind::Text(_))
    }

    fn is_number(&self) -> bool {
        matches!(&self.kind, WordKind::Text(text) if text.bytes().any(|byte| byte.is_ascii_digit()))
    }
}

/// A single letter or character stands in too many places to be a copy, unless it stands there as a word of its own.
fn is_copy(text: &str, at: usize, value: &str) -> bool {
    if !text[at..].starts_with(value) {
        return false;
    }
    let (before, after) = (&text[..at], &text[at + value.len()..]);
    let in_word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let cuts_before = in_word(value.chars().next()) && in_word(before.chars().next_back());
    let cuts_behind = in_word(value.chars().next_back()) && in_word(after.chars().next());
    !cuts_before && !cuts_behind && (value.chars().nth(1).is_some() || value.is_ascii())
}

/// Where two conclusions differ.
struct Difference {
    /// Share of the words that both have, 0 to 1.
    likeness: f64,
    /// Words of the one that stand against words of the other.
    parts: Vec<(Range<usize>, Range<usize>)>,
}

impl Difference {
    fn of(one: &Said, other: &Said) -> Self {
        let kinds = |said: &Said| said.words.iter().map(|word| word.kind.clone()).collect::<Vec<_>>();
        let (old, new) = (kinds(one), kinds(other));
        let mut same = 0;
        let mut parts: Vec<(Range<usize>, Range<usize>)> = Vec::new();
        for op in capture_diff_slices(Algorithm::Myers, &old, &new) {
            match (op, parts.last_mut()) {
                (DiffOp::Equal { len, .. }, _) => same += len,
                // A deletion and an insertion at one place are one part.
                (op, Some(part)) if part.0.end == op.old_range().start && part.1.end == op.new_range().start => {
                    *part = (part.0.start..op.old_range().end, part.1.start..op.new_range().end);
                }
                (op, _) => parts.push((op.old_range(), op.new_range())),
            }
        }
        let all = old.len() + new.len();
        Difference { likeness: if all == 0 { 1.0 } else { 2.0 * same as f64 / all as f64 }, parts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASE: [&str; 4] = ["P7高级架构师", "A/A-", "高", "9/10"];

    fn said(text: &str) -> Said {
        Said::new(text, CASE.into_iter())
    }

    #[test]
    fn copies_are_words() {
        let words =
            |text: &str| said(text).words.into_iter().map(|word| text[word.range].to_owned()).collect::<Vec<_>>();
        assert_eq!(words("P7高级架构师，绩效A/A-。"), ["P7高级架构师", "，", "绩", "效", "A/A-", "。"]);
        assert_eq!(words("9/10 of 19/10, AA/A-"), ["9/10", "of", "19", "/", "10", ",", "AA", "/", "A", "-"]);
        assert!(said("进高潜池").words.iter().all(Word::is_own), "a single character is no copy");
        assert!(Said::new("rated A.", ["A"].into_iter()).words[1].is_copied());
    }

    #[test]
    fn what_differs_in_nothing_that_decides_says_the_same() {
        let text = "P7高级架构师，绩效A/A-，总体来看建议纳入继任者计划。";
        let place = text.find("继任者").unwrap();
        let deciding = [place..place + 3];
        let agrees = |other: &str| said(text).agrees(&said(other), &deciding);
        assert!(agrees(text) && agrees("P7高级架构师，绩效 A/A-，总体来看建议纳入继任者计划！"));
        assert!(agrees("P7高级架构师，绩效A/A-，总体看建议纳入继任者计划。"), "a word that decides nothing");
        for other in [
            "P7高级架构师，绩效A/A-，总体来看建议纳入岗位计划。",
            "P7高级师，绩效A/A-，总体来看建议纳入继任者计划。",
            "P7高级架构师，绩效B/A-，总体来看建议纳入继任者计划。",
            "P7高级架构师，绩效A/A-，总体来看建议2纳入继任者计划。",
            "继任者计划。",
            "",
        ] {
            assert!(!agrees(other), "{other}");
        }
    }

    #[test]
    fn another_case_is_told_the_same_if_only_its_values_differ() {
        let text = "P7高级架构师，绩效A/A-，建议纳入继任者计划。";
        let holds = |other: &str| said(text).holds_in(&Said::new(other, ["M2经理", "A/A-", "高", "9/10"].into_iter()));
        assert!(holds("M2经理，绩效A/A-，建议纳入继任者计划。") && holds("M2经理理，绩效A/A-，建议纳入继任者计划。"));
        assert!(holds("M2经，绩效A，建议纳入继任者计划。"), "copied badly");
        let poor = said("P7高级架师，绩效A/A-，建议纳入继任者计划。");
        let other = |text: &str| Said::new(text, ["M2经理", "A/A-", "高", "9/10"].into_iter());
        assert!(poor.holds_in(&other("M2经理，绩效A/A-，建议纳入继任者计划。")), "copied badly here");
        assert!(!poor.holds_in(&other("M2经理，绩效A/A-，建议纳入岗位认证计划。")));
        assert!(!holds("M2经理，绩效A/A-，建议纳入岗位认证计划。"));
        assert!(!holds("M2经理，绩效A/A-，不建议纳入继任者计划。") && !holds(""));
    }

    #[test]
    fn words_of_the_letters_of_a_value_are_no_copy_of_it() {
        let fields = ["P6 support engineer", "B", "P4 data analyst"];
        let said = |text: &str| Said::new(text, fields.into_iter());
        let other = |text: &str| Said::new(text, ["P6 support engineer", "A", "P4 data analyst"].into_iter());
        for (here, there) in [
            ("Result: keep.", "Result: reward."),
            ("Skill: train.", "Skill: mentor."),
            ("Pool: rising.", "Pool: base."),
        ] {
            assert!(!said(here).holds_in(&other(there)), "{here}");
            assert!(said(here).holds_in(&other(here)), "{here}");
        }
        let said = |text: &str, role: &str| Said::new(text, [role].into_iter());
        let poor = said("The suport enginer should lead.", "support engineer");
        assert!(poor.holds_in(&said("The data analyst should lead.", "data analyst")), "copied badly here");
        assert!(!poor.holds_in(&said("The data analyst should follow.", "data analyst")));
    }

    #[test]
    fn a_single_other_word_is_another_conclusion() {
        let text = "As for the depth that the work has shown so far, the plan of the coming year is to mentor here.";
        assert!(said(text).has_words_of(&said(&text.replace(" the plan", "  The plan"))));
        for other in [text.replace("mentor", "train"), text.replace(" so far", ""), text.replace("here.", "here 9/10.")]
        {
            assert!(!said(text).has_words_of(&said(&other)), "{other}");
        }
    }
}
