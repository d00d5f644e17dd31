//! Python's two ways to put values into a text: `'%s' % x` and `'{}'.format(x)`.

use super::Fault;
use super::arguments::Args;
use super::format_spec::{MOST_DIGITS, Spec, digits};
use super::run::Run;
use super::subscript;
use super::value::Value;
use std::slice::Iter;
use std::str::Chars;
use std::sync::Arc;

/// `pattern % values`.
pub(super) fn percent(run: &Run, pattern: &str, values: &Value) -> Result<Value, Fault> {
    run.look(pattern.len())?;
    let mut positional = match values {
        Value::List(list) if list.tuple => list.items.iter(),
        other => std::slice::from_ref(other).iter(),
    };
    let mut out = String::new();
    let mut rest = pattern;
    let mut by_name = false;
    while let Some(at) = rest.find('%') {
        push(run, &mut out, &rest[..at])?;
        let mut directive = Directive::read(run, &rest[at + 1..], values, &mut positional)?;
        rest = directive.rest;
        by_name |= directive.named.is_some();
        if directive.kind == '%' {
            push(run, &mut out, "%")?;
            continue;
        }
        let value = match directive.named {
            Some(value) => value,
            None => positional.next().cloned().ok_or_else(|| Fault::of("not enough arguments for format string"))?,
        };
        let written = percent_value(run, directive.kind, &mut directive.spec, &value)?;
        push(run, &mut out, &written)?;
    }
    push(run, &mut out, rest)?;
    if positional.next().is_some() && !by_name && !matches!(values, Value::Dict(_)) {
        return Err(Fault::of("not all arguments converted during string formatting"));
    }
    Ok(Value::Text(out.into()))
}

/// What follows a `%`: `(name)`, flags, a width, a precision and the letter of its kind.
struct Directive<'p> {
    named: Option<Value>,
    spec: Spec,
    kind: char,
    /// The pattern after it.
    rest: &'p str,
}

impl<'p> Directive<'p> {
    fn read(run: &Run, after: &'p str, values: &Value, positional: &mut Iter<'_, Value>) -> Result<Self, Fault> {
        let mut chars = after.chars();
        let mut named = None;
        if let Some(inside) = after.strip_prefix('(') {
            let (name, after) = inside.split_once(')').ok_or_else(|| Fault::of("incomplete format key"))?;
            let value = values.entry(run, &run.text(name)?)?;
            named = Some(value.ok_or_else(|| Fault::of(format!("the format key '{name}' is not given")))?);
            chars = after.chars();
        }
        let mut spec = Spec::default();
        let mut next = flags(&mut spec, &mut chars);
        if next == Some('*') {
            let width = starred(positional)?;
            spec.align = if width < 0 { Some('<') } else { spec.align };
            spec.width = usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX);
            next = chars.next();
        } else {
            (spec.width, next) = digits(next, &mut chars);
        }
        if next == Some('.') {
            next = chars.next();
            let precision;
            if next == Some('*') {
                precision = usize::try_from(starred(positional)?).unwrap_or(0);
                next = chars.next();
            } else {
                (precision, next) = digits(next, &mut chars);
            }
            spec.precision = Some(precision);
        }
        while next.is_some_and(|c| "hlL".contains(c)) {
            next = chars.next();
        }
        let kind = next.ok_or_else(|| Fault::of("incomplete format"))?;
        Ok(Directive { named, spec, kind, rest: chars.as_str() })
    }
}

/// Takes the flags, and what follows them.
fn flags(spec: &mut Spec, chars: &mut Chars) -> Option<char> {
    let mut next = chars.next();
    while let Some(c) = next.filter(|c| "-+ 0#".contains(*c)) {
        match c {
            '-' => spec.align = Some('<'),
            '0' if spec.align.is_none() => (spec.fill, spec.align) = (Some('0'), Some('=')),
            '0' => {}
            '#' => spec.alternate = true,
            sign => spec.sign = Some(sign),
        }
        next = chars.next();
    }
    if spec.align == Some('<') {
        spec.fill = None;
    }
    next
}

/// The number that stands for a `*`.
fn starred(positional: &mut Iter<'_, Value>) -> Result<i64, Fault> {
    positional.next().and_then(Value::as_int).ok_or_else(|| Fault::of("* wants int"))
}

fn percent_value(run: &Run, kind: char, spec: &mut Spec, value: &Value) -> Result<String, Fault> {
    // Texts stand at the right here, and zeros fill numbers only.
    spec.align = spec.align.or(Some('>'));
    spec.kind = Some(kind);
    match kind {
        's' | 'r' | 'a' => {
            let text = if kind == 's' { value.to_text(run)? } else { Arc::from(value.repr(run)?) };
            (spec.kind, spec.fill) = (Some('s'), None);
            spec.align = spec.align.filter(|align| *align == '<').or(Some('>'));
            spec.sign = None;
            spec.text(run, &text)
        }
        'c' => {
            let c = match value {
                Value::Text(text) if text.chars().count() == 1 => text.to_string(),
                other => {
                    let code = other.as_int().and_then(|code| u32::try_from(code).ok()).and_then(char::from_u32);
                    code.ok_or_else(|| Fault::of("%c requires int or char"))?.to_string()
                }
            };
            spec.precision = None;
            spec.text(run, &c)
        }
        'd' | 'i' | 'u' => {
            let number = value.as_int().or(value.as_float().filter(|f| f.abs() < 9e18).map(|f| f as i64));
            let number =
                number.ok_or_else(|| Fault::of(format!("%d format: a number is required, not {}", value.kind())))?;
            let least = spec.precision.take().unwrap_or(0).min(MOST_DIGITS);
            spec.number(run, number < 0, "", format!("{:0>least$}", number.unsigned_abs()))
        }
        'x' | 'X' | 'o' => {
            let number = value.as_int().ok_or_else(|| Fault::of(format!("%{kind} format: an integer is required")))?;
            spec.integer(run, number)
        }
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
            let number =
                value.as_float().ok_or_else(|| Fault::of(format!("must be real number, not {}", value.kind())))?;
            spec.float(run, number)
        }
        other => Err(Fault::of(format!("unsupported format character '{other}'"))),
    }
}

fn push(run: &Run, out: &mut String, text: &str) -> Result<(), Fault> {
    run.room(text.len())?;
    out.push_str(text);
    Ok(())
}

/// `pattern.format(…)`.
pub(super) fn braces(run: &Run, pattern: &str, args: &Args) -> Result<Value, Fault> {
    run.look(pattern.len())?;
    let mut out = String::new();
    let mut next_index = 0usize;
    let mut rest = pattern;
    while let Some(at) = rest.find(['{', '}']) {
        push(run, &mut out, &rest[..at])?;
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if rest.starts_with(brace) {
            push(run, &mut out, brace)?;
            rest = &rest[1..];
            continue;
        }
        if brace == "}" {
            return Err(Fault::of("Single '}' encountered in format string"));
        }
        let mut level = 0usize;
        let end = rest.char_indices().find(|&(_, c)| {
            let ends = c == '}' && level == 0;
            level = level.saturating_add_signed(isize::from(c == '{') - isize::from(c == '}'));
            ends
        });
        let (end, _) = end.ok_or_else(|| Fault::of("expected '}' before end of string"))?;
        let (field, spec) = rest[..end].split_once(':').unwrap_or((&rest[..end], ""));
        rest = &rest[end + 1..];
        let (path, conversion) = field.split_once('!').map_or((field, None), |(path, c)| (path, Some(c)));
        let value = field_value(run, path, args, &mut next_index)?;
        let value = match conversion {
            None => value,
            Some("r") | Some("a") => run.text(value.repr(run)?)?,
            Some("s") => Value::Text(value.to_text(run)?),
            Some(other) => return Err(Fault::of(format!("Unknown conversion specifier '{other}'"))),
        };
        let mut inner = String::new();
        let mut spec_rest = spec;
        // A width may itself be an argument: `{:>{width}}`.
        while let Some((before, after)) = spec_rest.split_once('{') {
            let (path, after) = after.split_once('}').ok_or_else(|| Fault::of("expected '}' before end of string"))?;
            inner.push_str(before);
            inner.push_str(&field_value(run, path, args, &mut next_index)?.to_text(run)?);
            spec_rest = after;
        }
        inner.push_str(spec_rest);
        let written = Spec::parse(&inner)?.write(run, &value)?;
        push(run, &mut out, &written)?;
    }
    push(run, &mut out, rest)?;
    Ok(Value::Text(out.into()))
}

/// `0`, `name`, `name.attribute[key]`.
fn field_value(run: &Run, path: &str, args: &Args, next_index: &mut usize) -> Result<Value, Fault> {
    let end = path.find(['.', '[']).unwrap_or(path.len());
    let (name, mut rest) = path.split_at(end);
    let by_place = |at: usize| {
        let found = args.positional.get(at).cloned();
        found.ok_or_else(|| Fault::of(format!("the format string wants argument {at}, which is not given")))
    };
    let mut value = match (name, name.parse::<usize>()) {
        ("", _) => {
            *next_index += 1;
            by_place(*next_index - 1)?
        }
        (_, Ok(at)) => by_place(at)?,
        (name, _) => {
            let found = args.named.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
            found.ok_or_else(|| Fault::of(format!("the format string wants '{name}', which is not given")))?
        }
    };
    while !rest.is_empty() {
        run.spend(1)?;
        if let Some(inside) = rest.strip_prefix('[') {
            let (key, after) = inside.split_once(']').ok_or_else(|| Fault::of("Missing ']' in format string"))?;
            let key = key.parse().map_or_else(|_| run.text(key), |at| Ok(Value::Int(at)))?;
            value = subscript::item(run, &value, &key)?;
            rest = after;
        } else {
            let inside = rest.strip_prefix('.').ok_or_else(|| Fault::of("expected '.' or '[' in format string"))?;
            let end = inside.find(['.', '[']).unwrap_or(inside.len());
            value = run.attribute(&value, &inside[..end])?;
            rest = &inside[end..];
        }
    }
    value.defined()?;
    Ok(value)
}
