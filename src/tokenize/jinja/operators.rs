//! Operators as Python has them.

use super::Fault;
use super::ast::Binary;
use super::format;
use super::run::Run;
use super::value::Value;

pub(super) fn binary(run: &Run, operator: Binary, left: &Value, right: &Value) -> Result<Value, Fault> {
    match (operator, left, right) {
        (Binary::Concat, ..) => concat(run, left, right),
        (Binary::Add, Value::Text(a), Value::Text(b)) => joined(run, a, b),
        (Binary::Add, Value::List(a), Value::List(b)) if a.tuple == b.tuple => {
            run.room_for(a.items.len() + b.items.len())?;
            run.sequence(a.items.iter().chain(&b.items).cloned().collect(), a.tuple)
        }
        (Binary::Multiply, Value::Text(_) | Value::List(_), _) if right.as_int().is_some() => {
            repeated(run, left, right)
        }
        (Binary::Multiply, _, Value::Text(_) | Value::List(_)) if left.as_int().is_some() => repeated(run, right, left),
        (Binary::Remainder, Value::Text(pattern), _) => format::percent(run, pattern, right),
        _ => arithmetic(operator, left, right),
    }
}

fn joined(run: &Run, a: &str, b: &str) -> Result<Value, Fault> {
    run.room(a.len() + b.len())?;
    Ok(Value::Text([a, b].concat().into()))
}

fn concat(run: &Run, left: &Value, right: &Value) -> Result<Value, Fault> {
    joined(run, &left.to_text(run)?, &right.to_text(run)?)
}

fn repeated(run: &Run, of: &Value, times: &Value) -> Result<Value, Fault> {
    let times = usize::try_from(times.as_int().unwrap_or_default().max(0)).unwrap_or(usize::MAX);
    match of {
        Value::Text(text) => {
            run.room(text.len().saturating_mul(times))?;
            Ok(Value::Text(text.repeat(if text.is_empty() { 0 } else { times }).into()))
        }
        Value::List(list) => {
            run.room_for(list.items.len().saturating_mul(times))?;
            let times = if list.items.is_empty() { 0 } else { times };
            run.sequence(std::iter::repeat_n(&list.items, times).flatten().cloned().collect(), list.tuple)
        }
        _ => Err(Fault::of("only strings and lists can be repeated")),
    }
}

fn arithmetic(operator: Binary, left: &Value, right: &Value) -> Result<Value, Fault> {
    let too_large = || Fault::of("an integer is too large");
    if let (Some(a), Some(b)) = (left.as_int(), right.as_int()) {
        let by_zero = || Fault::of("division by zero");
        return match operator {
            Binary::Add => a.checked_add(b).ok_or_else(too_large).map(Value::Int),
            Binary::Subtract => a.checked_sub(b).ok_or_else(too_large).map(Value::Int),
            Binary::Multiply => a.checked_mul(b).ok_or_else(too_large).map(Value::Int),
            Binary::Divide if b == 0 => Err(by_zero()),
            Binary::Divide => Ok(Value::Float(a as f64 / b as f64)),
            Binary::FloorDivide | Binary::Remainder if b == 0 => Err(by_zero()),
            Binary::FloorDivide => {
                let quotient = a.checked_div(b).ok_or_else(too_large)?;
                Ok(Value::Int(quotient - i64::from(a.wrapping_rem(b) != 0 && (a < 0) != (b < 0))))
            }
            Binary::Remainder => {
                let rest = a.wrapping_rem(b);
                Ok(Value::Int(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }))
            }
            Binary::Power => match u32::try_from(b) {
                Ok(exponent) => a.checked_pow(exponent).ok_or_else(too_large).map(Value::Int),
                Err(_) if b < 0 && a == 0 => Err(by_zero()),
                Err(_) if b < 0 => Ok(Value::Float((a as f64).powf(b as f64))),
                Err(_) => Err(too_large()),
            },
            Binary::Concat => Err(Fault::of("`~` is no arithmetic")),
        };
    }
    if let (Some(a), Some(b)) = (left.as_float(), right.as_float()) {
        if b == 0.0 && matches!(operator, Binary::Divide | Binary::FloorDivide | Binary::Remainder) {
            return Err(Fault::of("float division by zero"));
        }
        let remainder = || {
            let rest = a % b;
            if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }
        };
        return Ok(Value::Float(match operator {
            Binary::Add => a + b,
            Binary::Subtract => a - b,
            Binary::Multiply => a * b,
            Binary::Divide => a / b,
            Binary::FloorDivide => (a / b).floor(),
            Binary::Remainder => remainder(),
            Binary::Power => a.powf(b),
            Binary::Concat => return Err(Fault::of("`~` is no arithmetic")),
        }));
    }
    let (left, right) = (left.defined()?.kind(), right.defined()?.kind());
    let sign = match operator {
        Binary::Add => "+",
        Binary::Subtract => "-",
        Binary::Multiply => "*",
        Binary::Divide => "/",
        Binary::FloorDivide => "//",
        Binary::Remainder => "%",
        Binary::Power => "**",
        Binary::Concat => "~",
    };
    Err(Fault::of(format!("unsupported operand types for {sign}: '{left}' and '{right}'")))
}

pub(super) fn negative(value: &Value) -> Result<Value, Fault> {
    match (value.as_int(), value) {
        (Some(number), _) => number.checked_neg().map(Value::Int).ok_or_else(|| Fault::of("an integer is too large")),
        (None, Value::Float(number)) => Ok(Value::Float(-number)),
        (None, other) => Err(Fault::of(format!("bad operand type for unary -: '{}'", other.defined()?.kind()))),
    }
}

pub(super) fn positive(value: &Value) -> Result<Value, Fault> {
    match (value.as_int(), value) {
        (Some(number), _) => Ok(Value::Int(number)),
        (None, Value::Float(_)) => Ok(value.clone()),
        (None, other) => Err(Fault::of(format!("bad operand type for unary +: '{}'", other.defined()?.kind()))),
    }
}

/// `item in of`.
pub(super) fn contains(run: &Run, of: &Value, item: &Value) -> Result<bool, Fault> {
    match (of, item) {
        (Value::Text(text), Value::Text(part)) => {
            run.look(text.len() + part.len())?;
            Ok(text.contains(&**part))
        }
        (Value::Text(_), other) => {
            Err(Fault::of(format!("'in <string>' requires string as left operand, not {}", other.kind())))
        }
        (Value::Dict(_), _) => Ok(of.entry(run, item)?.is_some()),
        (Value::List(list), _) => {
            for found in &list.items {
                if found.equals(run, item)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        (Value::Undefined(_), _) => Ok(false),
        (other, _) => Err(Fault::of(format!("argument of type '{}' is not iterable", other.kind()))),
    }
}
