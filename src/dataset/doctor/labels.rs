//! One label with opposite meanings: where 绩效=A is the best in one group and the worst in another, a model learns neither.
//!
//! What a label means in a group is read off the outputs of the rows that have it: whether they praise or criticize
//! (`words.yaml`), and which words they have that the outputs of the other labels lack. A finding needs a contrast that chance
//! does not give: two labels that change places between two groups, or many rows that praise here and criticize there.

use super::words::words;
use crate::dataset::Row;
use crate::dataset::findings::{Finding, Kind};
use crate::dataset::fold::{fields, fold};
use std::collections::{BTreeMap, HashMap, HashSet};

/// More characters are no label.
const LONGEST_LABEL: usize = 6;
/// A field of more values is no rating.
const MOST_LABELS: usize = 24;
const MOST_GROUPS: usize = 64;
/// Rows of a label in a group that are looked at.
const MOST_ROWS: usize = 24;
/// Rows of each label in each group that a change of places needs, by praise and by words.
const SWAPPED: (usize, usize) = (3, 4);
/// Rows in each group that a label alone needs.
const ALONE: usize = 5;

/// The rows of one label in one group.
#[derive(Default)]
struct Cell<'a> {
    rows: Vec<&'a Row>,
    praising: usize,
    criticizing: usize,
    /// In how many of the rows a word is.
    words: HashMap<String, usize>,
}

impl Cell<'_> {
    fn share(&self, count: usize) -> f64 {
        count as f64 / self.rows.len().max(1) as f64
    }

    fn praises(&self) -> bool {
        self.share(self.praising) >= 0.8
    }

    fn criticizes(&self) -> bool {
        self.share(self.criticizing) >= 0.8
    }
}

/// By group.
type Cells<'a> = BTreeMap<&'a str, Cell<'a>>;

/// The labels of grouped rows that mean one thing here and its opposite there. `column` is that of the inputs.
pub(super) fn opposite(rows: &[Row], column: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (field, labels) in tabulate(rows) {
        let labels: Vec<(&str, &Cells)> = labels.iter().map(|(label, cells)| (label.as_str(), cells)).collect();
        for (at, (label, cells)) in labels.iter().enumerate() {
            let others = || labels.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, (_, cells))| *cells);
            let groups: Vec<&str> = cells.keys().copied().collect();
            let pairs = groups.iter().flat_map(|one| groups.iter().map(move |two| (*one, *two)));
            let opposite = pairs.filter(|(one, two)| one != two).find(|(one, two)| {
                let (here, there) = (&cells[one], &cells[two]);
                (here.praises() && there.criticizes() && here.rows.len().min(there.rows.len()) >= ALONE)
                    || others().any(|other| {
                        let (Some(other_here), Some(other_there)) = (other.get(one), other.get(two)) else {
                            return false;
                        };
                        change_places([here, there], [other_here, other_there])
                    })
            });
            if let Some((one, two)) = opposite {
                let (here, there) = (&cells[one], &cells[two]);
                let first = here.rows.iter().chain(&there.rows).min_by_key(|row| row.number);
                let (number, line) = first.map_or((0, 0), |row| (row.number, row.line));
                let message = format!(
                    "the label `{label}` of `{field}` stands for opposite things in the groups `{one}` and `{two}`"
                );
                let rows = here.rows.iter().chain(&there.rows).map(|row| row.number);
                findings.push(Finding::new(Kind::OppositeLabel, number, line, column, message).with_rows(rows));
            }
        }
    }
    findings
}

/// Field → label → group → rows.
fn tabulate(rows: &[Row]) -> BTreeMap<String, BTreeMap<String, Cells<'_>>> {
    let mut table: BTreeMap<String, BTreeMap<String, Cells>> = BTreeMap::new();
    let mut wide: HashSet<String> = HashSet::new();
    let groups: HashSet<&str> = rows.iter().filter_map(|row| row.group.as_deref()).take(MOST_GROUPS * 1000).collect();
    if groups.len() < 2 || groups.len() > MOST_GROUPS {
        return table;
    }
    for row in rows {
        let Some(group) = row.group.as_deref() else { continue };
        let folded = fold(&row.input);
        for (name, value) in fields(&folded) {
            if wide.contains(name) {
                continue;
            }
            let labels = table.entry(name.to_owned()).or_default();
            for label in labels_of(value) {
                let cell = labels.entry(label).or_default().entry(group).or_default();
                if cell.rows.len() < MOST_ROWS {
                    cell.add(row);
                }
            }
            if labels.len() > MOST_LABELS {
                table.remove(name);
                wide.insert(name.to_owned());
            }
        }
    }
    table
}

/// A value that is a label, or begins with one: `a/a-` is an `a`. A measured number is none.
fn labels_of(value: &str) -> Vec<String> {
    let is_number = value.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '/' | '%'));
    if value.is_empty() || value.chars().count() > LONGEST_LABEL || (is_number && value.len() > 1) {
        return Vec::new();
    }
    let letter = value.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let is_grade =
        value.len() - letter.len() == 1 && letter.chars().all(|c| !c.is_alphanumeric() || c.is_ascii_alphabetic());
    match is_grade && value.len() > 1 {
        true => vec![value[..1].to_owned()],
        false => vec![value.to_owned()],
    }
}

impl<'a> Cell<'a> {
    fn add(&mut self, row: &'a Row) {
        self.rows.push(row);
        let output = fold(&row.output);
        let [good, bad] =
            [&words().good, &words().bad].map(|list| list.iter().filter(|word| output.contains(word.as_str())).count());
        self.praising += usize::from(good > bad);
        self.criticizing += usize::from(bad > good);
        for word in words_of(&output) {
            *self.words.entry(word).or_default() += 1;
        }
    }
}

/// The words of a text: those between blanks, and of Chinese every two characters in a row.
fn words_of(folded: &str) -> HashSet<String> {
    let mut found = HashSet::new();
    for part in folded.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()) {
        let chars: Vec<char> = part.chars().collect();
        match part.is_ascii() {
            true => drop(found.insert(part.to_owned())),
            false => found.extend(chars.windows(2).map(|pair| pair.iter().collect::<String>())),
        }
    }
    found
}

/// Whether what is said of one label here is said of the other there, and the other way round.
fn change_places([here, there]: [&Cell; 2], [other_here, other_there]: [&Cell; 2]) -> bool {
    let rows = [here, there, other_here, other_there].map(|cell| cell.rows.len()).into_iter().min().unwrap_or(0);
    let by_praise =
        rows >= SWAPPED.0 && here.praises() && there.criticizes() && other_here.criticizes() && other_there.praises();
    let marks = |with: &Cell, without: &Cell, word: &str| {
        let share = |cell: &Cell| cell.share(cell.words.get(word).copied().unwrap_or(0));
        share(with) >= 0.8 && share(without) <= 0.2
    };
    let moves = |from: &Cell, to: &Cell, rest: [&Cell; 2]| {
        from.words.keys().filter(|word| marks(from, rest[0], word) && marks(to, rest[1], word)).count()
    };
    by_praise
        || (rows >= SWAPPED.1
            && moves(here, other_there, [other_here, there]) >= 2
            && moves(other_here, there, [here, other_there]) >= 2)
}
