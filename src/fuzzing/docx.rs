//! Reviewed Word files and templates: whole files, and parts of one that is right otherwise, which checksums would hide
//! from a fuzzer. The first byte chooses.

use super::check;
use crate::docx::{Case, DocxOptions, Review, read, repacked, write};
use serde_json::json;

const PARTS: [&str; 6] = [
    "word/document.xml",
    "customXml/item1.xml",
    "[Content_Types].xml",
    "word/_rels/document.xml.rels",
    "word/settings.xml",
    "word/comments.xml",
];

pub(super) fn run(bytes: &[u8]) {
    let (choice, bytes) = bytes.split_first().map_or((0, bytes), |(first, rest)| (usize::from(*first), rest));
    let file = match PARTS.get(choice % (PARTS.len() + 1)) {
        Some(part) => with_part(part, bytes),
        None => bytes.to_vec(),
    };
    if let Some(review) = check(read(&file)) {
        review.rows().for_each(|(_, output)| assert!(!output.is_empty()));
    }
    let folder = tempfile::tempdir().unwrap();
    let template = folder.path().join("template.docx");
    std::fs::write(&template, &file).unwrap();
    let options = DocxOptions { template: Some(template), ..DocxOptions::default() };
    if let Some(written) = check(write(&[case()], &options)) {
        // A template may carry drafts of its own, which are refused.
        if let Some(Review { cases, .. }) = check(read(&written)) {
            assert_eq!(cases.len(), 1);
        }
    }
}

fn case() -> Case {
    let conclusion =
        json!({"kind": "risk", "text": "乙。", "confidence": 0.5, "confidence_kind": "band", "sources": []});
    let report = json!({"schema": "tailora.report/1", "report": "甲。\n乙。", "conclusions": [conclusion]});
    Case { id: "1".to_owned(), title: None, input: "绩效:A".to_owned(), report }
}

/// A file with that part replaced.
fn with_part(part: &str, bytes: &[u8]) -> Vec<u8> {
    let whole = write(&[case()], &DocxOptions::default()).unwrap();
    repacked(&whole, |name, content| Some(if name == part { bytes.to_vec() } else { content }))
}
