//! The functions that every template has.

use super::Fault;
use super::arguments::{Args, integer, text};
use super::run::Run;
use super::value::{Callable, Value};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

const NAMES: [&str; 7] = ["range", "dict", "namespace", "cycler", "joiner", "raise_exception", "strftime_now"];

/// The function of that name.
pub(super) fn named(name: &str) -> Option<Value> {
    NAMES.iter().find(|known| **known == name).map(|known| Value::function(known))
}

pub(super) fn call(run: &Run, name: &str, args: Args) -> Result<Value, Fault> {
    match name {
        "range" => range(run, args),
        "dict" => dict(run, args),
        "namespace" => {
            let attributes = Rc::new(RefCell::new(Vec::new()));
            let Value::Dict(given) = dict(run, args)? else { return Err(Fault::of("a namespace takes a dict")) };
            for (key, value) in &given.entries {
                run.set_attribute(&attributes, &key.to_text(run)?, value.clone())?;
            }
            Ok(Value::Namespace(attributes))
        }
        "cycler" => match args.positional.is_empty() {
            true => Err(Fault::of("a cycler needs items")),
            false => Ok(callable(Callable::Cycler { items: args.positional, at: Cell::new(0) })),
        },
        "joiner" => {
            let [separator] = args.bind(["sep"])?;
            let separator = separator.unwrap_or_else(|| Value::from(", "));
            Ok(callable(Callable::Joiner { separator, used: Cell::new(false) }))
        }
        "raise_exception" => {
            let [message] = args.bind(["message"])?;
            let message = message.unwrap_or(Value::None).to_text(run)?;
            Err(Fault { raised: true, ..Fault::of(&*message) })
        }
        _ => {
            let [format] = args.bind(["format"])?;
            let format = text(format)?.ok_or_else(|| Fault::of("strftime_now needs a format"))?;
            // Each directive gives a few dozen bytes at most; widths would not be bounded, and Python has none.
            run.room(format.len().saturating_mul(16))?;
            if format.split('%').skip(1).any(|directive| directive.starts_with(|c: char| c.is_ascii_digit())) {
                return Err(Fault::of("strftime_now takes no widths"));
            }
            let text = jiff::fmt::strtime::format(&*format, run.now());
            run.text(text.map_err(|err| Fault::of(format!("strftime_now: {err}")))?)
        }
    }
}

fn callable(callable: Callable) -> Value {
    Value::Callable(Rc::new(callable))
}

fn range(run: &Run, args: Args) -> Result<Value, Fault> {
    let mut numbers = Vec::new();
    for value in args.positional {
        numbers.push(integer(Some(value), 0)?);
    }
    let (start, stop, step) = match numbers[..] {
        [stop] => (0, stop, 1),
        [start, stop] => (start, stop, 1),
        [start, stop, step] if step != 0 => (start, stop, step),
        _ => return Err(Fault::of("range takes one to three integers, the third not 0")),
    };
    let span = if step > 0 { i128::from(stop) - i128::from(start) } else { i128::from(start) - i128::from(stop) };
    let width = i128::from(step.unsigned_abs());
    let length = (span.max(0) + width - 1) / width;
    // Jinja2's sandbox has this limit.
    if length > 100_000 {
        return Err(Fault::of("range is too big; at most 100000 items"));
    }
    run.room_for(length as usize)?;
    run.list((0..length).map(|i| Value::Int((i128::from(start) + i * i128::from(step)) as i64)).collect())
}

fn dict(run: &Run, args: Args) -> Result<Value, Fault> {
    let mut entries = Vec::new();
    match args.positional.as_slice() {
        [] => {}
        [Value::Dict(given)] => {
            run.room_for(given.entries.len().saturating_mul(2))?;
            entries.extend(given.entries.iter().cloned());
        }
        [pairs] => {
            for pair in pairs.iterate(run)? {
                let [key, value] = <[Value; 2]>::try_from(pair.iterate(run)?)
                    .map_err(|_| Fault::of("dict takes pairs of a key and a value"))?;
                entries.push((key, value));
            }
        }
        _ => return Err(Fault::of("dict takes at most one argument without a name")),
    }
    for (name, value) in args.named {
        entries.push((run.text(name)?, value));
    }
    run.dict(entries)
}
