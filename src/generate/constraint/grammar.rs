//! Shapes as a grammar of bytes. One symbol for each set of places; they are made from a queue, so however deep a schema
//! nests or refers to itself, nothing here recurses.

use super::automaton::Automaton;
use super::digits::{MOST_DIGITS, MOST_REMAINDERS};
use super::rules::{Grammar, Pattern, Rule, Symbol};
use super::shape::{Places, Reader, Shape};
use super::source::{Loc, Source};
use super::text::{self, TextShape};
use crate::error::{Error, Result};
use crate::tokenize::first_line;
use llguidance::derivre::{ExprRef, RegexAst, RegexBuilder};
use std::collections::HashMap;
use std::rc::Rc;

/// The engine counts symbols in 16 bits.
pub(super) const MOST_SYMBOLS: usize = 40_000;

/// A `minLength` above this is no text that anyone waits for.
const MOST_LENGTH: usize = 1_000_000;

/// The engine's units that make up a step of ours.
const COST_PER_STEP: usize = 100;

/// What a grammar is made of while it is made.
pub(super) struct Builder<'a> {
    pub(super) reader: Reader<'a>,
    pub(super) rules: Vec<Rule>,
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

    pub(super) fn add(&mut self, rule: Rule) -> Symbol {
        self.rules.push(rule);
        (self.rules.len() - 1) as Symbol
    }

    pub(super) fn literal(&mut self, text: &str) -> Symbol {
        if let Some(&symbol) = self.literals.get(text.as_bytes()) {
            return symbol;
        }
        let rule = if text.is_empty() { Rule::Sequence(Vec::new()) } else { Rule::Literal(text.as_bytes().into()) };
        let symbol = self.add(rule);
        self.literals.insert(text.as_bytes().to_vec(), symbol);
        symbol
    }

    /// `None`: no text matches the expression. Thousands of members may have the same one, which is compiled once.
    pub(super) fn pattern(&mut self, ast: RegexAst, place: Loc, keyword: &'static str) -> Result<Option<Symbol>> {
        let dear = |source: &Source| source.refuse(place, keyword, "is too dear to compile; expected a simpler one");
        let expression = self.expressions.mk(&ast).map_err(|err| {
            let why = first_line(&err);
            self.reader.source.refuse(place, keyword, format!("asks for what no grammar can hold: {why}"))
        })?;
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
    pub(super) fn value(&mut self, places: Places) -> Symbol {
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
                if found.is_none() && number.has_room() {
                    let why = format!("leaves only numbers of more than {MOST_DIGITS} digits after the point");
                    return Err(self.reader.source.refuse(place, "minimum", why));
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
        self.check_characters(text, place, keyword)?;
        let found = self.pattern(text.regex(), place, keyword)?;
        // Something has the pattern, but cannot be written.
        if found.is_none() && text.excluded.is_empty() && text.not_patterns.is_empty() {
            let somehow = Automaton::new(&text.unquoted()).is_some_and(|automaton| automaton.start().is_some());
            if somehow {
                return Err(self.control_characters(place, keyword));
            }
        }
        Ok(found)
    }

    /// Refuses patterns with characters that strings are not written with.
    pub(super) fn check_characters(&self, text: &TextShape, place: Loc, keyword: &str) -> Result<()> {
        if text.has_control_characters() { Err(self.control_characters(place, keyword)) } else { Ok(()) }
    }

    fn control_characters(&self, place: Loc, keyword: &str) -> Error {
        let why =
            "asks for control characters, which no string is written with but tabs and line breaks; leave them out";
        self.reader.source.refuse(place, keyword, why)
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
