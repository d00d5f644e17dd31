//! What stands inside one terminal of the grammar: how far a text has come, and the shortest way to its end.

use super::rules::Rule;
use llguidance::derivre::raw::{DerivCache, ExprSet, RelevanceCache};
use llguidance::derivre::{AlphabetInfo, ExprRef, RegexAst, RegexBuilder};
use std::collections::{HashMap, VecDeque};

/// Bytes that a way out takes; this for what has none.
pub(super) const NEVER: u32 = u32::MAX;

/// Steps of one search.
const MOST_STEPS: usize = 1_000_000;

/// Of the engine, to build one expression; a fraction of a second.
pub(super) const FUEL: u64 = 1_000_000;

/// What the engine may make of one expression while it is walked, in the same units.
const MOST_COST: u64 = 3_000_000;

/// Where a text stands in a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum At {
    /// Bytes of a literal that are written.
    Literal(u32),
    Text(TextAt),
    Pattern(State),
}

/// Where a text stands in a free string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum TextAt {
    Before,
    /// After so many characters.
    In(u32),
    /// After so many, and the backslash of the next.
    Escape(u32),
    /// In the next one after so many: continuation bytes that are left, and what the next of them may at least be.
    Character(u32, u8, u8),
    After,
}

impl TextAt {
    /// `None`: the byte cannot stand here. `most` characters at most.
    pub(super) fn next(self, byte: u8, min: u32, most: u32) -> Option<TextAt> {
        match (self, byte) {
            (TextAt::Before, b'"') => Some(TextAt::In(0)),
            (TextAt::In(count), b'"') if count >= min => Some(TextAt::After),
            (TextAt::In(count), _) if count >= most => None,
            (TextAt::In(count), b'\\') => Some(TextAt::Escape(count)),
            (TextAt::In(_), b'"' | 0..0x20 | 0x7F) => None,
            (TextAt::In(count), 0x20..0x80) => Some(TextAt::In(count + 1)),
            (TextAt::In(count), 0xC2..=0xDF) => Some(TextAt::Character(count, 1, 0x80)),
            (TextAt::In(count), 0xE0) => Some(TextAt::Character(count, 2, 0xA0)),
            (TextAt::In(count), 0xE1..=0xEF) => Some(TextAt::Character(count, 2, 0x80)),
            (TextAt::In(count), 0xF0) => Some(TextAt::Character(count, 3, 0x90)),
            (TextAt::In(count), 0xF1..=0xF4) => Some(TextAt::Character(count, 3, 0x80)),
            (TextAt::Escape(count), b'n' | b'r' | b't' | b'\\' | b'"') => Some(TextAt::In(count + 1)),
            (TextAt::Character(count, 1, _), 0x80..=0xBF) => Some(TextAt::In(count + 1)),
            (TextAt::Character(count, left, _), 0x80..=0xBF) => Some(TextAt::Character(count, left - 1, 0x80)),
            _ => None,
        }
    }

    /// Bytes to the end of the string.
    pub(super) fn left(self, min: u32) -> u32 {
        let closed = |count: u32| min.saturating_sub(count) + 1;
        match self {
            TextAt::Before => closed(0) + 1,
            TextAt::In(count) => closed(count),
            TextAt::Escape(count) => 1 + closed(count + 1),
            TextAt::Character(count, left, _) => u32::from(left) + closed(count + 1),
            TextAt::After => 0,
        }
    }

    /// The first byte of the shortest way to the end.
    pub(super) fn towards_end(self, min: u32) -> u8 {
        match self {
            TextAt::Before => b'"',
            TextAt::In(count) if count < min => b'.',
            TextAt::Escape(_) => b'n',
            TextAt::Character(_, _, least) => least,
            _ => b'"',
        }
    }
}

/// A state of an automaton: what of the expression is left.
pub(super) type State = ExprRef;

/// An expression as an automaton that is made as it is walked. Not the engine's own: that one looks without a bound whether
/// a state can still reach an end.
pub(super) struct Automaton {
    expressions: ExprSet,
    derivatives: DerivCache,
    relevance: RelevanceCache,
    alphabet: AlphabetInfo,
    /// `None`: no text matches.
    start: Option<State>,
    next: HashMap<(State, usize), Option<State>>,
    /// State → bytes to the nearest end, and the first of them.
    ways: HashMap<State, (u32, u8)>,
}

impl Automaton {
    /// `None` for an expression that is too dear.
    pub(super) fn new(ast: &RegexAst) -> Option<Automaton> {
        let mut builder = RegexBuilder::new();
        let expression = builder.mk(ast).ok()?;
        let (alphabet, expressions, roots) = AlphabetInfo::from_exprset(builder.into_exprset(), &[expression]);
        let mut automaton = Automaton {
            expressions,
            derivatives: DerivCache::new(),
            relevance: RelevanceCache::new(),
            alphabet,
            start: None,
            next: HashMap::new(),
            ways: HashMap::new(),
        };
        let root = *roots.first()?;
        let ends = automaton.relevance.is_non_empty_limited(&mut automaton.expressions, root, FUEL).ok()?;
        automaton.start = Some(root).filter(|_| ends);
        Some(automaton)
    }

    /// What the engine made of it so far, in units of its own.
    pub(super) fn cost(&self) -> u64 {
        self.expressions.cost()
    }

    pub(super) fn start(&self) -> Option<State> {
        self.start
    }

    /// `None`: the byte cannot stand here. What is too dear to know may: no search goes on from there.
    pub(super) fn next(&mut self, state: State, byte: u8) -> Option<State> {
        let class = self.alphabet.map(byte);
        if let Some(&next) = self.next.get(&(state, class)) {
            return next;
        }
        let rest = self.derivatives.derivative(&mut self.expressions, state, byte);
        let fuel = FUEL.min(MOST_COST.saturating_sub(self.cost()));
        let may_end = rest != ExprRef::NO_MATCH
            && self.relevance.is_non_empty_limited(&mut self.expressions, rest, fuel).unwrap_or(true);
        let next = Some(rest).filter(|_| may_end);
        self.next.insert((state, class), next);
        next
    }

    pub(super) fn is_end(&self, state: State) -> bool {
        self.expressions.is_nullable(state)
    }

    /// Bytes to the nearest end, and the first of them. [`NEVER`] if there is none, or none was found.
    pub(super) fn way(&mut self, state: State) -> (u32, u8) {
        if let Some(&way) = self.ways.get(&state) {
            return way;
        }
        // Plain characters first: it takes a fraction of the steps, and what ends at all mostly ends so.
        let way = self.search(state, &ASCII).or_else(|| self.search(state, &ALL)).unwrap_or((NEVER, 0));
        *self.ways.entry(state).or_insert(way)
    }

    /// Breadth first, until nothing unseen can be nearer.
    fn search(&mut self, from: State, alphabet: &[u8]) -> Option<(u32, u8)> {
        let mut before: HashMap<State, (State, u8)> = HashMap::new();
        let mut waiting = VecDeque::from([(from, 0u32)]);
        let mut best: Option<(u32, State)> = None;
        let mut steps = 0;
        while let Some((state, depth)) = waiting.pop_front() {
            let dear = steps > MOST_STEPS || self.cost() > MOST_COST;
            if best.is_some_and(|(total, _)| depth >= total) || dear {
                break;
            }
            let left = if self.is_end(state) { Some(0) } else { self.ways.get(&state).map(|way| way.0) };
            if let Some(left) = left {
                let total = depth.saturating_add(left);
                if left != NEVER && best.is_none_or(|(other, _)| total < other) {
                    best = Some((total, state));
                }
                continue;
            }
            for &byte in alphabet {
                steps += 1;
                if let Some(next) = self.next(state, byte)
                    && next != from
                    && !before.contains_key(&next)
                {
                    before.insert(next, (state, byte));
                    waiting.push_back((next, depth + 1));
                    // Nothing is nearer than the next byte.
                    if depth == 0 && byte == b'"' && self.is_end(next) {
                        best = Some((1, next));
                        waiting.clear();
                        break;
                    }
                }
            }
        }
        let (_, mut state) = best?;
        let mut left = if self.is_end(state) { 0 } else { self.ways[&state].0 };
        if self.is_end(state) {
            self.ways.insert(state, (0, 0));
        }
        while state != from {
            let (earlier, byte) = before[&state];
            left += 1;
            self.ways.insert(earlier, (left, byte));
            state = earlier;
        }
        self.ways.get(&from).copied()
    }
}

/// Plain characters, those that end a string first.
const ASCII: [u8; 95] = {
    let mut bytes = [0; 95];
    bytes[0] = b'"';
    let (mut at, mut next) = (1, 0);
    let order = [
        (b'0', b'9'),
        (b'a', b'z'),
        (b'A', b'Z'),
        (b'-', b'/'),
        (b':', b'@'),
        (b' ', b'!'),
        (b'#', b','),
        (b'[', b'`'),
        (b'{', b'~'),
    ];
    while next < order.len() {
        let (mut byte, last) = order[next];
        while byte <= last {
            bytes[at] = byte;
            at += 1;
            byte += 1;
        }
        next += 1;
    }
    bytes
};

/// Every byte; those that no JSON document has come last.
const ALL: [u8; 256] = {
    let mut bytes = [0; 256];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = match at {
            0..95 => ASCII[at],
            95..223 => 0x80 + (at - 95) as u8,
            223..255 => (at - 223) as u8,
            _ => 0x7F,
        };
        at += 1;
    }
    bytes
};

/// The limits of a free string as the automaton counts.
pub(super) fn text_limits(rule: &Rule) -> (u32, u32) {
    let counted = |count: usize| u32::try_from(count).unwrap_or(u32::MAX - 1);
    match rule {
        Rule::Text { min, max } => (counted(*min), max.map_or(u32::MAX, counted)),
        _ => (0, u32::MAX),
    }
}
