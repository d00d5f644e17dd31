//! Subscripts and slices as Python has them.

use super::Fault;
use super::arguments::integer;
use super::run::Run;
use super::value::Value;

/// `of[index]`: an entry, else an attribute.
pub(super) fn item(run: &Run, of: &Value, index: &Value) -> Result<Value, Fault> {
    let missing = || {
        let index = index.repr(run)?;
        Ok(Value::Undefined(format!("{} object has no element {index}", of.kind()).into()))
    };
    match (of, index.as_int()) {
        (Value::Undefined(why), _) => Err(Fault::of(&**why)),
        (Value::List(list), Some(at)) => {
            place(at, list.items.len()).map_or_else(missing, |at| Ok(list.items[at].clone()))
        }
        (Value::Text(text), Some(at)) => {
            run.look(text.len())?;
            let found = place(at, text.chars().count()).and_then(|at| text.chars().nth(at));
            found.map_or_else(missing, |c| run.text(c.to_string()))
        }
        (Value::Dict(_), _) => match (of.entry(run, index)?, index) {
            (Some(value), _) => Ok(value),
            (None, Value::Text(name)) if of.has_method(name) => run.attribute(of, name),
            (None, _) => missing(),
        },
        (_, None) if index.as_text().is_some() => run.attribute(of, index.as_text().map_or("", |name| name)),
        _ => missing(),
    }
}

/// Python's index, where negative counts from the end.
fn place(at: i64, length: usize) -> Option<usize> {
    let at = if at < 0 { at.checked_add(i64::try_from(length).ok()?)? } else { at };
    usize::try_from(at).ok().filter(|at| *at < length)
}

pub(super) fn slice(
    run: &Run,
    of: &Value,
    start: Option<Value>,
    stop: Option<Value>,
    step: Option<Value>,
) -> Result<Value, Fault> {
    let given = |part: Option<Value>| part.filter(|part| !matches!(part, Value::None));
    let (start, stop, step) = (given(start), given(stop), integer(given(step), 1)?);
    let start = start.map(|start| integer(Some(start), 0)).transpose()?;
    let stop = stop.map(|stop| integer(Some(stop), 0)).transpose()?;
    if step == 0 {
        return Err(Fault::of("slice step cannot be zero"));
    }
    match of {
        Value::Text(text) => {
            run.room(text.len().saturating_mul(4))?;
            let chars: Vec<char> = text.chars().collect();
            run.text(places(chars.len(), start, stop, step).map(|at| chars[at]).collect::<String>())
        }
        Value::List(list) => {
            run.room_for(list.items.len())?;
            let items = places(list.items.len(), start, stop, step).map(|at| list.items[at].clone()).collect();
            run.sequence(items, list.tuple)
        }
        other => Err(Fault::of(format!("'{}' object cannot be sliced", other.defined()?.kind()))),
    }
}

/// The indices of a slice.
fn places(length: usize, start: Option<i64>, stop: Option<i64>, step: i64) -> impl Iterator<Item = usize> {
    let length = length as i64;
    let (lowest, highest) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let clamp = |at: i64| if at < 0 { at.saturating_add(length).max(lowest) } else { at.min(highest) };
    let first = start.map_or(if step > 0 { 0 } else { length - 1 }, clamp);
    let end = stop.map_or(if step > 0 { length } else { -1 }, clamp);
    let mut next = Some(first);
    std::iter::from_fn(move || {
        let at = next.filter(|at| if step > 0 { *at < end } else { *at > end })?;
        next = at.checked_add(step);
        usize::try_from(at).ok()
    })
}
