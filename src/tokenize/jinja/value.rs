//! What expressions give: Python's values, of which none can contain itself.

use super::Fault;
use super::ast::{For, Macro};
use super::run::{Frame, Run};
use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::rc::{Rc, Weak};
use std::sync::Arc;

#[derive(Clone)]
pub(super) enum Value {
    /// What is not there, and why.
    Undefined(Arc<str>),
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    List(Rc<List>),
    Dict(Rc<Dict>),
    Namespace(Rc<RefCell<Vec<(String, Value)>>>),
    Callable(Rc<Callable>),
    Loop(Rc<Loop>),
}

pub(super) struct List {
    pub items: Vec<Value>,
    pub tuple: bool,
    /// How deep lists lie in it, itself included.
    pub depth: usize,
    /// Whether something in it can change or refers to variables; a namespace must not hold such a thing.
    pub tied: bool,
}

pub(super) struct Dict {
    pub entries: Vec<(Value, Value)>,
    pub depth: usize,
    pub tied: bool,
}

pub(super) enum Callable {
    Function(&'static str),
    Method(Value, String),
    Macro { declaration: Arc<Macro>, frame: Weak<Frame> },
    Joiner { separator: Value, used: Cell<bool> },
    Cycler { items: Vec<Value>, at: Cell<usize> },
}

/// The variable `loop`.
pub(super) struct Loop {
    pub items: Rc<Vec<Value>>,
    pub index: Cell<usize>,
    pub depth: usize,
    pub last_changed: RefCell<Option<Vec<Value>>>,
    /// For `recursive` loops: what `loop(…)` runs, and where.
    pub again: Option<(Arc<For>, Weak<Frame>)>,
}

impl From<&serde_json::Value> for Value {
    fn from(json: &serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match json {
            Json::Null => Value::None,
            Json::Bool(flag) => Value::Bool(*flag),
            Json::Number(number) => {
                number.as_i64().map_or_else(|| Value::Float(number.as_f64().unwrap_or_default()), Value::Int)
            }
            Json::String(text) => Value::from(text.as_str()),
            Json::Array(items) => {
                let items: Vec<Value> = items.iter().map(Value::from).collect();
                let depth = 1 + items.iter().map(Value::depth).max().unwrap_or(0);
                Value::List(Rc::new(List { items, tuple: false, depth, tied: false }))
            }
            Json::Object(object) => {
                let entries: Vec<_> = object.iter().map(|(k, v)| (Value::from(k.as_str()), Value::from(v))).collect();
                let depth = 1 + entries.iter().map(|(_, value)| value.depth()).max().unwrap_or(0);
                Value::Dict(Rc::new(Dict { entries, depth, tied: false }))
            }
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(Arc::from(text))
    }
}

impl Value {
    pub fn undefined(name: &str) -> Self {
        Value::Undefined(Arc::from(format!("'{name}' is undefined")))
    }

    pub fn function(name: &'static str) -> Self {
        Value::Callable(Rc::new(Callable::Function(name)))
    }

    /// Python's name of the type.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Undefined(_) => "Undefined",
            Value::None => "NoneType",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::Text(_) => "str",
            Value::List(list) if list.tuple => "tuple",
            Value::List(_) => "list",
            Value::Dict(_) => "dict",
            Value::Namespace(_) => "Namespace",
            Value::Callable(_) => "function",
            Value::Loop(_) => "LoopContext",
        }
    }

    pub fn depth(&self) -> usize {
        match self {
            Value::List(list) => list.depth,
            Value::Dict(dict) => dict.depth,
            _ => 0,
        }
    }

    pub fn is_tied(&self) -> bool {
        match self {
            Value::List(list) => list.tied,
            Value::Dict(dict) => dict.tied,
            Value::Namespace(_) | Value::Callable(_) | Value::Loop(_) => true,
            _ => false,
        }
    }

    /// The bytes of text in it; of what a rendering is given, so it is small enough to be walked.
    pub fn size(&self) -> usize {
        match self {
            Value::Text(text) => text.len(),
            Value::List(list) => list.items.iter().map(Value::size).sum(),
            Value::Dict(dict) => dict.entries.iter().map(|(key, value)| key.size() + value.size()).sum(),
            _ => 1,
        }
    }

    pub fn is_true(&self) -> bool {
        match self {
            Value::Undefined(_) | Value::None => false,
            Value::Bool(flag) => *flag,
            Value::Int(number) => *number != 0,
            Value::Float(number) => *number != 0.0,
            Value::Text(text) => !text.is_empty(),
            Value::List(list) => !list.items.is_empty(),
            Value::Dict(dict) => !dict.entries.is_empty(),
            Value::Namespace(_) | Value::Callable(_) | Value::Loop(_) => true,
        }
    }

    pub fn as_text(&self) -> Option<&Arc<str>> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// An integer, where Python takes a bool for one too.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            Value::Bool(flag) => Some(i64::from(*flag)),
            _ => None,
        }
    }

    pub fn as_float(&self) -> Option<f64> {
        match self {
            Value::Float(number) => Some(*number),
            other => other.as_int().map(|number| number as f64),
        }
    }

    /// Refuses what is not there.
    pub fn defined(&self) -> Result<&Self, Fault> {
        match self {
            Value::Undefined(why) => Err(Fault::of(&**why)),
            value => Ok(value),
        }
    }

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
