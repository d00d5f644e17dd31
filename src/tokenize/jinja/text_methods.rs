//! Methods of strings, as Python has them.

use super::Fault;
use super::arguments::{Args, TextMethod, count, integer, required, text};
use super::run::Run;
use super::text_case::is_space;
use super::value::Value;
use super::{format, text_case, text_parts};

const METHODS: &[(&str, TextMethod)] = &[
    ("capitalize", cased),
    ("casefold", cased),
    ("center", pad),
    ("count", text_parts::search),
    ("endswith", text_parts::search),
    ("expandtabs", expand_tabs),
    ("find", text_parts::search),
    ("format", |run, _, of, args| format::braces(run, of, &args)),
    ("format_map", format_map),
    ("index", text_parts::search),
    ("isalnum", is_kind),
    ("isalpha", is_kind),
    ("isascii", is_kind),
    ("isdecimal", is_kind),
    ("isdigit", is_kind),
    ("isidentifier", is_kind),
    ("islower", is_kind),
    ("isnumeric", is_kind),
    ("isprintable", is_kind),
    ("isspace", is_kind),
    ("istitle", is_kind),
    ("isupper", is_kind),
    ("join", join),
    ("ljust", pad),
    ("lower", cased),
    ("lstrip", strip),
    ("partition", text_parts::partition),
    ("removeprefix", without),
    ("removesuffix", without),
    ("replace", replace),
    ("rfind", text_parts::search),
    ("rindex", text_parts::search),
    ("rjust", pad),
    ("rpartition", text_parts::partition),
    ("rsplit", text_parts::split),
    ("rstrip", strip),
    ("split", text_parts::split),
    ("splitlines", text_parts::lines),
    ("startswith", text_parts::search),
    ("strip", strip),
    ("swapcase", cased),
    ("title", cased),
    ("upper", cased),
    ("zfill", pad),
];

/// The method of that name.
pub(super) fn find(name: &str) -> Option<TextMethod> {
    METHODS.iter().find(|(known, _)| *known == name).map(|(_, method)| *method)
}

fn cased(run: &Run, name: &str, of: &str, args: Args) -> Result<Value, Fault> {
    let [] = args.bind([])?;
    run.text(text_case::cased(of, name))
}

fn is_kind(_: &Run, name: &str, of: &str, args: Args) -> Result<Value, Fault> {
    let [] = args.bind([])?;
    Ok(Value::Bool(text_case::is_kind(of, name)))
}

fn strip(run: &Run, name: &str, of: &str, args: Args) -> Result<Value, Fault> {
    let [chars] = args.bind(["chars"])?;
    stripped(run, of, name, text(chars)?.as_deref())
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

/// `removeprefix` and `removesuffix`.
fn without(run: &Run, name: &str, of: &str, args: Args) -> Result<Value, Fault> {
    let [part] = args.bind(["part"])?;
    let part = required(part)?;
    let rest = if name == "removeprefix" { of.strip_prefix(&*part) } else { of.strip_suffix(&*part) };
    run.text(rest.unwrap_or(of))
}

fn replace(run: &Run, _: &str, of: &str, args: Args) -> Result<Value, Fault> {
    let [old, new, most] = args.bind(["old", "new", "count"])?;
    replaced(run, of, &required(old)?, &required(new)?, integer(most, -1)?)
}

pub(super) fn replaced(run: &Run, of: &str, old: &str, new: &str, most: i64) -> Result<Value, Fault> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    run.look(of.len())?;
    let found = of.matches(old).take(most).count();
    run.room(of.len().saturating_add(found.saturating_mul(new.len())))?;
    Ok(Value::Text(of.replacen(old, new, found).into()))
}

fn join(run: &Run, _: &str, of: &str, args: Args) -> Result<Value, Fault> {
    let [items] = args.bind(["iterable"])?;
    let items = items.ok_or_else(|| Fault::of("join needs what to join"))?.defined()?.iterate(run)?;
    if let Some(other) = items.iter().find(|item| item.as_text().is_none()) {
        return Err(Fault::of(format!("join: expected str instance, {} found", other.kind())));
    }
    joined(run, &items, of)
}

/// The texts of values, with `separator` between.
pub(super) fn joined(run: &Run, items: &[Value], separator: &str) -> Result<Value, Fault> {
    let mut out = String::new();
    for (i, item) in items.iter().enumerate() {
        let text = item.to_text(run)?;
        run.room(text.len() + separator.len())?;
        out.push_str(if i == 0 { "" } else { separator });
        out.push_str(&text);
    }
    Ok(Value::Text(out.into()))
}

fn format_map(run: &Run, _: &str, of: &str, args: Args) -> Result<Value, Fault> {
    let [map] = args.bind(["mapping"])?;
    let Some(Value::Dict(map)) = map else { return Err(Fault::of("format_map needs a dict")) };
    let named = map.entries.iter().filter_map(|(key, value)| Some((key.as_text()?.to_string(), value.clone())));
    format::braces(run, of, &Args { positional: Vec::new(), named: named.collect() })
}

fn pad(run: &Run, name: &str, of: &str, args: Args) -> Result<Value, Fault> {
    let [width, fill] = args.bind(["width", "fillchar"])?;
    let width = count(Some(width.ok_or_else(|| Fault::of(format!("{name} needs a width")))?), 0)?;
    let fill = text(fill)?.unwrap_or_else(|| if name == "zfill" { "0" } else { " " }.into());
    padded(run, of, name, width, &fill)
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

fn expand_tabs(run: &Run, _: &str, of: &str, args: Args) -> Result<Value, Fault> {
    let [size] = args.bind(["tabsize"])?;
    let size = count(size, 8)?;
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
