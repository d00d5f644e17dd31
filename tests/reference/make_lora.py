"""Writes ../fixtures/lora: adapters as PEFT writes them with the logits they give, and adapters that must be refused.

All expected numbers come from the adapter read back from its files, since what PEFT makes of a file is what counts:
patterns are tried in the order of the file, and save_pretrained sorts them.
"""

import json
import shutil

import torch
from peft import IA3Config, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer

from adapters import ALL_LINEAR, attach, edit_tensors, lora_config, save
from common import FIXTURES, floats, fresh_dir, load, logits, random_ids, rewrite_config, write_json

OUT = FIXTURES / "lora"
PROMPT = {"qwen2": random_ids("lora/qwen2/prompt", 10, 304), "qwen3": random_ids("lora/qwen3/prompt", 10, 96)}

ADAPTERS = {
    "plain": {"lora_alpha": 16, "target_modules": ["q_proj", "v_proj"]},
    "all-linear": {},
    "rslora": {"use_rslora": True},
    "patterns": {
        "rank_pattern": {
            "down_proj": 6, "layers.1.self_attn.q_proj": 2, r"model\.layers\.0\.mlp\.(gate|up)_proj": 3, "q_proj": 5,
        },
        # The first pattern that matches decides, not the closest: q_proj of layer 1 gets 12.
        "alpha_pattern": {
            "(q|v)_proj": 12, "^model.layers.0.self_attn.k_proj": 1, "layers.1.self_attn.q_proj": 20, "proj": 99,
        },
    },
    "regex": {"target_modules": r".*\.layers\.\d\.(self_attn\.[qk]_proj|mlp\.down_proj)"},
    "layers": {"layers_to_transform": [1]},
}


def write_expected(path, base: str) -> None:
    ids = PROMPT[base]
    model = PeftModel.from_pretrained(load(base), path).eval()
    unmerged = logits(model, ids)
    merged = logits(model.merge_and_unload(), ids)
    assert (unmerged - logits(load(base), ids)).abs().max() > 0.05, f"{path.name} changes nothing"
    torch.testing.assert_close(merged, unmerged, rtol=0, atol=1e-3)
    write_json(
        path / "expected.json",
        {"base": base, "input_ids": ids, "logits": floats(unmerged), "merged_logits": floats(merged)},
    )


def write_adapter(base: str, name: str) -> None:
    path = OUT / base / name
    model = attach(base, lora_config(**ADAPTERS[name]), f"lora/{base}/{name}")
    save(model, path, base)
    torch.testing.assert_close(
        logits(PeftModel.from_pretrained(load(base), path).eval(), PROMPT[base]), logits(model, PROMPT[base])
    )
    write_expected(path, base)


def write_unsorted_patterns(base: str) -> None:
    """A hand-written config may name the general pattern first, and then it wins: both layers have rank 6."""
    path = OUT / base / "patterns-order"
    options = {"r": 2, "target_modules": ["q_proj"], "rank_pattern": {"q_proj": 6}}
    save(attach(base, lora_config(**options), f"lora/{base}/patterns-order"), path, base)
    rewrite_config(path / "adapter_config.json", rank_pattern={"q_proj": 6, "layers.1.self_attn.q_proj": 3})
    write_expected(path, base)


def write_bf16(base: str) -> None:
    path = OUT / base / "bf16"
    save(attach(base, lora_config(), f"lora/{base}/bf16"), path, base)
    edit_tensors(path, lambda tensors: tensors.update({k: v.bfloat16() for k, v in tensors.items()}))
    write_expected(path, base)


def write_stacked(base: str) -> None:
    """Two adapters at once: their deltas add up, each times its own alpha/r and a scale chosen by the caller."""
    scales = {"plain": 1.0, "all-linear": 0.5}
    model = PeftModel.from_pretrained(load(base), OUT / base / "plain", adapter_name="plain")
    model.load_adapter(OUT / base / "all-linear", adapter_name="all-linear")
    model.base_model.set_adapter(list(scales))
    for module in model.modules():
        if isinstance(module, LoraLayer):
            for name, scale in scales.items():
                module.set_scale(name, scale)
    write_json(
        OUT / base / "stacked.json",
        {"base": base, "scales": scales, "input_ids": PROMPT[base], "logits": floats(logits(model.eval(), PROMPT[base]))},
    )


REFUSED_BASE = "qwen3"
KEY = "base_model.model.model.layers.1.self_attn.q_proj.lora_{}.weight"


def refuse(name: str, edit=None, base: str = REFUSED_BASE, **options):
    path = OUT / "refused" / name
    config = lora_config(**({"r": 2, "target_modules": ["q_proj"]} | options))
    save(attach(base, config, f"lora/refused/{name}"), path, base)
    if edit:
        edit_tensors(path, edit)
    return path


def write_refused() -> None:
    fresh_dir(OUT / "refused")
    a, b = KEY.format("A"), KEY.format("B")
    refuse("modules-to-save", modules_to_save=["lm_head"])
    refuse("dora", use_dora=True)
    # On the base whose q_proj has a bias to train.
    refuse("bias-all", base="qwen2", bias="all")
    refuse("bias-lora-only", base="qwen2", bias="lora_only")
    refuse("lora-bias", base="qwen2", lora_bias=True)
    refuse("missing-tensor", lambda t: t.pop(b))
    refuse("extra-tensor", lambda t: t.update({a.replace("layers.1", "layers.7"): t[a].clone()}))
    refuse("unknown-tensor", lambda t: t.update({"base_model.model.score.weight": torch.ones(2, 2)}))
    refuse("misshapen", lambda t: t.update({a: t[a].T.contiguous()}))
    refuse("nan", lambda t: t[b].view(-1)[3].fill_(float("nan")))
    refuse("infinite", lambda t: t[a].view(-1)[3].fill_(float("inf")))
    refuse("integers", lambda t: t.update({a: t[a].to(torch.int32)}))

    rewrite_config(refuse("wrong-rank") / "adapter_config.json", r=3)
    rewrite_config(refuse("rank-zero") / "adapter_config.json", r=0)
    rewrite_config(refuse("bad-regex") / "adapter_config.json", target_modules="q_proj(")
    (refuse("no-weights") / "adapter_model.safetensors").unlink()
    truncated = refuse("truncated") / "adapter_model.safetensors"
    truncated.write_bytes(truncated.read_bytes()[:-5])
    cut = refuse("bad-json") / "adapter_config.json"
    cut.write_text(cut.read_text()[:100])

    ia3 = IA3Config(task_type="CAUSAL_LM", target_modules=["k_proj", "v_proj"], feedforward_modules=[])
    save(get_peft_model(load(REFUSED_BASE), ia3), OUT / "refused" / "ia3", REFUSED_BASE)


if __name__ == "__main__":
    shutil.rmtree(OUT, ignore_errors=True)
    for base, names in {"qwen2": list(ADAPTERS), "qwen3": ["plain", "all-linear", "patterns"]}.items():
        for name in names:
            write_adapter(base, name)
        write_unsorted_patterns(base)
        write_bf16(base)
        write_stacked(base)
    write_refused()
    for config in sorted(OUT.glob("*/*/adapter_config.json")):
        if config.parent.name != "bad-json":
            settings = json.loads(config.read_text())
            print(config.parent.relative_to(OUT), settings["peft_type"], settings.get("r"), settings["target_modules"])
