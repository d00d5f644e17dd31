//! What others make of our Word files: the Open XML SDK validates them, and a reviewer in LibreOffice edits, accepts and
//! rejects, after which the right rows and labels come back.
//!
//! The first needs the .NET SDK and its package, the second LibreOffice Writer and a Python with `uno`.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use tailora::docx::{Case, DocxOptions, Label, Language, Review, read, write};
use tailora::options::from_value;

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/docx")
}

fn conclusion(kind: &str, text: &str, more: Value) -> Value {
    let mut made = json!({
        "kind": kind, "text": text, "confidence": 0.92, "confidence_kind": "calibrated",
        "sources": [{"field": "技术深度", "value": "9/10", "influence": 0.61}],
    });
    made.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    made
}

fn case(id: &str, input: &str, report: &str, conclusions: Value) -> Case {
    let report = json!({"schema": "tailora.report/1", "report": report, "conclusions": conclusions});
    Case { id: id.to_owned(), title: None, input: input.to_owned(), report }
}

/// A report with its conclusions in the text, one in which they are listed besides, and one on free text.
fn cases() -> Vec<Case> {
    let strength = conclusion("strength", "该员工技术架构能力强。", json!({}));
    let band = json!({"confidence_kind": "band", "band": {"name": "medium", "interval": [0.45, 0.8]}});
    let risk = conclusion("risk", "跨团队协作偏弱，需要关注。", band);
    let ungrounded = json!({"sources": [], "grounded": false, "unsupported": ["30%"]});
    let advice = conclusion("recommendation", "建议纳入继任者计划。", ungrounded);
    let report = "该员工技术架构能力强。\n跨团队协作偏弱，需要关注。建议纳入继任者计划。";
    let odd = "\"Quotes\" & <tags> ]]>,\tتجربة 😀👩‍👩‍👧.";
    let odd_case = [conclusion("observation", odd, json!({})), conclusion("risk", "May leave", json!({}))];
    vec![
        case("E017", "岗位:P7高级架构师,绩效:A/A-,技术深度:9/10", report, json!([strength, risk, advice])),
        case("E018", "role:Engineer,performance:A", odd, json!(odd_case)),
        case("E019", "访谈记录。\n第二段，没有字段。", "  待观察。\r\n\r\n末行  两个空格  ", json!([])),
    ]
}

/// A template in which the places are controls, bookmarks or cells, made from a file of ours.
fn template(folder: &Path, name: &str, body: &str) -> PathBuf {
    use std::io::{Cursor, Read, Write};
    let plain = write(&cases()[..1], &DocxOptions::default()).unwrap();
    let mut archive = zip::ZipArchive::new(Cursor::new(plain)).unwrap();
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let part = entry.name().unwrap().into_owned();
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        let content = match part.as_str() {
            "word/document.xml" => format!(
                "<w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:body>{body}</w:body></w:document>"
            ),
            "word/comments.xml" => format!("{}</w:comments>", &content[..content.find("<w:comment ").unwrap()]),
            "word/_rels/document.xml.rels" => {
                let (start, rest) = content.split_at(content.rfind("<Relationship ").unwrap());
                start.to_owned() + &rest[rest.find("/>").unwrap() + 2..]
            }
            "[Content_Types].xml" => {
                let (start, rest) = content.split_at(content.rfind("<Override ").unwrap());
                let props = rest.contains("itemProps");
                let content = if props { start.to_owned() + &rest[rest.find("/>").unwrap() + 2..] } else { content };
                content.replace("document.main+xml", "template.main+xml")
            }
            part if part.starts_with("customXml/") => continue,
            _ => content,
        };
        writer.start_file(part.as_str(), zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    let path = folder.join(name);
    std::fs::write(&path, writer.finish().unwrap().into_inner()).unwrap();
    path
}

fn control(tag: &str, content: &str) -> String {
    format!("<w:sdt><w:sdtPr><w:tag w:val=\"{tag}\"/></w:sdtPr><w:sdtContent>{content}</w:sdtContent></w:sdt>")
}

/// Bodies of templates: the report in a control, in a line, and in a cell.
fn bodies() -> [String; 3] {
    let bookmark = |name: &str, id: u32| {
        format!(
            "<w:bookmarkStart w:id=\"{id}\" w:name=\"{name}\"/><w:r><w:rPr><w:b/></w:rPr><w:t>{name}</w:t></w:r><w:bookmarkEnd w:id=\"{id}\"/>"
        )
    };
    let head = "<w:p><w:r><w:t>Acme GmbH</w:t></w:r></w:p>";
    let section = "<w:p/><w:sectPr><w:pgSz w:w=\"11906\" w:h=\"16838\"/></w:sectPr>";
    let width =
        "<w:tblPr><w:tblW w:w=\"9000\" w:type=\"dxa\"/></w:tblPr><w:tblGrid><w:gridCol w:w=\"9000\"/></w:tblGrid>";
    let cell = control("report", "<w:p/>");
    [
        format!(
            "{head}{}{}{}{section}",
            control("title", "<w:p/>"),
            control("fields", "<w:p/>"),
            control("report", "<w:p/>")
        ),
        format!(
            "<w:p><w:r><w:t>Name: </w:t></w:r>{}</w:p><w:p><w:r><w:t>Report: </w:t></w:r>{}</w:p>{section}",
            bookmark("title", 1),
            bookmark("report", 2)
        ),
        format!(
            "{head}<w:tbl>{width}<w:tr><w:tc><w:tcPr><w:tcW w:w=\"9000\" w:type=\"dxa\"/></w:tcPr>{cell}</w:tc></w:tr></w:tbl><w:p>{}</w:p>{section}",
            bookmark("note", 3)
        ),
    ]
}

/// Files of every kind, in `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let dated = |language, template| DocxOptions {
        date: Some("2026-11-23T10:00:00Z".to_owned()),
        language,
        template,
        ..DocxOptions::default()
    };
    let mut options = vec![DocxOptions::default(), dated(Language::Zh, None), dated(Language::En, None)];
    for (number, body) in bodies().iter().enumerate() {
        options.push(dated(Language::En, Some(template(folder, &format!("template{number}.dotx"), body))));
    }
    let written = options.iter().enumerate().map(|(number, options)| {
        let path = folder.join(format!("{number}.docx"));
        std::fs::write(&path, write(&cases(), options).unwrap()).unwrap();
        path
    });
    written.collect()
}

#[test]
fn the_open_xml_sdk_finds_no_error() {
    if Command::new("dotnet").arg("--version").output().is_err() {
        println!("SKIPPED: the Open XML SDK: no `dotnet` in the path");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    let build = Command::new("dotnet")
        .arg("build")
        .arg(copied(&scripts().join("validator"), &folder.path().join("validator")))
        .args(["--nologo", "-c", "Release", "-o"])
        .arg(folder.path().join("built"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&build.stdout);
    if !build.status.success() && ["NU1101", "NU1102", "NU1301", "NU1801"].iter().any(|code| said.contains(code)) {
        println!("SKIPPED: the Open XML SDK: no source of packages has it");
        return;
    }
    assert!(build.status.success(), "{said}");
    let checked = Command::new("dotnet").arg(folder.path().join("built/Validator.dll")).args(&files).output().unwrap();
    assert!(
        checked.status.success(),
        "{}{}",
        String::from_utf8_lossy(&checked.stdout),
        String::from_utf8_lossy(&checked.stderr)
    );
}

/// The project elsewhere, so that building it leaves nothing in the source.
fn copied(from: &Path, to: &Path) -> PathBuf {
    std::fs::create_dir(to).unwrap();
    for entry in ["Validator.csproj", "Program.cs"] {
        std::fs::copy(from.join(entry), to.join(entry)).unwrap();
    }
    to.join("Validator.csproj")
}

/// A Python that can talk to LibreOffice.
fn python() -> Option<&'static str> {
    let has_uno = |python: &&str| {
        Command::new(python).args(["-c", "import uno"]).output().is_ok_and(|output| output.status.success())
    };
    ["python3", "/usr/bin/python3"].into_iter().find(has_uno)
}

fn labels(review: &Review, case: usize) -> Vec<Label> {
    review.cases[case].conclusions.iter().map(|conclusion| conclusion.label).collect()
}

#[test]
fn a_review_in_libreoffice_comes_back() {
    let soffice =
        ["soffice", "libreoffice"].into_iter().find(|name| Command::new(name).arg("--version").output().is_ok());
    let (Some(soffice), Some(python)) = (soffice, python()) else {
        println!("SKIPPED: a review in LibreOffice: needs `soffice` and a Python with `uno`");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for (number, file) in files(folder.path()).iter().enumerate() {
        // The forms that differ for LibreOffice: without a template, and each template.
        if (1..3).contains(&number) {
            continue;
        }
        let reviewed = folder.path().join(format!("reviewed{number}"));
        std::fs::create_dir(&reviewed).unwrap();
        let script = scripts().join("review.py");
        let output = Command::new(python).arg(script).arg(soffice).arg(file).arg(&reviewed).output().unwrap();
        assert!(output.status.success(), "{number}: {}", String::from_utf8_lossy(&output.stderr));
        let opened: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(opened, json!({"tracking": true, "comments": 5, "authors": ["Tailora (AI)"]}), "{number}");
        check_reviews(&reviewed, number);
    }
}

/// What each review must give: the texts of the first and the last case, and the labels of the first.
fn check_reviews(folder: &Path, number: usize) {
    use Label::{Deleted, Edited, Kept};
    let whole = "该员工技术架构能力强。\n跨团队协作偏弱，需要关注。建议纳入继任者计划。";
    let edited = "该员工技术架构能力强。\n跨团队协作有所欠缺，需要关注。";
    let last = "待观察。\n\n末行  两个空格";
    for (review, first, last, expected) in [
        ("saved", whole, last, [Kept; 3]),
        ("accepted", whole, last, [Kept; 3]),
        ("without-comments", whole, last, [Kept; 3]),
        ("rejected", "", "", [Deleted; 3]),
        ("edited", edited, last, [Kept, Edited, Deleted]),
        ("edited-accepted", edited, last, [Kept, Edited, Deleted]),
        ("appended-accepted", &*format!("{whole}主管补充。"), last, [Kept; 3]),
    ] {
        let bytes = std::fs::read(folder.join(format!("{review}.docx"))).unwrap();
        let found = read(&bytes).unwrap_or_else(|err| panic!("{number} {review}: {err}"));
        let texts: Vec<_> = found.cases.iter().map(|case| case.output.as_deref().unwrap()).collect();
        assert_eq!([texts[0], texts[2]], [first, last], "{number} {review}");
        assert_eq!(labels(&found, 0), expected, "{number} {review}");
        let odd = if review == "rejected" { [Deleted; 2] } else { [Kept; 2] };
        assert_eq!(labels(&found, 1), odd, "{number} {review}: {:?}", found.cases[1]);
        let is_open = ["saved", "edited"].contains(&review);
        assert_eq!(found.cases[0].pending > 0, is_open, "{number} {review}");
        assert_eq!(found.cases[0].input, cases()[0].input);
    }
}

#[test]
fn options_come_as_json() {
    let options: DocxOptions = from_value(json!({"language": "en", "author": "AI"})).unwrap();
    let cases: Vec<Case> = serde_json::from_value(json!(cases())).unwrap();
    assert_eq!(read(&write(&cases, &options).unwrap()).unwrap().rows().count(), 3);
}
