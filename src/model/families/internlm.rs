//! InternLM 2, 2.5 and 3: Llama's layers.
//!
//! Source of InternLM2: `modeling_internlm2.py` of its repositories. Its one projection of queries, keys and values is read as
//! three, so its modules are Llama's.

use super::Family;
use super::llama::LLAMA;
use super::stored::StoredNames;

pub(super) const INTERNLM3: Family = Family {
    model_type: "internlm3",
    classes: &["InternLM3ForCausalLM", "LlamaForCausalLM"],
    defaults: r#"{"num_key_value_heads": 2, "head_dim": 128, "max_position_embeddings": 32768, "rms_norm_eps": 1e-5}"#,
    aliases: &[("attention_bias", "qkv_bias"), ("mlp_bias", "bias")],
    ..LLAMA
};

pub(super) const INTERNLM2: Family = Family {
    model_type: "internlm2",
    classes: &["InternLM2ForCausalLM"],
    aliases: &[("attention_bias", "bias")],
    stored: Some(&StoredNames {
        fronts: &[("model.embed_tokens.", "model.tok_embeddings."), ("lm_head.", "output.")],
        paths: &[
            ("self_attn.o_proj", "attention.wo"),
            ("mlp.gate_proj", "feed_forward.w1"),
            ("mlp.up_proj", "feed_forward.w3"),
            ("mlp.down_proj", "feed_forward.w2"),
            ("input_layernorm", "attention_norm"),
            ("post_attention_layernorm", "ffn_norm"),
        ],
        grouped_qkv: Some("attention.wqkv"),
    }),
    ..LLAMA
};
