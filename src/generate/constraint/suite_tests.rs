//! Schemas of other people: those of JSON-Schema-Test-Suite (lists of a schema with documents that it allows or not) and any
//! that stand in files of their own. The variable names a folder of them; without it the test says that it was skipped.
//!
//! Documents are random walks; an independent validator judges them.

use super::bytes::{COMPILER, END};
use super::{Compiler, Constraint, Form};
use crate::control::Cancel;
use crate::error::{Error, Result};
use crate::generate::document::{Advance, Document};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const VARIABLE: &str = "TAILORA_SCHEMAS";
const SEEDS: u64 = 5;
/// Tokens, most of them of one byte.
const BUDGETS: [usize; 2] = [80, 600];
/// Longer files are no schemas that anyone asks a model for.
const LONGEST: u64 = 100_000;

struct Foreign {
    name: String,
    schema: Value,
    /// Documents that it allows, if some are known.
    allowed: Vec<Value>,
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "json")
            && path.metadata().is_ok_and(|meta| meta.len() <= LONGEST)
        {
            found.push(path);
        }
    }
}

fn schemas(folder: &Path) -> Vec<Foreign> {
    let mut paths = Vec::new();
    files(folder, &mut paths);
    let mut schemas = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let Ok(value) = serde_json::from_str::<Value>(text.trim_start_matches('\u{feff}')) else { continue };
        let name = path.strip_prefix(folder).unwrap().display().to_string();
        match value {
            Value::Array(cases) => schemas.extend(cases.into_iter().map(|case| {
                Foreign {
                    name: format!("{name}: {}", case["description"].as_str().unwrap_or_default()),
                    schema: case["schema"].clone(),
                    allowed: case["tests"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .filter(|test| test["valid"] == true)
                        .map(|test| test["data"].clone())
                        .collect(),
                }
            })),
            schema if schema.get("$schema").is_some() => schemas.push(Foreign { name, schema, allowed: Vec::new() }),
            _ => {}
        }
    }
    schemas
}

/// A document of tokens taken at random.
fn walk(constraint: &Constraint, budget: usize, seed: u64) -> Result<Vec<u8>> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut document = Document::new(constraint.clone(), budget)?;
    let (mut text, mut count) = (Vec::new(), 0);
    let mut tokens = document.take_forced()?;
    loop {
        count += tokens.len();
        tokens.iter().for_each(|token| text.extend(document.bytes(*token)));
        if document.is_finished() {
            return Ok(text);
        }
        if count >= budget {
            document.check_end()?;
            return Ok(text);
        }
        let allowed: Vec<u32> = document.mask()?.iter().collect();
        let token = allowed[random.random_range(0..allowed.len())];
        if token == END {
            return Ok(text);
        }
        match document.commit(token, count)? {
            Advance::Tokens(taken) => tokens = taken,
            Advance::End(end) => {
                end.iter().for_each(|token| text.extend(document.bytes(*token)));
                return Ok(text);
            }
        }
    }
}

/// What became of a schema.
#[derive(Default)]
struct Counts {
    documents: usize,
    followed: usize,
    /// The validator does not take it either.
    unjudged: usize,
    /// By keyword.
    refused: BTreeMap<String, usize>,
    /// Too long for the smaller budget, for the larger.
    unfinished: [usize; 2],
    wrong: Vec<String>,
}

impl Counts {
    fn refuse(&mut self, foreign: &Foreign, err: &Error) {
        let details = err.details();
        let satisfiable = !foreign.allowed.is_empty();
        if err.message().contains("allows no document at all") {
            if satisfiable {
                self.wrong.push(format!("{}: {err}, but {} is one", foreign.name, foreign.allowed[0]));
            }
            *self.refused.entry("(no document)".to_owned()).or_default() += 1;
            return;
        }
        match details["keyword"].as_str().filter(|_| details["path"].is_string()) {
            Some(keyword) => *self.refused.entry(keyword.to_owned()).or_default() += 1,
            None => self.wrong.push(format!("{}: names no keyword and path: {err}", foreign.name)),
        }
    }

    fn follow(&mut self, foreign: &Foreign, constraint: &Constraint) {
        let validator = jsonschema::options().should_validate_formats(true).build(&foreign.schema);
        self.unjudged += usize::from(validator.is_err());
        self.followed += 1;
        for (at, budget) in BUDGETS.into_iter().enumerate() {
            for seed in 0..SEEDS {
                let text = match walk(constraint, budget, seed) {
                    Ok(text) => String::from_utf8(text).expect("a document is UTF-8"),
                    Err(err) if err.message().contains("could be finished") => {
                        self.unfinished[at] += usize::from(seed == 0);
                        let fits = |document: &&Value| document.to_string().len() <= budget;
                        if let Some(document) = foreign.allowed.iter().find(fits) {
                            self.wrong.push(format!("{}: {err}; {document} would do", foreign.name));
                        }
                        break;
                    }
                    Err(err) => {
                        self.wrong.push(format!("{}: seed {seed}, {budget} tokens: {err}", foreign.name));
                        break;
                    }
                };
                self.documents += 1;
                match serde_json::from_str::<Value>(&text) {
                    Err(err) => self.wrong.push(format!("{}: no JSON: {err}: {text}", foreign.name)),
                    Ok(document) => {
                        if let Ok(validator) = &validator
                            && let Err(err) = validator.validate(&document)
                        {
                            let text: String = text.chars().take(200).collect();
                            self.wrong.push(format!(
                                "{}: seed {seed}: {err} at {}: {text}",
                                foreign.name,
                                err.instance_path()
                            ));
                            break;
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn documents_of_foreign_schemas_are_valid() {
    let Some(folder) = std::env::var_os(VARIABLE).filter(|name| !name.is_empty()) else {
        eprintln!("SKIPPED: {VARIABLE} does not name a folder of schemas");
        return;
    };
    let schemas = schemas(Path::new(&folder));
    assert!(!schemas.is_empty(), "no schemas in {}", folder.display());
    let (compiler, mut counts): (&Compiler, _) = (&COMPILER, Counts::default());
    for foreign in &schemas {
        match compiler.compile(Form::JsonSchema(&foreign.schema), &Cancel::new()) {
            Ok(constraint) => counts.follow(foreign, &constraint),
            Err(err) => counts.refuse(foreign, &err),
        }
    }
    println!(
        "{} schemas: {} followed ({} of which the validator does not take; not finished within {:?} tokens: {:?}), {} documents; refused: {:?}",
        schemas.len(),
        counts.followed,
        counts.unjudged,
        BUDGETS,
        counts.unfinished,
        counts.documents,
        counts.refused
    );
    assert!(counts.wrong.is_empty(), "{} wrong:\n{}", counts.wrong.len(), counts.wrong.join("\n"));
}
