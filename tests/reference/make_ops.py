"""Writes ../fixtures/ops: what PyTorch computes, forward and backward, for each operator that Tailora writes itself.

Every file holds the inputs, an upstream gradient `d…`, the output and the gradients of the inputs, and in its metadata,
as one JSON object, the numbers that are not tensors.
"""

import json
import math

import torch
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy, gelu, linear, silu
from transformers import Glm4Config, LlamaConfig, Phi3Config
from transformers.models.glm4 import modeling_glm4
from transformers.models.llama.modeling_llama import LlamaRMSNorm, LlamaRotaryEmbedding, apply_rotary_pos_emb, repeat_kv
from transformers.models.phi3 import modeling_phi3

from common import FIXTURES, fresh_dir, generator

OUT = FIXTURES / "ops"


class Case:
    """One file: names its random tensors, differentiates, and saves."""

    def __init__(self, name: str):
        self.name, self.source, self.tensors, self.leaves = name, generator(f"ops/{name}"), {}, {}

    def leaf(self, name: str, *shape: int, scale: float = 1.0) -> torch.Tensor:
        value = (scale * torch.randn(shape, generator=self.source)).requires_grad_()
        self.leaves[name] = value
        return value

    def constant(self, name: str, value: torch.Tensor) -> torch.Tensor:
        self.tensors[name] = value
        return value

    def finish(self, output: str, value: torch.Tensor, without_gradient: tuple = (), **settings) -> None:
        upstream = torch.randn(value.shape, generator=self.source) if value.ndim else torch.ones(())
        value.backward(upstream)
        self.tensors |= self.leaves | {output: value}
        if value.ndim:
            self.tensors[f"d{output}"] = upstream
        self.tensors |= {f"d{k}": v.grad for k, v in self.leaves.items() if k not in without_gradient}
        self.save(**settings)

    def save(self, **settings) -> None:
        tensors = {k: v.detach().contiguous() for k, v in self.tensors.items()}
        # One key, because safetensors writes several in an order of its own each time.
        metadata = {"settings": json.dumps(settings, sort_keys=True)}
        save_file(tensors, OUT / f"{self.name}.safetensors", metadata=metadata)


def rms_norm(name: str, *shape: int, eps: float, scale: float = 1.0) -> None:
    case = Case(name)
    x = case.leaf("x", *shape, scale=scale)
    weight = case.leaf("weight", shape[-1])
    norm = LlamaRMSNorm(shape[-1], eps)
    norm.weight = torch.nn.Parameter(weight.detach())
    y = norm(x)
    case.finish("y", y, without_gradient=("weight",), eps=eps)


def rope(name: str, config: LlamaConfig, positions: torch.Tensor) -> None:
    """Rotates pairs (i, i + d/2), as Hugging Face does, not (2i, 2i + 1)."""
    case = Case(name)
    x = case.leaf("x", 1, 4, len(positions), config.head_dim)
    embedding = LlamaRotaryEmbedding(config)
    case.constant("positions", positions)
    case.constant("inv_freq", embedding.inv_freq)
    cos, sin = embedding(x, positions[None])
    case.constant("cos", cos[0, :, : config.head_dim // 2])
    case.constant("sin", sin[0, :, : config.head_dim // 2])
    y, _ = apply_rotary_pos_emb(x, x, cos, sin)
    case.finish("y", y, **config.rope_parameters)


def rope_of_a_part(name: str, modeling, embedding, head_dim: int, rotated: int) -> None:
    """Rotates the first features of a head, as Phi-3 does in halves and GLM-4 in neighbouring pairs."""
    case = Case(name)
    positions = case.constant("positions", torch.tensor([0, 1, 5, 0, 300, 2]))
    x = case.leaf("x", 1, 4, len(positions), head_dim)
    case.constant("inv_freq", embedding.inv_freq)
    cos, sin = embedding(x, positions[None])
    y, _ = modeling.apply_rotary_pos_emb(x, x, cos, sin)
    case.finish("y", y, rotated=rotated)


def rope_config(**parameters) -> LlamaConfig:
    sizes = {"hidden_size": 64, "num_attention_heads": 4, "head_dim": 16, "max_position_embeddings": 512}
    return LlamaConfig(**sizes, rope_parameters={"rope_theta": 10000.0} | parameters)


def attention(name: str, length: int, past: int = 0, documents: list[int] | None = None, window: int | None = None,
              softcap: float | None = None, scale: float | None = None):
    """Query i stands at position past + i. It sees key j if j <= past + i, both are in one document, and j lies less
    than `window` back."""
    heads, kv_heads, width = 4, 2, 8
    case = Case(name)
    q = case.leaf("q", 1, heads, length, width)
    k = case.leaf("k", 1, kv_heads, past + length, width)
    v = case.leaf("v", 1, kv_heads, past + length, width)
    i, j = torch.arange(past, past + length)[:, None], torch.arange(past + length)[None]
    visible = j <= i
    if window:
        visible &= j > i - window
    if documents:
        ids = case.constant("documents", torch.tensor(documents))
        visible &= ids[:, None] == ids[None]
    scale = scale or 1 / math.sqrt(width)
    scores = (q @ repeat_kv(k, heads // kv_heads).transpose(2, 3)) * scale
    if softcap:
        scores = softcap * torch.tanh(scores / softcap)
    weights = scores.masked_fill(~visible, -torch.inf).softmax(-1)
    output = weights @ repeat_kv(v, heads // kv_heads)
    capped = {"softcap": softcap} if softcap else {}
    case.finish("o", output, scale=scale, past=past, window=window or 0, **capped)


def gated(name: str, activation) -> None:
    case = Case(name)
    gate, up = case.leaf("g", 7, 24, scale=2.0), case.leaf("u", 7, 24)
    case.finish("y", activation(gate) * up)


def lora_linear(name: str, scale: float, bias: bool) -> None:
    case = Case(name)
    x, weight = case.leaf("x", 7, 24), case.leaf("weight", 20, 24, scale=0.2)
    bias = case.leaf("bias", 20) if bias else None
    a, b = case.leaf("a", 4, 24, scale=0.2), case.leaf("b", 20, 4, scale=0.2)
    y = linear(x, weight, bias) + scale * linear(linear(x, a), b)
    case.finish("y", y, without_gradient=("weight", "bias"), scale=scale)


def lm_head_cross_entropy(name: str, ignored: list[int], scale: float = 1.0, softcap: float | None = None) -> None:
    """Labels are already shifted: row i is scored against labels[i]."""
    case = Case(name)
    hidden, weight = case.leaf("hidden", 19, 16), case.leaf("weight", 50, 16, scale=0.5)
    labels = torch.randint(0, 50, (19,), generator=case.source)
    labels[ignored] = -100
    case.constant("labels", labels)
    scores = linear(hidden, weight) * scale
    if softcap:
        scores = softcap * torch.tanh(scores / softcap)
    loss = cross_entropy(scores, labels, ignore_index=-100)
    capped = {"scale": scale, "softcap": softcap} if softcap else {}
    case.finish("loss", loss, without_gradient=("weight",), trained=(labels != -100).sum().item(), **capped)


def adamw(name: str, steps: int = 5, **options) -> None:
    case = Case(name)
    start = torch.randn(6, 5, generator=case.source)
    grads = case.constant("grads", torch.randn(steps, 6, 5, generator=case.source))
    # Zero from the first step on, as A's gradient is while B is zero; and tiny, where epsilon decides.
    grads[:, 0] = 0.0
    grads[:, 1] *= 1e-8
    case.constant("p0", start.clone())
    weight = torch.nn.Parameter(start)
    optimizer = torch.optim.AdamW([weight], **options)
    after = []
    for grad in grads:
        weight.grad = grad.clone()
        optimizer.step()
        after.append(weight.detach().clone())
    case.constant("p", torch.stack(after))
    state = optimizer.state[weight]
    case.constant("m", state["exp_avg"])
    case.constant("v", state["exp_avg_sq"])
    beta1, beta2 = options.pop("betas")
    case.save(beta1=beta1, beta2=beta2, **options)


if __name__ == "__main__":
    fresh_dir(OUT)
    rms_norm("rms_norm", 2, 7, 24, eps=1e-6)
    rms_norm("rms_norm_small", 5, 24, eps=1e-5, scale=1e-3)  # x² is below eps: where eps stands decides
    rope("rope", rope_config(rope_type="default"), torch.arange(7))
    rope("rope_offset", rope_config(rope_type="default"), torch.tensor([5, 6, 7, 300, 301, 0, 1]))
    rope(
        "rope_llama3",
        rope_config(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                    original_max_position_embeddings=64),
        torch.arange(100, 113),
    )
    rope("rope_linear", rope_config(rope_type="linear", factor=4.0), torch.arange(20, 33))
    rope(
        "rope_yarn",
        rope_config(rope_type="yarn", factor=4.0, original_max_position_embeddings=128),
        torch.arange(100, 113),
    )
    phi = Phi3Config(hidden_size=64, num_attention_heads=4, pad_token_id=0, partial_rotary_factor=0.75)
    rope_of_a_part("rope_part", modeling_phi3, modeling_phi3.Phi3RotaryEmbedding(phi), 16, 12)
    glm = Glm4Config(hidden_size=64, num_attention_heads=4, head_dim=16, pad_token_id=0)
    rope_of_a_part("rope_neighbours", modeling_glm4, modeling_glm4.Glm4RotaryEmbedding(glm), 16, 8)
    attention("attention", 19)
    attention("attention_past", 7, past=12)
    attention("attention_packed", 19, documents=[0] * 8 + [1] * 11)
    attention("attention_window", 19, window=5)
    attention("attention_packed_window", 19, documents=[0] * 8 + [1] * 11, window=5)
    attention("attention_softcap", 19, documents=[0] * 8 + [1] * 11, window=6, softcap=1.5, scale=0.5)
    gated("swiglu", silu)
    gated("geglu_tanh", lambda gate: gelu(gate, approximate="tanh"))
    lora_linear("lora_linear", scale=2.0, bias=False)
    lora_linear("lora_linear_bias", scale=0.75, bias=True)
    lm_head_cross_entropy("cross_entropy", [0, 1, 2, 7, 18])
    lm_head_cross_entropy("cross_entropy_one", [i for i in range(19) if i != 4])
    lm_head_cross_entropy("cross_entropy_softcap", [0, 3, 4], scale=0.8, softcap=2.0)
    adamw("adamw", lr=1e-2, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
    adamw("adamw_no_decay", lr=1e-3, betas=(0.9, 0.95), eps=1e-6, weight_decay=0.0)
