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
}
