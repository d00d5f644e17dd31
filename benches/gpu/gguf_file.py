"""A GGUF file's header: metadata and the table of tensors. The format: `docs/gguf.md` of the ggml repository."""

import struct

from random_blocks import F32, Q4_K, Q6_K

VERSION = 3
ALIGNMENT = 32
UINT32, INT32, FLOAT32, STRING, ARRAY = 4, 5, 6, 8, 9
NORMAL, CONTROL = 1, 3
MOSTLY_Q4_K_M = 15
NAMES = [
    ("model.layers.", "blk."),
    ("model.embed_tokens.", "token_embd."),
    ("model.norm.", "output_norm."),
    ("lm_head.", "output."),
    ("self_attn.q_proj.", "attn_q."),
    ("self_attn.k_proj.", "attn_k."),
    ("self_attn.v_proj.", "attn_v."),
    ("self_attn.o_proj.", "attn_output."),
    ("mlp.gate_proj.", "ffn_gate."),
    ("mlp.up_proj.", "ffn_up."),
    ("mlp.down_proj.", "ffn_down."),
    ("input_layernorm.", "attn_norm."),
    ("post_attention_layernorm.", "ffn_norm."),
]


def gguf_tensors(tensors, layers):
    """GGUF's names of Hugging Face's tensors, and the types that `llama-quantize` gives them in Q4_K_M."""
    for name, dims in tensors:
        for ours, theirs in NAMES:
            name = name.replace(ours, theirs)
        if len(dims) == 1:
            yield name, dims, F32
        elif name == "output.weight" or name.split(".")[2:3] in (["attn_v"], ["ffn_down"]) and more_bits(name, layers):
            yield name, dims, Q6_K
        else:
            yield name, dims, Q4_K


def more_bits(name, layers):
    """`use_more_bits` of llama.cpp: the first and the last layers, and every third between; half of all."""
    layer, eighth = int(name.split(".")[1]), layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2


def string(text):
    return struct.pack("<Q", len(text.encode())) + text.encode()


def value(kind, item):
    return string(item) if kind == STRING else struct.pack({UINT32: "<I", INT32: "<i", FLOAT32: "<f"}[kind], item)


def metadata(shape, tokenizer):
    """Key, type, value; a list for an array."""
    eps, theta = "attention.layer_norm_rms_epsilon", "rope.freq_base"
    yield "general.architecture", STRING, "qwen2"
    yield "general.name", STRING, "random"
    yield "general.file_type", UINT32, MOSTLY_Q4_K_M
    for key, kind, item in (
        ("block_count", UINT32, shape.layers),
        ("context_length", UINT32, 32_768),
        ("embedding_length", UINT32, shape.hidden),
        ("feed_forward_length", UINT32, shape.intermediate),
        ("attention.head_count", UINT32, shape.heads),
        ("attention.head_count_kv", UINT32, shape.kv_heads),
        (eps, FLOAT32, 1e-6),
        (theta, FLOAT32, 1e6),
    ):
        yield f"qwen2.{key}", kind, item
    words = {id: word for word, id in tokenizer["model"]["vocab"].items()}
    control = {token["id"]: token["content"] for token in tokenizer["added_tokens"]}
    words |= control
    ids = range(len(words))
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer["model"]["merges"]]
    yield "tokenizer.ggml.model", STRING, "gpt2"
    yield "tokenizer.ggml.pre", STRING, "qwen2"
    yield "tokenizer.ggml.tokens", STRING, [words[id] for id in ids]
    yield "tokenizer.ggml.token_type", INT32, [CONTROL if id in control else NORMAL for id in ids]
    yield "tokenizer.ggml.merges", STRING, merges
    yield "tokenizer.ggml.eos_token_id", UINT32, 2
    yield "tokenizer.ggml.padding_token_id", UINT32, 0


def gguf_header(shape, tokenizer, stored):
    """The bytes before the tensors, where each tensor begins in the file, and the file's size."""
    entries = list(metadata(shape, tokenizer))
    header = b"GGUF" + struct.pack("<IQQ", VERSION, len(stored), len(entries))
    parts = [header]
    for key, kind, item in entries:
        if isinstance(item, list):
            parts.append(string(key) + struct.pack("<IIQ", ARRAY, kind, len(item)))
            parts += [value(kind, each) for each in item]
        else:
            parts.append(string(key) + struct.pack("<I", kind) + value(kind, item))
    offsets, end = [], 0
    for tensor in stored:
        # The innermost dimension first.
        dims = b"".join(struct.pack("<Q", size) for size in reversed(tensor.dims))
        parts.append(string(tensor.name) + struct.pack("<I", len(tensor.dims)) + dims)
        parts.append(struct.pack("<IQ", tensor.kind.id, end))
        offsets.append(end)
        end += -(-tensor.bytes // ALIGNMENT) * ALIGNMENT
    header = b"".join(parts)
    header += bytes(-len(header) % ALIGNMENT)
    return header, [len(header) + offset for offset in offsets], len(header) + end
