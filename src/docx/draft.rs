//! The text that is put before a reviewer, and where each conclusion stands in it.

use super::case::Conclusion;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The report's text and, where a conclusion does not stand in it word for word, those conclusions, one a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Draft {
    pub(super) report: String,
    pub(super) listed: String,
    /// In the order of the envelope's conclusions.
    pub(super) places: Vec<Place>,
}

/// Where a conclusion stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    pub(super) text: Text,
    /// Its bytes in that text.
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The two texts of a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Text {
    Report,
    Listed,
}

impl Draft {
    pub(super) fn new(report: &str, conclusions: &[Conclusion]) -> Self {
        let mut draft = Draft { report: report.to_owned(), listed: String::new(), places: Vec::new() };
        let mut after = 0;
        for conclusion in conclusions {
            let place = match draft.find(&conclusion.text, after) {
                Some(range) => {
                    after = range.end;
                    Place { text: Text::Report, start: range.start, end: range.end }
                }
                None => draft.list(&conclusion.text),
            };
            draft.places.push(place);
        }
        draft
    }

    pub(super) fn text(&self, text: Text) -> &str {
        match text {
            Text::Report => &self.report,
            Text::Listed => &self.listed,
        }
    }

    /// The conclusions of one text: index and bytes, in the order of the text.
    pub(super) fn ranges(&self, text: Text) -> Vec<(usize, Range<usize>)> {
        let places = self.places.iter().enumerate().filter(|(_, place)| place.text == text);
        let mut ranges: Vec<_> = places.map(|(index, place)| (index, place.start..place.end)).collect();
        ranges.sort_by_key(|(index, range)| (range.start, *index));
        ranges
    }

    /// Whether all places lie in their texts, between characters: what a file says may have been written by anyone.
    pub(super) fn is_sound(&self) -> bool {
        self.places
            .iter()
            .all(|place| place.start < place.end && self.text(place.text).get(place.start..place.end).is_some())
    }

    /// The first occurrence that no other conclusion has, from `after` on and then from the beginning.
    fn find(&self, text: &str, after: usize) -> Option<Range<usize>> {
        let taken = |range: &Range<usize>| {
            self.places
                .iter()
                .any(|place| place.text == Text::Report && place.start < range.end && range.start < place.end)
        };
        let occurrences = |from: usize| {
            let found = self.report[from..].match_indices(text);
            found.map(move |(at, _)| from + at..from + at + text.len())
        };
        let found = occurrences(after).find(|range| !taken(range));
        found.or_else(|| occurrences(0).find(|range| !taken(range)))
    }

    fn list(&mut self, text: &str) -> Place {
        if !self.listed.is_empty() {
            self.listed.push('\n');
        }
        let start = self.listed.len();
        self.listed.push_str(text);
        Place { text: Text::Listed, start, end: self.listed.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    fn draft(report: &str, texts: &[&str]) -> Draft {
        let conclusion = |text: &&str| {
            let rest = json!({"kind": "risk", "text": text, "confidence": 1, "confidence_kind": "band", "sources": []});
            from_value(rest).unwrap()
        };
        Draft::new(report, &texts.iter().map(conclusion).collect::<Vec<_>>())
    }

    #[test]
    fn conclusions_are_found_in_order_or_listed() {
        let draft = draft("甲。乙。甲。", &["甲。", "甲。", "乙。", "甲。", "丙\n丁"]);
        let place = |text, start, end| Place { text, start, end };
        let (report, listed) = (Text::Report, Text::Listed);
        assert_eq!(
            draft.places,
            [
                place(report, 0, 6),
                place(report, 12, 18),
                place(report, 6, 12),
                place(listed, 0, 6),
                place(listed, 7, 14)
            ]
        );
        assert_eq!(draft.listed, "甲。\n丙\n丁");
        assert_eq!(draft.ranges(report), [(0, 0..6), (2, 6..12), (1, 12..18)]);
        assert!(draft.is_sound());
    }

    #[test]
    fn places_outside_of_their_text_are_not_sound() {
        for (start, end) in [(0, 0), (1, 3), (0, 99), (3, 0)] {
            let place = Place { text: Text::Report, start, end };
            assert!(!Draft { places: vec![place], ..draft("甲。", &[]) }.is_sound(), "{start}..{end}");
        }
    }
}
