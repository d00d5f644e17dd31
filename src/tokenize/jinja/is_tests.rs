//! What can follow `is`.

use super::Fault;
use super::arguments::Args;
use super::operators;
use super::run::Run;
use super::value::Value;
use std::cmp::Ordering;
use std::rc::Rc;

const NAMES: [&str; 39] = [
    "boolean",
    "callable",
    "defined",
    "undefined",
    "divisibleby",
    "eq",
    "equalto",
    "==",
    "ne",
    "!=",
    "lt",
    "lessthan",
    "<",
    "le",
    "<=",
    "gt",
    "greaterthan",
    ">",
    "ge",
    ">=",
    "escaped",
    "even",
    "odd",
    "true",
    "false",
    "filter",
    "test",
    "float",
    "integer",
    "in",
    "iterable",
    "lower",
    "upper",
    "mapping",
    "none",
    "number",
    "sameas",
    "sequence",
    "string",
];

pub(super) fn is_known(name: &str) -> bool {
    NAMES.contains(&name)
}

pub(super) fn test(run: &Run, name: &str, value: &Value, args: Args) -> Result<bool, Fault> {
    let other = match name {
        "eq" | "equalto" | "==" | "ne" | "!=" | "lt" | "lessthan" | "<" | "le" | "<=" | "gt" | "greaterthan" | ">"
        | "ge" | ">=" | "divisibleby" | "sameas" | "in" => {
            let [other] = args.bind(["other"])?;
            other.ok_or_else(|| Fault::of(format!("the test `{name}` needs something to compare with")))?
        }
        _ => {
            let [] = args.bind([])?;
            Value::None
        }
    };
    let cased = |is: fn(char) -> bool, is_not: fn(char) -> bool| -> Result<bool, Fault> {
        let text = value.to_text(run)?;
        run.look(text.len())?;
        Ok(text.chars().any(is) && !text.chars().any(is_not))
    };
    let remainder = |by: i64| -> Result<bool, Fault> {
        let rest = operators::binary(run, super::ast::Binary::Remainder, value.defined()?, &Value::Int(by))?;
        Ok(!rest.is_true())
    };
    let name_of = || -> Result<String, Fault> { Ok(value.to_text(run)?.to_string()) };
    Ok(match name {
        "boolean" => matches!(value, Value::Bool(_)),
        "callable" => matches!(value, Value::Callable(_) | Value::Loop(_)),
        "defined" => !matches!(value, Value::Undefined(_)),
        "undefined" => matches!(value, Value::Undefined(_)),
        "divisibleby" => !operators::binary(run, super::ast::Binary::Remainder, value, &other)?.is_true(),
        "eq" | "equalto" | "==" => value.equals(run, &other)?,
        "ne" | "!=" => !value.equals(run, &other)?,
        "lt" | "lessthan" | "<" => value.order(run, &other)? == Ordering::Less,
        "le" | "<=" => value.order(run, &other)? != Ordering::Greater,
        "gt" | "greaterthan" | ">" => value.order(run, &other)? == Ordering::Greater,
        "ge" | ">=" => value.order(run, &other)? != Ordering::Less,
        "in" => operators::contains(run, &other, value)?,
        "escaped" => false,
        "even" => remainder(2)?,
        "odd" => !remainder(2)?,
        "true" => matches!(value, Value::Bool(true)),
        "false" => matches!(value, Value::Bool(false)),
        "filter" => run.filter_named(&name_of()?).is_some(),
        "test" => is_known(&name_of()?),
        "float" => matches!(value, Value::Float(_)),
        "integer" => matches!(value, Value::Int(_)),
        "number" => matches!(value, Value::Int(_) | Value::Float(_) | Value::Bool(_)),
        "iterable" => {
            matches!(value, Value::Undefined(_) | Value::Text(_) | Value::List(_) | Value::Dict(_) | Value::Loop(_))
        }
        "sequence" => matches!(value, Value::Undefined(_) | Value::Text(_) | Value::List(_) | Value::Dict(_)),
        "mapping" => matches!(value, Value::Dict(_)),
        "none" => matches!(value, Value::None),
        "string" => matches!(value, Value::Text(_)),
        "lower" => cased(char::is_lowercase, char::is_uppercase)?,
        "upper" => cased(char::is_uppercase, char::is_lowercase)?,
        "sameas" => same(value, &other),
        _ => return Err(Fault::of(format!("there is no test `{name}`"))),
    })
}

/// Python's `is`, where that can be told.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::None, Value::None) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::Text(a), Value::Text(b)) => a == b,
        (Value::List(a), Value::List(b)) => Rc::ptr_eq(a, b),
        (Value::Dict(a), Value::Dict(b)) => Rc::ptr_eq(a, b),
        (Value::Namespace(a), Value::Namespace(b)) => Rc::ptr_eq(a, b),
        _ => false,
    }
}
