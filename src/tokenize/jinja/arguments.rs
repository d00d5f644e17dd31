//! What a function, filter or test is called with.

use super::Fault;
use super::run::Run;
use super::value::Value;

/// A filter: what it is called as, since some are one function, what stands before the `|`, and the rest.
pub(super) type Filter = fn(&Run, name: &str, Value, Args) -> Result<Value, Fault>;

/// A method of a string, likewise.
pub(super) type TextMethod = fn(&Run, name: &str, of: &str, Args) -> Result<Value, Fault>;

#[derive(Default, Clone)]
pub(super) struct Args {
    pub positional: Vec<Value>,
    pub named: Vec<(String, Value)>,
}

impl Args {
    /// The arguments in the order of their names; what is not given is `None`, what has no name here an error.
    pub fn bind<const N: usize>(mut self, names: [&str; N]) -> Result<[Option<Value>; N], Fault> {
        if self.positional.len() > N {
            return Err(Fault::of(format!("expected at most {N} arguments, found {}", self.positional.len())));
        }
        let mut bound = [const { None }; N];
        for (place, value) in bound.iter_mut().zip(self.positional.drain(..)) {
            *place = Some(value);
        }
        for (name, value) in self.named {
            let Some(at) = names.iter().position(|known| *known == name) else {
                return Err(Fault::of(format!("unexpected keyword argument '{name}'")));
            };
            if bound[at].replace(value).is_some() {
                return Err(Fault::of(format!("multiple values for argument '{name}'")));
            }
        }
        Ok(bound)
    }
}

/// An integer, where one was given.
pub(super) fn integer(value: Option<Value>, default: i64) -> Result<i64, Fault> {
    match value {
        None => Ok(default),
        Some(value) => value.as_int().ok_or_else(|| Fault::of(format!("expected an integer, found {}", value.kind()))),
    }
}

/// A width or count: negative is 0, as Python takes it.
pub(super) fn count(value: Option<Value>, default: usize) -> Result<usize, Fault> {
    match value {
        None => Ok(default),
        some => Ok(usize::try_from(integer(some, 0)?.max(0)).unwrap_or(usize::MAX)),
    }
}

/// A text, where one was given and is not none.
pub(super) fn text(value: Option<Value>) -> Result<Option<std::sync::Arc<str>>, Fault> {
    match value {
        None | Some(Value::None) => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text)),
        Some(other) => Err(Fault::of(format!("expected a string, found {}", other.defined()?.kind()))),
    }
}

/// A text that has to be given.
pub(super) fn required(value: Option<Value>) -> Result<std::sync::Arc<str>, Fault> {
    text(value)?.ok_or_else(|| Fault::of("expected a string"))
}

/// A flag, false if not given.
pub(super) fn flag(value: Option<Value>) -> bool {
    value.is_some_and(|value| value.is_true())
}
