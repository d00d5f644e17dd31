"""Usage: make_training.py [FAMILY…]

Writes ../fixtures/training, all or the gradients on the models named: adapter gradients of one batch, and a 50-step loss curve.

The loss is the mean over trained tokens of the whole batch: cross-entropy of position t's logits with label t+1,
summed where that label is not -100, divided by how many there are.
"""

import copy
import sys

import torch
from peft import PeftModel, get_peft_model
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy
from transformers import get_cosine_schedule_with_warmup

from adapters import attach, linear_names, lora_config, lora_parameters, save
from common import FIXTURES, floats, fresh_dir, generator, load, logits, random_ids, write_json
from families import FAMILIES

OUT = FIXTURES / "training"
IGNORE = -100
VOCAB = {"qwen2": 304}
PAD = {"qwen2": 288}

# (tokens, spans that are trained). The second row is a conversation with two answers; the third is almost all answer.
BATCH = [(9, [(4, 9)]), (14, [(3, 5), (9, 14)]), (6, [(1, 6)]), (12, [(11, 12)])]

CURVE = {
    "batch_size": 4, "steps": 50, "warmup_steps": 5, "learning_rate": 5e-3, "beta1": 0.9, "beta2": 0.999,
    "epsilon": 1e-8, "weight_decay": 0.01, "schedule": "cosine",
}
# The first clips every step, the second some: a trainer that always or never rescales fails one of them.
MAX_GRAD_NORM = {"qwen2": 1.0, "qwen3": 3.4}


def batch(base: str, rows: list[dict]) -> dict[str, torch.Tensor]:
    """Rows of one length, padded on the right."""
    width = max(len(row["input_ids"]) for row in rows)
    pads = {"input_ids": PAD.get(base, 0), "labels": IGNORE, "attention_mask": 0}
    full = [row | {"attention_mask": [1] * len(row["input_ids"])} for row in rows]
    return {
        key: torch.tensor([row[key] + [pad] * (width - len(row[key])) for row in full]) for key, pad in pads.items()
    }


def row(name: str, base: str, length: int, spans: list[tuple[int, int]]) -> dict:
    ids = random_ids(name, length, VOCAB.get(base, 96))
    trained = {i for start, end in spans for i in range(start, end)}
    return {"input_ids": ids, "labels": [t if i in trained else IGNORE for i, t in enumerate(ids)]}


def completion_loss(model: PeftModel, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    scores = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits
    labels = inputs["labels"][:, 1:]
    total = cross_entropy(scores[:, :-1].flatten(0, 1), labels.flatten(), ignore_index=IGNORE, reduction="sum")
    return total / (labels != IGNORE).sum()


def check_against_single_rows(model: PeftModel, base: str, rows: list[dict], loss: float, grads: dict) -> None:
    """Padding must not matter: the rows one by one, unpadded, weighted by their trained tokens, give the same."""
    counts = [sum(label != IGNORE for label in r["labels"][1:]) for r in rows]
    model.zero_grad()
    losses = [completion_loss(model, batch(base, [r])) * (n / sum(counts)) for r, n in zip(rows, counts)]
    sum(losses).backward()
    assert abs(sum(losses).item() - loss) < 1e-5
    for key, weight in lora_parameters(model).items():
        torch.testing.assert_close(weight.grad, grads[key], rtol=1e-4, atol=1e-5 * max(0.1, grads[key].abs().max().item()))


def write_gradients(name: str, base: str, **options) -> None:
    out = fresh_dir(OUT / name)
    model = attach(base, lora_config(**options), f"training/{name}", b=0.05)
    save(model, out / "adapter", base)
    rows = [row(f"training/{name}/{i}", base, *shape) for i, shape in enumerate(BATCH)]
    inputs = batch(base, rows)

    loss = completion_loss(model, inputs)
    loss.backward()
    assert abs(model(**inputs).loss.item() - loss.item()) < 1e-6, "not the loss transformers computes"
    grads = {key: weight.grad.clone() for key, weight in lora_parameters(model).items()}
    assert all(g.abs().max() > 1e-5 for g in grads.values()), "a gradient is too small to test"
    check_against_single_rows(model, base, rows, loss.item(), grads)

    save_file(grads, out / "gradients.safetensors")
    norm = torch.stack([g.norm() for g in grads.values()]).norm()
    write_json(
        out / "batch.json",
        {"base": base} | {key: value.tolist() for key, value in inputs.items()}
        | {"trained_tokens": (inputs["labels"][:, 1:] != IGNORE).sum().item(), "loss": floats(loss),
           "grad_norm": floats(norm)},
    )


def train(model: PeftModel, base: str, rows: list[dict], order: list[list[int]]) -> dict[str, list[float]]:
    weights = list(lora_parameters(model).values())
    optimizer = torch.optim.AdamW(
        weights, lr=CURVE["learning_rate"], betas=(CURVE["beta1"], CURVE["beta2"]), eps=CURVE["epsilon"],
        weight_decay=CURVE["weight_decay"],
    )
    schedule = get_cosine_schedule_with_warmup(optimizer, CURVE["warmup_steps"], CURVE["steps"])
    record = {"learning_rate": [], "loss": [], "grad_norm": []}
    for indices in order:
        record["learning_rate"].append(schedule.get_last_lr()[0])
        loss = completion_loss(model, batch(base, [rows[i] for i in indices]))
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(weights, MAX_GRAD_NORM[base])
        optimizer.step()
        schedule.step()
        record["loss"].append(loss.item())
        record["grad_norm"].append(norm.item())
    return record


def write_curve(base: str) -> None:
    name = f"curve-{base}"
    out = fresh_dir(OUT / name)
    # PEFT's own start: A Kaiming-uniform, B zero.
    torch.manual_seed(7)
    model = get_peft_model(load(base), lora_config()).eval()
    save(model, out / "initial", base)
    # The same run in float64 shows how far honest rounding may drift; a tolerance below that would be luck.
    precise = copy.deepcopy(model).double()

    rows = []
    for i in range(16):
        length = 6 + (5 * i) % 11
        rows.append(row(f"{name}/{i}", base, length, [(2 + i % 3, length)]))
    shuffle = generator(f"{name}/order")
    order = []
    while len(order) < CURVE["steps"]:
        order += torch.randperm(16, generator=shuffle).view(4, 4).tolist()
    order = order[: CURVE["steps"]]

    record = train(model, base, rows, order)
    record64 = train(precise, base, rows, order)
    save(model, out / "final", base)
    test_ids = random_ids(f"{name}/test", 12, VOCAB.get(base, 96))
    final, final64 = logits(model, test_ids), logits(precise, test_ids)
    spread = {
        "loss_spread": max(abs(a - b) for a, b in zip(record["loss"], record64["loss"])),
        "final_logits_spread": (final - final64).abs().max().item(),
    }
    print(f"{name}: loss {record['loss'][0]:.3f} -> {record['loss'][-1]:.3f}; float64 differs by {spread}")
    write_json(
        out / "curve.json",
        {"base": base} | CURVE | {"max_grad_norm": MAX_GRAD_NORM[base]} | {"rows": rows, "order": order, "learning_rates": record["learning_rate"]}
        | {"loss": floats(record["loss"]), "grad_norm": floats(record["grad_norm"]),
           "test_input_ids": test_ids, "final_logits": floats(final)} | spread,
    )


if __name__ == "__main__":
    trained = [name for name, (_, how) in FAMILIES.items() if how.get("training", True)]
    for family in [name for name in trained if name in sys.argv[1:] or len(sys.argv) == 1]:
        write_gradients(family, family, target_modules=linear_names(load(family)))
        print("wrote", family)
    if len(sys.argv) > 1:
        sys.exit()
    write_gradients("qwen2", "qwen2")
    write_gradients("qwen3", "qwen3")
    write_gradients("qwen2-rslora", "qwen2", use_rslora=True, lora_alpha=6)
    write_curve("qwen2")
    write_curve("qwen3")
