//! Python's two ways to put values into a text: `'%s' % x` and `'{}'.format(x)`.

use super::Fault;
use super::arguments::Args;
use super::run::Run;
use super::subscript;
use super::text;
use super::value::Value;
use std::sync::Arc;

/// No number is written with more digits.
const MOST_DIGITS: usize = 1000;

/// How one value is written.
#[derive(Default)]
struct Spec {
    fill: Option<char>,
    align: Option<char>,
    sign: Option<char>,
    alternate: bool,
    width: usize,
    grouping: Option<char>,
    precision: Option<usize>,
    kind: Option<char>,
}

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
        let mut spec = Spec::default();
        let mut chars = rest[at + 1..].chars();
        let mut named = None;
        if let Some(inside) = chars.as_str().strip_prefix('(') {
            let (name, after) = inside.split_once(')').ok_or_else(|| Fault::of("incomplete format key"))?;
            by_name = true;
            let value = values.entry(run, &run.text(name)?)?;
            named = Some(value.ok_or_else(|| Fault::of(format!("the format key '{name}' is not given")))?);
            chars = after.chars();
        }
        let starred = |positional: &mut std::slice::Iter<'_, Value>| -> Result<i64, Fault> {
            positional.next().and_then(Value::as_int).ok_or_else(|| Fault::of("* wants int"))
        };
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
        if next == Some('*') {
            let width = starred(&mut positional)?;
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
                precision = usize::try_from(starred(&mut positional)?).unwrap_or(0);
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
        rest = chars.as_str();
        if kind == '%' {
            push(run, &mut out, "%")?;
            continue;
        }
        let value = match named {
            Some(value) => value,
            None => positional.next().cloned().ok_or_else(|| Fault::of("not enough arguments for format string"))?,
        };
        let written = percent_value(run, kind, &mut spec, &value)?;
        push(run, &mut out, &written)?;
    }
    push(run, &mut out, rest)?;
    if positional.next().is_some() && !by_name && !matches!(values, Value::Dict(_)) {
        return Err(Fault::of("not all arguments converted during string formatting"));
    }
    Ok(Value::Text(out.into()))
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

fn digits(first: Option<char>, chars: &mut std::str::Chars<'_>) -> (usize, Option<char>) {
    let (mut number, mut next) = (0usize, first);
    while let Some(digit) = next.and_then(|c| c.to_digit(10)) {
        number = number.saturating_mul(10).saturating_add(digit as usize);
        next = chars.next();
    }
    (number, next)
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

impl Spec {
    /// `[[fill]align][sign][#][0][width][grouping][.precision][type]`.
    fn parse(text: &str) -> Result<Self, Fault> {
        let mut spec = Spec::default();
        let mut chars = text.chars();
        let is_align = |c: &char| "<>=^".contains(*c);
        let mut ahead = chars.clone();
        let (first, second) = (ahead.next(), ahead.next());
        if second.as_ref().is_some_and(is_align) {
            (spec.fill, spec.align) = (first, second);
            chars = ahead;
        } else if first.as_ref().is_some_and(is_align) {
            spec.align = first;
            chars.next();
        }
        let mut next = chars.next();
        if let Some(sign) = next.filter(|c| "+- ".contains(*c)) {
            spec.sign = Some(sign).filter(|sign| *sign != '-');
            next = chars.next();
        }
        if next == Some('#') {
            spec.alternate = true;
            next = chars.next();
        }
        if next == Some('0') && spec.align.is_none() {
            (spec.fill, spec.align) = (Some('0'), Some('='));
        }
        (spec.width, next) = digits(next, &mut chars);
        if let Some(mark) = next.filter(|c| matches!(c, ',' | '_')) {
            spec.grouping = Some(mark);
            next = chars.next();
        }
        if next == Some('.') {
            let (precision, after) = digits(chars.next(), &mut chars);
            spec.precision = Some(precision);
            next = after;
        }
        spec.kind = next;
        match chars.next() {
            None => Ok(spec),
            Some(_) => Err(Fault::of(format!("Invalid format specifier '{text}'"))),
        }
    }

    fn write(&mut self, run: &Run, value: &Value) -> Result<String, Fault> {
        let refused = |kind: char| Err(Fault::of(format!("Unknown format code '{kind}' for {}", value.kind())));
        match (value, self.kind) {
            (Value::Text(text), None | Some('s')) => self.text(run, text),
            (Value::Int(number), None | Some('d' | 'x' | 'X' | 'o' | 'b')) => self.integer(run, *number),
            (Value::Int(_) | Value::Float(_), Some('e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%'))
            | (Value::Float(_), None) => self.float(run, value.as_float().unwrap_or_default()),
            (Value::Bool(_) | Value::None | Value::List(_) | Value::Dict(_), None) => {
                let text = value.to_text(run)?;
                self.text(run, &text)
            }
            (_, Some(kind)) => refused(kind),
            (_, None) => refused('s'),
        }
    }

    fn text(&self, run: &Run, text: &str) -> Result<String, Fault> {
        let cut: String = match self.precision {
            Some(most) => text.chars().take(most).collect(),
            None => text.to_owned(),
        };
        self.padded(run, "", cut, '<')
    }

    fn integer(&self, run: &Run, number: i64) -> Result<String, Fault> {
        let magnitude = number.unsigned_abs();
        let (prefix, digits) = match self.kind {
            Some('x') => ("0x", format!("{magnitude:x}")),
            Some('X') => ("0X", format!("{magnitude:X}")),
            Some('o') => ("0o", format!("{magnitude:o}")),
            Some('b') => ("0b", format!("{magnitude:b}")),
            _ => ("", magnitude.to_string()),
        };
        self.number(run, number < 0, if self.alternate { prefix } else { "" }, digits)
    }

    fn float(&self, run: &Run, number: f64) -> Result<String, Fault> {
        let precision = self.precision.unwrap_or(6);
        if precision > MOST_DIGITS {
            return Err(Fault::of("a precision is too large"));
        }
        let magnitude = number.abs();
        let upper = matches!(self.kind, Some('E' | 'F' | 'G'));
        let digits = if !number.is_finite() {
            text::float(magnitude)
        } else {
            match self.kind {
                None if self.precision.is_none() => text::float(magnitude),
                Some('e' | 'E') => scientific(magnitude, precision),
                Some('%') => format!("{:.precision$}%", magnitude * 100.0),
                Some('g' | 'G') | None => general(magnitude, precision.max(1), self.kind.is_none()),
                _ => format!("{magnitude:.precision$}"),
            }
        };
        let digits = if upper { digits.to_uppercase() } else { digits };
        self.number(run, number.is_sign_negative() && !number.is_nan(), "", digits)
    }

    fn number(&self, run: &Run, negative: bool, prefix: &str, mut digits: String) -> Result<String, Fault> {
        if let Some(mark) = self.grouping {
            let whole = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
            for at in (1..whole).rev().filter(|at| (whole - at) % 3 == 0) {
                digits.insert(at, mark);
            }
        }
        let sign = match (negative, self.sign) {
            (true, _) => "-",
            (false, Some('+')) => "+",
            (false, Some(' ')) => " ",
            (false, _) => "",
        };
        self.padded(run, &format!("{sign}{prefix}"), digits, '>')
    }

    /// Fills up to the width; `head` (sign and prefix) stays before zeros.
    fn padded(&self, run: &Run, head: &str, text: String, align: char) -> Result<String, Fault> {
        let length = head.chars().count() + text.chars().count();
        let missing = self.width.saturating_sub(length);
        let fill = self.fill.unwrap_or(' ');
        run.room(missing.saturating_mul(fill.len_utf8()).saturating_add(text.len()))?;
        let filling = |count: usize| fill.to_string().repeat(count);
        Ok(match self.align.unwrap_or(align) {
            '<' => format!("{head}{text}{}", filling(missing)),
            '^' => format!("{}{head}{text}{}", filling(missing / 2), filling(missing - missing / 2)),
            '=' => format!("{head}{}{text}", filling(missing)),
            _ => format!("{}{head}{text}", filling(missing)),
        })
    }
}

fn scientific(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    format!("{digits}e{}", text::signed_exponent(exponent.parse().unwrap_or(0)))
}

/// `%g`: as few digits as `precision` allows, without zeros at the end.
fn general(number: f64, precision: usize, keeps_point: bool) -> String {
    let exponent: i32 = match number == 0.0 {
        true => 0,
        false => format!("{number:.*e}", precision - 1).split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0),
    };
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if exponent < -4 || exponent >= precision as i32 {
        let text = scientific(number, precision - 1);
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "+00"));
        return format!("{}e{exponent}", trimmed(digits));
    }
    let decimals = usize::try_from(precision as i32 - 1 - exponent).unwrap_or(0);
    let text = trimmed(&format!("{number:.decimals$}"));
    if keeps_point && !text.contains('.') { text + ".0" } else { text }
}
