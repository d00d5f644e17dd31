//! A comment cut into conclusions: one sentence, one claim.

use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What a conclusion is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Strength,
    Risk,
    Recommendation,
    Observation,
}

impl Kind {
    pub(crate) const NAMES: [&str; 4] = ["strength", "risk", "recommendation", "observation"];

    /// The kind of that name.
    pub(crate) fn named(name: &str) -> Option<Kind> {
        [Kind::Strength, Kind::Risk, Kind::Recommendation, Kind::Observation]
            .into_iter()
            .find(|kind| kind.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        Kind::NAMES[self as usize]
    }

    /// The kind that a sentence of free text announces by its words; what announces nothing is an observation. A
    /// recommendation may name the risk it answers and a risk the strength it limits, hence the order.
    pub(crate) fn of_sentence(sentence: &str) -> Kind {
        let sentence = sentence.to_lowercase();
        CUES.iter()
            .find(|(_, cues)| cues.iter().any(|cue| sentence.contains(cue)))
            .map_or(Kind::Observation, |(kind, _)| *kind)
    }
}

const CUES: [(Kind, &[&str]); 3] = [
    (
        Kind::Recommendation,
        &[
            "建议",
            "推荐",
            "应当",
            "可考虑",
            "纳入",
            "下一步",
            "recommend",
            "suggest",
            "should",
            "next step",
            "consider ",
        ],
    ),
    (
        Kind::Risk,
        &[
            "风险",
            "不足",
            "短板",
            "欠缺",
            "较弱",
            "偏弱",
            "薄弱",
            "有待",
            "离职",
            "隐患",
            "需关注",
            "需要关注",
            "需提升",
            "下滑",
            "risk",
            "weak",
            "lack",
            "concern",
            "insufficient",
            "needs to improve",
            "needs improvement",
            "gap",
        ],
    ),
    (
        Kind::Strength,
        &[
            "优势",
            "突出",
            "优秀",
            "出色",
            "扎实",
            "擅长",
            "能力强",
            "较强",
            "领先",
            "亮点",
            "strength",
            "strong",
            "excellent",
            "outstanding",
            "excels",
            "solid",
        ],
    ),
];

/// The sentences of `text` as byte ranges, without the white space around them. A sentence ends at `。！？!?；;` or a
/// line break, or at a full stop before white space that is neither part of a number nor of an initial.
pub(crate) fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let mut end = at + c.len_utf8();
        let ends = match c {
            '。' | '！' | '？' | '!' | '?' | '；' | ';' | '\n' | '\r' => true,
            '.' => {
                let after = text[end..].trim_start_matches(closes_a_quote);
                (after.is_empty() || after.starts_with(char::is_whitespace)) && !abbreviates(&text[start..at])
            }
            _ => false,
        };
        if !ends {
            continue;
        }
        while let Some(&(at, closing)) = chars.peek() {
            if !closes_a_quote(closing) && !matches!(closing, '。' | '！' | '？' | '!' | '?') {
                break;
            }
            end = at + closing.len_utf8();
            chars.next();
        }
        push_trimmed(text, start..end, &mut found);
        start = end;
    }
    push_trimmed(text, start..text.len(), &mut found);
    found
}

fn closes_a_quote(c: char) -> bool {
    matches!(c, '”' | '’' | '"' | '\'' | '」' | '』' | '）' | ')' | '】' | '》')
}

/// `1.` begins a list item, `J.` is an initial.
fn abbreviates(before: &str) -> bool {
    let word = before.rsplit(char::is_whitespace).next().unwrap_or_default();
    let mut chars = word.chars();
    match (chars.next(), chars.next()) {
        (Some(only), None) => only.is_alphanumeric() && only.is_ascii(),
        _ => !word.is_empty() && word.trim_start().chars().all(|c| c.is_ascii_digit()) && before.trim() == word,
    }
}

fn push_trimmed(text: &str, range: Range<usize>, found: &mut Vec<Range<usize>>) {
    let part = &text[range.clone()];
    let start = range.start + (part.len() - part.trim_start().len());
    let trimmed = part.trim();
    if trimmed.chars().any(char::is_alphanumeric) {
        found.push(start..start + trimmed.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<&str> {
        sentences(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn sentences_of_both_languages() {
        assert_eq!(
            cut("技术能力强，绩效稳定。建议纳入继任者计划！“值得培养。”  风险：协作偏弱；需关注"),
            ["技术能力强，绩效稳定。", "建议纳入继任者计划！", "“值得培养。”", "风险：协作偏弱；", "需关注"]
        );
        assert_eq!(
            cut("Scores 9.5 of 10. J. Smith is strong! (Really.) Next:\n1. promote\n2. coach"),
            ["Scores 9.5 of 10.", "J. Smith is strong!", "(Really.)", "Next:", "1. promote", "2. coach"]
        );
    }

    #[test]
    fn nothing_said_gives_nothing() {
        for text in ["", "  \n ", "。。！", "——"] {
            assert_eq!(cut(text), [""; 0], "{text:?}");
        }
    }

    #[test]
    fn ranges_are_in_order_and_trimmed() {
        let text = "  甲。 乙\n\n丙 ";
        let ranges = sentences(text);
        assert!(ranges.windows(2).all(|pair| pair[0].end <= pair[1].start));
        assert!(cut(text).iter().all(|part| part.trim() == *part && !part.is_empty()));
    }

    #[test]
    fn kinds_follow_the_words() {
        for (sentence, kind) in [
            ("技术架构能力强。", Kind::Strength),
            ("跨团队协作是短板。", Kind::Risk),
            ("建议关注离职风险。", Kind::Recommendation),
            ("入职三年。", Kind::Observation),
            ("Strong engineer.", Kind::Strength),
            ("We recommend a stretch role.", Kind::Recommendation),
        ] {
            assert_eq!(Kind::of_sentence(sentence), kind, "{sentence}");
        }
        for name in Kind::NAMES {
            assert_eq!(Kind::named(name).map(Kind::name), Some(name));
        }
    }
}
