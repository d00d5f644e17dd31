//! The expressions of the grammar, in Jinja2's order of precedence.

use super::Fault;
use super::ast::{Arguments, Binary, Comparison, Expr, Kind, Unary};
use super::lexer::Token;
use super::parser::Parser;
use std::sync::Arc;

type Parsed = Result<Expr, Fault>;

fn expr(line: usize, kind: Kind) -> Expr {
    Expr { line, kind: Box::new(kind) }
}

impl Parser {
    pub fn expression(&mut self) -> Parsed {
        self.nested(Self::conditional_expression)
    }

    /// An expression, or several with commas between: a tuple. Before an `if` of its own a loop wants no condition.
    pub fn tuple(&mut self, with_condition: bool) -> Parsed {
        let line = self.line();
        let item = |parser: &mut Self| match with_condition {
            true => parser.expression(),
            false => parser.nested(Self::or),
        };
        let first = item(self)?;
        if !self.is_symbol(",") {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.skip_symbol(",") {
            let ends = matches!(self.peek(), None | Some(Token::PrintEnd | Token::BlockEnd | Token::Symbol(")")));
            if ends {
                break;
            }
            items.push(item(self)?);
        }
        Ok(expr(line, Kind::List { items, tuple: true }))
    }

    fn conditional_expression(&mut self) -> Parsed {
        let line = self.line();
        let mut then = self.or()?;
        while self.skip_name("if") {
            self.link()?;
            let test = self.or()?;
            let otherwise = if self.skip_name("else") { Some(self.expression()?) } else { None };
            then = expr(line, Kind::Conditional { test, then, otherwise });
        }
        Ok(then)
    }

    fn or(&mut self) -> Parsed {
        let line = self.line();
        let mut left = self.and()?;
        while self.skip_name("or") {
            self.link()?;
            left = expr(line, Kind::Or(left, self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed {
        let line = self.line();
        let mut left = self.not()?;
        while self.skip_name("and") {
            self.link()?;
            left = expr(line, Kind::And(left, self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Parsed {
        let line = self.line();
        let mut times = 0usize;
        while self.is_name("not") {
            self.link()?;
            self.skip_name("not");
            times += 1;
        }
        let mut inner = self.comparison()?;
        for _ in 0..times {
            inner = expr(line, Kind::Unary(Unary::Not, inner));
        }
        Ok(inner)
    }

    fn comparison(&mut self) -> Parsed {
        let line = self.line();
        let first = self.sum()?;
        let mut rest = Vec::new();
        loop {
            let operator = match self.peek() {
                Some(Token::Symbol("==")) => Comparison::Equal,
                Some(Token::Symbol("!=")) => Comparison::NotEqual,
                Some(Token::Symbol("<")) => Comparison::Less,
                Some(Token::Symbol("<=")) => Comparison::LessOrEqual,
                Some(Token::Symbol(">")) => Comparison::Greater,
                Some(Token::Symbol(">=")) => Comparison::GreaterOrEqual,
                Some(Token::Name(name)) if name == "in" => Comparison::In,
                Some(Token::Name(name)) if name == "not" => match self.peek_second() {
                    Some(Token::Name(second)) if second == "in" => {
                        self.next();
                        Comparison::NotIn
                    }
                    _ => break,
                },
                _ => break,
            };
            self.next();
            self.link()?;
            rest.push((operator, self.sum()?));
        }
        Ok(if rest.is_empty() { first } else { expr(line, Kind::Compare(first, rest)) })
    }

    fn sum(&mut self) -> Parsed {
        self.binary(&[("+", Binary::Add), ("-", Binary::Subtract)], Self::concat)
    }

    fn concat(&mut self) -> Parsed {
        self.binary(&[("~", Binary::Concat)], Self::product)
    }

    fn product(&mut self) -> Parsed {
        let operators =
            [("*", Binary::Multiply), ("/", Binary::Divide), ("//", Binary::FloorDivide), ("%", Binary::Remainder)];
        self.binary(&operators, |parser| parser.binary(&[("**", Binary::Power)], |parser| parser.unary(true)))
    }

    fn binary(&mut self, operators: &[(&str, Binary)], operand: impl Fn(&mut Self) -> Parsed) -> Parsed {
        let line = self.line();
        let mut left = operand(self)?;
        while let Some(Token::Symbol(symbol)) = self.peek() {
            let Some(&(_, operator)) = operators.iter().find(|(known, _)| known == symbol) else { break };
            self.next();
            self.link()?;
            left = expr(line, Kind::Binary(operator, left, operand(self)?));
        }
        Ok(left)
    }

    fn unary(&mut self, with_filter: bool) -> Parsed {
        let line = self.line();
        let operator = match self.peek() {
            Some(Token::Symbol("-")) => Some(Unary::Negative),
            Some(Token::Symbol("+")) => Some(Unary::Positive),
            _ => None,
        };
        let node = match operator {
            Some(operator) => {
                self.next();
                let inner = self.nested(|parser| parser.unary(false))?;
                expr(line, Kind::Unary(operator, inner))
            }
            None => self.primary()?,
        };
        let node = self.postfix(node)?;
        if with_filter { self.filters(node) } else { Ok(node) }
    }

    fn primary(&mut self) -> Parsed {
        let line = self.line();
        let kind = match self.next() {
            Some(Token::Name(name)) => match name.as_str() {
                "true" | "True" => Kind::Bool(true),
                "false" | "False" => Kind::Bool(false),
                "none" | "None" => Kind::None,
                _ => {
                    self.mention(&name);
                    Kind::Name(name)
                }
            },
            Some(Token::Text(mut text)) => {
                while let Some(Token::Text(more)) = self.peek() {
                    text.push_str(more);
                    self.next();
                }
                Kind::Text(Arc::from(text))
            }
            Some(Token::Int(number)) => Kind::Int(number),
            Some(Token::Float(number)) => Kind::Float(number),
            Some(Token::Symbol("(")) => {
                if self.skip_symbol(")") {
                    return Ok(expr(line, Kind::List { items: Vec::new(), tuple: true }));
                }
                let inner = self.tuple(true)?;
                self.expect_symbol(")")?;
                return Ok(inner);
            }
            Some(Token::Symbol("[")) => Kind::List { items: self.items("]")?, tuple: false },
            Some(Token::Symbol("{")) => self.dict()?,
            _ => {
                self.back();
                return Err(self.unexpected("an expression"));
            }
        };
        Ok(expr(line, kind))
    }

    fn items(&mut self, end: &str) -> Result<Vec<Expr>, Fault> {
        let mut items = Vec::new();
        while !self.skip_symbol(end) {
            if !items.is_empty() {
                self.expect_symbol(",")?;
                if self.skip_symbol(end) {
                    break;
                }
            }
            items.push(self.expression()?);
        }
        Ok(items)
    }

    fn dict(&mut self) -> Result<Kind, Fault> {
        let mut entries = Vec::new();
        while !self.skip_symbol("}") {
            if !entries.is_empty() {
                self.expect_symbol(",")?;
                if self.skip_symbol("}") {
                    break;
                }
            }
            let key = self.expression()?;
            self.expect_symbol(":")?;
            entries.push((key, self.expression()?));
        }
        Ok(Kind::Dict(entries))
    }

    fn postfix(&mut self, mut node: Expr) -> Parsed {
        loop {
            let line = self.line();
            node = match self.peek() {
                Some(Token::Symbol(".")) => {
                    self.next();
                    match self.next() {
                        Some(Token::Name(name)) => expr(line, Kind::Attribute(node, name)),
                        Some(Token::Int(index)) => expr(line, Kind::Item(node, expr(line, Kind::Int(index)))),
                        _ => {
                            self.back();
                            return Err(self.unexpected("an attribute"));
                        }
                    }
                }
                Some(Token::Symbol("[")) => {
                    self.next();
                    let node = self.subscript(node, line)?;
                    self.expect_symbol("]")?;
                    node
                }
                Some(Token::Symbol("(")) => expr(line, Kind::Call(node, self.arguments()?)),
                _ => return Ok(node),
            };
            self.link()?;
        }
    }

    fn subscript(&mut self, of: Expr, line: usize) -> Parsed {
        let part = |parser: &mut Self| match parser.peek() {
            Some(Token::Symbol(":" | "]")) => Ok(None),
            _ => parser.expression().map(Some),
        };
        let start = part(self)?;
        if !self.skip_symbol(":") {
            let index = start.ok_or_else(|| self.unexpected("an index"))?;
            return Ok(expr(line, Kind::Item(of, index)));
        }
        let stop = part(self)?;
        let step = if self.skip_symbol(":") { part(self)? } else { None };
        Ok(expr(line, Kind::Slice { of, start, stop, step }))
    }

    pub fn arguments(&mut self) -> Result<Arguments, Fault> {
        self.expect_symbol("(")?;
        let mut arguments = Arguments::default();
        let mut first = true;
        while !self.skip_symbol(")") {
            if !std::mem::take(&mut first) {
                self.expect_symbol(",")?;
                if self.skip_symbol(")") {
                    break;
                }
            }
            if self.skip_symbol("*") {
                arguments.more = Some(self.expression()?);
            } else if self.skip_symbol("**") {
                arguments.more_named = Some(self.expression()?);
            } else if let (Some(Token::Name(name)), Some(Token::Symbol("="))) = (self.peek(), self.peek_second()) {
                let name = name.clone();
                self.next();
                self.next();
                arguments.named.push((name, self.expression()?));
            } else if arguments.named.is_empty() && arguments.more_named.is_none() {
                arguments.positional.push(self.expression()?);
            } else {
                return Err(self.fault("an argument without a name follows one with a name"));
            }
        }
        Ok(arguments)
    }

    fn filters(&mut self, mut node: Expr) -> Parsed {
        loop {
            let line = self.line();
            node = match self.peek() {
                Some(Token::Symbol("|")) => {
                    self.next();
                    let filter = self.filter()?;
                    expr(line, Kind::Filter(node, filter))
                }
                Some(Token::Name(name)) if name == "is" => {
                    self.next();
                    self.test(node, line)?
                }
                Some(Token::Symbol("(")) => expr(line, Kind::Call(node, self.arguments()?)),
                _ => return Ok(node),
            };
            self.link()?;
        }
    }

    fn test(&mut self, of: Expr, line: usize) -> Parsed {
        let negated = self.skip_name("not");
        let name = self.dotted_name("the name of a test")?;
        if !super::is_tests::is_known(&name) {
            return Err(self.fault(format!("there is no test `{name}`")));
        }
        let takes_one = match self.peek() {
            Some(Token::Name(name)) => !["else", "or", "and", "if", "is", "in", "not"].contains(&name.as_str()),
            Some(Token::Text(_) | Token::Int(_) | Token::Float(_) | Token::Symbol("[" | "{")) => true,
            _ => false,
        };
        let arguments = if self.is_symbol("(") {
            self.arguments()?
        } else if takes_one {
            let argument = self.nested(Self::primary)?;
            Arguments { positional: vec![self.postfix(argument)?], ..Arguments::default() }
        } else {
            Arguments::default()
        };
        let test = expr(line, Kind::Test { of, name, arguments });
        Ok(if negated { expr(line, Kind::Unary(Unary::Not, test)) } else { test })
    }
}
