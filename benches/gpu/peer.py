"""What PyTorch, transformers and PEFT make of the same model on the same card, and what the card can do.

    peer.py FOLDER/bf16 [--only train|decode|card]

Prints one JSON object a line, each as soon as it is there. Training as a user's script does it: bf16 base, every linear
layer adapted (r 8, alpha 16), attention by `scaled_dot_product_attention`, fused AdamW, gradients clipped at 1, no
gradient checkpointing unless the memory does not suffice; 4 rows of 512 tokens, each of which is trained. Once as
`Trainer(bf16=True)` has it (adapter in f32 under autocast), once with the adapter in bf16, too.
"""

import argparse
import json
import time

import torch
import transformers
from peft import LoraConfig, get_peft_model

ROWS = 4
WARM_UP_STEPS, STEPS = 3, 10
COMPLETION = 128
MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def show(**figures):
    print(json.dumps(figures), flush=True)


def wait(device):
    if device == "cuda":
        torch.cuda.synchronize()


def used_gib(device):
    """What is taken of the card's memory, as nvidia-smi says it: PyTorch gives back none by itself, so this is the peak."""
    if device != "cuda":
        return None
    free, total = torch.cuda.mem_get_info()
    return (total - free) / (1 << 30)


def load(path, device):
    settings = {"dtype": torch.bfloat16, "attn_implementation": "sdpa"}
    try:
        model = transformers.AutoModelForCausalLM.from_pretrained(path, device_map={"": device}, **settings)
    except (ImportError, ValueError):  # accelerate is not there
        model = transformers.AutoModelForCausalLM.from_pretrained(path, **settings).to(device)
    return model


def train(base, device, tokens, name, autocast):
    """Times the steps with one form of adapter; the base as it was."""
    config = LoraConfig(r=8, lora_alpha=16, target_modules=MODULES, task_type="CAUSAL_LM")
    model = get_peft_model(base, config, autocast_adapter_dtype=autocast)
    model.config.use_cache = False
    model.train()
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=2e-4, weight_decay=0.0, fused=True)
    size = (WARM_UP_STEPS + STEPS, ROWS, tokens)
    rows = torch.randint(model.config.vocab_size, size, device=device)

    def step(ids):
        with torch.autocast(device, torch.bfloat16, enabled=autocast):
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    try:
        for ids in rows[:WARM_UP_STEPS]:
            step(ids)
        wait(device)
        began = time.perf_counter()
        for ids in rows[WARM_UP_STEPS:]:
            loss = step(ids)
        wait(device)
        seconds = time.perf_counter() - began
        figures = {"tokens_per_second": STEPS * ROWS * tokens / seconds, "step_ms": 1e3 * seconds / STEPS}
        show(name=name, **figures, peak_gib=used_gib(device), loss=loss.item(), adapter=str(trained[0].dtype))
    finally:
        optimizer.zero_grad(set_to_none=True)
        model.unload()


def train_all(base, device, tokens):
    for name, autocast in (("train peft, adapter f32, autocast", True), ("train peft, adapter bf16", False)):
        try:
            train(base, device, tokens, name, autocast)
        except torch.OutOfMemoryError:
            base.gradient_checkpointing_enable()
            base.enable_input_require_grads()
            train(base, device, tokens, f"{name}, checkpointing", autocast)
        if device == "cuda":
            torch.cuda.empty_cache()


def decode(model, device):
    """For information: transformers' own loop, its steps not compiled."""
    model.eval()
    model.config.use_cache = True
    ids = torch.randint(model.config.vocab_size, (1, 1), device=device)
    settings = {"do_sample": False, "cache_implementation": "static", "disable_compile": True, "pad_token_id": 0}

    def generate(count):
        with torch.inference_mode():
            model.generate(ids, min_new_tokens=count, max_new_tokens=count, attention_mask=ids * 0 + 1, **settings)
        wait(device)

    generate(8)
    began = time.perf_counter()
    generate(COMPLETION)
    speed = COMPLETION / (time.perf_counter() - began)
    show(name="decode 1 transformers", tokens_per_second=speed, peak_gib=used_gib(device))


def prefill(model, device, tokens):
    """A prompt's pass alone, up to the last token's logits."""
    model.eval()
    ids = torch.randint(model.config.vocab_size, (1, tokens), device=device)
    with torch.inference_mode():
        seconds = timed(lambda: model(ids, logits_to_keep=1, use_cache=True), device)
    show(name=f"prefill {tokens} transformers", tokens_per_second=tokens / seconds, peak_gib=used_gib(device))


def timed(work, device, times=10):
    """Mean seconds."""
    for _ in range(3):
        work()
    wait(device)
    began = time.perf_counter()
    for _ in range(times):
        work()
    wait(device)
    return (time.perf_counter() - began) / times


def gemm(config, device, rows):
    """The products of a training step, forward and to the inputs' gradients, alone: each shape, and all together."""
    hidden, ffn = config.hidden_size, config.intermediate_size
    kv = hidden * config.num_key_value_heads // config.num_attention_heads
    layers = config.num_hidden_layers
    shapes = {
        (hidden, hidden): 2 * layers,
        (kv, hidden): 2 * layers,
        (ffn, hidden): 2 * layers,
        (hidden, ffn): layers,
        (config.vocab_size, hidden): 1,
    }
    operations, seconds, each = 0, 0.0, {}
    for (outputs, inputs), count in shapes.items():
        weight = torch.randn(outputs, inputs, device=device, dtype=torch.bfloat16)
        x = torch.randn(rows, inputs, device=device, dtype=torch.bfloat16)
        dy = torch.randn(rows, outputs, device=device, dtype=torch.bfloat16)
        forward, backward = timed(lambda: x @ weight.T, device), timed(lambda: dy @ weight, device)
        work = 2 * rows * outputs * inputs
        each[f"{outputs}x{inputs}"] = [round(work / forward / 1e12, 1), round(work / backward / 1e12, 1)]
        operations += 2 * work * count
        seconds += (forward + backward) * count
    show(name="gemm", tflops=operations / seconds / 1e12, step_ms=1e3 * seconds, forward_and_backward=each)


def copy(device):
    """Memory to memory on the card: bytes read and written."""
    count = (4 << 30) if device == "cuda" else (1 << 26)
    source, target = (torch.ones(count, dtype=torch.uint8, device=device) for _ in range(2))
    seconds = timed(lambda: target.copy_(source), device)
    show(name="copy", gb_per_second=2 * count / seconds / 1e9)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--only", choices=["train", "decode", "card"])
    parser.add_argument("--tokens", type=int, default=512, help="of a row, and of a prompt")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    torch.manual_seed(4)
    wanted = [args.only] if args.only else ["card", "train", "decode"]
    if "card" in wanted:
        gemm(transformers.AutoConfig.from_pretrained(args.model), args.device, ROWS * args.tokens)
        copy(args.device)
        if args.device == "cuda":
            torch.cuda.empty_cache()
    if wanted == ["card"]:
        return
    model = load(args.model, args.device)
    if "train" in wanted:
        train_all(model, args.device, args.tokens)
    if "decode" in wanted:
        prefill(model, args.device, args.tokens)
        decode(model, args.device)


main()
