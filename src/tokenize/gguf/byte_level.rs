//! Byte-level BPE: merges are in the file, and the name of the rule by which text is split before them.

use super::pre_tokenizers;
use super::{Parts, Vocabulary};
use crate::error::Result;
use serde_json::{Value, json};

pub(super) fn parts(vocabulary: &Vocabulary<'_>) -> Result<Parts> {
    let gguf = vocabulary.gguf;
    let pre = gguf.text("tokenizer.ggml.pre")?.unwrap_or("(none)");
    let Some(rule) = pre_tokenizers::named(pre) else {
        let known = pre_tokenizers::names();
        return Err(vocabulary.unsupported(format!(
            "the pre-tokenizer `{pre}` is not known; known are {known}, or put the model's tokenizer.json beside the file"
        )));
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
    let split = |pattern: &&str| json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false});
    let steps: Vec<Value> = rule.splits.iter().map(split).chain([byte_level(rule.gpt2)]).collect();
    let begins_with_bos = gguf.flag("tokenizer.ggml.add_bos_token")?.unwrap_or(rule.begins_with_bos);
    Ok(Parts {
        normalizer: if rule.nfc { json!({"type": "NFC"}) } else { Value::Null },
        pre_tokenizer: json!({"type": "Sequence", "pretokenizers": steps}),
        decoder: byte_level(true),
        merges,
        unknown: None,
        byte_fallback: false,
        ignore_merges: rule.ignore_merges,
        begins_with_bos,
    })
}
