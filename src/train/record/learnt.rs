//! What the training rows have in common, collected for the adapter's manifest.

use crate::adapter::learnt::{LearntField, LearntRows, MAX_FIELDS, MAX_VALUE_CHARS, MAX_VALUES};
use crate::conclusions::{numbers, plain_numbers};
use crate::dataset::Row;
use crate::fields::Fields;
use std::collections::{HashMap, HashSet};

/// Different values of a field that are counted; those that come after them are not usual.
const MAX_COUNTED: usize = 4096;
/// In fewer rows, a value may be somebody's name.
const LEAST_ROWS: usize = 2;

/// Collects it from the rows whose inputs are fields.
pub(crate) fn learnt_rows<'r>(rows: impl Iterator<Item = &'r Row>) -> LearntRows {
    let mut fields: Vec<(String, HashMap<String, usize>)> = Vec::new();
    let mut house = HashMap::new();
    for row in rows {
        let mut seen: HashSet<String> = plain_numbers(&row.input).collect();
        for number in plain_numbers(&row.output) {
            if !seen.contains(&number) {
                count(&mut house, &number);
                seen.insert(number);
            }
        }
        let Ok(read) = Fields::parse(&row.input) else { continue };
        for field in read.iter() {
            let at = fields.iter().position(|(name, _)| *name == field.name).unwrap_or_else(|| {
                fields.push((field.name.clone(), HashMap::new()));
                fields.len() - 1
            });
            count(&mut fields[at].1, &field.value);
        }
        fields.truncate(MAX_FIELDS);
    }
    let field = |(name, values)| LearntField { name, values: usual(values) };
    LearntRows { fields: fields.into_iter().map(field).collect(), numbers: usual(house) }
}

fn count(counts: &mut HashMap<String, usize>, value: &str) {
    if let Some(count) = counts.get_mut(value) {
        *count += 1;
    } else if counts.len() < MAX_COUNTED && !value.is_empty() && value.chars().count() <= MAX_VALUE_CHARS {
        counts.insert(value.to_owned(), 1);
    }
}

/// The values of several rows in their natural order, thinned evenly if there are many.
fn usual(counts: HashMap<String, usize>) -> Vec<String> {
    let mut values: Vec<String> =
        counts.into_iter().filter(|(_, count)| *count >= LEAST_ROWS).map(|(value, _)| value).collect();
    let number =
        |value: &str| numbers(value).first().and_then(|number| number.split(['/', ':']).next()?.parse::<f64>().ok());
    values.sort_by(|a, b| {
        let numbers = number(a).unwrap_or(f64::INFINITY).total_cmp(&number(b).unwrap_or(f64::INFINITY));
        numbers.then_with(|| a.cmp(b))
    });
    let all = values.len();
    if all > MAX_VALUES {
        values = (0..MAX_VALUES).map(|at| values[at * (all - 1) / (MAX_VALUES - 1)].clone()).collect();
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(pairs: &[(&str, &str)]) -> Vec<Row> {
        let row = |(number, &(input, output)): (usize, &(&str, &str))| Row {
            number,
            line: number + 1,
            id: None,
            group: None,
            held_out: None,
            input: input.to_owned(),
            output: output.to_owned(),
        };
        (1..).zip(pairs).map(row).collect()
    }

    #[test]
    fn only_what_several_rows_have_is_kept() {
        let rows = rows(&[
            ("姓名:王小明,绩效:A,得分:10/10", "得分10/10，30天内面谈。"),
            ("姓名:李雷,绩效:A,得分:9/10", "得分9/10，30天内面谈，99。"),
            ("姓名:韩梅,绩效:B,得分:9/10,司龄:3年", "60天内。"),
            ("绩效:B,得分:10/10", "60天内。"),
            ("free text without any field 60", "60天内。"),
        ]);
        let learnt = learnt_rows(rows.iter());
        learnt.check().unwrap();
        let found: Vec<(&str, Vec<&str>)> = learnt
            .fields
            .iter()
            .map(|field| (field.name.as_str(), field.values.iter().map(String::as_str).collect()))
            .collect();
        assert_eq!(
            found,
            [("姓名", vec![]), ("绩效", vec!["A", "B"]), ("得分", vec!["9/10", "10/10"]), ("司龄", vec![])]
        );
        assert_eq!(learnt.numbers, ["30", "60"]);
    }

    #[test]
    fn lists_are_thinned() {
        let inputs: Vec<String> = (0..200).map(|at| format!("score:{},name:{}", at / 2, "x".repeat(50))).collect();
        let pairs: Vec<(&str, &str)> = inputs.iter().map(|input| (input.as_str(), "x")).collect();
        let learnt = learnt_rows(rows(&pairs).iter());
        learnt.check().unwrap();
        let scores = &learnt.fields[0].values;
        assert_eq!((scores.len(), scores[0].as_str(), scores[MAX_VALUES - 1].as_str()), (MAX_VALUES, "0", "99"));
        assert!(learnt.fields[1].values.is_empty(), "prose");
    }
}
