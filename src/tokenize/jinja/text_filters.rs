//! Filters on texts.

use super::Fault;
use super::arguments::{Args, Filter, count, flag, integer, text};
use super::run::Run;
use super::value::Value;
use super::{format, json, text_case, text_methods};
use std::sync::Arc;

pub(super) const FILTERS: &[(&str, Filter)] = &[
    ("capitalize", cased),
    ("center", center),
    ("e", escape),
    ("escape", escape),
    ("format", formatted),
    ("indent", indent),
    ("lower", cased),
    ("replace", replace),
    ("safe", string),
    ("string", string),
    ("striptags", |_, _, _, _| Err(Fault::of("the filter `striptags` is not supported"))),
    ("title", cased),
    ("tojson", |run, _, value, args| json::tojson(run, &value, args)),
    ("trim", trim),
    ("truncate", truncate),
    ("upper", cased),
    ("wordcount", wordcount),
];

fn cased(run: &Run, name: &str, value: Value, args: Args) -> Result<Value, Fault> {
    let [] = args.bind([])?;
    let text = value.to_text(run)?;
    run.look(text.len())?;
    run.text(if name == "title" { title(&text) } else { text_case::cased(&text, name) })
}

fn title(text: &str) -> String {
    let mut first = true;
    let word = |c: char| -> String {
        let written = if first { c.to_uppercase().collect() } else { c.to_lowercase().collect() };
        first = c.is_whitespace() || "-({[<".contains(c);
        written
    };
    text.chars().map(word).collect()
}

fn center(run: &Run, _: &str, value: Value, args: Args) -> Result<Value, Fault> {
    let [width] = args.bind(["width"])?;
    text_methods::padded(run, &value.to_text(run)?, "center", count(width, 80)?, " ")
}

fn escape(run: &Run, _: &str, value: Value, args: Args) -> Result<Value, Fault> {
    let [] = args.bind([])?;
    let text = value.to_text(run)?;
    run.room(text.len().saturating_mul(5))?;
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    run.text(escaped.replace('\'', "&#39;").replace('"', "&#34;"))
}

fn formatted(run: &Run, _: &str, value: Value, args: Args) -> Result<Value, Fault> {
    let text = value.to_text(run)?;
    let values = match (args.positional.is_empty(), args.named.is_empty()) {
        (_, true) => run.tuple(args.positional)?,
        (true, false) => {
            let entry = |(name, value): (String, Value)| Ok((run.text(name)?, value));
            run.dict(args.named.into_iter().map(entry).collect::<Result<_, Fault>>()?)?
        }
        _ => return Err(Fault::of("can't handle positional and keyword arguments at the same time")),
    };
    format::percent(run, &text, &values)
}

fn replace(run: &Run, _: &str, value: Value, args: Args) -> Result<Value, Fault> {
    let [old, new, most] = args.bind(["old", "new", "count"])?;
    let part = |part: Option<Value>| part.ok_or_else(|| Fault::of("replace needs two strings"))?.to_text(run);
    let most = integer(most.filter(|most| !matches!(most, Value::None)), -1)?;
    text_methods::replaced(run, &value.to_text(run)?, &part(old)?, &part(new)?, most)
}

fn string(run: &Run, _: &str, value: Value, args: Args) -> Result<Value, Fault> {
    let [] = args.bind([])?;
    Ok(Value::Text(value.to_text(run)?))
}

fn trim(run: &Run, _: &str, value: Value, args: Args) -> Result<Value, Fault> {
    let [chars] = args.bind(["chars"])?;
    text_methods::stripped(run, &value.to_text(run)?, "strip", text(chars)?.as_deref())
}

fn wordcount(run: &Run, _: &str, value: Value, _: Args) -> Result<Value, Fault> {
    let text = value.to_text(run)?;
    run.look(text.len())?;
    let words = text.split(|c: char| c != '_' && !c.is_alphanumeric()).filter(|word| !word.is_empty());
    Ok(Value::Int(words.count() as i64))
}

fn indent(run: &Run, _: &str, value: Value, args: Args) -> Result<Value, Fault> {
    let [width, first, blank] = args.bind(["width", "first", "blank"])?;
    let (first, blank) = (flag(first), flag(blank));
    let of = value.to_text(run)?;
    let indention: Arc<str> = match width {
        Some(Value::Text(text)) => text,
        width => {
            let width = count(width, 4)?;
            run.room(width)?;
            " ".repeat(width).into()
        }
    };
    run.look(of.len())?;
    run.room(of.len().saturating_add(indention.len().saturating_mul(1 + of.matches('\n').count())))?;
    let mut out = String::new();
    // Jinja2 adds a line end, so that a last, empty line counts.
    for (i, line) in of.split('\n').enumerate() {
        if i > 0 {
            out.push('\n');
        }
        if if i == 0 { first } else { blank || !line.is_empty() } {
            out.push_str(&indention);
        }
        out.push_str(line);
    }
    Ok(Value::Text(out.into()))
}

fn truncate(run: &Run, _: &str, value: Value, args: Args) -> Result<Value, Fault> {
    let [length, killwords, end, leeway] = args.bind(["length", "killwords", "end", "leeway"])?;
    let end = text(end)?.unwrap_or_else(|| "...".into());
    let of = value.to_text(run)?;
    let (length, kill, leeway) = (count(length, 255)?, flag(killwords), count(leeway, 5)?);
    run.room(of.len().saturating_add(end.len()))?;
    let found = of.chars().count();
    let end_length = end.chars().count();
    if length < end_length {
        return Err(Fault::of(format!("expected length >= {end_length}, got {length}")));
    }
    if found <= length.saturating_add(leeway) {
        return Ok(Value::Text(of));
    }
    let kept: String = of.chars().take(length - end_length).collect();
    let kept = if kill { kept.as_str() } else { kept.rsplit_once(' ').map_or(kept.as_str(), |(words, _)| words) };
    Ok(Value::Text(format!("{kept}{end}").into()))
}
