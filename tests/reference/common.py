"""What every fixture script shares: where files go, how numbers are written, how a tiny model is filled and run.

Everything is float32 on one CPU thread, and every random number comes from a generator seeded by a *name*, so a
fixture does not change when another one is added before it.
"""

import copy
import json
import pathlib
import shutil
import zlib

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import logging

from families import FAMILIES

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
MODELS = FIXTURES / "models"

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
logging.disable_progress_bar()


def generator(name: str) -> torch.Generator:
    """A generator that depends on `name` alone."""
    return torch.Generator().manual_seed(zlib.crc32(name.encode()))


def fresh_dir(path: pathlib.Path) -> pathlib.Path:
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def floats(values) -> list:
    """Nested lists of the shortest decimals that read back to the same float32."""
    array = np.asarray(values.detach() if isinstance(values, torch.Tensor) else values, dtype=np.float32)
    if array.ndim == 0:
        return float(str(array[()]))
    return [floats(row) for row in array] if array.ndim > 1 else [float(str(x)) for x in array]


def write_json(path: pathlib.Path, value: dict) -> None:
    """One top-level key per line: small, and a change still shows in a diff."""
    lines = [f"{json.dumps(key)}: {json.dumps(item, ensure_ascii=False)}" for key, item in value.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8", newline="\n")


def rewrite_config(path: pathlib.Path, **changes) -> None:
    """Edits a JSON file in place; sorts lists of names, which PEFT writes in the order of a set."""
    config = json.loads(path.read_text()) | changes
    if isinstance(config.get("target_modules"), list):
        config["target_modules"].sort()
    path.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")


def random_ids(name: str, count: int, vocab: int) -> list[int]:
    return torch.randint(0, vocab, (count,), generator=generator(name)).tolist()


@torch.no_grad()
def fill(model: torch.nn.Module, name: str) -> None:
    """Random weights, large enough that a missed bias, norm weight or rotation shows in the logits."""
    source = generator(name)
    for key, weight in model.named_parameters():
        noise = torch.randn(weight.shape, generator=source)
        if "norm" in key:
            # Gemma stores what is added to one.
            weight.copy_(weight.mean().round() + 0.3 * noise)
        elif key.endswith("bias"):
            weight.copy_(0.3 * noise)
        elif "embed_tokens" in key:
            weight.copy_(0.5 * noise)
        else:
            weight.copy_(0.25 * noise)


def build(settings: dict) -> torch.nn.Module:
    """A model of transformers with a config of these settings."""
    settings = copy.deepcopy(settings)
    config = AutoConfig.for_model(settings.pop("model_type"), **settings)
    return AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32).eval()


def load(name: str) -> torch.nn.Module:
    """The fixture model `name`, read from its files and widened to float32."""
    settings, how = FAMILIES.get(name, ({}, {}))
    if "disguise" not in how:
        return load_dir(MODELS / name)
    model, weights = build(settings), load_file(MODELS / name / "model.safetensors")
    model.load_state_dict(how["restored"](weights) if "restored" in how else weights, strict=not settings["tie_word_embeddings"])
    return model


def load_dir(path: pathlib.Path) -> torch.nn.Module:
    # Eager attention: the plain softmax(QK)V, and the same on every CPU.
    return AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="eager").eval()


@torch.no_grad()
def logits(model: torch.nn.Module, ids: list[int]) -> torch.Tensor:
    """[positions, vocab] for one row without padding."""
    return model(input_ids=torch.tensor([ids])).logits[0]


def greedy(model: torch.nn.Module, ids: list[int], count: int) -> list[int]:
    """`count` most likely tokens, never stopping at an end token; refuses near-ties, which rounding could turn."""
    ids, start = list(ids), len(ids)
    for _ in range(count):
        best = logits(model, ids)[-1].topk(2)
        if best.values[0] - best.values[1] < 1e-3:
            raise SystemExit(f"tokens {best.indices.tolist()} are nearly tied: choose another prompt")
        ids.append(best.indices[0].item())
    return ids[start:]
