//! Where the drafts stand in a reviewed file, and the text that was accepted there: what is inserted counts, what is deleted
//! does not, whether or not somebody decided on it.

use super::draft::Text;
use super::slots::Standing;
use super::xml::Element;
use std::collections::HashMap;

/// Bytes of one region at most; what a reviewer wrote is pages, not books.
const MAX_REGION: usize = 1 << 20;

/// The name of a region's bookmark.
pub(super) fn bookmark(text: Text, index: usize) -> String {
    match text {
        Text::Report => format!("tailora_report_{}", index + 1),
        Text::Listed => format!("tailora_listed_{}", index + 1),
    }
}

/// What is left of a draft.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Region {
    /// Whether its bookmark is still there.
    pub(super) found: bool,
    pub(super) text: String,
    /// Tracked changes on which nobody decided.
    pub(super) pending: usize,
    pub(super) is_too_long: bool,
}

/// Reads the regions of each case. `standings` says of each where its draft was put.
pub(super) fn regions(document: &Element, standings: &[Standing]) -> HashMap<(Text, usize), Region> {
    let mut reader = RegionReader { standings, ..RegionReader::default() };
    for index in 0..standings.len() {
        for text in [Text::Report, Text::Listed] {
            reader.names.insert(bookmark(text, index), (text, index));
            reader.regions.insert((text, index), Region::default());
        }
    }
    reader.inside(document, false);
    reader.regions
}

type Key = (Text, usize);

#[derive(Default)]
struct RegionReader<'a> {
    standings: &'a [Standing],
    names: HashMap<String, Key>,
    regions: HashMap<Key, Region>,
    /// The regions of the bookmarks that began, by their numbers.
    begun: HashMap<String, Key>,
    /// The open regions, and the bytes that each had before the paragraph.
    open: Vec<(Key, usize)>,
    /// Those that end with the paragraph.
    ending: Vec<Key>,
}

impl RegionReader<'_> {
    fn inside(&mut self, parent: &Element, is_deleted: bool) {
        parent.elements().for_each(|child| self.element(child, is_deleted));
    }

    fn element(&mut self, element: &Element, is_deleted: bool) {
        match element.name.as_str() {
            "w:p" => self.paragraph(element, is_deleted),
            "w:r" => self.run(element, is_deleted),
            "w:ins" | "w:moveTo" => {
                self.count_pending();
                self.inside(element, is_deleted);
            }
            "w:del" | "w:moveFrom" => {
                self.count_pending();
                self.inside(element, true);
            }
            "w:bookmarkStart" => self.bookmark_start(element),
            "w:bookmarkEnd" => self.bookmark_end(element),
            // Properties, old ones among them, and what is no text of the line.
            "w:pPr" | "w:rPr" | "w:sdtPr" | "w:tblPr" | "w:trPr" | "w:tcPr" | "mc:AlternateContent" => {}
            _ => self.inside(element, is_deleted),
        }
    }

    fn paragraph(&mut self, paragraph: &Element, is_deleted: bool) {
        self.mark();
        let mark = paragraph.child("w:pPr").and_then(|properties| properties.child("w:rPr"));
        let marked = |names: &[&str]| mark.is_some_and(|mark| names.iter().any(|name| mark.child(name).is_some()));
        let is_joined = marked(&["w:del", "w:moveFrom"]);
        let is_pending = marked(&["w:ins", "w:moveTo", "w:del", "w:moveFrom"]);
        self.inside(paragraph, is_deleted);
        for key in std::mem::take(&mut self.ending) {
            self.end(key);
        }
        if is_pending {
            self.count_pending();
        }
        if !is_joined && !is_deleted {
            self.text("\n");
        }
        self.mark();
    }

    /// Text of the open regions counts anew from here.
    fn mark(&mut self) {
        for (key, before) in &mut self.open {
            *before = self.regions.get(key).map_or(0, |region| region.text.len());
        }
    }

    fn run(&mut self, run: &Element, is_deleted: bool) {
        if is_deleted {
            return;
        }
        for child in run.elements() {
            match child.name.as_str() {
                "w:t" => self.text(&child.whole_text()),
                "w:tab" => self.text("\t"),
                "w:br" | "w:cr" => self.text("\n"),
                "w:noBreakHyphen" => self.text("\u{2011}"),
                "w:softHyphen" => self.text("\u{ad}"),
                _ => {}
            }
        }
    }

    fn text(&mut self, text: &str) {
        for (key, _) in &self.open {
            let Some(region) = self.regions.get_mut(key) else { continue };
            region.is_too_long |= region.text.len() + text.len() > MAX_REGION;
            if !region.is_too_long {
                region.text.push_str(text);
            }
        }
    }

    fn count_pending(&mut self) {
        for (key, _) in &self.open {
            if let Some(region) = self.regions.get_mut(key) {
                region.pending += 1;
            }
        }
    }

    fn bookmark_start(&mut self, start: &Element) {
        let Some(key) = start.attribute("w:name").and_then(|name| self.names.get(name)).copied() else { return };
        let Some(id) = start.attribute("w:id") else { return };
        // LibreOffice writes the beginning of some bookmarks twice, with one end.
        let is_first = !self.begun.values().any(|begun| *begun == key);
        self.begun.insert(id.to_owned(), key);
        if is_first {
            // The list of the same draft may begin in the line in which the report ends.
            let before = std::mem::take(&mut self.ending);
            before.into_iter().for_each(|ending| self.end(ending));
            self.open.push((key, 0));
            self.regions.entry(key).or_default().found = true;
        }
    }

    /// A region reaches to the end of the paragraph in which it ends, if it has text there: what is typed at the end of the
    /// last line may come after the bookmark. Not where text of the template follows.
    fn bookmark_end(&mut self, end: &Element) {
        let Some(key) = end.attribute("w:id").and_then(|id| self.begun.get(id)).copied() else { return };
        let length = self.regions.get(&key).map_or(0, |region| region.text.len());
        let has_text = self.open.iter().any(|(open, before)| *open == key && length > *before);
        let is_followed = self.standings.get(key.1) == Some(&Standing::WithinLine);
        if has_text && !is_followed { self.ending.push(key) } else { self.end(key) }
    }

    fn end(&mut self, key: Key) {
        self.open.retain(|(open, _)| *open != key);
    }
}
