"""Makes the sample CSVs: talent-review comments of a made-up company with a strict house style.

    python make_talent_review.py

Every comment follows from its fields by the rules below, so one can check what an adapter learnt.

    nine-box     letter from the first rating (A/A+ → A, B+/B/B- → B, C → C), digit from potential (高 1, 中 2, 低 3)
    potential    高: 高潜池, 继任者计划    中: 骨干池, 揭榜挂帅    低: 夯实池, 岗位认证
    depth        8 and more: 承担传帮带导师    5 to 7: 参加技术夜校    less: 安排导师结对
    teamwork     7 and more: 牵头跨团队攻坚    less: 先做跨团队轮岗
    next step    from the nine-box letter: A within 30 days, B within 60, C within 90
"""

import csv
import pathlib
import random

SEED = 11
ROWS = 60
JOBS = """P5后端工程师 P6后端工程师 P7高级架构师 P8首席架构师 P6数据分析师 P7算法专家 P5测试工程师 P6产品经理 P7产品总监 M2研发经理
M3研发总监 M1项目主管 P6安全工程师 P7安全专家 P5运维工程师 P6平台工程师 P8算法研究员 M2测试经理 P5移动端工程师 P6交互设计师""".split()
NEW_JOBS = "P7高级架构师 P6前端工程师 P6供应链经理 P8数据专家 P5财务分析师 P8市场总监".split()
RATINGS = {"A": ["A/A-", "A/B+", "A/A", "A-/A", "A+/A"], "B": ["B+/B", "B/B+", "B/B", "B+/A-", "B-/B"], "C": ["C/B", "C/C", "C+/B-"]}
POOLS = {"高": (1, "高潜池", "继任者计划"), "中": (2, "骨干池", "揭榜挂帅名单"), "低": (3, "夯实池", "岗位认证计划")}
NEXT = {"A": "30天内完成发展面谈", "B": "60天内完成校准复盘", "C": "90天内完成改进验收"}


def fields_of(rng: random.Random, jobs: list[str]) -> dict[str, str]:
    letter = rng.choices("ABC", [4, 4, 2])[0]
    return {
        "岗位": rng.choice(jobs), "绩效": rng.choice(RATINGS[letter]), "潜力": rng.choices("高中低", [4, 4, 3])[0],
        "技术深度": f"{rng.randint(3, 10)}/10", "跨团队协作": f"{rng.randint(3, 10)}/10",
    }


def field_line(fields: dict[str, str]) -> str:
    return ",".join(f"{name}:{value}" for name, value in fields.items())


def comment(fields: dict[str, str]) -> str:
    letter = fields["绩效"][0]
    digit, pool, programme = POOLS[fields["潜力"]]
    depth, teamwork = (int(fields[name].split("/")[0]) for name in ("技术深度", "跨团队协作"))
    deep = "堪当技术标杆，承担传帮带导师" if depth >= 8 else "技术底子够用，参加技术夜校" if depth >= 5 else "技术底子偏薄，安排导师结对"
    together = "可牵头跨团队攻坚" if teamwork >= 7 else "先做跨团队轮岗补短板"
    return (
        f"【盘点结论】九宫格{letter}{digit}，进{pool}。{fields['岗位']}，绩效{fields['绩效']}，建议纳入{programme}。"
        f"技术深度为{fields['技术深度']}，{deep}；跨团队协作为{fields['跨团队协作']}，{together}。【下一步】HRBP在{NEXT[letter]}。"
    )


def main() -> None:
    rng = random.Random(SEED)
    here = pathlib.Path(__file__).parent
    seen: dict[str, str] = {}
    while len(seen) < ROWS:
        fields = fields_of(rng, JOBS)
        seen.setdefault(field_line(fields), comment(fields))
    write(here / "talent_review.csv", ["input", "output"], [list(row) for row in seen.items()])

    first = {"岗位": NEW_JOBS[0], "绩效": "A/A-", "潜力": "高", "技术深度": "9/10", "跨团队协作": "6/10"}
    new = [field_line(first)]
    for job in NEW_JOBS[1:]:
        line = field_line(fields_of(rng, [job]))
        if line not in seen:
            new.append(line)
    write(here / "talent_review_new.csv", ["input"], [[line] for line in new])


def write(path: pathlib.Path, header: list[str], rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(header)
        writer.writerows(rows)


if __name__ == "__main__":
    main()
