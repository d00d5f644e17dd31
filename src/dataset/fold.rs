//! Texts as people compare them: without what spacing, width, case and the style of punctuation make of them.

use crate::dataset::invisible::is_invisible;
use sha2::{Digest, Sha256};

/// A text in narrow, lower-case characters, with ASCII punctuation. White space stays, as blanks and line breaks.
pub(in crate::dataset) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !is_invisible(*c)) {
        match c {
            '\u{FF01}'..='\u{FF5E}' => {
                let narrow = char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c);
                folded.extend(narrow.to_lowercase());
            }
            '。' | '｡' => folded.push('.'),
            '、' | '､' => folded.push(','),
            '“' | '”' | '„' | '«' | '»' | '「' | '」' | '『' | '』' => folded.push('"'),
            '‘' | '’' => folded.push('\''),
            '【' | '〔' => folded.push('['),
            '】' | '〕' => folded.push(']'),
            '−' | '‐' | '‑' => folded.push('-'),
            '\n' | '\r' => folded.push('\n'),
            c if c.is_whitespace() => folded.push(' '),
            c => folded.extend(c.to_lowercase()),
        }
    }
    folded
}

/// The letters, digits and signs of a folded text that carry its meaning.
pub(in crate::dataset) fn compact(folded: &str) -> String {
    let mut chars = folded.chars().peekable();
    let (mut compact, mut before) = (String::with_capacity(folded.len()), ' ');
    while let Some(c) = chars.next() {
        let inside_number = before.is_ascii_digit() && chars.peek().is_some_and(char::is_ascii_digit);
        let is_meant = match c {
            '.' | ',' | ':' => inside_number,
            '"' | '\'' | ';' | '[' | ']' | '(' | ')' | '{' | '}' | '|' | '…' | '—' | '–' | '·' | '《' | '》' => {
                false
            }
            c => !c.is_whitespace(),
        };
        if is_meant {
            compact.push(c);
        }
        before = c;
    }
    compact
}

/// The fields of a folded text that is a line of them, `name:value` each; none if it is prose.
pub(in crate::dataset) fn fields(folded: &str) -> Vec<(&str, &str)> {
    let mut parts: Vec<&str> = Vec::new();
    let (mut start, mut is_named) = (0, false);
    for (at, c) in folded.char_indices() {
        is_named |= matches!(c, ':' | '=');
        let ends = match c {
            ';' | '|' | '\n' => true,
            ',' => {
                !(folded[..at].ends_with(|c: char| c.is_ascii_digit())
                    && folded[at + 1..].starts_with(|c: char| c.is_ascii_digit()))
            }
            ' ' => is_named && begins_field(&folded[at + 1..]),
            _ => false,
        };
        if ends {
            parts.push(&folded[start..at]);
            (start, is_named) = (at + c.len_utf8(), false);
        }
    }
    parts.push(&folded[start..]);
    let bare = |part: &str| !part.trim().is_empty();
    let mut fields = Vec::with_capacity(parts.len());
    for part in parts.into_iter().filter(|part| bare(part)) {
        match part.split_once([':', '=']).filter(|(name, _)| is_name(name)) {
            Some((name, value)) => fields.push((trimmed(name), trimmed(value))),
            None => return Vec::new(),
        }
    }
    if fields.len() < 2 { Vec::new() } else { fields }
}

/// Whether what follows a blank is `name:`.
fn begins_field(rest: &str) -> bool {
    let mut chars = rest.char_indices().take(LONGEST_NAME + 1);
    let end = chars.find(|(_, c)| matches!(c, ':' | '=' | ' ' | '\n' | ';' | ',' | '|'));
    end.is_some_and(|(at, c)| matches!(c, ':' | '=') && is_name(&rest[..at]))
}

/// Characters of the longest name of a field.
const LONGEST_NAME: usize = 24;

fn is_name(name: &str) -> bool {
    let name = trimmed(name);
    !name.is_empty()
        && name.chars().take(LONGEST_NAME + 1).count() <= LONGEST_NAME
        && name.starts_with(char::is_alphabetic)
        && !name.contains(['.', '?', '!'])
}

fn trimmed(part: &str) -> &str {
    part.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '{' | '}' | '[' | ']'))
}

/// What two texts have in common if they say the same: fields in any order, words in theirs.
pub(in crate::dataset) fn key(text: &str) -> [u8; 16] {
    key_of(&fold(text))
}

/// The same of a folded text.
pub(in crate::dataset) fn key_of(folded: &str) -> [u8; 16] {
    let mut parts: Vec<String> =
        fields(folded).into_iter().map(|(name, value)| compact(name) + ":" + &compact(value)).collect();
    if parts.is_empty() {
        parts.push(compact(folded));
    }
    parts.sort_unstable();
    let digest = Sha256::digest(parts.join("\u{1F}"));
    std::array::from_fn(|at| digest[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_the_same_has_one_key() {
        for (one, other) in [
            ("岗位:P7,绩效:A/A-", "岗位：P7，绩效：A/A-"),
            ("岗位:P7,绩效:A/A-", " 绩效: A/A- ； 岗位: P7 。"),
            ("岗位:P7,绩效:A", "岗位:P7 绩效:A"),
            ("岗位:P7,绩效:A", "{\"岗位\": \"P7\", \"绩效\": \"A\"}"),
            ("岗位:P7,绩效:A", "岗位=p7|绩效=ａ"),
            ("job role: engineer; rating: B+", "Rating：B+\nJob role：Engineer"),
            ("该员工表现突出。", "该员工 表现突出"),
            ("“技术”能力强，", "\"技术\"能力强"),
            ("绩\u{200b}效:A,潜力:高", "绩效:A,潜力:高"),
            ("Strong  engineer.", "strong engineer"),
        ] {
            assert_eq!(key(one), key(other), "{one} | {other}");
        }
        for (one, other) in [
            ("岗位:P7,绩效:A", "岗位:P7,绩效:A-"),
            ("岗位:P7,绩效:A+", "岗位:P7,绩效:A"),
            ("深度:9/10,协作:6/10", "深度:6/10,协作:9/10"),
            ("占比:1.5,x:1", "占比:15,x:1"),
            ("先培训，后晋升", "先晋升，后培训"),
            ("员工甲：合格", "员工乙：合格"),
        ] {
            assert_ne!(key(one), key(other), "{one} | {other}");
        }
    }

    #[test]
    fn prose_is_no_line_of_fields() {
        assert_eq!(fields("岗位:p7,绩效:a/a-"), [("岗位", "p7"), ("绩效", "a/a-")]);
        assert_eq!(fields("产值:1,200万,人数:5"), [("产值", "1,200万"), ("人数", "5")]);
        for prose in ["he said: go, and went", "结论:好", "问题:如何请假?请说明,谢谢", ""] {
            assert_eq!(fields(prose), [], "{prose}");
        }
    }
}
