//! Reports written, reviewed by a made-up reviewer, and read back.

mod random_tests;
mod recalibrate_tests;
mod reviewer;
mod template_tests;

use super::word_file::WordFile;
use super::xml::Element;
use super::*;
use crate::error::Code;
use reviewer::{Act, decide_all, review, split, without};
use serde_json::{Value, json};

/// A case whose conclusions are those texts.
fn case(id: &str, report: &str, conclusions: &[&str]) -> Case {
    let conclusions: Vec<Value> = conclusions
        .iter()
        .map(|text| {
            json!({
                "kind": "strength", "text": text, "confidence": 0.5, "confidence_kind": "calibrated",
                "sources": [{"field": "绩效", "value": "A", "influence": 0.5}],
            })
        })
        .collect();
    let report = json!({"schema": "tailora.report/1", "report": report, "conclusions": conclusions});
    Case { id: id.to_owned(), title: None, input: "岗位:P7<架构师>,绩效:A".to_owned(), report }
}

const SENTENCES: [&str; 3] = ["技术架构能力强，绩效稳定。", "跨团队协作偏弱。", "建议纳入继任者计划。"];

fn sample() -> Case {
    case("E017", &SENTENCES.concat(), &SENTENCES)
}

/// The file after `change` to its main part.
fn changed(bytes: &[u8], change: impl FnOnce(&mut Element)) -> Vec<u8> {
    let mut file = WordFile::read(bytes, true).unwrap();
    let mut document = file.document().unwrap();
    change(&mut document);
    file.set_document(&document);
    file.write().unwrap()
}

fn labels(case: &ReviewedCase) -> Vec<Label> {
    case.conclusions.iter().map(|conclusion| conclusion.label).collect()
}

/// What is read after a reviewer did `act` to the characters of the draft; the same whether all is then left open or
/// accepted, or comments or controls are lost.
fn reviewed(cases: &[Case], mut act: impl FnMut(usize) -> Act) -> Review {
    let bytes = write(cases, &DocxOptions::default()).unwrap();
    let bytes = changed(&bytes, |document| {
        split(document);
        review(document, &mut act);
    });
    let open = read(&bytes).unwrap();
    type Change = fn(&mut Element);
    let accept: Change = |document| decide_all(document, true);
    let no_comments: Change =
        |document| without(document, &["w:commentRangeStart", "w:commentRangeEnd", "w:commentReference"], false);
    let no_controls: Change = |document| {
        without(document, &["w:sdtPr"], false);
        without(document, &["w:sdt", "w:sdtContent"], true);
    };
    for change in [accept, no_comments, no_controls] {
        let again = read(&changed(&bytes, change)).unwrap();
        for (case, open) in again.cases.iter().zip(&open.cases) {
            assert_eq!(ReviewedCase { pending: open.pending, ..case.clone() }, *open);
        }
    }
    open
}

#[test]
fn a_file_nobody_touched_is_kept_whole() {
    let bytes = write(&[sample()], &DocxOptions::default()).unwrap();
    assert_eq!(bytes, write(&[sample()], &DocxOptions::default()).unwrap());
    let review = read(&bytes).unwrap();
    let [case] = &review.cases[..] else { panic!("{review:?}") };
    assert_eq!((case.id.as_str(), labels(case)), ("E017", vec![Label::Kept; 3]));
    assert!(case.pending > 0);
    assert_eq!(review.rows().collect::<Vec<_>>(), [("岗位:P7<架构师>,绩效:A", &*SENTENCES.concat())]);
    let accepted = read(&changed(&bytes, |document| decide_all(document, true))).unwrap();
    assert_eq!(accepted.cases[0].pending, 0);
    assert_eq!(labels(&accepted.cases[0]), [Label::Kept; 3]);
}

#[test]
fn what_was_rejected_leaves_no_row() {
    let cases = [sample(), case("E018", "甲\n乙", &["甲"])];
    let bytes = write(&cases, &DocxOptions::default()).unwrap();
    let review = read(&changed(&bytes, |document| decide_all(document, false))).unwrap();
    for case in &review.cases {
        assert_eq!(case.output.as_deref(), Some(""));
        assert!(case.conclusions.iter().all(|conclusion| conclusion.label == Label::Deleted));
    }
    assert_eq!(review.rows().count(), 0);
}

#[test]
fn a_draft_whose_place_is_gone_has_no_labels() {
    let bytes = write(&[sample(), case("E2", "甲。", &["甲。"])], &DocxOptions::default()).unwrap();
    let review = read(&changed(&bytes, |document| {
        rename_bookmark(document, "tailora_report_1");
    }))
    .unwrap();
    assert_eq!((&review.cases[0].output, labels(&review.cases[0])), (&None, Vec::new()));
    assert_eq!(review.rows().collect::<Vec<_>>(), [("岗位:P7<架构师>,绩效:A", "甲。")]);
}

fn rename_bookmark(parent: &mut Element, name: &str) {
    if parent.attribute("w:name") == Some(name) {
        parent.set("w:name", "other");
    }
    parent.elements_mut().for_each(|child| rename_bookmark(child, name));
}

#[test]
fn each_way_to_change_a_conclusion_has_its_label() {
    let first = SENTENCES[0].chars().count();
    let second = first + SENTENCES[1].chars().count();
    for gone in [Act::Delete, Act::Reject] {
        let review = reviewed(&[sample()], |number| match number {
            2 => Act::Accept,
            number if (first..second).contains(&number) => gone.clone(),
            number if number == second + 1 => Act::InsertBehind("明年".to_owned()),
            _ => Act::Leave,
        });
        let case = &review.cases[0];
        assert_eq!(labels(case), [Label::Kept, Label::Deleted, Label::Edited]);
        assert_eq!(case.output.as_deref(), Some("技术架构能力强，绩效稳定。建议明年纳入继任者计划。"));
        assert_eq!(case.conclusions[2].accepted, "建议明年纳入继任者计划。");
    }
    let negated = reviewed(&[sample()], |number| match number {
        0 => Act::InsertBefore("本人补充一句。看不出".to_owned()),
        _ => Act::Leave,
    });
    assert_eq!(labels(&negated.cases[0]), [Label::Edited, Label::Kept, Label::Kept]);
}

#[test]
fn a_bookmark_that_begins_twice_ends_once() {
    let bytes = write(&[sample()], &DocxOptions::default()).unwrap();
    let doubled = repacked(&bytes, |name, content| {
        let again = |text: String| {
            text.replace(
                "<w:bookmarkEnd w:id=\"",
                "<w:bookmarkStart w:id=\"99\" w:name=\"tailora_report_1\"/><w:bookmarkEnd w:id=\"99\"/><w:x w:id=\"",
            )
        };
        Some(if name == "word/document.xml" {
            again(String::from_utf8(content).unwrap()).into_bytes()
        } else {
            content
        })
    });
    assert_eq!(read(&doubled).unwrap(), read(&bytes).unwrap());
}

#[test]
fn moved_text_is_kept() {
    let lines = SENTENCES.join("\n");
    let bytes = write(&[case("E1", &lines, &SENTENCES)], &DocxOptions::default()).unwrap();
    let moved = changed(&bytes, move_first_line_down);
    for bytes in [changed(&moved, |document| decide_all(document, true)), moved] {
        let review = read(&bytes).unwrap();
        assert_eq!(labels(&review.cases[0]), [Label::Kept; 3]);
        let expected = [SENTENCES[1], SENTENCES[0], SENTENCES[2]].join("\n");
        assert_eq!(review.cases[0].output.as_deref(), Some(&*expected));
    }
}

/// The draft's first paragraph as moved text behind its second.
fn move_first_line_down(parent: &mut Element) {
    let is_draft = |child: &Element| child.is("w:p") && child.child("w:ins").is_some();
    let Some(at) = parent.children.iter().position(|node| node.element().is_some_and(is_draft)) else {
        parent.elements_mut().for_each(move_first_line_down);
        return;
    };
    let line = parent.children[at].element().unwrap().clone();
    let moved = |name: &str| {
        let runs = line.elements().filter(|child| child.is("w:ins")).flat_map(|ins| ins.elements().cloned());
        let mark = Element::new("w:pPr").holding([Element::new("w:rPr").holding([Element::new(name)])]);
        Element::new("w:p").holding([mark, Element::new(name).holding(runs.collect::<Vec<_>>())])
    };
    parent.children[at] = moved("w:moveFrom").into();
    parent.children.insert(at + 2, moved("w:moveTo").into());
}

#[test]
fn conclusions_that_are_not_in_the_text_are_listed() {
    let case = case("E1", "综述。", &["综述。", "沟通能力好", "建议晋升"]);
    let review = reviewed(&[case], |number| match number {
        4..6 => Act::Delete,
        _ => Act::Leave,
    });
    assert_eq!(labels(&review.cases[0]), [Label::Kept, Label::Edited, Label::Kept]);
    assert_eq!(review.cases[0].output.as_deref(), Some("综述。"));
}

#[test]
fn a_file_that_carries_nothing_or_nonsense_is_refused() {
    let bytes = write(&[sample()], &DocxOptions::default()).unwrap();
    let carried = |change: &dyn Fn(String) -> Option<String>| {
        let changed = repacked(&bytes, |name, content| match name {
            "customXml/item1.xml" => change(String::from_utf8(content).unwrap()).map(String::into_bytes),
            _ => Some(content),
        });
        read(&changed).unwrap_err()
    };
    for (change, words) in [
        (&(|_| None) as &dyn Fn(String) -> Option<String>, "carries no drafts"),
        (&|text| Some(text.replace("tailora.docx/1", "tailora.docx/9")), "expected `tailora.docx/1`"),
        (&|text| Some(text.replace("\"end\":39", "\"end\":40")), "do not fit its text"),
        (&|text| Some(text.replace("\"end\":39", "\"end\":-1")), "drafts[0].draft.places[0].end"),
        (&|text| Some(text.replace("\"confidence\":0.5", "\"confidence\":5")), "conclusions[0].confidence"),
    ] {
        let err = carried(change);
        assert!(err.message().contains(words), "{err}");
        assert_eq!(err.code(), Code::DocxFormat);
    }
}

#[test]
fn lists_and_ids_that_cannot_be_written_are_refused() {
    let options = DocxOptions::default();
    assert_eq!(write(&[], &options).unwrap_err().code(), Code::InvalidArgument);
    let folder = tempfile::tempdir().unwrap();
    let clash = [case("A/1", "甲", &[]), case("a?1", "乙", &[])];
    let err = write_files(&clash, &options, folder.path()).unwrap_err();
    assert!(err.message().contains("cases[0] (`A/1`) and cases[1] (`a?1`)"), "{err}");
    let cases = [case("con", "甲", &[]), case("王五", "乙", &[]), case("..", "丙", &[])];
    let paths = write_files(&cases, &options, folder.path()).unwrap();
    let names: Vec<_> = paths.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["_con.docx", "王五.docx", "_.docx"]);
    assert_eq!(read(&std::fs::read(&paths[1]).unwrap()).unwrap().cases[0].output.as_deref(), Some("乙"));
}
