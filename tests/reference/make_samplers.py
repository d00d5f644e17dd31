"""The probabilities that transformers' logits processors leave, in the order of its `generate`.

Penalties see the prompt and the completion as one; `expected.json` says of each case what the options are, which tokens were
there, and which probabilities remain.
"""

import torch
from common import FIXTURES, floats, fresh_dir, generator, write_json
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    SequenceBiasLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

VOCAB = 300

CASES = [
    {"temperature": 1.0},
    {"temperature": 0.7},
    {"temperature": 1.3, "top_k": 20},
    {"temperature": 1.0, "top_p": 0.8},
    {"temperature": 2.0, "top_p": 0.35},
    {"temperature": 1.0, "min_p": 0.1},
    {"temperature": 0.5, "min_p": 0.02},
    {"temperature": 1.0, "typical_p": 0.9},
    {"temperature": 1.0, "typical_p": 0.3},
    {"temperature": 1.5, "typical_p": 0.05},
    {"temperature": 1.0, "repetition_penalty": 1.3},
    {"temperature": 1.0, "repetition_penalty": 0.8, "top_k": 5},
    {"temperature": 1.0, "logit_bias": {"3": 4.5, "7": -100.0, "250": 1.25}},
    {"temperature": 0.9, "top_k": 100, "top_p": 0.9, "min_p": 0.05},
    {"temperature": 1.2, "top_k": 60, "top_p": 0.95, "typical_p": 0.6},
    {
        "temperature": 0.8,
        "logit_bias": {"11": 2.0},
        "repetition_penalty": 1.1,
        "top_k": 40,
        "top_p": 0.9,
        "min_p": 0.01,
        "typical_p": 0.8,
    },
]


def processors(options: dict) -> LogitsProcessorList:
    made = LogitsProcessorList()
    if bias := options.get("logit_bias"):
        made.append(SequenceBiasLogitsProcessor({(int(token),): value for token, value in bias.items()}))
    if (penalty := options.get("repetition_penalty", 1.0)) != 1.0:
        made.append(RepetitionPenaltyLogitsProcessor(penalty))
    if options["temperature"] != 1.0:
        made.append(TemperatureLogitsWarper(options["temperature"]))
    if top_k := options.get("top_k"):
        made.append(TopKLogitsWarper(top_k))
    if top_p := options.get("top_p"):
        made.append(TopPLogitsWarper(top_p))
    if min_p := options.get("min_p"):
        made.append(MinPLogitsWarper(min_p))
    if typical_p := options.get("typical_p"):
        made.append(TypicalLogitsWarper(typical_p))
    return made


def main() -> None:
    rng = generator("samplers")
    logits = torch.randn(VOCAB, generator=rng) * 2.5
    seen = torch.randint(0, VOCAB, (40,), generator=rng)
    cases = []
    for options in CASES:
        scores = processors(options)(seen[None], logits[None].clone())[0]
        probabilities = torch.softmax(scores.double(), 0)
        left = torch.nonzero(torch.isfinite(scores))[:, 0].tolist()
        cases.append({"options": options, "tokens": left, "probabilities": floats(probabilities[left].float())})
    folder = fresh_dir(FIXTURES / "samplers")
    write_json(folder / "expected.json", {"logits": floats(logits), "seen": seen.tolist(), "cases": cases})


if __name__ == "__main__":
    main()
