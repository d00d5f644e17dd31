//! A Word file as a package whose parts know each other: content types, relationships, and the main part with the text.

use super::package::{Package, bad};
use super::xml::{Element, parse};
use crate::error::Result;

pub(super) const WORD: &str = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";
const RELATION: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/";
const RELATIONS: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
const TYPES: &str = "[Content_Types].xml";
const OF_PACKAGE: &str = "_rels/.rels";

const OFFICE: &str = "application/vnd.openxmlformats-officedocument.";
const DOCUMENT: &str = "wordprocessingml.document.main+xml";
const TEMPLATE: &str = "wordprocessingml.template.main+xml";

/// The parts that every file needs, for reports without a template of the house.
const BUILT_IN: &[(&str, &str)] = &[
    (TYPES, include_str!("template/content_types.xml")),
    (OF_PACKAGE, include_str!("template/package_rels.xml")),
    ("word/document.xml", include_str!("template/document.xml")),
    ("word/_rels/document.xml.rels", include_str!("template/document_rels.xml")),
    ("word/styles.xml", include_str!("template/styles.xml")),
];

#[derive(Debug)]
pub(super) struct WordFile {
    package: Package,
    /// The name of the main part.
    main: String,
}

impl WordFile {
    /// Reads a document or template; of parts that are no XML only those `wanted`.
    pub(super) fn read(bytes: &[u8], others: bool) -> Result<Self> {
        let is_xml = |name: &str| name.ends_with(".xml") || name.ends_with(".rels");
        let package = Package::read(bytes, |name| others || is_xml(name))?;
        let main = related(&package.required(OF_PACKAGE)?, "", "officeDocument").ok_or_else(|| {
            bad("the file names no main document; expected a .docx or .dotx as Word or LibreOffice saves it")
        })?;
        check_type(&content_type(&package.required(TYPES)?, &main))?;
        Ok(WordFile { package, main })
    }

    /// The template that comes with the library.
    pub(super) fn built_in() -> Result<Self> {
        let mut package = Package::default();
        for (name, text) in BUILT_IN {
            package.set(name, &parse(text).map_err(|why| bad(format!("the built-in part {name}: {why}")))?);
        }
        Ok(WordFile { package, main: "word/document.xml".to_owned() })
    }

    /// The main part.
    pub(super) fn document(&self) -> Result<Element> {
        let root = self.package.required(&self.main)?;
        if root.is("w:document") && root.attribute("xmlns:w") == Some(WORD) {
            return Ok(root);
        }
        let message = format!(
            "the part {} is not in the form in which Word saves by default; expected `w:document` of {WORD}: save the file as \
             Word Document (*.docx), not as Strict Open XML",
            self.main
        );
        Err(bad(message).with("part", &self.main))
    }

    pub(super) fn set_document(&mut self, root: &Element) {
        self.package.set(&self.main.clone(), root);
    }

    /// The name and root of the part of that kind that the main part knows.
    pub(super) fn part(&self, kind: &str) -> Result<Option<(String, Element)>> {
        let Some(name) = self.relations()?.and_then(|relations| related(&relations, &self.main, kind)) else {
            return Ok(None);
        };
        Ok(self.package.xml(&name)?.map(|root| (name, root)))
    }

    /// Replaces the part of that kind, or adds it beside the main part.
    pub(super) fn set_part(&mut self, kind: &str, root: &Element) -> Result<()> {
        if let Some((name, _)) = self.part(kind)? {
            self.package.set(&name, root);
            return Ok(());
        }
        let name = self.unused(&format!("{}{kind}", folder(&self.main)), 0);
        self.add(&name, kind, root)?;
        self.declare(&name, &format!("{OFFICE}wordprocessingml.{kind}+xml"))
    }

    /// The roots of the host's own data in the file.
    pub(super) fn custom(&self) -> Result<Vec<Element>> {
        let names = self.package.names().filter(|name| name.starts_with("customXml/") && name.ends_with(".xml"));
        names.map(|name| self.package.required(name)).collect()
    }

    /// Adds data of that namespace, which Word and LibreOffice keep whatever happens to the text.
    pub(super) fn add_custom(&mut self, root: &Element, namespace: &str, guid: &str) -> Result<()> {
        let name = self.unused("customXml/item", 1);
        self.add(&name, "customXml", root)?;
        let ds = "http://schemas.openxmlformats.org/officeDocument/2006/customXml";
        let schema = Element::new("ds:schemaRef").with("ds:uri", namespace);
        let props = Element::new("ds:datastoreItem").with("ds:itemID", guid).with("xmlns:ds", ds);
        let props = props.holding([Element::new("ds:schemaRefs").holding([schema])]);
        let props_name = self.unused("customXml/itemProps", 1);
        self.package.set(&props_name, &props);
        let target = props_name.trim_start_matches("customXml/");
        let known = relation("rId1", "customXmlProps", target);
        self.package
            .set(&relations_of(&name), &Element::new("Relationships").with("xmlns", RELATIONS).holding([known]));
        self.declare(&props_name, &format!("{OFFICE}customXmlProperties+xml"))
    }

    /// The bytes of the file, as a document even if it was a template.
    pub(super) fn write(mut self) -> Result<Vec<u8>> {
        let main = self.main.clone();
        self.declare(&main, &format!("{OFFICE}{DOCUMENT}"))?;
        self.package.write()
    }

    fn relations(&self) -> Result<Option<Element>> {
        self.package.xml(&relations_of(&self.main))
    }

    /// A part that the main part knows.
    fn add(&mut self, name: &str, kind: &str, root: &Element) -> Result<()> {
        let empty = || Element::new("Relationships").with("xmlns", RELATIONS);
        let mut relations = self.relations()?.unwrap_or_else(empty);
        let used = |id: &str| relations.elements().any(|known| known.attribute("Id") == Some(id));
        let id = (1..).map(|number| format!("rIdTailora{number}")).find(|id| !used(id)).unwrap_or_default();
        let up = "../".repeat(self.main.matches('/').count());
        let beside = name.strip_prefix(folder(&self.main)).map(str::to_owned);
        relations.push(relation(&id, kind, &beside.unwrap_or_else(|| format!("{up}{name}"))));
        self.package.set(&relations_of(&self.main), &relations);
        self.package.set(name, root);
        Ok(())
    }

    /// Says of what type a part is.
    fn declare(&mut self, name: &str, content_type: &str) -> Result<()> {
        let mut types = self.package.required(TYPES)?;
        let part = format!("/{name}");
        let is_known = |known: &&mut Element| known.is("Override") && known.attribute("PartName") == Some(&part);
        if let Some(known) = types.elements_mut().find(is_known) {
            known.set("ContentType", content_type);
        } else {
            types.push(Element::new("Override").with("PartName", part).with("ContentType", content_type));
        }
        if !types.elements().any(|known| known.attribute("Extension") == Some("xml")) {
            types.children.insert(
                0,
                Element::new("Default").with("Extension", "xml").with("ContentType", "application/xml").into(),
            );
        }
        self.package.set(TYPES, &types);
        Ok(())
    }

    /// `stem.xml` with the first number that no part has; 0 is left out.
    fn unused(&self, stem: &str, first: u32) -> String {
        let used = |name: &String| self.package.names().any(|known| known == name);
        let named = |number| if number == 0 { format!("{stem}.xml") } else { format!("{stem}{number}.xml") };
        (first..).map(named).find(|name| !used(name)).unwrap_or_default()
    }
}

fn relation(id: &str, kind: &str, target: &str) -> Element {
    Element::new("Relationship").with("Id", id).with("Type", format!("{RELATION}{kind}")).with("Target", target)
}

/// The folder of a part, with the slash.
fn folder(name: &str) -> &str {
    &name[..name.rfind('/').map_or(0, |at| at + 1)]
}

fn relations_of(name: &str) -> String {
    let folder = folder(name);
    format!("{folder}_rels/{}.rels", &name[folder.len()..])
}

/// The part to which the first relationship of that kind leads from `part`.
fn related(relations: &Element, part: &str, kind: &str) -> Option<String> {
    let is_kind = |known: &&Element| known.attribute("Type").is_some_and(|uri| uri.rsplit('/').next() == Some(kind));
    let target = relations.elements().find(is_kind)?.attribute("Target")?;
    if let Some(absolute) = target.strip_prefix('/') {
        return Some(absolute.to_owned());
    }
    let mut path: Vec<&str> = folder(part).split_terminator('/').collect();
    for step in target.split('/') {
        match step {
            "." => {}
            ".." => drop(path.pop()),
            step => path.push(step),
        }
    }
    Some(path.join("/"))
}

fn content_type(types: &Element, part: &str) -> String {
    let stated = types.elements().find(|known| {
        known.is("Override") && known.attribute("PartName").and_then(|name| name.strip_prefix('/')) == Some(part)
    });
    let extension = part.rsplit('.').next();
    let by_extension = types.elements().find(|known| known.is("Default") && known.attribute("Extension") == extension);
    stated.or(by_extension).and_then(|known| known.attribute("ContentType")).unwrap_or_default().to_owned()
}

fn check_type(content_type: &str) -> Result<()> {
    if content_type.contains("macroEnabled") {
        return Err(bad(
            "the file is one with macros (.docm or .dotm), which are not taken; save it as .docx or .dotx",
        ));
    }
    match content_type.strip_prefix(OFFICE) {
        Some(DOCUMENT | TEMPLATE) => Ok(()),
        _ => Err(bad(format!(
            "the file's main part is of the type `{content_type}`; expected a Word document or template"
        ))
        .with("content_type", content_type)),
    }
}
