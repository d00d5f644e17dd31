//! Unknown options: what the author may have meant. Other tools have other names for the same thing (`aliases`), and a
//! guess is made only where the spelling is near.

use super::aliases::{self, Meaning};
use super::{resolve, types};
use crate::error::{Code, Error, Result};
use serde_json::{Map, Value};

/// Refuses unknown names in `given`, and in the sets of options inside it.
pub(super) fn check(given: &Map<String, Value>, schema: &Value, set: &str) -> Result<()> {
    check_set(given, schema, schema, set, "")
}

/// `outer` is the path of this set within the options of the call, with a dot behind.
fn check_set(given: &Map<String, Value>, schema: &Value, root: &Value, set: &str, outer: &str) -> Result<()> {
    let Some(known) = schema.get("properties").and_then(Value::as_object) else { return Ok(()) };
    for (key, value) in given {
        let Some(property) = known.get(key) else {
            return Err(unknown(key, known, root, set, outer));
        };
        let Some((inner, set)) = inner_set(property, root) else { continue };
        match value {
            Value::Object(value) => check_set(value, inner, root, &set, &format!("{outer}{key}."))?,
            // Serde would take a list for the fields in their order.
            Value::Array(_) => {
                let message = format!("option `{outer}{key}` is {}; expected an object", types::found(value));
                return Err(Error::new(Code::InvalidOptions, message).with("option", format!("{outer}{key}")));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The schema and the name of a set of options that is an option itself: `generate` of the report options.
fn inner_set<'a>(property: &'a Value, root: &'a Value) -> Option<(&'a Value, String)> {
    let (inner, definition) = resolve(property, root);
    let definition = definition.filter(|_| inner.get("properties").is_some())?;
    Some((inner, definition.strip_suffix("Options").unwrap_or(definition).to_lowercase()))
}

/// No name is nearly as long: a longer key is no slip, and comparing costs its length.
const LONGEST: usize = 64;

fn unknown(key: &str, known: &Map<String, Value>, root: &Value, set: &str, outer: &str) -> Error {
    if key.len() > LONGEST {
        let names = known.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let (begin, len) = (key.chars().take(20).collect::<String>(), key.len());
        let message = format!("unknown {set} option `{outer}{begin}…` of {len} bytes; there are {names}");
        return Error::new(Code::InvalidOptions, message).with("option", format!("{outer}{begin}…"));
    }
    let (nearest, owner, rest) = match meaning(key, known, set) {
        Some(Meaning::Name(name)) => (Some(name.to_owned()), None, format!(": it is called `{name}` here")),
        other => match (inside(key, known, root), other, nearest(key, known)) {
            (Some(path), ..) => (Some(path.clone()), None, format!(": it is called `{path}` here")),
            (None, Some(Meaning::In(owner, name)), _) => {
                (Some(name.to_owned()), Some(owner), format!(": it is `{name}` of the {owner} options"))
            }
            (None, Some(Meaning::Nothing(why)), _) => (None, None, format!(": there is none here; {why}")),
            (None, _, Some(name)) => (Some(name.to_owned()), None, format!("; did you mean `{name}`?")),
            (None, _, None) => {
                let names = known.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                (None, None, format!("; there are {names}"))
            }
        },
    };
    Error::new(Code::InvalidOptions, format!("unknown {set} option `{outer}{key}`{rest}"))
        .with("option", format!("{outer}{key}"))
        .with("nearest", nearest)
        .with("options", owner)
}

fn meaning<'a>(key: &str, known: &'a Map<String, Value>, set: &str) -> Option<Meaning<'a>> {
    let spelt = known.keys().find(|name| aliases::squeezed(name) == aliases::squeezed(key));
    spelt.map(|name| Meaning::Name(name)).or_else(|| aliases::meaning(set, key))
}

/// The path of an option that belongs into a set of options among these.
fn inside(key: &str, known: &Map<String, Value>, root: &Value) -> Option<String> {
    known.iter().find_map(|(outer, property)| {
        let (inner, set) = inner_set(property, root)?;
        match meaning(key, inner.get("properties")?.as_object()?, &set)? {
            Meaning::Name(name) => Some(format!("{outer}.{name}")),
            _ => None,
        }
    })
}

/// A name that a slip of the hand or two makes of the key.
fn nearest<'a>(key: &str, known: &'a Map<String, Value>) -> Option<&'a str> {
    let key = key.to_lowercase();
    let slips = known.keys().map(|name| (strsim::osa_distance(name, &key), name));
    let (slips, name) = slips.min_by_key(|(slips, _)| *slips)?;
    let allowed = match name.chars().count().min(key.chars().count()) {
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
    };
    (slips <= allowed).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn message(key: &str) -> String {
        let known = &json!({ "learning_rate": {}, "r": {}, "max_length": {}, "min_p": {}, "seed": {} });
        unknown(key, known.as_object().unwrap(), known, "train", "").message().to_owned()
    }

    #[test]
    fn a_guess_is_made_only_near_a_name() {
        for (key, name) in [
            ("learning_rat", "learning_rate"),
            ("lerning_rtae", "learning_rate"),
            ("max_lenght", "max_length"),
            ("sead", "seed"),
            ("learning rte", "learning_rate"),
        ] {
            assert!(message(key).ends_with(&format!("did you mean `{name}`?")), "{}", message(key));
        }
        for key in ["learningRate", "LEARNING_RATE", "learning-rate", "learning rate"] {
            assert!(message(key).ends_with("it is called `learning_rate` here"), "{}", message(key));
        }
        for key in ["x", "rr", "mix_p_q", "strength", "需要", "", &"learning_rate".repeat(1000)] {
            assert!(message(key).contains("; there are learning_rate, r, max_length"), "{}", message(key));
        }
        let begun = std::time::Instant::now();
        assert!(message(&"learning_rate".repeat(1_000_000)).len() < 200);
        assert!(begun.elapsed() < std::time::Duration::from_secs(1), "{:?}", begun.elapsed());
    }
}
