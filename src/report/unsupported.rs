//! What a conclusion quotes or counts and the case does not have.

use super::subject::Subject;
use crate::adapter::learnt::LearntRows;
use crate::conclusions::{numbers, plain, plain_numbers, quotations};
use std::collections::HashSet;

/// Numbers and quotations of a conclusion that stand neither in the input nor, as numbers of the house style, in the
/// outputs that the adapter was trained on.
pub(super) fn in_claim(text: &str, subject: &Subject, learnt: &LearntRows) -> Vec<String> {
    let known: HashSet<String> = plain_numbers(&subject.text()).collect();
    let of_house = |number: &str| learnt.numbers.iter().any(|known| known == number);
    let foreign_number = |number: &&str| !known.contains(&plain(number)) && !of_house(&plain(number));
    let foreign_quotation = |quoted: &&str| !subject.says(quoted);
    let mut found: Vec<String> = Vec::new();
    let numbers = numbers(text).into_iter().filter(foreign_number);
    for part in numbers.chain(quotations(text).into_iter().filter(foreign_quotation)) {
        if !found.iter().any(|known| known == part) {
            found.push(part.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Fields;

    #[test]
    fn numbers_and_quotations_are_looked_up_in_the_case() {
        let subject = Subject::Fields(Fields::parse("技术深度:9/10,司龄:3年,评价:他说“踏实”").unwrap());
        let learnt = LearntRows { numbers: vec!["30".to_owned()], ..Default::default() };
        let found = |text: &str| in_claim(text, &subject, &learnt);
        assert!(found("技术深度为9/10，司龄3年，“踏实”，30天内面谈。").is_empty());
        assert_eq!(found("技术深度为8/10，60天内，60分，“可靠”。"), ["8/10", "60", "可靠"]);
        assert_eq!(found("得分9。"), ["9"], "a part of a number is another number");
        assert!(found("技术深度９／10，３０天。").is_empty());
        assert_eq!(found("技术深度８/10，‘可靠’。"), ["８/10", "可靠"]);
    }
}
