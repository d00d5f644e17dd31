//! A Lark grammar as its rules and terminals.

use super::tokens::{Token, tokens};
use super::{common, wrong};
use crate::error::Result;
use std::collections::BTreeMap;

/// Brackets in brackets.
const MAX_NESTING: usize = 100;

/// `~`
const MOST_REPETITIONS: u32 = 10_000;

/// What may stand somewhere.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expr {
    /// A text; whether case is ignored.
    Text(String, bool),
    /// An expression of a pattern's syntax; whether case is ignored.
    Regex(String, bool),
    /// One character of a range.
    Range(char, char),
    /// A rule or a terminal.
    Name(String),
    Sequence(Vec<Expr>),
    Choice(Vec<Expr>),
    Repeat(Box<Expr>, u32, Option<u32>),
}

/// A rule or a terminal.
#[derive(Debug, PartialEq)]
pub(super) struct Definition {
    pub(super) line: usize,
    pub(super) body: Expr,
}

#[derive(Debug, Default)]
pub(super) struct Lark {
    pub(super) definitions: BTreeMap<String, Definition>,
    /// What may stand between any two terminals.
    pub(super) ignored: Vec<Expr>,
}

/// Terminals have names in capital letters.
pub(super) fn is_terminal(name: &str) -> bool {
    name.trim_start_matches('_').starts_with(char::is_uppercase)
}

pub(super) fn parse(source: &str) -> Result<Lark> {
    let mut parser = Parser { tokens: tokens(source)?, at: 0, depth: 0 };
    let mut lark = Lark::default();
    loop {
        parser.skip_lines();
        match parser.next() {
            None => return Ok(lark),
            Some(Token::Directive(name)) => parser.directive(&name, &mut lark)?,
            Some(Token::Sign("?" | "!")) => {}
            Some(Token::Name(name)) => parser.definition(name, &mut lark)?,
            Some(_) => return Err(parser.unexpected("a rule or a terminal, `name: …`")),
        }
    }
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += usize::from(token.is_some());
        token
    }

    /// Of the token that was taken last.
    fn line(&self) -> usize {
        self.tokens.get(self.at.saturating_sub(1)).map_or(1, |(_, line)| *line)
    }

    fn skip(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(found)) if *found == sign);
        self.at += usize::from(found);
        found
    }

    fn skip_lines(&mut self) {
        while self.peek() == Some(&Token::LineEnd) {
            self.at += 1;
        }
    }

    /// A `|`, also on one of the next lines.
    fn skip_bar(&mut self) -> bool {
        let before = self.at;
        self.skip_lines();
        let found = self.skip("|");
        if !found {
            self.at = before;
        }
        found
    }

    /// About the token that was taken last.
    fn unexpected(&self, expected: &str) -> crate::error::Error {
        let found = match self.tokens.get(self.at.saturating_sub(1)).map(|(token, _)| token) {
            None | Some(Token::LineEnd) => "the end of the line".to_owned(),
            Some(Token::Name(name)) => format!("`{name}`"),
            Some(Token::Text(..)) => "a text".to_owned(),
            Some(Token::Regex(..)) => "a regular expression".to_owned(),
            Some(Token::Number(number)) => format!("`{number}`"),
            Some(Token::Directive(name)) => format!("`%{name}`"),
            Some(Token::Sign(sign)) => format!("`{sign}`"),
        };
        wrong(self.line(), &format!("has {found}; expected {expected}"))
    }

    fn expect(&mut self, sign: &str) -> Result<()> {
        if self.skip(sign) {
            return Ok(());
        }
        self.at += 1;
        Err(self.unexpected(&format!("`{sign}`")))
    }

    fn number(&mut self) -> Result<u32> {
        match self.next() {
            Some(Token::Number(number)) => Ok(number),
            _ => Err(self.unexpected("a number")),
        }
    }

    fn name(&mut self) -> Result<String> {
        match self.next() {
            Some(Token::Name(name)) => Ok(name),
            _ => Err(self.unexpected("a name")),
        }
    }

    /// `name.priority: …`; the priority decides nothing here, since every reading is followed.
    fn definition(&mut self, name: String, lark: &mut Lark) -> Result<()> {
        let line = self.line();
        if self.skip("{") {
            return Err(wrong(line, &format!("makes `{name}` a template, which is not supported; write the rule out")));
        }
        if self.skip(".") {
            self.number()?;
        }
        self.expect(":")?;
        let body = self.choice()?;
        if !matches!(self.next(), None | Some(Token::LineEnd)) {
            return Err(self.unexpected("the end of the line, or `|`"));
        }
        match lark.definitions.insert(name.clone(), Definition { line, body }) {
            None => Ok(()),
            Some(first) => Err(wrong(line, &format!("defines `{name}` again, after line {}", first.line))),
        }
    }

    fn directive(&mut self, name: &str, lark: &mut Lark) -> Result<()> {
        let line = self.line();
        match name {
            "ignore" => lark.ignored.push(self.choice()?),
            "import" => {
                if self.name()? != "common" {
                    let why = "imports from another file, and there is none; expected `%import common.NAME`";
                    return Err(wrong(line, why));
                }
                let named = if self.skip("(") {
                    let mut names = vec![self.name()?];
                    while self.skip(",") {
                        names.push(self.name()?);
                    }
                    self.expect(")")?;
                    names.into_iter().map(|name| (name.clone(), name)).collect()
                } else {
                    self.expect(".")?;
                    let name = self.name()?;
                    let alias = if self.skip("->") { self.name()? } else { name.clone() };
                    vec![(name, alias)]
                };
                for (name, alias) in named {
                    let regex = common::terminal(&name)
                        .ok_or_else(|| wrong(line, &format!("imports common.{name}, which is not there")))?;
                    lark.definitions.insert(alias, Definition { line, body: Expr::Regex(regex.to_owned(), false) });
                }
            }
            other => {
                let why =
                    format!("has `%{other}`, which is not supported; expected `%ignore` or `%import common.NAME`");
                return Err(wrong(line, &why));
            }
        }
        Ok(())
    }

    fn choice(&mut self) -> Result<Expr> {
        let mut choices = vec![self.sequence()?];
        while self.skip_bar() {
            choices.push(self.sequence()?);
        }
        Ok(if choices.len() == 1 { choices.remove(0) } else { Expr::Choice(choices) })
    }

    fn sequence(&mut self) -> Result<Expr> {
        let mut parts = Vec::new();
        while let Some(atom) = self.atom()? {
            parts.push(self.repeated(atom)?);
        }
        // An alias names a branch of the tree, and there is none.
        if self.skip("->") {
            self.name()?;
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::Sequence(parts) })
    }

    fn repeated(&mut self, atom: Expr) -> Result<Expr> {
        let (min, max) = match self.peek() {
            Some(Token::Sign("?")) => (0, Some(1)),
            Some(Token::Sign("*")) => (0, None),
            Some(Token::Sign("+")) => (1, None),
            Some(Token::Sign("~")) => {
                self.at += 1;
                let min = self.number()?;
                let max = if self.skip("..") { self.number()? } else { min };
                if max < min {
                    return Err(wrong(
                        self.line(),
                        &format!("repeats {min}..{max} times; expected the lower number first"),
                    ));
                }
                if max > MOST_REPETITIONS {
                    let why = format!("repeats {max} times; expected at most {MOST_REPETITIONS}");
                    return Err(wrong(self.line(), &why));
                }
                return Ok(Expr::Repeat(Box::new(atom), min, Some(max)));
            }
            _ => return Ok(atom),
        };
        self.at += 1;
        Ok(Expr::Repeat(Box::new(atom), min, max))
    }

    fn atom(&mut self) -> Result<Option<Expr>> {
        Ok(Some(match self.peek().cloned() {
            Some(Token::Name(name)) => {
                self.at += 1;
                Expr::Name(name)
            }
            Some(Token::Regex(pattern, ignores_case)) => {
                self.at += 1;
                Expr::Regex(pattern, ignores_case)
            }
            Some(Token::Text(text, ignores_case)) => {
                self.at += 1;
                if self.skip("..") { self.range(&text)? } else { Expr::Text(text, ignores_case) }
            }
            Some(Token::Sign(open @ ("(" | "["))) => {
                self.at += 1;
                if self.depth == MAX_NESTING {
                    return Err(wrong(self.line(), &format!("nests deeper than {MAX_NESTING} brackets")));
                }
                self.depth += 1;
                self.skip_lines();
                let inside = self.choice()?;
                self.skip_lines();
                self.expect(if open == "(" { ")" } else { "]" })?;
                self.depth -= 1;
                if open == "(" { inside } else { Expr::Repeat(Box::new(inside), 0, Some(1)) }
            }
            _ => return Ok(None),
        }))
    }

    fn range(&mut self, first: &str) -> Result<Expr> {
        let last = match self.next() {
            Some(Token::Text(last, false)) => last,
            _ => return Err(self.unexpected("the last character of a range")),
        };
        let one = |text: &str| text.chars().next().filter(|c| c.len_utf8() == text.len());
        match one(first).zip(one(&last)).filter(|(first, last)| first <= last) {
            Some((first, last)) => Ok(Expr::Range(first, last)),
            None => {
                Err(wrong(self.line(), &format!("has the range {first:?}..{last:?}; expected two characters in order")))
            }
        }
    }
}
