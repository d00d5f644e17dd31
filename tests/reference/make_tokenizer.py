"""A tiny byte-level BPE tokenizer with Qwen's pre-tokenizer and ChatML template, for the fixture model `qwen2`.

Also writes `expected_tokenizer.json`: texts with their ids, and conversations with their rendered prompts. Not run on
its own: make_models.py calls it.
"""

import pathlib

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from common import rewrite_config, write_json

MERGES = 32
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
BOS_ID = 256 + MERGES
EOS_ID = BOS_ID + 2
# Like real Qwen models, the embedding has more rows than the tokenizer has tokens.
PADDED_VOCAB = 304

SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CORPUS = [
    "The report says that the result of the quarter is good, and that the team is on the way to the target.",
    "The user asks the assistant for a report on the performance of the team. The assistant answers the user.",
    "system\nYou are a helpful assistant.\nuser\nassistant\n",
]
CHATML = (
    "{% for message in messages %}"
    "{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TEXTS = [
    "The report is good.", "the  team's 2024 result:\n\n\t42%", "Zürich, naïve café", "年度绩效评估", "e\u0301 is composed",
    "<|im_start|>user\nhi<|im_end|>", "", " \n ", "👩‍💻 ok",
]
CONVERSATIONS = [
    [{"role": "user", "content": "Rate the team."}],
    [
        {"role": "system", "content": "You write reports."},
        {"role": "user", "content": "The result?"},
        {"role": "assistant", "content": "It is good."},
        {"role": "user", "content": "Why?"},
    ],
]


def build() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=256 + MERGES, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in SPECIALS])
    assert tokenizer.token_to_id(SPECIALS[0]) == BOS_ID and tokenizer.token_to_id(SPECIALS[2]) == EOS_ID
    return tokenizer


def write_tokenizer(path: pathlib.Path) -> None:
    tokenizer = build()
    tokenizer.save(str(path / "tokenizer.json"))
    added = {
        str(BOS_ID + i): {
            "content": token, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False,
            "special": True,
        }
        for i, token in enumerate(SPECIALS)
    }
    (path / "tokenizer_config.json").write_text("{}")
    rewrite_config(
        path / "tokenizer_config.json",
        add_prefix_space=False, added_tokens_decoder=added, additional_special_tokens=SPECIALS[1:], bos_token=None,
        chat_template=CHATML, clean_up_tokenization_spaces=False, eos_token=SPECIALS[2], errors="replace",
        model_max_length=512, pad_token=SPECIALS[0], split_special_tokens=False, tokenizer_class="Qwen2Tokenizer",
        unk_token=None,
    )

    fast = PreTrainedTokenizerFast(tokenizer_file=str(path / "tokenizer.json"), chat_template=CHATML)
    encoded = [{"text": t, "ids": tokenizer.encode(t).ids, "decoded": fast.decode(tokenizer.encode(t).ids)} for t in TEXTS]
    chats = [
        {
            "messages": messages,
            "add_generation_prompt": prompt,
            "text": fast.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt),
        }
        for messages in CONVERSATIONS
        for prompt in (False, True)
    ]
    write_json(path / "expected_tokenizer.json", {"encoded": encoded, "chats": chats})
