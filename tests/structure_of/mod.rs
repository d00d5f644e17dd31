//! What the source is made of, as tests of its structure need it: which file knows which, how long functions are.

mod contributing;
mod paths;
mod tables;
mod words;

pub use contributing::missing;
pub use tables::{families, types_of_weights};
pub use words::words;

use crate::sources::Source;
use paths::Module;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use syn::spanned::Spanned;
use syn::visit::Visit;

/// The modules of a crate, without their tests.
pub struct Crate {
    modules: BTreeMap<Vec<String>, Module>,
}

/// Files of a folder that know each other in a ring.
pub struct Ring {
    pub folder: String,
    pub files: Vec<String>,
    /// One line for each file and file that it knows: where.
    pub because: Vec<String>,
}

impl fmt::Display for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n  {}", self.folder, self.files.join(", "), self.because.join("\n  "))
    }
}

/// Which child of a folder knows which, and where.
type Known = BTreeMap<(String, String), String>;

impl Crate {
    pub fn read(sources: &[Source]) -> Self {
        let modules: BTreeMap<Vec<String>, Module> =
            sources.iter().map(|source| (source.module.clone(), Module::read(source))).collect();
        let of_tests = |path: &[String]| {
            (1..=path.len()).any(|end| {
                let (parent, name) = (&path[..end - 1], &path[end - 1]);
                modules.get(parent).is_some_and(|module| module.test_modules.contains(name))
            })
        };
        let others: BTreeSet<Vec<String>> = modules.keys().filter(|path| !of_tests(path)).cloned().collect();
        Crate { modules: modules.into_iter().filter(|(path, _)| others.contains(path)).collect() }
    }

    /// Whether a file is there without the tests.
    pub fn has(&self, source: &Source) -> bool {
        self.modules.contains_key(&source.module)
    }

    /// The rings of every folder but the crate itself, whose order is the table of layers.
    pub fn rings(&self) -> Vec<Ring> {
        let folders = self.folders();
        folders.iter().flat_map(|(folder, known)| rings_of(&format!("src/{}", folder.join("/")), known)).collect()
    }

    fn folders(&self) -> BTreeMap<Vec<String>, Known> {
        let mut folders: BTreeMap<Vec<String>, Known> = BTreeMap::new();
        for (from, module) in &self.modules {
            for path in &module.paths {
                let to = self.defined_in(&path.segments, 0);
                let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
                // What `mod.rs` itself holds is the folder's, above or below all of its files as it chooses.
                let (Some(a), Some(b)) = (from.get(shared), to.get(shared)) else { continue };
                if shared > 0 {
                    let place = format!("{}:{} names {}", module.file, path.line, path.segments.join("::"));
                    folders.entry(from[..shared].to_vec()).or_default().entry((a.clone(), b.clone())).or_insert(place);
                }
            }
        }
        folders
    }

    /// The module that defines what a path leads to: re-exports are followed.
    fn defined_in(&self, path: &[String], depth: usize) -> Vec<String> {
        let end = (0..=path.len()).rev().find(|&end| self.modules.contains_key(&path[..end])).unwrap_or(0);
        let module = &path[..end];
        let target = path.get(end).and_then(|name| self.modules.get(module)?.reexports.get(name));
        match target {
            Some(target) if depth < 8 => self.defined_in(target, depth + 1),
            _ => module.to_vec(),
        }
    }
}

fn rings_of(folder: &str, known: &Known) -> Vec<Ring> {
    let mut reached: BTreeSet<(String, String)> = known.keys().cloned().collect();
    loop {
        let further: Vec<_> = reached
            .iter()
            .flat_map(|(a, b)| {
                reached.iter().filter(move |(from, _)| from == b).map(move |(_, c)| (a.clone(), c.clone()))
            })
            .filter(|pair| !reached.contains(pair))
            .collect();
        if further.is_empty() {
            break;
        }
        reached.extend(further);
    }
    let in_ring =
        |a: &String, b: &String| reached.contains(&(a.clone(), b.clone())) && reached.contains(&(b.clone(), a.clone()));
    let mut rings: Vec<Ring> = Vec::new();
    let names: BTreeSet<&String> = known.keys().map(|(a, _)| a).collect();
    for name in names {
        if !in_ring(name, name) || rings.iter().any(|ring| ring.files.contains(name)) {
            continue;
        }
        let files: Vec<String> =
            reached.iter().filter(|(a, b)| a == name && in_ring(a, b)).map(|(_, b)| b.clone()).collect();
        let inside = known.iter().filter(|((a, b), _)| files.contains(a) && files.contains(b));
        let because = inside.map(|((a, b), place)| format!("{a} → {b}: {place}")).collect();
        rings.push(Ring { folder: folder.to_owned(), files, because });
    }
    rings
}

/// Every function of a file and its lines, signature and body.
pub fn functions(text: &str) -> Vec<(String, usize)> {
    struct Functions(Vec<(String, usize)>);
    impl Functions {
        fn add(&mut self, signature: &syn::Signature, body: &syn::Block) {
            let (first, last) = (signature.span().start().line, body.span().end().line);
            self.0.push((signature.ident.to_string(), last - first + 1));
        }
    }
    impl<'ast> Visit<'ast> for Functions {
        fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
            self.add(&function.sig, &function.block);
            syn::visit::visit_item_fn(self, function);
        }
        fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
            self.add(&function.sig, &function.block);
            syn::visit::visit_impl_item_fn(self, function);
        }
    }
    let mut functions = Functions(Vec::new());
    functions.visit_file(&syn::parse_file(text).unwrap());
    functions.0
}
