//! What a conclusion quotes or counts and the case does not have.

use crate::adapter::learnt::LearntRows;
use crate::conclusions::{numbers, quotations};
use crate::fields::Fields;

/// Numbers and quotations of a conclusion that stand neither in the input nor, as numbers of the house style, in the
/// outputs that the adapter was trained on.
pub(super) fn in_claim(text: &str, fields: &Fields, learnt: &LearntRows) -> Vec<String> {
    let input = fields.text();
    let known: Vec<&str> = numbers(&input);
    let of_house = |number: &str| learnt.numbers.iter().any(|known| known == number);
    let foreign_number = |number: &&str| !known.contains(number) && !of_house(number);
    let foreign_quotation =
        |quoted: &&str| !fields.iter().any(|field| field.value.contains(quoted) || field.name == *quoted);
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

    #[test]
    fn numbers_and_quotations_are_looked_up_in_the_case() {
        let fields = Fields::parse("技术深度:9/10,司龄:3年,评价:他说“踏实”").unwrap();
        let learnt = LearntRows { numbers: vec!["30".to_owned()], ..Default::default() };
        let found = |text: &str| in_claim(text, &fields, &learnt);
        assert!(found("技术深度为9/10，司龄3年，“踏实”，30天内面谈。").is_empty());
        assert_eq!(found("技术深度为8/10，60天内，60分，“可靠”。"), ["8/10", "60", "可靠"]);
        assert_eq!(found("得分9。"), ["9"], "a part of a number is another number");
    }
}
