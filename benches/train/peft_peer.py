"""One measurement of PyTorch + PEFT: trains as the job says and prints one JSON object.

What a user's script does: weights in f32 or in bf16 (the adapter in f32, as PEFT makes it; in bf16 where the job says so), the library's defaults for attention and loss, AdamW over the
adapter, gradient clipping at 1, no gradient checkpointing. Rows are padded to the longest of their batch; prompts have the label -100.
"""

import json
import random
import sys
import time

import peft
import torch
import transformers


def batches(rows, size, device):
    """The rows in random order, padded batch by batch; the real tokens of each batch beside it."""
    rows = list(rows)
    random.Random(4).shuffle(rows)
    for start in range(0, len(rows), size):
        chosen = rows[start : start + size]
        longest = max(len(row["ids"]) for row in chosen)
        ids, mask, labels = [], [], []
        for row in chosen:
            tokens, given = row["ids"], row["prompt_len"]
            padding = longest - len(tokens)
            ids.append(tokens + [0] * padding)
            mask.append([1] * len(tokens) + [0] * padding)
            labels.append([-100] * given + tokens[given:] + [-100] * padding)
        batch = {"input_ids": ids, "attention_mask": mask, "labels": labels}
        yield {key: torch.tensor(value, device=device) for key, value in batch.items()}, sum(map(sum, mask))


def peak_gib():
    """The process's highest resident memory; null on systems without /proc."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            return next(int(line.split()[1]) / (1 << 20) for line in status if line.startswith("VmHWM"))
    except OSError:
        return None


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    with open(job["rows"], encoding="utf-8") as file:
        rows = json.load(file)
    train = job["train"]
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    torch.set_num_threads(job["model"]["threads"])
    torch.manual_seed(4)

    device = job["model"]["device"]
    dtype = torch.float32 if job["dtype"] == "f32" else torch.bfloat16
    model = transformers.AutoModelForCausalLM.from_pretrained(job["model_dir"], dtype=dtype).to(device)
    config = peft.LoraConfig(
        r=train["r"],
        lora_alpha=train["lora_alpha"],
        target_modules=train["target_modules"],
        task_type="CAUSAL_LM",
    )
    model = peft.get_peft_model(model, config, autocast_adapter_dtype=job["dtype"] != "bf16 throughout")
    model.config.use_cache = False
    model.train()
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=train["learning_rate"], weight_decay=0.0)

    def step(batch):
        loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    prepared = list(batches(rows, train["batch_size"], device))
    step(prepared[0][0])  # not timed
    tokens, seconds, loss = 0, 0.0, float("nan")
    for batch, real in prepared[: train["max_steps"]]:
        began = time.perf_counter()
        loss = step(batch)
        seconds += time.perf_counter() - began
        tokens += real
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__}
    figures = {"tokens_per_s": tokens / seconds, "tokens": tokens, "loss": loss, "peak_gib": peak_gib()}
    print(json.dumps(figures | versions))


main()
