//! The line form: `岗位:P7高级架构师,绩效:A/A-，潜力：高`, as the CSV has it.
//!
//! Names end at the first colon. Fields are parted by `,` `;` `、` `|`, their full-width forms, a line break, a tab, or
//! white space as wide as two blanks. A part without a colon belongs to the value before it, so that values may hold
//! commas (`优点:认真,负责`) and numbers their separators (`12,000`). A value that stands in double quotes, its own quotes
//! doubled, holds anything.

use super::punctuation::{Mark, gap, is_address, is_blank, is_colon, is_edge, is_separator, is_time};
use super::{Field, bad, start_of};
use crate::dataset::visible;
use crate::error::Result;
use std::ops::Range;

/// Reads a line.
pub(super) fn fields(text: &str) -> Result<Vec<Field>> {
    let mark = Mark::of_line(text);
    let mut spans: Vec<Span> = Vec::new();
    let (mut at, mut after_gap) = (0, false);
    while at < text.len() {
        let part = Part::read(&text[at..], mark, after_gap)?;
        let end = at + part.len;
        match (part.mark, spans.last_mut()) {
            (Some(mark), _) => spans.push(Span { start: at, mark: at + mark.start..at + mark.end, end }),
            (None, Some(span)) => span.end = end,
            (None, None) if text[at..end].trim_matches(is_separator).trim().is_empty() => {}
            (None, None) => {
                return Err(bad(format!(
                    "the input has no field at `{}`; expected `name:value` pairs such as `岗位:工程师,绩效:A`",
                    start_of(&text[at..end])
                )));
            }
        }
        (at, after_gap) = (end, part.ends_in_gap);
    }
    Ok(spans.into_iter().map(|span| span.field(text)).collect())
}

/// Writes a field as the model reads it in a line, with a comma after it.
pub(super) fn written(name: &str, value: &str) -> Field {
    // White space as wide as two blanks parts fields.
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let quoted = match stands_alone(value) {
        true => value.to_owned(),
        false => format!("\"{}\"", value.replace('"', "\"\"")),
    };
    Field { written: format!("{name}:{quoted},"), name, value: value.to_owned() }
}

/// Whether a value without quotes is read back as the one value that it is, and has nothing that looks like a field.
pub(super) fn stands_alone(value: &str) -> bool {
    let reads_back = || matches!(fields(&format!("x:{value}")).as_deref(), Ok([field]) if field.value == value);
    !value.starts_with('"') && !looks_like_fields(value) && reads_back()
}

/// A colon in a later word or sentence, but for times and addresses.
fn looks_like_fields(value: &str) -> bool {
    let mut words = value.split(|c: char| is_edge(c) || is_separator(c) || "。！？!?()（）[]【】{}“”".contains(c));
    let names_something = |word: &str| {
        let colon = word.char_indices().find(|&(_, c)| is_colon(c));
        colon.is_some_and(|(at, c)| {
            let (before, after) = (&word[..at], &word[at + c.len_utf8()..]);
            !is_address(after) && !is_time(before, after)
        })
    };
    words.next();
    words.any(names_something)
}

/// What stands up to a separator, and that.
struct Part {
    len: usize,
    /// Where its name ends, if it begins a field.
    mark: Option<Range<usize>>,
    ends_in_gap: bool,
}

impl Part {
    fn read(text: &str, mark: Mark, after_gap: bool) -> Result<Part> {
        let mut part = Part { len: 0, mark: None, ends_in_gap: false };
        let mut is_value = false;
        while let Some(c) = text[part.len..].chars().next() {
            let (start, end) = (part.len, part.len + c.len_utf8());
            if is_blank(c) {
                let (bytes, wide) = gap(&text[start..]);
                part.len += bytes;
                let goes_on = text[part.len..].starts_with(|c| mark.is(c) || is_separator(c));
                if wide && !goes_on && start > 0 {
                    part.ends_in_gap = true;
                    return Ok(part);
                }
                continue;
            }
            part.len = end;
            if is_separator(c) {
                return Ok(part);
            }
            if part.mark.is_some() || is_value || !mark.is(c) {
                continue;
            }
            let (before, after) = (&text[..start], &text[end..]);
            if is_address(after) || (after_gap && is_time(before, after)) {
                is_value = true;
                continue;
            }
            part.mark = Some(start..end);
            part.len += quoted(after)?;
        }
        Ok(part)
    }
}

/// The bytes of a value in quotes, with the white space before it; 0 if the value is in none.
fn quoted(text: &str) -> Result<usize> {
    let inside = text.trim_start_matches(is_blank);
    if !inside.starts_with('"') {
        return Ok(0);
    }
    let Some(len) = closing(inside) else {
        return Err(bad(format!(
            "the quote before `{}` is never closed; a value in double quotes ends with one, and its own quotes are doubled",
            start_of(&inside[1..])
        )));
    };
    Ok(text.len() - inside.len() + len)
}

/// The bytes of the quoted text at the start of `text`, with both quotes.
fn closing(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1;
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == b'"')? + 1;
        if bytes.get(at) != Some(&b'"') {
            return Some(at);
        }
        at += 1;
    }
}

/// A field's bytes in the line.
struct Span {
    start: usize,
    mark: Range<usize>,
    end: usize,
}

impl Span {
    fn field(&self, text: &str) -> Field {
        let (name, mark) = (visible(&text[self.start..self.mark.start]), &text[self.mark.clone()]);
        let after = &text[self.mark.end..self.end];
        let from_value = after.trim_start_matches(is_edge);
        let value = from_value.trim_end_matches(|c| is_separator(c) || is_edge(c));
        let before = visible(&after[..after.len() - from_value.len()]);
        let behind = visible(&from_value[value.len()..]);
        Field {
            name: name.trim().to_owned(),
            value: unquoted(value),
            written: format!("{name}{mark}{before}{value}{behind}"),
        }
    }
}

fn unquoted(value: &str) -> String {
    match value.starts_with('"') && closing(value) == Some(value.len()) {
        true => value[1..value.len() - 1].replace("\"\"", "\"").trim_matches(is_edge).to_owned(),
        false => value.to_owned(),
    }
}
