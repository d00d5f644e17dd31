//! The filters by name: those on texts are in `text_filters`, those on lists in `list_filters`, those on any value and on
//! numbers here.

use super::Fault;
use super::arguments::{Args, Filter, flag, integer, text};
use super::run::Run;
use super::value::Value;
use super::{list_filters, methods, text_filters};

const FILTERS: &[(&str, Filter)] = &[
    ("abs", abs),
    ("attr", attr),
    ("count", length),
    ("d", default),
    ("default", default),
    ("float", float),
    ("int", int),
    ("items", items),
    ("length", length),
    ("round", round),
];

/// The filter of that name.
pub(super) fn find(name: &str) -> Option<Filter> {
    let mut tables = [FILTERS, text_filters::FILTERS, list_filters::FILTERS].into_iter().flatten();
    tables.find(|(known, _)| *known == name).map(|(_, filter)| *filter)
}

impl Run {
    /// A filter by its name, for those that take other filters.
    pub(super) fn filter_named(&self, name: &str) -> Option<Filter> {
        find(name)
    }

    pub(super) fn filter(&self, name: &str, value: Value, args: Args) -> Result<Value, Fault> {
        let filter = find(name).ok_or_else(|| Fault::of(format!("there is no filter `{name}`")))?;
        filter(self, name, value, args)
    }
}

fn abs(_: &Run, _: &str, value: Value, _: Args) -> Result<Value, Fault> {
    match (value.as_int(), value.as_float()) {
        (Some(number), _) => number.checked_abs().map(Value::Int).ok_or_else(|| Fault::of("an integer is too large")),
        (None, Some(number)) => Ok(Value::Float(number.abs())),
        _ => Err(Fault::of(format!("bad operand type for abs(): '{}'", value.defined()?.kind()))),
    }
}

/// Attributes only, never entries, as in Jinja2.
fn attr(run: &Run, _: &str, value: Value, args: Args) -> Result<Value, Fault> {
    let [name] = args.bind(["name"])?;
    let name = text(name)?.ok_or_else(|| Fault::of("attr needs a name"))?;
    match &value {
        Value::Dict(_) if !value.has_method(&name) => Ok(Value::undefined(&name)),
        _ => run.attribute(&value, &name),
    }
}

fn default(_: &Run, _: &str, value: Value, args: Args) -> Result<Value, Fault> {
    let [default, boolean] = args.bind(["default_value", "boolean"])?;
    let missing = matches!(value, Value::Undefined(_)) || (flag(boolean) && !value.is_true());
    Ok(if missing { default.unwrap_or_else(|| Value::from("")) } else { value })
}

fn float(_: &Run, _: &str, value: Value, args: Args) -> Result<Value, Fault> {
    let [default] = args.bind(["default"])?;
    let parsed = match &value {
        Value::Text(text) => text.trim().replace('_', "").parse().ok(),
        other => other.as_float(),
    };
    value.defined()?;
    Ok(parsed.map(Value::Float).or(default).unwrap_or(Value::Float(0.0)))
}

fn length(run: &Run, _: &str, value: Value, args: Args) -> Result<Value, Fault> {
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

fn items(run: &Run, _: &str, value: Value, args: Args) -> Result<Value, Fault> {
    match &value {
        Value::Undefined(_) => run.list(Vec::new()),
        Value::Dict(_) => methods::call(run, &value, "items", args),
        _ => Err(Fault::of("Can only get item pairs from a mapping.")),
    }
}

fn int(_: &Run, _: &str, value: Value, args: Args) -> Result<Value, Fault> {
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

fn round(_: &Run, _: &str, value: Value, args: Args) -> Result<Value, Fault> {
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
