//! Shapes as a grammar of bytes. One symbol for each set of places; they are made from a queue, so however deep a schema
//! nests or refers to itself, nothing here recurses.

use super::automaton::Automaton;
use super::digits::MOST_REMAINDERS;
use super::rules::{Grammar, Pattern, Rule, Symbol};
use super::shape::{ArrayShape, ObjectShape, Places, Reader, Shape};
use super::source::{Loc, Source};
use super::text::{self, TextShape, quoted_literal};
use crate::error::Result;
use llguidance::derivre::{ExprRef, RegexAst, RegexBuilder};
use std::collections::HashMap;
use std::rc::Rc;

/// The engine counts symbols in 16 bits.
const MOST_SYMBOLS: usize = 40_000;

/// A `minLength` above this is no text that anyone waits for.
const MOST_LENGTH: usize = 1_000_000;

/// The engine's units that make up a step of ours.
const COST_PER_STEP: usize = 100;

/// What a grammar is made of while it is made.
pub(super) struct Builder<'a> {
    pub(super) reader: Reader<'a>,
    rules: Vec<Rule>,
    patterns: Vec<Pattern>,
    automata: Vec<Automaton>,
    /// All expressions, so that equal ones are known by one number; and what is known: the symbol of one that has a text.
    expressions: RegexBuilder,
    known: HashMap<ExprRef, Option<Symbol>>,
    values: HashMap<Places, Symbol>,
    literals: HashMap<Vec<u8>, Symbol>,
    queue: Vec<(Places, Symbol)>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(reader: Reader<'a>) -> Self {
        Builder {
            reader,
            rules: Vec::new(),
            patterns: Vec::new(),
            automata: Vec::new(),
            expressions: RegexBuilder::new(),
            known: HashMap::new(),
            values: HashMap::new(),
            literals: HashMap::new(),
            queue: Vec::new(),
        }
    }

    /// The grammar, and the automaton of each of its patterns.
    pub(super) fn build(&mut self) -> Result<(Grammar, Vec<Automaton>)> {
        let root = self.reader.source.root()?;
        let start = self.value(vec![root]);
        while let Some((places, symbol)) = self.queue.pop() {
            let shapes = self.reader.shapes(&places)?;
            let place = places.first().copied().unwrap_or(root);
            let mut choices = Vec::with_capacity(shapes.len());
            for shape in shapes.iter() {
                choices.extend(self.shape(shape, place)?);
            }
            self.rules[symbol as usize] = Rule::Choice(choices);
            if self.rules.len() > MOST_SYMBOLS {
                let why = format!(
                    "makes the JSON Schema too large: more than {MOST_SYMBOLS} rules; expected fewer members and alternatives"
                );
                return Err(self.reader.source.refuse(place, "", why));
            }
            self.reader.source.spend(choices_cost(&shapes), place, "")?;
        }
        let comma = Some(self.literal(","));
        let (rules, patterns) = (std::mem::take(&mut self.rules), std::mem::take(&mut self.patterns));
        Ok((Grammar { rules, patterns, start, comma }, std::mem::take(&mut self.automata)))
    }

    fn add(&mut self, rule: Rule) -> Symbol {
        self.rules.push(rule);
        (self.rules.len() - 1) as Symbol
    }

    fn literal(&mut self, text: &str) -> Symbol {
        if let Some(&symbol) = self.literals.get(text.as_bytes()) {
            return symbol;
        }
        let rule = if text.is_empty() { Rule::Sequence(Vec::new()) } else { Rule::Literal(text.as_bytes().into()) };
        let symbol = self.add(rule);
        self.literals.insert(text.as_bytes().to_vec(), symbol);
        symbol
    }

    /// `None`: no text matches the expression. Thousands of members may have the same one, which is compiled once.
    fn pattern(&mut self, ast: RegexAst, place: Loc, keyword: &'static str) -> Result<Option<Symbol>> {
        let dear = |source: &Source| source.refuse(place, keyword, "is too dear to compile; expected a simpler one");
        let expression = self.expressions.mk(&ast).map_err(|_| dear(&self.reader.source))?;
        if let Some(&symbol) = self.known.get(&expression) {
            return Ok(symbol);
        }
        let automaton = Automaton::new(&ast).ok_or_else(|| dear(&self.reader.source))?;
        self.reader.source.spend(16 + automaton.cost() as usize / COST_PER_STEP, place, keyword)?;
        let symbol = automaton.start().map(|_| {
            self.patterns.push(Pattern { ast, place, keyword });
            self.automata.push(automaton);
            self.add(Rule::Pattern(self.patterns.len() - 1))
        });
        self.known.insert(expression, symbol);
        Ok(symbol)
    }

    /// The symbol of a value that all of `places` speak of.
    fn value(&mut self, places: Places) -> Symbol {
        if let Some(&symbol) = self.values.get(&places) {
            return symbol;
        }
        let symbol = self.add(Rule::Pending);
        self.values.insert(places.clone(), symbol);
        self.queue.push((places, symbol));
        symbol
    }

    /// `None`: no document has the shape.
    fn shape(&mut self, shape: &Shape, place: Loc) -> Result<Option<Symbol>> {
        Ok(match shape {
            Shape::Literals(texts) => match texts.as_slice() {
                [only] => Some(self.literal(only)),
                several => {
                    let literals = several.iter().map(|text| RegexAst::Literal(text.clone())).collect();
                    self.pattern(RegexAst::Or(literals), place, "enum")?
                }
            },
            Shape::Number(number) => {
                let remainders = number
                    .multiples
                    .iter()
                    .filter_map(|of| of.to_string().replace(['.', '-'], "").trim_matches('0').parse::<u64>().ok());
                if remainders.fold(1, u64::saturating_mul) > u64::from(MOST_REMAINDERS) && number.multiples.len() > 1 {
                    return Err(self.reader.source.refuse(
                        place,
                        "multipleOf",
                        "beside the other `multipleOf` takes too many remainders to keep track of",
                    ));
                }
                let choices =
                    number.regexes().map_err(|(keyword, why)| self.reader.source.refuse(place, keyword, why))?;
                let keyword = if number.multiples.is_empty() { "minimum" } else { "multipleOf" };
                let mut found = None;
                for ast in choices {
                    found = self.pattern(ast, place, keyword)?;
                    if found.is_some() {
                        break;
                    }
                }
                found
            }
            Shape::Text(text) => self.text(text, place)?,
            Shape::Array(array) => self.array(array, place)?,
            Shape::Object(object) => self.object(object, place)?,
        })
    }

    fn text(&mut self, text: &TextShape, place: Loc) -> Result<Option<Symbol>> {
        if text.min > MOST_LENGTH {
            let why = format!("is {}; expected at most {MOST_LENGTH}", text.min);
            return Err(self.reader.source.refuse(place, "minLength", why));
        }
        if text.is_free() {
            return Ok(Some(self.add(Rule::Text { min: text.min, max: text.max })));
        }
        let keyword = if text.patterns.is_empty() && !text.formats.is_empty() { "format" } else { "pattern" };
        self.pattern(text.regex(), place, keyword)
    }

    fn array(&mut self, array: &ArrayShape, place: Loc) -> Result<Option<Symbol>> {
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

    /// Members in the order in which the schema names them, then free ones. Only what limits count is counted.
    fn object(&mut self, object: &ObjectShape, place: Loc) -> Result<Option<Symbol>> {
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

/// Free strings as an expression.
pub(super) fn text_expression(min: usize, max: Option<usize>) -> RegexAst {
    text::quote(text::of_length(min, max))
}

fn choices_cost(shapes: &Rc<Vec<Shape>>) -> usize {
    let cost = |shape: &Shape| match shape {
        Shape::Object(object) => 4 + object.named.len(),
        Shape::Literals(texts) => 1 + texts.len() / 8,
        _ => 4,
    };
    shapes.iter().map(cost).sum()
}
