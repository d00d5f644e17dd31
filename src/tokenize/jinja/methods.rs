//! Methods of values: those of strings are in `text_methods`; lists and dicts have the ones that change nothing.

use super::Fault;
use super::arguments::{Args, integer};
use super::run::Run;
use super::text_methods;
use super::value::{Callable, Dict, List, Loop, Value};

/// What a dict has in Python; those that would change it are known, and refused when called.
const DICT: [&str; 11] =
    ["get", "items", "keys", "values", "copy", "clear", "pop", "popitem", "setdefault", "update", "fromkeys"];
/// What a list has, likewise; the first two are what a tuple has.
const LIST: [&str; 11] =
    ["count", "index", "copy", "append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"];

impl Value {
    /// Whether it has a method of that name.
    pub(super) fn has_method(&self, name: &str) -> bool {
        match self {
            Value::Text(_) => text_methods::find(name).is_some(),
            Value::Dict(_) => DICT.contains(&name),
            Value::List(list) => LIST[..if list.tuple { 2 } else { LIST.len() }].contains(&name),
            Value::Loop(_) => ["cycle", "changed"].contains(&name),
            Value::Callable(callable) => match &**callable {
                Callable::Cycler { .. } => ["next", "reset"].contains(&name),
                _ => false,
            },
            _ => false,
        }
    }
}

pub(super) fn call(run: &Run, of: &Value, name: &str, args: Args) -> Result<Value, Fault> {
    match of {
        Value::Text(text) => match text_methods::find(name) {
            Some(method) => {
                run.look(text.len())?;
                method(run, name, text, args)
            }
            None => Err(unknown(name)),
        },
        Value::Dict(dict) => of_dict(run, of, dict, name, args),
        Value::List(list) => of_list(run, of, list, name, args),
        Value::Loop(state) => of_loop(run, state, name, args),
        Value::Callable(callable) => match &**callable {
            Callable::Cycler { items, at } => {
                let current = at.get();
                at.set(if name == "next" { (current + 1) % items.len() } else { 0 });
                Ok(if name == "next" { items[current].clone() } else { Value::None })
            }
            _ => Err(unknown(name)),
        },
        _ => Err(unknown(name)),
    }
}

fn of_dict(run: &Run, of: &Value, dict: &Dict, name: &str, args: Args) -> Result<Value, Fault> {
    match name {
        "get" => {
            let [key, default] = args.bind(["key", "default"])?;
            let key = key.ok_or_else(|| Fault::of("get expected at least 1 argument, got 0"))?;
            Ok(of.entry(run, &key)?.or(default).unwrap_or(Value::None))
        }
        "items" => {
            let [] = args.bind([])?;
            let pairs = dict.entries.iter().map(|(key, value)| run.tuple(vec![key.clone(), value.clone()]));
            run.list(pairs.collect::<Result<_, _>>()?)
        }
        "keys" => {
            let [] = args.bind([])?;
            run.list(of.iterate(run)?)
        }
        "values" => {
            let [] = args.bind([])?;
            run.room_for(dict.entries.len())?;
            run.list(dict.entries.iter().map(|(_, value)| value.clone()).collect())
        }
        "copy" => Ok(of.clone()),
        other => Err(unchangeable("dict", other)),
    }
}

fn of_list(run: &Run, of: &Value, list: &List, name: &str, args: Args) -> Result<Value, Fault> {
    match name {
        "count" => {
            let [item] = args.bind(["item"])?;
            let item = item.ok_or_else(|| Fault::of("count needs an item"))?;
            let mut count = 0;
            for found in &list.items {
                count += i64::from(found.equals(run, &item)?);
            }
            Ok(Value::Int(count))
        }
        "index" => {
            let [item, start] = args.bind(["item", "start"])?;
            let item = item.ok_or_else(|| Fault::of("index needs an item"))?;
            let start = usize::try_from(integer(start, 0)?).unwrap_or(0);
            for (at, found) in list.items.iter().enumerate().skip(start) {
                if found.equals(run, &item)? {
                    return Ok(Value::Int(at as i64));
                }
            }
            Err(Fault::of("the item is not in the list"))
        }
        "copy" => Ok(of.clone()),
        other => Err(unchangeable("list", other)),
    }
}

fn of_loop(run: &Run, state: &Loop, name: &str, args: Args) -> Result<Value, Fault> {
    match name {
        "cycle" if args.positional.is_empty() => Err(Fault::of("no items for cycling given")),
        "cycle" => Ok(args.positional[state.index.get() % args.positional.len()].clone()),
        _ => {
            let mut last = state.last_changed.borrow_mut();
            let same = match &*last {
                Some(last) if last.len() == args.positional.len() => {
                    let mut pairs = last.iter().zip(&args.positional);
                    pairs.try_fold(true, |same, (a, b)| Ok::<_, Fault>(same && a.equals(run, b)?))?
                }
                _ => false,
            };
            if args.positional.iter().any(Value::is_tied) {
                return Err(Fault::of("`loop.changed` takes plain values only"));
            }
            *last = Some(args.positional);
            Ok(Value::Bool(!same))
        }
    }
}

fn unknown(name: &str) -> Fault {
    Fault::of(format!("there is no method '{name}'"))
}

fn unchangeable(kind: &str, name: &str) -> Fault {
    Fault::of(format!("a {kind} cannot be changed here, so it has no method '{name}'"))
}
