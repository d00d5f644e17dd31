//! A GGUF file of bf16 random weights, which both sides read, and `llama-quantize` too.
//!
//! The format: `docs/gguf.md` of the ggml repository. The tokenizer is byte-level BPE without merges, so that a letter of
//! a prompt is a token.

use crate::models::{RandomTensor, Shape};
use crate::program::Outcome;
use half::bf16;
use safetensors::View;
use std::borrow::Cow;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

const VERSION: u32 = 3;
/// Tensors begin at multiples of this.
const ALIGNMENT: usize = 32;
const F32: u32 = 0;
const BF16: u32 = 30;
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;

/// Writes the model of that shape.
pub fn write(shape: &Shape, path: &Path) -> Outcome {
    let tensors = shape.tensors();
    let mut header = Header::default();
    header.metadata(shape);
    let mut offset = 0;
    for (name, tensor) in &tensors {
        header.tensor(name, tensor, offset);
        offset += stored_len(tensor).next_multiple_of(ALIGNMENT);
    }
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(b"GGUF")?;
    file.write_all(&VERSION.to_le_bytes())?;
    file.write_all(&(tensors.len() as u64).to_le_bytes())?;
    file.write_all(&header.entries.to_le_bytes())?;
    file.write_all(&header.bytes)?;
    let fixed = 4 + 4 + 8 + 8;
    pad(&mut file, fixed + header.bytes.len())?;
    for (_, tensor) in &tensors {
        file.write_all(&stored(tensor))?;
        pad(&mut file, stored_len(tensor))?;
    }
    Ok(file.flush()?)
}

fn pad(file: &mut impl Write, written: usize) -> Outcome {
    Ok(file.write_all(&vec![0; written.next_multiple_of(ALIGNMENT) - written])?)
}

/// llama.cpp adds and multiplies with f32 vectors only.
fn is_vector(tensor: &RandomTensor) -> bool {
    tensor.shape().len() == 1
}

fn stored_len(tensor: &RandomTensor) -> usize {
    if is_vector(tensor) { 2 * tensor.data_len() } else { tensor.data_len() }
}

fn stored(tensor: &RandomTensor) -> Cow<'_, [u8]> {
    let bytes = tensor.data();
    if !is_vector(tensor) {
        return bytes;
    }
    let widened = |pair: &[u8; 2]| bf16::from_le_bytes(*pair).to_f32().to_le_bytes();
    Cow::Owned(bytes.as_chunks().0.iter().flat_map(widened).collect())
}

/// The entries of the metadata and of the tensors.
#[derive(Default)]
struct Header {
    bytes: Vec<u8>,
    entries: u64,
}

impl Header {
    fn metadata(&mut self, shape: &Shape) {
        self.text("general.architecture", "qwen2");
        self.text("general.name", shape.name);
        let numbers = [
            ("block_count", shape.num_hidden_layers),
            ("context_length", 32_768),
            ("embedding_length", shape.hidden_size),
            ("feed_forward_length", shape.intermediate_size),
            ("attention.head_count", shape.num_attention_heads),
            ("attention.head_count_kv", shape.num_key_value_heads),
        ];
        numbers.into_iter().for_each(|(name, value)| self.number(&format!("qwen2.{name}"), value as u32));
        self.real("qwen2.attention.layer_norm_rms_epsilon", 1e-6);
        self.real("qwen2.rope.freq_base", 1e6);

        let tokens = tokens(shape.vocab_size);
        let end = tokens.len() - 1;
        self.text("tokenizer.ggml.model", "gpt2");
        self.text("tokenizer.ggml.pre", "qwen2");
        self.texts("tokenizer.ggml.tokens", &tokens);
        let kinds: Vec<i32> = (0..=end).map(|id| if id == end { CONTROL } else { NORMAL }).collect();
        self.array("tokenizer.ggml.token_type", 5, kinds.len());
        kinds.iter().for_each(|kind| self.bytes.extend(kind.to_le_bytes()));
        self.texts("tokenizer.ggml.merges", &[]);
        self.number("tokenizer.ggml.eos_token_id", end as u32);
    }

    fn key(&mut self, name: &str, kind: u32) {
        self.entries += 1;
        self.string(name);
        self.bytes.extend(kind.to_le_bytes());
    }

    fn number(&mut self, name: &str, value: u32) {
        self.key(name, 4);
        self.bytes.extend(value.to_le_bytes());
    }

    fn real(&mut self, name: &str, value: f32) {
        self.key(name, 6);
        self.bytes.extend(value.to_le_bytes());
    }

    fn text(&mut self, name: &str, value: &str) {
        self.key(name, 8);
        self.string(value);
    }

    fn texts(&mut self, name: &str, values: &[String]) {
        self.array(name, 8, values.len());
        values.iter().for_each(|value| self.string(value));
    }

    fn array(&mut self, name: &str, kind: u32, len: usize) {
        self.key(name, 9);
        self.bytes.extend(kind.to_le_bytes());
        self.bytes.extend((len as u64).to_le_bytes());
    }

    fn string(&mut self, text: &str) {
        self.bytes.extend((text.len() as u64).to_le_bytes());
        self.bytes.extend(text.as_bytes());
    }

    fn tensor(&mut self, name: &str, tensor: &RandomTensor, offset: usize) {
        self.string(&gguf_name(name));
        let shape = tensor.shape();
        self.bytes.extend((shape.len() as u32).to_le_bytes());
        // The innermost first.
        shape.iter().rev().for_each(|size| self.bytes.extend((*size as u64).to_le_bytes()));
        self.bytes.extend(if is_vector(tensor) { F32 } else { BF16 }.to_le_bytes());
        self.bytes.extend((offset as u64).to_le_bytes());
    }
}

/// The 256 bytes as GPT-2 spells them, words that no text is made of, and the end of turn.
fn tokens(count: usize) -> Vec<String> {
    let printable = |byte: &u32| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let others = 256..256 + (0..256u32).filter(|byte| !printable(byte)).count() as u32;
    let bytes = (0..256).filter(printable).chain(others).filter_map(char::from_u32).map(String::from);
    let words = (256..count - 1).map(|id| format!("w{id}"));
    bytes.chain(words).chain(["<|endoftext|>".to_owned()]).collect()
}

fn gguf_name(name: &str) -> String {
    let names = [
        ("model.layers.", "blk."),
        ("model.embed_tokens.", "token_embd."),
        ("model.norm.", "output_norm."),
        ("self_attn.q_proj.", "attn_q."),
        ("self_attn.k_proj.", "attn_k."),
        ("self_attn.v_proj.", "attn_v."),
        ("self_attn.o_proj.", "attn_output."),
        ("mlp.gate_proj.", "ffn_gate."),
        ("mlp.up_proj.", "ffn_up."),
        ("mlp.down_proj.", "ffn_down."),
        ("input_layernorm.", "attn_norm."),
        ("post_attention_layernorm.", "ffn_norm."),
    ];
    names.iter().fold(name.to_owned(), |name, (from, to)| name.replace(from, to))
}
