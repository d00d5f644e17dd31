//! A comment cut into conclusions: one sentence, one claim.

use super::lexicon::Lexicon;
use std::ops::Range;

/// The sentences of `text` as byte ranges, without the white space around them, headings left out.
///
/// A sentence ends at `。！？!?；;` or a line break; at a full stop before white space or between Chinese characters, unless it
/// belongs to a number, an initial, an abbreviation of the lexicon or the mark of a list; at dots of omission before a line
/// break, or before a capital letter. Quotes and brackets that close behind its end are part of it.
pub(crate) fn sentences(text: &str, lexicon: &Lexicon) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let mut end = at + c.len_utf8();
        while let Some((at, dot)) = chars.next_if(|(_, next)| matches!(c, '.' | '…') && *next == c) {
            end = at + dot.len_utf8();
        }
        let rest = &text[end..];
        let ends = match c {
            '。' | '！' | '？' | '!' | '?' | '；' | ';' | '\n' | '\r' => true,
            '…' => omission_ends(rest),
            '.' if end > at + 1 => omission_ends(rest),
            '.' => full_stop_ends(&text[start..at], rest, lexicon),
            _ => false,
        };
        if !ends {
            continue;
        }
        if !matches!(c, '\n' | '\r') {
            let goes_on = |c: char| closes(c) || matches!(c, '。' | '！' | '？' | '!' | '?' | '…');
            while let Some((at, closing)) = chars.next_if(|(_, next)| goes_on(*next)) {
                end = at + closing.len_utf8();
            }
        }
        push(text, start..end, &mut found);
        start = end;
    }
    push(text, start..text.len(), &mut found);
    found
}

fn closes(c: char) -> bool {
    matches!(c, '”' | '’' | '"' | '\'' | '」' | '』' | '）' | ')' | '】' | '》' | ']' | '〕')
}

fn is_chinese(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9FFF}' | '\u{20000}'..='\u{3FFFF}')
}

/// Whether what follows dots of omission is another sentence. They may also stand for a pause.
fn omission_ends(rest: &str) -> bool {
    let after = rest.trim_start_matches(closes);
    let next = after.trim_start_matches([' ', '\t', '\u{3000}']);
    let is_parted = next.len() < after.len();
    next.chars().next().is_none_or(|c| matches!(c, '\n' | '\r' | '【') || (is_parted && c.is_uppercase()))
}

/// Whether a full stop ends the sentence `before`; `rest` follows it.
fn full_stop_ends(before: &str, rest: &str, lexicon: &Lexicon) -> bool {
    let after = rest.trim_start_matches(closes);
    let (last, next) = (before.chars().next_back(), after.chars().next());
    if last.is_some_and(is_chinese) && next.is_some_and(is_chinese) {
        return true;
    }
    if next.is_some_and(|c| !c.is_whitespace()) {
        return false;
    }
    let follows = after.trim_start_matches([' ', '\t', '\u{3000}']).chars().next();
    let word = before
        .rsplit(|c: char| c.is_whitespace() || is_chinese(c) || "（(\"“‘'「【[，、：".contains(c))
        .next()
        .unwrap_or_default();
    if before.trim() == word && is_list_mark(word) {
        return false;
    }
    // At the end of a line nothing is left that the word could belong to.
    let is_last = follows.is_none_or(|c| matches!(c, '\n' | '\r'));
    is_last || !(is_initial(word) || lexicon.is_abbreviation(word))
}

/// `J`, `U.S`: letters one at a time.
fn is_initial(word: &str) -> bool {
    !word.is_empty() && word.split('.').all(|part| part.len() == 1 && part.chars().all(|c| c.is_ascii_alphabetic()))
}

/// `1`, `a`, `iv`: with a full stop behind it, an item begins.
fn is_list_mark(word: &str) -> bool {
    let is_number = word.len() <= 3 && word.chars().all(|c| c.is_ascii_digit());
    let is_roman = word.len() <= 4 && word.chars().all(|c| "ivxIVX".contains(c));
    !word.is_empty() && (is_number || is_roman || (word.len() == 1 && word.chars().all(|c| c.is_ascii_alphabetic())))
}

/// Whether a part of a text announces what follows and says nothing itself: `## Risks`, `【盘点结论】`, `一、优势：`, `**Next**`.
fn is_heading(part: &str) -> bool {
    let bare = part.trim_matches(|c: char| c.is_whitespace() || matches!(c, '*' | '_'));
    let is_marked = part.starts_with('#') && part.trim_start_matches('#').starts_with([' ', '\t']);
    let is_bold =
        part.starts_with("**") && part.ends_with("**") && part.len() > 4 && !part[2..part.len() - 2].contains("**");
    let framed =
        |open: char, close: char| bare.starts_with(open) && bare.find(close) == Some(bare.len() - close.len_utf8());
    is_marked || is_bold || framed('【', '】') || framed('[', ']') || framed('〔', '〕') || bare.ends_with(['：', ':'])
}

/// Whether nothing stands behind the mark of a list.
fn is_mark_alone(part: &str) -> bool {
    let word = part.trim_matches(|c: char| matches!(c, '(' | '（' | ')' | '）' | '.' | '、' | '．'));
    let is_chinese_number = !word.is_empty() && word.chars().all(|c| "一二三四五六七八九十".contains(c));
    word.len() < part.len() && (is_list_mark(word) || is_chinese_number)
}

fn push(text: &str, range: Range<usize>, found: &mut Vec<Range<usize>>) {
    let part = &text[range.clone()];
    let start = range.start + (part.len() - part.trim_start().len());
    let part = part.trim();
    if part.chars().any(char::is_alphanumeric) && !is_heading(part) && !is_mark_alone(part) {
        found.push(start..start + part.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<&str> {
        sentences(text, &Lexicon::of(None).unwrap()).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn sentences_of_both_languages() {
        for (text, expected) in [
            (
                "技术能力强，绩效稳定。建议纳入继任者计划！“值得培养。”  风险：协作偏弱；需关注",
                &["技术能力强，绩效稳定。", "建议纳入继任者计划！", "“值得培养。”", "风险：协作偏弱；", "需关注"][..],
            ),
            (
                "Scores 9.5 of 10. J. Smith is strong! (Really.) Next:\n1. promote\n2. coach",
                &["Scores 9.5 of 10.", "J. Smith is strong!", "(Really.)", "1. promote", "2. coach"],
            ),
            (
                "Dr. Lee leads, e.g. audits. Sr. engineers agree.",
                &["Dr. Lee leads, e.g. audits.", "Sr. engineers agree."],
            ),
            ("Based in the U.S. office. Moves to the U.S.", &["Based in the U.S. office.", "Moves to the U.S."]),
            (
                "Met goals, i.e. all of them, vs. 3.5 planned. Good.",
                &["Met goals, i.e. all of them, vs. 3.5 planned.", "Good."],
            ),
            ("技术扎实……但协作偏弱。仍需观察……\n建议复评。", &["技术扎实……但协作偏弱。", "仍需观察……", "建议复评。"]),
            (
                "Needs time... but grows. Wait... Then promote.",
                &["Needs time... but grows.", "Wait...", "Then promote."],
            ),
            ("他说：“可以。”随后晋升。（协作偏弱。）", &["他说：“可以。”", "随后晋升。", "（协作偏弱。）"]),
            ("技术扎实.协作偏弱.得分9.5分.", &["技术扎实.", "协作偏弱.", "得分9.5分."]),
            ("He said \"promote.\" Then he left.", &["He said \"promote.\"", "Then he left."]),
            ("真的？！是的。", &["真的？！", "是的。"]),
            ("版本v1.2上线，3.5/5。完成率99.5%。", &["版本v1.2上线，3.5/5。", "完成率99.5%。"]),
            (
                "Rated No. 1 in sales. Works with Acme Inc. and others.",
                &["Rated No. 1 in sales.", "Works with Acme Inc. and others."],
            ),
        ] {
            assert_eq!(cut(text), expected, "{text}");
        }
    }

    #[test]
    fn headings_and_marks_are_no_conclusions() {
        for (text, expected) in [
            ("## 优势\n技术扎实。\n### Risks\nWeak in teams.", &["技术扎实。", "Weak in teams."][..]),
            ("【盘点结论】\n九宫格A1。\n【下一步】30天内面谈。", &["九宫格A1。", "【下一步】30天内面谈。"]),
            (
                "一、优势：\n1. 技术扎实；\n2. 表现稳定。\n二、风险：\n协作偏弱。",
                &["1. 技术扎实；", "2. 表现稳定。", "协作偏弱。"],
            ),
            ("**结论**\n可晋升。\n**注意**：协作偏弱。", &["可晋升。", "**注意**：协作偏弱。"]),
            ("a. promote\niv. coach\n（一）\n培训。", &["a. promote", "iv. coach", "培训。"]),
            ("#1 in sales. C# expert.", &["#1 in sales.", "C# expert."]),
        ] {
            assert_eq!(cut(text), expected, "{text}");
        }
    }

    #[test]
    fn nothing_said_gives_nothing() {
        for text in ["", "  \n ", "。。！", "——", "……", "...", "【】"] {
            assert_eq!(cut(text), [""; 0], "{text:?}");
        }
    }

    #[test]
    fn ranges_are_in_order_and_trimmed() {
        let text = "  甲。 乙\n\n丙 ";
        let ranges = sentences(text, &Lexicon::of(None).unwrap());
        assert!(ranges.windows(2).all(|pair| pair[0].end <= pair[1].start));
        assert!(cut(text).iter().all(|part| part.trim() == *part && !part.is_empty()));
    }
}
