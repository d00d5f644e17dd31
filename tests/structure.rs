//! Holds how the source is cut: no ring of files inside a folder, no file or function that outgrows a reader, a type of
//! weights and a family of models in one place each, words that mean one thing, and every path that CONTRIBUTING.md
//! names, with the names it finds there.

mod sources;
mod structure_of;

use sources::Source;
use std::collections::BTreeSet;
use std::path::Path;
use structure_of::{Crate, families, functions, types_of_weights, words};

/// Lines of a file at most: about what a reader holds in mind.
const FILE_LINES: usize = 350;

/// Lines of a function at most: a screen.
const FUNCTION_LINES: usize = 60;

/// Folders whose files still know each other in a ring. Empty it.
const RINGS_LEFT: &[&str] = &[];

/// Files and functions that are still too long, as `src/a.rs` and `src/a.rs: name`. Empty it.
const TOO_LONG_LEFT: &[&str] = &[];

#[test]
fn no_ring_of_files_inside_a_folder() {
    let rings = Crate::read(&sources::all()).rings();
    let (left, new): (Vec<_>, Vec<_>) = rings.into_iter().partition(|ring| RINGS_LEFT.contains(&ring.folder.as_str()));
    assert!(new.is_empty(), "\n{}\n", new.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    let found: BTreeSet<&str> = left.iter().map(|ring| ring.folder.as_str()).collect();
    let gone: Vec<_> = RINGS_LEFT.iter().filter(|folder| !found.contains(**folder)).collect();
    assert!(gone.is_empty(), "no ring is left in {gone:?}: take them off the list");
}

#[test]
fn files_and_functions_are_of_a_length_to_read() {
    let mut long: Vec<(String, usize)> = Vec::new();
    for Source { name, text, .. } in sources::all() {
        let lines = text.lines().count();
        if lines > FILE_LINES {
            long.push((name.clone(), lines));
        }
        let functions = functions(&text).into_iter().filter(|(_, lines)| *lines > FUNCTION_LINES);
        long.extend(functions.map(|(function, lines)| (format!("{name}: {function}"), lines)));
    }
    let new: Vec<_> = long.iter().filter(|(name, _)| !TOO_LONG_LEFT.contains(&name.as_str())).collect();
    assert!(new.is_empty(), "longer than {FILE_LINES} or {FUNCTION_LINES} lines: {new:#?}");
    let gone: Vec<_> = TOO_LONG_LEFT.iter().filter(|left| !long.iter().any(|(name, _)| name == *left)).collect();
    assert!(gone.is_empty(), "short enough by now: take {gone:?} off the list");
}

/// The engine: where every word has the field's meaning, and one.
const ENGINE: &[&str] = &["tensor", "weights", "ops", "model", "generate", "evaluate", "train"];

/// Words that once meant several things there, and the field's words for them: `saved` (for the backward pass),
/// `outputs` (the rows asked for), `residual`, `scatter`, `dequantize`, `parts`.
const VAGUE: &[&str] = &["activations", "halves", "kept", "lows", "middle", "spread", "wanted", "widen"];

#[test]
fn one_word_has_one_meaning() {
    let found = sources::all().iter().flat_map(vague_words).collect::<Vec<_>>();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

fn vague_words(source: &Source) -> Vec<String> {
    if !ENGINE.iter().any(|room| source.name.starts_with(&format!("src/{room}/"))) {
        return Vec::new();
    }
    let words = words(&source.text, true).into_iter();
    let vague = words.filter(|word| !word.is_literal && VAGUE.contains(&word.text.as_str()));
    vague.map(|word| format!("{}:{}: `{}` is not a word of the field", source.name, word.line, word.text)).collect()
}

#[test]
fn a_type_of_weights_is_named_in_its_own_file_and_the_tables() {
    let sources = sources::all();
    let types = types_of_weights(&sources);
    assert!(types.len() >= 3, "{types:?}");
    let found: Vec<String> = untested(&sources).flat_map(|source| types_named(source, &types)).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// Where a file names a type of weights that is not its own. `ggml.rs` is the table of the types in files,
/// `kv_form.rs` that of the types of keys and values.
fn types_named(source: &Source, types: &[(String, String)]) -> Vec<String> {
    let bare = |text: &str| text.replace('_', "").to_lowercase();
    let of_literal = |text: &str| text.split(|c: char| c != '_' && !c.is_alphanumeric()).map(bare).collect::<Vec<_>>();
    let tables =
        ["src/weights/mod.rs", "src/weights/ggml.rs", "src/weights/quantized/types/mod.rs", "src/model/kv_form.rs"];
    let is_table = tables.contains(&source.name.as_str());
    // A type's row says, as a text, which others take its place.
    let is_row = types.iter().any(|(_, home)| source.name.starts_with(home));
    let others = types.iter().filter(|(_, home)| !is_table && !source.name.starts_with(home));
    let others: Vec<(&str, String)> = others.map(|(name, _)| (name.as_str(), bare(name))).collect();
    let mut found = Vec::new();
    for word in words(&source.text, false).into_iter().filter(|word| !(is_row && word.is_literal)) {
        let parts = if word.is_literal { of_literal(&word.text) } else { vec![bare(&word.text)] };
        let named = others.iter().filter(|(_, name)| parts.contains(name));
        found.extend(named.map(|(name, _)| format!("{}:{}: the type {name} is named here", source.name, word.line)));
    }
    found
}

#[test]
fn a_family_is_named_in_the_table_of_families_and_those_of_gguf() {
    let sources = sources::all();
    let families = families(&sources);
    assert!(families.len() >= 3, "{families:?}");
    let found: Vec<String> = untested(&sources).flat_map(|source| families_named(source, &families)).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// Where a file names a family and is no table: as an identifier, or as a whole text.
fn families_named(source: &Source, families: &[String]) -> Vec<String> {
    let tables = ["src/model/families", "src/model/gguf", "src/tokenize/gguf"];
    if tables.iter().any(|table| source.name.starts_with(table)) {
        return Vec::new();
    }
    let words = words(&source.text, false).into_iter().filter(|word| families.contains(&word.text.to_lowercase()));
    words.map(|word| format!("{}:{}: the family {} is named here", source.name, word.line, word.text)).collect()
}

/// The files that are no tests.
fn untested(sources: &[Source]) -> impl Iterator<Item = &Source> {
    let made = Crate::read(sources);
    sources.iter().filter(move |source| made.has(source))
}

#[test]
fn what_contributing_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("CONTRIBUTING.md")).unwrap();
    let missing = structure_of::missing(&text, root);
    assert!(missing.is_empty(), "CONTRIBUTING.md names what is not there: {missing:#?}");
}

/// Made-up sources, and what this test must say about them.
mod made_up {
    use super::*;

    fn rings(files: &[(&str, &str)]) -> Vec<String> {
        let source = |(name, text): &(&str, &str)| {
            let mut module: Vec<String> = name.split('/').map(str::to_owned).collect();
            if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
                module.pop();
            }
            Source { name: format!("src/{name}.rs"), module, text: (*text).to_owned() }
        };
        let sources: Vec<Source> = files.iter().map(source).collect();
        Crate::read(&sources).rings().iter().map(|ring| format!("{}: {}", ring.folder, ring.files.join(" "))).collect()
    }

    const MOD: (&str, &str) = ("x/mod", "mod a; mod b; mod c; pub use a::A; pub(crate) use b::B; use c::C;");

    #[test]
    fn a_ring_is_found_through_reexports_groups_and_macros() {
        let one_way = [MOD, ("x/a", "use super::b::f; pub struct A;"), ("x/b", "pub struct B; pub fn f() {}")];
        assert_eq!(rings(&one_way), [""; 0]);
        let through_reexport = [MOD, ("x/a", "use super::B; pub struct A;"), ("x/b", "use crate::x::A;")];
        assert_eq!(rings(&through_reexport), ["src/x: a b"]);
        let three = [
            MOD,
            ("x/a", "use super::{b::{f, g}, y};"),
            ("x/b", "fn f() { println!(\"{}\", super::c::k()) }"),
            ("x/c", "fn k() { let _ = super::A; }"),
        ];
        assert_eq!(rings(&three), ["src/x: a b c"]);
    }

    #[test]
    fn tests_make_no_ring() {
        let test = [
            MOD,
            ("x/a", "use super::B; pub struct A;"),
            ("x/b", "pub struct B; #[cfg(test)] mod tests { use super::super::A; }"),
        ];
        assert_eq!(rings(&test), [""; 0]);
        let test_file =
            [("x/mod", "mod a; #[cfg(test)] mod a_tests;"), ("x/a", "fn f() {}"), ("x/a_tests", "use super::a;")];
        assert_eq!(rings(&test_file), [""; 0]);
    }

    #[test]
    fn rooms_are_files_of_the_folder_above() {
        let rooms = [
            ("x/mod", "mod a; mod b;"),
            ("x/a/mod", "mod one; pub use one::One;"),
            ("x/a/one", "use crate::x::b::Two; pub struct One;"),
            ("x/b/mod", "mod two; pub use two::Two;"),
            ("x/b/two", "use super::super::a::One; pub struct Two;"),
        ];
        assert_eq!(rings(&rooms), ["src/x: a b"]);
    }

    #[test]
    fn a_document_is_held_to_what_it_names() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let missing = |text: &str| structure_of::missing(text, root);
        assert_eq!(missing("`Layers` in `tests/layers.rs`, [it](Cargo.toml), `src/NAME.rs`, `cargo test`"), [""; 0]);
        assert_eq!(missing("in `tests/none.rs` and [it](none.md)"), ["tests/none.rs", "none.md"]);
        assert_eq!(missing("`Layers` in `tests/peft.rs`"), ["Layers in tests/peft.rs"]);
        let nowhere = ["NOT", "HERE"].join("_");
        assert_eq!(missing(&format!("`{nowhere}`")), [nowhere]);
    }

    fn source(name: &str, text: &str) -> Source {
        Source { name: name.to_owned(), module: Vec::new(), text: text.to_owned() }
    }

    #[test]
    fn vague_words_are_found_in_the_engine() {
        let text = "/// kept\nfn f() {\n    let kept = g!(x.wanted(), \"widen\", widened);\n}";
        let found = vague_words(&source("src/ops/x.rs", text));
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0], "src/ops/x.rs:3: `kept` is not a word of the field");
        assert_eq!(vague_words(&source("src/dataset/x.rs", text)), [""; 0]);
    }

    #[test]
    fn types_and_families_are_found_outside_their_tables() {
        let types = [("q5_0".to_owned(), "src/weights/q5".to_owned())];
        let text =
            "/// Q5_0\nmatch kind { GgmlDType::Q50 => 1, Q5_0 => 2, _ => f(\"as q5_0, or\") }\nmod tests { x(q5_0) }";
        assert_eq!(types_named(&source("src/model/x.rs", text), &types).len(), 3);
        assert_eq!(types_named(&source("src/weights/q5/tile.rs", text), &types), [""; 0]);
        assert_eq!(types_named(&source("src/weights/ggml.rs", text), &types), [""; 0]);
        assert_eq!(types_named(&source("src/weights/quantized/types/five_bits.rs", text), &types).len(), 3);
        let row = [("q4_k".to_owned(), "src/weights/k".to_owned()), types[0].clone()];
        assert_eq!(types_named(&source("src/weights/k/q4_k.rs", "f(\"q4_k\", \"q5_0\")"), &row), [""; 0]);
        assert_eq!(types_named(&source("src/weights/k/q4_k.rs", "use super::q5_0::X;"), &row).len(), 1);
        let table = "static TYPES: [&WeightType; 2] = [&q5::Q5_0, &q5::Q5_1];";
        assert_eq!(types_of_weights(&[source("src/weights/mod.rs", table)])[0], types[0]);

        let table =
            "const A: Family = Family { model_type: \"alpha\" }; const B: X = [Family { model_type: \"b\", ..A }];";
        let families = families(&[source("src/model/families/mod.rs", table)]);
        assert_eq!(families, ["alpha", "b"]);
        let text = "if model_type == \"alpha\" { ALPHA } else { \"as in alpha.cpp\" }";
        assert_eq!(families_named(&source("src/model/config.rs", text), &families).len(), 2);
        assert_eq!(families_named(&source("src/model/families.rs", text), &families), [""; 0]);
        assert_eq!(families_named(&source("src/model/gguf/tensors.rs", text), &families), [""; 0]);
    }

    #[test]
    fn functions_have_their_lengths_wherever_they_stand() {
        let text = "fn one() {}\nimpl A {\n    fn three(\n    ) {\n    }\n}\n#[cfg(test)]\nmod tests {\n    fn two() {\n    }\n}\n";
        assert_eq!(functions(text), [("one".to_owned(), 1), ("three".to_owned(), 3), ("two".to_owned(), 2)]);
    }
}
