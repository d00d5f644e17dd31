//! The fields of one case, in the forms in which people have them: a line as the CSV has it, a JSON object, or a table
//! copied from a spreadsheet or a wiki.
//!
//! A line of fields is read by the model as it was written. The other forms are put to it as such a line, in which a
//! value that could be taken for a field stands in quotes. Names lose characters that nobody sees; in values only those at
//! the ends go, since emoji and some scripts need them.

mod line;
mod object;
mod punctuation;
mod table;

pub(crate) use object::end_of_string;
pub(crate) use object::members;

use crate::error::{Code, Error, Result};
use punctuation::{is_edge, is_mark, is_separator};
use serde::de::IgnoredAny;
use std::collections::{HashMap, HashSet};

/// Bounds the grammar that is compiled for a case; a talent file has a few dozen.
const MAX_FIELDS: usize = 256;

/// A longer "name" is prose with a colon in it.
const MAX_NAME_CHARS: usize = 64;

/// No context holds more.
const MAX_INPUT: usize = 1 << 20;

/// One named fact about the case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) value: String,
    /// The field as the model reads it, with the separator that follows it.
    written: String,
}

/// The fields in the order of the input; names are unique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fields(Vec<Field>);

impl Fields {
    /// Reads a JSON object if `input` begins like one, else a table if it has the rows of one, else a line of fields.
    pub(crate) fn parse(input: &str) -> Result<Self> {
        if input.len() > MAX_INPUT {
            return Err(bad(format!("the input has {} bytes; expected at most {MAX_INPUT}", input.len())));
        }
        let input = input.replace("\r\n", "\n").replace('\r', "\n");
        let text = input.trim_matches(is_edge);
        if text.is_empty() {
            return Err(bad("the input is empty; expected fields such as `岗位:工程师,绩效:A`"));
        }
        if text.starts_with('[') && serde_json::from_str::<IgnoredAny>(text).is_ok() {
            return Err(bad(
                "the input is a JSON array; expected a JSON object of fields, such as {\"岗位\": \"工程师\"}: a report is \
                 about one case",
            ));
        }
        let fields = match text.starts_with('{') {
            true => object::fields(text)?,
            false => table::fields(text)?.map_or_else(|| line::fields(text), Ok)?,
        };
        check(&fields)?;
        Ok(Fields(fields))
    }

    /// Those of a case that has none.
    pub(crate) fn none() -> Self {
        Fields(Vec::new())
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Field> {
        self.0.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The text that the model reads.
    pub(crate) fn text(&self) -> String {
        let text: String = self.0.iter().map(|field| field.written.as_str()).collect();
        text.trim_end_matches(|c| is_separator(c) || c.is_whitespace()).to_owned()
    }

    /// The same case with another value of one field, written as the one before where it can be.
    pub(crate) fn with_value(&self, index: usize, value: &str) -> Fields {
        let mut fields = self.clone();
        if let Some(field) = fields.0.get_mut(index) {
            *field = field.with_value(value);
        }
        fields
    }

    /// The same case with its fields in the order of `names`; those that it does not name come after them as they were.
    /// What a model learnt with its fields in one order it may not know in another.
    pub(crate) fn in_order_of<'n>(&self, names: impl Iterator<Item = &'n str>) -> Fields {
        let places: HashMap<&str, usize> = names.zip(0..).collect();
        let place = |field: &Field| places.get(field.name.as_str()).copied().unwrap_or(usize::MAX);
        if self.0.is_sorted_by_key(place) {
            return self.clone();
        }
        // What stands between two fields stays behind the first of them; the last one gets what the first has.
        let between = |at: usize| {
            let next = self.0.get(at + 1).map_or("", |next| next.parts().0);
            format!("{}{next}", self.0[at].parts().2)
        };
        let first = between(0);
        let with_end = |(at, field): (usize, &Field)| {
            let end = if at + 1 < self.0.len() { between(at) } else { first.clone() };
            Field { written: format!("{}{end}", field.parts().1), ..field.clone() }
        };
        let mut fields: Vec<Field> = self.0.iter().enumerate().map(with_end).collect();
        fields.sort_by_key(place);
        Fields(fields)
    }
}

impl Field {
    fn with_value(&self, value: &str) -> Field {
        let place = self.written.rfind(&self.value).filter(|_| !self.value.is_empty());
        match place.filter(|_| line::stands_alone(value)) {
            None => line::written(&self.name, value),
            Some(start) => {
                let (before, after) = (&self.written[..start], &self.written[start + self.value.len()..]);
                Field { written: format!("{before}{value}{after}"), name: self.name.clone(), value: value.to_owned() }
            }
        }
    }

    /// The white space before its name, itself, and what parts it from the next.
    fn parts(&self) -> (&str, &str, &str) {
        let (start, end) = (
            self.written.len() - self.written.trim_start().len(),
            self.written.trim_end_matches(|c: char| is_separator(c) || c.is_whitespace()).len(),
        );
        match start < end {
            true => (&self.written[..start], &self.written[start..end], &self.written[end..]),
            false => ("", &self.written, ""),
        }
    }
}

fn check(fields: &[Field]) -> Result<()> {
    if fields.is_empty() {
        return Err(bad("the input has no field; expected `name:value` pairs such as `岗位:工程师,绩效:A`"));
    }
    if fields.len() > MAX_FIELDS {
        return Err(bad(format!("the input has {} fields; expected at most {MAX_FIELDS}", fields.len())));
    }
    let mut seen = HashSet::new();
    for field in fields {
        check_name(field)?;
        if !seen.insert(field.name.as_str()) {
            return Err(bad(format!(
                "the field `{}` is given twice; a source could not say which one it means",
                field.name
            ))
            .with("field", &field.name));
        }
    }
    Ok(())
}

fn check_name(Field { name, written, .. }: &Field) -> Result<()> {
    let chars = name.chars().count();
    if chars == 0 {
        return Err(bad(format!("a field has no name before the colon in `{}`", start_of(written))));
    }
    if chars > MAX_NAME_CHARS {
        return Err(bad(format!(
            "a field's name has {chars} characters, `{}…`; expected at most {MAX_NAME_CHARS}",
            start_of(name)
        )));
    }
    let forbidden = |&c: &char| is_separator(c) || is_mark(c) || c == '"' || c.is_control();
    if let Some(c) = name.chars().find(forbidden) {
        return Err(bad(format!(
            "the field `{name}` has {c:?} in its name; expected a name without commas, semicolons, colons, equals \
             signs, bars, quotes or control characters, which part fields: rename it"
        ))
        .with("field", name));
    }
    Ok(())
}

fn bad(message: impl Into<String>) -> Error {
    Error::new(Code::InvalidArgument, message)
}

fn start_of(text: &str) -> String {
    text.trim().chars().take(40).collect()
}

#[cfg(test)]
mod tests;
