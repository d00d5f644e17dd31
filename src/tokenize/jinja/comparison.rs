//! What needs more than one value: entries, items, equality and order. All of it is paid for.

use super::Fault;
use super::run::Run;
use super::value::Value;
use std::cmp::Ordering;
use std::rc::Rc;

impl Value {
    /// The entry of a dict.
    pub fn entry(&self, run: &Run, key: &Value) -> Result<Option<Value>, Fault> {
        let Value::Dict(dict) = self else { return Ok(None) };
        for (known, value) in &dict.entries {
            if known.equals(run, key)? {
                return Ok(Some(value.clone()));
            }
        }
        Ok(None)
    }

    /// What a loop goes over: the items of a list, the keys of a dict, the characters of a text.
    pub fn iterate(&self, run: &Run) -> Result<Vec<Value>, Fault> {
        match self {
            Value::Undefined(_) => Ok(Vec::new()),
            Value::List(list) => {
                run.room_for(list.items.len())?;
                Ok(list.items.clone())
            }
            Value::Dict(dict) => {
                run.room_for(dict.entries.len())?;
                Ok(dict.entries.iter().map(|(key, _)| key.clone()).collect())
            }
            Value::Text(text) => {
                run.room_for(text.len().saturating_mul(2))?;
                let mut buffer = [0; 4];
                Ok(text.chars().map(|c| Value::from(&*c.encode_utf8(&mut buffer))).collect())
            }
            Value::Loop(_) => Err(Fault::of("`loop` cannot be gone over")),
            other => Err(Fault::of(format!("'{}' object is not iterable", other.kind()))),
        }
    }

    pub fn equals(&self, run: &Run, other: &Value) -> Result<bool, Fault> {
        run.spend(1)?;
        Ok(match (self, other) {
            (Value::Undefined(_), Value::Undefined(_)) | (Value::None, Value::None) => true,
            (Value::Text(a), Value::Text(b)) => {
                if a.len() == b.len() {
                    run.look(a.len())?;
                }
                a == b
            }
            (Value::List(a), Value::List(b)) => {
                if a.tuple != b.tuple || a.items.len() != b.items.len() {
                    return Ok(false);
                }
                for (a, b) in a.items.iter().zip(&b.items) {
                    if !a.equals(run, b)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Value::Dict(a), Value::Dict(b)) => {
                if a.entries.len() != b.entries.len() {
                    return Ok(false);
                }
                for (key, value) in &a.entries {
                    match other.entry(run, key)? {
                        Some(found) if found.equals(run, value)? => {}
                        _ => return Ok(false),
                    }
                }
                true
            }
            (Value::Namespace(a), Value::Namespace(b)) => Rc::ptr_eq(a, b),
            (Value::Callable(a), Value::Callable(b)) => Rc::ptr_eq(a, b),
            (Value::Loop(a), Value::Loop(b)) => Rc::ptr_eq(a, b),
            _ => match (self.as_int(), other.as_int()) {
                (Some(a), Some(b)) => a == b,
                _ => self.as_float().zip(other.as_float()).is_some_and(|(a, b)| a == b),
            },
        })
    }

    /// Python's order; other types than numbers, texts and lists have none.
    pub fn order(&self, run: &Run, other: &Value) -> Result<Ordering, Fault> {
        run.spend(1)?;
        match (self, other) {
            (Value::Text(a), Value::Text(b)) => {
                run.look(a.len().min(b.len()))?;
                Ok(a.cmp(b))
            }
            (Value::List(a), Value::List(b)) if a.tuple == b.tuple => {
                for (a, b) in a.items.iter().zip(&b.items) {
                    if !a.equals(run, b)? {
                        return a.order(run, b);
                    }
                }
                Ok(a.items.len().cmp(&b.items.len()))
            }
            _ => {
                let numbers = match (self.as_int(), other.as_int()) {
                    (Some(a), Some(b)) => Some(a.cmp(&b)),
                    _ => self.as_float().zip(other.as_float()).and_then(|(a, b)| a.partial_cmp(&b)),
                };
                numbers.ok_or_else(|| {
                    self.defined()
                        .and(other.defined())
                        .err()
                        .unwrap_or_else(|| Fault::of(format!("'{}' and '{}' have no order", self.kind(), other.kind())))
                })
            }
        }
    }
}
