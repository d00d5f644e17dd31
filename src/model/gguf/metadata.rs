//! The metadata of a GGUF file: keys and typed values.

use super::cursor::Cursor;
use super::{Gguf, bad};
use crate::error::{Code, Error, Result};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

/// A value. Arrays are decoded when they are asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Whole(i128),
    Real(f64),
    Flag(bool),
    Text(String),
    Array { kind: u32, len: u64, start: usize },
}

const TEXT: u32 = 8;
const ARRAY: u32 = 9;

/// Bytes of a value of a type, at least; `None` for a type that GGUF does not have.
fn least_bytes(kind: u32) -> Option<u64> {
    Some(match kind {
        0 | 1 | 7 => 1,
        2 | 3 => 2,
        4..=6 => 4,
        TEXT | 10..=12 => 8,
        ARRAY => 12,
        _ => return None,
    })
}

pub(super) fn read(cursor: &mut Cursor<'_>, count: u64) -> Result<HashMap<String, Value>> {
    let mut metadata = HashMap::new();
    for _ in 0..count {
        let key = cursor.text("a metadata key")?.into_owned();
        let kind = cursor.u32("a metadata type")?;
        let value = value(cursor, kind, &key)?;
        if metadata.insert(key.clone(), value).is_some() {
            return Err(bad(format!("metadata has `{key}` twice")).with("key", key));
        }
    }
    Ok(metadata)
}

fn value(cursor: &mut Cursor<'_>, kind: u32, key: &str) -> Result<Value> {
    match kind {
        TEXT => Ok(Value::Text(cursor.text(key)?.into_owned())),
        ARRAY => array(cursor, key),
        _ => scalar(cursor, kind, key),
    }
}

fn scalar(cursor: &mut Cursor<'_>, kind: u32, key: &str) -> Result<Value> {
    let Some(len) = least_bytes(kind) else {
        return Err(bad(format!("metadata `{key}` has the type {kind}, which GGUF does not have")).with("key", key));
    };
    let bytes = cursor.take(len, key)?;
    let mut wide = [0u8; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    let unsigned = u64::from_le_bytes(wide);
    // Shifted up and down again, the sign is that of the narrow number.
    let signed = |bits: u32| (unsigned << (64 - bits)) as i64 >> (64 - bits);
    Ok(match kind {
        1 => Value::Whole(i128::from(signed(8))),
        3 => Value::Whole(i128::from(signed(16))),
        5 => Value::Whole(i128::from(signed(32))),
        11 => Value::Whole(i128::from(signed(64))),
        6 => Value::Real(f64::from(f32::from_bits(unsigned as u32))),
        12 => Value::Real(f64::from_bits(unsigned)),
        7 => Value::Flag(unsigned != 0),
        _ => Value::Whole(i128::from(unsigned)),
    })
}

/// Checks that an array lies in the file, and remembers where.
fn array(cursor: &mut Cursor<'_>, key: &str) -> Result<Value> {
    let kind = cursor.u32(key)?;
    let len = cursor.u64(key)?;
    let start = cursor.at();
    let Some(each) = least_bytes(kind).filter(|_| kind != ARRAY) else {
        return Err(
            bad(format!("metadata `{key}` is an array of type {kind}; expected numbers or texts")).with("key", key)
        );
    };
    let least = len.saturating_mul(each);
    if least > cursor.left() {
        let left = cursor.left();
        let message = format!("metadata `{key}` has {len} elements, at least {least} bytes; the file has {left} left");
        return Err(bad(message).with("key", key));
    }
    match kind {
        TEXT => (0..len).try_for_each(|_| cursor.text(key).map(drop))?,
        _ => drop(cursor.take(least, key)?),
    }
    Ok(Value::Array { kind, len, start })
}

impl Gguf {
    /// A text.
    pub(crate) fn text(&self, key: &str) -> Result<Option<&str>> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(key, other, "a text")),
        }
    }

    /// A whole number, 0 or more.
    pub(crate) fn whole(&self, key: &str) -> Result<Option<u64>> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(value @ Value::Whole(n)) => {
                u64::try_from(*n).map(Some).map_err(|_| self.wrong(key, value, "0 or more"))
            }
            Some(other) => Err(self.wrong(key, other, "a whole number")),
        }
    }

    /// A number.
    pub(crate) fn real(&self, key: &str) -> Result<Option<f64>> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(Value::Real(x)) => Ok(Some(*x)),
            Some(Value::Whole(n)) => Ok(Some(*n as f64)),
            Some(other) => Err(self.wrong(key, other, "a number")),
        }
    }

    /// A yes or no.
    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(Value::Flag(flag)) => Ok(Some(*flag)),
            Some(other) => Err(self.wrong(key, other, "true or false")),
        }
    }

    /// An array of texts.
    pub(crate) fn texts(&self, key: &str) -> Result<Option<Vec<Cow<'_, str>>>> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(Value::Array { kind: TEXT, len, start }) => {
                let mut cursor = Cursor::starting(&self.header, *start);
                (0..*len).map(|_| cursor.text(key)).collect::<Result<_>>().map(Some)
            }
            Some(other) => Err(self.wrong(key, other, "an array of texts")),
        }
    }

    /// An array of numbers.
    pub(crate) fn numbers(&self, key: &str) -> Result<Option<Vec<f64>>> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(found @ Value::Array { kind, len, start }) if *kind != TEXT => {
                let mut cursor = Cursor::starting(&self.header, *start);
                let one = |_| match scalar(&mut cursor, *kind, key)? {
                    Value::Whole(n) => Ok(n as f64),
                    Value::Real(x) => Ok(x),
                    _ => Err(self.wrong(key, found, "an array of numbers")),
                };
                (0..*len).map(one).collect::<Result<_>>().map(Some)
            }
            Some(other) => Err(self.wrong(key, other, "an array of numbers")),
        }
    }

    /// What a key must have.
    pub(crate) fn required<T>(&self, key: &str, value: Result<Option<T>>) -> Result<T> {
        value?.ok_or_else(|| self.error(Code::ModelFormat, format!("metadata has no `{key}`")).with("key", key))
    }

    fn wrong(&self, key: &str, found: &Value, expected: &str) -> Error {
        self.error(Code::ModelFormat, format!("metadata `{key}` is {found}; expected {expected}")).with("key", key)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Whole(n) => write!(f, "{n}"),
            Value::Real(x) => write!(f, "{x}"),
            Value::Flag(flag) => write!(f, "{flag}"),
            Value::Text(text) => write!(f, "{:?}", text.chars().take(40).collect::<String>()),
            Value::Array { len, .. } => write!(f, "an array of {len}"),
        }
    }
}
