//! The ranges of numbers in options. Those of the JSON Schema are what is checked: none is written twice, and none is
//! missing. The values are those of the struct, since a Rust host may have put NaN into it, which JSON cannot say.

use super::{resolve, types};
use crate::error::{Code, Error, Result};
use serde::Serialize;
use serde::ser::{Impossible, SerializeMap, SerializeSeq, SerializeStruct, Serializer};
use serde_json::{Number, Value};
use std::cmp::Ordering;
use std::fmt;

/// Refuses a number outside its range; the error names the option with its path.
pub(super) fn check<T: Serialize>(options: &T, schema: &Value) -> Result<()> {
    options
        .serialize(Place { property: schema, root: schema, path: String::new(), option: String::new() })
        .map_err(|Refusal(err)| err)
}

/// Gives integers that have no narrower range that of their type.
pub(super) fn of_types(schema: &mut Value) {
    match schema {
        Value::Object(keywords) => {
            let most = match keywords.get("format").and_then(Value::as_str) {
                Some("uint32") => Some(u64::from(u32::MAX)),
                Some("uint") => Some(usize::MAX as u64),
                Some("uint64") => Some(u64::MAX),
                _ => None,
            };
            if let Some(most) = most.filter(|_| !keywords.contains_key("maximum")) {
                keywords.insert("maximum".to_owned(), most.into());
            }
            keywords.values_mut().for_each(of_types);
        }
        Value::Array(items) => items.iter_mut().for_each(of_types),
        _ => {}
    }
}

/// What of a property speaks of numbers: itself, or one of its alternatives.
pub(super) fn numeric<'a>(property: &'a Value, root: &'a Value) -> Option<&'a Value> {
    let (property, _) = resolve(property, root);
    let alternatives = property.get("anyOf").and_then(Value::as_array).into_iter().flatten();
    std::iter::once(property)
        .chain(alternatives.map(|alternative| resolve(alternative, root).0))
        .find(|schema| types::names(schema).any(|name| matches!(name, "integer" | "number")))
}

/// A number as an option has it.
#[derive(Clone, Copy)]
enum Found {
    Integer(i128),
    Float(f64),
}

impl Found {
    /// `None` for NaN.
    fn compare(self, bound: &Number) -> Option<Ordering> {
        match (self, bound.as_i128(), bound.as_f64()) {
            (Found::Integer(found), Some(bound), _) => Some(found.cmp(&bound)),
            (Found::Integer(found), None, Some(bound)) => (found as f64).partial_cmp(&bound),
            (Found::Float(found), _, Some(bound)) => found.partial_cmp(&bound),
            (_, _, None) => None,
        }
    }

    fn is_within(self, schema: &Value) -> bool {
        let holds = |keyword: &str, fits: fn(Ordering) -> bool| match schema.get(keyword) {
            Some(Value::Number(bound)) => self.compare(bound).is_some_and(fits),
            _ => true,
        };
        let finite = matches!(self, Found::Integer(_)) || matches!(self, Found::Float(found) if found.is_finite());
        finite
            && holds("minimum", Ordering::is_ge)
            && holds("exclusiveMinimum", Ordering::is_gt)
            && holds("maximum", Ordering::is_le)
            && holds("exclusiveMaximum", Ordering::is_lt)
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Found::Integer(found) => found.fmt(f),
            Found::Float(found) => found.fmt(f),
        }
    }
}

/// Where in the options the serializer is, and what their schema says there. What it does not spell out is not entered: a
/// schema given as an option may be deeper than any stack.
#[derive(Clone)]
struct Place<'a> {
    property: &'a Value,
    root: &'a Value,
    path: String,
    /// The path as far as the schema has names for it: a key of `rank_pattern` is no option.
    option: String,
}

impl<'a> Place<'a> {
    fn number(&self, found: Found) -> Result<(), Refusal> {
        let Some(schema) = numeric(self.property, self.root) else { return Ok(()) };
        if found.is_within(schema) {
            return Ok(());
        }
        let expected = types::expected(schema).unwrap_or_default();
        let inside = self.path.strip_prefix(&self.option).unwrap_or_default().trim_start_matches('.');
        let place = if inside.is_empty() { String::new() } else { format!(" for `{inside}`") };
        let message = format!("option `{}` is {found}{place}; expected {expected}", self.option);
        Err(Refusal(Error::new(Code::InvalidOptions, message).with("option", &self.option)))
    }

    fn enter<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<(), Refusal> {
        let (schema, _) = resolve(self.property, self.root);
        let named = schema.get("properties").and_then(|known| known.get(key));
        let Some(property) = named.or_else(|| schema.get("additionalProperties")).filter(|found| found.is_object())
        else {
            return Ok(());
        };
        let dot = if self.path.is_empty() { "" } else { "." };
        let path = format!("{}{dot}{key}", self.path);
        let option = if named.is_some() { path.clone() } else { self.option.clone() };
        value.serialize(Place { property, root: self.root, path, option })
    }
}

struct Refusal(Error);

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Refusal {}

impl serde::ser::Error for Refusal {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Refusal(Error::new(Code::Internal, format!("options cannot be read back: {message}")))
    }
}

macro_rules! integers {
    ($($name:ident: $type:ty),*) => {
        $(fn $name(self, found: $type) -> Result<(), Refusal> {
            self.number(Found::Integer(found.into()))
        })*
    };
}

macro_rules! no_numbers {
    ($($name:ident($($argument:ty),*)),* $(,)?) => {
        $(fn $name(self, $(_: $argument),*) -> Result<(), Refusal> {
            Ok(())
        })*
    };
}

impl<'a> Serializer for Place<'a> {
    type Ok = ();
    type Error = Refusal;
    type SerializeSeq = Elements<'a>;
    type SerializeTuple = Impossible<(), Refusal>;
    type SerializeTupleStruct = Impossible<(), Refusal>;
    type SerializeTupleVariant = Impossible<(), Refusal>;
    type SerializeMap = Members<'a>;
    type SerializeStruct = Members<'a>;
    type SerializeStructVariant = Impossible<(), Refusal>;

    integers!(serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64);
    integers!(serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64);

    fn serialize_f32(self, found: f32) -> Result<(), Refusal> {
        self.number(Found::Float(found.into()))
    }

    fn serialize_f64(self, found: f64) -> Result<(), Refusal> {
        self.number(Found::Float(found))
    }

    no_numbers! {
        serialize_bool(bool),
        serialize_char(char),
        serialize_str(&str),
        serialize_bytes(&[u8]),
        serialize_none(),
        serialize_unit(),
        serialize_unit_struct(&'static str),
        serialize_unit_variant(&'static str, u32, &'static str),
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refusal> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Refusal> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Refusal> {
        self.enter(variant, value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Elements<'a>, Refusal> {
        Ok(Elements { place: self, index: 0 })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members<'a>, Refusal> {
        Ok(Members { place: self, key: String::new() })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Members<'a>, Refusal> {
        Ok(Members { place: self, key: String::new() })
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Refusal> {
        Err(serde::ser::Error::custom("a tuple"))
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Refusal> {
        Err(serde::ser::Error::custom(name))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Refusal> {
        Err(serde::ser::Error::custom(name))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Refusal> {
        Err(serde::ser::Error::custom(name))
    }
}

struct Members<'a> {
    place: Place<'a>,
    key: String,
}

impl SerializeStruct for Members<'_> {
    type Ok = ();
    type Error = Refusal;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Refusal> {
        self.place.enter(key, value)
    }

    fn end(self) -> Result<(), Refusal> {
        Ok(())
    }
}

impl SerializeMap for Members<'_> {
    type Ok = ();
    type Error = Refusal;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refusal> {
        let key = serde_json::to_value(key).map_err(serde::ser::Error::custom)?;
        self.key = key.as_str().map(str::to_owned).unwrap_or_default();
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refusal> {
        self.place.enter(&self.key, value)
    }

    fn end(self) -> Result<(), Refusal> {
        Ok(())
    }
}

struct Elements<'a> {
    place: Place<'a>,
    index: usize,
}

impl SerializeSeq for Elements<'_> {
    type Ok = ();
    type Error = Refusal;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refusal> {
        let (schema, _) = resolve(self.place.property, self.place.root);
        if let Some(property) = schema.get("items") {
            let path = format!("{}[{}]", self.place.path, self.index);
            value.serialize(Place { property, root: self.place.root, path, option: self.place.option.clone() })?;
        }
        self.index += 1;
        Ok(())
    }

    fn end(self) -> Result<(), Refusal> {
        Ok(())
    }
}
