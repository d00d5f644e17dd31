//! Methods of strings, as Python has them.

use super::Fault;
use super::arguments::{Args, count, flag, integer, text};
use super::format;
use super::run::Run;
use super::subscript;
use super::value::Value;
use std::sync::Arc;

pub(super) fn call(run: &Run, of: &str, name: &str, args: Args) -> Result<Value, Fault> {
    run.look(of.len())?;
    match name {
        "capitalize" | "casefold" | "lower" | "upper" | "swapcase" | "title" => {
            let [] = args.bind([])?;
            run.text(cased(of, name))
        }
        "strip" | "lstrip" | "rstrip" => {
            let [chars] = args.bind(["chars"])?;
            stripped(run, of, name, text(chars)?.as_deref())
        }
        "startswith" | "endswith" | "count" | "find" | "rfind" | "index" | "rindex" => search(run, of, name, args),
        "removeprefix" | "removesuffix" => {
            let [part] = args.bind(["part"])?;
            let part = required(part)?;
            let rest = if name == "removeprefix" { of.strip_prefix(&*part) } else { of.strip_suffix(&*part) };
            run.text(rest.unwrap_or(of))
        }
        "replace" => {
            let [old, new, most] = args.bind(["old", "new", "count"])?;
            replace(run, of, &required(old)?, &required(new)?, integer(most, -1)?)
        }
        "split" | "rsplit" => {
            let [separator, most] = args.bind(["sep", "maxsplit"])?;
            let most = usize::try_from(integer(most, -1)?).unwrap_or(usize::MAX);
            split(run, of, text(separator)?.as_deref(), most, name == "rsplit")
        }
        "splitlines" => {
            let [keep] = args.bind(["keepends"])?;
            lines(run, of, flag(keep))
        }
        "partition" | "rpartition" => {
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
        "join" => {
            let [items] = args.bind(["iterable"])?;
            let items = items.ok_or_else(|| Fault::of("join needs what to join"))?.defined()?.iterate(run)?;
            if let Some(other) = items.iter().find(|item| item.as_text().is_none()) {
                return Err(Fault::of(format!("join: expected str instance, {} found", other.kind())));
            }
            join(run, &items, of)
        }
        "format" => format::braces(run, of, &args),
        "format_map" => {
            let [map] = args.bind(["mapping"])?;
            let Some(Value::Dict(map)) = map else { return Err(Fault::of("format_map needs a dict")) };
            let named = map.entries.iter().filter_map(|(key, value)| Some((key.as_text()?.to_string(), value.clone())));
            format::braces(run, of, &Args { positional: Vec::new(), named: named.collect() })
        }
        "center" | "ljust" | "rjust" | "zfill" => {
            let [width, fill] = args.bind(["width", "fillchar"])?;
            let width = count(Some(width.ok_or_else(|| Fault::of(format!("{name} needs a width")))?), 0)?;
            let fill = text(fill)?.unwrap_or_else(|| if name == "zfill" { "0" } else { " " }.into());
            padded(run, of, name, width, &fill)
        }
        "expandtabs" => {
            let [size] = args.bind(["tabsize"])?;
            expand_tabs(run, of, count(size, 8)?)
        }
        _ => {
            let [] = args.bind([])?;
            Ok(Value::Bool(is_kind(of, name)))
        }
    }
}

fn required(value: Option<Value>) -> Result<Arc<str>, Fault> {
    text(value)?.ok_or_else(|| Fault::of("expected a string"))
}

pub(super) fn cased(text: &str, how: &str) -> String {
    let title = |first: &mut bool, c: char| {
        let cased: String = if std::mem::take(first) { c.to_uppercase().collect() } else { c.to_lowercase().collect() };
        cased
    };
    match how {
        "upper" => text.to_uppercase(),
        "casefold" => text.to_lowercase().replace('ß', "ss"),
        "capitalize" => {
            let mut first = true;
            text.chars().map(|c| title(&mut first, c)).collect()
        }
        "title" => {
            let mut first = true;
            let word = |c: char| {
                let written = title(&mut first, c);
                first = !(c.is_lowercase() || c.is_uppercase());
                written
            };
            text.chars().map(word).collect()
        }
        "swapcase" => {
            let swap = |c: char| -> String {
                if c.is_uppercase() { c.to_lowercase().collect() } else { c.to_uppercase().collect() }
            };
            text.chars().map(swap).collect()
        }
        _ => text.to_lowercase(),
    }
}

pub(super) fn stripped(run: &Run, of: &str, name: &str, chars: Option<&str>) -> Result<Value, Fault> {
    let set: Vec<char> = chars.map(|chars| chars.chars().collect()).unwrap_or_default();
    run.spend(set.len().saturating_mul(1 + of.len() / 64))?;
    let strips = |c: char| if chars.is_some() { set.contains(&c) } else { is_space(c) };
    run.text(match name {
        "lstrip" => of.trim_start_matches(strips),
        "rstrip" => of.trim_end_matches(strips),
        _ => of.trim_matches(strips),
    })
}

/// Python's white space: Unicode's and four separators.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

fn search(run: &Run, of: &str, name: &str, args: Args) -> Result<Value, Fault> {
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

pub(super) fn replace(run: &Run, of: &str, old: &str, new: &str, most: i64) -> Result<Value, Fault> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    run.look(of.len())?;
    let found = of.matches(old).take(most).count();
    run.room(of.len().saturating_add(found.saturating_mul(new.len())))?;
    Ok(Value::Text(of.replacen(old, new, found).into()))
}

fn split(run: &Run, of: &str, separator: Option<&str>, most: usize, from_right: bool) -> Result<Value, Fault> {
    let mut parts: Vec<&str> = Vec::new();
    run.look(of.len())?;
    match separator {
        Some("") => return Err(Fault::of("empty separator")),
        Some(separator) => {
            run.room_for(of.matches(separator).take(most).count())?;
            let pieces = most.saturating_add(1);
            match from_right {
                true => parts.extend(of.rsplitn(pieces, separator)),
                false => parts.extend(of.splitn(pieces, separator)),
            }
        }
        None => {
            run.room_for(of.split(is_space).filter(|word| !word.is_empty()).take(most).count())?;
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
        }
    }
    if from_right {
        parts.reverse();
    }
    run.list(parts.into_iter().map(|part| run.text(part)).collect::<Result<_, _>>()?)
}

/// `rest`, a part of `of`, stretched to the end of `of` (or to its beginning).
fn far_end<'t>(of: &'t str, rest: &'t str, to_beginning: bool) -> &'t str {
    let start = rest.as_ptr() as usize - of.as_ptr() as usize;
    if to_beginning { &of[..start + rest.len()] } else { &of[start..] }
}

fn lines(run: &Run, of: &str, keep: bool) -> Result<Value, Fault> {
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

/// The texts of values, with `separator` between.
pub(super) fn join(run: &Run, items: &[Value], separator: &str) -> Result<Value, Fault> {
    let mut out = String::new();
    for (i, item) in items.iter().enumerate() {
        let text = item.to_text(run)?;
        run.room(text.len() + separator.len())?;
        out.push_str(if i == 0 { "" } else { separator });
        out.push_str(&text);
    }
    Ok(Value::Text(out.into()))
}

pub(super) fn padded(run: &Run, of: &str, how: &str, width: usize, fill: &str) -> Result<Value, Fault> {
    if fill.chars().count() != 1 {
        return Err(Fault::of("The fill character must be exactly one character long"));
    }
    let missing = width.saturating_sub(of.chars().count());
    run.room(missing.saturating_mul(fill.len()).saturating_add(of.len()))?;
    let left = match how {
        "rjust" => missing,
        "center" => missing / 2 + (missing & width & 1),
        _ => 0,
    };
    if how == "zfill" {
        let digits = of.strip_prefix(['+', '-']).unwrap_or(of);
        let sign = &of[..of.len() - digits.len()];
        return Ok(Value::Text(format!("{sign}{}{digits}", "0".repeat(missing)).into()));
    }
    Ok(Value::Text(format!("{}{of}{}", fill.repeat(left), fill.repeat(missing - left)).into()))
}

fn expand_tabs(run: &Run, of: &str, size: usize) -> Result<Value, Fault> {
    let tabs = of.matches('\t').count();
    run.room(of.len().saturating_add(tabs.saturating_mul(size)))?;
    let (mut out, mut column) = (String::new(), 0usize);
    for c in of.chars() {
        match c {
            '\t' if size > 0 => {
                let spaces = size - column % size;
                out.push_str(&" ".repeat(spaces));
                column += spaces;
            }
            '\t' => {}
            c => {
                out.push(c);
                column = if matches!(c, '\n' | '\r') { 0 } else { column + 1 };
            }
        }
    }
    Ok(Value::Text(out.into()))
}

fn is_kind(of: &str, name: &str) -> bool {
    let all = |is: fn(char) -> bool| !of.is_empty() && of.chars().all(is);
    let cased = |is: fn(char) -> bool, is_not: fn(char) -> bool| of.chars().any(is) && !of.chars().any(is_not);
    match name {
        "isalnum" => all(char::is_alphanumeric),
        "isalpha" => all(char::is_alphabetic),
        "isascii" => of.is_ascii(),
        "isdecimal" | "isdigit" => all(|c| c.is_ascii_digit() || is_decimal(c)),
        "isnumeric" => all(char::is_numeric),
        "isidentifier" => {
            of.starts_with(|c: char| c == '_' || c.is_alphabetic())
                && of.chars().all(|c| c == '_' || c.is_alphanumeric())
        }
        "islower" => cased(char::is_lowercase, char::is_uppercase),
        "isupper" => cased(char::is_uppercase, char::is_lowercase),
        "isprintable" => of.chars().all(super::text::is_printable),
        "isspace" => all(is_space),
        _ => of.chars().any(|c| c.is_uppercase() || c.is_lowercase()) && cased_title(of),
    }
}

/// The decimal digits of other scripts come in tens.
fn is_decimal(c: char) -> bool {
    matches!(u32::from(c), 0x660..=0x669 | 0x6F0..=0x6F9 | 0x966..=0x96F | 0x9E6..=0x9EF | 0xFF10..=0xFF19)
}

fn cased_title(of: &str) -> bool {
    let mut in_word = false;
    of.chars().all(|c| {
        let fits = if in_word { !c.is_uppercase() } else { !c.is_lowercase() };
        in_word = c.is_uppercase() || c.is_lowercase();
        fits
    })
}
