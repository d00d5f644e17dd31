//! The places of a template: content controls by their tags, bookmarks by their names. What stands in them is replaced;
//! what stands around them stays.

use super::markup::Look;
use super::package::bad;
use super::xml::{Element, Node};
use crate::error::Result;
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

/// What is put into a slot: paragraphs and tables, or runs where it stands within a line.
pub(super) type Make<'a> = dyn FnMut(Slot, &Look, bool) -> Result<Vec<Element>> + 'a;

/// Fills every slot below `parent`.
pub(super) fn fill(parent: &mut Element, make: &mut Make) -> Result<()> {
    let mut ended = HashSet::new();
    fill_blocks(parent, make, &mut ended)?;
    remove_ends(parent, &ended);
    Ok(())
}

/// The slot that a content control is.
pub(super) fn of_control(element: &Element) -> Option<Slot> {
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
                Some(slot) => make(slot, &look_of_paragraph(&child, &child), false)?,
                None => fill_paragraph(child, make, ended)?,
            };
            filled.extend(blocks.into_iter().map(Node::Element));
            continue;
        }
        match of_control(&child) {
            Some(slot) => fill_control(&mut child, slot, make)?,
            None if CONTAINERS.contains(&child.name.as_str()) => fill_blocks(&mut child, make, ended)?,
            None => {}
        }
        filled.push(Node::Element(child));
    }
    parent.children = filled;
    Ok(())
}

/// A control around whole paragraphs, or around a cell.
fn fill_control(control: &mut Element, slot: Slot, make: &mut Make) -> Result<()> {
    let mut look = Look::default();
    if let Some(paragraph) = first_paragraph(control) {
        look = look_of_paragraph(paragraph, paragraph);
    }
    let look = Look { run: run_of_control(control).unwrap_or(look.run), ..look };
    free(control);
    let Some(content) = control.child_mut("w:sdtContent") else {
        control.push(Element::new("w:sdtContent").holding(make(slot, &look, false)?));
        return Ok(());
    };
    if content.child("w:tr").is_some() {
        return Err(bad(format!(
            "the template's content control `{}` is around a row of a table; expected one in a cell or on a line of its own",
            slot.name()
        )));
    }
    let target = match content.child("w:tc") {
        Some(_) => content.child_mut("w:tc").ok_or_else(|| bad("the template's cell is gone"))?,
        None => content,
    };
    target.children.retain(|node| node.element().is_some_and(|child| child.is("w:tcPr")));
    target.children.extend(make(slot, &look, false)?.into_iter().map(Node::Element));
    Ok(())
}

/// A paragraph in which slots may stand: it gives way to whole paragraphs where a slot is all that it has.
fn fill_paragraph(mut paragraph: Element, make: &mut Make, ended: &mut HashSet<String>) -> Result<Vec<Element>> {
    let mut from = 0;
    while let Some((slot, start, end)) = find(&paragraph, from, ended) {
        let place: Vec<Element> =
            paragraph.children[start..end].iter().filter_map(Node::element).cloned().collect();
        let control = place.first().filter(|first| first.is("w:sdt")).cloned();
        let inside = control.clone().unwrap_or_else(|| Element::new("w:p").holding(place));
        let mut look = look_of_paragraph(&paragraph, &inside);
        look.run = control.as_ref().and_then(run_of_control).unwrap_or(look.run);
        let around: Vec<&Node> = paragraph.children[..start].iter().chain(&paragraph.children[end..]).collect();
        if !around.iter().any(|node| shows(node)) {
            let marks = around.iter().filter_map(|node| node.element()).filter(|child| child.name.contains("ookmark"));
            let mut blocks: Vec<Element> = marks.cloned().collect();
            let made = make(slot, &look, false)?;
            blocks.extend(match control {
                Some(control) => vec![around_blocks(control, made)],
                None => made,
            });
            return Ok(blocks);
        }
        let made = make(slot, &look, true)?;
        let made = match control {
            Some(control) => vec![around_blocks(control, made)],
            None => made,
        };
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

/// The control with other content.
fn around_blocks(mut control: Element, made: Vec<Element>) -> Element {
    free(&mut control);
    control.remove("w:sdtContent");
    control.push(Element::new("w:sdtContent").holding(made));
    control
}

/// Takes away what would put other text into a control, or hold it to a single line.
fn free(control: &mut Element) {
    if let Some(properties) = control.child_mut("w:sdtPr") {
        for name in ["w:showingPlcHdr", "w:placeholder", "w:dataBinding", "w15:dataBinding", "w:text"] {
            properties.remove(name);
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
