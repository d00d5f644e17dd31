//! Random weights, as many and as shaped as those of real models. Each bench writes them as its peer reads them.

use half::bf16;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use safetensors::{Dtype, View};
use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

/// The sizes of a Qwen2 model.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub name: &'static str,
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub num_key_value_heads: usize,
    pub intermediate_size: usize,
    pub vocab_size: usize,
}

impl Shape {
    /// `Qwen/Qwen2.5-0.5B`.
    pub const QWEN2_5_0_5B: Shape = Shape {
        name: "qwen2.5-0.5b",
        hidden_size: 896,
        num_hidden_layers: 24,
        num_attention_heads: 14,
        num_key_value_heads: 2,
        intermediate_size: 4864,
        vocab_size: 151_936,
    };

    /// `Qwen/Qwen2.5-1.5B`.
    pub const QWEN2_5_1_5B: Shape = Shape {
        name: "qwen2.5-1.5b",
        hidden_size: 1536,
        num_hidden_layers: 28,
        num_attention_heads: 12,
        num_key_value_heads: 2,
        intermediate_size: 8960,
        vocab_size: 151_936,
    };

    /// Enough to see every part run.
    pub const SMALL: Shape = Shape {
        name: "small",
        hidden_size: 256,
        num_hidden_layers: 4,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        intermediate_size: 1024,
        vocab_size: 4096,
    };

    /// Names and shapes as transformers writes them.
    pub fn tensors(&self) -> Vec<(String, RandomTensor)> {
        let head_dim = self.hidden_size / self.num_attention_heads;
        let (hidden, ffn, kv) = (self.hidden_size, self.intermediate_size, self.num_key_value_heads * head_dim);
        let mut tensors = vec![
            ("model.embed_tokens.weight".to_owned(), vec![self.vocab_size, hidden]),
            ("model.norm.weight".to_owned(), vec![hidden]),
        ];
        for layer in 0..self.num_hidden_layers {
            let parts: [(&str, Vec<usize>); 12] = [
                ("input_layernorm.weight", vec![hidden]),
                ("self_attn.q_proj.weight", vec![hidden, hidden]),
                ("self_attn.q_proj.bias", vec![hidden]),
                ("self_attn.k_proj.weight", vec![kv, hidden]),
                ("self_attn.k_proj.bias", vec![kv]),
                ("self_attn.v_proj.weight", vec![kv, hidden]),
                ("self_attn.v_proj.bias", vec![kv]),
                ("self_attn.o_proj.weight", vec![hidden, hidden]),
                ("post_attention_layernorm.weight", vec![hidden]),
                ("mlp.gate_proj.weight", vec![ffn, hidden]),
                ("mlp.up_proj.weight", vec![ffn, hidden]),
                ("mlp.down_proj.weight", vec![hidden, ffn]),
            ];
            tensors.extend(parts.map(|(name, shape)| (format!("model.layers.{layer}.{name}"), shape)));
        }
        let seeded = |(seed, (name, shape)): (usize, (String, Vec<usize>))| {
            let ones = name.ends_with("norm.weight");
            (name, RandomTensor::new(shape, ones, seed))
        };
        tensors.into_iter().enumerate().map(seeded).collect()
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shape { name, hidden_size, num_hidden_layers, intermediate_size, vocab_size, .. } = self;
        write!(
            f,
            "{name} ({num_hidden_layers} layers, {hidden_size}/{intermediate_size} wide, vocabulary {vocab_size})"
        )
    }
}

/// Numbers drawn when they are written, so that no more than one tensor is ever held.
pub struct RandomTensor {
    shape: Vec<usize>,
    /// A norm's weight: all ones.
    ones: bool,
    seed: u64,
}

impl RandomTensor {
    /// Of `shape`; the same numbers for the same seed.
    pub fn new(shape: Vec<usize>, ones: bool, seed: usize) -> Self {
        RandomTensor { shape, ones, seed: seed as u64 }
    }
}

impl View for RandomTensor {
    fn dtype(&self) -> Dtype {
        Dtype::BF16
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Uniform with transformers' `initializer_range` of 0.02 as standard deviation.
    fn data(&self) -> Cow<'_, [u8]> {
        let mut random = StdRng::seed_from_u64(self.seed);
        let limit = 0.02 * 3f32.sqrt();
        let mut draw = || if self.ones { 1.0 } else { random.random_range(-limit..limit) };
        let count = self.shape.iter().product();
        let mut bytes = Vec::with_capacity(2 * count);
        (0..count).for_each(|_| bytes.extend_from_slice(&bf16::from_f32(draw()).to_le_bytes()));
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        2 * self.shape.iter().product::<usize>()
    }
}

/// The folder for what the benches write.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench")
}
