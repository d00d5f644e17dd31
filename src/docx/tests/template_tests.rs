//! Templates of the house: the report goes where its places are, and nothing else of them changes.

use super::*;
use std::path::PathBuf;

const NAMESPACES: &str = "xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\" \
                          xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"";

/// A template with that body, as a file in `folder`.
fn template(folder: &tempfile::TempDir, body: &str) -> PathBuf {
    let plain = write(&[sample()], &DocxOptions::default()).unwrap();
    let document = format!("<w:document {NAMESPACES}><w:body>{body}</w:body></w:document>");
    let bytes = repacked(&plain, |name, content| match name {
        "word/document.xml" => Some(document.clone().into_bytes()),
        "word/_rels/document.xml.rels" => {
            Some(text_of(content).replace("customXml\" Target", "x\" Target").into_bytes())
        }
        "word/comments.xml" => {
            let comments = text_of(content);
            Some(
                format!("{}{OLD_COMMENT}</w:comments>", &comments[..comments.find("<w:comment ").unwrap()])
                    .into_bytes(),
            )
        }
        "word/settings.xml" => Some(format!("<w:settings {NAMESPACES}>{SETTINGS}</w:settings>").into_bytes()),
        "[Content_Types].xml" => Some(text_of(content).replace("document.main+xml", "template.main+xml").into_bytes()),
        name if name.starts_with("customXml/") => None,
        _ => Some(content),
    });
    let path = folder.path().join("house.dotx");
    std::fs::write(&path, bytes).unwrap();
    path
}

const OLD_COMMENT: &str = "<w:comment w:id=\"7\" w:author=\"HR\"><w:p><w:r><w:t>old</w:t></w:r></w:p></w:comment>";
const SETTINGS: &str = "<w:zoom w:percent=\"100\"/><w:defaultTabStop w:val=\"420\"/>";

fn text_of(content: Vec<u8>) -> String {
    String::from_utf8(content).unwrap()
}

fn part(bytes: &[u8], name: &str) -> String {
    let mut found = None;
    repacked(bytes, |other, content| {
        if other == name {
            found = Some(text_of(content));
        }
        None
    });
    found.unwrap()
}

/// A control, with the placeholder that Word puts into an empty one.
fn control(tag: &str, content: &str) -> String {
    format!(
        "<w:sdt><w:sdtPr><w:tag w:val=\"{tag}\"/><w:showingPlcHdr/><w:text/></w:sdtPr><w:sdtContent>{content}</w:sdtContent></w:sdt>"
    )
}

const PLACEHOLDER: &str = "<w:r><w:rPr><w:rStyle w:val=\"PlaceholderText\"/></w:rPr><w:t>Click here</w:t></w:r>";

/// Every form in which a place can stand, and the text of the body around the draft.
#[test]
fn every_form_of_place_is_filled() {
    let line = format!("<w:p>{PLACEHOLDER}</w:p>");
    let bookmark =
        |inside: &str| format!("<w:bookmarkStart w:id=\"3\" w:name=\"report\"/>{inside}<w:bookmarkEnd w:id=\"3\"/>");
    let bold = "<w:r><w:rPr><w:b/></w:rPr><w:t>here</w:t></w:r>";
    let cell = format!(
        "<w:tbl><w:tblPr/><w:tblGrid><w:gridCol/></w:tblGrid><w:tr><w:tc><w:tcPr/>{}</w:tc></w:tr></w:tbl><w:p/>",
        control("report", &line)
    );
    let around_cell = format!(
        "<w:tbl><w:tblPr/><w:tblGrid><w:gridCol/></w:tblGrid><w:tr>{}</w:tr></w:tbl><w:p/>",
        control("report", &format!("<w:tc><w:tcPr/>{line}</w:tc>"))
    );
    let forms = [
        control("report", &line),
        format!("<w:p><w:pPr><w:jc w:val=\"both\"/></w:pPr>{}</w:p>", control("report", PLACEHOLDER)),
        format!(
            "<w:p><w:r><w:t>Report: </w:t></w:r>{}<w:r><w:t> end</w:t></w:r></w:p>",
            control("report", PLACEHOLDER)
        ),
        format!("<w:p>{}</w:p>", bookmark(bold)),
        format!("<w:p><w:r><w:t>Report: </w:t></w:r>{}</w:p>", bookmark(bold)),
        format!("{}<w:p/>", bookmark(&line)),
        format!(
            "<w:p><w:bookmarkStart w:id=\"3\" w:name=\"report\"/>{bold}</w:p><w:p><w:bookmarkEnd w:id=\"3\"/></w:p>"
        ),
        cell,
        around_cell,
    ];
    let folder = tempfile::tempdir().unwrap();
    for form in forms {
        let body = format!(
            "<w:p><w:r><w:t>Acme</w:t></w:r></w:p><w:p>{}</w:p>{}{form}<w:p><w:r><w:t>Signed</w:t></w:r></w:p><w:sectPr/>",
            control("title", PLACEHOLDER),
            control("fields", "<w:p/>"),
        );
        let options = DocxOptions { template: Some(template(&folder, &body)), ..DocxOptions::default() };
        let cases = [sample(), case("E018", "甲一。\n乙二。", &["甲一。", "丙三。"])];
        let bytes = write(&cases, &options).unwrap();
        let document = part(&bytes, "word/document.xml");
        assert!(!document.contains("Click here") && !document.contains("showingPlcHdr"), "{form}\n{document}");
        for text in ["Acme", "Signed", "E017"] {
            assert!(document.contains(text), "{form}");
        }
        assert_eq!(document.matches(">Acme<").count(), 2, "a copy for each case: {form}");
        assert!(document.ends_with("<w:sectPr/></w:body></w:document>"));
        assert_eq!(
            document.contains("<w:rPr><w:b/></w:rPr>"),
            form.contains("<w:b/>"),
            "the look of the place: {form}"
        );
        for change in [(|_| ()) as fn(&mut Element), |document| decide_all(document, true)] {
            let review = read(&changed(&bytes, change)).unwrap();
            let outputs: Vec<_> = review.rows().map(|(_, output)| output).collect();
            assert_eq!(outputs, [&*SENTENCES.concat(), "甲一。\n乙二。"], "{form}");
            assert!(review.cases.iter().all(|case| labels(case).iter().all(|label| *label == Label::Kept)), "{form}");
        }
    }
}

#[test]
fn the_rest_of_a_template_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = template(&folder, &control("report", "<w:p/>"));
    let bytes = write(&[sample()], &DocxOptions { template: Some(path), ..DocxOptions::default() }).unwrap();
    assert!(part(&bytes, "[Content_Types].xml").contains("wordprocessingml.document.main+xml"));
    let settings = part(&bytes, "word/settings.xml");
    assert!(
        settings.contains("<w:zoom w:percent=\"100\"/><w:trackRevisions/><w:defaultTabStop w:val=\"420\"/>"),
        "{settings}"
    );
    let comments = part(&bytes, "word/comments.xml");
    assert!(comments.contains(OLD_COMMENT) && comments.contains("<w:comment w:id=\"8\""), "{comments}");
    assert_eq!(
        part(&bytes, "word/styles.xml"),
        part(&write(&[sample()], &DocxOptions::default()).unwrap(), "word/styles.xml")
    );
}

#[test]
fn a_template_without_its_place_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let report = control("report", "<w:p/>");
    let row = control("report", "<w:tr><w:tc><w:p/></w:tc></w:tr>");
    let inline_fields = format!("{report}<w:p><w:r><w:t>a</w:t></w:r>{}</w:p>", control("fields", PLACEHOLDER));
    for (body, words) in [
        ("<w:p/>".to_owned(), "has 0 places for the report"),
        (report.repeat(2), "has 2 places for the report"),
        (format!("<w:tbl>{row}</w:tbl>"), "around a row of a table"),
        (inline_fields, "`fields` stands within a line"),
    ] {
        let path = template(&folder, &body);
        let err = write(&[sample()], &DocxOptions { template: Some(path), ..DocxOptions::default() }).unwrap_err();
        assert!(err.message().contains(words) && err.message().contains("house.dotx"), "{err}");
        assert_eq!(err.code(), Code::DocxFormat);
    }
    let plain = write(&[sample()], &DocxOptions::default()).unwrap();
    for (part, from, to, words) in [
        (
            "[Content_Types].xml",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
            "application/vnd.ms-word.document.macroEnabled.main+xml",
            "with macros",
        ),
        (
            "[Content_Types].xml",
            "wordprocessingml.document.main",
            "spreadsheetml.sheet.main",
            "expected a Word document",
        ),
        (
            "word/document.xml",
            "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
            "http://purl.oclc.org/ooxml/wordprocessingml/main",
            "Strict",
        ),
        ("_rels/.rels", "officeDocument\"", "other\"", "names no main document"),
    ] {
        let bytes = repacked(&plain, |name, content| {
            Some(if name == part { text_of(content).replace(from, to).into_bytes() } else { content })
        });
        let err = read(&bytes).unwrap_err();
        assert!(err.message().contains(words), "{err}");
    }
}

#[test]
fn a_template_makes_no_file_that_could_not_be_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let report = control("report", "<w:p/>");
    let fields = control("fields", "<w:p/>").repeat(80_000);
    // Places for many tables; a large page for each of many people; and places for the report without an end.
    for (body, cases, code, words) in [
        (format!("{report}{fields}"), 1, Code::InvalidArgument, "more than 1048576 elements"),
        (format!("{report}{}", "<w:p/>".repeat(2000)), 600, Code::InvalidArgument, "expected fewer cases"),
        (report.repeat(80_000), 1, Code::DocxFormat, "has 80000 places for the report"),
    ] {
        let options = DocxOptions { template: Some(template(&folder, &body)), ..DocxOptions::default() };
        let cases: Vec<Case> =
            (0..cases).map(|index| case(&index.to_string(), SENTENCES[0], &SENTENCES[..1])).collect();
        let err = write(&cases, &options).unwrap_err();
        assert!(err.code() == code && err.message().contains(words), "{err}");
    }
}
