//! Tokenizer files made to do harm, and files that are only untidy.

use super::test_support::repository;
use super::{StreamDecoder, Tokenizer};
use crate::error::Code;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn fixture() -> Value {
    let text = std::fs::read_to_string(repository("tests/fixtures/models/qwen2/tokenizer.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Changes at JSON pointers of a good file, and what the refusal says.
fn hostile() -> Vec<(&'static str, Value, &'static str)> {
    let replace = |old: &str, new: &str| json!({"type": "Replace", "pattern": {"String": old}, "content": new});
    let sequence = |steps: Vec<Value>| json!({"type": "Sequence", "normalizers": steps});
    let precompiled = |table: &str| json!({"type": "Precompiled", "precompiled_charsmap": table});
    let nested = (0..40).fold(json!({"type": "NFC"}), |inner, _| json!({"type": "Sequence", "normalizers": [inner]}));
    vec![
        ("/normalizer", precompiled("/////w=="), "claims a table of 4294967295 bytes"),
        ("/normalizer", precompiled("AAAAgAAA"), "claims a table of 2147483648 bytes"),
        ("/normalizer", precompiled("BAAAAAAAAABh"), "cannot be used"),
        ("/normalizer", precompiled("!"), "is damaged"),
        ("/normalizer", replace("", "aa"), "looks for an empty text"),
        ("/normalizer", sequence(vec![replace("a", "aaaa"); 20]), "times as long"),
        ("/normalizer", sequence(vec![json!({"type": "NFC"}); 40]), "more than 32 normalizers"),
        ("/normalizer", nested, "more than 32 normalizers"),
        (
            "/normalizer",
            json!({"type": "Replace", "pattern": {"Regex": ""}, "content": "a"}),
            "looks for an empty text",
        ),
        ("/normalizer", replace("a", &"b".repeat(1 << 20)), "puts in more than 256 bytes"),
        ("/normalizer", json!({"type": "Prepend", "prepend": "x".repeat(1 << 20)}), "has more than 256 bytes"),
        ("/normalizer", json!({"type": "Nonsense"}), "is not known"),
        ("/pre_tokenizer", json!({"type": "FixedLength", "length": 0}), "has the length 0"),
        (
            "/pre_tokenizer",
            json!({"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated", "invert": false}),
            "cannot be used",
        ),
        (
            "/pre_tokenizer",
            json!({"type": "Sequence", "pretokenizers": vec![json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": false}); 9]}),
            "rewrite the text",
        ),
        (
            "/decoder",
            json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true}),
            "its decoder makes",
        ),
        (
            "/decoder",
            json!({"type": "CTC", "pad_token": "", "word_delimiter_token": "", "cleanup": true}),
            "decoder step `CTC`",
        ),
        ("/decoder", Value::Null, "decoder step"),
        ("/model/vocab/zz", json!(4_294_967_295u32), "expected less than 16777216"),
        ("/model/vocab/zz", json!(2_147_483_648u32), "expected less than 16777216"),
        ("/model/vocab/zz", json!(0), "have the same id, 0"),
        ("/model/vocab/zz", json!(-1), "cannot be used"),
        ("/model/merges", json!([["qqq", "zzz"]]), "cannot be used"),
        ("/model/type", json!("WordPiece"), "of the type `WordPiece`"),
        ("/model/continuing_subword_prefix", json!("▁▁"), "the inside or the end of words"),
        ("/added_tokens/0/id", json!(77), "the added token"),
        ("/added_tokens/0/id", json!(4_294_967_295u32), "the added token"),
        ("/added_tokens/0/content", Value::Null, "cannot be used"),
    ]
}

/// The same, of what makes a text or the work on it grow with each step.
fn growing() -> Vec<(&'static str, Value, &'static str)> {
    let replace = |old: &str, new: &str| json!({"type": "Replace", "pattern": {"String": old}, "content": new});
    let split =
        |regex: &str| json!({"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": false});
    vec![
        (
            "/decoder",
            json!({"type": "Sequence", "decoders": vec![replace("a", &"a".repeat(256)); 20]}),
            "its decoders can make a text",
        ),
        ("/decoder", replace("Ġ", &"b".repeat(256)), "its decoders can make a text 128 times as long"),
        (
            "/post_processor",
            json!({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "a", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], "pair": [], "special_tokens": {"a": {"id": "a", "ids": vec![1; 100_000], "tokens": vec!["a"; 100_000]}}}),
            "has more than 32 ids",
        ),
        ("/pre_tokenizer", split("(?=(?:(?=.)[a-z]|[a-z ]){17}Q)..|."), "takes too many steps"),
        ("/pre_tokenizer", split(r"(?=(.*)*\1x).|(.)"), "takes too many steps"),
        (
            "/normalizer",
            json!({"type": "Replace", "pattern": {"Regex": "(?=(?:(?=.)a|a){17}b)a"}, "content": "a"}),
            "takes too many steps",
        ),
    ]
}

fn changed(pointer: &str, value: Value) -> String {
    let mut file = fixture();
    match file.pointer_mut(pointer) {
        Some(place) => *place = value,
        None => {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            file.pointer_mut(parent).unwrap()[name] = value;
        }
    }
    file.to_string()
}

#[test]
fn tokenizers_that_would_do_harm_are_refused_when_loaded() {
    let name = "tokenize::hostile_tests::tokenizers_that_would_do_harm_are_refused_when_loaded";
    crate::child::survives(
        name,
        Duration::from_secs(300),
        |_| {},
        || {
            for (pointer, value, expected) in hostile().into_iter().chain(growing()) {
                let begun = Instant::now();
                let err = Tokenizer::from_json(&changed(pointer, value.clone())).expect_err(expected);
                assert!(begun.elapsed() < Duration::from_secs(20), "{pointer} {value} took {:?}", begun.elapsed());
                assert!(matches!(err.code(), Code::Tokenizer | Code::Unsupported), "{pointer} {err:?}");
                assert!(err.message().contains(expected), "{pointer}: {err} does not say {expected:?}");
            }
            // Patterns that explode on what stands in them, and on nothing else.
            for pattern in [r"(?:(?!\d)#+#+)+;", r"(?:(?!\d)(?:xyz)+(?:xyz)+)+w", r"(?:(?!\d)(?:Ω|ΩΩ))+ω"] {
                let split =
                    json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false});
                let err = Tokenizer::from_json(&changed("/pre_tokenizer", split)).expect_err(pattern);
                assert!(err.message().contains("too many steps"), "{pattern}: {err}");
            }
            // Patterns that explode: refused, or harmless.
            for pattern in ["(a+)+$", "(?:a|a)*(?=b)(?!c)", "(?:a*)*(?<=b)c", r"(?:\s*)*(?!\S)x", r"((\w+)+)+(?=!)\1$"]
            {
                let split =
                    json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false});
                let begun = Instant::now();
                if let Ok(tokenizer) = Tokenizer::from_json(&changed("/pre_tokenizer", split)) {
                    let _ = tokenizer.encode(&"a".repeat(2000), false);
                }
                assert!(begun.elapsed() < Duration::from_secs(30), "{pattern} took {:?}", begun.elapsed());
            }
        },
    );
}

#[test]
fn what_is_untidy_is_put_right_with_a_note() {
    let tokenizer = Tokenizer::from_json(&changed("/model/dropout", json!(0.5))).unwrap();
    assert!(tokenizer.notes()[0].contains("`dropout`"), "{:?}", tokenizer.notes());
    let plain = Tokenizer::from_json(&fixture().to_string()).unwrap();
    assert!(plain.notes().is_empty());
    for _ in 0..20 {
        assert_eq!(
            tokenizer.encode("Once upon a time", false).unwrap(),
            plain.encode("Once upon a time", false).unwrap()
        );
    }

    let next = plain.vocab_size();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("tokenizer.json"), "\u{feff}".to_owned() + &fixture().to_string()).unwrap();
    let config =
        |id: usize| json!({"added_tokens_decoder": {(id.to_string()): {"content": "<|new|>", "special": true}}});
    std::fs::write(dir.path().join("tokenizer_config.json"), config(next).to_string()).unwrap();
    let tokenizer = Tokenizer::load(dir.path()).unwrap();
    assert!(tokenizer.notes()[0].contains("\"<|new|>\""), "{:?}", tokenizer.notes());
    assert_eq!(tokenizer.encode("a<|new|>", false).unwrap().last(), Some(&(next as u32)));
    std::fs::write(dir.path().join("tokenizer_config.json"), config(next + 9).to_string()).unwrap();
    let err = Tokenizer::load(dir.path()).unwrap_err();
    assert!(err.message().contains("does not follow the ids there"), "{err}");
}

#[test]
fn a_model_has_rows_for_its_tokenizer() {
    let tokenizer = Tokenizer::from_json(&fixture().to_string()).unwrap();
    let size = tokenizer.vocab_size();
    assert_eq!(tokenizer.check_rows(size).unwrap(), [""; 0]);
    assert_eq!(tokenizer.check_rows(size + 100).unwrap(), [""; 0], "padding");
    assert!(tokenizer.check_rows(size + 9999).unwrap()[0].contains("the tokenizer only"));
    assert!(tokenizer.check_rows(size - 1).unwrap()[0].contains("1 added tokens have no row"));
    let err = tokenizer.check_rows(100).unwrap_err();
    assert!(err.message().contains("do not belong together"), "{err}");
    let _ = StreamDecoder::new(&tokenizer);
}
