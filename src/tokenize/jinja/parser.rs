//! The tokens as the statements of `statements` and the expressions of `expressions` take them. How deep a template nests, and how long one tag may be, is bounded here, so that nothing later
//! needs more stack than the library's own threads have.

use super::Fault;
use super::ast::{Arguments, Filter, Statement};
use super::lexer::{Token, tokens};

/// Blocks within blocks and brackets within brackets, together.
const DEEPEST: usize = 150;
/// Operators, attributes, filters and the like in one tag.
const MOST_LINKS: usize = 2000;

/// The statements of a template.
pub(super) fn parse(source: &str) -> Result<Vec<Statement>, Fault> {
    let mut parser = Parser { tokens: tokens(source)?, at: 0, depth: 0, links: 0, loops: 0, macros: Vec::new() };
    let (body, _) = parser.body(&[])?;
    Ok(body)
}

pub(super) struct Parser {
    tokens: Vec<(Token, usize)>,
    at: usize,
    depth: usize,
    /// Of the tag that is read.
    pub links: usize,
    /// Loops around, in this macro.
    pub loops: usize,
    /// What the bodies of the macros around mention.
    pub macros: Vec<Mentions>,
}

#[derive(Default)]
pub(super) struct Mentions {
    pub varargs: bool,
    pub kwargs: bool,
    pub caller: bool,
}

impl Parser {
    pub fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    pub fn peek_second(&self) -> Option<&Token> {
        self.tokens.get(self.at + 1).map(|(token, _)| token)
    }

    pub fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).map(|(token, _)| token.clone());
        self.at += 1;
        token
    }

    /// Takes the last token back.
    pub fn back(&mut self) {
        self.at -= 1;
    }

    pub fn line(&self) -> usize {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |(_, line)| *line)
    }

    pub fn fault(&self, message: impl Into<String>) -> Fault {
        Fault::new(self.line(), message)
    }

    pub fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.peek(), Some(Token::Symbol(found)) if *found == symbol)
    }

    pub fn skip_symbol(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(symbol);
        self.at += usize::from(found);
        found
    }

    pub fn expect_symbol(&mut self, symbol: &str) -> Result<(), Fault> {
        if self.skip_symbol(symbol) { Ok(()) } else { Err(self.unexpected(&format!("`{symbol}`"))) }
    }

    pub fn is_name(&self, name: &str) -> bool {
        matches!(self.peek(), Some(Token::Name(found)) if found == name)
    }

    pub fn skip_name(&mut self, name: &str) -> bool {
        let found = self.is_name(name);
        self.at += usize::from(found);
        found
    }

    pub fn expect_name(&mut self, expected: &str) -> Result<String, Fault> {
        match self.peek() {
            Some(Token::Name(name)) => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.unexpected(expected)),
        }
    }

    pub fn unexpected(&self, expected: &str) -> Fault {
        let found = match self.peek() {
            None => "the end of the template".to_owned(),
            Some(Token::BlockEnd | Token::PrintEnd) => "the end of the tag".to_owned(),
            Some(Token::Name(name)) => format!("`{name}`"),
            Some(Token::Symbol(symbol)) => format!("`{symbol}`"),
            Some(Token::Text(_)) => "a string".to_owned(),
            Some(Token::Int(_) | Token::Float(_)) => "a number".to_owned(),
            Some(Token::Data(_) | Token::BlockBegin | Token::PrintBegin) => "text".to_owned(),
        };
        self.fault(format!("found {found}, expected {expected}"))
    }

    /// One level deeper.
    pub fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth == DEEPEST {
            return Err(self.fault(format!("blocks and brackets nest deeper than {DEEPEST} levels")));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// One operator, attribute or filter more.
    pub fn link(&mut self) -> Result<(), Fault> {
        self.links += 1;
        match self.links > MOST_LINKS {
            true => Err(self.fault(format!("one tag has more than {MOST_LINKS} operators"))),
            false => Ok(()),
        }
    }

    /// A variable is mentioned.
    pub fn mention(&mut self, name: &str) {
        if let Some(mentions) = self.macros.last_mut() {
            mentions.varargs |= name == "varargs";
            mentions.kwargs |= name == "kwargs";
            mentions.caller |= name == "caller";
        }
    }

    /// A filter's name and arguments, after the `|`.
    pub fn filter(&mut self) -> Result<Filter, Fault> {
        let line = self.line();
        let name = self.dotted_name("the name of a filter")?;
        if super::filters::find(&name).is_none() {
            return Err(self.fault(format!("there is no filter `{name}`")));
        }
        let arguments = if self.is_symbol("(") { self.arguments()? } else { Arguments::default() };
        Ok(Filter { name, arguments, line })
    }

    pub fn dotted_name(&mut self, expected: &str) -> Result<String, Fault> {
        let mut name = self.expect_name(expected)?;
        while self.skip_symbol(".") {
            self.link()?;
            name = format!("{name}.{}", self.expect_name(expected)?);
        }
        Ok(name)
    }
}
