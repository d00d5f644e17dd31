//! Filters on lists and dicts.

use super::Fault;
use super::arguments::{Args, Filter, count, flag, text};
use super::run::Run;
use super::sorting::sort_by;
use super::value::Value;
use super::{is_tests, operators, subscript, text_methods};
use std::cmp::Ordering;
use std::sync::Arc;

pub(super) const FILTERS: &[(&str, Filter)] = &[
    ("batch", batch),
    ("dictsort", dictsort),
    ("first", first_or_last),
    ("groupby", groupby),
    ("join", join),
    ("last", first_or_last),
    ("list", list),
    ("map", map),
    ("max", min_or_max),
    ("min", min_or_max),
    ("reject", select),
    ("rejectattr", select),
    ("reverse", reverse),
    ("select", select),
    ("selectattr", select),
    ("slice", slice),
    ("sort", sort),
    ("sum", sum),
    ("unique", unique),
];

fn first_or_last(run: &Run, name: &str, value: Value, args: Args) -> Result<Value, Fault> {
    let [] = args.bind([])?;
    let items = value.iterate(run)?;
    let item = if name == "first" { items.first() } else { items.last() };
    Ok(item.cloned().unwrap_or_else(|| Value::Undefined(format!("No {name} item, sequence was empty.").into())))
}

fn list(run: &Run, _: &str, value: Value, args: Args) -> Result<Value, Fault> {
    let [] = args.bind([])?;
    run.list(value.iterate(run)?)
}

fn reverse(run: &Run, _: &str, value: Value, args: Args) -> Result<Value, Fault> {
    let [] = args.bind([])?;
    if let Value::Text(text) = &value {
        return run.text(text.chars().rev().collect::<String>());
    }
    let mut items = value.iterate(run)?;
    items.reverse();
    run.list(items)
}

fn join(run: &Run, _: &str, value: Value, args: Args) -> Result<Value, Fault> {
    let [separator, attribute] = args.bind(["d", "attribute"])?;
    let separator = separator.map_or_else(|| Ok(Arc::from("")), |separator| separator.to_text(run))?;
    let items = value.iterate(run)?;
    let of = attribute_of(attribute);
    let items: Vec<_> = items.iter().map(|item| of(run, item)).collect::<Result<_, _>>()?;
    text_methods::joined(run, &items, &separator)
}

fn unique(run: &Run, _: &str, value: Value, args: Args) -> Result<Value, Fault> {
    let [cased, attribute] = args.bind(["case_sensitive", "attribute"])?;
    let of = attribute_of(attribute);
    let (mut first, mut keys) = (Vec::new(), Vec::<Value>::new());
    for item in value.iterate(run)? {
        let key = folded(run, of(run, &item)?, flag(cased.clone()))?;
        let mut known = keys.iter();
        if !known.try_fold(false, |found, known| Ok::<_, Fault>(found || known.equals(run, &key)?))? {
            keys.push(key);
            first.push(item);
        }
    }
    run.list(first)
}

fn min_or_max(run: &Run, name: &str, value: Value, args: Args) -> Result<Value, Fault> {
    let [cased, attribute] = args.bind(["case_sensitive", "attribute"])?;
    let of = attribute_of(attribute);
    let better = if name == "min" { Ordering::Less } else { Ordering::Greater };
    let mut best: Option<(Value, Value)> = None;
    for item in value.iterate(run)? {
        let key = folded(run, of(run, &item)?, flag(cased.clone()))?;
        let is_better = match &best {
            None => true,
            Some((known, _)) => key.order(run, known)? == better,
        };
        if is_better {
            best = Some((key, item));
        }
    }
    Ok(best.map_or_else(|| Value::Undefined("No aggregated item, sequence was empty.".into()), |(_, item)| item))
}

fn sum(run: &Run, _: &str, value: Value, args: Args) -> Result<Value, Fault> {
    let [attribute, start] = args.bind(["attribute", "start"])?;
    let of = attribute_of(attribute);
    let add = |sum: Value, item: &Value| operators::binary(run, super::ast::Binary::Add, &sum, &of(run, item)?);
    value.iterate(run)?.iter().try_fold(start.unwrap_or(Value::Int(0)), add)
}

/// What `attribute=` names: `a`, `a.b`, `0`; without it, the item itself.
fn attribute_of(attribute: Option<Value>) -> impl Fn(&Run, &Value) -> Result<Value, Fault> {
    attribute_or(attribute, None)
}

/// As [`attribute_of`]; what is not there on the way is `default`.
fn attribute_or(attribute: Option<Value>, default: Option<Value>) -> impl Fn(&Run, &Value) -> Result<Value, Fault> {
    let or_default = move |value: Value| match (&value, &default) {
        (Value::Undefined(_), Some(default)) => default.clone(),
        _ => value,
    };
    move |run, item| match attribute.as_ref().filter(|attribute| !matches!(attribute, Value::None)) {
        None => Ok(item.clone()),
        Some(Value::Text(path)) => path.split('.').try_fold(item.clone(), |value, part| {
            run.spend(1)?;
            let key = part.parse().map_or_else(|_| run.text(part), |at| Ok(Value::Int(at)))?;
            subscript::item(run, &value, &key).map(&or_default)
        }),
        Some(other) => subscript::item(run, item, other).map(&or_default),
    }
}

/// Texts in lower case, unless case matters.
fn folded(run: &Run, value: Value, cased: bool) -> Result<Value, Fault> {
    match &value {
        Value::Text(text) if !cased => run.text(text.to_lowercase()),
        _ => Ok(value),
    }
}

fn map(run: &Run, _: &str, value: Value, mut args: Args) -> Result<Value, Fault> {
    let items = value.iterate(run)?;
    let named = |args: &mut Args, name: &str| {
        args.named.iter().position(|(known, _)| known == name).map(|at| args.named.remove(at).1)
    };
    let mut mapped = Vec::with_capacity(items.len());
    if args.positional.is_empty() {
        let attribute = named(&mut args, "attribute");
        let default = named(&mut args, "default");
        let [] = args.bind([])?;
        let attribute = attribute.ok_or_else(|| Fault::of("map requires a filter argument"))?;
        let of = attribute_or(Some(attribute), default);
        for item in items {
            mapped.push(of(run, &item)?);
        }
    } else {
        let name =
            text(Some(args.positional.remove(0)))?.ok_or_else(|| Fault::of("map requires the name of a filter"))?;
        let filter = run.filter_named(&name).ok_or_else(|| Fault::of(format!("there is no filter `{name}`")))?;
        for item in items {
            mapped.push(run.nested(|| filter(run, &name, item, args.clone()))?);
        }
    }
    run.list(mapped)
}

fn select(run: &Run, name: &str, value: Value, mut args: Args) -> Result<Value, Fault> {
    let of = match name.ends_with("attr") {
        true if args.positional.is_empty() => return Err(Fault::of("Missing parameter for attribute name")),
        true => attribute_of(Some(args.positional.remove(0))),
        false => attribute_of(None),
    };
    let test = match args.positional.is_empty() {
        true => None,
        false => text(Some(args.positional.remove(0)))?,
    };
    if let Some(unknown) = test.as_deref().filter(|test| !is_tests::is_known(test)) {
        return Err(Fault::of(format!("there is no test `{unknown}`")));
    }
    let wanted = name.starts_with("select");
    let mut kept = Vec::new();
    for item in value.iterate(run)? {
        let of = of(run, &item)?;
        let holds = match &test {
            None => of.is_true(),
            Some(test) => is_tests::test(run, test, &of, args.clone())?,
        };
        if holds == wanted {
            kept.push(item);
        }
    }
    run.list(kept)
}

fn sort(run: &Run, _: &str, value: Value, args: Args) -> Result<Value, Fault> {
    let [reverse, cased, attribute] = args.bind(["reverse", "case_sensitive", "attribute"])?;
    let (items, reverse, cased) = (value.iterate(run)?, flag(reverse), flag(cased));
    // Several attributes, `"a,b"`, are compared one after another.
    let attributes: Vec<Option<Value>> = match &attribute {
        Some(Value::Text(names)) => {
            run.room(names.len().saturating_mul(2))?;
            names.split(',').map(|name| Some(Value::from(name))).collect()
        }
        other => vec![other.clone()],
    };
    let mut keyed = Vec::with_capacity(items.len());
    for item in items {
        let mut keys = Vec::with_capacity(attributes.len());
        for attribute in &attributes {
            keys.push(folded(run, attribute_of(attribute.clone())(run, &item)?, cased)?);
        }
        keyed.push((run.list(keys)?, item));
    }
    sort_by(run, &mut keyed, |run, a, b| {
        let order = a.0.order(run, &b.0)?;
        Ok(if reverse { order.reverse() } else { order })
    })?;
    run.list(keyed.into_iter().map(|(_, item)| item).collect())
}

fn batch(run: &Run, _: &str, value: Value, args: Args) -> Result<Value, Fault> {
    let [size, fill] = args.bind(["linecount", "fill_with"])?;
    let (items, size) = (value.iterate(run)?, count(size, 0)?);
    if size == 0 {
        return Err(Fault::of("batch needs a size of at least 1"));
    }
    let mut batches = Vec::new();
    for chunk in items.chunks(size) {
        let mut chunk = chunk.to_vec();
        if let Some(fill) = fill.as_ref().filter(|fill| !matches!(fill, Value::None)) {
            run.room_for(size - chunk.len())?;
            chunk.resize(size, fill.clone());
        }
        batches.push(run.list(chunk)?);
    }
    run.list(batches)
}

fn slice(run: &Run, _: &str, value: Value, args: Args) -> Result<Value, Fault> {
    let [slices, fill] = args.bind(["slices", "fill_with"])?;
    let (items, slices) = (value.iterate(run)?, count(slices, 0)?);
    if slices == 0 {
        return Err(Fault::of("slice needs at least 1 slice"));
    }
    run.room_for(slices)?;
    let (each, extra) = (items.len() / slices, items.len() % slices);
    let mut parts = Vec::with_capacity(slices);
    let mut rest = &items[..];
    for at in 0..slices {
        let (part, after) = rest.split_at(each + usize::from(at < extra));
        rest = after;
        let mut part = part.to_vec();
        if at >= extra
            && let Some(fill) = fill.as_ref().filter(|fill| !matches!(fill, Value::None))
        {
            part.push(fill.clone());
        }
        parts.push(run.list(part)?);
    }
    run.list(parts)
}

fn dictsort(run: &Run, _: &str, value: Value, args: Args) -> Result<Value, Fault> {
    let [cased, by, reverse] = args.bind(["case_sensitive", "by", "reverse"])?;
    let Value::Dict(dict) = &value else { return Err(Fault::of("dictsort needs a dict")) };
    let by_value = match text(by)?.as_deref() {
        None | Some("key") => false,
        Some("value") => true,
        Some(_) => return Err(Fault::of("You can only sort by either \"key\" or \"value\"")),
    };
    let (cased, reverse) = (flag(cased), flag(reverse));
    let mut keyed = Vec::with_capacity(dict.entries.len());
    for (key, value) in &dict.entries {
        let by = folded(run, if by_value { value } else { key }.clone(), cased)?;
        keyed.push((by, run.tuple(vec![key.clone(), value.clone()])?));
    }
    sort_by(run, &mut keyed, |run, a, b| {
        let order = a.0.order(run, &b.0)?;
        Ok(if reverse { order.reverse() } else { order })
    })?;
    run.list(keyed.into_iter().map(|(_, pair)| pair).collect())
}

/// Groups as pairs of the attribute and the items that have it.
fn groupby(run: &Run, _: &str, value: Value, args: Args) -> Result<Value, Fault> {
    let [attribute, default, cased] = args.bind(["attribute", "default", "case_sensitive"])?;
    let attribute = attribute.ok_or_else(|| Fault::of("groupby needs an attribute"))?;
    let of = attribute_or(Some(attribute), default);
    let cased = flag(cased);
    let mut keyed = Vec::new();
    for item in value.iterate(run)? {
        let found = of(run, &item)?;
        keyed.push((folded(run, found.clone(), cased)?, found, item));
    }
    sort_by(run, &mut keyed, |run, a, b| a.0.order(run, &b.0))?;
    let mut groups: Vec<(Value, Value, Vec<Value>)> = Vec::new();
    for (key, found, item) in keyed {
        match groups.last_mut() {
            Some((last, _, items)) if last.equals(run, &key)? => items.push(item),
            _ => groups.push((key, found, vec![item])),
        }
    }
    let pair = |(_, found, items): (Value, Value, Vec<Value>)| {
        let items = run.list(items)?;
        run.tuple(vec![found, items])
    };
    run.list(groups.into_iter().map(pair).collect::<Result<_, _>>()?)
}
