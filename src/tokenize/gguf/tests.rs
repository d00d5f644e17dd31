//! Tokenizers from GGUF metadata against the `tokenizer.json` files they say the same as.

use crate::error::Code;
use crate::model::ModelFiles;
use crate::model::gguf::writer::{Writer, text, texts};
use crate::tokenize::test_support::{assets, repository};
use crate::tokenize::{ChatTemplate, Message, Tokenizer};
use candle_core::quantized::gguf_file::Value;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::Path;

const TEXTS: [&str; 9] = [
    "",
    "Once upon a time, there was a little girl named Lily.",
    " leading and  double   spaces ",
    "岗位:P7高级架构师,绩效:A/A-,潜力:高,技术深度:9/10",
    "It's 12345 o'clock — they'LL see.\n\n\tTabs\r\nand lines \n",
    "emoji 👩‍👩‍👧 naïve Ａ e\u{301}",
    "<|im_start|>user\nhi<|im_end|>",
    "x",
    "def f(x):\n    return x ** 2  # ok",
];

fn empty() -> Writer {
    Writer { metadata: BTreeMap::new(), tensors: BTreeMap::new() }
}

fn open(writer: &Writer) -> crate::error::Result<Tokenizer> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    writer.write(&path);
    Tokenizer::open(&ModelFiles::find(&path)?)
}

fn assert_same_ids(found: &Tokenizer, expected: &Tokenizer) {
    for text in TEXTS {
        let ids = expected.encode(text, true).unwrap();
        assert_eq!(found.encode(text, true).unwrap(), ids, "{text:?}");
        assert_eq!(found.encode(text, false).unwrap(), expected.encode(text, false).unwrap(), "{text:?}");
        assert_eq!(found.encode_as_text(text).unwrap(), expected.encode_as_text(text).unwrap(), "{text:?}");
        assert_eq!(found.decode(&ids, true), expected.decode(&ids, true), "{text:?}");
    }
    assert_eq!(found.vocab_size(), expected.vocab_size());
    assert_eq!(found.named_token("eos_token"), expected.named_token("eos_token"));
    assert_eq!(found.leading_bos(None).unwrap(), expected.leading_bos(None).unwrap());
}

fn assert_same(found: &Tokenizer, expected: &Tokenizer) {
    assert_same_ids(found, expected);
    for text in TEXTS {
        let ids = expected.encode(text, true).unwrap();
        assert_eq!(found.decode(&ids, false), expected.decode(&ids, false), "{text:?}");
    }
}

#[test]
fn byte_level_tokenizers_and_templates_are_the_same() {
    let dir = repository("tests/fixtures/models/qwen2");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    empty().with_tokenizer(&dir, "qwen2").write(&path);
    let files = ModelFiles::find(folder.path()).unwrap();
    let tokenizer = Tokenizer::open(&files).unwrap();
    assert_same(&tokenizer, &Tokenizer::load(&dir).unwrap());

    let chat = [Message::new("system", "Be brief."), Message::new("user", "你好")];
    let render = |template: Option<ChatTemplate>| template.unwrap().render(&chat, true).unwrap();
    let expected = render(ChatTemplate::load(&dir).unwrap());
    assert_eq!(render(ChatTemplate::open(&files, &tokenizer).unwrap()), expected);

    // Files beside the GGUF file stand instead of what is in it.
    std::fs::copy(dir.join("tokenizer.json"), folder.path().join("tokenizer.json")).unwrap();
    std::fs::write(folder.path().join("chat_template.jinja"), "other").unwrap();
    let tokenizer = Tokenizer::open(&files).unwrap();
    assert_eq!(tokenizer.sha256(), Tokenizer::load(&dir).unwrap().sha256());
    assert_eq!(tokenizer.named_token("eos_token"), tokenizer.token_to_id("<|im_end|>"));
    assert_eq!(render(ChatTemplate::open(&files, &tokenizer).unwrap()), "other");
}

#[test]
fn the_real_qwen_tokenizer_is_the_same() {
    let Some(dir) = assets("tokenizers/qwen2.5") else { return };
    assert_same(&open(&empty().with_tokenizer(&dir, "qwen2")).unwrap(), &Tokenizer::load(&dir).unwrap());
}

#[test]
fn trained_models_have_the_same_tokenizer_in_both_forms() {
    let Some(assets) = assets("gguf") else { return };
    for (file, dir) in [("stories260K-q8_0.gguf", "stories260K-hf"), ("tinystories-656k-f16.gguf", "tinystories-656k")]
    {
        let files = ModelFiles::find(&assets.join(file)).unwrap();
        let expected = Tokenizer::load(&assets.join("../models").join(dir)).unwrap();
        assert_same_ids(&Tokenizer::open(&files).unwrap(), &expected);
    }
}

/// Llama 2's vocabulary; the score of a token is the place of the first merge that makes it.
#[test]
fn a_real_sentencepiece_vocabulary_gives_its_merges() {
    let Some(dir) = assets("tokenizers/phi-3") else { return };
    let json: Json = serde_json::from_slice(&std::fs::read(dir.join("tokenizer.json")).unwrap()).unwrap();
    let vocabulary = json["model"]["vocab"].as_object().unwrap();
    let mut tokens: BTreeMap<u64, &str> = vocabulary.iter().map(|(t, id)| (id.as_u64().unwrap(), t.as_str())).collect();
    let mut kinds: BTreeMap<u64, i32> =
        tokens.keys().map(|&id| (id, if (3..259).contains(&id) { 6 } else { 1 })).collect();
    for added in json["added_tokens"].as_array().unwrap() {
        let id = added["id"].as_u64().unwrap();
        tokens.insert(id, added["content"].as_str().unwrap());
        kinds.insert(id, if id == 0 { 2 } else { 3 });
    }
    let mut scores: BTreeMap<String, f32> = BTreeMap::new();
    for (place, merge) in json["model"]["merges"].as_array().unwrap().iter().enumerate() {
        scores.entry(merge.as_str().unwrap().replacen(' ', "", 1)).or_insert(-(place as f32));
    }
    let score = |token: &str| Value::F32(scores.get(token).copied().unwrap_or(0.0));
    let mut writer = empty();
    let mut set = |key: &str, value: Value| writer.metadata.insert(format!("tokenizer.ggml.{key}"), value);
    set("model", text("llama"));
    set("tokens", texts(tokens.values().copied()));
    set("scores", Value::Array(tokens.values().map(|token| score(token)).collect()));
    set("token_type", Value::Array(kinds.values().map(|&kind| Value::I32(kind)).collect()));
    set("add_bos_token", Value::Bool(false));
    let (found, expected) = (open(&writer).unwrap(), Tokenizer::load(&dir).unwrap());
    // Its own added tokens also swallow the space after them, which a GGUF file cannot say.
    for text in TEXTS.iter().filter(|text| !text.contains("<|")) {
        assert_eq!(found.encode(text, false).unwrap(), expected.encode(text, false).unwrap(), "{text:?}");
    }
}

#[test]
fn what_is_unknown_or_damaged_is_named() {
    let dir = repository("tests/fixtures/models/qwen2");
    let refuse = |key: &str, value: Option<Value>, code: Code, word: &str| {
        let mut writer = empty().with_tokenizer(&dir, "qwen2");
        let key = format!("tokenizer.ggml.{key}");
        match value {
            Some(value) => drop(writer.metadata.insert(key, value)),
            None => drop(writer.metadata.remove(&key)),
        }
        let err = open(&writer).unwrap_err();
        assert_eq!(err.code(), code, "{err}");
        assert!(err.message().contains(word) && err.message().contains("model.gguf"), "{err} does not say {word:?}");
    };
    refuse("pre", Some(text("viking")), Code::Unsupported, "the pre-tokenizer `viking` is not known");
    refuse("pre", None, Code::Unsupported, "`(none)`");
    refuse("model", Some(text("bert")), Code::Unsupported, "the tokenizer model `bert` is not supported");
    refuse("model", None, Code::ModelFormat, "metadata has no `tokenizer.ggml.model`");
    refuse("model", Some(text("llama")), Code::ModelFormat, "metadata has no `tokenizer.ggml.scores`");
    refuse(
        "tokens",
        Some(Value::U32(1)),
        Code::ModelFormat,
        "`tokenizer.ggml.tokens` is 1; expected an array of texts",
    );
    refuse("token_type", Some(Value::Array(vec![Value::I32(1)])), Code::Tokenizer, "has 1 entries for 291 tokens");
    refuse("tokens", Some(texts(["x".repeat(2000)])), Code::Tokenizer, "token 0 has 2000 bytes");
    refuse("merges", Some(texts(["nospace"])), Code::Tokenizer, "expected two tokens with a space between");
    refuse("merges", Some(texts(["zz yy"])), Code::Tokenizer, "cannot be used");
}

#[test]
fn bos_is_put_before_a_text_where_the_file_says_so() {
    let dir = Path::new("tests/fixtures/models/qwen2");
    let mut writer = empty().with_tokenizer(&repository(dir.to_str().unwrap()), "llama-bpe");
    writer.metadata.insert("tokenizer.ggml.bos_token_id".to_owned(), Value::U32(288));
    let ids = |writer: &Writer| open(writer).unwrap().encode("x", true).unwrap();
    assert_eq!(ids(&writer)[0], 288);
    assert_eq!(open(&writer).unwrap().leading_bos(None).unwrap(), Some(288));
    writer.metadata.insert("tokenizer.ggml.add_bos_token".to_owned(), Value::Bool(false));
    assert_ne!(ids(&writer)[0], 288);
    assert_eq!(open(&writer).unwrap().leading_bos(None).unwrap(), None);
}

/// Each piece goes on from the last, so that they can be put together in as many ways as the square of their number.
#[test]
fn pieces_that_nest_are_bounded() {
    let chain = |pieces: usize| {
        let tokens = std::iter::once("<unk>".to_owned()).chain((1..=pieces).map(|length| "a".repeat(length)));
        let mut writer = empty();
        let mut set = |key: &str, value: Value| writer.metadata.insert(format!("tokenizer.ggml.{key}"), value);
        set("model", text("llama"));
        set("tokens", texts(tokens));
        set("scores", Value::Array((0..=pieces).map(|id| Value::F32(-(id as f32))).collect()));
        set("token_type", Value::Array((0..=pieces).map(|id| Value::I32(if id == 0 { 2 } else { 1 })).collect()));
        set("add_bos_token", Value::Bool(false));
        set("add_space_prefix", Value::Bool(false));
        open(&writer)
    };
    let begun = std::time::Instant::now();
    let err = chain(1000).unwrap_err();
    assert!(err.code() == Code::Tokenizer && err.message().contains("in too many ways"), "{err}");
    assert_eq!(chain(200).unwrap().encode(&"a".repeat(200), false).unwrap(), [200]);
    assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
}
