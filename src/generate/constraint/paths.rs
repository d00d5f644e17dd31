//! What all documents of one schema share: the shortest text of every rule, and where rules that are begun go on.

use super::automaton::{At, Automaton, NEVER, TextAt, text_limits};
use super::rules::{Grammar, Rule, Symbol};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the engine may make of all expressions together, in its units; about a second.
const MOST_COST: u64 = 20_000_000;

/// The shortest text of every symbol.
pub(super) struct Costs {
    bytes: Vec<u32>,
    /// Of a choice: the one that was found to be that short first. Others may be as short only because of it.
    chosen: Vec<Symbol>,
}

impl Costs {
    /// Its bytes; [`NEVER`] if there is none.
    pub(super) fn of(&self, symbol: Symbol) -> u32 {
        self.bytes[symbol as usize]
    }

    /// Of a choice, the one that is taken.
    pub(super) fn chosen(&self, symbol: Symbol) -> Symbol {
        self.chosen[symbol as usize]
    }

    fn sum(&self, symbols: &[Symbol]) -> u32 {
        symbols.iter().fold(0, |sum: u32, symbol| sum.saturating_add(self.of(*symbol)))
    }

    /// `times` further items of a list, each with its comma.
    fn items(&self, item: Symbol, times: usize) -> u32 {
        let times = u32::try_from(times).unwrap_or(NEVER);
        if times == 0 { 0 } else { self.of(item).saturating_add(1).saturating_mul(times) }
    }
}

/// Where a rule goes on when a part of it is done. Interned: equal ones have one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Frame {
    pub(super) symbol: Symbol,
    /// Of a sequence the part that is next; of a list twice the items so far, and one more after a comma.
    pub(super) position: u32,
    pub(super) parent: u32,
}

/// No frame: the end of the document.
pub(super) const END: u32 = u32::MAX;

/// One way to read the text so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Reading {
    pub(super) terminal: Symbol,
    pub(super) at: At,
    pub(super) then: u32,
}

/// What all documents of one schema share.
pub(super) struct Paths {
    grammar: Grammar,
    costs: Costs,
    shared: Mutex<Shared>,
}

#[derive(Default)]
pub(super) struct Shared {
    /// By the pattern's number.
    pub(super) automata: Vec<Automaton>,
    pub(super) frames: Vec<(Frame, u32)>,
    known: HashMap<Frame, u32>,
}

impl Paths {
    /// `Err`: the pattern of this number is too dear.
    pub(super) fn new(grammar: Grammar, automata: Vec<Automaton>) -> Result<Paths, usize> {
        let mut shared = Shared { automata, ..Default::default() };
        let mut costs = vec![NEVER; grammar.rules.len()];
        let mut spent = 0;
        for (symbol, rule) in grammar.rules.iter().enumerate() {
            costs[symbol] = match rule {
                Rule::Literal(bytes) => bytes.len() as u32,
                Rule::Text { .. } => TextAt::Before.left(text_limits(rule).0),
                Rule::Pattern(pattern) => {
                    let automaton = &mut shared.automata[*pattern];
                    let cost = automaton.start().map(|start| automaton.way(start).0);
                    spent += automaton.cost();
                    if cost == Some(NEVER) || spent > MOST_COST {
                        return Err(*pattern);
                    }
                    cost.unwrap_or(NEVER)
                }
                _ => NEVER,
            };
        }
        let chosen = vec![0; costs.len()];
        let costs = cheapest(&grammar.rules, Costs { bytes: costs, chosen });
        Ok(Paths { grammar, costs, shared: Mutex::new(shared) })
    }

    pub(super) fn grammar(&self) -> &Grammar {
        &self.grammar
    }

    pub(super) fn costs(&self) -> &Costs {
        &self.costs
    }

    /// Panics inside the lock are the engine's; what it leaves is never wrong, at most less known.
    pub(super) fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn frame(&self, shared: &mut Shared, frame: Frame) -> u32 {
        if let Some(&known) = shared.known.get(&frame) {
            return known;
        }
        let own = match &self.grammar.rules[frame.symbol as usize] {
            Rule::Sequence(parts) => self.costs.sum(&parts[frame.position as usize..]),
            Rule::List { item, min, .. } => {
                let (count, comma) = (frame.position as usize / 2, frame.position % 2 == 1);
                let begun = if comma { self.costs.of(*item) } else { 0 };
                self.costs.items(*item, min.saturating_sub(count + usize::from(comma))).saturating_add(begun)
            }
            _ => 0,
        };
        let cost = own.saturating_add(cost_of(shared, frame.parent));
        let number = shared.frames.len() as u32;
        shared.frames.push((frame, cost));
        shared.known.insert(frame, number);
        number
    }

    /// Bytes that a reading lacks.
    pub(super) fn left(&self, shared: &mut Shared, reading: &Reading) -> u32 {
        let rule = &self.grammar.rules[reading.terminal as usize];
        let own = match (reading.at, rule) {
            (At::Literal(written), Rule::Literal(bytes)) => bytes.len() as u32 - written,
            (At::Text(at), _) => at.left(text_limits(rule).0),
            (At::Pattern(state), Rule::Pattern(pattern)) => shared.automata[*pattern].way(state).0,
            _ => NEVER,
        };
        own.saturating_add(cost_of(shared, reading.then))
    }
}

fn cost_of(shared: &Shared, frame: u32) -> u32 {
    if frame == END { 0 } else { shared.frames[frame as usize].1 }
}

/// The cost of every rule, from those of the terminals: the least solution, by rounds until nothing changes.
fn cheapest(rules: &[Rule], mut costs: Costs) -> Costs {
    loop {
        let mut changed = false;
        // Both ways, so that chains of rules take few rounds whichever way they run.
        for symbol in (0..rules.len()).chain((0..rules.len()).rev()) {
            let cost = match &rules[symbol] {
                Rule::Sequence(parts) => costs.sum(parts),
                Rule::Choice(choices) => {
                    let Some(&nearest) = choices.iter().min_by_key(|choice| costs.of(**choice)) else { continue };
                    if costs.of(nearest) < costs.of(symbol as Symbol) {
                        costs.chosen[symbol] = nearest;
                    }
                    costs.of(nearest)
                }
                Rule::List { item, min, .. } => costs.of(*item).saturating_add(costs.items(*item, min - 1)),
                _ => continue,
            };
            if cost < costs.bytes[symbol] {
                costs.bytes[symbol] = cost;
                changed = true;
            }
        }
        if !changed {
            return costs;
        }
    }
}
