"""The rest of the corpus: English reviews, other HR tasks, notices, JSON, and copying exercises."""

import json
import random

import base_text
import base_words as words
from base_text import chat


def english_chat(rng: random.Random) -> str:
    grade = rng.choice(words.EN_GRADES)
    level = f"P{rng.randint(3, 12)} " if rng.random() < 0.6 else ""
    job = f"{level}{grade + ' ' if grade else ''}{rng.choice(words.EN_DOMAINS)} {rng.choice(words.EN_ROLES)}"
    rating = rng.choice(words.RATINGS) + "/" + rng.choice(words.RATINGS)
    potential = rng.choice(["high", "medium", "low"])
    line = [f"Role: {job}", f"Performance: {rating}", f"Potential: {potential}"]
    verdict = {"S": "strong", "A": "strong", "B": "steady", "C": "below expectations", "D": "below expectations"}[rating[0]]
    text = [rng.choice([f"The employee works as a {job}.", f"The employee is a {job}.", f"This is a review of a {job}."]),
            rng.choice([f"Recent performance is {rating}, which is {verdict}.", f"Performance was rated {rating}; the overall result is {verdict}."]),
            rng.choice([f"Potential is {potential}.", f"Potential is rated {potential}."])]
    for name in rng.sample(words.EN_DIMENSIONS, rng.randint(1, 3)):
        got = rng.randint(1, 10)
        line.append(f"{name}: {got}/10")
        level_words = "a clear strength" if got >= 8 else "at a medium level" if got >= 6 else "an area to improve"
        text.append(rng.choice([f"{name} is scored {got}/10 and is {level_words}.", f"With {got}/10, {name.lower()} is {level_words}."]))
    if rng.random() < 0.4:
        text.append(rng.choice(["The manager should give regular feedback.", "Overall, the employee meets the needs of the team.",
                                "More training may be useful next year."]))
    system = [("system", base_text.SYSTEM_PROMPTS[-1])] if rng.random() < 0.5 else []
    return chat(system + [("user", ", ".join(line)), ("assistant", " ".join(text))])


def repeat_chat(rng: random.Random) -> str:
    items = rng.sample(words.EVERYDAY, rng.randint(3, 12))
    if rng.random() < 0.3:
        items = [f"{w}{rng.randint(0, 99)}" for w in items]
    text = rng.choice(["、", ",", " ", "，", ""]).join(items)
    return chat([("user", rng.choice(["请复述：", "重复一遍：", "请原样输出："]) + text), ("assistant", text)])


DUTIES = ["负责{d}相关工作的规划与落地", "参与{d}方案的设计与评审", "跟踪{d}领域的进展并定期汇报", "协同上下游团队完成交付",
          "沉淀流程和文档，提升团队效率", "处理日常问题并推动改进", "制定年度目标并分解到月度"]
NEEDS = ["本科及以上学历，{y}年以上{d}经验", "熟悉{d}的常用方法和工具", "具备良好的沟通能力和责任心", "能够承受一定的工作压力",
         "逻辑清晰，善于发现并解决问题", "有团队管理经验者优先"]
STRENGTHS = ["专业基础扎实", "表达清晰", "项目经验丰富", "学习意愿强", "逻辑严谨", "对行业理解深入", "沟通自然大方"]
DOUBTS = ["管理经验较少", "稳定性需要进一步确认", "对业务细节了解不够", "薪资期望偏高", "英语表达一般", "技术广度有限"]
REASONS = ["薪资与期望有差距", "晋升通道不够清晰", "家庭原因需要换城市", "工作内容重复", "希望尝试新的行业", "加班较多", "与上级沟通不足"]


def numbered(items: list[str]) -> str:
    return "\n".join(f"{i}. {item}" for i, item in enumerate(items, 1))


def hr_task_chat(rng: random.Random) -> str:
    job, domain = base_text.job_title(rng), rng.choice(words.DOMAINS)
    kind = rng.randrange(4)
    if kind == 0:
        duties = [d.format(d=domain) for d in rng.sample(DUTIES, 3)]
        needs = [n.format(d=domain, y=rng.randint(1, 10)) for n in rng.sample(NEEDS, 3)]
        return chat([("user", f"请为{job}写一份岗位说明书，方向是{domain}。"),
                     ("assistant", f"岗位名称：{job}\n岗位职责：\n{numbered(duties)}\n任职要求：\n{numbered(needs)}")])
    if kind == 1:
        good, bad, name = rng.sample(STRENGTHS, 2), rng.choice(DOUBTS), base_text.person(rng)
        return chat([("user", f"请合并面试反馈。候选人：{name}，应聘岗位：{job}。一面：{good[0]}。二面：{good[1]}，但{bad}。"),
                     ("assistant", f"候选人{name}应聘{job}。两轮面试都认可其能力：{good[0]}，{good[1]}。需要注意的是，{bad}。建议综合考虑后决定是否录用。")])
    if kind == 2:
        why = rng.sample(REASONS, 2)
        return chat([("user", f"请分析离职面谈记录。岗位：{job}。原因：{why[0]}；{why[1]}。"),
                     ("assistant", f"离职员工的岗位为{job}。主要原因有两点：一是{why[0]}，二是{why[1]}。建议部门了解同类岗位的情况，及时改进。")])
    days = rng.randint(1, 30)
    return chat([("user", f"公司规定年假为{days}天，需要提前{days % 7 + 1}天申请。请问年假有多少天？"),
                 ("assistant", f"根据公司规定，年假为{days}天，请提前{days % 7 + 1}天申请。")])


EVENTS = ["年会", "培训", "体检", "团建活动", "篮球比赛", "读书分享会", "安全演练", "述职会", "校园招聘", "新员工入职"]
FACTS = [
    "人才是企业最重要的资源，合理的评价有助于员工成长，也有助于组织发展。", "绩效考核关注过去的结果，潜力评估关注未来的可能。",
    "一份好的评语应当客观、具体，既说明优势，也指出不足。", "跨团队协作需要清晰的目标、及时的沟通和相互的信任。",
    "技术深度来自长期的积累，也来自对复杂问题的反复思考。", "管理者应当定期与员工面谈，听取意见，给予反馈。",
    "光荣榜上的员工来自各个部门，他们是大家学习的榜样。", "午休时间大家常在水池旁散步，帮忙照看花园里的植物。",
    "九月的傍晚，同事们一起参观了宫殿和博物馆，了解传统文化。", "新的制度揭示了流程中的问题，也为改进提供了依据。",
    "他曾经挂职锻炼一年，后来被任命为项目统帅，继续带领团队前进。", "每个季度结束后，各部门会复盘目标的完成情况。",
    "岗位轮换可以让员工了解不同的业务，开阔视野。", "培训的效果要在工作中检验，不能只看考试成绩。",
    "招聘不是越快越好，合适比优秀更重要。", "薪酬要体现岗位价值、个人能力和实际贡献。",
    "Good feedback is specific, timely and kind.", "A review describes what was done and what should change.",
    "Managers and employees agree on goals at the start of the year.", "People stay where they can learn and are treated fairly.",
]


def prose(rng: random.Random) -> str:
    if rng.random() < 0.35:
        event, dept = rng.choice(EVENTS), rng.choice(words.DEPARTMENTS)
        return (f"【{rng.choice(['通知', '会议纪要', '公告'])}】{dept}将于{rng.randint(1, 12)}月{rng.randint(1, 28)}日举行{event}，"
                f"请{rng.choice(['全体员工', '相关同事', '各部门负责人'])}准时参加。联系人：{base_text.person(rng)}。")
    if rng.random() < 0.35:
        return "常用词语：" + "、".join(rng.sample(words.EVERYDAY, rng.randint(10, 30))) + "。"
    return "".join(rng.sample(FACTS, rng.randint(2, 5)))


def json_text(rng: random.Random) -> str:
    """A record as JSON, a review as JSON, or a JSON record to review: enough that JSON's grammar is familiar."""
    fields = base_text.employee(rng)
    indent = rng.choice([None, 2])
    record = json.dumps({f.name: f.value for f in fields}, ensure_ascii=False, indent=indent)
    kind = rng.randrange(3)
    if kind == 0:
        return chat([("user", "请转换为JSON:" + base_text.field_line(fields, rng)), ("assistant", record)])
    if kind == 1:
        return chat([("user", record), ("assistant", base_text.review(fields, rng))])
    cited = rng.sample(fields, min(2, len(fields)))
    answer = {
        "report": base_text.review(fields, rng),
        "conclusions": [{"text": base_text.sentence(f, rng), "field": f.name, "value": f.value} for f in cited],
    }
    return chat([("user", base_text.field_line(fields, rng) + "\n请用JSON回答。"),
                 ("assistant", json.dumps(answer, ensure_ascii=False, indent=indent))])


MIXTURE = [(base_text.review_chat, 60), (base_text.lookup_chat, 6), (english_chat, 9), (repeat_chat, 8), (hr_task_chat, 6),
           (prose, 6), (json_text, 5)]



def documents(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    makers, weights = zip(*MIXTURE)
    return [rng.choices(makers, weights)[0](rng) for _ in range(count)]
