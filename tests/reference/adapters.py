"""What the adapter and training fixtures share: putting a LoRA adapter on a fixture model, and writing it as PEFT does."""

import pathlib

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file

from common import fresh_dir, generator, load, rewrite_config

ALL_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def lora_config(**options) -> LoraConfig:
    options = {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "target_modules": ALL_LINEAR} | options
    return LoraConfig(task_type="CAUSAL_LM", **options)


def linear_names(model: torch.nn.Module) -> list[str]:
    """The last parts of the names of the linear layers of the decoder layers, sorted."""
    linears = (name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear))
    return sorted({name.split(".")[-1] for name in linears if ".layers." in name})


def lora_parameters(model: PeftModel) -> dict[str, torch.nn.Parameter]:
    """Trained tensors by the names they have in adapter_model.safetensors, sorted."""
    found = {k.replace(".default.", "."): p for k, p in model.named_parameters() if p.requires_grad}
    return dict(sorted(found.items()))


@torch.no_grad()
def randomise(model: PeftModel, name: str, a: float = 0.2, b: float = 0.1) -> None:
    """Random A and B: PEFT starts B at zero, which would hide every mistake in A and in the scale."""
    source = generator(name)
    for key, weight in lora_parameters(model).items():
        weight.copy_((a if "lora_A" in key else b) * torch.randn(weight.shape, generator=source))


def attach(base: str, config: LoraConfig, name: str, **scales) -> PeftModel:
    model = get_peft_model(load(base), config).eval()
    randomise(model, name, **scales)
    return model


def save(model: PeftModel, path: pathlib.Path, base: str) -> pathlib.Path:
    """save_pretrained, less the model card, and naming the base by fixture name instead of by where it was read."""
    fresh_dir(path)
    model.save_pretrained(path)
    (path / "README.md").unlink()
    rewrite_config(path / "adapter_config.json", base_model_name_or_path=base)
    return path


def edit_tensors(path: pathlib.Path, edit) -> None:
    file = path / "adapter_model.safetensors"
    tensors = load_file(file)
    edit(tensors)
    save_file(tensors, file, metadata={"format": "pt"})
