//! Clean rows as companies write them, of several kinds: the ground that defects are planted in.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::collections::HashSet;

/// What a CSV has: a header and its rows.
#[derive(Debug, Clone)]
pub struct Table {
    pub header: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    pub fn to_csv(&self) -> Vec<u8> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&self.header).unwrap();
        self.rows.iter().for_each(|row| writer.write_record(row).unwrap());
        writer.into_inner().unwrap()
    }
}

pub fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

fn pick<'a>(rng: &mut StdRng, of: &[&'a str]) -> &'a str {
    of.choose(rng).unwrap()
}

/// The styles of [`table`].
pub const STYLES: usize = 7;

/// `count` rows of a style, all with different inputs.
pub fn table(style: usize, count: usize, rng: &mut StdRng) -> Table {
    let row = [talent, english, interview, policy, graded, label, prose][style % STYLES];
    let mut seen = HashSet::new();
    let mut rows = Vec::new();
    while rows.len() < count {
        let [input, output] = row(rng, rows.len());
        if seen.insert(input.clone()) {
            rows.push(vec![input, output]);
        }
    }
    Table { header: vec!["input", "output"], rows }
}

const JOBS: &[&str] = &[
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
    "P8算法研究员",
    "P5移动端工程师",
    "P6交互设计师",
    "M2销售经理",
    "P6高级会计师",
    "P7法务专家",
];

/// The product's sample.
fn talent(rng: &mut StdRng, _: usize) -> [String; 2] {
    let (letter, ratings) =
        [("A", ["A/A-", "A/B+", "A+/A"]), ("B", ["B+/B", "B/B+", "B-/B"]), ("C", ["C/B", "C/C", "C+/B-"])]
            [rng.random_range(0..3)];
    let (job, rating) = (pick(rng, JOBS), pick(rng, &ratings));
    let (digit, potential, pool, programme) =
        [(1, "高", "高潜池", "继任者计划"), (2, "中", "骨干池", "揭榜挂帅名单"), (3, "低", "夯实池", "岗位认证计划")]
            [rng.random_range(0..3)];
    let (depth, teamwork) = (rng.random_range(3..=10), rng.random_range(3..=10));
    let deep = match depth {
        8.. => "堪当技术标杆，承担传帮带导师",
        5..8 => "技术底子够用，参加技术夜校",
        _ => "技术底子偏薄，安排导师结对",
    };
    let together = if teamwork >= 7 { "可牵头跨团队攻坚" } else { "先做跨团队轮岗补短板" };
    let next = match letter {
        "A" => "30天内完成发展面谈",
        "B" => "60天内完成校准复盘",
        _ => "90天内完成改进验收",
    };
    [
        format!("岗位:{job},绩效:{rating},潜力:{potential},技术深度:{depth}/10,跨团队协作:{teamwork}/10"),
        format!(
            "【盘点结论】九宫格{letter}{digit}，进{pool}。{job}，绩效{rating}，建议纳入{programme}。技术深度为{depth}/10，{deep}；\
             跨团队协作为{teamwork}/10，{together}。【下一步】HRBP在{next}。"
        ),
    ]
}

fn english(rng: &mut StdRng, _: usize) -> [String; 2] {
    let role = pick(
        rng,
        &[
            "Senior Engineer",
            "Account Executive",
            "Data Analyst",
            "HR Manager",
            "Support Lead",
            "Product Owner",
            "Controller",
        ],
    );
    let level = pick(rng, &["L3", "L4", "L5", "L6"]);
    let rating = pick(rng, &["exceeds", "meets", "below"]);
    let (tenure, team) = (rng.random_range(1..15), rng.random_range(2..60));
    let verdict = match rating {
        "exceeds" => "is ready for a larger scope; nominate for the May promotion round",
        "meets" => "delivers on plan (see Q3 goals, e.g. hiring); keep in role and widen exposure",
        _ => "misses agreed goals; set two clear targets and review them in 90 days",
    };
    [
        format!("role: {role}; level: {level}; rating: {rating}; tenure: {tenure} years; team size: {team}"),
        format!(
            "The {role} ({level}) {verdict}. With {tenure} years in the company and a team of {team}, the next step is a \
             development talk within 30 days. Risk of leaving: {}.",
            pick(rng, &["low", "moderate", "high, as pay is 10% under market"])
        ),
    ]
}

fn interview(rng: &mut StdRng, number: usize) -> [String; 2] {
    let topic = pick(
        rng,
        &[
            "加班较多",
            "晋升通道不清晰",
            "希望转岗到海外团队",
            "薪酬低于市场水平",
            "对直属上级的反馈方式不适应",
            "通勤距离过长",
        ],
    );
    let keep = pick(rng, &["团队氛围", "技术成长空间", "培训资源", "弹性工作制", "产品的社会价值"]);
    let when = rng.random_range(1..36);
    [
        format!(
            "离职访谈{number}：员工表示{topic}，入职{when}个月。谈到愿意留下的理由时提到{keep}；最近一次沟通在上周三下午3点30分，时长45分钟。"
        ),
        format!(
            "主要诉因：{topic}。仍被看重的是{keep}，可作为挽留的切入点……建议：\n1. 两周内由部门负责人当面沟通；\n2. 方向明确后给出书面答复；\n3. 高效跟进，\
             避免久拖不决。“先听后说”是此次谈话的原则。"
        ),
    ]
}

fn policy(rng: &mut StdRng, number: usize) -> [String; 2] {
    let (days, level) = (rng.random_range(3..20), pick(rng, &["P5", "P6", "P7", "M1", "M2"]));
    let kind = pick(rng, &["年假", "病假", "婚假", "陪产假", "调休", "育儿假"]);
    [
        format!("问题{number}：{level}员工申请{days}天{kind}需要谁审批？"),
        format!(
            "根据《假勤管理办法》第{}条，{kind}{days}天及以内由直属主管审批；超出部分由部门总监和HRBP会签。请在系统中提交，并于休假前3个工作日完成，逾期须补交说明。\
             如有疑问，可查阅手册第{}页。",
            rng.random_range(2..30),
            rng.random_range(5..90)
        ),
    ]
}

/// Ratings that mean the same in every group.
fn graded(rng: &mut StdRng, number: usize) -> [String; 2] {
    let grade = pick(rng, &["A", "B", "C"]);
    let level = pick(rng, &["P5", "P6", "M1"]);
    let (projects, attendance) = (rng.random_range(1..9), rng.random_range(90..=100));
    let said = match grade {
        "A" => pick(rng, &["表现突出，超额完成目标，建议晋升", "成绩优异，是团队的标杆，可重点培养"]),
        "B" => pick(rng, &["按计划完成目标，稳步成长", "工作稳定，按时交付"]),
        _ => pick(rng, &["未达标，需改进，列入绩效辅导", "与目标有差距，亟待改进，安排专人跟踪"]),
    };
    [
        format!("工号:{},职级:{level},绩效:{grade},项目数:{projects},出勤率:{attendance}%", 10_000 + number),
        format!("本期绩效{grade}，{said}。参与项目{projects}个，出勤率{attendance}%。"),
    ]
}

/// Outputs that are labels.
fn label(rng: &mut StdRng, number: usize) -> [String; 2] {
    let text =
        pick(rng, &["客户反馈积极", "多次迟到", "主动承担跨部门任务", "交付质量波动", "带教新人", "流程意识不强"]);
    [format!("周报{number}：{text}，第{}周", rng.random_range(1..53)), pick(rng, &["高潜", "稳定", "关注"]).to_owned()]
}

/// Long prose.
fn prose(rng: &mut StdRng, number: usize) -> [String; 2] {
    let sentences = [
        "本季度围绕平台稳定性开展了三轮压测，峰值提升约40%，未发生一级故障。",
        "在跨部门协作上，能够先对齐目标，再拆解任务，沟通成本明显下降。",
        "知识沉淀仍有空间：文档更新滞后于代码，建议每个迭代预留半天。",
        "The migration to the new payroll system finished two weeks early; no data was lost.",
        "对新人的辅导有耐心，平均每周两次代码走查，成长迅速的同学已能独立值班。",
        "预算执行与年初计划基本一致，差异主要来自云资源价格调整（约5%）。",
        "高超的排障能力在“双十一”期间得到验证，平静而有序地处理了两起告警。",
        "下一阶段的重点是容量规划与成本治理，于6月底前给出方案。",
    ];
    let mut say = |count: usize| (0..count).map(|_| pick(rng, &sentences)).collect::<Vec<_>>().join("");
    let (input, output) = (say(6), say(9));
    [
        format!("述职材料第{number}份。{input}"),
        format!("综合评语：{output}总体上方向正确、方法得当，安全意识强，应当在关键岗位上继续历练。"),
    ]
}
