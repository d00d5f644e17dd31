//! Lists as rules of the grammar.

use super::grammar::Builder;
use super::rules::{Rule, Symbol};
use super::shape::ArrayShape;
use super::source::Loc;
use crate::error::Result;

impl Builder<'_> {
    pub(super) fn array(&mut self, array: &ArrayShape, place: Loc) -> Result<Option<Symbol>> {
        if let Some(values) = &array.distinct {
            return Ok(Some(self.distinct(values, array.min, array.max.unwrap_or(values.len()))));
        }
        let most =
            array.max.unwrap_or(usize::MAX).min(if array.rest.is_none() { array.first.len() } else { usize::MAX });
        if array.min > most {
            return Ok(None);
        }
        let (comma, close) = (self.literal(","), self.literal("]"));
        let first = &array.first[..array.first.len().min(most)];
        // What may stand after all written-out items, and back to front what may stand before.
        let left = (most != usize::MAX).then(|| most - first.len());
        let mut after = close;
        if let Some(rest) = array.rest.as_ref().filter(|_| left != Some(0)) {
            let item = self.value(rest.clone());
            let needed = array.min.saturating_sub(first.len());
            let list = self.add(Rule::List { item, min: needed.max(1), max: left });
            let mut more = if first.is_empty() { vec![list, close] } else { vec![comma, list, close] };
            if needed == 0 {
                let sequence = self.add(Rule::Sequence(std::mem::take(&mut more)));
                after = self.add(Rule::Choice(vec![sequence, close]));
            } else {
                after = self.add(Rule::Sequence(more));
            }
        }
        for (index, places) in first.iter().enumerate().rev() {
            let item = self.value(places.clone());
            let parts = if index == 0 { vec![item, after] } else { vec![comma, item, after] };
            after = self.add(Rule::Sequence(parts));
            if index >= array.min {
                after = self.add(Rule::Choice(vec![after, close]));
            }
            self.reader.source.spend(4, place, "prefixItems")?;
        }
        let open = self.literal("[");
        Ok(Some(self.add(Rule::Sequence(vec![open, after]))))
    }

    /// Lists of different values: one symbol for each set of those that are used up.
    fn distinct(&mut self, values: &[String], min: usize, max: usize) -> Symbol {
        let values: Vec<Symbol> = values.iter().map(|text| self.literal(text)).collect();
        let (open, comma, close) = (self.literal("["), self.literal(","), self.literal("]"));
        let sets = 1usize << values.len();
        let mut after = vec![close; sets];
        for used in (0..sets).rev() {
            let count = used.count_ones() as usize;
            let mut choices = if count >= min { vec![close] } else { Vec::new() };
            for (index, &value) in values.iter().enumerate().filter(|(index, _)| used >> index & 1 == 0 && count < max)
            {
                let next = after[used | 1 << index];
                let parts = if count == 0 { vec![value, next] } else { vec![comma, value, next] };
                choices.push(self.add(Rule::Sequence(parts)));
            }
            after[used] = self.add(Rule::Choice(choices));
        }
        self.add(Rule::Sequence(vec![open, after[0]]))
    }
}
