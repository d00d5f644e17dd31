//! Expressions to values.

use super::Fault;
use super::arguments::Args;
use super::ast::{Arguments, Comparison, Expr, Filter, Kind, Unary};
use super::run::Run;
use super::value::{Callable, Frame, Loop, Value};
use super::{globals, is_tests, methods, operators, subscript};
use std::cmp::Ordering;
use std::rc::Rc;

impl Run {
    pub fn value(&self, expr: &Expr, frame: &Rc<Frame>) -> Result<Value, Fault> {
        self.nested(|| self.kind(expr, frame)).map_err(|fault| fault.at(expr.line))
    }

    fn kind(&self, expr: &Expr, frame: &Rc<Frame>) -> Result<Value, Fault> {
        match &*expr.kind {
            Kind::None => Ok(Value::None),
            Kind::Bool(flag) => Ok(Value::Bool(*flag)),
            Kind::Int(number) => Ok(Value::Int(*number)),
            Kind::Float(number) => Ok(Value::Float(*number)),
            Kind::Text(text) => Ok(Value::Text(text.clone())),
            Kind::Name(name) => {
                Ok(frame.get(name).or_else(|| globals::named(name)).unwrap_or_else(|| Value::undefined(name)))
            }
            Kind::List { items, tuple } => {
                let items = items.iter().map(|item| self.value(item, frame)).collect::<Result<_, _>>()?;
                self.sequence(items, *tuple)
            }
            Kind::Dict(entries) => {
                let entry = |(key, value): &(Expr, Expr)| Ok((self.value(key, frame)?, self.value(value, frame)?));
                self.dict(entries.iter().map(entry).collect::<Result<_, Fault>>()?)
            }
            Kind::Unary(Unary::Not, of) => Ok(Value::Bool(!self.value(of, frame)?.is_true())),
            Kind::Unary(Unary::Negative, of) => operators::negative(&self.value(of, frame)?),
            Kind::Unary(Unary::Positive, of) => operators::positive(&self.value(of, frame)?),
            Kind::Binary(operator, left, right) => {
                let (left, right) = (self.value(left, frame)?, self.value(right, frame)?);
                operators::binary(self, *operator, &left, &right)
            }
            Kind::And(left, right) => {
                let left = self.value(left, frame)?;
                if left.is_true() { self.value(right, frame) } else { Ok(left) }
            }
            Kind::Or(left, right) => {
                let left = self.value(left, frame)?;
                if left.is_true() { Ok(left) } else { self.value(right, frame) }
            }
            Kind::Compare(first, rest) => self.compare(first, rest, frame),
            Kind::Conditional { test, then, otherwise } => match (self.value(test, frame)?.is_true(), otherwise) {
                (true, _) => self.value(then, frame),
                (false, Some(otherwise)) => self.value(otherwise, frame),
                (false, None) => Ok(Value::Undefined("the inline if-expression has no else".into())),
            },
            Kind::Attribute(of, name) => self.attribute(&self.value(of, frame)?, name),
            Kind::Item(of, index) => {
                let (of, index) = (self.value(of, frame)?, self.value(index, frame)?);
                subscript::item(self, &of, &index)
            }
            Kind::Slice { of, start, stop, step } => {
                let part = |part: &Option<Expr>| part.as_ref().map(|part| self.value(part, frame)).transpose();
                subscript::slice(self, &self.value(of, frame)?, part(start)?, part(stop)?, part(step)?)
            }
            Kind::Call(..) => self.call_with(expr, None, frame),
            Kind::Filter(of, filter) => {
                let value = self.value(of, frame)?;
                self.apply_filter(value, filter, frame)
            }
            Kind::Test { of, name, arguments } => {
                let value = self.value(of, frame)?;
                let args = self.arguments(arguments, frame)?;
                is_tests::test(self, name, &value, args).map(Value::Bool)
            }
        }
    }

    fn compare(&self, first: &Expr, rest: &[(Comparison, Expr)], frame: &Rc<Frame>) -> Result<Value, Fault> {
        let mut left = self.value(first, frame)?;
        for (operator, right) in rest {
            let right = self.value(right, frame)?;
            let holds = match operator {
                Comparison::Equal => left.equals(self, &right)?,
                Comparison::NotEqual => !left.equals(self, &right)?,
                Comparison::In => operators::contains(self, &right, &left)?,
                Comparison::NotIn => !operators::contains(self, &right, &left)?,
                Comparison::Less => left.order(self, &right)? == Ordering::Less,
                Comparison::LessOrEqual => left.order(self, &right)? != Ordering::Greater,
                Comparison::Greater => left.order(self, &right)? == Ordering::Greater,
                Comparison::GreaterOrEqual => left.order(self, &right)? != Ordering::Less,
            };
            if !holds {
                return Ok(Value::Bool(false));
            }
            left = right;
        }
        Ok(Value::Bool(true))
    }

    /// `of.name`: an attribute, else an entry.
    pub fn attribute(&self, of: &Value, name: &str) -> Result<Value, Fault> {
        match of {
            Value::Undefined(why) => return Err(Fault::of(&**why)),
            Value::Namespace(attributes) => {
                let attributes = attributes.borrow();
                let found = attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
                return Ok(found.unwrap_or_else(|| missing(of, name)));
            }
            Value::Loop(state) => return self.loop_attribute(state, name),
            Value::Callable(callable) => {
                if let (Callable::Cycler { items, at }, "current") = (&**callable, name) {
                    return Ok(items[at.get() % items.len()].clone());
                }
                if let (Callable::Macro { declaration, .. }, "name") = (&**callable, name) {
                    return self.text(&declaration.name);
                }
            }
            _ => {}
        }
        if let Value::List(list) = of
            && let Some(at) = ["grouper", "list"].iter().position(|known| *known == name)
            && let [_, _] = list.items[..]
            && list.tuple
        {
            // What `groupby` gives.
            return Ok(list.items[at].clone());
        }
        if of.has_method(name) {
            return Ok(Value::Callable(Rc::new(Callable::Method(of.clone(), name.to_owned()))));
        }
        let Value::Dict(dict) = of else { return Ok(missing(of, name)) };
        self.spend(dict.entries.len())?;
        let found = dict.entries.iter().find(|(key, _)| key.as_text().is_some_and(|key| **key == *name));
        Ok(found.map_or_else(|| missing(of, name), |(_, value)| value.clone()))
    }

    fn loop_attribute(&self, state: &Rc<Loop>, name: &str) -> Result<Value, Fault> {
        let (index, length) = (state.index.get(), state.items.len());
        let number = |number: usize| Ok(Value::Int(number as i64));
        let near = |at: Option<usize>, name: &str| {
            let item = at.and_then(|at| state.items.get(at)).cloned();
            Ok(item.unwrap_or_else(|| Value::Undefined(format!("there is no {name}").into())))
        };
        match name {
            "index" => number(index + 1),
            "index0" => number(index),
            "revindex" => number(length - index),
            "revindex0" => number(length - index - 1),
            "first" => Ok(Value::Bool(index == 0)),
            "last" => Ok(Value::Bool(index + 1 == length)),
            "length" => number(length),
            "depth" => number(state.depth),
            "depth0" => number(state.depth - 1),
            "previtem" => near(index.checked_sub(1), "previous item"),
            "nextitem" => near(Some(index + 1), "next item"),
            "cycle" | "changed" => {
                let method = Callable::Method(Value::Loop(state.clone()), name.to_owned());
                Ok(Value::Callable(Rc::new(method)))
            }
            _ => Ok(missing(&Value::Loop(state.clone()), name)),
        }
    }

    pub fn arguments(&self, arguments: &Arguments, frame: &Rc<Frame>) -> Result<Args, Fault> {
        let mut args = Args::default();
        for argument in &arguments.positional {
            args.positional.push(self.value(argument, frame)?);
        }
        for (name, argument) in &arguments.named {
            args.named.push((name.clone(), self.value(argument, frame)?));
        }
        if let Some(more) = &arguments.more {
            args.positional.extend(self.value(more, frame)?.iterate(self)?);
        }
        if let Some(more) = &arguments.more_named {
            let Value::Dict(more) = self.value(more, frame)? else {
                return Err(Fault::of("`**` stands before something that is no dict"));
            };
            for (name, value) in &more.entries {
                let name = name.as_text().ok_or_else(|| Fault::of("keywords must be strings"))?;
                self.room(name.len() + size_of::<Value>())?;
                args.named.push((name.to_string(), value.clone()));
            }
        }
        Ok(args)
    }

    /// A call; `caller` is the block that a `{% call %}` hands over.
    pub fn call_with(&self, call: &Expr, caller: Option<Value>, frame: &Rc<Frame>) -> Result<Value, Fault> {
        let Kind::Call(callee, arguments) = &*call.kind else { return Err(Fault::of("this is no call")) };
        let method = match &*callee.kind {
            Kind::Attribute(of, name) => Some((self.value(of, frame)?, name)),
            _ => None,
        };
        let mut args = self.arguments(arguments, frame)?;
        args.named.extend(caller.map(|caller| ("caller".to_owned(), caller)));
        let result = match method {
            // The usual case, without a value for the method itself.
            Some((of, name)) if of.has_method(name) => methods::call(self, &of, name, args),
            Some((of, name)) => self.attribute(&of, name).and_then(|callee| self.call(&callee, args)),
            None => self.value(callee, frame).and_then(|callee| self.call(&callee, args)),
        };
        result.map_err(|fault| fault.at(call.line))
    }

    fn call(&self, callee: &Value, args: Args) -> Result<Value, Fault> {
        match callee {
            Value::Callable(callable) => match &**callable {
                Callable::Function(name) => globals::call(self, name, args),
                Callable::Method(of, name) => methods::call(self, of, name, args),
                Callable::Macro { declaration, frame } => self.nested(|| self.call_macro(declaration, frame, args)),
                Callable::Joiner { separator, used } => {
                    Ok(if used.replace(true) { separator.clone() } else { Value::from("") })
                }
                Callable::Cycler { .. } => Err(Fault::of("a cycler is no function; it has `next()`")),
            },
            Value::Loop(state) => {
                let Some((over, frame)) = state.again.as_ref().and_then(|(over, at)| Some((over, at.upgrade()?)))
                else {
                    return Err(Fault::of("the loop is not `recursive`"));
                };
                let [items] = args.bind(["iterable"])?;
                let items = items.ok_or_else(|| Fault::of("`loop(…)` needs what to go over"))?;
                self.caught(|| self.loop_over(over, items, &frame, state.depth + 1).map(drop))
            }
            other => Err(Fault::of(format!("'{}' object is not callable", other.defined()?.kind()))),
        }
    }

    pub fn apply_filter(&self, value: Value, filter: &Filter, frame: &Rc<Frame>) -> Result<Value, Fault> {
        let args = self.arguments(&filter.arguments, frame)?;
        self.nested(|| self.filter(&filter.name, value, args)).map_err(|fault| fault.at(filter.line))
    }
}

fn missing(of: &Value, name: &str) -> Value {
    Value::Undefined(format!("'{} object' has no attribute '{name}'", of.kind()).into())
}
