//! The sample's house style: what both READMEs print follows the rules of `samples/data/make_talent_review.py`, and the
//! samples' recipe learns them.

use std::collections::BTreeSet;
use std::path::Path;
use tailora::{
    Cancel, Control, Dataset, DatasetOptions, GenerateOptions, LanguageModel, ModelOptions, Monitor, Session,
    SessionOptions, TrainOptions,
};

const READMES: [&str; 2] = ["README.md", "README.zh.md"];
/// Jobs, ratings and potentials of employees that the CSV does not have.
const NEW_JOBS: [&str; 6] =
    ["P7高级架构师", "P6前端工程师", "P6供应链经理", "P8数据专家", "P5财务分析师", "P8市场总监"];
const RATINGS: [&str; 13] =
    ["A/A-", "A/B+", "A/A", "A-/A", "A+/A", "B+/B", "B/B+", "B/B", "B+/A-", "B-/B", "C/B", "C/C", "C+/B-"];
const POTENTIALS: [&str; 3] = ["高", "中", "低"];

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap().replace("\r\n", "\n")
}

/// The fields of an employee, in the order of the line.
struct Employee<'a> {
    job: &'a str,
    rating: &'a str,
    potential: &'a str,
    depth: u32,
    teamwork: u32,
}

impl<'a> Employee<'a> {
    fn of(line: &'a str) -> Self {
        let values: Vec<&str> = line.split(',').map(|field| field.split_once(':').unwrap().1).collect();
        let points = |value: &str| value.strip_suffix("/10").unwrap().parse().unwrap();
        let [job, rating, potential, depth, teamwork] = values[..] else { panic!("{line}") };
        Employee { job, rating, potential, depth: points(depth), teamwork: points(teamwork) }
    }

    fn line(&self) -> String {
        let Employee { job, rating, potential, depth, teamwork } = self;
        format!("岗位:{job},绩效:{rating},潜力:{potential},技术深度:{depth}/10,跨团队协作:{teamwork}/10")
    }

    /// What follows from the fields: place in the grid, pool, programme, depth, teamwork, next step.
    fn conclusions(&self) -> [String; 6] {
        let letter = &self.rating[..1];
        let (digit, pool, programme) = match self.potential {
            "高" => (1, "高潜池", "继任者计划"),
            "中" => (2, "骨干池", "揭榜挂帅名单"),
            _ => (3, "夯实池", "岗位认证计划"),
        };
        let deep = match self.depth {
            8.. => "堪当技术标杆，承担传帮带导师",
            5..8 => "技术底子够用，参加技术夜校",
            _ => "技术底子偏薄，安排导师结对",
        };
        let together = if self.teamwork >= 7 { "可牵头跨团队攻坚" } else { "先做跨团队轮岗补短板" };
        let next = match letter {
            "A" => "30天内完成发展面谈",
            "B" => "60天内完成校准复盘",
            _ => "90天内完成改进验收",
        };
        [
            format!("九宫格{letter}{digit}，"),
            format!("进{pool}。"),
            format!("建议纳入{programme}。"),
            format!("，{deep}；"),
            format!("，{together}。"),
            format!("HRBP在{next}。"),
        ]
    }

    fn comment(&self) -> String {
        let Employee { job, rating, depth, teamwork, .. } = self;
        let [place, pool, programme, deep, together, next] = self.conclusions();
        format!(
            "【盘点结论】{place}{pool}{job}，绩效{rating}，{programme}技术深度为{depth}/10{deep}跨团队协作为{teamwork}/10{together}【下一步】{next}"
        )
    }
}

/// Input and output of the sample's rows; the inputs are quoted, the outputs are not.
fn rows(csv: &str) -> Vec<(&str, &str)> {
    csv.lines().skip(1).map(|row| row.strip_prefix('"').unwrap().split_once("\",").unwrap()).collect()
}

#[test]
fn the_rules_here_are_those_of_the_script() {
    let csv = read("samples/data/talent_review.csv");
    let rows = rows(&csv);
    assert_eq!(rows.len(), 60);
    for (input, output) in rows {
        let employee = Employee::of(input);
        assert_eq!((employee.line().as_str(), employee.comment().as_str()), (input, output));
    }
}

#[test]
fn the_readmes_print_what_follows_the_rules() {
    for readme in READMES {
        let text = read(readme);
        let after = |start: &str| {
            let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("{readme} lacks {start:?}"));
            rest.lines().next().unwrap()
        };
        let line = after("\nEmployee: ");
        let comment = Employee::of(line).comment();
        assert_eq!(after("\nWith the adapter:\n"), comment, "{readme}");
        assert_eq!(after("\n  \"report\": "), format!("\"{comment}\","), "{readme}");
        let report = text.split_once("\nReport:\n").unwrap().1.split_once("\n```").unwrap().0;
        let conclusions: Vec<&str> =
            report.split("\"text\": \"").skip(1).map(|rest| rest.split_once('"').unwrap().0).collect();
        assert!(conclusions.len() >= 3, "{readme}: {conclusions:?}");
        assert!(conclusions.iter().all(|conclusion| comment.contains(conclusion)), "{readme}: {conclusions:?}");
        for source in report.split("{\"field\": \"").skip(1) {
            let (field, rest) = source.split_once("\", \"value\": \"").unwrap();
            let field = format!("{field}:{}", rest.split_once('"').unwrap().0);
            assert!(line.split(',').any(|known| known == field), "{readme} cites {field}");
        }
    }
}

/// The options of a sample: the JSON in the text, or the properties of the C# record.
fn recipe(text: &str) -> String {
    let json = text
        .split('{')
        .find_map(|part| part.split_once('}').map(|part| part.0).filter(|part| part.contains("learning_rate")));
    let record = || text.split_once("new TrainingOptions { ").map(|rest| rest.1.split_once(" }").unwrap().0);
    let record = || {
        record().map(|record| {
            record.replace("LearningRate =", "\"learning_rate\":").replace("NumTrainEpochs =", "\"num_train_epochs\":")
        })
    };
    let fields = json.map(|json| json.replace('\\', "")).or_else(record).expect("no options");
    format!("{{{}}}", fields.trim())
}

#[test]
fn all_samples_have_one_recipe() {
    let mut recipes = BTreeSet::new();
    for file in ["samples/c/talent_review.c", "samples/cpp/talent_review.cpp", "samples/dotnet/TalentReview/Program.cs"]
    {
        recipes.insert(recipe(&read(file)));
    }
    for readme in READMES {
        let text = read(readme);
        for language in ["csharp", "c"] {
            let program = text.split_once(&format!("```{language}\n")).unwrap().1.split_once("```").unwrap().0;
            recipes.insert(recipe(program));
        }
    }
    assert_eq!(recipes.len(), 1, "{recipes:?}");
    let recipe: TrainOptions = serde_json::from_str(recipes.first().unwrap()).unwrap();
    assert!(recipe.num_train_epochs >= TrainOptions::default().num_train_epochs, "fewer do not learn the rules");
}

#[test]
#[ignore = "minutes"]
fn the_recipe_learns_the_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let none = &mut Monitor::none();
    let model = LanguageModel::load(&root.join("samples/models/tailora-tiny"), &ModelOptions::default(), none).unwrap();
    let csv = read("samples/data/talent_review.csv");
    let dataset =
        Dataset::open_csv(&root.join("samples/data/talent_review.csv"), &DatasetOptions::default(), none).unwrap();
    let options: TrainOptions = serde_json::from_str(&recipe(&read("samples/c/talent_review.c"))).unwrap();
    let outcome = tailora::train(&model, &dataset, &options, none).unwrap();
    let mut session = Session::new(&model, &SessionOptions::default()).unwrap();
    session.attach(&outcome.adapter, 1.0).unwrap();

    // A linear congruential generator.
    let mut state = 2026u64;
    let mut below = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % bound as u64) as usize
    };
    let seen: BTreeSet<&str> = rows(&csv).into_iter().map(|row| row.0).collect();
    let (mut asked, mut right, mut whole) = (0, 0, 0);
    while asked < 100 {
        let employee = Employee {
            job: NEW_JOBS[below(NEW_JOBS.len())],
            rating: RATINGS[below(RATINGS.len())],
            potential: POTENTIALS[below(POTENTIALS.len())],
            depth: 3 + below(8) as u32,
            teamwork: 3 + below(8) as u32,
        };
        let line = employee.line();
        if seen.contains(line.as_str()) {
            continue;
        }
        let generated =
            session.generate(&line, &GenerateOptions::default(), &Cancel::new(), &mut |_| Control::Continue).unwrap();
        asked += 1;
        right += employee.conclusions().iter().filter(|conclusion| generated.text.contains(*conclusion)).count();
        whole += usize::from(generated.text.trim() == employee.comment());
    }
    let share = right as f64 / (6 * asked) as f64;
    println!(
        "{right} of {} conclusions on {asked} unseen employees are right ({share:.3}), {whole} comments whole",
        6 * asked
    );
    println!("{}", outcome.summary);
    assert!(share > 0.9, "{share}");
}
