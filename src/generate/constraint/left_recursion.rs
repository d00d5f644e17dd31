//! Rules that begin with themselves: whoever follows a text from left to right never gets out of them.

use super::rules::{Rule, Symbol};

/// Steps of the whole search.
const MOST_STEPS: usize = 4_000_000;

/// Symbols that begin with each other in a ring, with something behind one of them; none if there is no such ring. `Err` if
/// that is too dear to tell.
pub(super) fn find(rules: &[Rule]) -> Result<Vec<Symbol>, ()> {
    let empty = may_be_empty(rules);
    // What a symbol may begin with, and whether more of its rule follows.
    let begins = |symbol: Symbol| -> Vec<(Symbol, bool)> {
        match &rules[symbol as usize] {
            Rule::Choice(choices) => choices.iter().map(|&choice| (choice, false)).collect(),
            Rule::Sequence(parts) => {
                let count = parts.iter().take_while(|&&part| empty[part as usize]).count() + 1;
                parts.iter().enumerate().take(count).map(|(at, &part)| (part, at + 1 < parts.len())).collect()
            }
            Rule::List { item, .. } => vec![(*item, true)],
            Rule::Pending | Rule::Literal(_) | Rule::Text { .. } | Rule::Pattern(_) => Vec::new(),
        }
    };
    let mut steps = 0;
    for symbol in 0..rules.len() as Symbol {
        for (first, _) in begins(symbol).into_iter().filter(|(_, more)| *more) {
            let mut from: Vec<Option<Symbol>> = vec![None; rules.len()];
            let mut waiting = vec![(first, symbol)];
            while let Some((next, before)) = waiting.pop() {
                if from[next as usize].is_some() {
                    continue;
                }
                from[next as usize] = Some(before);
                if next == symbol {
                    let back = std::iter::successors(Some(before), |&at| from[at as usize]);
                    return Ok(back.take_while(|&at| at != symbol).chain([symbol]).collect());
                }
                steps += 1;
                if steps > MOST_STEPS {
                    return Err(());
                }
                waiting.extend(begins(next).into_iter().map(|(first, _)| (first, next)));
            }
        }
    }
    Ok(Vec::new())
}

fn may_be_empty(rules: &[Rule]) -> Vec<bool> {
    let mut empty = vec![false; rules.len()];
    loop {
        let mut changed = false;
        for (symbol, rule) in rules.iter().enumerate() {
            let is_empty = match rule {
                Rule::Choice(choices) => choices.iter().any(|&choice| empty[choice as usize]),
                Rule::Sequence(parts) => parts.iter().all(|&part| empty[part as usize]),
                _ => false,
            };
            changed |= is_empty && !empty[symbol];
            empty[symbol] |= is_empty;
        }
        if !changed {
            return empty;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_needs_something_behind() {
        let rules = |all: &[&[Symbol]]| -> Vec<Rule> {
            all.iter().map(|parts| Rule::Sequence(parts.to_vec())).chain([Rule::Literal(b"x"[..].into())]).collect()
        };
        let ring = |all: &[&[Symbol]]| {
            let mut ring = find(&rules(all)).unwrap();
            ring.sort_unstable();
            ring
        };
        // The last symbol of each is the literal.
        assert_eq!(ring(&[&[0, 1]]), [0]);
        assert_eq!(ring(&[&[1, 3], &[2], &[0]]), [0, 1, 2]);
        // What is empty hides nothing.
        assert_eq!(ring(&[&[1, 0, 2], &[]]), [0]);
        assert_eq!(ring(&[&[1, 0]]), [0; 0]);
        assert_eq!(ring(&[&[1], &[0]]), [0; 0]);
        assert_eq!(ring(&[&[2, 1], &[0]]), [0; 0]);
    }
}
