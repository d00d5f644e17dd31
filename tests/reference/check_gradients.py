"""Usage: check_gradients.py ADAPTER_DIR BASE_DIR ROWS_JSON OUT

Backward of PyTorch through a base model in float32 with a PEFT adapter on it. ROWS_JSON is an array of
{"ids": […], "prompt_len": n}; the loss is the sum of the cross-entropy of all tokens from prompt_len on. Writes the
gradients to OUT, a safetensors file with PEFT's names, and prints {"loss": …}.
"""

import json
import pathlib
import sys

import torch
from peft import PeftModel
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy

from adapters import lora_parameters
from common import load_dir


def main(adapter: str, base: str, rows: str, out: str) -> None:
    model = PeftModel.from_pretrained(load_dir(pathlib.Path(base)), adapter, is_trainable=True).eval()
    loss = torch.zeros(())
    for row in json.loads(rows):
        ids, first = torch.tensor(row["ids"]), row["prompt_len"]
        scores = model(input_ids=ids[None]).logits[0]
        loss = loss + cross_entropy(scores[first - 1 : -1], ids[first:], reduction="sum")
    loss.backward()
    save_file({name: weight.grad for name, weight in lora_parameters(model).items()}, out)
    print(json.dumps({"loss": loss.item()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
