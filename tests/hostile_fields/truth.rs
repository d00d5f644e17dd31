//! What holds of a report whatever the case says: it names what the case has, and no more.

use serde_json::Value;
use std::collections::BTreeSet;

/// What a case has, as it was given.
pub enum Given {
    Fields(Vec<(String, String)>),
    Passages { text: String, passages: Vec<(String, String)> },
}

/// What was seen in reports that hold.
#[derive(Debug, Default)]
pub struct Seen {
    pub reports: usize,
    pub refused: usize,
    pub conclusions: usize,
    pub sources: usize,
    pub quotations: usize,
    pub numbers: usize,
    pub unsupported: usize,
    pub biased: usize,
}

impl Seen {
    pub fn add(&mut self, other: &Seen) {
        self.reports += other.reports;
        self.refused += other.refused;
        self.conclusions += other.conclusions;
        self.sources += other.sources;
        self.quotations += other.quotations;
        self.numbers += other.numbers;
        self.unsupported += other.unsupported;
        self.biased += other.biased;
    }
}

/// A name or a value as it is shown: line breaks as one, without what nobody sees around it.
fn shown(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.trim_matches(|c: char| c.is_whitespace() || is_unseen(c)).to_owned()
}

/// A name also loses what nobody sees inside it.
fn name(text: &str) -> String {
    shown(&text.replace(is_unseen, ""))
}

/// Of the characters in `values.rs`.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{FEFF}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{FE00}'..='\u{FE0F}')
}

impl Given {
    /// All that may be quoted.
    fn texts(&self) -> Vec<String> {
        match self {
            Given::Fields(fields) => fields.iter().flat_map(|(name, value)| [shown(name), shown(value)]).collect(),
            Given::Passages { text, passages } => {
                passages.iter().flat_map(|(id, said)| [id.clone(), said.clone()]).chain([text.clone()]).collect()
            }
        }
    }

    fn has_field(&self, field: &str) -> bool {
        matches!(self, Given::Fields(fields) if fields.iter().any(|(known, _)| name(known) == field))
    }

    /// Whether a source is of the case, to the character.
    fn has(&self, source: &Value) -> bool {
        match self {
            Given::Fields(fields) => fields.iter().any(|(known, value)| {
                source["field"] == name(known).as_str() && source["value"] == shown(value).as_str()
            }),
            Given::Passages { text, passages } => {
                let said = match source["passage"].as_str() {
                    Some(id) => passages.iter().find(|(known, _)| known == id).map(|(_, said)| said),
                    None => passages.is_empty().then_some(text),
                };
                let place = |at: &str| source[at].as_u64().map(|at| at as usize);
                let (Some(said), Some(start), Some(end)) = (said, place("start"), place("end")) else { return false };
                let cut: String = said.chars().skip(start).take(end.saturating_sub(start)).collect();
                start < end && end <= said.chars().count() && source["text"] == cut.as_str()
            }
        }
    }
}

/// What stands in quotes of a text.
fn quotations(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (open, close) in [('“', '”'), ('「', '」'), ('"', '"'), ('«', '»')] {
        let mut inside: Option<String> = None;
        for c in text.chars() {
            match &mut inside {
                Some(quoted) if c == close => {
                    found.push(quoted.trim().to_owned());
                    inside = None;
                }
                Some(quoted) => quoted.push(c),
                None if c == open => inside = Some(String::new()),
                None => {}
            }
        }
    }
    found.retain(|quoted| !quoted.is_empty());
    found
}

/// Runs of digits with what joins them, but for those in words.
fn numbers(text: &str) -> BTreeSet<String> {
    let chars: Vec<char> = text.chars().collect();
    let digit = |at: usize| chars.get(at).is_some_and(char::is_ascii_digit);
    let mut found = BTreeSet::new();
    let mut at = 0;
    while at < chars.len() {
        if !digit(at) {
            at += 1;
            continue;
        }
        let start = at;
        while digit(at) || (chars.get(at).is_some_and(|c| ".,/:".contains(*c)) && digit(at + 1)) {
            at += 1;
        }
        if start == 0 || !chars[start - 1].is_ascii_alphabetic() {
            found.insert(chars[start..at].iter().collect());
        }
    }
    found
}

/// `９/10` is the number 9/10, however it is typed.
fn half_width(text: &str) -> String {
    let digit = |c: char| ('０'..='９').contains(&c).then(|| char::from_u32(u32::from(c) - 0xFEE0)).flatten();
    text.chars().map(|c| digit(c).unwrap_or(c)).collect()
}

/// Holds a report against its case; `house` are the numbers of the rows that the adapter learnt.
pub fn check(report: &Value, given: &Given, house: &BTreeSet<String>, seen: &mut Seen) -> Result<(), String> {
    seen.reports += 1;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let texts = given.texts();
    let known_numbers = texts.iter().flat_map(|text| numbers(&half_width(text))).collect::<BTreeSet<_>>();
    for conclusion in list(&report["conclusions"]) {
        seen.conclusions += 1;
        let mut cited = BTreeSet::new();
        for source in list(&conclusion["sources"]) {
            seen.sources += 1;
            if !given.has(&source) {
                return Err(format!("an invented source {source}"));
            }
            let place = [&source["field"], &source["passage"], &source["start"]].map(Value::to_string);
            if !cited.insert(place) {
                return Err(format!("a source twice: {source}"));
            }
        }
        let text = conclusion["text"].as_str().unwrap_or_default();
        let flagged = list(&conclusion["unsupported"]);
        seen.unsupported += flagged.len();
        let is_flagged = |part: &String| flagged.iter().any(|flag| flag == part.as_str());
        for quoted in quotations(text) {
            seen.quotations += 1;
            if !texts.iter().any(|text| text.contains(&quoted)) && !is_flagged(&quoted) {
                return Err(format!("an invented quotation {quoted:?} in {text:?}"));
            }
        }
        for number in numbers(text) {
            seen.numbers += 1;
            if !known_numbers.contains(&number) && !house.contains(&number) && !is_flagged(&number) {
                return Err(format!("an invented number {number:?} in {text:?}"));
            }
        }
    }
    for bias in list(&report["bias"]) {
        seen.biased += 1;
        if !bias["field"].as_str().is_some_and(|field| given.has_field(field)) {
            return Err(format!("an invented protected field {bias}"));
        }
    }
    for item in list(&report["document"]["conclusions"]) {
        if !item["source"].as_str().is_some_and(|source| given.has_field(source)) {
            return Err(format!("the document names an invented source {item}"));
        }
    }
    Ok(())
}
