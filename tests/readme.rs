//! Both READMEs are short and say what is true: their C program compiles, and the files that they and the pages of `docs`
//! link to are there. The tables of options are written from their schemas (`cargo xtask docs`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const READMES: [&str; 2] = ["README.md", "README.zh.md"];

/// Lines of a README at most.
const LONGEST: usize = 170;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap().replace("\r\n", "\n")
}

#[test]
fn the_c_program_compiles() {
    let Some(compiler) =
        ["cc", "gcc", "clang"].into_iter().find(|name| Command::new(name).arg("--version").output().is_ok())
    else {
        println!("SKIPPED: no C compiler: looked for cc, gcc, clang");
        return;
    };
    for readme in READMES {
        let text = read(readme);
        let (_, rest) = text.split_once("```c\n").unwrap();
        let (program, _) = rest.split_once("```").unwrap();
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{readme}.c"));
        std::fs::write(&file, program).unwrap();
        let mut command = Command::new(compiler);
        command.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I"]).arg(root().join("include"));
        let output = command.arg(&file).output().unwrap();
        assert!(output.status.success(), "{readme}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_readme_is_read_at_one_go() {
    for readme in READMES {
        let lines = read(readme).lines().count();
        assert!(lines <= LONGEST, "{readme} has {lines} lines");
    }
}

/// Pages by their path from the repository's root.
fn pages() -> BTreeSet<String> {
    let docs = std::fs::read_dir(root().join("docs")).unwrap();
    let docs = docs.map(|entry| format!("docs/{}", entry.unwrap().file_name().to_str().unwrap()));
    docs.chain(READMES.map(str::to_owned)).collect()
}

#[test]
fn links_lead_to_files() {
    for page in pages() {
        let text = read(&page);
        let links: Vec<&str> = text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
        assert!(!links.is_empty(), "{page} has no links");
        let folder = root().join(&page).parent().unwrap().to_owned();
        for link in links.iter().filter(|link| !link.contains("://")) {
            assert!(folder.join(link).exists(), "{page} links to {link}, which is not there");
        }
    }
}

#[test]
fn every_page_is_there_in_both_languages_and_found_from_the_readme() {
    let pages = pages();
    assert!(pages.len() >= 12, "{pages:?}");
    for page in pages.iter().filter(|page| page.starts_with("docs/")) {
        let (readme, other) = match page.strip_suffix(".zh.md") {
            Some(name) => (READMES[1], format!("{name}.md")),
            None => (READMES[0], page.replace(".md", ".zh.md")),
        };
        assert!(pages.contains(&other), "{page} is there, {other} is not");
        assert!(read(readme).contains(&format!("]({page})")), "{readme} does not lead to {page}");
    }
}
