//! Lark grammars as rules of bytes.
//!
//! Every reading of a text is followed, as Lark's Earley parser follows it: priorities decide nothing. Left recursion, of which
//! no way through a grammar from left to right gets out, is rewritten where a rule begins with itself.

mod common;
mod parse;
mod tokens;

use super::automaton::Automaton;
use super::left_recursion;
use super::pattern::translated;
use super::rules::{Grammar, Pattern, Rule, Symbol};
use super::terminal::{Found, pattern_rule};
use crate::error::{Code, Error, Result};
use llguidance::derivre::RegexAst;
use parse::{Definition, Expr, Lark, is_terminal};
use std::collections::BTreeMap;

/// A grammar may be this large.
const MAX_BYTES: usize = 1 << 16;

/// Rules of one grammar, those of its repetitions included.
const MOST_SYMBOLS: usize = 10_000;

/// Parts of one terminal, those that it refers to written out.
const MOST_PARTS: usize = 10_000;

/// What a terminal may be made of, one in the other.
const MAX_DEPTH: usize = 50;

fn wrong(line: usize, why: &str) -> Error {
    Error::new(Code::Schema, format!("line {line} of the Lark grammar {why}")).with("line", line)
}

/// The grammar, and the automaton of each of its patterns; `start` is the rule that texts are of.
pub(super) fn grammar(source: &str) -> Result<(Grammar, Vec<Automaton>)> {
    if source.len() > MAX_BYTES {
        let message = format!("the Lark grammar has {} bytes; expected at most {MAX_BYTES}", source.len());
        return Err(Error::new(Code::Schema, message));
    }
    let Lark { mut definitions, ignored } = parse::parse(source)?;
    definitions.iter_mut().for_each(|(name, definition)| without_left_recursion(name, &mut definition.body));
    let mut builder = Builder {
        definitions: &definitions,
        rules: Vec::new(),
        patterns: Vec::new(),
        automata: Vec::new(),
        symbols: BTreeMap::new(),
        between: None,
        line: 1,
    };
    let start = builder.build(&ignored)?;
    let Builder { rules, patterns, automata, symbols, .. } = builder;
    let ring = left_recursion::find(&rules).map_err(|()| too_large())?;
    let named = symbols.iter().filter(|(_, symbol)| ring.contains(symbol)).map(|(name, _)| name);
    if let Some(name) = named.min_by_key(|name| definitions[*name].line) {
        let why =
            format!("makes `{name}` begin with itself through other rules; write it with `*`, or what repeats last");
        return Err(wrong(definitions[name].line, &why));
    }
    Ok((Grammar { rules, patterns, start, comma: None }, automata))
}

fn too_large() -> Error {
    Error::new(Code::Schema, "the Lark grammar makes too many rules; expected a smaller one, or lower repetitions")
}

/// `a: a x | y` is `a: y x*`.
fn without_left_recursion(name: &str, body: &mut Expr) {
    let choices = match std::mem::replace(body, Expr::Sequence(Vec::new())) {
        Expr::Choice(choices) => choices,
        other => vec![other],
    };
    let (mut first, mut more) = (Vec::new(), Vec::new());
    for choice in choices {
        match choice {
            Expr::Name(other) if other == name => {}
            Expr::Sequence(mut parts) if parts.first() == Some(&Expr::Name(name.to_owned())) => {
                parts.remove(0);
                more.push(Expr::Sequence(parts));
            }
            other => first.push(other),
        }
    }
    *body = match more.is_empty() {
        true => Expr::Choice(first),
        false => Expr::Sequence(vec![Expr::Choice(first), Expr::Repeat(Box::new(Expr::Choice(more)), 0, None)]),
    };
}

struct Builder<'l> {
    definitions: &'l BTreeMap<String, Definition>,
    rules: Vec<Rule>,
    patterns: Vec<Pattern>,
    automata: Vec<Automaton>,
    symbols: BTreeMap<String, Symbol>,
    /// What may follow each terminal, if anything is ignored.
    between: Option<Symbol>,
    /// Of the definition that is built.
    line: usize,
}

impl<'l> Builder<'l> {
    fn build(&mut self, ignored: &[Expr]) -> Result<Symbol> {
        if !self.definitions.contains_key("start") {
            let message = "the Lark grammar has no rule `start`, which is what a text is";
            return Err(Error::new(Code::Schema, message));
        }
        if !ignored.is_empty() {
            let ignored = Expr::Repeat(Box::new(Expr::Choice(ignored.to_vec())), 1, None);
            let ast = self.terminal(&ignored, &mut 0, 0)?;
            let some = self.pattern(ast)?;
            let none = self.add(Rule::Sequence(Vec::new()))?;
            self.between = Some(self.add(Rule::Choice(vec![none, some]))?);
        }
        let start = self.named("start")?;
        // Names that are met on the way are waiting for their bodies: nothing here recurses through them.
        while let Some((name, symbol)) = self.pending() {
            let definition = &self.definitions[&name];
            self.line = definition.line;
            self.rules[symbol as usize] = match is_terminal(&name) {
                true => {
                    let ast = self.terminal(&definition.body, &mut 0, 0)?;
                    let pattern = self.pattern(ast)?;
                    Rule::Sequence(self.followed(pattern))
                }
                false => Rule::Sequence(vec![self.rule(&definition.body)?]),
            };
        }
        let first = self.between.into_iter().chain([start]).collect();
        self.add(Rule::Sequence(first))
    }

    fn pending(&self) -> Option<(String, Symbol)> {
        let mut waiting = self.symbols.iter();
        let found = waiting.find(|(_, symbol)| matches!(self.rules[**symbol as usize], Rule::Pending));
        found.map(|(name, symbol)| (name.clone(), *symbol))
    }

    fn add(&mut self, rule: Rule) -> Result<Symbol> {
        if self.rules.len() == MOST_SYMBOLS {
            return Err(too_large());
        }
        self.rules.push(rule);
        Ok((self.rules.len() - 1) as Symbol)
    }

    fn named(&mut self, name: &str) -> Result<Symbol> {
        if let Some(&symbol) = self.symbols.get(name) {
            return Ok(symbol);
        }
        self.definition(name)?;
        let symbol = self.add(Rule::Pending)?;
        self.symbols.insert(name.to_owned(), symbol);
        Ok(symbol)
    }

    fn definition(&self, name: &str) -> Result<&'l Definition> {
        let kind = if is_terminal(name) { "terminal" } else { "rule" };
        self.definitions
            .get(name)
            .ok_or_else(|| wrong(self.line, &format!("has the {kind} `{name}`, which is not defined")))
    }

    /// A terminal's symbol with what may follow it.
    fn followed(&self, terminal: Symbol) -> Vec<Symbol> {
        [terminal].into_iter().chain(self.between).collect()
    }

    /// The parser bounds how deep expressions nest.
    fn rule(&mut self, expr: &Expr) -> Result<Symbol> {
        match expr {
            Expr::Name(name) => self.named(name),
            Expr::Sequence(parts) => {
                let parts = parts.iter().map(|part| self.rule(part)).collect::<Result<_>>()?;
                self.add(Rule::Sequence(parts))
            }
            Expr::Choice(choices) => {
                let choices = choices.iter().map(|choice| self.rule(choice)).collect::<Result<_>>()?;
                self.add(Rule::Choice(choices))
            }
            Expr::Repeat(of, min, max) => {
                let one = self.rule(of)?;
                self.repeated(one, *min, *max)
            }
            Expr::Text(text, false) => {
                let literal = match text.is_empty() {
                    true => Rule::Sequence(Vec::new()),
                    false => Rule::Literal(text.as_bytes().into()),
                };
                let literal = self.add(literal)?;
                let parts = self.followed(literal);
                self.add(Rule::Sequence(parts))
            }
            terminal => {
                let ast = self.terminal(terminal, &mut 0, 0)?;
                let pattern = self.pattern(ast)?;
                let parts = self.followed(pattern);
                self.add(Rule::Sequence(parts))
            }
        }
    }

    /// What may stand after the needed ones is written back to front: each is followed by the rest, or by nothing.
    fn repeated(&mut self, one: Symbol, min: u32, max: Option<u32>) -> Result<Symbol> {
        let none = self.add(Rule::Sequence(Vec::new()))?;
        let mut rest = none;
        match max {
            None => {
                rest = self.add(Rule::Pending)?;
                let again = self.add(Rule::Sequence(vec![one, rest]))?;
                self.rules[rest as usize] = Rule::Choice(vec![again, none]);
            }
            Some(max) => {
                for _ in min..max {
                    let again = self.add(Rule::Sequence(vec![one, rest]))?;
                    rest = self.add(Rule::Choice(vec![again, none]))?;
                }
            }
        }
        for _ in 0..min {
            rest = self.add(Rule::Sequence(vec![one, rest]))?;
        }
        Ok(rest)
    }

    /// A terminal as one expression.
    fn terminal(&self, expr: &Expr, parts: &mut usize, depth: usize) -> Result<RegexAst> {
        *parts += 1;
        if *parts > MOST_PARTS || depth > MAX_DEPTH {
            return Err(wrong(self.line, "makes a terminal of too many parts, or one that refers to itself"));
        }
        let mut all = |list: &[Expr]| -> Result<Vec<RegexAst>> {
            list.iter().map(|part| self.terminal(part, parts, depth + 1)).collect()
        };
        Ok(match expr {
            Expr::Text(text, false) => RegexAst::Literal(text.clone()),
            Expr::Text(text, true) => RegexAst::Regex(format!("(?i:{})", regex_syntax::escape(text))),
            Expr::Regex(pattern, ignores_case) => {
                let pattern =
                    translated(pattern).map_err(|why| wrong(self.line, &format!("has a pattern that {why}")))?;
                RegexAst::Regex(if *ignores_case { format!("(?i:{pattern})") } else { pattern })
            }
            Expr::Range(first, last) => {
                let class = [first, last].map(|c| format!(r"\x{{{:X}}}", u32::from(*c)));
                RegexAst::Regex(format!("[{}-{}]", class[0], class[1]))
            }
            Expr::Name(name) if is_terminal(name) => self.terminal(&self.definition(name)?.body, parts, depth + 1)?,
            Expr::Name(name) => return Err(wrong(self.line, &format!("has the rule `{name}` inside of a terminal"))),
            Expr::Sequence(list) => RegexAst::Concat(all(list)?),
            Expr::Choice(list) => RegexAst::Or(all(list)?),
            Expr::Repeat(of, min, max) => {
                RegexAst::Repeat(Box::new(all(std::slice::from_ref(of))?.remove(0)), *min, max.unwrap_or(u32::MAX))
            }
        })
    }

    fn pattern(&mut self, ast: RegexAst) -> Result<Symbol> {
        let dear = || wrong(self.line, "has a pattern that is too dear to compile; expected a simpler one");
        let rule = pattern_rule(ast, &mut self.patterns, &mut self.automata).ok_or_else(dear)?;
        match rule {
            Found::Some(rule) => self.add(rule),
            Found::OrNone(rule) => {
                let (some, none) = (self.add(rule)?, self.add(Rule::Sequence(Vec::new()))?);
                self.add(Rule::Choice(vec![some, none]))
            }
            Found::Nothing => self.add(Rule::Choice(Vec::new())),
        }
    }
}
