//! Jinja2, as far as chat templates go, evaluated in a bounded place.
//!
//! A template comes with a model that nobody vetted, and is a program. Engines made for a host's own templates have no
//! bound where such a program can grow (`x + x` forty times, `'a' * 10**10`, a list in itself, `center(10**10)`), and
//! differ from Python where templates test what they were given (`none is iterable`, `'x' is sequence`, `%`, `rsplit`).
//! Here every step and every byte is paid for, values cannot contain themselves, and the expected texts of
//! `tests/fixtures/jinja` are Jinja2's own. No other template is ever read, and lists and dicts cannot be changed, as in
//! the `ImmutableSandboxedEnvironment` that transformers renders with.

mod arguments;
mod ast;
mod comparison;
mod evaluate;
mod execute;
mod expressions;
mod filters;
mod format;
mod format_spec;
mod globals;
mod is_tests;
mod json;
mod lexer;
mod list_filters;
mod methods;
mod operators;
mod parser;
mod run;
mod sorting;
mod statements;
mod subscript;
mod text;
mod text_case;
mod text_filters;
mod text_methods;
mod text_parts;
mod value;

#[cfg(test)]
mod harm;
#[cfg(test)]
mod tests;

pub(super) use lexer::unix_lines;

use jiff::civil::DateTime;
use run::Run;
use serde_json::{Map, Value as Json};

/// Far above any real template (the largest have 30 KB).
const LONGEST_SOURCE: usize = 512 << 10;

/// Why a template cannot be used, and in which line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fault {
    /// 0 while it is not known.
    pub line: usize,
    pub message: String,
    /// In the template's own words (`raise_exception`).
    pub raised: bool,
}

impl Fault {
    fn new(line: usize, message: impl Into<String>) -> Self {
        Fault { line, message: message.into(), raised: false }
    }

    /// A fault of a value; the line is added where the expression is known.
    fn of(message: impl Into<String>) -> Self {
        Self::new(0, message)
    }

    fn at(mut self, line: usize) -> Self {
        if self.line == 0 {
            self.line = line;
        }
        self
    }
}

/// A parsed template.
#[derive(Debug)]
pub(super) struct Template {
    body: Vec<ast::Statement>,
}

impl Template {
    /// Parses a template. Needs a stack of the library's own, as all of this.
    pub fn parse(source: &str) -> Result<Self, Fault> {
        if source.len() > LONGEST_SOURCE {
            return Err(Fault::new(1, format!("it has {} bytes; expected at most {LONGEST_SOURCE}", source.len())));
        }
        Ok(Template { body: parser::parse(source)? })
    }

    /// The text that the template makes of `variables`; `now` is what `strftime_now` formats.
    pub fn render(&self, variables: &Map<String, Json>, now: DateTime) -> Result<String, Fault> {
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| (name.clone(), value::Value::from(value))).collect();
        Run::new(&variables, now).template(&self.body, variables)
    }
}
