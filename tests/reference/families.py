"""The tiny random models of the families beyond Llama and Qwen: name -> (config, {how: value}), as in make_models.py.

`disguise` is the config.json of a family whose code is not in transformers, written over that of one in transformers which
computes the same; `renamed` says what the family calls its tensors. `without` is what must change the logits when it is taken
away.
"""

BASE = {
    "hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 96, "max_position_embeddings": 512, "rms_norm_eps": 1e-5,
    "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "tie_word_embeddings": False,
}
THETA = {"rope_theta": 10000.0}

FAMILIES = {
    "mistral": (
        BASE | THETA | {"model_type": "mistral", "sliding_window": 8},
        {"form": 4, "length": 24, "without": {"sliding_window": None}},
    ),
    "mistral-nemo": (
        BASE | {"model_type": "mistral", "head_dim": 12, "sliding_window": None, "rope_theta": 1000000.0},
        {"form": 5},
    ),
}
