//! Holds the order of the layers: the table at the top of `src/lib.rs` is read, and every path in `src/` that starts
//! with `crate::` or `super::` must lead to a lower line of it. `unsafe` is held to the places that may need it, and candle
//! and its devices to those below the operators.
//!
//! Works on tokens, so comments and strings do not count and what stands inside macros does.

mod sources;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use sources::Source;
use std::collections::BTreeMap;

/// `unsafe` may stand in the C ABI and what fuzzes it, and in what holds and multiplies numbers.
const UNSAFE_ALLOWED: &[&str] = &["src/capi/", "src/fuzzing/calls.rs", "src/gpu/", "src/tensor/", "src/weights/"];

/// The table of layers in `src/lib.rs`.
struct Layers {
    /// Module → line of the table, counted from the top.
    line: BTreeMap<String, usize>,
    /// The last line, whose modules may know each other.
    bottom: usize,
    /// Names that the crate root re-exports → the module they come from.
    reexports: BTreeMap<String, String>,
}

impl Layers {
    /// Reads the first ```` ```text ```` block of the crate's documentation. A line starts with the modules on it.
    fn read(lib: &str) -> Result<Self, String> {
        let file = syn::parse_file(lib).map_err(|err| format!("src/lib.rs does not parse: {err}"))?;
        let mut modules = Vec::new();
        let mut reexports = BTreeMap::new();
        for item in &file.items {
            match item {
                syn::Item::Mod(module) => modules.push(module.ident.to_string()),
                syn::Item::Use(import) => {
                    if let syn::UseTree::Path(path) = &import.tree {
                        leaves(&path.tree, &mut |name| {
                            reexports.insert(name, path.ident.to_string());
                        });
                    }
                }
                _ => {}
            }
        }
        let table = lib.lines().skip_while(|text| text.trim() != "//! ```text").skip(1);
        let table = table.map_while(|text| text.strip_prefix("//! ")).take_while(|text| text.trim() != "```");
        let mut line = BTreeMap::new();
        let mut bottom = 0;
        for (number, text) in table.enumerate() {
            for word in text.split_whitespace().take_while(|word| modules.iter().any(|name| name == word)) {
                line.insert(word.to_owned(), number);
                bottom = number;
            }
        }
        match modules.iter().find(|name| !line.contains_key(*name)) {
            Some(name) => Err(format!("module `{name}` has no place in the table of layers in src/lib.rs")),
            None => Ok(Layers { line, bottom, reexports }),
        }
    }

    /// Why `from` may not name `to`, if so. `lib.rs` itself stands above all.
    fn refuse(&self, from: &[String], to: &str) -> Option<String> {
        let from = from.first()?;
        let to = if self.line.contains_key(to) { to } else { self.reexports.get(to).map_or(to, String::as_str) };
        if from == to {
            return None;
        }
        let Some(target) = self.line.get(to) else {
            return Some(format!("`crate::{to}` is no module of the table of layers"));
        };
        let source = self.line.get(from)?;
        let both_at_bottom = *source == self.bottom && *target == self.bottom;
        (target <= source && !both_at_bottom).then(|| format!("`{from}` names `{to}`, which is not below it"))
    }
}

fn leaves(tree: &syn::UseTree, found: &mut impl FnMut(String)) {
    match tree {
        syn::UseTree::Path(path) => leaves(&path.tree, found),
        syn::UseTree::Name(name) => found(name.ident.to_string()),
        syn::UseTree::Rename(rename) => found(rename.rename.to_string()),
        syn::UseTree::Group(group) => group.items.iter().for_each(|item| leaves(item, found)),
        syn::UseTree::Glob(_) => {}
    }
}

/// Calls `found` with the first segment below the crate root, and the line, of every path in `tokens`.
fn walk(tokens: TokenStream, module: &[String], found: &mut impl FnMut(&str, usize)) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(word) if word == "mod" => {
                // An inline module: `super` inside it is this one.
                if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) =
                    (tokens.get(at + 1), tokens.get(at + 2))
                {
                    let inner: Vec<String> = module.iter().cloned().chain([name.to_string()]).collect();
                    walk(body.stream(), &inner, found);
                    at += 2;
                }
            }
            TokenTree::Ident(word) if word == "crate" => heads(&tokens[at + 1..], &[], found),
            TokenTree::Ident(word) if word == "super" => {
                let mut base = &module[..module.len().saturating_sub(1)];
                while is_separator(&tokens[at + 1..])
                    && matches!(tokens.get(at + 3), Some(TokenTree::Ident(next)) if next == "super")
                {
                    base = &base[..base.len().saturating_sub(1)];
                    at += 3;
                }
                heads(&tokens[at + 1..], base, found);
            }
            TokenTree::Group(group) => walk(group.stream(), module, found),
            _ => {}
        }
        at += 1;
    }
}

/// What follows `crate` or `super`: nothing of interest (`pub(crate)`), `::name`, or `::{name, name}`.
fn heads(rest: &[TokenTree], base: &[String], found: &mut impl FnMut(&str, usize)) {
    if !is_separator(rest) {
        return;
    }
    let mut head = |token: &TokenTree| {
        let name = base.first().cloned().unwrap_or_else(|| token.to_string());
        found(&name, token.span().start().line);
    };
    match rest.get(2) {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
            let items: Vec<TokenTree> = group.stream().into_iter().collect();
            let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
            items.split(is_comma).filter_map(<[TokenTree]>::first).for_each(&mut head);
        }
        Some(token) => head(token),
        None => {}
    }
}

fn is_separator(tokens: &[TokenTree]) -> bool {
    let colon = |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    colon(tokens.first()) && colon(tokens.get(1))
}

/// The lines on which `unsafe` stands.
fn unsafe_lines(tokens: TokenStream) -> Vec<usize> {
    tokens
        .into_iter()
        .flat_map(|token| match token {
            TokenTree::Group(group) => unsafe_lines(group.stream()),
            TokenTree::Ident(word) if word == "unsafe" => vec![word.span().start().line],
            _ => Vec::new(),
        })
        .collect()
}

/// Where tensors of candle's and their devices may be named; in an operator's folder the kernels of a GPU besides.
const DEVICES_ALLOWED: &[&str] = &["src/tensor/", "src/weights/", "src/ops/reference.rs"];

fn may_name_devices(name: &str) -> bool {
    let is_test = ["tests", "test_support", "writer"].iter().any(|part| name.contains(part));
    DEVICES_ALLOWED.iter().any(|allowed| name.starts_with(allowed)) || name.ends_with("/cuda.rs") || is_test
}

/// The words for candle and its devices outside of the modules of tests, with their lines.
fn device_words(tokens: TokenStream) -> Vec<(String, usize)> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let of_tests = |at: usize| {
        let before = [at.checked_sub(2), at.checked_sub(1)].map(|at| at.map(|at| tokens[at].to_string()));
        matches!(before, [Some(keyword), Some(name)] if keyword == "mod" && name.contains("test"))
    };
    let words = tokens.iter().enumerate().flat_map(|(at, token)| match token {
        TokenTree::Group(_) if of_tests(at) => Vec::new(),
        TokenTree::Group(group) => device_words(group.stream()),
        TokenTree::Ident(word) if ["candle_core", "is_cpu", "cuda"].iter().any(|device| word == device) => {
            vec![(word.to_string(), word.span().start().line)]
        }
        _ => Vec::new(),
    });
    words.collect()
}

fn violations(layers: &Layers, source: &Source) -> Vec<String> {
    let Source { name, module, text } = source;
    let tokens: TokenStream = text.parse().unwrap_or_else(|err| panic!("{name} does not tokenize: {err}"));
    let mut broken = Vec::new();
    walk(tokens.clone(), module, &mut |target, line| {
        broken.extend(layers.refuse(module, target).map(|why| format!("{name}:{line}: {why}")));
    });
    if !may_name_devices(name) {
        // An operator calls its kernels on a card by the name of their file.
        let of_operator = |word: &String| word == "cuda" && name.starts_with("src/ops/");
        let words = device_words(tokens.clone()).into_iter().filter(|(word, _)| !of_operator(word));
        broken.extend(words.map(|(word, line)| format!("{name}:{line}: `{word}` is named here")));
    }
    if !UNSAFE_ALLOWED.iter().any(|allowed| name.starts_with(allowed)) {
        broken.extend(unsafe_lines(tokens).iter().map(|line| format!("{name}:{line}: `unsafe` is not allowed here")));
    }
    broken
}

#[test]
fn imports_point_down_and_unsafe_stays_in_its_places() {
    let sources = sources::all();
    let lib = sources.iter().find(|source| source.name == "src/lib.rs").unwrap();
    let layers = Layers::read(&lib.text).unwrap_or_else(|why| panic!("{why}"));
    let broken: Vec<String> = sources.iter().flat_map(|source| violations(&layers, source)).collect();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

/// A made-up crate, and what this test must say about its files.
mod made_up {
    use super::*;

    const LIB: &str = "\
//! ```text
//! top              what top is
//! left  right      two that do not know each other
//! low peer         the bottom
//! ```
mod top; mod left; mod right; mod low; mod peer;
pub use low::{Error, deep::Thing as Renamed};
";

    fn check(name: &str, text: &str) -> Vec<String> {
        let module = name.split('/').map(str::to_owned).collect();
        let source = Source { name: format!("src/{name}.rs"), module, text: text.to_owned() };
        violations(&Layers::read(LIB).unwrap(), &source)
    }

    #[test]
    fn downward_paths_are_fine() {
        assert_eq!(check("top", "use crate::{left::A, low}; use crate::Error; pub(crate) fn f() {}"), [""; 0]);
        assert_eq!(check("left/inner", "use super::X; use super::super::low::Y; use crate::left::Z;"), [""; 0]);
        assert_eq!(check("low", "use crate::peer::P; mod tests { use super::*; }"), [""; 0]);
        assert_eq!(check("low", "// use crate::top::A;\nconst S: &str = \"crate::top::A\";"), [""; 0]);
    }

    #[test]
    fn devices_are_named_below_the_operators_alone() {
        let text = "fn f() { candle_core::bail!(); }\nmod tests { use candle_core::Tensor; }";
        assert_eq!(check("low", text), ["src/low.rs:1: `candle_core` is named here"]);
        assert_eq!(check("low/cuda", "use candle_core::Tensor;"), [""; 0]);
        assert_eq!(check("low", "if device.is_cpu() {}").len(), 1);
    }

    #[test]
    fn upward_and_sideways_paths_are_found_wherever_they_stand() {
        let up = ["src/low.rs:1: `low` names `top`, which is not below it"];
        assert_eq!(check("low", "use crate::top::A;"), up);
        assert_eq!(check("low", "fn f() { let x = crate::top::A; }"), up);
        assert_eq!(check("low", "println!(\"{}\", crate::top::A);"), up);
        assert_eq!(check("low", "use crate::{peer, top::{A, B}};"), up);
        assert_eq!(check("low", "mod tests { use super::super::top::A; }"), up);
        assert_eq!(check("low/inner", "\nuse super::super::top;").len(), 1);
        assert_eq!(
            check("left", "use crate::right::R;"),
            ["src/left.rs:1: `left` names `right`, which is not below it"]
        );
        assert_eq!(check("peer", "use crate::nowhere::N;").len(), 1);
    }

    #[test]
    fn a_reexport_counts_as_the_module_it_comes_from() {
        let lib = LIB.replace("pub use low::{Error,", "pub use top::{Error,");
        let layers = Layers::read(&lib).unwrap();
        assert!(layers.refuse(&["low".to_owned()], "Error").is_some());
        assert!(layers.refuse(&["top".to_owned()], "Renamed").is_none());
    }

    #[test]
    fn a_module_that_the_table_forgot_is_named() {
        let why = Layers::read("//! ```text\n//! low  x\n//! ```\nmod low; mod lost;").err().unwrap();
        assert!(why.contains("`lost`"), "{why}");
    }

    #[test]
    fn unsafe_outside_its_places_is_found() {
        assert_eq!(check("top", "fn f() { unsafe { g() } }"), ["src/top.rs:1: `unsafe` is not allowed here"]);
        assert_eq!(check("top", "// unsafe\n#![deny(unsafe_code)]"), [""; 0]);
    }
}
