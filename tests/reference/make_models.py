"""Usage: make_models.py [NAME…]

Writes ../fixtures/models/<name>, all or those named: tiny random models, each covering some property of real Hugging Face directories.

`config.json` is written in the form that old releases of transformers wrote (rope_theta, rope_scaling, torch_dtype at
the top level) or in the form that release 5 writes (rope_parameters, dtype), because users have both on their disks.
"""

import copy
import sys

import torch
from safetensors.torch import load_file, save_file

from common import MODELS, build, fill, floats, fresh_dir, greedy, load, logits, random_ids, rewrite_config, write_json
from families import FAMILIES
from make_tokenizer import BOS_ID, EOS_ID, PADDED_VOCAB, write_tokenizer

LLAMA = {
    "model_type": "llama", "hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 96, "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5, "bos_token_id": 1, "eos_token_id": 2, "tie_word_embeddings": False,
}
QWEN2 = LLAMA | {"model_type": "qwen2", "rms_norm_eps": 1e-6, "bos_token_id": 92, "eos_token_id": 93}
QWEN3 = QWEN2 | {"model_type": "qwen3", "head_dim": 12}
# Wavelengths of a 12-wide head at this base: 6, 29, 135, ... With an original context of 64 they fall in the
# untouched, the blended and the stretched range of the llama3 rule.
LLAMA3 = LLAMA | {"hidden_size": 48, "intermediate_size": 80, "rope_theta": 10000.0}
LLAMA3_SCALING = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}

# name -> (config, {how: value}). `form` is 4 or 5: which release's config.json to write.
SPECS = {
    "llama2": (LLAMA | {"num_key_value_heads": 4, "rope_theta": 10000.0}, {"form": 4}),
    "llama3": (LLAMA3 | {"rope_scaling": LLAMA3_SCALING, "eos_token_id": [90, 91, 92]}, {"form": 4}),
    "llama32": (
        LLAMA3 | {"rope_scaling": LLAMA3_SCALING, "head_dim": 12, "tie_word_embeddings": True, "bos_token_id": 89,
                  "eos_token_id": [90, 92]},
        {"form": 5},
    ),
    "llama-tied-lmhead": (
        LLAMA | {"rope_theta": 10000.0, "tie_word_embeddings": True},
        {"form": 4, "only_lm_head": True},
    ),
    "llama-bias": (LLAMA | {"rope_theta": 10000.0, "attention_bias": True, "mlp_bias": True}, {"form": 4}),
    "llama-linear": (
        LLAMA | {"rope_theta": 10000.0, "rope_scaling": {"type": "linear", "factor": 4.0}},
        {"form": 4},
    ),
    "qwen2": (
        QWEN2 | {"rope_theta": 1000000.0, "tie_word_embeddings": True, "vocab_size": PADDED_VOCAB,
                 "bos_token_id": BOS_ID, "eos_token_id": EOS_ID, "use_sliding_window": False,
                 "sliding_window": 32768, "max_window_layers": 21},
        {"form": 4, "tokenizer": True},
    ),
    "qwen25-sharded": (QWEN2 | {"rope_theta": 1000000.0}, {"form": 5, "dtype": torch.bfloat16, "shard": "25KB"}),
    "qwen2-yarn": (
        QWEN2 | {"rope_theta": 10000.0, "rope_scaling": {
            "type": "yarn", "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128}},
        {"form": 4},
    ),
    "qwen2-sliding": (
        QWEN2 | {"rope_theta": 1000000.0, "use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1},
        {"form": 4, "length": 24},
    ),
    "qwen3": (
        QWEN3 | {"rope_theta": 1000000.0, "tie_word_embeddings": True},
        {"form": 4, "dtype": torch.float16},
    ),
    "qwen3-untied": (QWEN3 | {"rope_theta": 1000000.0, "hidden_size": 40, "head_dim": 16}, {"form": 5}),
}
# What must change the logits; a fixture in which it does not would prove nothing.
REMOVED = {
    "llama3": {"rope_scaling": None}, "llama32": {"rope_scaling": None}, "llama-linear": {"rope_scaling": None},
    "qwen2-yarn": {"rope_scaling": None}, "qwen2-sliding": {"use_sliding_window": False},
}


def round_weights(model: torch.nn.Module, dtype: torch.dtype) -> None:
    """Rounds parameters only: the rotary table is a buffer, and stays float32."""
    for weight in model.parameters():
        weight.data = weight.data.to(dtype).float()


def write_config(path, settings: dict, how: dict, dtype: torch.dtype, architecture: str) -> None:
    """Release 5 form is what save_pretrained left; the older form is our settings with the keys it had then."""
    if how["form"] == 5:
        return
    old = {
        "architectures": [architecture], "hidden_act": "silu", "attention_dropout": 0.0,
        "initializer_range": 0.02, "rope_scaling": None, "use_cache": True, "transformers_version": "4.51.0",
        "torch_dtype": str(dtype).removeprefix("torch."),
    }
    (path / "config.json").write_text("{}")
    config = dict(sorted((old | settings | how.get("old", {}) | how.get("disguise", {})).items()))
    config = {key: value for key, value in config.items() if key not in how.get("removed", [])}
    if how.get("nested"):
        text = {key: value for key, value in config.items() if key not in ["architectures", "torch_dtype", "eos_token_id"]}
        config = {
            "architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "eos_token_id": [2, 3],
            "text_config": text, "torch_dtype": config["torch_dtype"], "vision_config": {"hidden_size": 16},
        }
    rewrite_config(path / "config.json", **config)


def keep_only_lm_head(path) -> None:
    file = path / "model.safetensors"
    tensors = load_file(file)
    tensors["lm_head.weight"] = tensors.pop("model.embed_tokens.weight")
    save_file(tensors, file, metadata={"format": "pt"})


def rename(path, renamed) -> None:
    file = path / "model.safetensors"
    save_file(renamed(load_file(file)), file, metadata={"format": "pt"})


def make(name: str, settings: dict, how: dict) -> None:
    path = fresh_dir(MODELS / name)
    dtype = how.get("dtype", torch.float32)
    model = build(settings)
    fill(model, f"models/{name}")
    round_weights(model, dtype)

    stored = copy.deepcopy(model).to(dtype)
    stored.save_pretrained(path, max_shard_size=how.get("shard", "1GB"))
    write_config(path, settings, how, dtype, type(model).__name__)
    if "renamed" in how:
        rename(path, how["renamed"])
    if how.get("only_lm_head"):
        keep_only_lm_head(path)
    if how.get("tokenizer"):
        write_tokenizer(path)

    ids = random_ids(f"{name}/prompt", how.get("length", 20), settings["vocab_size"])
    expected = logits(model, ids)
    # transformers itself must read the files back to the same model.
    torch.testing.assert_close(logits(load(name), ids), expected, rtol=0, atol=1e-6)
    without = how.get("without", REMOVED.get(name))
    if without:
        other = build(settings | without)
        other.load_state_dict(model.state_dict())
        assert (logits(other, ids) - expected).abs().max() > 0.05, f"{name}: {without} changes nothing"
    write_json(
        path / "expected.json",
        {"input_ids": ids, "logits": floats(expected), "greedy": greedy(model, ids, 16)},
    )


if __name__ == "__main__":
    for name, (settings, how) in (SPECS | FAMILIES).items():
        if name in sys.argv[1:] or len(sys.argv) == 1:
            make(name, settings, how)
            print("wrote", name)
