//! Other values that a field might have had: those of the training rows, else values of the same form.

use crate::adapter::learnt::LearntRows;
use crate::fields::Field;

/// Shares of a number that stand instead of it.
const FACTORS: [f64; 5] = [0.3, 0.6, 1.5, 2.0, 3.0];
const GRADES: [char; 4] = ['A', 'B', 'C', 'D'];

/// At most `most` other values of a field, spread evenly over those that are known.
pub(super) fn substitutes(field: &Field, learnt: &LearntRows, most: usize) -> Vec<String> {
    let known = learnt.fields.iter().find(|known| known.name == field.name);
    let mut others: Vec<String> = known.map(|known| known.values.clone()).unwrap_or_default();
    others.retain(|value| *value != field.value);
    if others.is_empty() {
        others = of_same_form(&field.value);
    }
    spread(others, most)
}

/// The characters of a text in another order, as a name that nobody has: for fields that must not matter.
pub(super) fn unknown_text(value: &str, most: usize) -> Vec<String> {
    let chars: Vec<char> = value.chars().collect();
    let mut others = Vec::new();
    for by in 1..chars.len() {
        let mut turned = chars.clone();
        turned.rotate_left(by);
        let turned: String = turned.into_iter().collect();
        if turned.trim() == turned && turned != value && !others.contains(&turned) {
            others.push(turned);
        }
    }
    spread(others, most)
}

fn spread(values: Vec<String>, most: usize) -> Vec<String> {
    if values.len() <= most {
        return values;
    }
    (0..most).map(|at| values[(2 * at + 1) * values.len() / (2 * most)].clone()).collect()
}

/// Values with other numbers or other grades: `9/10` → `3/10`, `B+` → `A+`. None of a text without either.
fn of_same_form(value: &str) -> Vec<String> {
    let mut others: Vec<String> = match value.find(|c: char| c.is_ascii_digit()) {
        Some(start) => other_numbers(value, start),
        None => other_grades(value),
    };
    others.retain(|other| other != value);
    others.sort_unstable();
    others.dedup();
    others
}

/// The first number changed; before a slash, it stays within what stands behind.
fn other_numbers(value: &str, start: usize) -> Vec<String> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let end = start + digits(&value[start..]);
    let Ok(number) = value[start..end].parse::<u32>() else { return Vec::new() };
    let behind = value[end..].strip_prefix('/');
    let limit = behind.and_then(|behind| behind[..digits(behind)].parse::<u32>().ok());
    let changed = |to: u32| format!("{}{to}{}", &value[..start], &value[end..]);
    match limit {
        Some(limit) => (1..=5).map(|part| changed((limit * part).div_ceil(5))).collect(),
        None => FACTORS.iter().map(|factor| changed((f64::from(number) * factor).round() as u32)).collect(),
    }
}

/// A value of letters from A to D, with signs and slashes between: all its letters changed alike.
fn other_grades(value: &str) -> Vec<String> {
    let is_grades = value.chars().count() <= 5 && value.chars().all(|c| GRADES.contains(&c) || "+-/".contains(c));
    let Some(first) = value.chars().find(|c| GRADES.contains(c)).filter(|_| is_grades) else { return Vec::new() };
    GRADES.iter().map(|grade| value.replace(first, &grade.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::learnt::LearntField;
    use crate::fields::Fields;

    fn of(input: &str, learnt: &LearntRows, most: usize) -> Vec<String> {
        let fields = Fields::parse(input).unwrap();
        substitutes(fields.iter().next().unwrap(), learnt, most)
    }

    #[test]
    fn values_of_the_rows_come_first_and_are_spread() {
        let values = (1..=10).map(|score| format!("{score}/10")).collect();
        let learnt = LearntRows { fields: vec![LearntField { name: "a".to_owned(), values }], numbers: Vec::new() };
        assert_eq!(of("a:9/10", &learnt, 3), ["2/10", "5/10", "8/10"]);
        assert_eq!(of("a:9/10", &learnt, 20).len(), 9);
        assert_eq!(of("b:9/10", &learnt, 20), ["10/10", "2/10", "4/10", "6/10", "8/10"]);
    }

    #[test]
    fn other_values_have_the_same_form() {
        let none = LearntRows::default();
        assert_eq!(of("a:B+/B", &none, 5), ["A+/A", "C+/C", "D+/D"]);
        assert_eq!(of("a:12个月", &none, 5), ["18个月", "24个月", "36个月", "4个月", "7个月"]);
        assert_eq!(of("a:4000000000/4", &none, 9), ["1/4", "2/4", "3/4", "4/4"]);
        for text in ["a:工程师", "a:BAD DAY", "a:", "a:99999999999999999999"] {
            assert!(of(text, &none, 5).is_empty(), "{text}");
        }
        assert_eq!(unknown_text("王小明", 5), ["小明王", "明王小"]);
        assert!(unknown_text("男", 5).is_empty() && unknown_text("aa", 5).is_empty());
    }
}
