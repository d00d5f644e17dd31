"""Usage: check_adapter.py ADAPTER_DIR BASE_DIR IDS_JSON

Loads an adapter with PEFT on a base model in float32 and prints {"logits": …, "merged_logits": …}, each
[positions][vocab], for the ids in IDS_JSON (a JSON array, or @file). Exits with 1 and a message if PEFT finds a tensor
missing, if the file holds one that PEFT does not use, or if one is not finite.
"""

import json
import pathlib
import sys
import warnings

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import load_file

from common import floats, load_dir, logits


def fail(message: str):
    print(f"check_adapter: {message}", file=sys.stderr)
    sys.exit(1)


def check_names(model: PeftModel, stored: dict) -> None:
    wanted = get_peft_model_state_dict(model)
    missing, unexpected = sorted(wanted.keys() - stored.keys()), sorted(stored.keys() - wanted.keys())
    if missing or unexpected:
        fail(f"missing in the file: {missing}; not used by PEFT: {unexpected}")
    for name, tensor in wanted.items():
        if not torch.isfinite(stored[name]).all():
            fail(f"{name} is not finite")
        if not torch.equal(stored[name].float(), tensor.float()):
            fail(f"{name} is not what PEFT loaded")


def main(adapter: str, base: str, ids: str) -> None:
    ids = json.loads(pathlib.Path(ids[1:]).read_text() if ids.startswith("@") else ids)
    warnings.filterwarnings("error", message=".*(missing|unexpected|mismatch).*")
    try:
        model = PeftModel.from_pretrained(load_dir(pathlib.Path(base)), adapter).eval()
    except Exception as error:  # PEFT, safetensors, json and re raise what they like; all of it means "not readable"
        fail(f"PEFT does not load {adapter}: {error}")
    check_names(model, load_file(pathlib.Path(adapter) / "adapter_model.safetensors"))
    unmerged = logits(model, ids)
    merged = logits(model.merge_and_unload(), ids)
    print(json.dumps({"logits": floats(unmerged), "merged_logits": floats(merged)}))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        fail(__doc__.splitlines()[0])
    main(*sys.argv[1:])
