//! Tokens to statements. How deep a template nests, and how long one tag may be, is bounded here, so that nothing later
//! needs more stack than the library's own threads have.

use super::Fault;
use super::ast::{Arguments, Expr, Filter, For, Macro, Statement, Target};
use super::lexer::{Token, tokens};
use std::sync::Arc;

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
    links: usize,
    loops: usize,
    /// What the bodies of the macros around mention.
    macros: Vec<Mentions>,
}

#[derive(Default)]
struct Mentions {
    varargs: bool,
    kwargs: bool,
    caller: bool,
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

    /// Statements up to a tag that begins with one of `ends`, whose name is taken; without `ends`, up to the end.
    fn body(&mut self, ends: &[&str]) -> Result<(Vec<Statement>, String), Fault> {
        let begun = self.line();
        let mut body = Vec::new();
        while let Some(token) = self.next() {
            self.links = 0;
            match token {
                Token::Data(text) => body.push(Statement::Text(text)),
                Token::PrintBegin => {
                    body.push(Statement::Print(self.tuple(true)?));
                    if self.next() != Some(Token::PrintEnd) {
                        self.at -= 1;
                        return Err(self.unexpected("`}}`"));
                    }
                }
                _ => {
                    let name = self.expect_name("the name of a tag")?;
                    if ends.contains(&name.as_str()) {
                        return Ok((body, name));
                    }
                    body.push(self.nested(|parser| parser.statement(&name))?);
                    self.block_end()?;
                }
            }
        }
        match ends.last() {
            None => Ok((body, String::new())),
            Some(end) => Err(Fault::new(begun, format!("a block has no `{{% {end} %}}`"))),
        }
    }

    fn block_end(&mut self) -> Result<(), Fault> {
        match self.peek() {
            Some(Token::BlockEnd) => {
                self.at += 1;
                Ok(())
            }
            _ => Err(self.unexpected("`%}`")),
        }
    }

    /// A block's body, after the end of its opening tag.
    fn block(&mut self, end: &str) -> Result<Vec<Statement>, Fault> {
        self.block_end()?;
        Ok(self.body(&[end])?.0)
    }

    fn statement(&mut self, name: &str) -> Result<Statement, Fault> {
        match name {
            "if" => self.conditional(),
            "for" => self.for_loop(),
            "set" => self.set(),
            "with" => self.with(),
            "macro" => self.macro_(),
            "call" => self.call_block(),
            "generation" => Ok(Statement::Scope(self.block("endgeneration")?)),
            "block" => {
                self.expect_name("the name of a block")?;
                let body = self.block("endblock")?;
                if matches!(self.peek(), Some(Token::Name(_))) {
                    self.at += 1;
                }
                Ok(Statement::Scope(body))
            }
            "filter" => {
                let filters = self.filter_chain()?;
                Ok(Statement::FilterBlock { filters, body: self.block("endfilter")? })
            }
            "break" if self.loops > 0 => Ok(Statement::Break),
            "continue" if self.loops > 0 => Ok(Statement::Continue),
            "extends" | "include" | "import" | "from" => {
                Err(self.fault(format!("`{{% {name} %}}` needs another template, and there is none")))
            }
            other => Err(self.fault(format!("unknown tag `{other}` here"))),
        }
    }

    fn conditional(&mut self) -> Result<Statement, Fault> {
        let mut branches = Vec::new();
        loop {
            let test = self.tuple(false)?;
            self.block_end()?;
            let (body, end) = self.body(&["elif", "else", "endif"])?;
            branches.push((test, body));
            match end.as_str() {
                "elif" => {}
                "else" => return Ok(Statement::If { branches, otherwise: self.block("endif")? }),
                _ => return Ok(Statement::If { branches, otherwise: Vec::new() }),
            }
        }
    }

    fn for_loop(&mut self) -> Result<Statement, Fault> {
        let target = self.target()?;
        if !self.skip_name("in") {
            return Err(self.unexpected("`in`"));
        }
        let iterable = self.tuple(false)?;
        let condition = if self.skip_name("if") { Some(self.expression()?) } else { None };
        let recursive = self.skip_name("recursive");
        self.block_end()?;
        self.loops += 1;
        let parsed = self.body(&["else", "endfor"]);
        self.loops -= 1;
        let (body, end) = parsed?;
        let otherwise = if end == "else" { self.block("endfor")? } else { Vec::new() };
        Ok(Statement::For(Arc::new(For { target, iterable, condition, recursive, body, otherwise })))
    }

    fn set(&mut self) -> Result<Statement, Fault> {
        let target = self.target()?;
        if self.skip_symbol("=") {
            return Ok(Statement::Set { target, value: self.tuple(true)? });
        }
        let filters = if self.skip_symbol("|") { self.filter_chain()? } else { Vec::new() };
        Ok(Statement::SetBlock { target, filters, body: self.block("endset")? })
    }

    fn with(&mut self) -> Result<Statement, Fault> {
        let mut bindings = Vec::new();
        while self.peek() != Some(&Token::BlockEnd) {
            if !bindings.is_empty() {
                self.expect_symbol(",")?;
            }
            let target = self.target_item()?;
            self.expect_symbol("=")?;
            bindings.push((target, self.expression()?));
        }
        Ok(Statement::With { bindings, body: self.block("endwith")? })
    }

    fn macro_(&mut self) -> Result<Statement, Fault> {
        let name = self.expect_name("the name of a macro")?;
        Ok(Statement::Macro(Arc::new(self.macro_rest(name, "endmacro")?)))
    }

    fn call_block(&mut self) -> Result<Statement, Fault> {
        let parameters = if self.is_symbol("(") { self.parameters()? } else { Vec::new() };
        let call = self.expression()?;
        if !matches!(*call.kind, super::ast::Kind::Call(..)) {
            return Err(self.fault("`{% call %}` stands before something that is no call"));
        }
        let body = self.macro_body("caller".to_owned(), parameters, "endcall")?;
        Ok(Statement::CallBlock { call, body: Arc::new(body) })
    }

    fn macro_rest(&mut self, name: String, end: &str) -> Result<Macro, Fault> {
        let parameters = self.parameters()?;
        self.macro_body(name, parameters, end)
    }

    fn macro_body(&mut self, name: String, parameters: Vec<(String, Option<Expr>)>, end: &str) -> Result<Macro, Fault> {
        let loops = std::mem::take(&mut self.loops);
        self.macros.push(Mentions::default());
        let body = self.block(end);
        let mentions = self.macros.pop().unwrap_or_default();
        self.loops = loops;
        Ok(Macro {
            name,
            parameters,
            body: body?,
            uses_varargs: mentions.varargs,
            uses_kwargs: mentions.kwargs,
            uses_caller: mentions.caller,
        })
    }

    fn parameters(&mut self) -> Result<Vec<(String, Option<Expr>)>, Fault> {
        self.expect_symbol("(")?;
        let mut parameters: Vec<(String, Option<Expr>)> = Vec::new();
        while !self.skip_symbol(")") {
            if !parameters.is_empty() {
                self.expect_symbol(",")?;
                if self.skip_symbol(")") {
                    break;
                }
            }
            let name = self.expect_name("the name of a parameter")?;
            let default = if self.skip_symbol("=") { Some(self.expression()?) } else { None };
            if default.is_none() && parameters.last().is_some_and(|(_, default)| default.is_some()) {
                return Err(self.fault("a parameter without a default follows one with a default"));
            }
            parameters.push((name, default));
        }
        Ok(parameters)
    }

    /// `a`, `a.b`, `a, b` or `(a, b)`.
    fn target(&mut self) -> Result<Target, Fault> {
        let line = self.line();
        let first = self.target_item()?;
        if !self.is_symbol(",") {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.skip_symbol(",") {
            if matches!(self.peek(), Some(Token::Symbol("=" | ")"))) || self.is_name("in") {
                break;
            }
            items.push(self.target_item()?);
        }
        Ok(Target::Tuple(items, line))
    }

    fn target_item(&mut self) -> Result<Target, Fault> {
        let line = self.line();
        if self.skip_symbol("(") {
            let target = self.nested(Self::target)?;
            self.expect_symbol(")")?;
            return Ok(target);
        }
        let name = self.expect_name("a name")?;
        if ["true", "false", "none", "True", "False", "None"].contains(&name.as_str()) {
            return Err(self.fault(format!("nothing can be assigned to `{name}`")));
        }
        match self.skip_symbol(".") {
            true => Ok(Target::Attribute { namespace: name, name: self.expect_name("an attribute")?, line }),
            false => Ok(Target::Name(name)),
        }
    }

    fn filter_chain(&mut self) -> Result<Vec<Filter>, Fault> {
        let mut filters = vec![self.filter()?];
        while self.skip_symbol("|") {
            self.link()?;
            filters.push(self.filter()?);
        }
        Ok(filters)
    }

    /// A filter's name and arguments, after the `|`.
    pub fn filter(&mut self) -> Result<Filter, Fault> {
        let line = self.line();
        let name = self.dotted_name("the name of a filter")?;
        if !super::names::is_filter(&name) {
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
