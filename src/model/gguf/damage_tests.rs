//! GGUF files that are damaged, cut off, foreign or hostile: a clear error each, and nothing allocated by what they claim.

use super::writer::{Writer, text};
use crate::error::Code;
use crate::model::test_support::*;
use candle_core::quantized::GgmlDType;
use candle_core::quantized::gguf_file::Value;
use std::path::PathBuf;

/// A whole small file, and where a test may put a damaged one.
fn whole() -> (tempfile::TempDir, PathBuf, Writer) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    let writer = Writer::of(&fixtures().join("models/llama2"), |_, _| GgmlDType::F32);
    writer.write(&path);
    (dir, path, writer)
}

#[test]
fn headers_that_claim_too_much_are_refused() {
    let (_dir, path, _) = whole();
    let bytes = std::fs::read(&path).unwrap();
    let put = |at: usize, value: u64, words: &[&str]| {
        let mut damaged = bytes.clone();
        damaged[at..at + 8].copy_from_slice(&value.to_le_bytes());
        std::fs::write(&path, damaged).unwrap();
        refusal(&path, Code::ModelFormat, &[&["model.gguf"], words].concat());
    };
    put(8, 1 << 60, &["declares 1152921504606846976 tensors", "need at least"]);
    put(16, u64::MAX, &["18446744073709551615 metadata entries"]);
    // The first key's length.
    put(24, 1 << 60, &["a metadata key of 1152921504606846976 bytes", "beyond the end of the file"]);
    // The first value's type.
    put(24 + 8 + "general.architecture".len(), 99, &["has the type 99"]);

    for (content, code, word) in [
        (&b"GGML\x03\0\0\0"[..], Code::ModelFormat, "does not begin with `GGUF`"),
        (b"", Code::ModelFormat, "not a GGUF file"),
        (b"GGUF\x01\0\0\0", Code::Unsupported, "GGUF version 1"),
        (b"GGUF\0\0\0\x03", Code::Unsupported, "big-endian"),
        (b"GGUF\x03\0\0\0\x01", Code::ModelFormat, "the number of tensors"),
    ] {
        std::fs::write(&path, content).unwrap();
        refusal(&path, code, &["model.gguf", word]);
    }
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    let (_dir, path, _) = whole();
    let bytes = std::fs::read(&path).unwrap();
    for len in (0..bytes.len()).step_by(97).chain([bytes.len() - 4]) {
        std::fs::write(&path, &bytes[..len]).unwrap();
        refusal(&path, Code::ModelFormat, &["model.gguf"]);
    }
}

#[test]
fn no_byte_of_the_header_can_do_harm() {
    let (_dir, path, _) = whole();
    let bytes = std::fs::read(&path).unwrap();
    let header = bytes.windows(6).rposition(|window| window == b"weight").unwrap() + 40;
    for at in 0..header {
        for value in [0x01, 0xFF] {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            std::fs::write(&path, damaged).unwrap();
            // Whether it still loads depends on the byte; a panic or an abort would end the test.
            if let Err(err) = load(&path) {
                assert!(err.message().contains("model.gguf"), "byte {at} = {value:#x}: {err}");
            }
        }
    }
}

#[test]
fn offsets_and_shapes_are_held_against_the_file() {
    let (_dir, path, _) = whole();
    let bytes = std::fs::read(&path).unwrap();
    let name = b"token_embd.weight";
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap() + name.len();
    // Number of dimensions, two dimensions, type, offset.
    let (dimensions, kind, offset) = (at + 4, at + 20, at + 24);
    let put = |at: usize, value: &[u8], code: Code, words: &[&str]| {
        let mut damaged = bytes.clone();
        damaged[at..at + value.len()].copy_from_slice(value);
        std::fs::write(&path, damaged).unwrap();
        refusal(&path, code, &[&["model.gguf", "token_embd.weight"], words].concat());
    };
    put(offset, &(1u64 << 60).to_le_bytes(), Code::ModelFormat, &["does not lie in the file", "cut off"]);
    put(offset, &u64::MAX.to_le_bytes(), Code::ModelFormat, &["does not lie in the file"]);
    put(offset, &1u64.to_le_bytes(), Code::ModelFormat, &["alignment 32"]);
    put(dimensions, &(1u64 << 62).to_le_bytes(), Code::ModelFormat, &["dimensions [4611686018427387904"]);
    put(dimensions, &0u64.to_le_bytes(), Code::ModelFormat, &["dimensions [0"]);
    put(dimensions, &16u64.to_le_bytes(), Code::ModelFormat, &["has shape [96, 16]", "makes it [96, 32]"]);
    put(kind, &20u32.to_le_bytes(), Code::Unsupported, &["stored as IQ4_NL", "supported are F32"]);
    put(kind, &777u32.to_le_bytes(), Code::Unsupported, &["ggml type 777"]);
    put(at, &9u32.to_le_bytes(), Code::ModelFormat, &["9 dimensions"]);
}

#[test]
fn metadata_that_does_not_fit_the_decoder_is_refused() {
    let (_dir, path, mut writer) = whole();
    for (key, value, code, words) in [
        ("general.alignment", Value::U32(0), Code::ModelFormat, &["`general.alignment` is 0"][..]),
        ("general.alignment", Value::U32(24), Code::ModelFormat, &["expected a power of two"]),
        (
            "general.architecture",
            text("mamba"),
            Code::Unsupported,
            &["`mamba` is not supported", "llama, qwen2, qwen3"],
        ),
        ("general.architecture", Value::U32(1), Code::ModelFormat, &["`general.architecture` is 1; expected a text"]),
        ("split.count", Value::U16(3), Code::Unsupported, &["llama-gguf-split --merge"]),
        ("llama.expert_count", Value::U32(8), Code::Unsupported, &["a mixture of 8 experts"]),
        ("llama.block_count", Value::U32(3), Code::ModelFormat, &["blk.2.", "is missing; expected shape"]),
        (
            "llama.feed_forward_length",
            Value::U32(40),
            Code::ModelFormat,
            &["blk.0.ffn_gate.weight has shape", "[40, 32]"],
        ),
        ("llama.embedding_length", text("x"), Code::ModelFormat, &["`llama.embedding_length` is \"x\""]),
        ("llama.embedding_length", Value::U64(1 << 60), Code::ModelFormat, &["`hidden_size` is"]),
        ("llama.attention.head_count", Value::I32(-4), Code::ModelFormat, &["is -4; expected 0 or more"]),
        ("llama.rope.dimension_count", Value::U32(4), Code::Unsupported, &["expected the size of a head"]),
        ("llama.rope.scaling.type", text("longrope"), Code::Unsupported, &["rope scaling `longrope`"]),
    ] {
        let before = writer.metadata.insert(key.to_owned(), value);
        writer.write(&path);
        refusal(&path, code, &[&["model.gguf"], words].concat());
        match before {
            Some(before) => drop(writer.metadata.insert(key.to_owned(), before)),
            None => drop(writer.metadata.remove(key)),
        }
    }
    writer.metadata.remove("llama.context_length");
    writer.write(&path);
    refusal(&path, Code::ModelFormat, &["metadata has no `llama.context_length`"]);
}

/// Every type that is read, and where a block of it has numbers of its own: scales, and scales of mins.
const NUMBERS: [(GgmlDType, &[usize]); 13] = [
    (GgmlDType::F32, &[0]),
    (GgmlDType::F16, &[0]),
    (GgmlDType::BF16, &[0]),
    (GgmlDType::Q4_0, &[0]),
    (GgmlDType::Q4_1, &[0, 2]),
    (GgmlDType::Q5_0, &[0]),
    (GgmlDType::Q5_1, &[0, 2]),
    (GgmlDType::Q8_0, &[0]),
    (GgmlDType::Q2K, &[80, 82]),
    (GgmlDType::Q3K, &[108]),
    (GgmlDType::Q4K, &[0, 2]),
    (GgmlDType::Q5K, &[0, 2]),
    (GgmlDType::Q6K, &[208]),
];

/// The bytes of a number in a type's blocks.
fn number(dtype: GgmlDType, value: f32) -> Vec<u8> {
    match dtype {
        GgmlDType::F32 => value.to_le_bytes().to_vec(),
        GgmlDType::BF16 => half::bf16::from_f32(value).to_le_bytes().to_vec(),
        _ => half::f16::from_f32(value).to_le_bytes().to_vec(),
    }
}

#[test]
fn weights_that_are_not_finite_are_refused_in_every_type() {
    let model = random_model(512);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    for (dtype, places) in NUMBERS {
        let writer = Writer::of(model.path(), |_, _| dtype);
        writer.write(&path);
        let bytes = std::fs::read(&path).unwrap();
        // A matrix of a layer, one of which rows are looked up, and the output head.
        for name in ["blk.1.ffn_down.weight", "token_embd.weight", "output.weight"] {
            let data = writer.tensors[name].data().unwrap().to_vec();
            let begin = bytes.windows(data.len()).position(|window| window == data).unwrap();
            let last = begin + data.len() - dtype.type_size();
            for (block, place, value) in [begin, last].into_iter().flat_map(|block| {
                let values = [f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
                places.iter().flat_map(move |place| values.map(|value| (block, *place, value)))
            }) {
                let (mut damaged, number) = (bytes.clone(), number(dtype, value));
                damaged[block + place..][..number.len()].copy_from_slice(&number);
                std::fs::write(&path, damaged).unwrap();
                // An infinite scale of the integer 0 is not a number either.
                let found = if dtype.block_size() == 1 { format!("holds {value}") } else { "holds ".to_owned() };
                let words = ["model.gguf", &format!("tensor {name}"), &found, "expected finite numbers"];
                refusal(&path, Code::ModelFormat, &words);
            }
        }
    }
}

#[test]
fn a_path_that_is_no_model_says_why() {
    let (dir, path, _) = whole();
    std::fs::copy(&path, dir.path().join("other.GGUF")).unwrap();
    refusal(dir.path(), Code::ModelFormat, &["several GGUF files", "model.gguf, other.GGUF", "name one"]);
    let text = dir.path().join("notes.txt");
    std::fs::write(&text, "hello").unwrap();
    refusal(&text, Code::ModelFormat, &["notes.txt is neither a directory of model files nor a GGUF file"]);
    refusal(&dir.path().join("none.gguf"), Code::Io, &["none.gguf"]);
    // A file is known by its first bytes, whatever it is called.
    let unnamed = dir.path().join("blob");
    std::fs::copy(&path, &unnamed).unwrap();
    assert!(load(&unnamed).is_ok());
}
