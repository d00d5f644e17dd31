//! `tojson` as transformers gives it to templates: `json.dumps(x, ensure_ascii=False)`, and its other arguments.

use super::Fault;
use super::arguments::{Args, flag};
use super::run::Run;
use super::text;
use super::value::Value;
use std::sync::Arc;

/// No indentation is wider; Python has no limit.
const WIDEST_INDENT: i64 = 64;

struct Style {
    ensure_ascii: bool,
    indent: Option<String>,
    item: Arc<str>,
    colon: Arc<str>,
    sort_keys: bool,
}

pub(super) fn tojson(run: &Run, value: &Value, args: Args) -> Result<Value, Fault> {
    let [ensure_ascii, indent, separators, sort_keys] =
        args.bind(["ensure_ascii", "indent", "separators", "sort_keys"])?;
    let indent = match indent {
        None | Some(Value::None) => None,
        Some(Value::Text(text)) => Some(text.to_string()),
        Some(width) => match width.as_int() {
            Some(width) if width <= WIDEST_INDENT => Some(" ".repeat(usize::try_from(width).unwrap_or(0))),
            Some(width) => {
                return Err(Fault::of(format!("tojson: an indent of {width}; expected at most {WIDEST_INDENT}")));
            }
            None => return Err(Fault::of("tojson: `indent` is no integer")),
        },
    };
    let (item, colon) = match separators {
        None | Some(Value::None) => (if indent.is_some() { "," } else { ", " }.into(), ": ".into()),
        Some(separators) => match separators.iterate(run)?.as_slice() {
            [Value::Text(item), Value::Text(colon)] => (item.clone(), colon.clone()),
            _ => return Err(Fault::of("tojson: `separators` are two strings")),
        },
    };
    let style = Style { ensure_ascii: flag(ensure_ascii), indent, item, colon, sort_keys: flag(sort_keys) };
    let mut out = String::new();
    style.write(run, value, 0, &mut out)?;
    Ok(Value::Text(out.into()))
}

impl Style {
    fn write(&self, run: &Run, value: &Value, level: usize, out: &mut String) -> Result<(), Fault> {
        run.spend(1)?;
        match value {
            Value::Text(text) => self.string(run, text, out),
            Value::None => push(run, out, "null"),
            Value::Bool(flag) => push(run, out, if *flag { "true" } else { "false" }),
            Value::Int(number) => push(run, out, &number.to_string()),
            Value::Float(number) => push(run, out, &float(*number)),
            Value::List(list) => {
                push(run, out, "[")?;
                for (i, item) in list.items.iter().enumerate() {
                    self.before(run, i, level + 1, out)?;
                    self.write(run, item, level + 1, out)?;
                }
                self.close(run, list.items.is_empty(), level, "]", out)
            }
            Value::Dict(dict) => {
                let mut entries: Vec<_> = dict.entries.iter().collect();
                if self.sort_keys {
                    super::sorting::sort_by(run, &mut entries, |run, a, b| a.0.order(run, &b.0))?;
                }
                push(run, out, "{")?;
                for (i, (key, value)) in entries.into_iter().enumerate() {
                    self.before(run, i, level + 1, out)?;
                    self.key(run, key, out)?;
                    push(run, out, &self.colon)?;
                    self.write(run, value, level + 1, out)?;
                }
                self.close(run, dict.entries.is_empty(), level, "}", out)
            }
            other => Err(Fault::of(format!("Object of type {} is not JSON serializable", other.kind()))),
        }
    }

    fn key(&self, run: &Run, key: &Value, out: &mut String) -> Result<(), Fault> {
        let text: Arc<str> = match key {
            Value::Text(text) => text.clone(),
            Value::None => "null".into(),
            Value::Bool(flag) => if *flag { "true" } else { "false" }.into(),
            Value::Int(number) => number.to_string().into(),
            Value::Float(number) => float(*number).into(),
            other => {
                return Err(Fault::of(format!("keys must be str, int, float, bool or None, not {}", other.kind())));
            }
        };
        self.string(run, &text, out)
    }

    fn before(&self, run: &Run, index: usize, level: usize, out: &mut String) -> Result<(), Fault> {
        if index > 0 {
            push(run, out, &self.item)?;
        }
        self.line(run, level, out)
    }

    fn line(&self, run: &Run, level: usize, out: &mut String) -> Result<(), Fault> {
        let Some(indent) = &self.indent else { return Ok(()) };
        push(run, out, "\n")?;
        (0..level).try_for_each(|_| push(run, out, indent))
    }

    fn close(&self, run: &Run, empty: bool, level: usize, bracket: &str, out: &mut String) -> Result<(), Fault> {
        if !empty {
            self.line(run, level, out)?;
        }
        push(run, out, bracket)
    }

    fn string(&self, run: &Run, text: &str, out: &mut String) -> Result<(), Fault> {
        run.room(text.len().saturating_add(2))?;
        out.push('"');
        for c in text.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                c if c < ' ' || (self.ensure_ascii && c > '~') => {
                    run.room(12)?;
                    let mut units = [0; 2];
                    out.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
                }
                c => out.push(c),
            }
        }
        out.push('"');
        Ok(())
    }
}

fn float(number: f64) -> String {
    match number {
        _ if number.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "Infinity".to_owned(),
        f64::NEG_INFINITY => "-Infinity".to_owned(),
        _ => text::float(number),
    }
}

fn push(run: &Run, out: &mut String, text: &str) -> Result<(), Fault> {
    run.room(text.len())?;
    out.push_str(text);
    Ok(())
}
