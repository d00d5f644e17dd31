//! What expressions give: Python's values, of which none can contain itself.

use super::Fault;
use super::ast::{For, Macro};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
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

/// Variables of a block.
pub(super) struct Frame {
    variables: RefCell<HashMap<String, Value>>,
    parent: Option<Rc<Frame>>,
}

impl Frame {
    /// The variables of a template.
    pub fn root(variables: HashMap<String, Value>) -> Rc<Frame> {
        Rc::new(Frame { variables: RefCell::new(variables), parent: None })
    }

    pub fn inside(parent: &Rc<Frame>) -> Rc<Frame> {
        Rc::new(Frame { variables: RefCell::default(), parent: Some(parent.clone()) })
    }

    pub fn set(&self, name: &str, value: Value) {
        self.variables.borrow_mut().insert(name.to_owned(), value);
    }

    pub fn get(&self, name: &str) -> Option<Value> {
        let mut frame = self;
        loop {
            if let Some(value) = frame.variables.borrow().get(name) {
                return Some(value.clone());
            }
            frame = frame.parent.as_deref()?;
        }
    }
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
}
