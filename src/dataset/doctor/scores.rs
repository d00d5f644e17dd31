//! Scores in an output that its input lacks: a model that learns from them makes numbers up.

use super::fold::fold;
use fancy_regex::Regex;
use std::collections::HashSet;
use std::sync::LazyLock;

type Pattern = LazyLock<Option<Regex>>;

/// `8/10`, `85分`, `7 out of 10`, `得分为4.5`, `rated 4.5`, `完成率92%`, `绩效B+`: what is measured stands in group 1, in folded
/// text. Not a date, a time, a share of people or the scale itself.
static PATTERNS: [Pattern; 6] = [
    LazyLock::new(|| {
        Regex::new(
            r"(?<![\d./年月])(\d{1,3}(?:\.\d+)?)\s*/\s*(?:5|10|20|50|100|120|150)(?![\d./]|\s*(?:前|日|号|之前|的|人|名|of\b|people\b))",
        )
        .ok()
    }),
    LazyLock::new(|| {
        Regex::new(
            r"(?<![\d.点时:满总])(?<!满分|总分|满分为|总分为)(\d{1,3}(?:\.\d+)?)\s*分(?![钟之公部别配工析期解支管组享级阶批类成店行摊层头布段散红机制数])",
        )
        .ok()
    }),
    LazyLock::new(|| Regex::new(r"(?<![\d.])(\d{1,3}(?:\.\d+)?)\s*out of\s*\d{1,3}(?!\s*(?:people|employees|members|projects))").ok()),
    LazyLock::new(|| {
        Regex::new(
            r"(?:评分|得分|打分|分数|分值|成绩|总评分|\bscores?d?\b|\brat(?:ed|ing)\b|\bpoints\b)\s*(?:均|仅|高达|达到|达|为|是|:|=|of|at|is|was|a)?\s*(?<![\d.])(\d{1,3}(?:\.\d+)?)(?![\d]|\s*(?:个|年|月|天|人|项|次|years?|months?|days?|weeks?))",
        )
        .ok()
    }),
    LazyLock::new(|| {
        Regex::new(
            r"(?:完成率|达成率|合格率|出勤率|达标率|\bcompletion(?: rate)?|\battainment|\bkpi(?:完成率|达成率)?)\s*(?:仅|高达|达到|达|为|是|:|=|of|at|is|was)?\s*(\d{1,3}(?:\.\d+)?)\s*%",
        )
        .ok()
    }),
    LazyLock::new(|| {
        Regex::new(
            r"(?:绩效|评级|考核|考评|等级|\bratings?|\brated|\bgrade)\s*(?:结果|等级|评级|评定|被评|连续)?\s*(?:均|达到|达|为|是|:|=|of|at|is|was|an?)?\s*([a-es](?:[+-](?![a-z]))?)(?![a-z0-9'])",
        )
        .ok()
    }),
];

/// Whether an output has a score that its input lacks.
pub(super) fn invented(input: &str, output: &str) -> bool {
    let output = fold(output);
    let mut given = None;
    PATTERNS.iter().filter_map(|pattern| pattern.as_ref()).any(|pattern| {
        let scores = pattern.captures_iter(&output).filter_map(|found| Some(found.ok()?.get(1)?.as_str()));
        scores.into_iter().any(|score| {
            let given = given.get_or_insert_with(|| tokens(&fold(input)));
            !given.contains(normal(score).as_str())
        })
    })
}

/// The numbers and grades of a folded text.
fn tokens(folded: &str) -> HashSet<String> {
    static TOKEN: Pattern = LazyLock::new(|| Regex::new(r"\d+(?:\.\d+)?|(?<![a-z])[a-es](?![a-z])[+-]?").ok());
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

    #[test]
    fn the_patterns_are_regular_expressions() {
        assert!(PATTERNS.iter().all(|pattern| pattern.is_some()));
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
            assert!(invented("岗位:P6,绩效:A,深度:9/10", output), "{output}");
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
            assert!(!invented("岗位:P7,绩效:A/A-,深度:9/10", output), "{output}");
        }
    }
}
