//! The shortest way to the end of a document, from wherever it stands.
//!
//! The grammar is followed byte by byte, in all the ways in which a text can be read. Each of them knows exactly what it
//! lacks: the rest of a terminal, and then the rest of every rule that it is in, whose shortest texts were computed when
//! the schema was compiled. So the way out costs next to nothing to know at any time.

use super::automaton::{At, Automaton, NEVER, TextAt, text_limits};
use super::paths::{END, Frame, Paths, Reading, Shared};
use super::rules::{Rule, Symbol};
use std::collections::HashSet;
use std::sync::Arc;

/// Ways to read a text that are followed; of more, those nearest to their end.
const MOST_READINGS: usize = 2_000;

/// Steps to find what can stand next.
const MOST_STEPS: usize = 200_000;

/// A document in the making.
#[derive(Clone)]
pub(super) struct WayOut {
    paths: Arc<Paths>,
    readings: Vec<Reading>,
    /// The document may end here.
    complete: bool,
}

/// What is still to be looked at: a symbol that begins, or a frame that goes on.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Begin(Symbol, u32),
    GoOn(u32),
}

impl WayOut {
    pub(super) fn new(paths: Arc<Paths>) -> WayOut {
        let start = paths.grammar().start;
        let mut document = WayOut { paths: paths.clone(), readings: Vec::new(), complete: false };
        document.go(&mut paths.shared(), &mut vec![Step::Begin(start, END)]);
        document
    }

    /// Follows the text. `false`: no document has it.
    pub(super) fn push(&mut self, bytes: &[u8]) -> bool {
        let paths = self.paths.clone();
        let mut shared = paths.shared();
        for &byte in bytes {
            self.complete = false;
            let mut steps = Vec::new();
            let mut known = HashSet::new();
            for reading in std::mem::take(&mut self.readings) {
                let Some((at, ended)) = next(&paths, &mut shared, &reading, byte) else { continue };
                if ended {
                    steps.push(Step::GoOn(reading.then));
                }
                let goes_on = !matches!((at, &paths.grammar().rules[reading.terminal as usize]),
                    (At::Literal(written), Rule::Literal(bytes)) if written as usize == bytes.len())
                    && at != At::Text(TextAt::After);
                let reading = Reading { at, ..reading };
                if goes_on && known.insert(reading) {
                    self.readings.push(reading);
                }
            }
            self.go(&mut shared, &mut steps);
            if self.readings.len() > MOST_READINGS {
                self.readings.sort_by_cached_key(|reading| paths.left(&mut shared, reading));
                self.readings.truncate(MOST_READINGS);
            }
        }
        self.complete || !self.readings.is_empty()
    }

    /// Adds all that can stand next.
    fn go(&mut self, shared: &mut Shared, waiting: &mut Vec<Step>) {
        let paths = self.paths.clone();
        let mut seen: HashSet<Step> = HashSet::new();
        let may_end = |symbol: Symbol| paths.costs().of(symbol) != NEVER;
        while let Some(step) = waiting.pop() {
            if !seen.insert(step) || seen.len() > MOST_STEPS {
                continue;
            }
            match step {
                Step::Begin(symbol, then) => match &paths.grammar().rules[symbol as usize] {
                    _ if !may_end(symbol) => {}
                    Rule::Pending => {}
                    Rule::Literal(_) => self.readings.push(Reading { terminal: symbol, at: At::Literal(0), then }),
                    Rule::Text { .. } => {
                        self.readings.push(Reading { terminal: symbol, at: At::Text(TextAt::Before), then })
                    }
                    Rule::Pattern(pattern) => {
                        if let Some(start) = shared.automata.get(*pattern).and_then(Automaton::start) {
                            self.readings.push(Reading { terminal: symbol, at: At::Pattern(start), then });
                        }
                    }
                    Rule::Choice(choices) => waiting.extend(choices.iter().map(|choice| Step::Begin(*choice, then))),
                    Rule::Sequence(_) => self.sequence(shared, waiting, symbol, 0, then),
                    Rule::List { item, .. } => {
                        let then = paths.frame(shared, Frame { symbol, position: 2, parent: then });
                        waiting.push(Step::Begin(*item, then));
                    }
                },
                Step::GoOn(END) => self.complete = true,
                Step::GoOn(number) => {
                    let (Frame { symbol, position, parent }, _) = shared.frames[number as usize];
                    match &paths.grammar().rules[symbol as usize] {
                        Rule::List { item, .. } if position % 2 == 1 => {
                            let then = paths.frame(shared, Frame { symbol, position: position + 1, parent });
                            waiting.push(Step::Begin(*item, then));
                        }
                        Rule::List { min, max, .. } => {
                            let count = position as usize / 2;
                            if count >= *min {
                                waiting.push(Step::GoOn(parent));
                            }
                            if max.is_none_or(|max| count < max) {
                                // Without an upper limit, items beyond the lower one are all alike.
                                let counted = if max.is_none() { count.min(*min) } else { count };
                                let frame = Frame { symbol, position: counted as u32 * 2 + 1, parent };
                                let then = paths.frame(shared, frame);
                                if let Some(comma) = paths.grammar().comma {
                                    self.readings.push(Reading { terminal: comma, at: At::Literal(0), then });
                                }
                            }
                        }
                        _ => self.sequence(shared, waiting, symbol, position, parent),
                    }
                }
            }
        }
    }

    /// The last part of a sequence goes on where the sequence would: rules that end in rules take no room.
    fn sequence(&self, shared: &mut Shared, waiting: &mut Vec<Step>, symbol: Symbol, position: u32, parent: u32) {
        let Rule::Sequence(parts) = &self.paths.grammar().rules[symbol as usize] else { return };
        let position = position as usize;
        match parts.get(position) {
            None => waiting.push(Step::GoOn(parent)),
            Some(&part) if position + 1 == parts.len() => waiting.push(Step::Begin(part, parent)),
            Some(&part) => {
                let then = self.paths.frame(shared, Frame { symbol, position: position as u32 + 1, parent });
                waiting.push(Step::Begin(part, then));
            }
        }
    }

    /// Bytes of the shortest text that ends the document; `None` if there is none.
    pub(super) fn bytes_left(&self) -> Option<usize> {
        if self.complete {
            return Some(0);
        }
        let mut shared = self.paths.shared();
        let nearest = self.readings.iter().map(|reading| self.paths.left(&mut shared, reading)).min()?;
        (nearest != NEVER).then_some(nearest as usize)
    }

    /// The shortest text that ends the document, if it takes at most `limit` bytes.
    pub(super) fn text(&self, limit: usize) -> Option<Vec<u8>> {
        if self.complete {
            return Some(Vec::new());
        }
        let mut shared = self.paths.shared();
        let nearest = self.readings.iter().min_by_key(|reading| self.paths.left(&mut shared, reading)).copied()?;
        if self.paths.left(&mut shared, &nearest) as usize > limit {
            return None;
        }
        let mut text = Vec::new();
        self.finish_terminal(&mut shared, nearest.terminal, nearest.at, &mut text);
        let mut frame = nearest.then;
        while frame != END {
            let (Frame { symbol, position, parent }, _) = shared.frames[frame as usize];
            match &self.paths.grammar().rules[symbol as usize] {
                Rule::Sequence(parts) => {
                    parts[position as usize..].iter().for_each(|part| self.shortest(&mut shared, *part, &mut text))
                }
                Rule::List { item, min, .. } => {
                    let (mut count, comma) = (position as usize / 2, position % 2 == 1);
                    if comma {
                        self.shortest(&mut shared, *item, &mut text);
                        count += 1;
                    }
                    for _ in count..*min {
                        text.push(b',');
                        self.shortest(&mut shared, *item, &mut text);
                    }
                }
                _ => {}
            }
            frame = parent;
        }
        Some(text)
    }

    /// The shortest text of a symbol.
    fn shortest(&self, shared: &mut Shared, symbol: Symbol, text: &mut Vec<u8>) {
        let mut waiting = vec![symbol];
        while let Some(symbol) = waiting.pop() {
            match &self.paths.grammar().rules[symbol as usize] {
                Rule::Pending => {}
                Rule::Literal(bytes) => text.extend_from_slice(bytes),
                Rule::Text { .. } => self.finish_terminal(shared, symbol, At::Text(TextAt::Before), text),
                Rule::Pattern(pattern) => {
                    if let Some(start) = shared.automata.get(*pattern).and_then(Automaton::start) {
                        self.finish_terminal(shared, symbol, At::Pattern(start), text);
                    }
                }
                Rule::Sequence(parts) => waiting.extend(parts.iter().rev()),
                Rule::Choice(_) if self.paths.costs().of(symbol) == NEVER => {}
                Rule::Choice(_) => waiting.push(self.paths.costs().chosen(symbol)),
                Rule::List { item, min, .. } => {
                    let comma = self.paths.grammar().comma;
                    for index in 0..*min {
                        waiting.push(*item);
                        waiting.extend(comma.filter(|_| index + 1 < *min));
                    }
                }
            }
        }
    }

    fn finish_terminal(&self, shared: &mut Shared, terminal: Symbol, at: At, text: &mut Vec<u8>) {
        let rule = &self.paths.grammar().rules[terminal as usize];
        match (at, rule) {
            (At::Literal(written), Rule::Literal(bytes)) => text.extend_from_slice(&bytes[written as usize..]),
            (At::Text(mut at), _) => {
                let (min, most) = text_limits(rule);
                while at.left(min) > 0 {
                    let byte = at.towards_end(min);
                    let Some(next) = at.next(byte, min, most) else { return };
                    text.push(byte);
                    at = next;
                }
            }
            (At::Pattern(mut state), Rule::Pattern(pattern)) => {
                let Some(automaton) = shared.automata.get_mut(*pattern) else { return };
                loop {
                    let (left, byte) = automaton.way(state);
                    if left == 0 || left == NEVER {
                        return;
                    }
                    text.push(byte);
                    let Some(next) = automaton.next(state, byte) else { return };
                    state = next;
                }
            }
            _ => {}
        }
    }
}

/// Where a reading stands after a byte, and whether its terminal can end there.
fn next(paths: &Paths, shared: &mut Shared, reading: &Reading, byte: u8) -> Option<(At, bool)> {
    let rule = &paths.grammar().rules[reading.terminal as usize];
    match (reading.at, rule) {
        (At::Literal(written), Rule::Literal(bytes)) => {
            let written = written as usize;
            (bytes.get(written) == Some(&byte)).then(|| (At::Literal(written as u32 + 1), written + 1 == bytes.len()))
        }
        (At::Text(at), _) => {
            let (min, most) = text_limits(rule);
            let at = at.next(byte, min, most)?;
            Some((At::Text(at), at == TextAt::After))
        }
        (At::Pattern(state), Rule::Pattern(pattern)) => {
            let automaton = shared.automata.get_mut(*pattern)?;
            let state = automaton.next(state, byte)?;
            Some((At::Pattern(state), automaton.is_end(state)))
        }
        _ => None,
    }
}
