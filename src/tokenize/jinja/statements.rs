//! Tags to statements.

use super::Fault;
use super::ast::{Expr, Filter, For, Kind, Macro, Statement, Target};
use super::lexer::Token;
use super::parser::{Mentions, Parser};
use std::sync::Arc;

impl Parser {
    /// Statements up to a tag that begins with one of `ends`, whose name is taken; without `ends`, up to the end.
    pub fn body(&mut self, ends: &[&str]) -> Result<(Vec<Statement>, String), Fault> {
        let begun = self.line();
        let mut body = Vec::new();
        while let Some(token) = self.next() {
            self.links = 0;
            match token {
                Token::Data(text) => body.push(Statement::Text(text)),
                Token::PrintBegin => {
                    body.push(Statement::Print(self.tuple(true)?));
                    if self.next() != Some(Token::PrintEnd) {
                        self.back();
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
                self.next();
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
                    self.next();
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
        if !matches!(*call.kind, Kind::Call(..)) {
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
}
