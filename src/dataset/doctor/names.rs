//! Names of people in outputs: a model that learns them gives one employee's name to another.
//!
//! A Chinese name has no mark, and its characters are words, too. So it needs more than a surname and a given name: a title
//! behind it, a word that introduces it, or the beginning of a sentence that goes on as sentences about people do.

use super::words::words;
use crate::dataset::fold::{compact, fields};
use std::collections::HashSet;

/// Whether a person's name stands in an output. `folded` are the input and the output.
pub(super) fn in_output(folded: [&str; 2], output: &str) -> bool {
    is_given(folded)
        || has_chinese(output)
        || (output.contains(|c: char| c.is_ascii_uppercase()) && has_english(output))
}

/// The name that the input has in a field for it.
fn is_given([input, output]: [&str; 2]) -> bool {
    let mut parts = fields(input);
    if parts.is_empty() {
        parts.extend(input.split_once(':'));
    }
    parts.into_iter().any(|(name, value)| {
        let long =
            value.chars().count() >= 2 && value.chars().all(|c| c.is_alphabetic() || matches!(c, ' ' | '·' | '.'));
        long && words().name_fields.contains(&compact(name)) && output.contains(value.trim())
    })
}

/// What may follow a name at the beginning of a sentence.
const GOES_ON: &[&str] = &[
    "在", "的", "是", "为", "于", "本", "今年", "去年", "具", "表现", "工作", "能", "作为", "担任", "擅", "有", "，",
    ",", "、", "：", ":", "入职", "近", "全年", "该", "虽", "个人", "技术", "绩效", "已", "负责", "带领", "一直", "善",
    "对", "、", "这", "（", "(", "年度", "展现", "需", "应", "可", "尚", "很", "非常", "较",
];

fn has_chinese(output: &str) -> bool {
    let chars: Vec<char> = output.chars().collect();
    let begins = |at: &usize| {
        words().surnames.contains(&chars[*at])
            || words().double_surnames.iter().any(|surname| begins_with(&chars[*at..], surname))
    };
    (0..chars.len()).filter(begins).any(|at| [3, 4, 2].into_iter().any(|length| is_name_at(&chars, at, length)))
}

fn begins_with(chars: &[char], word: &str) -> bool {
    let mut count = 0;
    let same = word.chars().all(|c| {
        count += 1;
        chars.get(count - 1) == Some(&c)
    });
    same && count > 0
}

/// Whether so many characters from `at` on are a name, with what makes sure of it around them.
fn is_name_at(chars: &[char], at: usize, length: usize) -> bool {
    let Some(name) = chars.get(at..at + length) else { return false };
    let is_double = length > 2 && words().double_surnames.iter().any(|surname| begins_with(name, surname));
    let given = &name[if is_double { 2 } else { 1 }..];
    let has_surname = is_double || (length < 4 && words().surnames.contains(&name[0]));
    if !has_surname || !given.iter().all(|c| words().given.contains(c)) {
        return false;
    }
    let is_word =
        |length| chars.get(at..at + length).is_some_and(|word| words().no_names.contains(&String::from_iter(word)));
    if is_word(2) || is_word(3) {
        return false;
    }
    let behind = &chars[at + length..];
    let before = String::from_iter(&chars[at.saturating_sub(5)..at]).to_lowercase();
    let introduction = before.trim_end_matches([':', '：', ' ', '“', '"']);
    let introduced = words().introductions.iter().any(|word| introduction.ends_with(word.as_str()));
    let titled = words().titles.iter().any(|title| begins_with(behind, title));
    let begins = before.chars().next_back().is_none_or(|c| !c.is_alphanumeric());
    let ends = behind.first().is_none_or(|c| !c.is_alphanumeric());
    let goes_on = GOES_ON.iter().any(|word| begins_with(behind, word));
    (titled && (begins || introduced || length > 2))
        || (introduced && (goes_on || ends || length > 2))
        || (begins && goes_on)
}

/// What follows an English name where it is the subject of a sentence.
const VERBS: &[&str] = &[
    "'s ",
    "’s ",
    " is ",
    " has ",
    " was ",
    " shows ",
    " should ",
    " needs ",
    " led ",
    " works ",
    " consistently ",
    " can ",
    " will ",
    " delivered ",
    " exceeded ",
    " demonstrates ",
    " demonstrated ",
];

/// `Ms. Lee`, `John Smith`, `Zhang Wei`, `Sarah's`.
fn has_english(output: &str) -> bool {
    let words = words();
    let (mut first, mut end) = (String::new(), 0);
    for word in output.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty()) {
        let start = word.as_ptr() as usize - output.as_ptr() as usize;
        if !matches!(&output[end..start], " " | ". " | ".") {
            first.clear();
        }
        end = start + word.len();
        let (head, tail) = word.split_at(1);
        let is_capitalized = !tail.is_empty()
            && head.chars().all(|c| c.is_ascii_uppercase())
            && tail.chars().all(|c| c.is_ascii_lowercase());
        let lower = word.to_ascii_lowercase();
        let is_subject = || VERBS.iter().any(|verb| output[end..].starts_with(verb));
        let follows = |set: &HashSet<String>| set.contains(first.as_str());
        let is_name = follows(&words.english_titles)
            || follows(&words.first_names)
            || (words.first_names.contains(&lower) && is_subject())
            || (follows(&words.pinyin_surnames) && words.pinyin_given.contains(&lower))
            || (follows(&words.pinyin_given) && words.pinyin_surnames.contains(&lower));
        if is_capitalized && is_name {
            return true;
        }
        first = if is_capitalized { lower } else { String::new() };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::fold::fold;

    fn found(input: &str, output: &str) -> bool {
        in_output([&fold(input), &fold(output)], output)
    }

    #[test]
    fn names_are_found() {
        for output in [
            "王强在本年度表现突出。",
            "建议由张伟经理带教。",
            "李娜同学技术扎实。",
            "该员工与陈建国协作良好。",
            "员工刘洋绩效优秀，",
            "欧阳明月表现稳定",
            "总体稳定。赵敏的协作能力强。",
            "导师：孙志强。",
            "John Smith is a strong engineer.",
            "Ms. Lee exceeds expectations.",
            "We recommend Sarah's promotion.",
            "Emily has grown.",
            "Zhang Wei leads the team.",
            "Talk to Dr. Chen.",
            "Report to Xiaoming Wang.",
        ] {
            assert!(found("岗位:P7,绩效:A", output), "{output}");
        }
        assert!(found("姓名:诸行,绩效:A", "诸行表现稳定"));
        assert!(found("Name: Oluwaseun Adeyemi; Rating: A", "Oluwaseun Adeyemi delivered."));
    }

    #[test]
    fn words_are_no_names() {
        for output in [
            "高超的技术能力，高效的协作。",
            "高级经理，项目经理，产品总监。",
            "方向明确，方法得当，成长迅速。",
            "管理能力强，任职三年。",
            "于本年度完成项目，常年稳定。",
            "华东区销售总监，江苏分公司。",
            "安全工程师，应建立导师制。",
            "九宫格A1，进高潜池。P7高级架构师，绩效A/A-，建议纳入继任者计划。",
            "技术底子偏薄，安排导师结对；可牵头跨团队攻坚。HRBP在30天内完成发展面谈。",
            "Strong engineer. Senior Manager of Data Platform. May be promoted in June.",
            "The Employee shows Technical Depth. Will lead.",
            "Power BI, SQL Server and Java. Mark the date.",
            "与团队协作良好，向上沟通顺畅，对业务理解深。",
            "和谐共事，平和待人，文明礼貌。",
            "可向新人传授经验，能与家人平衡。",
        ] {
            assert!(!found("岗位:P7,绩效:A", output), "{output}");
        }
    }
}
