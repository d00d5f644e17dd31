//! An expression as the rule of one terminal.

use super::automaton::{Automaton, NEVER};
use super::rules::{Pattern, Rule};
use llguidance::derivre::RegexAst;

/// What texts an expression has.
pub(super) enum Found {
    Some(Rule),
    /// These, and the empty one, which no pattern has: a terminal has a byte at least.
    OrNone(Rule),
    Nothing,
}

/// The rule of an expression, which is compiled; `None` if that is too dear.
pub(super) fn pattern_rule(ast: RegexAst, patterns: &mut Vec<Pattern>, automata: &mut Vec<Automaton>) -> Option<Found> {
    let automaton = Automaton::new(&ast)?;
    let Some(start) = automaton.start() else { return Some(Found::Nothing) };
    let may_be_empty = automaton.is_end(start);
    let (ast, mut automaton) = match may_be_empty {
        false => (ast, automaton),
        true => {
            let some = RegexAst::And(vec![ast, RegexAst::Regex("(?s:.)+".to_owned())]);
            let automaton = Automaton::new(&some)?;
            (some, automaton)
        }
    };
    let Some(start) = automaton.start() else { return Some(Found::OrNone(Rule::Choice(Vec::new()))) };
    if automaton.way(start).0 == NEVER {
        return None;
    }
    patterns.push(Pattern { ast, place: 0, keyword: "" });
    automata.push(automaton);
    let rule = Rule::Pattern(patterns.len() - 1);
    Some(if may_be_empty { Found::OrNone(rule) } else { Found::Some(rule) })
}
