//! Filters on texts and numbers; those on lists are in `list_filters`.

use super::Fault;
use super::arguments::{Args, count, flag, integer, text};
use super::names::is_method;
use super::run::Run;
use super::value::Value;
use super::{format, json, list_filters, text_methods};
use std::sync::Arc;

impl Run {
    /// A filter by its name, for those that take other filters.
    pub(super) fn filter(&self, name: &str, value: Value, args: Args) -> Result<Value, Fault> {
        apply(self, name, value, args)
    }
}

fn apply(run: &Run, name: &str, value: Value, args: Args) -> Result<Value, Fault> {
    match name {
        "abs" => match (value.as_int(), value.as_float()) {
            (Some(number), _) => {
                number.checked_abs().map(Value::Int).ok_or_else(|| Fault::of("an integer is too large"))
            }
            (None, Some(number)) => Ok(Value::Float(number.abs())),
            _ => Err(Fault::of(format!("bad operand type for abs(): '{}'", value.defined()?.kind()))),
        },
        "capitalize" | "lower" | "title" | "upper" => {
            let [] = args.bind([])?;
            let text = value.to_text(run)?;
            run.look(text.len())?;
            run.text(if name == "title" { title(&text) } else { text_methods::cased(&text, name) })
        }
        "center" => {
            let [width] = args.bind(["width"])?;
            text_methods::padded(run, &value.to_text(run)?, "center", count(width, 80)?, " ")
        }
        "default" | "d" => {
            let [default, boolean] = args.bind(["default_value", "boolean"])?;
            let missing = matches!(value, Value::Undefined(_)) || (flag(boolean) && !value.is_true());
            Ok(if missing { default.unwrap_or_else(|| Value::from("")) } else { value })
        }
        "escape" | "e" => {
            let [] = args.bind([])?;
            let text = value.to_text(run)?;
            run.room(text.len().saturating_mul(5))?;
            let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            run.text(escaped.replace('\'', "&#39;").replace('"', "&#34;"))
        }
        "float" => {
            let [default] = args.bind(["default"])?;
            let parsed = match &value {
                Value::Text(text) => text.trim().replace('_', "").parse().ok(),
                other => other.as_float(),
            };
            value.defined()?;
            Ok(parsed.map(Value::Float).or(default).unwrap_or(Value::Float(0.0)))
        }
        "int" => int(&value, args),
        "format" => {
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
        "indent" => {
            let [width, first, blank] = args.bind(["width", "first", "blank"])?;
            indent(run, &value.to_text(run)?, width, flag(first), flag(blank))
        }
        "length" | "count" => {
            let [] = args.bind([])?;
            let length = match &value {
                Value::Text(text) => {
                    run.look(text.len())?;
                    text.chars().count()
                }
                Value::List(list) => list.items.len(),
                Value::Dict(dict) => dict.entries.len(),
                Value::Undefined(_) => 0,
                other => return Err(Fault::of(format!("object of type '{}' has no len()", other.kind()))),
            };
            Ok(Value::Int(length as i64))
        }
        "replace" => {
            let [old, new, most] = args.bind(["old", "new", "count"])?;
            let part = |part: Option<Value>| part.ok_or_else(|| Fault::of("replace needs two strings"))?.to_text(run);
            let most = integer(most.filter(|most| !matches!(most, Value::None)), -1)?;
            text_methods::replace(run, &value.to_text(run)?, &part(old)?, &part(new)?, most)
        }
        "round" => round(&value, args),
        "safe" | "string" => {
            let [] = args.bind([])?;
            Ok(Value::Text(value.to_text(run)?))
        }
        "striptags" => Err(Fault::of("the filter `striptags` is not supported")),
        "tojson" => json::tojson(run, &value, args),
        "trim" => {
            let [chars] = args.bind(["chars"])?;
            text_methods::stripped(run, &value.to_text(run)?, "strip", text(chars)?.as_deref())
        }
        "truncate" => {
            let [length, killwords, end, leeway] = args.bind(["length", "killwords", "end", "leeway"])?;
            let end = text(end)?.unwrap_or_else(|| "...".into());
            truncate(run, &value.to_text(run)?, count(length, 255)?, flag(killwords), &end, count(leeway, 5)?)
        }
        "wordcount" => {
            let text = value.to_text(run)?;
            run.look(text.len())?;
            let words = text.split(|c: char| c != '_' && !c.is_alphanumeric()).filter(|word| !word.is_empty());
            Ok(Value::Int(words.count() as i64))
        }
        "attr" => {
            let [name] = args.bind(["name"])?;
            let name = text(name)?.ok_or_else(|| Fault::of("attr needs a name"))?;
            // Attributes only, never entries, as in Jinja2.
            match &value {
                Value::Dict(_) if !is_method(&value, &name) => Ok(Value::undefined(&name)),
                _ => run.attribute(&value, &name),
            }
        }
        "items" => match &value {
            Value::Undefined(_) => run.list(Vec::new()),
            Value::Dict(_) => super::methods::call(run, &value, "items", args),
            _ => Err(Fault::of("Can only get item pairs from a mapping.")),
        },
        _ => list_filters::apply(run, name, value, args),
    }
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

fn int(value: &Value, args: Args) -> Result<Value, Fault> {
    let [default, base] = args.bind(["default", "base"])?;
    let base = u32::try_from(integer(base, 10)?).ok().filter(|base| (2..=36).contains(base));
    let base = base.ok_or_else(|| Fault::of("int: the base is 2 to 36"))?;
    let whole = |number: f64| (number.abs() < 9.2e18).then_some(number as i64);
    let parsed = match value.defined()? {
        Value::Text(text) => {
            let text = text.trim().replace('_', "").to_lowercase();
            let digits = match base {
                16 => text.strip_prefix("0x"),
                8 => text.strip_prefix("0o"),
                2 => text.strip_prefix("0b"),
                _ => None,
            };
            let digits = digits.unwrap_or(&text);
            i64::from_str_radix(digits, base).ok().or_else(|| digits.parse().ok().and_then(whole))
        }
        other => other.as_int().or_else(|| other.as_float().and_then(whole)),
    };
    Ok(parsed.map(Value::Int).or(default).unwrap_or(Value::Int(0)))
}

fn round(value: &Value, args: Args) -> Result<Value, Fault> {
    let [precision, method] = args.bind(["precision", "method"])?;
    let precision = integer(precision, 0)?;
    let number = value.as_float().ok_or_else(|| Fault::of(format!("'{}' cannot be rounded", value.kind())))?;
    let places = i32::try_from(precision.clamp(-300, 300)).unwrap_or(0);
    let factor = 10f64.powi(places);
    let scaled = |round: fn(f64) -> f64| round(number * factor) / factor;
    let method = text(method)?;
    let common = matches!(method.as_deref(), None | Some("common"));
    let rounded = match method.as_deref() {
        None | Some("common") => match usize::try_from(places) {
            // The decimal text rounds to even where the binary number lies exactly between, as Python does.
            Ok(digits) if number.is_finite() => format!("{number:.digits$}").parse().unwrap_or(number),
            _ => scaled(f64::round_ties_even),
        },
        Some("ceil") => scaled(f64::ceil),
        Some("floor") => scaled(f64::floor),
        Some(_) => return Err(Fault::of("method must be common, ceil or floor")),
    };
    // Only this way leaves an integer what it is.
    let whole = common && matches!(value, Value::Int(_)) && rounded.abs() < 9e15;
    Ok(if whole { Value::Int(rounded as i64) } else { Value::Float(rounded) })
}

fn indent(run: &Run, of: &str, width: Option<Value>, first: bool, blank: bool) -> Result<Value, Fault> {
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

fn truncate(run: &Run, of: &str, length: usize, kill: bool, end: &str, leeway: usize) -> Result<Value, Fault> {
    run.room(of.len().saturating_add(end.len()))?;
    let count = of.chars().count();
    let end_length = end.chars().count();
    if length < end_length {
        return Err(Fault::of(format!("expected length >= {end_length}, got {length}")));
    }
    if count <= length.saturating_add(leeway) {
        return Ok(Value::from(of));
    }
    let kept: String = of.chars().take(length - end_length).collect();
    let kept = if kill { kept.as_str() } else { kept.rsplit_once(' ').map_or(kept.as_str(), |(words, _)| words) };
    Ok(Value::Text(format!("{kept}{end}").into()))
}
