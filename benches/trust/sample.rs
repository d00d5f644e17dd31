//! Employees of the sample CSV: the rules of `samples/data/make_talent_review.py`.

use crate::cases::{Employee, Truth};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

const JOBS: [&str; 25] = [
    "P5后端工程师",
    "P6后端工程师",
    "P7高级架构师",
    "P8首席架构师",
    "P6数据分析师",
    "P7算法专家",
    "P5测试工程师",
    "P6产品经理",
    "P7产品总监",
    "M2研发经理",
    "M3研发总监",
    "M1项目主管",
    "P6安全工程师",
    "P7安全专家",
    "P5运维工程师",
    "P6平台工程师",
    "P8算法研究员",
    "M2测试经理",
    "P5移动端工程师",
    "P6交互设计师",
    "P6前端工程师",
    "P6供应链经理",
    "P8数据专家",
    "P5财务分析师",
    "P8市场总监",
];
const RATINGS: [(&str, &[&str]); 3] = [
    ("A", &["A/A-", "A/B+", "A/A", "A-/A", "A+/A"]),
    ("B", &["B+/B", "B/B+", "B/B", "B+/A-", "B-/B"]),
    ("C", &["C/B", "C/C", "C+/B-"]),
];
const NEXT: [&str; 3] = ["30天内完成发展面谈", "60天内完成校准复盘", "90天内完成改进验收"];
const POOLS: [(&str, &str, &str); 3] =
    [("高", "高潜池", "继任者计划"), ("中", "骨干池", "揭榜挂帅名单"), ("低", "夯实池", "岗位认证计划")];

/// One of so many, each as often as its weight says.
fn weighted(rng: &mut StdRng, weights: [u32; 3]) -> usize {
    let drawn = rng.random_range(0..weights.iter().sum::<u32>());
    if drawn < weights[0] {
        0
    } else if drawn < weights[0] + weights[1] {
        1
    } else {
        2
    }
}

pub fn employee(rng: &mut StdRng) -> Employee {
    let job = JOBS.choose(rng).copied().unwrap_or_default();
    let letter = weighted(rng, [4, 4, 2]);
    let next = NEXT[letter];
    let rating = RATINGS[letter].1.choose(rng).copied().unwrap_or_default();
    let digit = weighted(rng, [4, 4, 3]);
    let (potential, pool, programme) = POOLS[digit];
    let [depth, teamwork] = [rng.random_range(3..=10), rng.random_range(3..=10)];
    let deep = match depth {
        8.. => "堪当技术标杆，承担传帮带导师",
        5..8 => "技术底子够用，参加技术夜校",
        _ => "技术底子偏薄，安排导师结对",
    };
    let together = if teamwork >= 7 { "可牵头跨团队攻坚" } else { "先做跨团队轮岗补短板" };
    let truth = |text: String, causes: &[&'static str]| Truth { text, causes: causes.to_vec() };
    Employee {
        fields: vec![
            ("岗位", job.to_owned()),
            ("绩效", rating.to_owned()),
            ("潜力", potential.to_owned()),
            ("技术深度", format!("{depth}/10")),
            ("跨团队协作", format!("{teamwork}/10")),
        ],
        truth: vec![
            truth(format!("【盘点结论】九宫格{}{}，进{pool}。", RATINGS[letter].0, digit + 1), &["绩效", "潜力"]),
            truth(format!("{job}，绩效{rating}，建议纳入{programme}。"), &["潜力"]),
            truth(format!("技术深度为{depth}/10，{deep}；"), &["技术深度"]),
            truth(format!("跨团队协作为{teamwork}/10，{together}。"), &["跨团队协作"]),
            truth(format!("【下一步】HRBP在{next}。"), &["绩效"]),
        ],
    }
}
