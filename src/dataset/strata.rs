//! What further columns say of a row: its group, and on which side of the split it is. Training draws its validation rows by
//! them.

use super::fold::key;
use super::header::{Header, clean};
use super::options::DatasetOptions;
use super::{Dataset, Row};
use crate::error::Result;
use csv::StringRecord;
use std::collections::{BTreeMap, HashMap};

/// Where the further columns are, and which group is read.
#[derive(Debug, Default)]
pub(super) struct Further {
    group: Option<(usize, String)>,
    only: Option<String>,
    split: Option<(usize, String)>,
}

/// What a `split_column` says of rows to train on, and of rows to hold out.
const TRAIN: &[&str] = &["train", "training", "训练", "训练集"];
const HELD_OUT: &[&str] =
    &["validation", "valid", "val", "dev", "test", "eval", "evaluation", "验证", "验证集", "测试", "测试集", "评估"];

/// A row's group, and whether it is held out, where a column says so.
type Side = (Option<String>, Option<bool>);

impl Further {
    pub fn of(header: &Header, options: &DatasetOptions) -> Result<Self> {
        let named = |name: &Option<String>| -> Result<_> {
            Ok(header.further(name.as_deref())?.zip(name.as_deref().map(clean)))
        };
        let only = options.group.as_deref().map(|group| group.trim().to_owned());
        Ok(Further { group: named(&options.group_by)?, only, split: named(&options.split_column)? })
    }

    /// A record's group and side; none if it is of a group that is not read. The error names the column.
    pub fn of_record(&self, record: &StringRecord) -> Result<Option<Side>, (&str, String)> {
        let group = match &self.group {
            None => None,
            Some((at, name)) => match record.get(*at).map(str::trim).unwrap_or_default() {
                "" => return Err((name, "is empty; expected the row's group (option `group_by`)".to_owned())),
                group => Some(group.to_owned()),
            },
        };
        if self.only.is_some() && self.only != group {
            return Ok(None);
        }
        let held_out = match &self.split {
            None => None,
            Some((at, name)) => {
                let side = record.get(*at).map(|side| side.trim().to_lowercase()).unwrap_or_default();
                let is_one_of = |words: &[&str]| words.contains(&side.as_str());
                if !is_one_of(TRAIN) && !is_one_of(HELD_OUT) {
                    let shown: String = side.chars().take(40).collect();
                    return Err((
                        name,
                        format!("is `{shown}`; expected `train` or `validation` (option `split_column`)"),
                    ));
                }
                Some(is_one_of(HELD_OUT))
            }
        };
        Ok(Some((group, held_out)))
    }
}

/// What a split of rows goes by. The lists are of all rows that are split, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Strata {
    /// The number of each row's group.
    pub(crate) groups: Vec<usize>,
    /// The first row that asks the same, itself perhaps: both are trained on or both held out.
    pub(crate) first_alike: Vec<usize>,
    /// Which rows the file has for validation, if it says so.
    pub(crate) held_out: Option<Vec<bool>>,
}

impl Strata {
    /// Rows that nothing is known of.
    #[cfg(test)]
    pub(crate) fn none(rows: usize) -> Self {
        Strata { groups: vec![0; rows], first_alike: (0..rows).collect(), held_out: None }
    }

    fn of<'a>(rows: impl Iterator<Item = &'a Row> + Clone) -> Self {
        let (mut numbers, mut firsts) = (HashMap::new(), HashMap::new());
        let groups = rows.clone().map(|row| {
            let next = numbers.len();
            *numbers.entry(row.group.as_deref()).or_insert(next)
        });
        let groups = groups.collect();
        let first_alike =
            rows.clone().enumerate().map(|(at, row)| *firsts.entry(key(&row.input)).or_insert(at)).collect();
        Strata { groups, first_alike, held_out: rows.map(|row| row.held_out).collect() }
    }
}

impl Dataset {
    /// The strata of records, by their numbers.
    pub(crate) fn strata(&self, numbers: &[usize]) -> Strata {
        let at = |number: &usize| self.rows.binary_search_by_key(number, |row| row.number).ok();
        Strata::of(numbers.iter().filter_map(at).map(|at| &self.rows[at]))
    }

    /// How many rows each group has; none without a column for groups.
    pub fn groups(&self) -> Option<BTreeMap<&str, usize>> {
        self.options.group_by.as_ref()?;
        let mut groups = BTreeMap::new();
        for group in self.rows.iter().filter_map(|row| row.group.as_deref()) {
            *groups.entry(group).or_default() += 1;
        }
        Some(groups)
    }
}
