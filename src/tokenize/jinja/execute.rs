//! Statements: what they write, and which variables they set where.

use super::Fault;
use super::arguments::Args;
use super::ast::{Expr, Filter, For, Macro, Statement, Target};
use super::run::Run;
use super::value::{Callable, Frame, Loop, Value};
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;

/// How a block was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    On,
    Break,
    Continue,
}

impl Run {
    pub fn statements(&self, body: &[Statement], frame: &Rc<Frame>) -> Result<Flow, Fault> {
        self.nested(|| {
            for statement in body {
                self.spend(1)?;
                let flow = self.statement(statement, frame)?;
                if flow != Flow::On {
                    return Ok(flow);
                }
            }
            Ok(Flow::On)
        })
    }

    fn statement(&self, statement: &Statement, frame: &Rc<Frame>) -> Result<Flow, Fault> {
        match statement {
            Statement::Text(text) => self.write(text)?,
            Statement::Print(expr) => self.print(expr, frame)?,
            Statement::Set { target, value } => {
                let value = self.value(value, frame)?;
                self.assign(target, value, frame)?;
            }
            Statement::SetBlock { target, filters, body } => {
                let text = self.block_text(body, frame)?;
                let value = self.filtered(text, filters, frame)?;
                self.assign(target, value, frame)?;
            }
            Statement::If { branches, otherwise } => {
                for (test, body) in branches {
                    if self.value(test, frame)?.is_true() {
                        return self.statements(body, frame);
                    }
                }
                return self.statements(otherwise, frame);
            }
            Statement::For(over) => return self.for_loop(over, frame),
            Statement::With { bindings, body } => {
                let inner = Frame::inside(frame);
                for (target, value) in bindings {
                    // As in Jinja2, no binding sees another.
                    let value = self.value(value, frame)?;
                    self.assign(target, value, &inner)?;
                }
                return self.statements(body, &inner);
            }
            Statement::Scope(body) => return self.statements(body, &Frame::inside(frame)),
            Statement::FilterBlock { filters, body } => {
                let text = self.block_text(body, frame)?;
                let text = self.filtered(text, filters, frame)?.to_text(self)?;
                self.write(&text)?;
            }
            Statement::Macro(declaration) => {
                frame.set(&declaration.name, macro_value(declaration, frame));
            }
            Statement::CallBlock { call, body } => {
                let text = self.call_with(call, Some(macro_value(body, frame)), frame)?.to_text(self)?;
                self.write(&text)?;
            }
            Statement::Break => return Ok(Flow::Break),
            Statement::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn print(&self, expr: &Expr, frame: &Rc<Frame>) -> Result<(), Fault> {
        let text = self.value(expr, frame)?.to_text(self).map_err(|fault| fault.at(expr.line))?;
        self.write(&text).map_err(|fault| fault.at(expr.line))
    }

    fn block_text(&self, body: &[Statement], frame: &Rc<Frame>) -> Result<Value, Fault> {
        self.caught(|| self.statements(body, &Frame::inside(frame)).map(drop))
    }

    fn filtered(&self, text: Value, filters: &[Filter], frame: &Rc<Frame>) -> Result<Value, Fault> {
        filters.iter().try_fold(text, |value, filter| self.apply_filter(value, filter, frame))
    }

    fn assign(&self, target: &Target, value: Value, frame: &Rc<Frame>) -> Result<(), Fault> {
        match target {
            Target::Name(name) => frame.set(name, value),
            Target::Attribute { namespace, name, line } => {
                let Some(Value::Namespace(attributes)) = frame.get(namespace) else {
                    return Err(Fault::new(*line, "cannot assign attribute on non-namespace object"));
                };
                self.set_attribute(&attributes, name, value).map_err(|fault| fault.at(*line))?;
            }
            Target::Tuple(targets, line) => {
                let values = value.iterate(self).map_err(|fault| fault.at(*line))?;
                if values.len() != targets.len() {
                    let message = format!("{} values for {} names", values.len(), targets.len());
                    return Err(Fault::new(*line, message));
                }
                for (target, value) in targets.iter().zip(values) {
                    self.assign(target, value, frame)?;
                }
            }
        }
        Ok(())
    }

    /// Nothing that changes or refers to variables goes into a namespace: it could be the namespace itself.
    pub fn set_attribute(&self, to: &RefCell<Vec<(String, Value)>>, name: &str, value: Value) -> Result<(), Fault> {
        if value.is_tied() {
            return Err(Fault::of(format!("a namespace cannot hold a {}", value.kind())));
        }
        let mut attributes = to.borrow_mut();
        self.spend(1 + attributes.len())?;
        match attributes.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => {
                self.room(name.len() + size_of::<(String, Value)>())?;
                attributes.push((name.to_owned(), value));
            }
        }
        Ok(())
    }

    fn for_loop(&self, over: &Arc<For>, frame: &Rc<Frame>) -> Result<Flow, Fault> {
        let items = self.value(&over.iterable, frame)?;
        self.loop_over(over, items, frame, 1)
    }

    /// Runs a loop over `items`; `depth` counts the calls of a recursive one.
    pub fn loop_over(&self, over: &Arc<For>, items: Value, frame: &Rc<Frame>, depth: usize) -> Result<Flow, Fault> {
        let mut items = items.iterate(self).map_err(|fault| fault.at(over.iterable.line))?;
        if let Some(condition) = &over.condition {
            let mut kept = Vec::new();
            for item in items {
                let inner = Frame::inside(frame);
                self.assign(&over.target, item.clone(), &inner)?;
                if self.value(condition, &inner)?.is_true() {
                    kept.push(item);
                }
            }
            items = kept;
        }
        if items.is_empty() {
            return self.statements(&over.otherwise, frame);
        }
        let state = Rc::new(Loop {
            items: Rc::new(items),
            index: Cell::new(0),
            depth,
            last_changed: RefCell::new(None),
            again: over.recursive.then(|| (over.clone(), Rc::downgrade(frame))),
        });
        for (index, item) in state.items.iter().enumerate() {
            self.spend(1)?;
            state.index.set(index);
            let inner = Frame::inside(frame);
            inner.set("loop", Value::Loop(state.clone()));
            self.assign(&over.target, item.clone(), &inner)?;
            if self.statements(&over.body, &inner)? == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    pub fn call_macro(&self, declaration: &Macro, frame: &Weak<Frame>, args: Args) -> Result<Value, Fault> {
        let outer = frame.upgrade().ok_or_else(|| {
            Fault::of(format!("the macro '{}' is called where its variables are no more", declaration.name))
        })?;
        let inner = Frame::inside(&outer);
        let Args { positional, mut named } = args;
        let mut positional = positional.into_iter();
        let caller = named.iter().position(|(name, _)| name == "caller").map(|at| named.remove(at).1);
        for (name, default) in &declaration.parameters {
            let given = named.iter().position(|(known, _)| known == name).map(|at| named.remove(at).1);
            let value = match (positional.next(), given) {
                (Some(_), Some(_)) => {
                    return Err(Fault::of(format!("macro '{}' got two values for '{name}'", declaration.name)));
                }
                (Some(value), None) | (None, Some(value)) => value,
                (None, None) => match default {
                    Some(default) => self.value(default, &inner)?,
                    None => Value::Undefined(Arc::from(format!("parameter '{name}' was not provided"))),
                },
            };
            inner.set(name, value);
        }
        let rest: Vec<Value> = positional.collect();
        if declaration.uses_varargs {
            inner.set("varargs", self.tuple(rest)?);
        } else if !rest.is_empty() {
            let most = declaration.parameters.len();
            return Err(Fault::of(format!("macro '{}' takes not more than {most} arguments", declaration.name)));
        }
        if declaration.uses_kwargs {
            let named = named.into_iter().map(|(name, value)| Ok((self.text(name)?, value)));
            inner.set("kwargs", self.dict(named.collect::<Result<_, Fault>>()?)?);
        } else if let Some((name, _)) = named.first() {
            return Err(Fault::of(format!("macro '{}' takes no keyword argument '{name}'", declaration.name)));
        }
        if declaration.uses_caller {
            inner.set("caller", caller.unwrap_or_else(|| Value::undefined("caller")));
        } else if caller.is_some() {
            return Err(Fault::of(format!("macro '{}' was called with a block and takes none", declaration.name)));
        }
        self.caught(|| self.statements(&declaration.body, &inner).map(drop))
    }
}

fn macro_value(declaration: &Arc<Macro>, frame: &Rc<Frame>) -> Value {
    Value::Callable(Rc::new(Callable::Macro { declaration: declaration.clone(), frame: Rc::downgrade(frame) }))
}
