//! A reviewer in place of a person with Word: changes a document's tree as Word does.

use super::super::xml::{Element, Node};

/// Splits the draft's insertions into one for each character, as spell-checking and saving do at some places.
pub(super) fn split(parent: &mut Element) {
    let mut children = Vec::new();
    for mut node in std::mem::take(&mut parent.children) {
        match &mut node {
            Node::Element(ins) if ins.is("w:ins") && ins.child("w:r").is_some_and(|run| run.child("w:t").is_some()) => {
                children.extend(characters(ins).into_iter().map(Node::Element));
            }
            Node::Element(child) => {
                split(child);
                children.push(node);
            }
            Node::Text(_) => children.push(node),
        }
    }
    parent.children = children;
}

fn characters(ins: &Element) -> Vec<Element> {
    let run = ins.child("w:r").unwrap();
    let parts = run.elements().filter(|part| !part.is("w:rPr")).flat_map(|part| match part.is("w:t") {
        true => part.whole_text().chars().map(|c| text("w:t", &c.to_string())).collect(),
        false => vec![part.clone()],
    });
    let one = |part| {
        let run = Element::new("w:r").with("w:rsidR", "00AB12CD").holding(run.child("w:rPr").cloned()).holding([part]);
        Element { children: Vec::new(), ..ins.clone() }.holding([run])
    };
    parts.flat_map(|part| [Element::new("w:proofErr").with("w:type", "spellStart"), one(part)]).collect()
}

fn text(name: &str, text: &str) -> Element {
    Element::new(name).with("xml:space", "preserve").text(text)
}

/// What a reviewer does with one character of the draft.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Act {
    Leave,
    Accept,
    Reject,
    /// A tracked deletion over the insertion.
    Delete,
    /// A tracked insertion of other text behind it.
    InsertBehind(String),
    InsertBefore(String),
}

/// Goes over the characters of a split draft, line breaks aside, and does what `act` says of each by its number.
pub(super) fn review(document: &mut Element, act: &mut dyn FnMut(usize) -> Act) {
    review_below(document, act, &mut 0);
}

fn review_below(parent: &mut Element, act: &mut dyn FnMut(usize) -> Act, number: &mut usize) {
    let mut children = Vec::new();
    for mut node in std::mem::take(&mut parent.children) {
        let is_character = |child: &Element| {
            child.is("w:ins") && child.child("w:r").is_some_and(|run| run.attribute("w:rsidR").is_some())
        };
        match &mut node {
            Node::Element(ins) if is_character(ins) => {
                children.extend(done(ins, act(*number)).into_iter().map(Node::Element));
                *number += 1;
            }
            Node::Element(child) => {
                review_below(child, act, number);
                children.push(node);
            }
            Node::Text(_) => children.push(node),
        }
    }
    parent.children = children;
}

fn done(ins: &Element, act: Act) -> Vec<Element> {
    let run = ins.child("w:r").unwrap();
    let by = |name: &str| {
        Element::new(name).with("w:id", "9000").with("w:author", "主管").with("w:date", "2026-11-24T08:00:00Z")
    };
    let inserted = |new: &str| by("w:ins").holding([Element::new("w:r").holding([text("w:t", new)])]);
    match act {
        Act::Leave => vec![ins.clone()],
        Act::Accept => vec![run.clone()],
        Act::Reject => Vec::new(),
        Act::Delete => {
            let run = Element::new("w:r").holding([text("w:delText", &run.whole_text())]);
            vec![Element { children: Vec::new(), ..ins.clone() }.holding([by("w:del").holding([run])])]
        }
        Act::InsertBehind(new) => vec![ins.clone(), inserted(&new)],
        Act::InsertBefore(new) => vec![inserted(&new), ins.clone()],
    }
}

/// Accepts or rejects everything that is open, as Word's buttons do.
pub(super) fn decide_all(parent: &mut Element, accept: bool) {
    let (gone, stays) = if accept {
        (["w:del", "w:moveFrom"], ["w:ins", "w:moveTo"])
    } else {
        (["w:ins", "w:moveTo"], ["w:del", "w:moveFrom"])
    };
    let mut children: Vec<Node> = Vec::new();
    // The content of a paragraph whose mark went away, for the one that follows.
    let mut joined: Vec<Node> = Vec::new();
    for node in std::mem::take(&mut parent.children) {
        let Node::Element(mut child) = node else {
            children.push(node);
            continue;
        };
        if gone.contains(&child.name.as_str()) {
            continue;
        }
        let loses_mark = child
            .child("w:pPr")
            .and_then(|pr| pr.child("w:rPr"))
            .is_some_and(|mark| gone.iter().any(|name| mark.child(name).is_some()));
        decide_all(&mut child, accept);
        if stays.contains(&child.name.as_str()) {
            children.extend(child.children);
        } else if child.is("w:p") && loses_mark {
            joined.extend(
                child.children.into_iter().filter(|node| node.element().is_some_and(|inner| !inner.is("w:pPr"))),
            );
        } else {
            if child.is("w:p") {
                let at = usize::from(child.child("w:pPr").is_some());
                child.children.splice(at..at, joined.drain(..));
            }
            children.push(Node::Element(child));
        }
    }
    parent.children = children;
}

/// Takes away what is called so, or only what is around its content.
pub(super) fn without(parent: &mut Element, names: &[&str], keep_content: bool) {
    let mut children = Vec::new();
    for mut node in std::mem::take(&mut parent.children) {
        if let Node::Element(child) = &mut node {
            without(child, names, keep_content);
            if names.contains(&child.name.as_str()) {
                if keep_content {
                    children.append(&mut child.children);
                }
                continue;
            }
        }
        children.push(node);
    }
    parent.children = children;
}
