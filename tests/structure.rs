//! Holds how the source is cut: no ring of files inside a folder, no file or function that outgrows a reader, and every
//! path that CONTRIBUTING.md names, with the names it finds there.

mod sources;
mod structure_of;

use sources::Source;
use std::collections::BTreeSet;
use std::path::Path;
use structure_of::{Crate, functions};

/// Lines of a file at most: about what a reader holds in mind.
const FILE_LINES: usize = 360;

/// Lines of a function at most: a screen.
const FUNCTION_LINES: usize = 65;

/// Folders whose files still know each other in a ring. Empty it.
const RINGS_LEFT: &[&str] = &[];

/// Files and functions that are still too long, as `src/a.rs` and `src/a.rs: name`. Empty it.
const TOO_LONG_LEFT: &[&str] = &[
    "src/adapter/tests.rs",
    "src/dataset/tests.rs",
    "src/fuzzing/calls.rs: call",
    "src/generate/constraint/negation.rs: ways_for",
    "src/tokenize/jinja/filters.rs: apply",
    "src/tokenize/jinja/format.rs: percent",
    "src/tokenize/jinja/list_filters.rs: apply",
    "src/tokenize/jinja/methods.rs: call",
    "src/tokenize/jinja/parser.rs",
    "src/tokenize/jinja/tests.rs: hostile",
    "src/tokenize/jinja/text_methods.rs: call",
    "src/train/run/schedule.rs: the_numbers_of_transformers",
];

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

    #[test]
    fn functions_have_their_lengths_wherever_they_stand() {
        let text = "fn one() {}\nimpl A {\n    fn three(\n    ) {\n    }\n}\n#[cfg(test)]\nmod tests {\n    fn two() {\n    }\n}\n";
        assert_eq!(functions(text), [("one".to_owned(), 1), ("three".to_owned(), 3), ("two".to_owned(), 2)]);
    }
}
