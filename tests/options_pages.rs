//! `docs/options.md` and `docs/options.zh.md` are written from the schemas of the options (`cargo xtask docs`). What an option
//! means stands at its field in the sources, in Chinese in `options.zh.json`.

#[path = "options_pages/language.rs"]
mod language;
#[path = "options_pages/table.rs"]
mod table;

use language::{CHINESE, ENGLISH, Language};
use serde_json::Value;
use std::path::Path;
use tailora::options::{Options, schema};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn run(root: &Path, check: bool) -> Result<(), String> {
    for language in [&ENGLISH, &CHINESE] {
        let path = root.join("docs").join(language.file);
        let fresh = page(language)?;
        if !check {
            std::fs::write(&path, fresh).map_err(|err| format!("cannot write {}: {err}", path.display()))?;
            continue;
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
        if let Some(line) = first_difference(&committed, &fresh) {
            return Err(format!(
                "docs/{} differs from the options' schemas at line {line}; run `cargo xtask docs` and commit the file",
                language.file
            ));
        }
        println!("docs/{} is what the options' schemas say", language.file);
    }
    Ok(())
}

/// The sets in the order of the job, each with its schema.
fn sets() -> Vec<(&'static str, Value)> {
    fn of<T: Options>() -> (&'static str, Value) {
        (T::NAME, schema::<T>())
    }
    vec![
        of::<tailora::ModelOptions>(),
        of::<tailora::AdapterOptions>(),
        of::<tailora::DatasetOptions>(),
        of::<tailora::TrainOptions>(),
        of::<tailora::EvaluateOptions>(),
        of::<tailora::SessionOptions>(),
        of::<tailora::GenerateOptions>(),
        of::<tailora::ScoreOptions>(),
        of::<tailora::ReportOptions>(),
        of::<tailora::TokenizeOptions>(),
        of::<tailora::BatchOptions>(),
        of::<tailora::PublishOptions>(),
        of::<tailora::docx::DocxOptions>(),
    ]
}

fn page(language: &Language) -> Result<String, String> {
    let descriptions = language.descriptions()?;
    let mut text = format!("{}\n", language.introduction);
    for (set, schema) in sets() {
        text += &format!("\n## {}\n\n{}", language.heading(set)?, table::of(set, &schema, language, &descriptions)?);
    }
    Ok(text)
}

fn first_difference(left: &str, right: &str) -> Option<usize> {
    if left == right {
        return None;
    }
    let same = left.lines().zip(right.lines()).take_while(|(left, right)| left == right).count();
    Some(same + 1)
}

#[test]
fn the_committed_pages_are_what_the_schemas_say() {
    assert_eq!(run(root(), true), Ok(()));
}

/// The other way round, what is missing, fails in `page`.
#[test]
fn no_chinese_description_is_of_an_option_that_is_gone() {
    let known: Vec<String> = sets().iter().flat_map(|(set, schema)| table::keys(set, schema)).collect();
    let gone: Vec<String> =
        CHINESE.descriptions().unwrap().unwrap().keys().filter(|key| !known.contains(key)).cloned().collect();
    assert!(gone.is_empty(), "{gone:?}");
}

#[test]
fn a_missing_chinese_description_is_named() {
    let (set, schema) = sets().remove(0);
    let mut descriptions = CHINESE.descriptions().unwrap();
    descriptions.as_mut().unwrap().remove("model.threads").unwrap();
    let missing = table::of(set, &schema, &CHINESE, &descriptions).unwrap_err();
    assert!(missing.contains("model.threads"), "{missing}");
}

#[test]
fn every_set_that_a_host_can_ask_for_has_a_section() {
    let page = page(&ENGLISH).unwrap();
    for set in [
        "model", "adapter", "dataset", "train", "evaluate", "session", "generate", "score", "report", "tokenize",
        "batch", "publish", "docx",
    ] {
        assert!(page.contains(&format!("(`{set}`)")), "{set}");
    }
    assert!(page.contains("| `r` | `8` | integer 1–4096 |"), "{page}");
}

#[test]
#[ignore = "writes docs/options.md and docs/options.zh.md"]
fn writes_the_pages() {
    run(root(), false).unwrap();
}
