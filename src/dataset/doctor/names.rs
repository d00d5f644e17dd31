//! Names of people in outputs: a model that learns them gives one employee's name to another.
//!
//! A Chinese name has no mark, and its characters are words, too. So it needs more than a surname and a given name: a title
//! behind it, a word that introduces it, or the beginning of a sentence that goes on as sentences about people do.

use super::fold::{compact, fields, fold};
use super::words::words;
use fancy_regex::Regex;
use std::sync::LazyLock;

/// Whether a person's name stands in an output.
pub(super) fn in_output(input: &str, output: &str) -> bool {
    is_given(input, output) || has_chinese(output) || has_english(output)
}

/// The name that the input has in a field for it.
fn is_given(input: &str, output: &str) -> bool {
    let (input, output) = (fold(input), fold(output));
    let mut parts = fields(&input);
    if parts.is_empty() {
        parts.extend(input.split_once(':'));
    }
    parts.into_iter().any(|(name, value)| {
        let long = value.chars().count() >= 2 && value.chars().all(|c| c.is_alphabetic() || matches!(c, ' ' | '·' | '.'));
        long && words().name_fields.contains(&compact(name)) && output.contains(value.trim())
    })
}

/// What may follow a name at the beginning of a sentence.
const GOES_ON: &[&str] = &[
    "在", "的", "是", "为", "于", "本", "今年", "去年", "具", "表现", "工作", "能", "作为", "担任", "擅", "有", "，", ",", "、", "：", ":", "入职", "近", "全年", "该",
    "虽", "个人", "技术", "绩效", "已", "负责", "带领", "一直", "善", "对", "、", "这", "（", "(", "年度", "展现", "需", "应", "可", "尚", "很", "非常", "较",
];

fn has_chinese(output: &str) -> bool {
    let chars: Vec<char> = output.chars().collect();
    (0..chars.len()).any(|at| [3, 4, 2].into_iter().any(|length| is_name_at(&chars, at, length)))
}

/// Whether the characters from `at` on are a name, with what makes sure of it around them.
fn is_name_at(chars: &[char], at: usize, length: usize) -> bool {
    let Some(name) = chars.get(at..at + length) else { return false };
    let is_double = name.len() > 2 && words().double_surnames.iter().any(|surname| name[..2].iter().eq(surname.chars().collect::<Vec<_>>().iter()));
    let given = &name[if is_double { 2 } else { 1 }..];
    let has_surname = is_double || (length < 4 && words().surnames.contains(name[0]));
    if !has_surname || !given.iter().all(|c| words().given.contains(*c)) {
        return false;
    }
    // The word may be all of it, or end in the middle of what would be a given name.
    let begins_a_word = |length: usize| chars.get(at..at + length).is_some_and(|word| words().no_names.contains(&word.iter().collect::<String>()));
    if begins_a_word(2) || begins_a_word(3) {
        return false;
    }
    let behind: String = chars[at + length..].iter().take(4).collect();
    let before: String = chars[at.saturating_sub(4)..at].iter().collect::<String>().to_lowercase();
    let titled = words().titles.iter().any(|title| behind.starts_with(title.as_str()));
    let introduced = words().introductions.iter().any(|word| before.trim_end_matches([':', '：', ' ', '“', '"']).ends_with(word.as_str()));
    let ends = behind.chars().next().is_none_or(|c| !c.is_alphanumeric());
    let goes_on = ends || GOES_ON.iter().any(|word| behind.starts_with(word));
    let begins = before.chars().next_back().is_none_or(|c| !c.is_alphanumeric());
    (titled && (begins || introduced || length > 2)) || (introduced && goes_on) || (begins && goes_on && !ends) || (begins && ends && length > 2 && is_double)
}

/// `Ms. Lee`, `John Smith`, `Zhang Wei`, `Sarah's`.
fn has_english(output: &str) -> bool {
    static WORD: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?<![A-Za-z])[A-Z][A-Za-z]*(?![A-Za-z])").ok());
    let Some(pattern) = WORD.as_ref() else { return false };
    let mut last: Option<(String, usize)> = None;
    pattern.find_iter(output).flatten().any(|found| {
        let word = found.as_str();
        let lower = word.to_lowercase();
        let is_capitalized = word.len() > 1 && word[1..].chars().all(|c| c.is_ascii_lowercase());
        let pair = last.as_ref().filter(|(_, end)| matches!(&output[*end..found.start()], " " | ". " | "."));
        let first = pair.map_or("", |(first, _)| first.as_str());
        let words = words();
        let rest = &output[found.end()..];
        let is_first_name = words.first_names.contains(&lower);
        let goes_on = ["'s", "’s", " is ", " has ", " was ", " shows ", " should ", " needs ", " led ", " works ", " consistently "];
        let is_name = (is_capitalized && words.english_titles.contains(first))
            || (is_capitalized && words.first_names.contains(first))
            || (is_first_name && is_capitalized && goes_on.iter().any(|next| rest.starts_with(next)))
            || (is_capitalized && words.pinyin_surnames.contains(first) && words.pinyin_given.contains(&lower))
            || (is_capitalized && words.pinyin_given.contains(first) && words.pinyin_surnames.contains(&lower) && first.len() > 2);
        last = Some((lower, found.end()));
        is_name
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert!(in_output("岗位:P7,绩效:A", output), "{output}");
        }
        assert!(in_output("姓名:诸行,绩效:A", "诸行表现稳定"));
        assert!(in_output("Name: Oluwaseun Adeyemi; Rating: A", "Oluwaseun Adeyemi delivered."));
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
            assert!(!in_output("岗位:P7,绩效:A", output), "{output}");
        }
    }
}
