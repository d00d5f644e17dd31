//! SentencePiece's BPE: the file has a score for each token, from which the merges follow.

use super::{BYTE, CONTROL, Parts, UNKNOWN, Vocabulary};
use crate::error::{Code, Result};
use serde_json::{Value, json};
use std::collections::HashMap;

/// Bytes of all merges, which the vocabulary decides: a chain of pieces that each go on from the last has as many as the
/// square of its length. Real vocabularies have up to 10 MB.
const MOST_BYTES: usize = 64 << 20;
/// Places at which pieces are tried to be cut in two; real vocabularies have some millions of bytes there.
const MOST_TRIED: usize = 1 << 30;

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
    let too_many = |bytes: usize| {
        let message = format!("the pieces can be put together in too many ways ({bytes} bytes of merges)");
        vocabulary.gguf.error(Code::Tokenizer, message)
    };
    let (mut merges, mut bytes, mut tried) = (Vec::new(), 0usize, 0usize);
    for (_, token, _) in vocabulary.used().filter(|(_, _, kind)| is_text(*kind)) {
        let splits = token.char_indices().skip(1).filter_map(|(at, _)| {
            let (left, right) = token.split_at(at);
            Some((left, right, *score.get(left)?, *score.get(right)?))
        });
        let mut splits: Vec<_> = splits.collect();
        bytes = bytes.saturating_add(splits.len() * token.len());
        // Looking a half up reads it.
        tried = tried.saturating_add(token.len() * token.len());
        if bytes > MOST_BYTES || tried > MOST_TRIED {
            return Err(too_many(bytes));
        }
        splits.sort_by(|a, b| b.2.total_cmp(&a.2).then(b.3.total_cmp(&a.3)));
        merges.extend(splits.into_iter().map(|(left, right, ..)| (score[token], left, right)));
    }
    merges.sort_by(|a, b| b.0.total_cmp(&a.0));
    Ok(merges.into_iter().map(|(_, left, right)| [left.to_owned(), right.to_owned()]).collect())
}
