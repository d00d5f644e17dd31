//! llama.cpp's own test vectors: vocabularies of real models with texts and their ids. They come with its source, which
//! the variable names; without it the test says that it was skipped.

use crate::error::Code;
use crate::model::ModelFiles;
use crate::tokenize::Tokenizer;
use std::path::{Path, PathBuf};

/// Where llama.cpp's source is.
const VARIABLE: &str = "TAILORA_LLAMA_CPP_SOURCE";
/// Vocabularies of the kinds that families here have.
const KNOWN: [&str; 9] =
    ["deepseek-coder", "deepseek-llm", "gpt-2", "llama-bpe", "llama-spm", "phi-3", "qwen2", "refact", "starcoder"];

/// Between the texts, and behind the last.
const SEPARATOR: &str = "\n__ggml_vocab_test__\n";

fn folder() -> Option<PathBuf> {
    let found = std::env::var_os(VARIABLE).filter(|name| !name.is_empty()).map(|name| Path::new(&name).join("models"));
    if found.is_none() {
        eprintln!("SKIPPED: {VARIABLE} does not name llama.cpp's source");
    }
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
}

#[test]
fn vocabularies_give_the_ids_of_llama_cpp() {
    let Some(folder) = folder() else { return };
    let mut wrong = Vec::new();
    for name in KNOWN {
        let path = folder.join(format!("ggml-vocab-{name}.gguf"));
        let beside = |extension: &str| read(&PathBuf::from(format!("{}.{extension}", path.display())));
        let tokenizer = Tokenizer::open(&ModelFiles::find(&path).unwrap()).unwrap();
        let (texts, ids) = (beside("inp"), beside("out"));
        let texts: Vec<&str> = texts.trim_end_matches(SEPARATOR).split(SEPARATOR).collect();
        let ids: Vec<&str> = ids.trim_end_matches('\n').split('\n').collect();
        assert_eq!(texts.len(), ids.len(), "{name}");
        for (text, ids) in texts.into_iter().zip(ids) {
            let expected: Vec<u32> = ids.split_whitespace().map(|id| id.parse().unwrap()).collect();
            let found = tokenizer.encode(text, false).unwrap();
            if found != expected {
                wrong.push(format!("{name}: {text:?}: {found:?}, not {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} texts:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn vocabularies_of_other_kinds_are_refused_by_name() {
    let Some(folder) = folder() else { return };
    for name in ["bert-bge", "falcon", "gemma-4", "mpt", "qwen35"] {
        let path = folder.join(format!("ggml-vocab-{name}.gguf"));
        let err = ModelFiles::find(&path).and_then(|files| Tokenizer::open(&files)).expect_err(name);
        assert_eq!(err.code(), Code::Unsupported, "{name}: {err}");
        assert!(err.message().contains('`'), "{name}: {err}");
    }
}
