//! A template's body, once for each case: a later copy begins on a new page and has no number or name that the first has.

use super::xml::{Element, Node};

/// A later copy of the body's blocks.
pub(super) fn next_copy(blocks: &[Node], number: usize) -> Vec<Node> {
    let mut copy = Element { children: blocks.to_vec(), ..Element::new("w:body") };
    make_unique(&mut copy, number);
    on_new_page(&mut copy);
    copy.children
}

/// Bookmarks and comments of the template stay with its first copy; numbers of controls are left to Word.
fn make_unique(element: &mut Element, number: usize) {
    const ONCE: [&str; 5] =
        ["w:bookmarkStart", "w:bookmarkEnd", "w:commentRangeStart", "w:commentRangeEnd", "w:commentReference"];
    let is_slot = |child: &Element| {
        let name = child.attribute("w:name");
        super::slots::Slot::ALL.iter().any(|slot| Some(slot.name()) == name)
    };
    let slots: Vec<String> = element
        .elements()
        .filter(|child| child.is("w:bookmarkStart") && is_slot(child))
        .filter_map(|child| child.attribute("w:id").map(str::to_owned))
        .collect();
    element.children.retain(|node| {
        let Some(child) = node.element() else { return true };
        let of_slot = child.attribute("w:id").is_some_and(|id| slots.iter().any(|slot| slot == id));
        !ONCE.contains(&child.name.as_str()) || of_slot
    });
    if element.is("w:sdtPr") {
        element.remove("w:id");
    }
    element.attributes.retain(|(name, _)| !matches!(name.as_str(), "w14:paraId" | "w14:textId"));
    if element.is("wp:docPr")
        && let Some(id) = element.attribute("id").and_then(|id| id.parse::<u64>().ok())
    {
        element.set("id", (id % 100_000 + 100_000 * number as u64).to_string());
    }
    element.elements_mut().for_each(|child| make_unique(child, number));
}

fn on_new_page(body: &mut Element) {
    let before = Element::new("w:pageBreakBefore");
    let Some(paragraph) = first_paragraph(body) else {
        let page = Element::new("w:r").holding([Element::new("w:br").with("w:type", "page")]);
        body.children.insert(0, Element::new("w:p").holding([page]).into());
        return;
    };
    let Some(properties) = paragraph.child_mut("w:pPr") else {
        paragraph.children.insert(0, Element::new("w:pPr").holding([before]).into());
        return;
    };
    properties.remove("w:pageBreakBefore");
    let earlier = |node: &Node| {
        node.element().is_none_or(|child| ["w:pStyle", "w:keepNext", "w:keepLines"].contains(&child.name.as_str()))
    };
    let at = properties.children.iter().position(|node| !earlier(node)).unwrap_or(properties.children.len());
    properties.children.insert(at, before.into());
}

/// The paragraph with which a page begins, if it does not begin with a table.
fn first_paragraph(parent: &mut Element) -> Option<&mut Element> {
    let first = parent.elements_mut().find(|child| !child.name.contains("ookmark") && !child.is("w:sdtPr"))?;
    match first.name.as_str() {
        "w:p" => Some(first),
        "w:sdt" | "w:sdtContent" => first_paragraph(first),
        _ => None,
    }
}
