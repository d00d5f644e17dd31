"""Usage: make_chat.py ASSETS

Writes fixtures/chat/expected.json: what transformers makes of real chat templates and tokenizers in ASSETS
(tokenizers/…, models/…), which are not part of the repository. Conversations and texts are written here.
"""

import datetime
import json
import pathlib
import sys

import jinja2
from tokenizers import Tokenizer
from transformers.utils.chat_template_utils import render_jinja_template

OUT = pathlib.Path(__file__).parent.parent / "fixtures" / "chat" / "expected.json"
SYSTEM = {"role": "system", "content": "你是一名绩效评估助手。"}
USER = {"role": "user", "content": " 工号：10023；评分：A；\"quoted\" <b> 😀\n"}
ANSWER = {"role": "assistant", "content": "\n该员工表现突出。"}
SAID = [
    ("工号10023的绩效如何？", "评分为A，连续两年。"), ("Any risks?", "<think>\nTenure, workload.\n</think>\n\nWorkload; see Q3."),
    ("  indented\n\nquestion ", "- one\n- two\n"), ("😀?", "Yes."), ("继续", "好的。\n\n以上。"),
]
TURNS = [{"role": role, "content": text} for pair in SAID for role, text in zip(("user", "assistant"), pair)]
TOOL = {"role": "tool", "content": '{"score": "A", "年": 2024}'}
CONVERSATIONS = {
    "user": ([USER], True),
    "system": ([SYSTEM, USER], True),
    "answered": ([USER, ANSWER], False),
    "second turn": ([SYSTEM, USER, ANSWER, {"role": "user", "content": "Why?"}], True),
    "ten turns": ([SYSTEM, *TURNS[:8], USER], True),
    "ten turns without a role prompt": ([*TURNS, USER], True),
    "ten turns with a tool": ([SYSTEM, *TURNS[:6], TURNS[6], TURNS[7], TOOL], True),
}
TEXTS = [
    "Once upon a time", " leading and trailing ", "a", "", "\n\n", "tab\tand  double  space",
    "The report isn't due until 2024-03-31; it'll cost $1,234.56 (12%).", "该员工在2023年度考核中表现突出，绩效等级为A。",
    "混合 mixed 文本，with 数字12345和 emoji 👩‍💻🏳️‍🌈😀!", "e\u0301 ﬁ ＡＢＣ ½ \u200b\ufeff", "𠮷野家で食べる。한국어 العربية",
    "#include <stdio.h>\r\nint main() { return 0; }\r\n", "<|im_start|>user\nhi<|im_end|><s></s><think>",
]


def special_tokens(config: dict) -> dict:
    tokens = {k: v for k, v in config.items() if k.endswith("_token") and v is not None}
    return {k: v["content"] if isinstance(v, dict) else v for k, v in tokens.items() if isinstance(v, (str, dict))}


def template_of(folder: pathlib.Path, config: dict) -> str:
    if (folder / "chat_template.jinja").exists():
        return (folder / "chat_template.jinja").read_text()
    if (folder / "chat_template.json").exists():
        return json.loads((folder / "chat_template.json").read_text())["chat_template"]
    return config["chat_template"]


def render(folder: pathlib.Path) -> dict:
    config = json.loads((folder / "tokenizer_config.json").read_text())
    today = datetime.datetime.now().strftime("%d %B %Y")
    out = {}
    for name, (messages, prompt) in CONVERSATIONS.items():
        try:
            rendered, _ = render_jinja_template(
                [messages], chat_template=template_of(folder, config), add_generation_prompt=prompt,
                enable_thinking=False, **special_tokens(config))
            out[name] = {"text": rendered[0].replace(today, "{today}")}
        except jinja2.exceptions.TemplateError as error:
            out[name] = {"error": str(error)}
    return out


def main(assets: pathlib.Path) -> None:
    with_tokenizer = sorted((assets / "tokenizers").glob("*/tokenizer.json")) + sorted((assets / "models").glob("*/tokenizer.json"))
    folders = sorted(p.parent for p in (assets / "tokenizers/chat-templates").glob("*/tokenizer_config.json"))
    folders += [p.parent for p in with_tokenizer if "chat_template" in (p.parent / "tokenizer_config.json").read_text()]
    folders += sorted(p.parent for p in (assets / "adapters").glob("*/chat_template.jinja"))
    templates = {str(folder.relative_to(assets)): render(folder) for folder in folders}
    tokenizers = {}
    for path in with_tokenizer:
        tokenizer = Tokenizer.from_file(str(path))
        name = str(path.parent.relative_to(assets))
        ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS]
        tokenizers[name] = {
            "ids": ids,
            "with_special": tokenizer.encode(TEXTS[0]).ids,
            "decoded": [tokenizer.decode(row, skip_special_tokens=False) for row in ids],
            "chats": {k: tokenizer.encode(v["text"], add_special_tokens=False).ids
                      for k, v in templates.get(name, {}).items() if "text" in v},
        }
    expected = {
        "conversations": {k: {"messages": m, "add_generation_prompt": p} for k, (m, p) in CONVERSATIONS.items()},
        "texts": TEXTS, "templates": templates, "tokenizers": tokenizers,
    }
    OUT.parent.mkdir(exist_ok=True)
    lines = ",\n".join(f"{json.dumps(k)}: {{\n" + ",\n".join(
        f"  {json.dumps(n)}: {json.dumps(x, ensure_ascii=False)}" for n, x in v.items()) + "\n}"
        if isinstance(v, dict) else f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in expected.items())
    OUT.write_text("{\n" + lines + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
