//! One rendering: what it may still spend, its variables, and what it has written.

use super::Fault;
use super::ast::Statement;
use super::value::{Dict, Frame, List, Value};
use jiff::civil::DateTime;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// Steps of a rendering; the largest real templates take some thousands. Some tenths of a second.
const FUEL: usize = 1_000_000;
/// Bytes that a rendering may make in all, and how many more for each byte that it was given.
const BYTES: usize = 48 << 20;
const BYTES_PER_BYTE: usize = 16;
/// Bytes that are handled in one step.
const BYTES_PER_STEP: usize = 64;
/// Calls, blocks and operators within each other, while rendering.
const DEEPEST: usize = 3000;
/// Lists in lists.
const DEEPEST_VALUE: usize = 48;

pub(super) struct Run {
    fuel: Cell<usize>,
    bytes: Cell<usize>,
    depth: Cell<usize>,
    /// The text so far; the last is that of the innermost block whose text is caught.
    out: RefCell<Vec<String>>,
    now: DateTime,
}

impl Run {
    pub fn new(variables: &[(String, Value)], now: DateTime) -> Self {
        let given: usize = variables.iter().map(|(_, value)| value.size()).sum();
        Run {
            fuel: Cell::new(FUEL.saturating_add(given)),
            bytes: Cell::new(BYTES.saturating_add(given.saturating_mul(BYTES_PER_BYTE))),
            depth: Cell::new(0),
            out: RefCell::new(vec![String::new()]),
            now,
        }
    }

    pub fn template(&self, body: &[Statement], variables: Vec<(String, Value)>) -> Result<String, Fault> {
        let root = Frame::root(variables.into_iter().collect());
        // What the template sets lies above what it was given, as macros may be called from anywhere.
        let frame = Frame::inside(&root);
        self.statements(body, &frame)?;
        Ok(self.out.borrow_mut().pop().unwrap_or_default())
    }

    pub fn now(&self) -> DateTime {
        self.now
    }

    /// Pays for steps.
    pub fn spend(&self, steps: usize) -> Result<(), Fault> {
        match self.fuel.get().checked_sub(steps) {
            Some(left) => {
                self.fuel.set(left);
                Ok(())
            }
            None => Err(Fault::of("it takes too many steps")),
        }
    }

    /// Pays for looking at so many bytes.
    pub fn look(&self, bytes: usize) -> Result<(), Fault> {
        self.spend(1 + bytes / BYTES_PER_STEP)
    }

    /// Pays for bytes, before they are made.
    pub fn room(&self, bytes: usize) -> Result<(), Fault> {
        self.look(bytes)?;
        match self.bytes.get().checked_sub(bytes) {
            Some(left) => {
                self.bytes.set(left);
                Ok(())
            }
            None => Err(Fault::of("it makes too much text or too many values")),
        }
    }

    /// One level deeper.
    pub fn nested<T>(&self, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        self.spend(1)?;
        if self.depth.get() == DEEPEST {
            return Err(Fault::of(format!("it nests deeper than {DEEPEST} levels")));
        }
        self.depth.set(self.depth.get() + 1);
        let done = work();
        self.depth.set(self.depth.get() - 1);
        done
    }

    pub fn text(&self, text: impl AsRef<str>) -> Result<Value, Fault> {
        let text = text.as_ref();
        self.room(text.len())?;
        Ok(Value::Text(Arc::from(text)))
    }

    pub fn list(&self, items: Vec<Value>) -> Result<Value, Fault> {
        self.sequence(items, false)
    }

    pub fn tuple(&self, items: Vec<Value>) -> Result<Value, Fault> {
        self.sequence(items, true)
    }

    pub fn sequence(&self, items: Vec<Value>, tuple: bool) -> Result<Value, Fault> {
        self.room_for(items.len())?;
        let depth = self.depth_above(items.iter())?;
        let tied = items.iter().any(Value::is_tied);
        Ok(Value::List(Rc::new(List { items, tuple, depth, tied })))
    }

    /// Pays for so many values, before they are made.
    pub fn room_for(&self, values: usize) -> Result<(), Fault> {
        self.spend(values)?;
        self.room(values.saturating_add(2).saturating_mul(size_of::<Value>()))
    }

    /// A dict; of equal keys the last wins, in the place of the first.
    pub fn dict(&self, entries: Vec<(Value, Value)>) -> Result<Value, Fault> {
        self.room_for(entries.len().saturating_mul(2))?;
        let mut unique: Vec<(Value, Value)> = Vec::with_capacity(entries.len());
        let mut places: HashMap<Key, usize> = HashMap::new();
        for (key, value) in entries {
            self.look(key.as_text().map_or(0, |text| text.len()))?;
            match places.entry(Key::of(&key)?) {
                std::collections::hash_map::Entry::Occupied(place) => unique[*place.get()].1 = value,
                std::collections::hash_map::Entry::Vacant(place) => {
                    place.insert(unique.len());
                    unique.push((key, value));
                }
            }
        }
        let depth = self.depth_above(unique.iter().map(|(_, value)| value))?;
        let tied = unique.iter().any(|(_, value)| value.is_tied());
        Ok(Value::Dict(Rc::new(Dict { entries: unique, depth, tied })))
    }

    fn depth_above<'v>(&self, inside: impl Iterator<Item = &'v Value>) -> Result<usize, Fault> {
        let depth = 1 + inside.map(Value::depth).max().unwrap_or(0);
        match depth > DEEPEST_VALUE {
            true => Err(Fault::of(format!("a value nests deeper than {DEEPEST_VALUE} levels"))),
            false => Ok(depth),
        }
    }

    /// Writes text.
    pub fn write(&self, text: &str) -> Result<(), Fault> {
        self.room(text.len())?;
        if let Some(out) = self.out.borrow_mut().last_mut() {
            out.push_str(text);
        }
        Ok(())
    }

    /// The text that `work` writes.
    pub fn caught(&self, work: impl FnOnce() -> Result<(), Fault>) -> Result<Value, Fault> {
        self.out.borrow_mut().push(String::new());
        let done = work();
        let text = self.out.borrow_mut().pop().unwrap_or_default();
        done?;
        self.text(text)
    }
}

/// What makes two keys of a dict the same.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    None,
    Int(i64),
    Float(u64),
    Text(Arc<str>),
    Tuple(Vec<Key>),
}

impl Key {
    fn of(value: &Value) -> Result<Key, Fault> {
        Ok(match value {
            Value::None => Key::None,
            Value::Bool(flag) => Key::Int(i64::from(*flag)),
            Value::Int(number) => Key::Int(*number),
            Value::Float(number) if number.fract() == 0.0 && number.abs() < 9e15 => Key::Int(*number as i64),
            Value::Float(number) => Key::Float(number.to_bits()),
            Value::Text(text) => Key::Text(text.clone()),
            Value::List(list) if list.tuple => Key::Tuple(list.items.iter().map(Key::of).collect::<Result<_, _>>()?),
            other => return Err(Fault::of(format!("unhashable type: {}", other.kind()))),
        })
    }
}
