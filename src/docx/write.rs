//! Reports written as a Word file.

use super::carried::{self, CarriedDraft};
use super::case::{Case, Conclusion, displayed};
use super::copies::next_copy;
use super::draft::{Draft, Text};
use super::markup::{Look, Marker, paragraph, run, table};
use super::options::DocxOptions;
use super::package::{MAX_FILE, bad};
use super::regions::bookmark;
use super::slots::{Slot, Standing, fill};
use super::word_file::{WORD, WordFile};
use super::words::{Words, words};
use super::xml::{Element, MAX_NODES, Node};
use crate::error::{Code, Error, Result};
use crate::fields::Fields;
use crate::files::{read_bytes, write_atomic};
use crate::options::Options;
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

const MAX_CASES: usize = 2000;

/// Writes one file with all cases, each on a page of its own, and gives its bytes: the same for the same cases and options.
///
/// What XML cannot hold (control characters) is shown as U+FFFD; line breaks of every kind become line feeds.
///
/// # Errors
/// `Code::InvalidArgument` for no case, too many or an envelope that is none, naming its path; `Code::DocxFormat` for a
/// template that cannot be read or has no place for the report; `Code::InvalidOptions`, `Code::Io`.
pub fn write(cases: &[Case], options: &DocxOptions) -> Result<Vec<u8>> {
    options.validate()?;
    if cases.is_empty() || cases.len() > MAX_CASES {
        let message = format!("{} cases for one file; expected 1 to {MAX_CASES}", cases.len());
        return Err(Error::new(Code::InvalidArgument, message));
    }
    let file = match &options.template {
        Some(path) => WordFile::read(&read_bytes(path, MAX_FILE as u64)?, true).map_err(|err| err.in_file(path))?,
        None => WordFile::built_in()?,
    };
    fill_file(file, cases, options).map_err(|err| match &options.template {
        Some(path) if err.code() == Code::DocxFormat => err.in_file(path),
        _ => err,
    })
}

/// Writes the file of [`write`] to a path, whole or not at all; one that is there is replaced.
///
/// # Errors
/// Those of [`write`].
pub fn write_file(cases: &[Case], options: &DocxOptions, path: &Path) -> Result<()> {
    let bytes = write(cases, options)?;
    write_atomic(path, |writer| writer.write_all(&bytes))
}

/// Writes a file for each case into a folder that is there, named after its id, and gives their paths. Each file is whole
/// or not there; one of the same name is replaced.
///
/// # Errors
/// Those of [`write`]; `Code::InvalidArgument` if two cases would have the same file.
pub fn write_files(cases: &[Case], options: &DocxOptions, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = Vec::new();
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (index, case) in cases.iter().enumerate() {
        let name = file_name(&case.id);
        if let Some(before) = seen.insert(name.to_lowercase(), index) {
            let message = format!(
                "cases[{before}] (`{}`) and cases[{index}] (`{}`) would both be written to {name}; expected ids that differ",
                cases[before].id, case.id
            );
            return Err(Error::new(Code::InvalidArgument, message).with("case", index).with("id", &case.id));
        }
        paths.push(folder.join(name));
    }
    for (index, (case, path)) in cases.iter().zip(&paths).enumerate() {
        let bytes = write(std::slice::from_ref(case), options).map_err(|err| {
            if cases.len() > 1 { err.context(format!("case {} of the list", index + 1)) } else { err }
        })?;
        write_atomic(path, |writer| writer.write_all(&bytes))?;
    }
    Ok(paths)
}

/// A name that every file system takes.
fn file_name(id: &str) -> String {
    let is_fine = |c: char| !c.is_control() && !"<>:\"/\\|?*".contains(c);
    let name: String = id.chars().take(60).map(|c| if is_fine(c) { c } else { '_' }).collect();
    let name = name.trim_matches(|c: char| c == '.' || c.is_whitespace());
    let stem = name.split('.').next().unwrap_or_default().to_uppercase();
    let is_device = matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || (stem.len() == 4 && (stem.starts_with("COM") || stem.starts_with("LPT")));
    if name.is_empty() || is_device { format!("_{name}.docx") } else { format!("{name}.docx") }
}

fn fill_file(mut file: WordFile, cases: &[Case], options: &DocxOptions) -> Result<Vec<u8>> {
    let mut document = file.document()?;
    let mut comments = file.part("comments")?.map_or_else(|| of_word("w:comments"), |(_, root)| root);
    let mut marker = Marker {
        author: &options.author,
        date: options.date()?,
        next_id: greatest_id(&document) + 1,
        next_comment: greatest_id(&comments) + 1,
        comments: Vec::new(),
    };
    let body = document.child_mut("w:body").ok_or_else(|| bad("the template's main part has no body"))?;
    let (blocks, section) = parted(std::mem::take(&mut body.children));
    let mut drafts = Vec::new();
    let mut room = Room(MAX_NODES);
    let size = blocks.iter().map(|node| node.element().map_or(1, Element::nodes)).sum();
    for (index, case) in cases.iter().enumerate() {
        room.take(size)?;
        let children = if index == 0 { blocks.clone() } else { next_copy(&blocks, index) };
        let mut copy = Element { children, ..Element::new("w:body") };
        let filling = Filling::new(case, index, words(options.language))?;
        drafts.push(filling.fill(&mut copy, &mut marker, &mut room)?);
        body.children.append(&mut copy.children);
    }
    body.children.extend(section);
    comments.children.extend(marker.comments.into_iter().map(Node::Element));
    file.set_document(&document);
    file.set_part("comments", &comments)?;
    let settings = file.part("settings")?.map_or_else(|| of_word("w:settings"), |(_, root)| root);
    file.set_part("settings", &tracking(settings))?;
    carried::add(&mut file, drafts)?;
    file.write()
}

/// Elements and texts that the main part may still get: one with more would not be read back, and a template may have any
/// number of places for any number of fields.
struct Room(usize);

impl Room {
    fn take(&mut self, nodes: usize) -> Result<()> {
        self.0 = self.0.checked_sub(nodes).ok_or_else(|| {
            let message = format!(
                "the file would have more than {MAX_NODES} elements and texts; expected fewer cases, or a smaller template"
            );
            Error::new(Code::InvalidArgument, message)
        })?;
        Ok(())
    }
}

/// The blocks of a body, and what describes its last section.
fn parted(mut children: Vec<Node>) -> (Vec<Node>, Vec<Node>) {
    let is_section = |node: &Node| node.element().is_some_and(|child| child.is("w:sectPr"));
    let at = children.iter().rposition(is_section).unwrap_or(children.len());
    let section = children.split_off(at);
    (children, section)
}

fn of_word(name: &str) -> Element {
    Element::new(name).with("xmlns:w", WORD)
}

fn greatest_id(root: &Element) -> u64 {
    let mut greatest = 0;
    root.walk(&mut |element| {
        let id = element.attribute("w:id").and_then(|id| id.parse::<u32>().ok());
        greatest = greatest.max(id.map_or(0, u64::from));
    });
    // Word takes 31 bits; numbers that are used twice it mends.
    greatest.min(1 << 30)
}

/// The settings with change tracking on, at its place in their order.
fn tracking(mut settings: Element) -> Element {
    const BEFORE: &[&str] = &[
        "writeProtection",
        "view",
        "zoom",
        "removePersonalInformation",
        "removeDateAndTime",
        "doNotDisplayPageBoundaries",
        "displayBackgroundShape",
        "printPostScriptOverText",
        "printFractionalCharacterWidth",
        "printFormsData",
        "embedTrueTypeFonts",
        "embedSystemFonts",
        "saveSubsetFonts",
        "saveFormsData",
        "mirrorMargins",
        "alignBordersAndEdges",
        "bordersDoNotSurroundHeader",
        "bordersDoNotSurroundFooter",
        "gutterAtTop",
        "hideSpellingErrors",
        "hideGrammaticalErrors",
        "activeWritingStyle",
        "proofState",
        "formsDesign",
        "attachedTemplate",
        "linkStyles",
        "stylePaneFormatFilter",
        "stylePaneSortMethod",
        "documentType",
        "mailMerge",
        "revisionView",
    ];
    settings.remove("w:trackRevisions");
    let is_before = |node: &Node| {
        let name = node.element().and_then(|child| child.name.strip_prefix("w:"));
        name.is_some_and(|name| BEFORE.contains(&name))
    };
    let at = settings.children.iter().rposition(is_before).map_or(0, |at| at + 1);
    settings.children.insert(at, Element::new("w:trackRevisions").into());
    settings
}

/// What one case puts into a copy of the template.
struct Filling<'a> {
    case: &'a Case,
    index: usize,
    words: &'static Words,
    conclusions: Vec<Conclusion>,
    draft: Draft,
}

impl<'a> Filling<'a> {
    fn new(case: &'a Case, index: usize, words: &'static Words) -> Result<Self> {
        let envelope = case.envelope(index)?;
        let draft = Draft::new(&envelope.report, &envelope.conclusions);
        Ok(Filling { case, index, words, conclusions: envelope.conclusions, draft })
    }

    fn fill(self, body: &mut Element, marker: &mut Marker, room: &mut Room) -> Result<CarriedDraft> {
        let mut reports = Vec::new();
        fill(body, &mut |slot, look, standing| {
            let made = match slot {
                Slot::Title => line(self.case.heading(), look, standing),
                Slot::Note => line(self.words.note, look, standing),
                Slot::Fields => self.fields(look, standing)?,
                Slot::Report => {
                    reports.push(standing);
                    // There must be one; more are counted for the error.
                    if reports.len() == 1 { self.report(marker, look, standing) } else { Vec::new() }
                }
            };
            room.take(made.iter().map(Element::nodes).sum())?;
            Ok(made)
        })?;
        let [standing] = reports[..] else {
            return Err(bad(format!(
                "the template has {} places for the report; expected one content control with the tag `report`, or one \
                 bookmark of that name, in the body of the document",
                reports.len()
            )));
        };
        Ok(CarriedDraft { case: self.case.clone(), draft: self.draft, standing })
    }

    /// The fields as a table; an input that has none, as text.
    fn fields(&self, look: &Look, standing: Standing) -> Result<Vec<Element>> {
        let Ok(fields) = Fields::parse(&self.case.input) else {
            let input = displayed(&self.case.input);
            let lines = input.trim().split('\n');
            return Ok(match standing {
                Standing::Alone => lines.flat_map(|text| line(text, look, standing)).collect(),
                Standing::WithinLine | Standing::EndOfLine => line(&input, look, standing),
            });
        };
        if standing != Standing::Alone {
            return Err(bad(
                "the template's place `fields` stands within a line, where no table can stand; put it on a line of its own",
            ));
        }
        let fields: Vec<_> = fields.iter().map(|field| (displayed(&field.name), displayed(&field.value))).collect();
        // What follows a table must be a paragraph.
        Ok(vec![table(&fields, self.words), Element::new("w:p")])
    }

    fn report(&self, marker: &mut Marker, look: &Look, standing: Standing) -> Vec<Element> {
        let mut made = self.tracked(marker, Text::Report, look, standing);
        if !self.draft.listed.is_empty() {
            if standing != Standing::Alone {
                made.push(run("\n", None));
            }
            made.extend(self.tracked(marker, Text::Listed, look, standing));
        }
        made
    }

    /// One of the draft's texts, in a bookmark under which it is found again.
    fn tracked(&self, marker: &mut Marker, text: Text, look: &Look, standing: Standing) -> Vec<Element> {
        let id = marker.id();
        let start = Element::new("w:bookmarkStart").with("w:id", &id).with("w:name", bookmark(text, self.index));
        let end = Element::new("w:bookmarkEnd").with("w:id", id);
        let ranges = self
            .draft
            .ranges(text)
            .into_iter()
            .map(|(index, range)| (marker.comment(&self.words.comment(&self.conclusions[index])), range));
        let ranges: Vec<_> = ranges.collect();
        let mut made = vec![start];
        made.extend(match standing {
            Standing::Alone => marker.paragraphs(self.draft.text(text), &ranges, look),
            Standing::WithinLine | Standing::EndOfLine => marker.inline(self.draft.text(text), &ranges, look),
        });
        // After the last paragraph: what a reviewer adds at its end is inside then.
        made.push(end);
        made
    }
}

/// A text that is no insertion.
fn line(text: &str, look: &Look, standing: Standing) -> Vec<Element> {
    let run = run(&displayed(text), look.run.as_ref());
    if standing == Standing::Alone { vec![paragraph(look.paragraph.clone(), vec![run])] } else { vec![run] }
}
