//! XML as a tree: a part of a Word file is read, changed in places and written back. Comments and processing instructions,
//! which mean nothing in such files, are left out.

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

/// Deeper nesting is no document, and would cost stack.
const MAX_DEPTH: usize = 256;
/// Elements and texts of one part; reports on a thousand people need half of it.
pub(super) const MAX_NODES: usize = 1 << 20;
/// Attributes of one part; Word gives a paragraph half a dozen.
const MAX_ATTRIBUTES: usize = 1 << 21;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Element(Element),
    Text(String),
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Element {
    /// With its prefix, as written.
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) children: Vec<Node>,
}

impl Element {
    pub(super) fn new(name: &str) -> Self {
        Element { name: name.to_owned(), ..Element::default() }
    }

    pub(super) fn with(mut self, attribute: &str, value: impl Into<String>) -> Self {
        self.attributes.push((attribute.to_owned(), value.into()));
        self
    }

    pub(super) fn text(mut self, text: impl Into<String>) -> Self {
        self.children.push(Node::Text(text.into()));
        self
    }

    pub(super) fn holding(mut self, children: impl IntoIterator<Item = Element>) -> Self {
        self.children.extend(children.into_iter().map(Node::Element));
        self
    }

    pub(super) fn push(&mut self, child: Element) {
        self.children.push(Node::Element(child));
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.name == name
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        match self.attributes.iter_mut().find(|(key, _)| key == name) {
            Some((_, old)) => *old = value.into(),
            None => self.attributes.push((name.to_owned(), value.into())),
        }
    }

    pub(super) fn elements(&self) -> impl DoubleEndedIterator<Item = &Element> {
        self.children.iter().filter_map(Node::element)
    }

    pub(super) fn elements_mut(&mut self) -> impl Iterator<Item = &mut Element> {
        self.children.iter_mut().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    pub(super) fn child(&self, name: &str) -> Option<&Element> {
        self.elements().find(|child| child.is(name))
    }

    pub(super) fn child_mut(&mut self, name: &str) -> Option<&mut Element> {
        self.elements_mut().find(|child| child.is(name))
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.children.retain(|node| node.element().is_none_or(|child| !child.is(name)));
    }

    /// Calls `visit` with this element and every one inside it, in the order of the document.
    pub(super) fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Element)) {
        visit(self);
        self.elements().for_each(|child| child.walk(visit));
    }

    /// Elements and texts, itself one of them.
    pub(super) fn nodes(&self) -> usize {
        let mut nodes = 0;
        self.walk(&mut |element| nodes += 1 + element.children.len() - element.elements().count());
        nodes
    }

    /// The text of this element and of those inside it.
    pub(super) fn whole_text(&self) -> String {
        let mut found = String::new();
        self.walk(&mut |element| {
            found.extend(element.children.iter().filter_map(|node| match node {
                Node::Text(text) => Some(text.as_str()),
                Node::Element(_) => None,
            }));
        });
        found
    }

    /// The part of which this is the root.
    pub(super) fn document(&self) -> String {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n");
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        out.push('<');
        out.push_str(&self.name);
        for (name, value) in &self.attributes {
            out.push(' ');
            out.push_str(name);
            out.push_str("=\"");
            escape(value, true, out);
            out.push('"');
        }
        if self.children.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        for child in &self.children {
            match child {
                Node::Element(element) => element.write(out),
                Node::Text(text) => escape(text, false, out),
            }
        }
        out.push_str("</");
        out.push_str(&self.name);
        out.push('>');
    }
}

impl Node {
    pub(super) fn element(&self) -> Option<&Element> {
        match self {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        }
    }
}

impl From<Element> for Node {
    fn from(element: Element) -> Self {
        Node::Element(element)
    }
}

/// Whether XML can hold a character.
pub(super) fn can_hold(c: char) -> bool {
    !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

fn escape(text: &str, is_attribute: bool, out: &mut String) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' if is_attribute => out.push_str("&quot;"),
            // A parser would make spaces or line feeds of them.
            '\t' | '\n' if is_attribute => out.push_str(if c == '\t' { "&#9;" } else { "&#10;" }),
            '\r' => out.push_str("&#13;"),
            _ => out.push(c),
        }
    }
}

/// Reads a part. The error is a sentence without the part's name.
pub(super) fn parse(text: &str) -> Result<Element, String> {
    let mut reader = Reader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut tree = Tree::default();
    loop {
        let event = reader.read_event().map_err(|err| format!("byte {}: {err}", reader.error_position()))?;
        match event {
            Event::Start(tag) => tree.open(&tag)?,
            Event::Empty(tag) => {
                tree.open(&tag)?;
                tree.close()?;
            }
            Event::End(_) => tree.close()?,
            Event::Text(text) => tree.text(&text.xml10_content())?,
            Event::CData(text) => tree.text(&text.xml10_content())?,
            Event::GeneralRef(name) => tree.text(&reference(&name)?)?,
            Event::DocType(_) => return Err("it has a document type; expected none, as Word writes none".to_owned()),
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
            Event::Eof => return tree.finish(),
        }
    }
}

/// An element, of whose attributes there may be so many.
fn element(tag: &BytesStart, most: usize) -> Result<Element, String> {
    let mut element = Element::new(tag.name().as_ref());
    for attribute in tag.attributes() {
        if element.attributes.len() == most {
            return Err(format!("it has more than {MAX_ATTRIBUTES} attributes"));
        }
        let attribute = attribute.map_err(|err| err.to_string())?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|err| err.to_string())?;
        legal(&value)?;
        element.attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    Ok(element)
}

/// The five entities that need no declaration, and characters by number.
fn reference(name: &quick_xml::events::BytesRef) -> Result<String, String> {
    match name.resolve_char_ref().map_err(|err| err.to_string())? {
        Some(c) => Ok(c.to_string()),
        None => resolve_predefined_entity(name)
            .map(str::to_owned)
            .ok_or_else(|| format!("it names the entity `&{};`; expected none but those of XML itself", &**name)),
    }
}

fn legal(text: &str) -> Result<(), String> {
    match text.chars().find(|&c| !can_hold(c)) {
        Some(c) => Err(format!("it has the character {c:?}, which XML cannot hold")),
        None => Ok(()),
    }
}

/// The elements that are open, and how many there were, with how many attributes.
#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    root: Option<Element>,
    nodes: usize,
    attributes: usize,
}

impl Tree {
    fn open(&mut self, tag: &BytesStart) -> Result<(), String> {
        self.count()?;
        let element = element(tag, MAX_ATTRIBUTES - self.attributes)?;
        self.attributes += element.attributes.len();
        if self.open.len() == MAX_DEPTH {
            return Err(format!("its elements are nested more than {MAX_DEPTH} deep"));
        }
        if self.open.is_empty() && self.root.is_some() {
            return Err("it has a second root element".to_owned());
        }
        self.open.push(element);
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        let element = self.open.pop().ok_or("it closes an element that is not open")?;
        match self.open.last_mut() {
            Some(parent) => parent.children.push(Node::Element(element)),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        legal(text)?;
        let Some(parent) = self.open.last_mut() else {
            return if text.trim().is_empty() { Ok(()) } else { Err("it has text outside of its root".to_owned()) };
        };
        match parent.children.last_mut() {
            Some(Node::Text(before)) => before.push_str(text),
            _ => {
                parent.children.push(Node::Text(text.to_owned()));
                self.count()?;
            }
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), String> {
        self.nodes += 1;
        if self.nodes > MAX_NODES { Err(format!("it has more than {MAX_NODES} elements and texts")) } else { Ok(()) }
    }

    fn finish(self) -> Result<Element, String> {
        if let Some(open) = self.open.last() {
            return Err(format!("it ends inside of the element `{}`", open.name));
        }
        self.root.ok_or_else(|| "it has no element".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_written_back() {
        let text = "<a:r x=\"1 &quot;&#9;&#10;&lt;\">t&amp;<b/> <c>]]&gt;&#13;</c></a:r>";
        let root = parse(&format!("\u{feff}<?xml version=\"1.0\"?><!-- c -->\n{text}\n")).unwrap();
        assert_eq!(root.attribute("x"), Some("1 \"\t\n<"));
        assert!(root.document().ends_with(text), "{}", root.document());
        assert_eq!(parse(&root.document()).unwrap(), root);
        assert_eq!(parse("<a><![CDATA[<&]]>\r\nb</a>").unwrap().whole_text(), "<&\nb");
    }

    #[test]
    fn what_is_no_part_of_a_word_file_is_refused() {
        let deep = "<a>".repeat(MAX_DEPTH + 1);
        let many = format!("<a>{}</a>", "<b/>".repeat(MAX_NODES));
        let named: String = (0..MAX_ATTRIBUTES).map(|index| format!(" {index:x}=''")).collect();
        let attributes = format!("<a x=''><b{}/></a>", named.replace(" ", " a"));
        let entity = "<!DOCTYPE a [<!ENTITY b \"cc\">]><a>&b;</a>";
        for (text, words) in [
            ("", "no element"),
            ("x<a/>", "outside of its root"),
            ("<a/><a/>", "second root"),
            ("<a>", "ends inside of the element `a`"),
            ("<a></b>", "byte "),
            ("<a x='1' x='2'/>", "duplicated"),
            ("<a>&b;</a>", "the entity `&b;`"),
            ("<a>&#1;</a>", "cannot hold"),
            ("<a x='&#xFFFE;'/>", "cannot hold"),
            ("<a>\u{1}</a>", "cannot hold"),
            (entity, "document type"),
            (&deep, "nested"),
            (&many, "more than 1048576 elements"),
            (&attributes, "more than 2097152 attributes"),
        ] {
            let err = parse(text).unwrap_err();
            assert!(err.contains(words), "{err}");
        }
    }
}
