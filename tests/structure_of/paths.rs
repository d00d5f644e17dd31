//! The paths of a module that lead to other modules of its crate, tests left out.

use crate::sources::Source;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use std::collections::{BTreeMap, BTreeSet};

/// What a module names.
pub struct Module {
    pub file: String,
    pub paths: Vec<Named>,
    /// What it gives on under a name of its own → where that comes from.
    pub reexports: BTreeMap<String, Vec<String>>,
    /// Modules below it that only tests have.
    pub test_modules: BTreeSet<String>,
}

/// A path from the crate's root.
pub struct Named {
    pub segments: Vec<String>,
    pub line: usize,
}

impl Module {
    pub fn read(source: &Source) -> Self {
        let file = syn::parse_file(&source.text).unwrap_or_else(|err| panic!("{} does not parse: {err}", source.name));
        let mut module = Module {
            file: source.name.clone(),
            paths: Vec::new(),
            reexports: BTreeMap::new(),
            test_modules: BTreeSet::new(),
        };
        let mut here = Here { module: &source.module, children: BTreeSet::new(), found: Vec::new() };
        for item in &file.items {
            if let syn::Item::Mod(child) = item {
                match of_tests(&child.attrs) {
                    true => module.test_modules.insert(child.ident.to_string()),
                    false => here.children.insert(child.ident.to_string()),
                };
            }
        }
        for item in file.items.iter().filter(|item| !of_tests(attributes(item))) {
            if let syn::Item::Use(import) = item {
                module.reexports.extend(renamed(&import.tree, &here));
            }
            if !matches!(item, syn::Item::Mod(child) if child.content.is_none()) {
                here.walk(without_tests(item));
            }
        }
        module.paths = here.found;
        module
    }
}

/// Whether only tests or fuzzers have an item.
fn of_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).any(|attribute| {
        let mut words = BTreeSet::new();
        collect_words(attribute.meta.to_token_stream(), &mut words);
        words.contains("test") && !words.contains("not")
    })
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        _ => &[],
    }
}

/// An item without the functions and statements that only tests have.
fn without_tests(item: &syn::Item) -> TokenStream {
    use syn::visit_mut::VisitMut;
    struct Strip;
    impl VisitMut for Strip {
        fn visit_item_impl_mut(&mut self, block: &mut syn::ItemImpl) {
            block.items.retain(|item| !matches!(item, syn::ImplItem::Fn(function) if of_tests(&function.attrs)));
            syn::visit_mut::visit_item_impl_mut(self, block);
        }
        fn visit_block_mut(&mut self, block: &mut syn::Block) {
            block.stmts.retain(|statement| match statement {
                syn::Stmt::Expr(syn::Expr::Try(expression), _) => !of_tests(&expression.attrs),
                syn::Stmt::Expr(syn::Expr::Call(expression), _) => !of_tests(&expression.attrs),
                _ => true,
            });
            syn::visit_mut::visit_block_mut(self, block);
        }
    }
    let mut item = item.clone();
    Strip.visit_item_mut(&mut item);
    item.to_token_stream()
}

fn collect_words(tokens: TokenStream, words: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(word) => drop(words.insert(word.to_string())),
            TokenTree::Group(group) => collect_words(group.stream(), words),
            _ => {}
        }
    }
}

/// Each name that an import makes, and the path that it stands for.
fn renamed(tree: &syn::UseTree, here: &Here<'_>) -> Vec<(String, Vec<String>)> {
    fn leaves(tree: &syn::UseTree, before: &[String], into: &mut Vec<(String, Vec<String>)>) {
        let with = |name: String| before.iter().cloned().chain([name]).collect::<Vec<_>>();
        match tree {
            syn::UseTree::Path(path) => leaves(&path.tree, &with(path.ident.to_string()), into),
            syn::UseTree::Name(name) => into.push((name.ident.to_string(), with(name.ident.to_string()))),
            syn::UseTree::Rename(name) => into.push((name.rename.to_string(), with(name.ident.to_string()))),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, before, into)),
            syn::UseTree::Glob(_) => {}
        }
    }
    let mut found = Vec::new();
    leaves(tree, &[], &mut found);
    found.into_iter().filter_map(|(name, path)| Some((name, here.absolute(&path)?))).collect()
}

/// Where paths begin, and those found.
struct Here<'a> {
    module: &'a [String],
    children: BTreeSet<String>,
    found: Vec<Named>,
}

impl Here<'_> {
    /// A path from the crate's root, if it leads into the crate.
    fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let supers = path.iter().take_while(|segment| *segment == "super").count();
        let (base, rest) = match path.first()?.as_str() {
            "crate" => (&[][..], &path[1..]),
            "self" => (self.module, &path[1..]),
            "super" => (&self.module[..self.module.len().saturating_sub(supers)], &path[supers..]),
            child if self.children.contains(child) => (self.module, path),
            _ => return None,
        };
        Some(base.iter().chain(rest).filter(|segment| *segment != "self").cloned().collect())
    }

    fn walk(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Ident(word) => {
                    let line = word.span().start().line;
                    let (paths, next) = read_path(&tokens, at, &[]);
                    let inside = at == 0 || !is_separator(&tokens[at.saturating_sub(2)..at]);
                    for path in paths.iter().filter(|path| inside && path.len() > 1) {
                        self.found.extend(self.absolute(path).map(|segments| Named { segments, line }));
                    }
                    at = next;
                }
                TokenTree::Group(group) => {
                    self.walk(group.stream());
                    at += 1;
                }
                _ => at += 1,
            }
        }
    }
}

/// The paths that begin at a word, groups written out, and where the tokens go on.
fn read_path(tokens: &[TokenTree], mut at: usize, before: &[String]) -> (Vec<Vec<String>>, usize) {
    let mut path = before.to_vec();
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(word)) => path.push(word.to_string()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace && !path.is_empty() => {
                let items: Vec<TokenTree> = group.stream().into_iter().collect();
                let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
                let each = items.split(is_comma).filter(|item| !item.is_empty());
                return (each.flat_map(|item| read_path(item, 0, &path).0).collect(), at + 1);
            }
            _ => return (vec![path], at),
        }
        at += 1;
        if !is_separator(&tokens[at..tokens.len().min(at + 2)]) {
            return (vec![path], at);
        }
        at += 2;
    }
}

fn is_separator(tokens: &[TokenTree]) -> bool {
    tokens.len() == 2 && tokens.iter().all(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ':'))
}
