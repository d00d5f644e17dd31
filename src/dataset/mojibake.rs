//! Text that was read in a wrong encoding before the file was written: found, and undone where nothing was lost.
//!
//! If the bytes that a run of characters has in the wrong encoding are text in the right one, that mistake was made. A mistake
//! is undone only if making it again gives back the field as it stands.

use encoding_rs::{Encoding, GB18030, MACINTOSH, WINDOWS_1252};

/// What programs fill memory with, what U+FFFD becomes, and what a byte order mark becomes.
const LITERAL: &[&str] = &["锟斤", "斤拷锟", "烫烫烫", "屯屯屯", "葺葺葺", "ï»¿", "锘縤", "锘挎", "╗┐"];
/// Mistakes on top of each other that are undone.
const DEEPEST: usize = 3;
/// Bytes of GBK, read as windows-1252, that are too few to be sure of.
const FEW_BYTES: usize = 6;

/// Whether a field has such text.
pub(super) fn is_mojibake(field: &str) -> bool {
    if LITERAL.iter().any(|literal| field.contains(literal)) || field.starts_with('锘') {
        return true;
    }
    // GBK, read as UTF-8: hardly a byte of it is valid.
    if field.contains("\u{FFFD}\u{FFFD}") {
        return true;
    }
    let made = |encoding| runs(field, encoding).any(|run| is_western_mistake(&run, encoding));
    made(WINDOWS_1252) || made(MACINTOSH) || is_chinese_mistake(field)
}

/// The field before the mistakes, if nothing of it was lost.
pub(super) fn undone(field: &str) -> Option<String> {
    let mut text = field.to_owned();
    for _ in 0..DEEPEST {
        if text.is_ascii() || !is_mojibake(&text) {
            break;
        }
        text = undone_once(&text)?;
    }
    let is_lost = |c: char| c == char::REPLACEMENT_CHARACTER || (c.is_control() && !matches!(c, '\t' | '\n' | '\r'));
    (text != field && !is_mojibake(&text) && !text.contains(is_lost)).then_some(text)
}

fn undone_once(text: &str) -> Option<String> {
    let western = [WINDOWS_1252, MACINTOSH].into_iter().find_map(|encoding| western_undone(text, encoding));
    western.or_else(|| chinese_undone(text))
}

/// A single-byte encoding taken back: of every run, or the field stays as it is.
fn western_undone(text: &str, encoding: &'static Encoding) -> Option<String> {
    let mut undone = String::with_capacity(text.len());
    let (mut run, mut found) = (Vec::new(), 0);
    let mut take = |run: &mut Vec<u8>, undone: &mut String| {
        if run.is_empty() {
            return Some(());
        }
        let bytes = std::mem::take(run);
        let right = match String::from_utf8(bytes) {
            Ok(right) => right,
            Err(err) if encoding == WINDOWS_1252 => gbk(err.as_bytes())?,
            Err(_) => return None,
        };
        found += right.len();
        undone.push_str(&right);
        Some(())
    };
    for c in text.chars() {
        match western_byte(c, encoding) {
            Some(byte) => run.push(byte),
            None => {
                take(&mut run, &mut undone)?;
                undone.push(c);
            }
        }
    }
    take(&mut run, &mut undone)?;
    (found > 0).then_some(undone)
}

/// Bytes of GBK that are nothing but common characters.
fn gbk(bytes: &[u8]) -> Option<String> {
    let sure = bytes.len() >= FEW_BYTES && bytes.len().is_multiple_of(2) && bytes.chunks_exact(2).all(is_common);
    let text = GB18030.decode_without_bom_handling_and_without_replacement(bytes).filter(|_| sure)?;
    Some(text.into_owned())
}

/// UTF-8 that was read as GBK.
fn chinese_undone(text: &str) -> Option<String> {
    let (bytes, _, unmapped) = GB18030.encode(text);
    let right = std::str::from_utf8(&bytes).ok().filter(|_| !unmapped)?;
    let again = GB18030.decode_without_bom_handling_and_without_replacement(right.as_bytes())?;
    (again == text).then(|| right.to_owned())
}

/// The bytes of each run of characters beyond ASCII that a single-byte encoding has.
fn runs<'a>(field: &'a str, encoding: &'static Encoding) -> impl Iterator<Item = Vec<u8>> + 'a {
    let mut chars = field.chars();
    std::iter::from_fn(move || {
        let mut run = Vec::new();
        loop {
            match chars.next().map(|c| western_byte(c, encoding)) {
                Some(Some(byte)) => run.push(byte),
                Some(None) if run.is_empty() => {}
                None if run.is_empty() => return None,
                _ => return Some(run),
            }
        }
    })
}

/// The byte of a character beyond ASCII; in windows-1252 that of Latin-1 where it has none.
fn western_byte(c: char, encoding: &'static Encoding) -> Option<u8> {
    if c.is_ascii() || (encoding == MACINTOSH && matches!(c, '\u{80}'..='\u{9F}')) {
        return None;
    }
    match c {
        '\u{80}'..='\u{9F}' => Some(c as u8),
        '\u{A0}'..='\u{FF}' if encoding == WINDOWS_1252 => Some(c as u8),
        '\u{4E00}'..='\u{9FFF}' => None,
        _ => {
            let mut buffer = [0; 4];
            let (bytes, _, unmapped) = encoding.encode(c.encode_utf8(&mut buffer));
            (!unmapped && bytes.len() == 1).then(|| bytes[0])
        }
    }
}

/// UTF-8 or GBK, read in a single-byte encoding.
fn is_western_mistake(run: &[u8], encoding: &'static Encoding) -> bool {
    // On a Mac more signs make a pair by chance, so there only what is Chinese counts.
    let is_lead = |text: &str| match text.as_bytes() {
        [0xE3..=0xE9 | 0xEF, ..] => true,
        [0xC2 | 0xC3 | 0xCE..=0xD1 | 0xE2..=0xF4, ..] => encoding == WINDOWS_1252,
        _ => false,
    };
    let is_text = |text: &str| text.char_indices().any(|(at, _)| is_lead(&text[at..]));
    run.utf8_chunks().any(|chunk| is_text(chunk.valid()))
        || (encoding == WINDOWS_1252
            && run.len() >= 4
            && run.len().is_multiple_of(2)
            && run.chunks_exact(2).all(is_common))
}

/// UTF-8, read as GBK, once or twice: two common characters in a row come out, which true text gives by chance hardly ever.
fn is_chinese_mistake(field: &str) -> bool {
    let runs = field.split(|c: char| c.is_ascii()).filter(|run| run.chars().nth(1).is_some());
    runs.into_iter().any(|run| {
        let (bytes, _, _) = GB18030.encode(run);
        bytes.utf8_chunks().any(|chunk| has_common_pair(chunk.valid()) || is_twice(chunk.valid()))
    })
}

fn has_common_pair(text: &str) -> bool {
    let mut in_a_row = 0;
    text.chars().any(|c| {
        let mut buffer = [0; 4];
        let is_text = matches!(c, '\u{3000}'..='\u{303F}' | '\u{4E00}'..='\u{9FFF}' | '\u{FF00}'..='\u{FFFD}')
            && (c == char::REPLACEMENT_CHARACTER || is_common(&GB18030.encode(c.encode_utf8(&mut buffer)).0));
        in_a_row = if is_text { in_a_row + 1 } else { 0 };
        in_a_row == 2
    })
}

/// Whether Chinese text comes out that was read wrongly itself.
fn is_twice(once: &str) -> bool {
    if once.chars().nth(2).is_none() || once.chars().any(|c| c.is_ascii()) {
        return false;
    }
    let (bytes, _, unmapped) = GB18030.encode(once);
    !unmapped && bytes.utf8_chunks().any(|chunk| has_common_pair(chunk.valid()))
}

/// The commonest characters of Chinese, and its punctuation, in GB 2312.
fn is_common(bytes: &[u8]) -> bool {
    matches!(bytes, [0xA1 | 0xA3 | 0xB0..=0xD7, 0xA1..=0xFF])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn misread(text: &str, as_encoding: &'static Encoding) -> String {
        as_encoding.decode_without_bom_handling(text.as_bytes()).0.into_owned()
    }

    #[test]
    fn every_usual_mistake_is_found_and_undone_where_nothing_was_lost() {
        for text in
            ["技术能力强，绩效稳定。", "岗位:P7高级架构师,绩效:A/A-", "该员工表现突出，建议晋升", "Führung: “gut”"]
        {
            let western = misread(text, WINDOWS_1252);
            assert!(is_mojibake(&western), "{western}");
            assert_eq!(undone(&western).as_deref(), Some(text), "{western}");
            let twice = misread(&western, WINDOWS_1252);
            assert!(is_mojibake(&twice), "{twice}");
            assert_eq!(undone(&twice).as_deref(), Some(text), "{twice}");
            if !text.contains('ü') {
                let mac = misread(text, MACINTOSH);
                assert!(is_mojibake(&mac), "{mac}");
                let chinese = misread(text, GB18030);
                assert!(is_mojibake(&chinese), "{chinese}");
                let lost = chinese.contains(char::REPLACEMENT_CHARACTER);
                assert_eq!(undone(&chinese).as_deref(), Some(text).filter(|_| !lost), "{chinese}");
                assert!(is_mojibake(&misread(&chinese, GB18030)), "{chinese}");
                let gbk = GB18030.encode(text).0;
                let as_utf8 = String::from_utf8_lossy(&gbk);
                assert!(is_mojibake(&as_utf8), "{as_utf8}");
                assert_eq!(undone(&as_utf8), None);
            }
        }
        let gbk = WINDOWS_1252.decode_without_bom_handling(&GB18030.encode("技术能力").0).0.into_owned();
        assert_eq!(undone(&gbk).as_deref(), Some("技术能力"));
        for lost in ["锟斤拷", "烫烫烫烫", "屯屯屯", "\u{FFFD}\u{FFFD}A"] {
            assert!(is_mojibake(lost) && undone(lost).is_none(), "{lost}");
        }
    }

    #[test]
    fn good_text_stays() {
        for text in [
            "技术能力强",
            "Führung",
            "São Paulo",
            "5×”",
            "‰ § † ™",
            "Œuvre, ‚Zitat‘",
            "∆ = 5 Ω",
            "π ≈ 3.14 ± ∑",
            "100 °C – “x”…",
        ] {
            assert!(!is_mojibake(text), "{text}");
            assert_eq!(undone(text), None, "{text}");
        }
    }

    /// 1,000 real texts: none looks damaged by an encoding.
    #[test]
    fn real_chinese_text_is_not_mojibake() {
        let Some(path) = crate::tokenize::test_support::assets("data/alpaca-zh/alpaca_zh_demo.json") else { return };
        let text = std::fs::read_to_string(path).unwrap();
        let wrong: Vec<&str> = text.lines().filter(|line| is_mojibake(line)).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
