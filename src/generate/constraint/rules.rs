//! A grammar of bytes: what its rules may be.

use super::source::Loc;
use llguidance::derivre::RegexAst;

pub(super) type Symbol = u32;

#[derive(Debug, Clone)]
pub(super) enum Rule {
    /// Not made yet.
    Pending,
    /// Exactly these bytes; at least one.
    Literal(Box<[u8]>),
    /// A string of so many characters, with its quotes.
    Text {
        min: usize,
        max: Option<usize>,
    },
    /// The expression of this number.
    Pattern(usize),
    Sequence(Vec<Symbol>),
    Choice(Vec<Symbol>),
    /// Items with commas between them; at least one.
    List {
        item: Symbol,
        min: usize,
        max: Option<usize>,
    },
}

/// An expression, and the keyword that it comes from, for messages.
pub(super) struct Pattern {
    pub(super) ast: RegexAst,
    pub(super) place: Loc,
    pub(super) keyword: &'static str,
}

pub(super) struct Grammar {
    pub(super) rules: Vec<Rule>,
    pub(super) patterns: Vec<Pattern>,
    pub(super) start: Symbol,
    /// The literal between the items of lists; there if there is any list.
    pub(super) comma: Option<Symbol>,
}
