//! Objects as rules of the grammar.

use super::grammar::{Builder, MOST_SYMBOLS};
use super::rules::{Rule, Symbol};
use super::shape::ObjectShape;
use super::source::Loc;
use super::text::quoted_literal;
use crate::error::Result;
use llguidance::derivre::RegexAst;

impl Builder<'_> {
    /// Members in the order in which the schema names them, then free ones. Only what limits count is counted.
    pub(super) fn object(&mut self, object: &ObjectShape, place: Loc) -> Result<Option<Symbol>> {
        let required = object.named.iter().filter(|member| member.required).count();
        if object.max.is_some_and(|most| required > most) || (object.free.is_empty() && object.min > object.named.len())
        {
            return Ok(None);
        }
        let counts = object.max.is_some() || object.min > required;
        let last = if counts {
            object.min.max(object.max.map_or(0, |most| most + 1)).max(1).min(object.named.len() + 2)
        } else {
            1
        };
        let free = self.free_member(object, place)?;
        let mut after: Vec<Option<Symbol>> = (0..=last).map(|count| self.tail(object, free, counts, count)).collect();
        for member in object.named.iter().rev() {
            let key = self.literal(&format!("{}:", quoted_literal(&member.name)));
            let (comma, value) = (self.literal(","), self.value(member.places.clone()));
            let mut before = Vec::with_capacity(after.len());
            for count in 0..=last {
                let with = after[(count + 1).min(last)].map(|rest| {
                    let parts = if count == 0 { vec![key, value, rest] } else { vec![comma, key, value, rest] };
                    self.add(Rule::Sequence(parts))
                });
                let without = after[count].filter(|_| !member.required);
                before.push(match (with, without) {
                    (Some(with), Some(without)) => Some(self.add(Rule::Choice(vec![with, without]))),
                    (with, without) => with.or(without),
                });
            }
            after = before;
            let why = || {
                format!(
                    "makes the JSON Schema too large: more than {MOST_SYMBOLS} rules; expected fewer members or a lower limit"
                )
            };
            if self.rules.len() > MOST_SYMBOLS {
                return Err(self.reader.source.refuse(
                    place,
                    if counts { "maxProperties" } else { "properties" },
                    why(),
                ));
            }
            self.reader.source.spend(last + 1, place, "properties")?;
        }
        let open = self.literal("{");
        Ok(after[0].map(|rest| self.add(Rule::Sequence(vec![open, rest]))))
    }

    /// What may stand after the named members, `count` of which are there.
    fn tail(&mut self, object: &ObjectShape, free: Option<Symbol>, counts: bool, count: usize) -> Option<Symbol> {
        let close = self.literal("}");
        if !counts {
            return Some(self.with_free(free, count > 0, 1, None, true, close));
        }
        let room = object.max.map(|most| most.checked_sub(count));
        if room == Some(None) {
            return None;
        }
        let room = room.flatten();
        let missing = object.min.saturating_sub(count);
        match (missing, free) {
            (0, _) if room == Some(0) => Some(close),
            (0, _) => Some(self.with_free(free, count > 0, 1, room, true, close)),
            // Free names may repeat: just one of them is certain to count.
            (1, Some(_)) if room != Some(0) => Some(self.with_free(free, count > 0, 1, room, false, close)),
            _ => None,
        }
    }

    fn with_free(
        &mut self,
        free: Option<Symbol>,
        comma: bool,
        min: usize,
        max: Option<usize>,
        optional: bool,
        close: Symbol,
    ) -> Symbol {
        let Some(item) = free else { return close };
        let list = self.add(Rule::List { item, min, max });
        let parts = if comma { vec![self.literal(","), list, close] } else { vec![list, close] };
        let sequence = self.add(Rule::Sequence(parts));
        if optional { self.add(Rule::Choice(vec![sequence, close])) } else { sequence }
    }

    fn free_member(&mut self, object: &ObjectShape, place: Loc) -> Result<Option<Symbol>> {
        let mut choices = Vec::new();
        for kind in &object.free {
            self.check_characters(&kind.names, place, "patternProperties")?;
            let mut ast = kind.names.regex();
            if !object.taken.is_empty() {
                let taken = object.taken.iter().map(|name| RegexAst::Literal(quoted_literal(name))).collect();
                ast = RegexAst::And(vec![ast, RegexAst::Not(Box::new(RegexAst::Or(taken)))]);
            }
            let name = if object.taken.is_empty() && kind.names.is_free() {
                self.add(Rule::Text { min: kind.names.min, max: kind.names.max })
            } else if let Some(name) = self.pattern(ast, place, "patternProperties")? {
                name
            } else {
                continue;
            };
            let (colon, value) = (self.literal(":"), self.value(kind.places.clone()));
            choices.push(self.add(Rule::Sequence(vec![name, colon, value])));
        }
        Ok(match choices.as_slice() {
            [] => None,
            [only] => Some(*only),
            _ => Some(self.add(Rule::Choice(choices))),
        })
    }
}
