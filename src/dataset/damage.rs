//! Signs that a field was damaged before the file was written: by a wrong encoding, a spreadsheet, an export.

use super::findings::Kind;
use super::invisible::{is_invisible, is_joiner};
use super::mojibake::is_mojibake;
use fancy_regex::Regex;
use std::sync::LazyLock;

/// Characters of a field from which it is called very long.
const VERY_LONG: usize = 8000;

/// What is doubtful in a field, in words.
pub(super) fn found_in(field: &str) -> Vec<(Kind, String)> {
    let mut found = Vec::new();
    let mut note = |kind: Kind, message: &str| found.push((kind, message.to_owned()));
    if field.len() > VERY_LONG {
        let characters = field.chars().count();
        if characters > VERY_LONG {
            note(Kind::VeryLong, &format!("the field has {characters} characters"));
        }
    }
    if field.contains(char::REPLACEMENT_CHARACTER) {
        note(Kind::ReplacementCharacter, "contains U+FFFD: characters were lost before this file was written");
    }
    if field.contains('?') && matches(&QUESTION_MARKS, field) {
        note(
            Kind::QuestionMarks,
            "contains question marks in a row: characters may have been lost before this file was written",
        );
    }
    if !field.is_ascii() && is_mojibake(field) {
        note(
            Kind::Mojibake,
            "looks like text that was read in a wrong encoding before this file was written; export it again",
        );
    }
    if field.contains(is_private) {
        note(Kind::PrivateUse, "contains characters of a private use area, which have no meaning outside their font");
    }
    if field.contains(|c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
        note(Kind::ControlCharacter, "contains control characters");
    }
    if field.contains(|c| is_invisible(c) && !is_joiner(c)) {
        note(
            Kind::InvisibleCharacter,
            "contains characters that nobody sees (zero-width ones, or such that change the direction)",
        );
    }
    if field.contains('#') && matches(&SPREADSHEET_ERROR, field) {
        note(Kind::SpreadsheetError, "contains the error value of a spreadsheet; mend the formula and export again");
    }
    if (field.contains("E+") || field.contains("e+")) && matches(&SCIENTIFIC, field) {
        note(
            Kind::ScientificNumber,
            "contains a number such as 1.2E+17, to which a spreadsheet may have shortened a longer one",
        );
    }
    if field.contains(['_', '&', '\\', '%', '=']) && matches(&ESCAPE, field) {
        note(Kind::Escape, "contains an escape such as _x000D_, &nbsp; or \\u4f60; export the text itself");
    }
    found
}

type Pattern = LazyLock<Option<Regex>>;

macro_rules! pattern {
    ($regex:expr) => {
        LazyLock::new(|| Regex::new($regex).ok())
    };
}

static QUESTION_MARKS: Pattern = pattern!(r"\?{4}|\?{2,}[^?!]*[^?!\s][^?!]*\?{2,}");
/// Those of Excel in English, and in a few other languages; `####` fills a cell that is too narrow.
static SPREADSHEET_ERROR: Pattern = pattern!(
    r"#(?:N/A|NV\b|DIV/0!|NAME\?|NULL!|NUM!|REF!|VALUE!|SPILL!|CALC!|BUSY!|FIELD!|BLOCKED!|CONNECT!|UNKNOWN!|GETTING_DATA|BEZUG!|WERT!|ZAHL!|VALEUR!|NOM\?|¡REF!|¡VALOR!|¿NOMBRE\?)|\A\s*#{3,}\s*\z"
);
static SCIENTIFIC: Pattern = pattern!(r"(?<![0-9A-Za-z.])[0-9](?:\.[0-9]+)?[Ee]\+[0-9]{2,3}(?![0-9A-Za-z])");
static ESCAPE: Pattern = pattern!(
    r"_x[0-9A-Fa-f]{4}_|\\u[0-9A-Fa-f]{4}|(?:\\x[0-9A-Fa-f]{2}){2}|(?:%[0-9A-F]{2}){3}|(?:=[0-9A-F]{2}){3}|&(?:#[0-9]{2,6}|#x[0-9A-Fa-f]{2,6}|nbsp|amp|lt|gt|quot|apos);"
);

fn matches(pattern: &Pattern, field: &str) -> bool {
    pattern.as_ref().is_some_and(|regex| regex.is_match(field).unwrap_or(false))
}

fn is_private(c: char) -> bool {
    matches!(c, '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{FFFFD}' | '\u{100000}'..='\u{10FFFD}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(field: &str) -> Vec<Kind> {
        found_in(field).into_iter().map(|(kind, _)| kind).collect()
    }

    #[test]
    fn the_patterns_are_regular_expressions() {
        assert!([&QUESTION_MARKS, &SPREADSHEET_ERROR, &SCIENTIFIC, &ESCAPE].iter().all(|pattern| pattern.is_some()));
    }

    #[test]
    fn damage_is_found() {
        for (kind, fields) in [
            (Kind::ReplacementCharacter, &["坏\u{fffd}字"][..]),
            (Kind::QuestionMarks, &["????", "??:P7,??:A", "????????", "该员工??突出??"]),
            (
                Kind::Mojibake,
                &[
                    "锟斤拷",
                    "烫烫烫烫",
                    "Ã¤",
                    "FÃ¼hrung",
                    "â€œgutâ€\u{9d}",
                    "itâ€™s",
                    "Â\u{a0}5",
                    "ï»¿a",
                    "ä½ å¥½",
                    "ä½\u{a0}å¥½",
                    "浣犲ソ",
                    "鏄熸湡涓€",
                    "缁╂晥",
                    "ÄãºÃ",
                    "¼¼ÊõÄÜÁ¦",
                    "ï¿½",
                    "ÐŸÑ€Ð¸Ð²ÐµÑ‚",
                    "ã\u{81}“ã‚“",
                ],
            ),
            (Kind::PrivateUse, &["\u{e5e5}", "\u{f0000}"]),
            (Kind::ControlCharacter, &["a\u{1}", "\u{7f}", "a\u{85}b\u{9f}", "\u{1a}"]),
            (Kind::InvisibleCharacter, &["绩\u{200b}效", "\u{feff}A", "\u{202e}A", "soft\u{ad}hyphen"]),
            (
                Kind::SpreadsheetError,
                &["#NAME?", "#REF!", "#N/A", "绩效:#N/A,潜力:高", "#DIV/0!", "#VALUE!", "#####", " ### ", "#BEZUG!"],
            ),
            (Kind::ScientificNumber, &["1.10105E+17", "工号:1.1E+17", "4E+10"]),
            (
                Kind::Escape,
                &[
                    "_x000D_",
                    "a_x000d_b",
                    "&nbsp;",
                    "A&amp;B",
                    "\\u4f60\\u597d",
                    "&#20320;",
                    "\\xe4\\xbd\\xa0",
                    "%E4%BD%A0",
                    "=E4=BD=A0",
                ],
            ),
        ] {
            for field in fields {
                assert!(kinds(field).contains(&kind), "{field}: {:?}", kinds(field));
            }
        }
        assert_eq!(kinds(&"长".repeat(VERY_LONG + 1)), [Kind::VeryLong]);
    }

    #[test]
    fn good_text_is_left_alone() {
        for field in [
            &"长".repeat(VERY_LONG),
            "真的吗??",
            "what?! really???",
            "C# 和 #1 号",
            "#5 of 10!",
            "Café, Übergröße, naïve, señor",
            "5×”",
            "A–B “x” ‘y’…",
            "岗位：P7高级架构师；绩效：A/A-",
            "联通",
            "该员工技术能力突出，绩效稳定。",
            "👨‍👩‍👧 ❤️",
            "E+1",
            "1e3",
            "x_xx",
            "a & b; AT&T",
            "C:\\users",
            "Ärger „Öl“",
            "ПРИВЕТ",
            "こんにちは",
            "안녕하세요",
            "NÃO",
            "São Paulo",
            "À la carte",
            "100 °C",
            "¿Qué? ¡Sí!",
        ] {
            assert_eq!(kinds(field), [], "{field}");
        }
    }
}
