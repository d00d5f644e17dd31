//! What the training rows had in common, as far as reports need it: the fields with their order and usual values, and the
//! numbers of the house style. Only what occurs in two rows or more is kept, so that no person's name is.

use crate::error::{Code, Error, Result};
use serde::{Deserialize, Serialize};

/// Fields, values of a field, and numbers that are kept.
pub(crate) const MAX_FIELDS: usize = 64;
pub(crate) const MAX_VALUES: usize = 24;
/// Longer values are prose, which says more about a person than about the field.
pub(crate) const MAX_VALUE_CHARS: usize = 40;

/// What is kept of the training rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LearntRows {
    /// In the order in which the rows have them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) fields: Vec<LearntField>,
    /// Numbers that outputs have though their inputs have not: deadlines and amounts of the house.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) numbers: Vec<String>,
}

/// A field of the training rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LearntField {
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) values: Vec<String>,
}

impl LearntRows {
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.numbers.is_empty()
    }

    /// What both know, this one's order first: for merged adapters.
    pub(crate) fn join(&mut self, other: &LearntRows) {
        for field in &other.fields {
            match self.fields.iter().position(|known| known.name == field.name) {
                Some(at) => add(&mut self.fields[at].values, &field.values, MAX_VALUES),
                None if self.fields.len() < MAX_FIELDS => self.fields.push(field.clone()),
                None => {}
            }
        }
        add(&mut self.numbers, &other.numbers, MAX_VALUES);
    }

    /// Refuses lists longer than those that training writes.
    pub(crate) fn check(&self) -> Result<()> {
        let fits = |texts: &[String]| {
            texts.len() <= MAX_VALUES && texts.iter().all(|text| text.chars().count() <= MAX_VALUE_CHARS)
        };
        if self.fields.len() <= MAX_FIELDS && fits(&self.numbers) && self.fields.iter().all(|field| fits(&field.values))
        {
            return Ok(());
        }
        Err(Error::new(
            Code::AdapterFormat,
            format!(
                "what the adapter keeps of its training rows is too much; expected at most {MAX_FIELDS} fields with \
                 {MAX_VALUES} values of {MAX_VALUE_CHARS} characters each"
            ),
        ))
    }
}

fn add(known: &mut Vec<String>, others: &[String], most: usize) {
    for other in others {
        if known.len() < most && !known.contains(other) {
            known.push(other.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, values: &[&str]) -> LearntField {
        LearntField { name: name.to_owned(), values: values.iter().map(|&value| value.to_owned()).collect() }
    }

    #[test]
    fn merged_adapters_know_the_values_of_all() {
        let mut rows = LearntRows { fields: vec![field("a", &["1", "2"])], numbers: vec!["30".to_owned()] };
        let other =
            LearntRows { fields: vec![field("b", &["x"]), field("a", &["2", "3"])], numbers: vec!["60".to_owned()] };
        rows.join(&other);
        assert_eq!(rows.fields, [field("a", &["1", "2", "3"]), field("b", &["x"])]);
        assert_eq!(rows.numbers, ["30", "60"]);
        rows.check().unwrap();
    }

    #[test]
    fn lists_are_bounded() {
        let many: Vec<String> = (0..=MAX_VALUES).map(|value| value.to_string()).collect();
        for rows in [
            LearntRows {
                fields: vec![LearntField { name: "a".to_owned(), values: many.clone() }],
                ..Default::default()
            },
            LearntRows { numbers: many, ..Default::default() },
            LearntRows { fields: vec![field("a", &["x".repeat(41).as_str()])], ..Default::default() },
            LearntRows { fields: vec![field("a", &[]); MAX_FIELDS + 1], ..Default::default() },
        ] {
            assert_eq!(rows.check().unwrap_err().code(), Code::AdapterFormat);
        }
    }
}
