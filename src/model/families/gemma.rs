//! Gemma 1, 2 and 3, the text part: norms store what is added to one, the embedding is multiplied with the root of its width;
//! from 2 on norms on both sides of each block and windows in turns, in 2 soft caps, in 3 norms of queries and keys and a
//! rotation of its own for windows.

use super::llama::LLAMA;
use super::norms::BOTH;
use super::stored::StoredNames;
use super::{Family, QkNorm, Ropes, Windows};
use crate::model::sites::IN_LANGUAGE_MODEL;

pub(super) const GEMMA: Family = Family {
    model_type: "gemma",
    classes: &["GemmaForCausalLM"],
    defaults: r#"{"head_dim": 256, "hidden_act": "gelu_pytorch_tanh", "max_position_embeddings": 8192,
                  "tie_word_embeddings": true}"#,
    aliases: &[("hidden_act", "hidden_activation")],
    scales_embedding: true,
    norm_offset: 1.0,
    ..LLAMA
};

pub(super) const GEMMA2: Family = Family {
    model_type: "gemma2",
    classes: &["Gemma2ForCausalLM"],
    norms: &BOTH,
    defaults: r#"{"num_key_value_heads": 4, "head_dim": 256, "hidden_act": "gelu_pytorch_tanh", "sliding_window": 4096,
                  "max_position_embeddings": 8192, "tie_word_embeddings": true, "query_pre_attn_scalar": 256,
                  "final_logit_softcapping": 30.0, "attn_logit_softcapping": 50.0}"#,
    settings: &["attn_logit_softcapping", "final_logit_softcapping", "query_pre_attn_scalar"],
    windows: Windows::AllBut(2),
    ..GEMMA
};

pub(super) const GEMMA3_TEXT: Family = Family {
    model_type: "gemma3_text",
    classes: &["Gemma3ForCausalLM"],
    defaults: r#"{"num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "vocab_size": 262208,
                  "hidden_act": "gelu_pytorch_tanh", "sliding_window": 4096, "max_position_embeddings": 131072,
                  "tie_word_embeddings": true, "query_pre_attn_scalar": 256, "rope_theta": 1e6,
                  "rope_local_base_freq": 10000.0}"#,
    settings: &[
        "attn_logit_softcapping",
        "final_logit_softcapping",
        "query_pre_attn_scalar",
        "rope_local_base_freq",
        "sliding_window_pattern",
    ],
    qk_norm: Some(QkNorm::Head),
    ropes: Ropes::ByWindow,
    windows: Windows::AllBut(6),
    ..GEMMA2
};

/// The same beside a vision model that is not read.
pub(super) const GEMMA3: Family = Family {
    model_type: "gemma3",
    classes: &["Gemma3ForConditionalGeneration"],
    modules: &IN_LANGUAGE_MODEL,
    nested: Some("text_config"),
    stored: Some(&StoredNames {
        fronts: &[
            ("model.", "language_model.model."),
            ("model.", "model.language_model."),
            ("lm_head.", "language_model.lm_head."),
        ],
        paths: &[],
        grouped_qkv: None,
    }),
    ..GEMMA3_TEXT
};
