"""Random weights in the types that they are stored in: zero mean, transformers' standard deviation.

Q4_K and Q6_K are laid out as in `ggml-common.h` of llama.cpp. Their bits are random, but scales are drawn so that the
values are those of a weight, and halves are normal numbers.
"""

from dataclasses import dataclass

import torch

DEVIATION = 0.02


@dataclass(frozen=True)
class Kind:
    """Values and bytes of a block, and ggml's number of the type."""

    values: int
    bytes: int
    id: int


F32 = Kind(1, 4, 0)
BF16 = Kind(1, 2, 30)
Q4_K = Kind(256, 144, 12)
Q6_K = Kind(256, 210, 14)


def draw(kind, blocks, ones, generator, device):
    """Bytes `[blocks, kind.bytes]`."""
    if kind in (F32, BF16):
        values = torch.ones(blocks, 1, dtype=torch.float32 if kind == F32 else torch.bfloat16, device=device)
        return (values if ones else values.normal_(0, DEVIATION, generator=generator)).view(torch.uint8)
    drawn = torch.randint(256, (blocks, kind.bytes), dtype=torch.uint8, generator=generator, device=device)
    spread = 0.75 + 0.5 * torch.rand(blocks, 1, generator=generator, device=device)
    return q4_k(drawn, spread) if kind == Q4_K else q6_k(drawn, spread)


def halves(values):
    return values.to(torch.float16).view(torch.uint8)


def q4_k(drawn, spread):
    """d·s·q − dmin·m of a block's d, dmin (halves), s and m (6 bits for each of 8 parts, in 12 bytes), q (4 bits).

    With m = s and dmin = 7.5·d, the middle of q, a part's mean is 0. Bytes 0–3 have the low bits of s for the first four
    parts and 4–7 those of m, each beside two high bits for the other four; 8–11 have the rest, s low and m high.
    """
    scale_rms, q_deviation = (63 * 127 / 6) ** 0.5, (255 / 12) ** 0.5
    d = DEVIATION / (scale_rms * q_deviation) * spread
    drawn[:, 0:2] = halves(d)
    drawn[:, 2:4] = halves(7.5 * d)
    drawn[:, 8:12] = drawn[:, 4:8]
    drawn[:, 12:16] = (drawn[:, 12:16] & 15) * 17
    return drawn


def q6_k(drawn, spread):
    """d·s·(q − 32) of a block's q (6 bits: 128 bytes of low ones, 64 of high ones), s (16 signed bytes) and d (a half)."""
    scale_rms, q_deviation = 9.25, (4095 / 12) ** 0.5
    # −16 to 15: greater ones would make d subnormal.
    drawn[:, 192:208] = ((drawn[:, 192:208] & 31).to(torch.int16) - 16).to(torch.int8).view(torch.uint8)
    drawn[:, 208:210] = halves(DEVIATION / (scale_rms * q_deviation) * spread)
    return drawn
