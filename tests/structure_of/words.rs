//! The words of a source file: identifiers, and the texts of literals.

use proc_macro2::{TokenStream, TokenTree};

pub struct Word {
    pub text: String,
    pub line: usize,
    pub is_literal: bool,
}

/// Every identifier and text of a file; comments do not count, those that document an item included. Without `tests`,
/// neither do the modules of tests inside it.
pub fn words(text: &str, tests: bool) -> Vec<Word> {
    let mut words = Vec::new();
    collect(text.parse().unwrap(), tests, &mut words);
    words
}

fn collect(tokens: TokenStream, tests: bool, words: &mut Vec<Word>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let before = |at: usize, back: usize| at.checked_sub(back).map(|at| tokens[at].to_string()).unwrap_or_default();
    for (at, token) in tokens.iter().enumerate() {
        let line = token.span().start().line;
        match token {
            TokenTree::Group(group) => {
                let is_document = before(at, 1) == "#" && group.to_string().replace(' ', "").starts_with("[doc=");
                let is_tests = before(at, 2) == "mod" && before(at, 1).contains("test");
                if !is_document && (tests || !is_tests) {
                    collect(group.stream(), tests, words);
                }
            }
            TokenTree::Ident(word) => words.push(Word { text: word.to_string(), line, is_literal: false }),
            TokenTree::Literal(literal) => {
                let literal = literal.to_string();
                if literal.contains('"') {
                    let text = literal.trim_start_matches(['r', 'b', 'c', '#']).trim_matches(['"', '#']);
                    words.push(Word { text: text.to_owned(), line, is_literal: true });
                }
            }
            TokenTree::Punct(_) => {}
        }
    }
}
