"""Models of random weights at the shape of a Qwen2.5: FOLDER/bf16 as Hugging Face has it, FOLDER/q4_k_m.gguf, and what a
bench has to know of them in FOLDER/facts.json.

Numbers are drawn where torch runs, on a GPU if there is one, and written by several threads: seconds for 7B into /dev/shm.
The tokenizer is that of samples/models/tailora-tiny, filled up to the vocabulary with words that no text is made of, and
without its chat template: a letter or a digit between others of the other kind is one token. The rows of the head for the
tokens that end a text are zeros, so that greedy decoding never draws one.
"""

import argparse
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from gguf_file import gguf_header, gguf_tensors
from random_blocks import BF16, Q4_K, draw

TINY = Path(__file__).resolve().parents[2] / "samples/models/tailora-tiny"
PIECE = 64 << 20  # bytes that a thread makes and writes at a time
THREADS = 10
SHARDS = 4
END_TOKENS = 3  # the first ids of the tokenizer


@dataclass
class Shape:
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    intermediate: int
    vocab: int


SHAPES = {
    "tiny": Shape(256, 4, 4, 2, 768, 4096),
    "0.5b": Shape(896, 24, 14, 2, 4864, 151_936),
    "1.5b": Shape(1536, 28, 12, 2, 8960, 151_936),
    "7b": Shape(3584, 28, 28, 4, 18_944, 152_064),
}


def tensors(shape):
    """Names and shapes as transformers has them, the head apart from the embeddings."""
    hidden, ffn = shape.hidden, shape.intermediate
    kv = shape.kv_heads * hidden // shape.heads
    yield "model.embed_tokens.weight", (shape.vocab, hidden)
    for layer in range(shape.layers):
        for name, dims in (
            ("self_attn.q_proj.weight", (hidden, hidden)),
            ("self_attn.q_proj.bias", (hidden,)),
            ("self_attn.k_proj.weight", (kv, hidden)),
            ("self_attn.k_proj.bias", (kv,)),
            ("self_attn.v_proj.weight", (kv, hidden)),
            ("self_attn.v_proj.bias", (kv,)),
            ("self_attn.o_proj.weight", (hidden, hidden)),
            ("mlp.gate_proj.weight", (ffn, hidden)),
            ("mlp.up_proj.weight", (ffn, hidden)),
            ("mlp.down_proj.weight", (hidden, ffn)),
            ("input_layernorm.weight", (hidden,)),
            ("post_attention_layernorm.weight", (hidden,)),
        ):
            yield f"model.layers.{layer}.{name}", dims
    yield "model.norm.weight", (hidden,)
    yield "lm_head.weight", (shape.vocab, hidden)


@dataclass
class Stored:
    """A tensor in a file."""

    name: str
    dims: tuple
    kind: object  # of random_blocks
    file: int = -1
    offset: int = 0

    @property
    def blocks(self):
        count = 1
        for size in self.dims:
            count *= size
        return count // self.kind.values

    @property
    def bytes(self):
        return self.blocks * self.kind.bytes

    def is_ones(self):
        return "norm." in self.name

    def zero_bytes(self):
        """Of the rows that are to be zeros, which every type has as bytes of zero."""
        is_head = self.name in ("lm_head.weight", "output.weight")
        return END_TOKENS * self.dims[-1] // self.kind.values * self.kind.bytes if is_head else 0


def file_of(path, header, size):
    """Opens a file of that size that begins with the header."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
    os.ftruncate(file, size)
    os.pwrite(file, header, 0)
    return file


def write_all(stored, device):
    """Draws and writes the tensors, piece by piece."""
    own = threading.local()

    def write(task):
        index, tensor, first, count = task
        if not hasattr(own, "generator"):
            own.generator = torch.Generator(device)
            own.stream = torch.cuda.Stream() if device == "cuda" else None
            own.host = torch.empty(PIECE, dtype=torch.uint8, pin_memory=device == "cuda")
        own.generator.manual_seed(index * 1_000_003 + first)  # the CPU takes 32 bits
        with torch.cuda.stream(own.stream):  # does nothing with None
            drawn = draw(tensor.kind, count, tensor.is_ones(), own.generator, device)
            if first == 0:
                drawn.view(-1)[: tensor.zero_bytes()] = 0
            host = own.host[: drawn.numel()]
            host.copy_(drawn.view(-1), non_blocking=True)
        if own.stream:
            own.stream.synchronize()
        written = os.pwrite(tensor.file, memoryview(host.numpy()), tensor.offset + first * tensor.kind.bytes)
        assert written == host.numel(), f"{tensor.name}: {written} bytes of {host.numel()} were written"

    tasks = []
    for index, tensor in enumerate(stored):
        each = PIECE // tensor.kind.bytes
        tasks += [(index, tensor, first, min(each, tensor.blocks - first)) for first in range(0, tensor.blocks, each)]
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(write, tasks))
    for file in {tensor.file for tensor in stored}:
        os.close(file)


def hugging_face(shape, folder):
    """The files of a Hugging Face folder but for the weights; the tensors to be written."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config(shape)))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer(shape.vocab)))
    settings = json.loads((TINY / "tokenizer_config.json").read_text())
    del settings["chat_template"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    stored = [Stored(name, dims, BF16) for name, dims in tensors(shape)]
    each = sum(tensor.bytes for tensor in stored) / SHARDS
    shards, done = [[] for _ in range(SHARDS)], 0
    for tensor in stored:
        shards[min(int(done / each), SHARDS - 1)].append(tensor)
        done += tensor.bytes
    names = {}
    for number, shard in enumerate(shards, 1):
        name = f"model-{number:05}-of-{SHARDS:05}.safetensors"
        header, end = {"__metadata__": {"format": "pt"}}, 0
        for tensor in shard:
            header[tensor.name] = {"dtype": "BF16", "shape": tensor.dims, "data_offsets": [end, end + tensor.bytes]}
            tensor.offset, end = end, end + tensor.bytes
            names[tensor.name] = name
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        start = 8 + len(text)
        file = file_of(folder / name, len(text).to_bytes(8, "little") + text, start + end)
        for tensor in shard:
            tensor.file, tensor.offset = file, start + tensor.offset
    index = {"metadata": {"total_size": done}, "weight_map": names}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return stored


def config(shape):
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "intermediate_size": shape.intermediate,
        "vocab_size": shape.vocab,
        "max_position_embeddings": 32_768,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1e6,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "use_sliding_window": False,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "torch_dtype": "bfloat16",
    }


def tokenizer(vocab):
    """The tiny model's, with a word for every other id."""
    found = json.loads((TINY / "tokenizer.json").read_text())
    words = found["model"]["vocab"]
    known = set(words.values()) | {token["id"] for token in found["added_tokens"]}
    words.update({f"w{id}": id for id in range(vocab) if id not in known})
    return found


def gguf(shape, path):
    """The file but for the weights; the tensors to be written."""
    stored = [Stored(name, dims, kind) for name, dims, kind in gguf_tensors(tensors(shape), shape.layers)]
    header, offsets, size = gguf_header(shape, tokenizer(shape.vocab), stored)
    file = file_of(path, header, size)
    for tensor, offset in zip(stored, offsets):
        tensor.file, tensor.offset = file, offset
    return stored


def facts(shape, stored_by_name):
    """What bounds the work: bytes that a token's pass reads, and sizes that operations are counted from."""
    projections = [dims for name, dims in tensors(shape) if "_proj.weight" in name]
    found = {
        "hidden_size": shape.hidden,
        "layers": shape.layers,
        "linear_parameters": sum(rows * cols for rows, cols in projections),
        "head_parameters": shape.vocab * shape.hidden,
        "lora_parameters_per_rank": sum(rows + cols for rows, cols in projections),
        "bytes_per_token": {},
    }
    for name, stored in stored_by_name.items():
        read = sum(tensor.bytes for tensor in stored if "embd" not in tensor.name and "embed" not in tensor.name)
        found["bytes_per_token"][name] = read
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shape", choices=SHAPES, default="7b")
    parser.add_argument("--layers", type=int, help="in place of the shape's")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    shape = SHAPES[args.shape]
    shape.layers = args.layers or shape.layers
    made = args.folder / "facts.json"
    arguments = {"shape": args.shape, "layers": shape.layers}
    # Written last: without it a folder was left by a run that was stopped.
    if made.exists() and json.loads(made.read_text())["made_with"] == arguments:
        print(f"{args.folder} has them")
        return
    made.unlink(missing_ok=True)
    stored = {"bf16": hugging_face(shape, args.folder / "bf16")}
    if shape.hidden % Q4_K.values == 0 and shape.intermediate % Q4_K.values == 0:
        stored["q4_k_m"] = gguf(shape, args.folder / "q4_k_m.gguf")
    else:
        print(f"no q4_k_m.gguf: rows of {shape.hidden} values are no multiple of {Q4_K.values}")
    write_all([tensor for part in stored.values() for tensor in part], args.device)
    made.write_text(json.dumps({"made_with": arguments} | facts(shape, stored)))
    for name, part in stored.items():
        print(f"{name}: {sum(tensor.bytes for tensor in part) / 1e9:.2f} GB in {args.folder}")


main()
