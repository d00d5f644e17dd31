//! Text that was never written: blanks of a template, notes to self, filler, and outputs that repeat their inputs.

use super::words::words;
use crate::dataset::fold::compact;
use fancy_regex::Regex;
use std::sync::LazyLock;

type Pattern = LazyLock<Option<Regex>>;

/// In text as it is written: only capitals are notes.
static NOTE: Pattern = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?:^|[^A-Za-z])(?:TODO|TBD|TBC|FIXME|Todo:|todo:|to be (?:filled|completed|added|determined)|[Ll]orem ipsum|",
        r"[xX×Ｘ]{2,})(?:[^A-Za-z]|$)"
    ))
    .ok()
});
/// In folded text.
static FILLER: Pattern = LazyLock::new(|| {
    Regex::new(concat!(
        r"待补充|待填写|待填|待完善|待录入|待撰写|此处填写|在此填写|在此输入|此处输入|请填写|请在此|请补充|请输入|点击此处|占位|示例文本|样例文本|",
        r"模板文字|此处省略|某某|_{3,}|\.{8,}|\$\{[^{}]{1,40}\}|\{\{[^{}]{1,40}\}\}|\{%.{1,40}%\}|(?:^|[^\d])%[sd](?:[^a-z]|$)|",
        r"[\[<]\s*(?:insert|enter|your|add|fill|placeholder)(?: [^\]>]{0,60})?[\]>]|",
        r"(?:insert|enter|fill in) (?:name|text|the name|details|comments?) here|placeholder|sample text"
    ))
    .ok()
});
/// A word in brackets, in folded text: what stands before it, the bracket, the word.
static BRACKETED: Pattern = LazyLock::new(|| {
    Regex::new(r"(?<before>[\p{L}\d]?)\s*(?<open>[\[<{])\s*(?<word>[\p{L}_][\p{L}\d_ ]{0,20}?)\s*[\]>}]").ok()
});
/// Whole outputs that say nothing.
const NOTHING: &[&str] = &[
    "略",
    "同上",
    "测试",
    "待定",
    "test",
    "testtest",
    "na",
    "n/a",
    "null",
    "nan",
    "asdf",
    "same",
    "ditto",
    "seeabove",
    "output",
    "输出",
    "样例",
    "示例",
    "example",
    "tbd",
    "todo",
    "placeholder",
];

/// Whether a field, and the same folded, holds what was to be replaced.
pub(super) fn is_unwritten(field: &str, folded: &str) -> bool {
    is_match(&NOTE, field) || is_match(&FILLER, folded) || (folded.contains(['[', '<', '{']) && has_blank(folded))
}

/// Whether a folded output is nothing but a word that stands for nothing.
pub(super) fn is_nothing(output: &str) -> bool {
    output.len() < 40 && NOTHING.contains(&compact(output).as_str())
}

/// `<姓名>`, `[name]`, `{部门}`; `【姓名】`, too, but headings look so: such a word counts inside a sentence only, or if it is a
/// person's name.
fn has_blank(folded: &str) -> bool {
    let Some(pattern) = BRACKETED.as_ref() else { return false };
    pattern.captures_iter(folded).flatten().any(|found| {
        let part = |name| found.name(name).map_or("", |part| part.as_str());
        let word = part("word");
        let inside = !part("before").is_empty();
        words().blanks.contains(word)
            && (part("open") != "[" || inside || words().name_fields.contains(word) || word.is_ascii())
    })
}

fn is_match(pattern: &Pattern, text: &str) -> bool {
    pattern.as_ref().is_some_and(|regex| regex.is_match(text).unwrap_or(false))
}

/// Whether an output is its input, or little more: what a model would learn from it is to repeat. Both are folded.
pub(super) fn repeats(input: &str, output: &str) -> bool {
    if output.len() > input.len() * 2 {
        return false;
    }
    let [input, output] = [input, output].map(compact);
    // A rating may be the answer to itself; a sentence may not.
    let length = input.chars().count();
    length >= 6 && output.contains(&input) && output.chars().count() <= length + length / 5 + 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::fold::fold;

    #[test]
    fn the_patterns_are_regular_expressions() {
        assert!([&NOTE, &FILLER, &BRACKETED].iter().all(|pattern| pattern.is_some()));
    }

    #[test]
    fn what_was_never_written_is_found() {
        for field in [
            "TODO",
            "TODO: 写结论",
            "结论待补充",
            "【姓名】在本年度表现突出",
            "请【部门】于【日期】前完成",
            "[Name] is a strong engineer",
            "<姓名>表现稳定",
            "{{name}}表现",
            "{name} is",
            "${score}分",
            "Dear [insert name here]",
            "XX部门的XX同学",
            "xx表现良好",
            "该员工____表现",
            "Lorem ipsum dolor sit",
            "此处填写评语",
            "某某同学",
            "得分%s",
            "TBD",
            "Rating: TBD.",
            "请在此输入评语",
            "[Your Name]",
            "{部门}的员工",
            "××公司",
        ] {
            assert!(is_unwritten(field, &fold(field)), "{field}");
        }
    }

    #[test]
    fn headings_json_and_markup_are_left_alone() {
        for field in [
            "【盘点结论】九宫格A1。【下一步】HRBP面谈",
            "【岗位】P7工程师。【绩效】A",
            "{\"name\": \"a\", \"score\": 1}",
            "<b>结论</b>",
            "5 < 6 > 4",
            "size XXL",
            "XLSX",
            "提升20%，占比30%。",
            "[1] 见附件",
            "【优势】技术扎实",
            "Excel, XML and TODOs",
            "待提升",
            "省略号……",
            "a_b_c",
            "【风险】协作偏弱；[结论] 保持",
            "100%set",
        ] {
            assert!(!is_unwritten(field, &fold(field)), "{field}");
        }
    }

    #[test]
    fn repetitions_are_found() {
        assert!(repeats(&fold("岗位:P7,绩效:A"), &fold("岗位：P7，绩效：A。")));
        assert!(repeats(&fold("岗位:P7,绩效:A"), &fold("输出：岗位:P7,绩效:A")));
        assert!(!repeats(&fold("岗位:P7,绩效:A"), &fold("岗位P7的员工，绩效A，建议纳入继任者计划，安排导师")));
        assert!(!repeats(&fold("A"), &fold("A")));
        assert!(is_nothing(&fold(" 略。")) && is_nothing(&fold("N/A")) && !is_nothing(&fold("略有不足")));
    }
}
