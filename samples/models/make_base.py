"""Makes `tailora-tiny`, the small language model of the samples: its own corpus, tokenizer, training, and files.

    python make_base.py                                            # about 5 minutes on an idle CPU core
    python make_base.py --round 2 --steps 700 --lr 1.2e-3          # goes on from it; about 4 minutes
    python make_base.py --steps 20 --out /tmp/smoke                # a smoke test

Needs torch, transformers, tokenizers and safetensors. Everything is seeded; no text from anywhere else is used.
"""

import argparse
import json
import math
import pathlib
import re
import time

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import Qwen2Config, Qwen2ForCausalLM

import base_init
import base_prose

SEED = 20240607
VOCAB = 2816
QUESTION_WEIGHT = 0.15
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
# The house style of the sample CSV is the adapter's to learn; the base must not have met it.
HOUSE_TERMS = ["盘点结论", "继任者", "揭榜挂帅", "高潜池", "九宫格", "传帮带", "下一步", "建议纳入"]
# Qwen2's split, except that only a space joins the word after it: a value then has the same tokens after `:` as in prose.
SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
HAN = "[\u4e00-\u9fff]"
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)


def splitter(*, per_character: bool = False, bytes_: bool = True) -> pre_tokenizers.Sequence:
    steps = [pre_tokenizers.Split(Regex(SPLIT), behavior="isolated")]
    if per_character:
        steps.append(pre_tokenizers.Split(Regex(HAN), behavior="isolated"))
    if bytes_:
        steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))
    return pre_tokenizers.Sequence(steps)


def train_tokenizer(texts: list[str]) -> Tokenizer:
    """Byte-level BPE in two passes: bytes to characters and English words, then characters to two-character words.

    One pass would also merge across character borders (the last bytes of one character with the first of the next),
    and a word would be cut differently from place to place. A small model copies better when it is not.
    """
    byte_trainer = trainers.BpeTrainer(
        vocab_size=VOCAB, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), min_frequency=4, show_progress=False)
    by_byte = Tokenizer(models.BPE())
    by_byte.pre_tokenizer = splitter(per_character=True)
    by_byte.train_from_iterator(texts, byte_trainer)
    by_character = Tokenizer(models.BPE())
    by_character.pre_tokenizer = splitter(bytes_=False)
    by_character.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=20000, max_token_length=2, min_frequency=20, show_progress=False))

    learnt = json.loads(by_byte.to_str())["model"]
    vocab, merges = learnt["vocab"], [tuple(m) for m in learnt["merges"]]
    as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for left, right in json.loads(by_character.to_str())["model"]["merges"]:
        pair = tuple(as_bytes.pre_tokenize_str(side)[0][0] for side in (left, right))
        if len(vocab) < VOCAB and re.fullmatch(HAN, left) and re.fullmatch(HAN, right) and all(side in vocab for side in pair):
            vocab["".join(pair)] = len(vocab)
            merges.append(pair)

    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = splitter()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL])
    return tokenizer


def config(tokenizer: Tokenizer) -> Qwen2Config:
    end_of_text, _, im_end = (tokenizer.token_to_id(t) for t in SPECIAL)
    return Qwen2Config(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=192, intermediate_size=512, num_hidden_layers=4,
        num_attention_heads=6, num_key_value_heads=2, max_position_embeddings=1024, rope_theta=10000.0,
        tie_word_embeddings=True, initializer_range=0.06, bos_token_id=None, eos_token_id=im_end, pad_token_id=end_of_text, use_cache=True)


def pack(tokenizer: Tokenizer, texts: list[str], length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """All documents end to end with <|endoftext|> between, cut into rows; and each token's weight in the loss.

    An answer counts in full. A question is made of random values, which nobody can predict: it counts little.
    """
    end, start, stop = (tokenizer.token_to_id(t) for t in SPECIAL)
    assistant = tokenizer.encode("assistant").ids[0]
    ids: list[int] = []
    weights: list[float] = []
    for encoding in tokenizer.encode_batch(texts):
        answering = start not in encoding.ids
        for before, token in zip([end] + encoding.ids, encoding.ids + [end]):
            ids.append(token)
            weights.append(1.0 if answering else QUESTION_WEIGHT)
            if before == start:
                answering = token == assistant
            elif token == stop:
                answering = False
    rows = len(ids) // length
    cut = slice(0, rows * length)
    return torch.tensor(ids[cut]).view(rows, length), torch.tensor(weights[cut]).view(rows, length)


def learning_rate(step: int, steps: int, peak: float) -> float:
    warm, fall = 40, int(steps * 0.5)
    if step < warm:
        return peak * (step + 1) / warm
    if step < steps - fall:
        return peak
    return peak * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - steps + fall) / fall)))


def train(model: Qwen2ForCausalLM, rows: torch.Tensor, weights: torch.Tensor, args: argparse.Namespace) -> None:
    prepared = base_init.prepared(model)
    known = {id(p) for p in prepared}
    rest = [p for p in model.parameters() if id(p) not in known]
    # What was written in by hand moves slowly, or Adam's first, equal-sized steps would wipe it out.
    groups = [{"params": prepared, "share": 0.15 if args.round == 1 else 1.0}, {"params": rest, "share": 1.0}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.02)
    model.train()
    began = time.time()
    for step in range(args.steps):
        for group in optimizer.param_groups:
            group["lr"] = group["share"] * learning_rate(step, args.steps, args.lr)
        at = step * args.batch % (len(rows) - args.batch)
        batch = rows[at : at + args.batch]
        logits = model(input_ids=batch).logits
        each = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), batch[:, 1:].flatten(), reduction="none")
        weight = weights[at : at + args.batch, 1:].flatten()
        loss = (each * weight).sum() / weight.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step % 50 == 0 or step == args.steps - 1:
            print(f"step {step} loss {loss.item():.4f} {time.time() - began:.0f} s", flush=True)


def save(model: Qwen2ForCausalLM, tokenizer: Tokenizer, out: pathlib.Path) -> None:
    end_of_text, _, im_end = (tokenizer.token_to_id(t) for t in SPECIAL)
    model.generation_config.eos_token_id = [im_end, end_of_text]
    model.generation_config.pad_token_id = end_of_text
    model.half().save_pretrained(out)
    tokenizer.save(str(out / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 1024, "add_prefix_space": False, "add_bos_token": False,
        "bos_token": None, "eos_token": SPECIAL[2], "pad_token": SPECIAL[0], "unk_token": None, "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
        "added_tokens_decoder": {
            str(tokenizer.token_to_id(t)): {"content": t, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
            for t in SPECIAL},
    }
    (out / "tokenizer_config.json").write_text(json.dumps(settings, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent / "tailora-tiny")
    parser.add_argument("--round", type=int, default=1, help="1 starts afresh; 2 goes on from --out with new text")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()

    torch.manual_seed(SEED)
    torch.set_num_threads(args.threads)
    texts = base_prose.documents(max(4000, args.steps * args.batch * args.length // 90), SEED + args.round - 1)
    found = [term for term in HOUSE_TERMS if any(term in text for text in texts)]
    if found:
        raise SystemExit(f"the corpus has house terms {found}; it must not")
    if args.round == 1:
        tokenizer = train_tokenizer(texts[:8000])
        model = Qwen2ForCausalLM(config(tokenizer))
        base_init.prepare(model)
    else:
        tokenizer = Tokenizer.from_file(str(args.out / "tokenizer.json"))
        model = Qwen2ForCausalLM.from_pretrained(args.out, dtype=torch.float32)
    rows, weights = pack(tokenizer, texts, args.length)
    print(f"{len(texts)} documents, {rows.numel()} tokens, vocabulary {tokenizer.get_vocab_size()}", flush=True)
    print(f"{model.num_parameters()} parameters", flush=True)
    args.out.mkdir(parents=True, exist_ok=True)
    train(model, rows, weights, args)
    save(model, tokenizer, args.out)


if __name__ == "__main__":
    main()
