//! `str()` and `repr()`: how Python writes values.

use super::Fault;
use super::run::Run;
use super::value::{Callable, Value};
use std::sync::Arc;

impl Value {
    /// What `{{ }}` prints.
    pub fn to_text(&self, run: &Run) -> Result<Arc<str>, Fault> {
        match self {
            Value::Text(text) => Ok(text.clone()),
            Value::Undefined(_) => Ok(Arc::from("")),
            other => other.repr(run).map(Arc::from),
        }
    }

    pub fn repr(&self, run: &Run) -> Result<String, Fault> {
        let mut out = String::new();
        self.write_repr(run, &mut out)?;
        Ok(out)
    }

    fn write_repr(&self, run: &Run, out: &mut String) -> Result<(), Fault> {
        let before = out.len();
        run.spend(1)?;
        match self {
            Value::Undefined(_) => out.push_str("Undefined"),
            Value::None => out.push_str("None"),
            Value::Bool(true) => out.push_str("True"),
            Value::Bool(false) => out.push_str("False"),
            Value::Int(number) => out.push_str(&number.to_string()),
            Value::Float(number) => out.push_str(&float(*number)),
            Value::Text(text) => {
                run.room(text.len())?;
                quote(text, out);
            }
            Value::List(list) => {
                out.push(if list.tuple { '(' } else { '[' });
                for (i, item) in list.items.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { ", " });
                    item.write_repr(run, out)?;
                }
                out.push_str(match (list.tuple, list.items.len()) {
                    (true, 1) => ",)",
                    (true, _) => ")",
                    (false, _) => "]",
                });
            }
            Value::Dict(dict) => {
                out.push('{');
                for (i, (key, value)) in dict.entries.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { ", " });
                    key.write_repr(run, out)?;
                    out.push_str(": ");
                    value.write_repr(run, out)?;
                }
                out.push('}');
            }
            Value::Namespace(_) => out.push_str("<Namespace>"),
            Value::Loop(state) => {
                out.push_str(&format!("<LoopContext {}/{}>", state.index.get() + 1, state.items.len()));
            }
            Value::Callable(callable) => match &**callable {
                Callable::Macro { declaration, .. } => out.push_str(&format!("<Macro '{}'>", declaration.name)),
                _ => out.push_str("<function>"),
            },
        }
        run.room(out.len() - before)
    }
}

/// Python's shortest text of a float.
pub(super) fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let magnitude = number.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{digits}e{}", signed_exponent(exponent.parse().unwrap_or(0)));
    }
    let text = number.to_string();
    if text.contains('.') { text } else { text + ".0" }
}

/// `+05`, `-12`, `+300`.
pub(super) fn signed_exponent(exponent: i32) -> String {
    format!("{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

fn quote(text: &str, out: &mut String) {
    let mark = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(mark);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == mark || c == '\\' => out.extend(['\\', c]),
            c if !is_printable(c) => out.push_str(&match u32::from(c) {
                code @ ..=0xFF => format!("\\x{code:02x}"),
                code @ ..=0xFFFF => format!("\\u{code:04x}"),
                code => format!("\\U{code:08x}"),
            }),
            c => out.push(c),
        }
    }
    out.push(mark);
}

/// Near enough to `str.isprintable`: no control, format or private-use characters, no space but the usual one.
pub(super) fn is_printable(c: char) -> bool {
    let code = u32::from(c);
    !(c.is_control()
        || (c != ' ' && c.is_whitespace())
        || matches!(code, 0xAD | 0x600..=0x605 | 0x61C | 0x6DD | 0x70F | 0x180E | 0x200B..=0x200F | 0x2028..=0x202E)
        || matches!(code, 0x2060..=0x206F | 0xE000..=0xF8FF | 0xFEFF | 0xFFF9..=0xFFFB | 0xE0001..=0xE007F)
        || code >= 0xF0000)
}
