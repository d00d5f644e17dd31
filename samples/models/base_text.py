"""Made-up employees, their field lines, and plain reviews that repeat the fields.

A review here is deliberately generic: it says what the fields say, in ordinary words. What a company's own comments
sound like is left for an adapter to learn.
"""

import random
from dataclasses import dataclass

import base_words as words


@dataclass
class Field:
    kind: str   # job, rating, potential, score, or another key of `PLAIN_SENTENCES`
    name: str
    value: str


def job_title(rng: random.Random) -> str:
    ladder, low, high = rng.choice(words.LADDERS)
    level = f"{ladder}{rng.randint(low, high)}" if rng.random() < 0.7 else ""
    if rng.random() < 0.3:
        return level + rng.choice(words.PLAIN_JOBS)
    domain = rng.choice(words.DOMAINS) if rng.random() < 0.8 else ""
    return level + rng.choice([rng.choice(words.GRADES) + domain, domain + rng.choice(words.GRADES)]) + rng.choice(words.ROLES)


def person(rng: random.Random) -> str:
    return rng.choice(words.SURNAMES) + "".join(rng.choice(words.GIVEN) for _ in range(rng.randint(1, 2)))


def score(rng: random.Random) -> str:
    return f"{rng.randint(1, 10)}/10" if rng.random() < 0.9 else f"{rng.randint(1, 5)}/5"


def employee(rng: random.Random) -> list[Field]:
    """A random subset of fields; the usual order mostly, sometimes shuffled."""
    rating = rng.choice(words.RATINGS)
    if rng.random() < 0.75:
        rating += "/" + rng.choice(words.RATINGS)
    fields = [
        Field("job", rng.choice(["岗位", "岗位", "岗位", "职位"]), job_title(rng)),
        Field("rating", rng.choice(["绩效", "绩效", "绩效", "近两年绩效"]), rating),
        Field("potential", rng.choice(["潜力", "潜力", "潜力", "潜力评级"]), rng.choice(words.POTENTIALS)),
    ]
    fields = [f for f in fields if rng.random() < 0.92]
    dimensions = ["技术深度", "跨团队协作"] if rng.random() < 0.25 else rng.sample(words.DIMENSIONS, rng.randint(1, 4))
    fields += [Field("score", name, score(rng)) for name in dimensions]
    extra = [
        Field("name", "姓名", person(rng)),
        Field("department", "部门", rng.choice(words.DEPARTMENTS)),
        Field("tenure", "司龄", f"{rng.randint(1, 20)}年"),
        Field("reports", "管理人数", f"{rng.randint(2, 40)}人"),
        Field("risk", "离职风险", rng.choice(["高", "中", "低"])),
    ]
    for field in extra:
        if rng.random() < 0.12:
            fields.insert(0 if field.kind == "name" else rng.randint(0, len(fields)), field)
    if rng.random() < 0.2:
        rng.shuffle(fields)
    return fields


# ASCII and full-width, as people type them.
SEPARATORS = [(":", ","), (":", ","), (":", ","), ("：", "，"), ("：", "，"), (":", "，"), (":", ";"), ("：", "；"), (":", "\n"), (":", "、")]


def field_line(fields: list[Field], rng: random.Random) -> str:
    colon, comma = rng.choice(SEPARATORS)
    return comma.join(f.name + colon + f.value for f in fields)


def rating_words(value: str) -> list[str]:
    first = value[0]
    if first in "SA":
        return ["整体表现优秀", "整体表现较好", "持续保持高水平产出", "工作成果突出", "明显好于同级水平"]
    if first == "B":
        return ["整体表现稳定", "能够达到岗位要求", "工作完成情况良好", "符合预期", "基本达成年度目标"]
    return ["整体表现有待提升", "与岗位要求仍有差距", "工作结果低于预期", "需要重点改进", "目标达成情况不理想"]


def potential_words(value: str) -> list[str]:
    if value in ("高", "较高", "中高"):
        return ["未来成长空间较大", "具备承担更大责任的可能", "适合参与更有挑战的工作", "值得进一步培养"]
    if value in ("中", "一般"):
        return ["在现有岗位上仍有一定成长空间", "可以结合岗位需要逐步发展", "发展节奏较为平稳"]
    return ["现阶段更适合做好本职工作", "短期内成长空间有限", "建议先把当前岗位的工作做扎实"]


def score_words(value: str) -> list[str]:
    got, most = map(int, value.split("/"))
    share = got / most
    if share >= 0.8:
        return ["属于较高水平", "是其明显优势", "表现突出", "处于团队前列"]
    if share >= 0.6:
        return ["处于中等水平", "基本满足岗位要求", "还可以再上一个台阶", "表现平稳"]
    return ["相对偏弱", "需要重点提升", "是目前的主要短板", "与期望有一定差距"]


PLAIN_SENTENCES = {
    "name": ["{s}姓名为{v}。", "员工{v}的信息如上。"],
    "department": ["{s}所在部门为{v}。", "{s}来自{v}。"],
    "tenure": ["{s}司龄为{v}，对公司业务比较熟悉。", "{s}在公司工作已有{v}。"],
    "reports": ["目前管理人数为{v}。", "{s}带领{v}的团队。"],
    "risk": ["离职风险为{v}，请直接上级予以关注。", "从目前情况看，离职风险{v}。"],
}
CLOSINGS = [
    "建议结合业务需要持续关注其发展。", "总体来看，该员工能够较好地完成本职工作。", "建议上级定期与其沟通，明确改进方向。",
    "后续可以根据实际工作情况安排相应的培训。", "希望该员工在今后的工作中继续努力。", "总体评价较为客观，供参考。",
    "建议在日常工作中给予更多支持和反馈。", "请结合团队情况综合评估。",
]


def sentence(field: Field, rng: random.Random) -> str:
    subject = rng.choice(["该员工", "该员工", "其", "本人"])
    v, n = field.value, field.name
    if field.kind == "job":
        return rng.choice([f"{subject}目前担任{v}。", f"{subject}现任{v}。", f"{subject}的岗位是{v}。"])
    if field.kind == "rating":
        words_ = rng.choice(rating_words(v))
        return rng.choice([f"近期绩效为{v}，{words_}。", f"绩效结果为{v}，{words_}。", f"从绩效{v}来看，{words_}。"])
    if field.kind == "potential":
        words_ = rng.choice(potential_words(v))
        return rng.choice([f"潜力评级为{v}，{words_}。", f"潜力{v}，{words_}。", f"在潜力方面评价为{v}，{words_}。"])
    if field.kind == "score":
        words_ = rng.choice(score_words(v))
        return rng.choice([f"{n}得分为{v}，{words_}。", f"{n}为{v}，{words_}。", f"在{n}方面得分{v}，{words_}。", f"{n}{v}，{words_}。"])
    return rng.choice(PLAIN_SENTENCES[field.kind]).format(s=subject, v=v)


def review(fields: list[Field], rng: random.Random) -> str:
    """Two to four sentences that repeat the fields in order; the job and the rating usually share one."""
    fields = list(fields)
    parts = []
    by_kind = {f.kind: f for f in fields}
    if "job" in by_kind and "rating" in by_kind and rng.random() < 0.75:
        job, rating = by_kind["job"], by_kind["rating"]
        words_ = rng.choice(rating_words(rating.value))
        parts.append(rng.choice([
            f"该员工目前担任{job.value}，近期绩效为{rating.value}，{words_}。",
            f"该员工现任{job.value}，绩效{rating.value}，{words_}。",
            f"作为{job.value}，该员工近期绩效为{rating.value}，{words_}。",
        ]))
        fields = [f for f in fields if f not in (job, rating)]
    parts += [sentence(f, rng) for f in fields]
    parts = join_some(parts, rng)
    if rng.random() < 0.4:
        parts.append(rng.choice(CLOSINGS))
    return "".join(parts)


def join_some(parts: list[str], rng: random.Random) -> list[str]:
    """Turns some full stops between neighbours into semicolons, so a long record still reads as few sentences."""
    return [p[:-1] + "；" if i + 1 < len(parts) and rng.random() < 0.25 else p for i, p in enumerate(parts)]


SYSTEM_PROMPTS = [
    "你是一名资深HRBP,请根据员工信息写人才盘点评语。", "你是一名资深HRBP。", "你是人力资源专家，请根据员工信息撰写评语。",
    "请根据员工信息写一段评语。", "你是公司的人才发展顾问，请客观评价员工。", "你是一名人力资源助手。",
    "You are an HR business partner. Write a talent review comment from the employee's fields.",
]
LEAD_INS = ["", "", "", "", "", "员工信息：", "请写评语：", "请根据以下信息写人才盘点评语：\n"]


def chat(turns: list[tuple[str, str]]) -> str:
    return "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in turns)


def review_chat(rng: random.Random) -> str:
    fields = employee(rng)
    turns = [("system", rng.choice(SYSTEM_PROMPTS))] if rng.random() < 0.5 else []
    user = rng.choice(LEAD_INS) + field_line(fields, rng)
    return chat(turns + [("user", user), ("assistant", review(fields, rng))])


def lookup_chat(rng: random.Random) -> str:
    """Asks for one field back: the shortest lesson in copying."""
    fields = employee(rng)
    asked = rng.choice(fields)
    question = rng.choice([f"{asked.name}是什么？", f"请问{asked.name}是多少？", f"只回答{asked.name}。"])
    return chat([("user", field_line(fields, rng) + "\n" + question), ("assistant", asked.value)])
