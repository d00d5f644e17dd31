//! The places of a template: content controls by their tags, bookmarks by their names. What stands in them is replaced;
//! what stands around them stays. The marks themselves go: a control around a comment or at the end of the draft makes
//! LibreOffice lose text or write it twice.

use super::markup::Look;
use super::package::bad;
use super::xml::{Element, Node};
use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// A place of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Slot {
    Title,
    Fields,
    Report,
    Note,
}

impl Slot {
    pub(super) const ALL: [Slot; 4] = [Slot::Title, Slot::Fields, Slot::Report, Slot::Note];

    /// The tag or the name that marks it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Slot::Title => "title",
            Slot::Fields => "fields",
            Slot::Report => "report",
            Slot::Note => "note",
        }
    }

    fn named(name: Option<&str>) -> Option<Slot> {
        Slot::ALL.into_iter().find(|slot| Some(slot.name()) == name)
    }
}

/// Where a slot stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Standing {
    /// On lines of its own.
    Alone,
    /// Within a line, with text of the template behind it.
    WithinLine,
    /// At the end of a line.
    EndOfLine,
}

/// What is put into a slot: paragraphs and tables where it stands alone, else runs.
pub(super) type Make<'a> = dyn FnMut(Slot, &Look, Standing) -> Result<Vec<Element>> + 'a;

/// Fills every slot below `parent`.
pub(super) fn fill(parent: &mut Element, make: &mut Make) -> Result<()> {
    let mut ended = HashSet::new();
    fill_blocks(parent, make, &mut ended)?;
    remove_ends(parent, &ended);
    Ok(())
}

/// The slot that a content control is.
fn of_control(element: &Element) -> Option<Slot> {
    let tag = element.is("w:sdt").then(|| element.child("w:sdtPr")?.child("w:tag"))??;
    Slot::named(tag.attribute("w:val"))
}

fn of_bookmark(element: &Element) -> Option<Slot> {
    element.is("w:bookmarkStart").then(|| Slot::named(element.attribute("w:name")))?
}

/// `ended` collects the numbers of bookmarks whose beginnings were taken away.
fn fill_blocks(parent: &mut Element, make: &mut Make, ended: &mut HashSet<String>) -> Result<()> {
    const CONTAINERS: [&str; 6] = ["w:tbl", "w:tr", "w:tc", "w:sdt", "w:sdtContent", "w:customXml"];
    let mut filled = Vec::new();
    let mut next_paragraph = None;
    for node in std::mem::take(&mut parent.children) {
        let Node::Element(mut child) = node else {
            filled.push(node);
            continue;
        };
        if let Some(slot) = of_bookmark(&child) {
            ended.extend(child.attribute("w:id").map(str::to_owned));
            next_paragraph = Some(slot);
            continue;
        }
        if child.is("w:p") {
            let blocks = match next_paragraph.take() {
                Some(slot) => make(slot, &look_of_paragraph(&child, &child), Standing::Alone)?,
                None => fill_paragraph(child, make, ended)?,
            };
            filled.extend(blocks.into_iter().map(Node::Element));
            continue;
        }
        match of_control(&child) {
            Some(slot) => {
                filled.extend(fill_control(child, slot, make)?.into_iter().map(Node::Element));
                continue;
            }
            None if CONTAINERS.contains(&child.name.as_str()) => fill_blocks(&mut child, make, ended)?,
            None => {}
        }
        filled.push(Node::Element(child));
    }
    parent.children = filled;
    Ok(())
}

/// A control around whole paragraphs, or around a cell.
fn fill_control(control: Element, slot: Slot, make: &mut Make) -> Result<Vec<Element>> {
    let look = first_paragraph(&control).map_or_else(Look::default, |first| look_of_paragraph(first, first));
    let look = Look { run: run_of_control(&control).unwrap_or(look.run), ..look };
    let content = control.child("w:sdtContent");
    if content.is_some_and(|content| content.child("w:tr").is_some()) {
        return Err(bad(format!(
            "the template's content control `{}` is around a row of a table; expected one in a cell or on a line of its own",
            slot.name()
        )));
    }
    let made = make(slot, &look, Standing::Alone)?;
    Ok(match content.and_then(|content| content.child("w:tc")) {
        Some(cell) => vec![Element::new("w:tc").holding(cell.child("w:tcPr").cloned()).holding(made)],
        None => made,
    })
}

/// A paragraph in which slots may stand: it gives way to whole paragraphs where a slot is all that it has.
fn fill_paragraph(mut paragraph: Element, make: &mut Make, ended: &mut HashSet<String>) -> Result<Vec<Element>> {
    let mut from = 0;
    while let Some((slot, start, end)) = find(&paragraph, from, ended) {
        let place: Vec<Element> = paragraph.children[start..end].iter().filter_map(Node::element).cloned().collect();
        let control = place.first().filter(|first| first.is("w:sdt")).cloned();
        let inside = control.clone().unwrap_or_else(|| Element::new("w:p").holding(place));
        let mut look = look_of_paragraph(&paragraph, &inside);
        look.run = control.as_ref().and_then(run_of_control).unwrap_or(look.run);
        let around: Vec<&Node> = paragraph.children[..start].iter().chain(&paragraph.children[end..]).collect();
        if !around.iter().any(|node| shows(node)) {
            let marks = around.iter().filter_map(|node| node.element()).filter(|child| child.name.contains("ookmark"));
            let mut blocks: Vec<Element> = marks.cloned().collect();
            blocks.extend(make(slot, &look, Standing::Alone)?);
            return Ok(blocks);
        }
        let has_more = paragraph.children[end..].iter().any(shows);
        let made = make(slot, &look, if has_more { Standing::WithinLine } else { Standing::EndOfLine })?;
        from = start + made.len();
        paragraph.children.splice(start..end, made.into_iter().map(Node::Element));
    }
    Ok(vec![paragraph])
}

/// The next slot among a paragraph's children: which, and from where to where. A bookmark that ends elsewhere reaches to
/// the paragraph's end.
fn find(paragraph: &Element, from: usize, ended: &mut HashSet<String>) -> Option<(Slot, usize, usize)> {
    let children = || paragraph.children.iter().enumerate().filter_map(|(at, node)| Some((at, node.element()?)));
    let found = |(at, child)| Some((at, child, of_control(child).or_else(|| of_bookmark(child))?));
    let (start, child, slot) = children().filter(|(at, _)| *at >= from).find_map(found)?;
    if child.is("w:sdt") {
        return Some((slot, start, start + 1));
    }
    let id = child.attribute("w:id");
    let is_end = |(_, other): &(usize, &Element)| other.is("w:bookmarkEnd") && other.attribute("w:id") == id;
    match children().skip_while(|(at, _)| *at < start).find(is_end) {
        Some((end, _)) => Some((slot, start, end + 1)),
        None => {
            ended.extend(id.map(str::to_owned));
            Some((slot, start, paragraph.children.len()))
        }
    }
}

/// How a control's text looks once it is filled: as the control says, or plain where only a placeholder was there.
fn run_of_control(control: &Element) -> Option<Option<Element>> {
    let properties = control.child("w:sdtPr")?;
    match properties.child("w:rPr") {
        Some(run) => Some(Some(run.clone())),
        None => properties.child("w:showingPlcHdr").map(|_| None),
    }
}

fn look_of_paragraph(paragraph: &Element, inside: &Element) -> Look {
    let mut run = None;
    inside.walk(&mut |element| {
        if run.is_none() && element.is("w:r") {
            run = Some(element.child("w:rPr").cloned());
        }
    });
    Look { paragraph: paragraph.child("w:pPr").cloned(), run: run.flatten() }
}

fn first_paragraph(element: &Element) -> Option<&Element> {
    let mut first = None;
    element.walk(&mut |inner| {
        if first.is_none() && inner.is("w:p") {
            first = Some(inner);
        }
    });
    first
}

/// Whether a reader sees something of a paragraph's child.
fn shows(node: &Node) -> bool {
    let Node::Element(element) = node else { return false };
    let mut shows = false;
    element.walk(&mut |inner| shows |= ["w:drawing", "w:pict", "w:object"].iter().any(|name| inner.is(name)));
    !element.is("w:pPr") && (shows || !element.whole_text().trim().is_empty())
}

fn remove_ends(parent: &mut Element, ended: &HashSet<String>) {
    if ended.is_empty() {
        return;
    }
    let is_ended = |node: &Node| {
        let end = node.element().filter(|child| child.is("w:bookmarkEnd")).and_then(|child| child.attribute("w:id"));
        end.is_some_and(|id| ended.contains(id))
    };
    parent.children.retain(|node| !is_ended(node));
    parent.elements_mut().for_each(|child| remove_ends(child, ended));
}
