//! The settings of a `config.json` that nobody reads, held against what is known of them, so that none changes a model's
//! mathematics unseen.

use super::fields::{Fields, is_off, note, shown};
use crate::error::{Code, Error, Result};
use crate::model::families::Family;

/// Settings that are read.
const READ: &[&str] = &[
    "architectures",
    "attention_bias",
    "bos_token_id",
    "eos_token_id",
    "head_dim",
    "hidden_act",
    "hidden_size",
    "intermediate_size",
    "layer_types",
    "max_position_embeddings",
    "max_window_layers",
    "mlp_bias",
    "model_type",
    "num_attention_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "rms_norm_eps",
    "rope_parameters",
    "rope_scaling",
    "rope_theta",
    "sliding_window",
    "tie_word_embeddings",
    "use_sliding_window",
    "vocab_size",
];

/// Settings of training, of saving, of generation by other programs, and of tasks other than writing: none changes what
/// the layers compute.
const HARMLESS: &[&str] = &[
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_commit_hash",
    "_name_or_path",
    "_sliding_window_pattern",
    "attention_dropout",
    "attn_implementation",
    "auto_map",
    "cache_implementation",
    "chunk_size_feed_forward",
    "do_sample",
    "dtype",
    "embd_pdrop",
    "hidden_dropout",
    "id2label",
    "initializer_range",
    "is_decoder",
    "keys_to_ignore_at_inference",
    "label2id",
    "length_penalty",
    "max_length",
    "model_max_length",
    "name_or_path",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "output_past",
    "output_router_logits",
    "pad_token_id",
    "pretraining_tp",
    "repetition_penalty",
    "resid_pdrop",
    "return_dict",
    "router_aux_loss_coef",
    "sep_token_id",
    "temperature",
    "tokenizer_class",
    "top_k",
    "top_p",
    "torch_dtype",
    "transformers.js_config",
    "transformers_version",
    "typical_p",
    "unk_token_id",
    "unsloth_fixed",
    "unsloth_version",
    "use_cache",
];

/// Settings of relatives of the known families that change what the layers compute, and the number, if there is one, with
/// which they change nothing.
const CHANGING: &[(&str, Option<f64>)] = &[
    ("add_cross_attention", None),
    ("alibi", None),
    ("attention_chunk_size", None),
    ("attention_multiplier", None),
    ("attn_logit_softcapping", None),
    ("clip_qkv", None),
    ("compression_config", None),
    ("cross_attention_layers", None),
    ("decoder_sparse_step", Some(1.0)),
    ("dim_model_base", None),
    ("dual_chunk_attention_config", None),
    ("embedding_multiplier", Some(1.0)),
    ("final_logit_softcapping", None),
    ("full_attn_mod", Some(1.0)),
    ("interpolate_factor", Some(1.0)),
    ("is_encoder_decoder", None),
    ("kv_lora_rank", None),
    ("logit_scale", Some(1.0)),
    ("logits_scaling", Some(1.0)),
    ("n_routed_experts", Some(0.0)),
    ("mlp_only_layers", None),
    ("moe_intermediate_size", None),
    ("no_rope_layer_interval", Some(0.0)),
    ("no_rope_layers", None),
    ("norm_topk_prob", None),
    ("num_experts", Some(0.0)),
    ("num_experts_per_tok", None),
    ("num_local_experts", Some(0.0)),
    ("parallel_attn", None),
    ("partial_rotary_factor", Some(1.0)),
    ("pruned_heads", None),
    ("q_lora_rank", None),
    ("qk_layernorm", None),
    ("quantization_config", None),
    ("query_pre_attn_scalar", None),
    ("residual_multiplier", Some(1.0)),
    ("rope_interleaved", None),
    ("rotary_pct", Some(1.0)),
    ("scale_depth", None),
    ("scale_emb", Some(1.0)),
    ("sparse_config", None),
    ("text_config", None),
    ("tie_encoder_decoder", None),
    ("use_bidirectional_attention", None),
    ("use_dynamic_ntk", None),
    ("use_logn_attn", None),
    ("use_mrope", None),
    ("use_parallel_residual", None),
    ("use_qk_norm", None),
    ("vision_config", None),
];

/// Refuses settings that would change the mathematics and that the family does not read; a note about those of which
/// nothing is known.
pub(super) fn check_unread(fields: Fields<'_>, family: &Family) -> Result<Option<String>> {
    let own = |name: &str| {
        family.settings.contains(&name) || family.aliases.iter().any(|(ours, theirs)| [ours, theirs].contains(&&name))
    };
    for (name, neutral) in CHANGING.iter().filter(|(name, _)| !own(name)) {
        let Some(value) = fields.stated(name) else { continue };
        if !is_off(value) && (neutral.is_none() || value.as_f64() != *neutral) {
            let what = match *name {
                "quantization_config" | "compression_config" => {
                    format!("the weights are stored quantized (`{name}`); use the original weights")
                }
                _ => format!("`{name}` is {}, which is not supported", shown(value)),
            };
            return Err(Error::new(Code::Unsupported, what).with("key", *name));
        }
    }
    let known = |name: &&str| {
        READ.contains(name)
            || HARMLESS.contains(name)
            || own(name)
            || CHANGING.iter().any(|(changing, _)| changing == name)
    };
    let unknown: Vec<&str> = fields.names().filter(|name| !known(name)).collect();
    Ok(note("config.json has settings that are not known here and were not used", &unknown))
}
