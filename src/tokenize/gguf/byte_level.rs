//! Byte-level BPE: merges are in the file, and the name of the rule by which text is split before them.
//!
//! The rules are those of the models' `tokenizer.json`; their names are in llama.cpp's `llama-vocab.cpp`.

use super::{Parts, Vocabulary};
use crate::error::Result;
use serde_json::{Value, json};

const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

pub(super) fn parts(vocabulary: &Vocabulary<'_>) -> Result<Parts> {
    let gguf = vocabulary.gguf;
    let pre = gguf.text("tokenizer.ggml.pre")?.unwrap_or("(none)");
    let (pattern, is_llama3) = match pre {
        "qwen2" => (Some(QWEN2), false),
        "llama-bpe" | "llama3" | "llama-v3" => (Some(LLAMA3), true),
        "gpt-2" => (None, false),
        other => {
            return Err(vocabulary.unsupported(format!(
                "the pre-tokenizer `{other}` is not known; known are qwen2, llama-bpe and gpt-2, or put the model's \
                 tokenizer.json beside the file"
            )));
        }
    };
    let key = "tokenizer.ggml.merges";
    let mut merges = Vec::new();
    for merge in gguf.required(key, gguf.texts(key))? {
        // The first part is never empty, but may begin with a space.
        let first = merge.chars().next().map_or(0, char::len_utf8);
        let Some(at) = merge.get(first..).and_then(|rest| rest.find(' ')).map(|at| at + first) else {
            return Err(
                vocabulary.damaged(format!("metadata `{key}` has {merge:?}; expected two tokens with a space between"))
            );
        };
        merges.push([merge[..at].to_owned(), merge[at + 1..].to_owned()]);
    }
    let byte_level = |use_regex: bool| json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex});
    let begins_with_bos = gguf.flag("tokenizer.ggml.add_bos_token")?.unwrap_or(is_llama3);
    Ok(Parts {
        normalizer: if pre == "qwen2" { json!({"type": "NFC"}) } else { Value::Null },
        pre_tokenizer: match pattern {
            None => byte_level(true),
            Some(pattern) => json!({"type": "Sequence", "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false},
                byte_level(false),
            ]}),
        },
        decoder: byte_level(true),
        merges,
        unknown: None,
        byte_fallback: false,
        ignore_merges: is_llama3,
        begins_with_bos,
    })
}
