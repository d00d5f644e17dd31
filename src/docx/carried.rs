//! What a file carries with it, so that it can be read after every change was accepted and every comment deleted: the cases
//! and the drafts as they were, as data of the file's own (a custom XML part), which Word and LibreOffice keep.

use super::case::{Case, Conclusion};
use super::draft::Draft;
use super::package::bad;
use super::slots::Standing;
use super::word_file::WordFile;
use super::xml::{Element, can_hold};
use crate::error::Result;
use serde::{Deserialize, Serialize};

const NAMESPACE: &str = "urn:tailora:docx:1";
const ROOT: &str = "drafts";
const SCHEMA: &str = "tailora.docx/1";
/// The name of this kind of data; every file has it.
const GUID: &str = "{5B0C7A3E-9D41-4E2B-8F6A-2C1D7E94A0B3}";

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Carried {
    schema: String,
    pub(super) drafts: Vec<CarriedDraft>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CarriedDraft {
    pub(super) case: Case,
    pub(super) draft: Draft,
    pub(super) standing: Standing,
}

impl CarriedDraft {
    /// The conclusions, each with its place in the draft.
    pub(super) fn conclusions(&self, index: usize) -> Result<Vec<Conclusion>> {
        let damaged = |why: String| bad(format!("the data that the file carries is damaged: drafts[{index}]: {why}"));
        let envelope = self.case.envelope(index).map_err(|err| damaged(err.message().to_owned()))?;
        if envelope.conclusions.len() != self.draft.places.len() || !self.draft.is_sound() {
            return Err(damaged("its conclusions do not fit its text".to_owned()));
        }
        Ok(envelope.conclusions)
    }
}

pub(super) fn add(file: &mut WordFile, drafts: Vec<CarriedDraft>) -> Result<()> {
    let carried = Carried { schema: SCHEMA.to_owned(), drafts };
    let json = serde_json::to_string(&carried).map_err(|err| bad(format!("the drafts cannot be carried: {err}")))?;
    // Such characters stand in JSON's strings alone.
    let json: String =
        json.chars().map(|c| if can_hold(c) { c.to_string() } else { format!("\\u{:04x}", c as u32) }).collect();
    file.add_custom(&Element::new(ROOT).with("xmlns", NAMESPACE).text(json), NAMESPACE, GUID)
}

pub(super) fn read(file: &WordFile) -> Result<Carried> {
    let custom = file.custom()?;
    let is_ours = |root: &&Element| root.name.rsplit(':').next() == Some(ROOT) && has_namespace(root);
    let ours: Vec<&Element> = custom.iter().filter(is_ours).collect();
    let [root] = ours[..] else {
        return Err(bad(match ours.len() {
            0 => {
                "the file carries no drafts; expected one that this library wrote, edited in Word or LibreOffice and saved as .docx"
            }
            _ => "the file carries drafts twice; expected one file that this library wrote, not two put together",
        }));
    };
    let json = root.whole_text();
    let carried: Carried = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(&json))
        .map_err(|err| bad(format!("the data that the file carries is damaged: {}: {}", err.path(), err.inner())))?;
    if carried.schema != SCHEMA {
        return Err(bad(format!("the file carries `{}`; expected `{SCHEMA}`", carried.schema)));
    }
    Ok(carried)
}

fn has_namespace(root: &Element) -> bool {
    root.attributes.iter().any(|(name, value)| name.starts_with("xmlns") && value == NAMESPACE)
}
