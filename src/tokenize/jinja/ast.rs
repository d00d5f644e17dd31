//! What a template is after parsing: statements and expressions, each with its line.

use std::sync::Arc;

#[derive(Debug)]
pub(super) enum Statement {
    Text(String),
    Print(Expr),
    Set {
        target: Target,
        value: Expr,
    },
    SetBlock {
        target: Target,
        filters: Vec<Filter>,
        body: Vec<Statement>,
    },
    If {
        branches: Vec<(Expr, Vec<Statement>)>,
        otherwise: Vec<Statement>,
    },
    For(Arc<For>),
    With {
        bindings: Vec<(Target, Expr)>,
        body: Vec<Statement>,
    },
    /// `{% generation %}` and `{% block %}`: marks that change nothing here.
    Scope(Vec<Statement>),
    FilterBlock {
        filters: Vec<Filter>,
        body: Vec<Statement>,
    },
    Macro(Arc<Macro>),
    CallBlock {
        call: Expr,
        body: Arc<Macro>,
    },
    Break,
    Continue,
}

#[derive(Debug)]
pub(super) struct For {
    pub target: Target,
    pub iterable: Expr,
    pub condition: Option<Expr>,
    pub recursive: bool,
    pub body: Vec<Statement>,
    pub otherwise: Vec<Statement>,
}

#[derive(Debug)]
pub(super) struct Macro {
    pub name: String,
    pub parameters: Vec<(String, Option<Expr>)>,
    pub body: Vec<Statement>,
    /// What the body mentions decides what a call may pass, as in Jinja2.
    pub uses_varargs: bool,
    pub uses_kwargs: bool,
    pub uses_caller: bool,
}

/// What a value is assigned to.
#[derive(Debug)]
pub(super) enum Target {
    Name(String),
    Attribute { namespace: String, name: String, line: usize },
    Tuple(Vec<Target>, usize),
}

#[derive(Debug)]
pub(super) struct Filter {
    pub name: String,
    pub arguments: Arguments,
    pub line: usize,
}

#[derive(Debug, Default)]
pub(super) struct Arguments {
    pub positional: Vec<Expr>,
    pub named: Vec<(String, Expr)>,
    /// `*args` and `**kwargs`.
    pub more: Option<Expr>,
    pub more_named: Option<Expr>,
}

#[derive(Debug)]
pub(super) struct Expr {
    pub line: usize,
    pub kind: Box<Kind>,
}

#[derive(Debug)]
pub(super) enum Kind {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    Name(String),
    List { items: Vec<Expr>, tuple: bool },
    Dict(Vec<(Expr, Expr)>),
    Unary(Unary, Expr),
    Binary(Binary, Expr, Expr),
    And(Expr, Expr),
    Or(Expr, Expr),
    Compare(Expr, Vec<(Comparison, Expr)>),
    Conditional { test: Expr, then: Expr, otherwise: Option<Expr> },
    Attribute(Expr, String),
    Item(Expr, Expr),
    Slice { of: Expr, start: Option<Expr>, stop: Option<Expr>, step: Option<Expr> },
    Call(Expr, Arguments),
    Filter(Expr, Filter),
    Test { of: Expr, name: String, arguments: Arguments },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unary {
    Not,
    Negative,
    Positive,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Remainder,
    Power,
    Concat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
}
