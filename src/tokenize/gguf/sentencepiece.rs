//! SentencePiece's BPE: the file has a score for each token, from which the merges follow.

use super::{BYTE, CONTROL, Parts, UNKNOWN, Vocabulary};
use crate::error::Result;
use serde_json::{Value, json};
use std::collections::HashMap;

pub(super) fn parts(vocabulary: &Vocabulary<'_>) -> Result<Parts> {
    let gguf = vocabulary.gguf;
    if gguf.flag("tokenizer.ggml.remove_extra_whitespaces")? == Some(true) {
        return Err(vocabulary.unsupported("a tokenizer that removes whitespace is not supported".to_owned()));
    }
    let has_prefix = gguf.flag("tokenizer.ggml.add_space_prefix")?.unwrap_or(true);
    let replace = |from: &str, to: &str| json!({"type": "Replace", "pattern": {"String": from}, "content": to});
    let mut normalizers = vec![replace(" ", "▁")];
    let mut decoders = vec![replace("▁", " "), json!({"type": "ByteFallback"}), json!({"type": "Fuse"})];
    if has_prefix {
        normalizers.insert(0, json!({"type": "Prepend", "prepend": "▁"}));
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    let named = gguf.token_id("unknown")?.map(|id| id as usize).filter(|id| *id < vocabulary.tokens.len());
    let unknown = named.or_else(|| vocabulary.types.iter().position(|kind| *kind == UNKNOWN));
    Ok(Parts {
        normalizer: json!({"type": "Sequence", "normalizers": normalizers}),
        pre_tokenizer: Value::Null,
        decoder: json!({"type": "Sequence", "decoders": decoders}),
        merges: merges(vocabulary)?,
        unknown: unknown.map(|id| vocabulary.tokens[id].clone().into_owned()),
        byte_fallback: true,
        ignore_merges: false,
        begins_with_bos: gguf.flag("tokenizer.ggml.add_bos_token")?.unwrap_or(true),
    })
}

/// Every way to put a token together out of two, those of the highest scores first, as transformers derives them.
fn merges(vocabulary: &Vocabulary<'_>) -> Result<Vec<[String; 2]>> {
    let key = "tokenizer.ggml.scores";
    let scores = vocabulary.gguf.required(key, vocabulary.gguf.numbers(key))?;
    vocabulary.same_length(key, scores.len())?;
    let is_text = |kind: u32| ![UNKNOWN, CONTROL, BYTE].contains(&kind);
    let score: HashMap<&str, f64> =
        vocabulary.used().filter(|(_, _, kind)| is_text(*kind)).map(|(id, token, _)| (token, scores[id])).collect();
    let mut merges = Vec::new();
    for (_, token, _) in vocabulary.used().filter(|(_, _, kind)| is_text(*kind)) {
        let splits = token.char_indices().skip(1).filter_map(|(at, _)| {
            let (left, right) = token.split_at(at);
            Some((left, right, *score.get(left)?, *score.get(right)?))
        });
        let mut splits: Vec<_> = splits.collect();
        splits.sort_by(|a, b| b.2.total_cmp(&a.2).then(b.3.total_cmp(&a.3)));
        merges.extend(splits.into_iter().map(|(left, right, ..)| (score[token], left, right)));
    }
    merges.sort_by(|a, b| b.0.total_cmp(&a.0));
    Ok(merges.into_iter().map(|(_, left, right)| [left.to_owned(), right.to_owned()]).collect())
}
