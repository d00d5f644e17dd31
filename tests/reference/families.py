"""The tiny random models of the families beyond Llama and Qwen: name -> (config, {how: value}), as in make_models.py.

`disguise` is the config.json of a family whose code is not in transformers, written over that of one in transformers which
computes the same; `renamed` says what the family calls its tensors. `without` is what must change the logits when it is taken
away.
"""

import torch

BASE = {
    "hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 96, "max_position_embeddings": 512, "rms_norm_eps": 1e-5,
    "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "tie_word_embeddings": False,
}
THETA = {"rope_theta": 10000.0}

LLAMA = BASE | THETA | {"model_type": "llama"}
# InternLM2's names. Its wqkv has, for each key head, the rows of its queries, of its key and of its value.
INTERNLM2 = {
    "model.embed_tokens": "model.tok_embeddings", "lm_head": "output", "self_attn.o_proj": "attention.wo",
    "mlp.gate_proj": "feed_forward.w1", "mlp.up_proj": "feed_forward.w3", "mlp.down_proj": "feed_forward.w2",
    "input_layernorm": "attention_norm", "post_attention_layernorm": "ffn_norm",
}
HEADS, KEYS, DIM = 4, 2, 8

PHI3 = BASE | THETA | {"model_type": "phi3"}
GEMMA2 = BASE | {
    "model_type": "gemma2", "head_dim": 12, "tie_word_embeddings": True, "sliding_window": 8, "query_pre_attn_scalar": 20,
}
MOE = BASE | {
    "model_type": "qwen3_moe", "head_dim": 12, "num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 24,
    "norm_topk_prob": True, "decoder_sparse_step": 1, "mlp_only_layers": [],
}
GEMMA3 = GEMMA2 | {"model_type": "gemma3_text", "num_hidden_layers": 3}


def longrope(pairs: int) -> dict:
    short = [1.0 + 0.1 * i for i in range(pairs)]
    return {"type": "longrope", "short_factor": short, "long_factor": [2.0 + 3.0 * i for i in range(pairs)]}


def replaced(name: str, pairs) -> str:
    for old, new in pairs:
        name = name.replace(old, new)
    return name


def to_internlm2(tensors: dict) -> dict:
    out = {replaced(name, INTERNLM2.items()): t for name, t in tensors.items() if ".self_attn." not in name or "o_proj" in name}
    for layer in range(2):
        q, k, v = (tensors[f"model.layers.{layer}.self_attn.{p}_proj.weight"].unflatten(0, (KEYS, -1)) for p in "qkv")
        out[f"model.layers.{layer}.attention.wqkv.weight"] = torch.cat([q, k, v], dim=1).flatten(0, 1).contiguous()
    return out


def from_internlm2(tensors: dict) -> dict:
    back = [(new, old) for old, new in INTERNLM2.items()]
    out = {replaced(name, back): t for name, t in tensors.items() if "wqkv" not in name}
    for layer in range(2):
        wqkv = tensors[f"model.layers.{layer}.attention.wqkv.weight"].unflatten(0, (KEYS, -1))
        sizes = [HEADS // KEYS * DIM, DIM, DIM]
        for p, part in zip("qkv", wqkv.split(sizes, dim=1)):
            out[f"model.layers.{layer}.self_attn.{p}_proj.weight"] = part.flatten(0, 1)
    return out


FAMILIES = {
    "mistral": (
        BASE | THETA | {"model_type": "mistral", "sliding_window": 8},
        {"form": 4, "length": 24, "without": {"sliding_window": None}},
    ),
    "mistral-nemo": (
        BASE | {"model_type": "mistral", "head_dim": 12, "sliding_window": None, "rope_theta": 1000000.0},
        {"form": 5},
    ),
    "internlm3": (
        BASE | {"model_type": "internlm3", "head_dim": 12, "qkv_bias": True, "bias": True, "rope_theta": 50000.0,
                "rope_scaling": {"rope_type": "dynamic", "factor": 6.0}},
        {"form": 4, "old": {"architectures": ["InternLM3ForCausalLM"]}},
    ),
    "internlm2": (
        LLAMA,
        {"form": 4, "renamed": to_internlm2, "restored": from_internlm2, "disguise": {
            "model_type": "internlm2", "architectures": ["InternLM2ForCausalLM"], "bias": False,
            "rope_scaling": {"type": "dynamic", "factor": 2.0}, "attn_implementation": "eager"}},
    ),
    "phi3": (PHI3 | {"sliding_window": 8}, {"form": 4, "length": 24, "without": {"sliding_window": None}}),
    # Longer than the original context, which has other frequencies; in training and in `phi4` sequences are shorter.
    "phi3-long": (
        PHI3 | {"original_max_position_embeddings": 16, "rope_scaling": longrope(4)},
        {"form": 4, "without": {"original_max_position_embeddings": 64}},
    ),
    "phi4": (
        PHI3 | {"num_attention_heads": 2, "num_key_value_heads": 1, "partial_rotary_factor": 0.75, "original_max_position_embeddings": 64,
                "tie_word_embeddings": True, "rope_scaling": longrope(6)},
        {"form": 5, "without": {"rope_scaling": None}},
    ),
    "smollm3": (
        BASE | {"model_type": "smollm3", "num_hidden_layers": 4, "tie_word_embeddings": True},
        {"form": 4, "without": {"no_rope_layer_interval": 8}},
    ),
    "smollm3-sliding": (
        BASE | {"model_type": "smollm3", "no_rope_layers": [0, 1], "use_sliding_window": True, "sliding_window": 8,
                "rope_theta": 5000000.0},
        {"form": 5, "length": 24, "without": {"use_sliding_window": False}},
    ),
    "granite": (
        BASE | THETA | {"model_type": "granite", "attention_multiplier": 0.2, "embedding_multiplier": 3.0,
                        "logits_scaling": 1.5, "residual_multiplier": 0.6},
        {"form": 4},
    ),
    "minicpm": (
        BASE | THETA | {"model_type": "granite", "attention_multiplier": 8**-0.5, "embedding_multiplier": 3.0,
                        "logits_scaling": 32 / 20, "residual_multiplier": 1.4 / 2**0.5, "tie_word_embeddings": True},
        {"form": 4, "removed": ["attention_multiplier", "embedding_multiplier", "logits_scaling", "residual_multiplier"],
         "disguise": {"model_type": "minicpm", "architectures": ["MiniCPMForCausalLM"], "scale_emb": 3, "scale_depth": 1.4,
                      "dim_model_base": 20, "auto_map": {"AutoConfig": "configuration_minicpm.MiniCPMConfig"}}},
    ),
    "qwen3-moe": (MOE | THETA, {"form": 4}),
    "qwen3-moe-unnormed": (MOE | {"norm_topk_prob": False, "rope_theta": 50000.0}, {"form": 5}),
    "olmo2": (BASE | THETA | {"model_type": "olmo2", "eos_token_id": 79}, {"form": 4}),
    "glm": (
        BASE | {"model_type": "glm", "head_dim": 12, "rms_norm_eps": 1.5625e-07, "eos_token_id": [79, 80],
                "attention_bias": True, "partial_rotary_factor": 0.5},
        {"form": 4, "without": {"partial_rotary_factor": 1.0}},
    ),
    "glm4": (
        BASE | {"model_type": "glm4", "head_dim": 16, "attention_bias": False, "eos_token_id": [79, 80]},
        {"form": 5},
    ),
    "gemma": (
        BASE | THETA | {"model_type": "gemma", "head_dim": 12, "tie_word_embeddings": True},
        {"form": 4, "old": {"hidden_act": "gelu_pytorch_tanh"}},
    ),
    "gemma2": (
        GEMMA2 | THETA | {"attn_logit_softcapping": 2.0, "final_logit_softcapping": 9.0},
        {"form": 4, "length": 24, "old": {"hidden_act": "gelu_pytorch_tanh", "hidden_activation": "gelu_pytorch_tanh"},
         "without": {"attn_logit_softcapping": None}},
    ),
    # Scores scaled as llama.cpp knows it, which does not store it.
    "gemma2-even": (GEMMA2 | {"num_hidden_layers": 3, "query_pre_attn_scalar": 12}, {"form": 5, "length": 24, "without": {"sliding_window": 64}}),
    "gemma3": (
        GEMMA3 | {"query_pre_attn_scalar": 12, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
                  "rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000000.0},
                                      "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}},
        {"form": 5, "length": 24, "without": {"sliding_window": 64}},
    ),
    # As the configs of Google's multimodal models: the text part nested, its tensors below `language_model`.
    "gemma3-nested": (
        GEMMA3 | {"sliding_window_pattern": 2, "rope_theta": 500000.0, "rope_local_base_freq": 1000.0},
        {"form": 4, "length": 24, "nested": True, "training": False, "removed": ["hidden_act", "layer_types"],
         "renamed": lambda tensors: {f"language_model.{name}": tensor for name, tensor in tensors.items()},
         "restored": lambda tensors: {name.removeprefix("language_model."): t for name, t in tensors.items()},
         "disguise": {}},
    ),
}
