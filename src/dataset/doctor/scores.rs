//! Scores in an output that its input lacks: a model that learns from them makes numbers up.

use fancy_regex::Regex;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::LazyLock;

/// How scores are written, in folded text. The pattern looks at nothing around it, which keeps it fast; what makes it something
/// else is said beside it.
struct Form {
    /// Words one of which stands in every such score.
    words: &'static [&'static str],
    /// What is measured is group 1.
    pattern: LazyLock<Option<Regex>>,
    /// No score if this comes before it.
    before: &'static [&'static str],
    /// Nor if this follows.
    after: &'static [&'static str],
}

macro_rules! form {
    ($words:expr, $pattern:expr, $before:expr, $after:expr) => {
        Form { words: &$words, pattern: LazyLock::new(|| Regex::new($pattern).ok()), before: &$before, after: &$after }
    };
}

/// `8/10`, `85分`, `7 out of 10`, `得分为4.5`, `rated 4.5`, `完成率92%`, `绩效B+`; not a date, a time, a share of people or the
/// scale itself.
static FORMS: [Form; 6] = [
    form!(
        ["/"],
        r"(\d{1,3}(?:\.\d+)?)\s*/\s*(?:150|120|100|50|20|10|5)",
        ["/", "年", "月"],
        ["/", "前", "日", "号", "之前", "的", "人", "名", "of ", "people"]
    ),
    form!(
        ["分"],
        r"(\d{1,3}(?:\.\d+)?)\s*分",
        ["点", "时", ":", "满分", "总分", "满分为", "总分为", "满", "总"],
        [
            "钟", "之", "公", "部", "别", "配", "工", "析", "期", "解", "支", "管", "组", "享", "级", "阶", "批", "类",
            "成", "店", "行", "摊", "层", "头", "布", "段", "散", "红", "机", "制", "数",
        ]
    ),
    form!(
        ["out of"],
        r"(\d{1,3}(?:\.\d+)?)\s*out of\s*\d{1,3}",
        [],
        ["people", "employees", "members", "projects", "of the"]
    ),
    form!(
        ["评分", "得分", "打分", "分数", "分值", "成绩", "score", "rat", "points"],
        concat!(
            r"(?:评分|得分|打分|分数|分值|成绩|scored?s?|rat(?:ed|ing)|points)\s*",
            r"(?:均|仅|高达|达到|达|为|是|:|=|of|at|is|was|a)?\s*(\d{1,3}(?:\.\d+)?)"
        ),
        [],
        ["个", "年", "月", "天", "人", "项", "次", "year", "month", "day", "week"]
    ),
    form!(
        ["%"],
        concat!(
            r"(?:完成率|达成率|合格率|出勤率|达标率|completion(?: rate)?|attainment|kpi)\s*",
            r"(?:仅|高达|达到|达|为|是|:|=|of|at|is|was)?\s*(\d{1,3}(?:\.\d+)?)\s*%"
        ),
        [],
        []
    ),
    form!(
        ["绩效", "评级", "考核", "考评", "等级", "rating", "rated", "grade"],
        concat!(
            r"(?:绩效|评级|考核|考评|等级|ratings?|rated|grade)\s*(?:结果|等级|评级|评定|被评|连续)?\s*",
            r"(?:[均为达是:=]\s*|达到|(?:of|at|is|was|an?)\s+)?([a-es][+-]?)"
        ),
        [],
        ["'"]
    ),
];

impl Form {
    /// The scores of this form in a folded text.
    fn scores<'t>(&self, text: &'t str) -> Vec<&'t str> {
        if !self.words.iter().any(|word| text.contains(word)) {
            return Vec::new();
        }
        let found = self.pattern.iter().flat_map(|pattern| pattern.captures_iter(text)).flatten();
        let scores = found.filter_map(|found| Some((found.get(0)?, found.get(1)?.as_str())));
        scores.filter(|(whole, score)| self.stands_alone(text, whole.range(), score)).map(|(_, score)| score).collect()
    }

    fn stands_alone(&self, text: &str, whole: Range<usize>, score: &str) -> bool {
        let (before, matched, after) = (&text[..whole.start], &text[whole.clone()], &text[whole.end..]);
        let is_one_word = |before: &str, after: &str| {
            let both = |is: fn(&char) -> bool| {
                before.chars().next_back().is_some_and(|c| is(&c)) && after.chars().next().is_some_and(|c| is(&c))
            };
            both(char::is_ascii_alphabetic) || both(char::is_ascii_digit)
        };
        let in_number = before.ends_with('.') && matched.starts_with(|c: char| c.is_ascii_digit());
        let (rest, is_grade) = (after.trim_start(), score.starts_with(|c: char| c.is_ascii_alphabetic()));
        // `rated a leader`, `grade a-z`, `绩效a股`.
        let is_word = is_grade
            && (after.starts_with(|c: char| c.is_ascii_alphanumeric())
                || (score == "a" && after.starts_with(' ') && rest.starts_with(|c: char| c.is_ascii_alphabetic())));
        !is_one_word(before, matched)
            && !is_one_word(matched, after)
            && !in_number
            && !is_word
            && !self.before.iter().any(|word| before.trim_end().ends_with(word))
            && !self.after.iter().any(|word| rest.starts_with(word))
    }
}

/// Whether an output has a score that its input lacks. Both are folded.
pub(super) fn invented(input: &str, output: &str) -> bool {
    let scores: Vec<&str> = FORMS.iter().flat_map(|form| form.scores(output)).collect();
    if scores.is_empty() {
        return false;
    }
    let given = tokens(input);
    scores.into_iter().any(|score| !given.contains(normal(score).as_str()))
}

/// The numbers and grades of a folded text.
fn tokens(folded: &str) -> HashSet<String> {
    static TOKEN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\d+(?:\.\d+)?|[a-z]+[+-]?").ok());
    let Some(token) = TOKEN.as_ref() else { return HashSet::new() };
    token.find_iter(folded).flatten().map(|found| normal(found.as_str())).collect()
}

/// `8.0` is `8`.
fn normal(score: &str) -> String {
    match score.contains('.') {
        true => score.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => score.trim_start_matches('0').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::fold::fold;

    #[test]
    fn the_patterns_are_regular_expressions() {
        assert!(FORMS.iter().all(|form| form.pattern.is_some()));
    }

    #[test]
    fn scores_that_the_input_lacks_are_found() {
        for output in [
            "技术深度为7/10",
            "综合得分85分",
            "评分：4.5，表现稳定",
            "总体评分为 3.8",
            "绩效B+，表现稳定",
            "考核等级为C",
            "KPI完成率92%",
            "scores 7 out of 10",
            "Rated 4.5 overall.",
            "an overall score of 88",
            "performance rating: D",
            "协作 ８／１０",
            "沟通能力85分，可以",
        ] {
            assert!(invented(&fold("岗位:P6,绩效:A,深度:9/10"), &fold(output)), "{output}");
        }
    }

    #[test]
    fn what_the_input_has_and_what_is_no_score_is_left_alone() {
        for output in [
            "技术深度为9/10，绩效A/A-",
            "得分9分",
            "深度9.0分",
            "9/15前完成面谈，10点30分开会",
            "30分钟内回复，30天内完成",
            "24/7 on call; 3/4 of the time",
            "满分10分制",
            "4/5的成员认可",
            "九宫格A1，P7工程师，M2",
            "提升10%，增长20%",
            "分享3次，分析5个项目",
            "grade an assignment; rated as a leader",
            "评分标准3项",
            "12分公司",
            "绩效辅导",
        ] {
            assert!(!invented(&fold("岗位:P7,绩效:A/A-,深度:9/10"), &fold(output)), "{output}");
        }
    }
}
