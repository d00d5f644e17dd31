//! Defects of every kind that the doctor is to find, each planted in a table of clean rows, in many wordings.

use super::rows::{Table, rng, table};
use encoding_rs::{GB18030, MACINTOSH, WINDOWS_1252};
use rand::Rng;
use rand::rngs::StdRng;

/// A table with one defect.
pub struct Planted {
    pub name: &'static str,
    pub table: Table,
    /// Options to open it with.
    pub options: &'static str,
    /// The kinds of finding any of which finds it, and the number of a row that it must be about.
    pub kinds: &'static [&'static str],
    pub row: usize,
}

type Plant = fn(&mut Table, usize, &mut StdRng) -> usize;

const DAMAGED: &[&str] = &["mojibake", "replacement_character", "private_use"];

/// Name, kinds, how it is planted: into the row at an index, which may add others; the index of the row that is found.
const DEFECTS: &[(&str, &[&str], Plant)] = &[
    ("other spacing, another output", &["near_conflict"], |table, at, _| again(table, at, spaced, OTHER)),
    ("full-width punctuation, another output", &["near_conflict"], |table, at, _| again(table, at, full_width, OTHER)),
    ("fields in another order, another output", &["near_conflict"], |table, at, _| again(table, at, reordered, OTHER)),
    ("other spacing, the same output", &["near_duplicate"], |table, at, _| again(table, at, spaced, "")),
    ("full-width punctuation, the same output", &["near_duplicate"], |table, at, _| again(table, at, full_width, "")),
    ("the same row", &["duplicate_row"], |table, at, _| again(table, at, str::to_owned, "")),
    ("the same input, another output", &["conflicting_output"], |table, at, _| again(table, at, str::to_owned, OTHER)),
    ("a score that is not there", &["ungrounded_score"], |table, at, rng| append(table, at, rng, SCORES)),
    ("output = input", &["output_is_input"], |table, at, rng| {
        let input = table.rows[at][0].clone();
        table.rows[at][1] = match rng.random_range(0..3) {
            0 => input,
            1 => full_width(&input),
            _ => format!("{input}。"),
        };
        at
    }),
    ("text of a template", &["template_text"], |table, at, rng| append(table, at, rng, TEMPLATES)),
    ("a note or filler alone", &["template_text"], |table, at, rng| {
        let notes = ["TODO", "待补充", "同上", "略", "TBD", "测试", "【请填写评语】", "xxx", "N/A"];
        table.rows[at][1] = notes[rng.random_range(0..notes.len())].to_owned();
        at
    }),
    ("a person's name", &["person_name"], |table, at, rng| append(table, at, rng, NAMES)),
    ("UTF-8 read as GBK", DAMAGED, |table, at, rng| {
        damage(table, at, rng, |text| GB18030.decode(text.as_bytes()).0.into_owned())
    }),
    ("UTF-8 read as windows-1252", DAMAGED, |table, at, rng| damage(table, at, rng, western)),
    ("UTF-8 read as Latin-1", DAMAGED, |table, at, rng| {
        damage(table, at, rng, |text| text.bytes().map(char::from).collect())
    }),
    ("UTF-8 read as Mac Roman", DAMAGED, |table, at, rng| {
        damage(table, at, rng, |text| MACINTOSH.decode(text.as_bytes()).0.into_owned())
    }),
    ("GBK read as UTF-8", DAMAGED, |table, at, rng| {
        damage(table, at, rng, |text| String::from_utf8_lossy(&GB18030.encode(text).0).into_owned())
    }),
    ("GBK read as Latin-1", DAMAGED, |table, at, rng| {
        damage(table, at, rng, |text| WINDOWS_1252.decode(&GB18030.encode(text).0).0.into_owned())
    }),
    ("encoded twice", DAMAGED, |table, at, rng| damage(table, at, rng, |text| western(&western(text)))),
    ("what became of U+FFFD", DAMAGED, |table, at, rng| damage(table, at, rng, |_| "锟斤拷锟斤拷".to_owned())),
    ("uninitialized memory", DAMAGED, |table, at, rng| damage(table, at, rng, |_| "烫烫烫烫烫屯屯屯屯".to_owned())),
    ("question marks", &["question_marks"], |table, at, rng| {
        damage(table, at, rng, |text| "?".repeat(text.chars().count().max(4)))
    }),
    ("personal data", &["phone_number", "email", "id_number"], |table, at, rng| append(table, at, rng, PERSONAL)),
    ("invisible characters", &["invisible_character"], |table, at, _| {
        table.rows[at][1].insert(0, '\u{200B}');
        at
    }),
    ("an output cut short", &["length_outlier"], |table, at, _| {
        table.rows[at][1] = table.rows[at][1].chars().take(4).collect();
        at
    }),
];

/// `count` tables, each with a defect of [`DEFECTS`] in turn, or of one that takes a table of its own.
pub fn corpus(count: usize) -> Vec<Planted> {
    (0..count)
        .map(|index| {
            let mut rng = rng(1000 + index as u64);
            let of_tables: [fn(&mut StdRng) -> Planted; 3] = [opposite_labels, leak, one_label];
            let kinds = DEFECTS.len() + of_tables.len();
            if let Some(planted) = (index % kinds).checked_sub(DEFECTS.len()) {
                return of_tables[planted](&mut rng);
            }
            let (name, kinds, plant) = DEFECTS[index % kinds];
            // Fields in another order need fields; the length of labels says nothing.
            let styles: &[usize] = match name {
                name if name.contains("order") => &[0, 1, 4],
                name if name.contains("short") => &[0, 1, 2, 3, 6],
                _ => &[0, 1, 2, 3, 4, 6],
            };
            let style = styles[(index / kinds_of(DEFECTS)) % styles.len()];
            let mut table = table(style, 40, &mut rng);
            let at = rng.random_range(0..table.rows.len());
            let row = 1 + plant(&mut table, at, &mut rng);
            Planted { name, table, options: "{}", kinds, row }
        })
        .collect()
}

fn kinds_of(defects: &[(&str, &[&str], Plant)]) -> usize {
    defects.len() + 3
}

const OTHER: &str = "与上一轮结论相反：暂缓，并在下季度重新评议。";

fn again(table: &mut Table, at: usize, input: impl Fn(&str) -> String, output: &str) -> usize {
    let mut row = table.rows[at].clone();
    row[0] = input(&row[0]);
    if !output.is_empty() {
        row[1] = output.to_owned();
    }
    table.rows.push(row);
    table.rows.len() - 1
}

fn spaced(text: &str) -> String {
    let inside = text.char_indices().nth(3).map_or(0, |(at, _)| at);
    let text = format!("{} {}", &text[..inside], &text[inside..]);
    format!(
        "  {} ",
        text.replace(',', " , ").replace(':', ": ").replace('；', "； ").replace('，', "， ").replace('。', "。 ")
    )
}

fn full_width(text: &str) -> String {
    let wide = text.replace(',', "，").replace(':', "：").replace(';', "；").replace('?', "？");
    if wide == text { text.replace('，', ",").replace('。', ".").replace('：', ":") + "." } else { wide }
}

fn reordered(text: &str) -> String {
    let separator = if text.contains(';') { ";" } else { "," };
    let mut fields: Vec<&str> = text.split(separator).map(str::trim).collect();
    fields.rotate_left(2);
    fields.join(separator)
}

const SCORES: &[&str] = &[
    "综合得分97.5分。",
    "协作评分：2.5。",
    "总评为 1.7/5。",
    "上级打分99分，",
    "Overall score: 97.5.",
    "Rated 2.5 by peers.",
    "领导力测评得分为77.3。",
    "scores 61 out of 70 in the assessment.",
    "360评估78.6分",
    "KPI完成率87.3%。",
];
const TEMPLATES: &[&str] = &[
    "【姓名】表现稳定。",
    "Dear [Employee Name],",
    "{{name}}需关注",
    "此处填写具体建议",
    "TODO: 补充案例",
    "（待补充）",
    "XX部门负责跟进",
    "<请输入评语>",
    "${employee}的改进项",
    "____同学",
    "[insert example here]",
    "Lorem ipsum dolor sit amet",
    "某某项目",
    "建议由{部门}负责",
];
const NAMES: &[&str] = &[
    "王伟的沟通能力值得肯定。",
    "由张建国经理负责跟进。",
    "李娜同学可担任导师。",
    "请与陈思雨沟通。",
    "Michael Brown should lead the project.",
    "Ms. Carter agreed.",
    "赵敏在会上表示支持。",
    "Talk to Li Wei first.",
    "导师：孙志强。",
    "Sarah has the lead.",
    "欧阳雪女士复核。",
    "刘洋表现突出。",
];
const PERSONAL: &[&str] =
    &["联系电话13812345678。", "mail: hr.team@example.com", "身份证11010519491231002X。", "手机 139 1234 5678"];

fn append(table: &mut Table, at: usize, rng: &mut StdRng, sentences: &[&str]) -> usize {
    let output = &mut table.rows[at][1];
    *output = format!(
        "{output}{}{}",
        if output.ends_with(['。', '.']) { " " } else { "\n" },
        sentences[rng.random_range(0..sentences.len())]
    );
    at
}

fn western(text: &str) -> String {
    WINDOWS_1252.decode(text.as_bytes()).0.into_owned()
}

/// Damages the input, the output, or one sentence that is added to it.
fn damage(table: &mut Table, at: usize, rng: &mut StdRng, how: impl Fn(&str) -> String) -> usize {
    let sentence =
        ["技术能力强，绩效稳定", "沟通顺畅", "建议纳入继任者计划。", "该员工按时完成交付"][rng.random_range(0..4)];
    let row = &mut table.rows[at];
    match rng.random_range(0..3) {
        0 => row[0] = how(&format!("{},备注:{sentence}", row[0])),
        1 => row[1] = how(&format!("{}{sentence}", row[1])),
        _ => row[1] = format!("{}{}", row[1], how(sentence)),
    }
    at
}

/// In one job level, the label of the best is that of the worst in the others.
fn opposite_labels(rng: &mut StdRng) -> Planted {
    let mut table = table(4, 60, rng);
    table.header.push("职级");
    let turned = ["P5", "P6", "M1"][rng.random_range(0..3)];
    for row in &mut table.rows {
        let level = row[0].split("职级:").nth(1).and_then(|rest| rest.split(',').next()).unwrap().to_owned();
        if level == turned {
            let swap = |text: &str| text.replace("绩效A", "绩效?").replace("绩效C", "绩效A").replace("绩效?", "绩效C");
            row[0] = row[0].replace("绩效:A", "绩效:?").replace("绩效:C", "绩效:A").replace("绩效:?", "绩效:C");
            row[1] = swap(&row[1]);
        }
        row.push(level);
    }
    Planted { name: "opposite labels", table, options: r#"{"group_by":"职级"}"#, kinds: &["opposite_label"], row: 0 }
}

fn leak(rng: &mut StdRng) -> Planted {
    let style = [0, 1, 4][rng.random_range(0..3)];
    let mut table = table(style, 40, rng);
    let at = rng.random_range(0..30);
    let changed = [spaced, full_width, reordered][rng.random_range(0..3)];
    let row = again(&mut table, at, changed, "");
    table.header.push("split");
    for (index, row) in table.rows.iter_mut().enumerate() {
        row.push(if index < 32 { "train" } else { "validation" }.to_owned());
    }
    Planted { name: "leak", table, options: r#"{"split_column":"split"}"#, kinds: &["leak"], row: row + 1 }
}

fn one_label(rng: &mut StdRng) -> Planted {
    let mut table = table(5, 60, rng);
    for row in table.rows.iter_mut().skip(3) {
        row[1] = "稳定".to_owned();
    }
    Planted { name: "one label for nearly all", table, options: "{}", kinds: &["label_imbalance"], row: 1 }
}
