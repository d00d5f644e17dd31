"""A head start: attention that can copy, written into the initial weights.

A report repeats what it was given, so the model must learn to copy: a head that notes which tokens stood one, two and
three places back, and a head in the next layer that looks for a place with the same history and repeats what stands there
(an "induction head"). Found by gradient descent this takes millions of tokens; written down it takes none, and training
refines it. See Olsson et al., "In-context Learning and Induction Heads" (2022).
"""

import math

import torch
from transformers import Qwen2ForCausalLM

OFFSETS = (1, 2, 3)
LOOK_BACK_LAYER, COPY_LAYER = 0, 1


def directions(count: int, width: int) -> torch.Tensor:
    """Orthonormal rows."""
    return torch.linalg.qr(torch.randn(width, count))[0].T


def rotated(vector: torch.Tensor, places: int, theta: float) -> torch.Tensor:
    half = vector.numel() // 2
    angle = places * theta ** (-torch.arange(half) / half)
    a, b = vector[:half], vector[half:]
    return torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()])


@torch.no_grad()
def prepare(model: Qwen2ForCausalLM) -> None:
    config = model.config
    size = config.hidden_size // config.num_attention_heads
    per_group = config.num_attention_heads // config.num_key_value_heads
    # Content is matched in the slowly turning half of the dimensions: position hardly changes them.
    slow = torch.cat([torch.arange(size // 4, size // 2), torch.arange(3 * size // 4, size)])
    for layer in model.model.layers:
        layer.self_attn.o_proj.weight *= 0.05
        layer.mlp.down_proj.weight *= 0.05

    # Orthogonal subspaces of the residual stream: the token here (offset 0), and one note for each offset.
    offsets = (0,) + OFFSETS
    notes = dict(zip(offsets, directions(len(offsets) * len(slow), config.hidden_size).split(len(slow))))

    # Each token's code has the same length (it then matches itself best), and the notes start as blank paper.
    embedding = model.model.embed_tokens.weight
    code = embedding @ notes[0].T
    for part in notes.values():
        embedding -= embedding @ part.T @ part
    embedding += 1.5 * embedding.norm(dim=1).mean() * torch.nn.functional.normalize(code, dim=1) @ notes[0]

    layers = model.model.layers
    write_look_back(layers[LOOK_BACK_LAYER].self_attn, notes, slow, size, config.rope_parameters["rope_theta"])
    write_copy(layers[COPY_LAYER].self_attn, notes, slow, size, per_group)


def write_look_back(attention: torch.nn.Module, notes: dict[int, torch.Tensor], slow: torch.Tensor, size: int, theta: float) -> None:
    """The first group's heads look a fixed number of places back, by biases alone, and note the token that stands there."""
    same = torch.full((size,), 3.0)
    group = slice(0, size)
    attention.k_proj.weight[group] = 0
    attention.k_proj.bias[group] = same
    attention.v_proj.weight[group] = 0
    attention.v_proj.weight[slow] = notes[0]
    for head, offset in enumerate(OFFSETS):
        rows = slice(head * size, (head + 1) * size)
        attention.q_proj.weight[rows] = 0
        attention.q_proj.bias[rows] = rotated(same, -offset, theta)
        attention.o_proj.weight[:, rows] = 0
        attention.o_proj.weight[:, head * size + slow] = 0.15 * notes[offset].T


def write_copy(attention: torch.nn.Module, notes: dict[int, torch.Tensor], slow: torch.Tensor, size: int, per_group: int) -> None:
    """Heads that look for a place whose notes match what is known here, and repeat the token that stands there."""
    # For each group: the note compared at the other place; for each of its heads, the note compared here.
    plans = [(1, (0, 0, 0)), (2, (1, 2, 3))]
    width = notes[0].size(1)
    others = directions(width, width)
    others = torch.linalg.qr(others - others @ notes[0].T @ notes[0])[0].T
    for group, (there, here) in enumerate(plans):
        rows = slice(group * size, (group + 1) * size)
        attention.k_proj.weight[rows] = 0
        attention.k_proj.weight[group * size + slow] = 3.2 * notes[there]
        copied = torch.cat([notes[0], others[group * len(slow) : (group + 1) * len(slow)]])
        attention.v_proj.weight[rows] = copied
        for head, offset in enumerate(here, group * per_group):
            columns = slice(head * size, (head + 1) * size)
            attention.q_proj.weight[columns] = 0
            attention.q_proj.weight[head * size + slow] = 3.2 * notes[offset]
            attention.o_proj.weight[:, columns] = 0.6 / math.sqrt(per_group) * copied.T


def prepared(model: Qwen2ForCausalLM) -> list[torch.nn.Parameter]:
    """The parameters that `prepare` gave a meaning, and those between them."""
    layers = model.model.layers
    parts = [model.model.embed_tokens, layers[LOOK_BACK_LAYER], layers[COPY_LAYER].self_attn, layers[COPY_LAYER].input_layernorm]
    return [parameter for part in parts for parameter in part.parameters()]
