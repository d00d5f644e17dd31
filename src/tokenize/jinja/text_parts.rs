//! A string's parts: splitting, and looking for a part.

use super::Fault;
use super::arguments::{Args, flag, integer, required, text};
use super::run::Run;
use super::subscript;
use super::text_case::is_space;
use super::value::Value;

pub(super) fn search(run: &Run, name: &str, of: &str, args: Args) -> Result<Value, Fault> {
    let [part, start, end] = args.bind(["sub", "start", "end"])?;
    let part = part.ok_or_else(|| Fault::of(format!("{name} needs what to look for")))?;
    let (whole, offset);
    let of = if start.is_some() || end.is_some() {
        let length = of.chars().count();
        let start = start.filter(|start| !matches!(start, Value::None));
        let first = integer(start.clone(), 0)?;
        offset = if first < 0 { first.saturating_add(length as i64).max(0) } else { first };
        if offset > length as i64 {
            return Ok(if name.ends_with("with") {
                Value::Bool(false)
            } else {
                Value::Int(if name == "count" { 0 } else { -1 })
            });
        }
        whole = subscript::slice(run, &run.text(of)?, start, end, None)?;
        whole.as_text().map_or("", |text| text)
    } else {
        offset = 0;
        of
    };
    if let ("startswith" | "endswith", Value::List(list)) = (name, &part) {
        run.spend(list.items.len())?;
        let with = |part: &Value| {
            let part = part.as_text().map_or("\u{0}", |part| part);
            if name == "startswith" { of.starts_with(part) } else { of.ends_with(part) }
        };
        return Ok(Value::Bool(list.items.iter().any(with)));
    }
    let part = required(Some(part))?;
    run.look(part.len())?;
    let place = |at: Option<usize>| match at {
        Some(at) => Ok(Value::Int(offset + of[..at].chars().count() as i64)),
        None if name.ends_with("index") => Err(Fault::of("substring not found")),
        None => Ok(Value::Int(-1)),
    };
    match name {
        "startswith" => Ok(Value::Bool(of.starts_with(&*part))),
        "endswith" => Ok(Value::Bool(of.ends_with(&*part))),
        "count" => Ok(Value::Int(of.matches(&*part).count() as i64)),
        "find" | "index" => place(of.find(&*part)),
        _ => place(of.rfind(&*part)),
    }
}

pub(super) fn split(run: &Run, name: &str, of: &str, args: Args) -> Result<Value, Fault> {
    let [separator, most] = args.bind(["sep", "maxsplit"])?;
    let most = usize::try_from(integer(most, -1)?).unwrap_or(usize::MAX);
    let from_right = name == "rsplit";
    run.look(of.len())?;
    let mut parts = match text(separator)?.as_deref() {
        Some("") => return Err(Fault::of("empty separator")),
        Some(separator) => {
            run.room_for(of.matches(separator).take(most).count())?;
            let pieces = most.saturating_add(1);
            match from_right {
                true => of.rsplitn(pieces, separator).collect(),
                false => of.splitn(pieces, separator).collect(),
            }
        }
        None => {
            run.room_for(of.split(is_space).filter(|word| !word.is_empty()).take(most).count())?;
            words(of, most, from_right)
        }
    };
    if from_right {
        parts.reverse();
    }
    run.list(parts.into_iter().map(|part| run.text(part)).collect::<Result<_, _>>()?)
}

/// The words of a text, from one of its ends, at most `most` cuts.
fn words(of: &str, most: usize, from_right: bool) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = of.trim_matches(is_space);
    while parts.len() < most {
        let cut = if from_right { rest.rfind(is_space) } else { rest.find(is_space) };
        let Some(at) = cut else { break };
        if from_right {
            parts.push(rest[at..].trim_start_matches(is_space));
            rest = rest[..at].trim_end_matches(is_space);
        } else {
            parts.push(&rest[..at]);
            rest = rest[at..].trim_start_matches(is_space);
        }
    }
    // What `maxsplit` leaves keeps the white space at its far end.
    let rest = match (parts.is_empty(), from_right) {
        (true, false) if most == 0 => of.trim_start_matches(is_space),
        (true, true) if most == 0 => of.trim_end_matches(is_space),
        (false, false) if parts.len() == most => far_end(of, rest, false),
        (false, true) if parts.len() == most => far_end(of, rest, true),
        _ => rest,
    };
    if !rest.is_empty() {
        parts.push(rest);
    }
    parts
}

/// `rest`, a part of `of`, stretched to the end of `of` (or to its beginning).
fn far_end<'t>(of: &'t str, rest: &'t str, to_beginning: bool) -> &'t str {
    let start = rest.as_ptr() as usize - of.as_ptr() as usize;
    if to_beginning { &of[..start + rest.len()] } else { &of[start..] }
}

pub(super) fn lines(run: &Run, _: &str, of: &str, args: Args) -> Result<Value, Fault> {
    let [keep] = args.bind(["keepends"])?;
    let keep = flag(keep);
    let is_end = |c: char| {
        matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
    };
    run.room_for(of.chars().filter(|c| is_end(*c)).count())?;
    let mut lines = Vec::new();
    let mut rest = of;
    while !rest.is_empty() {
        let at = rest.find(is_end).unwrap_or(rest.len());
        let width = match rest[at..].starts_with("\r\n") {
            true => 2,
            false => rest[at..].chars().next().map_or(0, char::len_utf8),
        };
        lines.push(run.text(&rest[..at + if keep { width } else { 0 }])?);
        rest = &rest[at + width..];
    }
    run.list(lines)
}

pub(super) fn partition(run: &Run, name: &str, of: &str, args: Args) -> Result<Value, Fault> {
    let [separator] = args.bind(["sep"])?;
    let separator = required(separator)?;
    if separator.is_empty() {
        return Err(Fault::of("empty separator"));
    }
    let found = if name == "partition" { of.split_once(&*separator) } else { of.rsplit_once(&*separator) };
    let parts = match (found, name) {
        (Some((before, after)), _) => [before, &separator, after],
        (None, "partition") => [of, "", ""],
        (None, _) => ["", "", of],
    };
    run.tuple(parts.into_iter().map(|part| run.text(part)).collect::<Result<_, _>>()?)
}
