//! Bytes to text: UTF-8, UTF-16, else GB18030, never a mixture, never a guess without a word.

use super::options::Encoding;
use super::problems::Problem;
use super::utf16::Utf16;
use super::{legacy, scan, separator};
use crate::error::{Code, Error, Result};
use encoding_rs::GB18030;
use std::borrow::Cow;

const UTF8_BOM: &[u8] = b"\xEF\xBB\xBF";
/// U+FEFF in GB18030.
const GB18030_BOM: &[u8] = b"\x84\x31\x95\x33";

/// A file's text without BOM, and what it was.
#[derive(Debug)]
pub(super) struct Text<'a> {
    pub content: Cow<'a, str>,
    /// `utf-8`, `utf-16le` or `utf-16be` (`with bom`), or `gb18030`.
    pub encoding: &'static str,
    /// The encoding was concluded from the bytes.
    pub guessed: bool,
}

/// Decodes strictly; what cannot be decoded is an error with its row, column and byte offset.
pub(super) fn decode(bytes: &[u8], wanted: Encoding, delimiter: u8) -> Result<Text<'_>> {
    if let Some(kind) = wide(bytes, wanted)? {
        return utf16(bytes, kind, delimiter);
    }
    let (body, bom) = match bytes.strip_prefix(UTF8_BOM) {
        Some(body) => (body, true),
        None => (bytes, false),
    };
    let file = Bytes { body, delimiter, skipped: bytes.len() - body.len() };
    let utf8_name = if bom { "utf-8 with bom" } else { "utf-8" };
    let as_utf8 = std::str::from_utf8(body);
    match (wanted, as_utf8) {
        (Encoding::Gb18030, _) if bom => Err(Error::new(
            Code::CsvFormat,
            "the file begins with a UTF-8 byte order mark, but option `encoding` is gb18030; use auto",
        )),
        (Encoding::Gb18030, _) => Ok(Text { guessed: false, ..file.gb18030()? }),
        (_, Ok(text)) => Ok(Text { content: Cow::Borrowed(text), encoding: utf8_name, guessed: false }),
        (Encoding::Utf8, Err(err)) => {
            Err(file.error(err.valid_up_to(), "is not UTF-8; save the file as UTF-8 or use encoding auto"))
        }
        (Encoding::Auto, Err(err)) => {
            let tally = Tally::of(body);
            if bom || tally.surely_utf8 > 0 {
                return Err(file.mixture(&tally, err.valid_up_to(), bom));
            }
            match legacy::likely(body) {
                "gb18030" => file.gb18030(),
                other => {
                    let what = format!(
                        "is neither UTF-8 nor, by its looks, GB18030, but {other} perhaps; save the file as UTF-8, or \
                         force encoding gb18030"
                    );
                    Err(file.error(err.valid_up_to(), &what).with("encoding", other))
                }
            }
        }
    }
}

/// UTF-16, if the file is that and may be. UTF-32 is read by nobody.
fn wide(bytes: &[u8], wanted: Encoding) -> Result<Option<Utf16>> {
    let (name, kind) = match (bytes, Utf16::of(bytes)) {
        ([0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..], _) => ("UTF-32", None),
        (_, None) => return Ok(None),
        (_, kind) => ("UTF-16", kind),
    };
    if kind.is_some() && wanted == Encoding::Auto {
        return Ok(kind);
    }
    let instead = if kind.is_some() { "use encoding auto" } else { "save it as \"CSV UTF-8\"" };
    Err(Error::new(Code::CsvFormat, format!("the file is {name}; expected UTF-8 or GB18030: {instead}"))
        .with("encoding", name))
}

fn utf16(bytes: &[u8], kind: Utf16, delimiter: u8) -> Result<Text<'_>> {
    match kind.decode(bytes) {
        Ok(text) => Ok(Text { content: Cow::Owned(text), encoding: kind.name(), guessed: !kind.bom }),
        Err(before) => {
            let place = place(before.as_bytes(), delimiter, before.len());
            let message = "has half a character of UTF-16 here; the file is damaged, save it as UTF-8".to_owned();
            let column = Some(format!("#{}", place.field + 1));
            Err(Problem { row: place.row, line: place.line, column, message }.into_error())
        }
    }
}

/// The place of a byte in what may begin with a `sep=` line.
fn place(text: &[u8], delimiter: u8, offset: usize) -> scan::Place {
    let (delimiter, skipped) = separator::line(text).unwrap_or((delimiter, 0));
    let place = scan::locate(&text[skipped..], delimiter, offset.saturating_sub(skipped));
    scan::Place { line: place.line + usize::from(skipped > 0), ..place }
}

struct Bytes<'a> {
    body: &'a [u8],
    delimiter: u8,
    /// Bytes of the file before `body`.
    skipped: usize,
}

impl<'a> Bytes<'a> {
    fn gb18030(&self) -> Result<Text<'a>> {
        let body = self.body.strip_prefix(GB18030_BOM).unwrap_or(self.body);
        match GB18030.decode_without_bom_handling_and_without_replacement(body) {
            Some(content) => Ok(Text { content, encoding: "gb18030", guessed: true }),
            None => {
                let mut offset = self.body.len() - body.len();
                for line in body.split_inclusive(|&b| b == b'\n') {
                    if let Err(at) = valid_gb18030(line) {
                        offset += at;
                        break;
                    }
                    offset += line.len();
                }
                Err(self.error(offset, "is neither UTF-8 nor GB18030; save the file as UTF-8"))
            }
        }
    }

    /// The error for a file with both encodings: names the first line that is not like most lines.
    fn mixture(&self, tally: &Tally, first_invalid: usize, bom: bool) -> Error {
        let mostly_utf8 = bom || tally.surely_utf8 >= tally.not_utf8;
        let (offset, what) = match mostly_utf8 {
            true if tally.first_not_utf8_is_gb18030 => (first_invalid, "is GB18030 in a file that is otherwise UTF-8"),
            true => (first_invalid, "is damaged: not UTF-8 in a file that is otherwise UTF-8"),
            false => (tally.first_utf8, "is UTF-8 in a file that is otherwise not (GB18030)"),
        };
        self.error(offset, &format!("{what}; the file mixes encodings, save all of it as UTF-8"))
    }

    fn error(&self, offset: usize, what: &str) -> Error {
        let before = &self.body[..offset.min(self.body.len())];
        // A delimiter may also be half a character of GB18030.
        let place = match GB18030.decode_without_bom_handling_and_without_replacement(before) {
            Some(text) if std::str::from_utf8(before).is_err() => place(text.as_bytes(), self.delimiter, text.len()),
            _ => place(self.body, self.delimiter, offset),
        };
        let (delimiter, skipped) = separator::line(self.body).unwrap_or((self.delimiter, 0));
        let header = self.body[skipped..].split(|b| matches!(b, b'\n' | b'\r')).next().unwrap_or_default();
        let column = header.split(|&b| b == delimiter).nth(place.field).and_then(|name| std::str::from_utf8(name).ok());
        let column = column.map(|name| name.trim_matches('"').to_owned()).or(Some(format!("#{}", place.field + 1)));
        let message = match self.body.get(offset) {
            Some(byte) => format!("byte 0x{byte:02X} at offset {} {what}", self.skipped + offset),
            None => format!("the end of the file {what}"),
        };
        Problem { row: place.row, line: place.line, column, message }
            .into_error()
            .with("byte_offset", self.skipped + offset)
    }
}

/// How the lines of a file that is not valid UTF-8 look.
#[derive(Debug, Default)]
struct Tally {
    /// Lines that are not UTF-8.
    not_utf8: usize,
    first_not_utf8_is_gb18030: bool,
    /// Lines with Chinese text in UTF-8, which GB18030 text is not by chance.
    surely_utf8: usize,
    /// Offset of the first such text.
    first_utf8: usize,
}

impl Tally {
    fn of(body: &[u8]) -> Self {
        let mut tally = Tally::default();
        let mut offset = 0;
        for line in body.split_inclusive(|&b| b == b'\n') {
            match std::str::from_utf8(line) {
                Ok(text) if has_chinese(text, 2) => {
                    if tally.surely_utf8 == 0 {
                        tally.first_utf8 = offset + line.iter().position(|b| !b.is_ascii()).unwrap_or(0);
                    }
                    tally.surely_utf8 += 1;
                }
                Ok(_) => {}
                Err(err) => {
                    if tally.not_utf8 == 0 {
                        let before = std::str::from_utf8(&line[..err.valid_up_to()]).unwrap_or_default();
                        tally.first_not_utf8_is_gb18030 = valid_gb18030(line).is_ok() && !has_chinese(before, 1);
                    }
                    tally.not_utf8 += 1;
                }
            }
            offset += line.len();
        }
        tally
    }
}

/// Whether a text has at least `count` Chinese characters, and nothing but such or rarer ones beside ASCII: text of
/// two-byte characters, as GB18030 gives it when taken for UTF-8 by chance, has not.
fn has_chinese(text: &str, count: usize) -> bool {
    let chinese = |c: char| matches!(c, '\u{3000}'..='\u{303F}' | '\u{4E00}'..='\u{9FFF}' | '\u{FF00}'..='\u{FFEF}');
    text.chars().filter(|&c| chinese(c)).count() >= count && text.chars().all(|c| c.is_ascii() || c > '\u{7FF}')
}

/// Where a line stops being GB18030.
fn valid_gb18030(line: &[u8]) -> Result<(), usize> {
    let mut decoder = GB18030.new_decoder_without_bom_handling();
    let mut buffer = [0u8; 1024];
    let mut at = 0;
    loop {
        let (result, read, _) = decoder.decode_to_utf8_without_replacement(&line[at..], &mut buffer, true);
        at += read;
        match result {
            encoding_rs::DecoderResult::InputEmpty => return Ok(()),
            encoding_rs::DecoderResult::OutputFull => {}
            encoding_rs::DecoderResult::Malformed(bad, after) => {
                return Err(at.saturating_sub(usize::from(bad) + usize::from(after)));
            }
        }
    }
}
