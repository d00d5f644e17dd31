//! A regular expression as a grammar of one terminal.

use super::automaton::Automaton;
use super::pattern::translated;
use super::rules::{Grammar, Rule};
use super::terminal::{Found, pattern_rule};
use crate::error::{Code, Error, Result};
use llguidance::derivre::RegexAst;

/// The texts that the whole of the expression matches.
pub(super) fn grammar(regex: &str) -> Result<(Grammar, Vec<Automaton>)> {
    let wrong = |why: &str| Error::new(Code::Schema, format!("the regular expression {why}"));
    let ast = RegexAst::Regex(translated(regex).map_err(|why| wrong(&why))?);
    let (mut patterns, mut automata) = (Vec::new(), Vec::new());
    let found = pattern_rule(ast, &mut patterns, &mut automata);
    let rules = match found.ok_or_else(|| wrong("is too dear to compile; expected a simpler one"))? {
        Found::Some(rule) => vec![rule],
        Found::OrNone(rule) => vec![Rule::Choice(vec![1, 2]), rule, Rule::Sequence(Vec::new())],
        Found::Nothing => vec![Rule::Choice(Vec::new())],
    };
    Ok((Grammar { rules, patterns, start: 0, comma: None }, automata))
}
