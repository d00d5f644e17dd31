//! Both READMEs say what is true: their tables have every option with its default, their C program compiles, and the
//! files they link to are there.

use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr::null_mut;
use tailora::capi::{TAILORA_OK, tailora_options_schema, tailora_string_free};

const READMES: [&str; 2] = ["README.md", "README.zh.md"];
const FAMILIES: [&str; 8] = ["model", "adapter", "dataset", "train", "evaluate", "session", "generate", "report"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap().replace("\r\n", "\n")
}

/// Option → default, as the library says.
fn options(family: &str) -> BTreeMap<String, Value> {
    let name = CString::new(family).unwrap();
    let mut json = null_mut();
    // SAFETY: all pointers are valid for the call; the string is read before it is freed.
    let text = unsafe {
        assert_eq!(tailora_options_schema(name.as_ptr(), &mut json, null_mut()), TAILORA_OK, "{family}");
        let text = CStr::from_ptr(json).to_str().unwrap().to_owned();
        tailora_string_free(json);
        text
    };
    let schema: Value = serde_json::from_str(&text).unwrap();
    let properties = schema["properties"].as_object().unwrap();
    properties.iter().map(|(name, property)| (name.clone(), property["default"].clone())).collect()
}

/// Option → default, as the table below the heading with the family's name says: rows of "| `name` | `default` | … |".
fn documented(readme: &str, family: &str) -> BTreeMap<String, Value> {
    let tag = format!("`{family}`");
    let section = readme.split("\n### ").find(|section| section.lines().next().unwrap().contains(&tag));
    let section = section.unwrap_or_else(|| panic!("no section for {family}"));
    let cell = |text: &str| text.trim().trim_matches('`').to_owned();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        let default = cell(cells[2]);
        (cell(cells[1]), serde_json::from_str(&default).unwrap_or(Value::String(default)))
    })
    .collect()
}

#[test]
fn the_tables_have_every_option_with_its_default() {
    for family in FAMILIES {
        let mut expected = options(family);
        // An object of defaults of its own; the table shows that it is one.
        expected.values_mut().filter(|value| value.as_object().is_some_and(|map| !map.is_empty())).for_each(|value| {
            *value = Value::String("{…}".to_owned());
        });
        for readme in READMES {
            assert_eq!(documented(&read(readme), family), expected, "{readme}, {family}");
        }
    }
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
fn links_lead_to_files() {
    for readme in READMES {
        let text = read(readme);
        let links: Vec<&str> = text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
        assert!(links.len() > 5, "{readme}: {links:?}");
        for link in links.iter().filter(|link| !link.contains("://")) {
            assert!(root().join(link).exists(), "{readme} links to {link}, which is not there");
        }
    }
}
