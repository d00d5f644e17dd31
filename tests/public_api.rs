//! No candle type in the public Rust API: hosts must not depend on the version of the tensor library inside.
//!
//! Looks at everything the crate root re-exports: public functions, fields, variants, methods and associated items,
//! for a name that the file imports from candle, or a path that starts with `candle_`. Trait impls are left out: the one
//! from candle's error to ours has no other place to stand.

mod sources;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use sources::Source;
use std::collections::BTreeSet;
use syn::{Fields, ImplItem, Item, UseTree, Visibility};

/// What of one module is public.
#[derive(Debug, PartialEq)]
enum Public {
    Everything,
    Names(BTreeSet<String>),
}

impl Public {
    fn holds(&self, name: &str) -> bool {
        match self {
            Public::Everything => true,
            Public::Names(names) => names.contains(name),
        }
    }
}

/// What `src/lib.rs` makes public of the top-level module `module`.
fn public_part(lib: &syn::File, module: &str) -> Public {
    let mut names = BTreeSet::new();
    for item in &lib.items {
        match item {
            Item::Mod(item) if item.ident == module && is_public(&item.vis) => return Public::Everything,
            Item::Use(import) if is_public(&import.vis) => {
                if let UseTree::Path(path) = &import.tree
                    && path.ident == module
                {
                    leaves(&path.tree, &mut |name| {
                        names.insert(name);
                    });
                }
            }
            _ => {}
        }
    }
    Public::Names(names)
}

fn leaves(tree: &UseTree, found: &mut impl FnMut(String)) {
    match tree {
        UseTree::Path(path) => leaves(&path.tree, found),
        UseTree::Name(name) => found(name.ident.to_string()),
        UseTree::Rename(rename) => found(rename.rename.to_string()),
        UseTree::Group(group) => group.items.iter().for_each(|item| leaves(item, found)),
        UseTree::Glob(_) => found("*".to_owned()),
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// The names that this file has from candle.
fn candle_names(file: &syn::File) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for item in &file.items {
        if let Item::Use(import) = item
            && let UseTree::Path(path) = &import.tree
            && path.ident.to_string().starts_with("candle_")
        {
            leaves(&path.tree, &mut |name| {
                names.insert(name);
            });
        }
    }
    names
}

/// The public items of `file` that show candle.
fn leaks(file: &syn::File, public: &Public) -> Vec<String> {
    let candle = candle_names(file);
    let mut found = Vec::new();
    let mut check = |name: String, tokens: TokenStream| {
        if mentions(tokens, &candle) {
            found.push(name);
        }
    };
    for item in &file.items {
        match item {
            Item::Fn(item) if is_public(&item.vis) && public.holds(&item.sig.ident.to_string()) => {
                check(item.sig.ident.to_string(), item.sig.to_token_stream());
            }
            Item::Struct(item) if is_public(&item.vis) && public.holds(&item.ident.to_string()) => {
                let open = item.fields.iter().filter(|field| is_public(&field.vis));
                open.for_each(|field| check(item.ident.to_string(), field.ty.to_token_stream()));
                check(item.ident.to_string(), item.generics.to_token_stream());
            }
            Item::Enum(item) if is_public(&item.vis) && public.holds(&item.ident.to_string()) => {
                for variant in &item.variants {
                    if !matches!(variant.fields, Fields::Unit) {
                        check(format!("{}::{}", item.ident, variant.ident), variant.fields.to_token_stream());
                    }
                }
            }
            Item::Trait(item) if is_public(&item.vis) && public.holds(&item.ident.to_string()) => {
                check(item.ident.to_string(), item.to_token_stream());
            }
            Item::Type(item) if is_public(&item.vis) && public.holds(&item.ident.to_string()) => {
                check(item.ident.to_string(), item.to_token_stream());
            }
            Item::Impl(item) if item.trait_.is_none() => {
                let syn::Type::Path(path) = &*item.self_ty else { continue };
                let Some(owner) = path.path.segments.last().map(|segment| segment.ident.to_string()) else { continue };
                if !public.holds(&owner) {
                    continue;
                }
                for member in &item.items {
                    match member {
                        ImplItem::Fn(method) if is_public(&method.vis) => {
                            check(format!("{owner}::{}", method.sig.ident), method.sig.to_token_stream());
                        }
                        ImplItem::Const(constant) if is_public(&constant.vis) => {
                            check(format!("{owner}::{}", constant.ident), constant.ty.to_token_stream());
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    found
}

fn mentions(tokens: TokenStream, candle: &BTreeSet<String>) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Group(group) => mentions(group.stream(), candle),
        TokenTree::Ident(word) => {
            let word = word.to_string();
            word.starts_with("candle_") || candle.contains(&word)
        }
        _ => false,
    })
}

#[test]
fn no_candle_type_is_public() {
    let sources = sources::all();
    let parse = |source: &Source| {
        syn::parse_file(&source.text).unwrap_or_else(|err| panic!("{} does not parse: {err}", source.name))
    };
    let lib = parse(sources.iter().find(|source| source.name == "src/lib.rs").unwrap());
    let mut found = Vec::new();
    for source in &sources {
        let Some(module) = source.module.first() else { continue };
        let public = public_part(&lib, module);
        let names = leaks(&parse(source), &public);
        found.extend(names.iter().map(|name| format!("{}: `{name}` shows a candle type", source.name)));
    }
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn a_leak_in_a_made_up_file_is_found() {
    let lib = syn::parse_file("mod model; pub mod open; pub use model::{Shown, run, Kind};").unwrap();
    let shown = public_part(&lib, "model");
    assert_eq!(public_part(&lib, "open"), Public::Everything);
    let leak = |text: &str| leaks(&syn::parse_file(text).unwrap(), &shown);
    assert_eq!(
        leak("use candle_core::Tensor; impl Shown { pub fn weight(&self) -> &Tensor { &self.0 } }"),
        ["Shown::weight"]
    );
    assert_eq!(leak("use candle_core::{Tensor as T}; pub fn run(x: Option<T>) {}"), ["run"]);
    assert_eq!(leak("pub struct Shown { pub device: candle_core::Device }"), ["Shown"]);
    assert_eq!(leak("use candle_core::DType; pub enum Kind { Of(DType), Other }"), ["Kind::Of"]);
    assert_eq!(
        leak(
            "use candle_core::Tensor; pub struct Hidden { pub t: Tensor } impl Hidden { pub fn t(&self) -> Tensor {} }"
        ),
        [""; 0]
    );
    assert_eq!(
        leak("use candle_core::Tensor; pub struct Shown(Tensor); impl Shown { pub(crate) fn t(&self) -> Tensor {} }"),
        [""; 0]
    );
}
