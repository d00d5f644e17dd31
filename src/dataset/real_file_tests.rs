//! Files as spreadsheets, editors and old systems really write them: read rightly, refused with a reason, or a finding.

use super::tests::{gb18030, open, open_with, pairs, refusal};
use super::*;
use crate::control::{Cancel, Control, Phase, Progress};
use crate::error::Code;
use std::time::{Duration, Instant};

const TEXT: &str = "input,output\n岗位：工程师,该员工表现突出\n岗位：经理,沟通能力不足\n";

fn utf16(text: &str, little_endian: bool, bom: bool) -> Vec<u8> {
    let units = bom.then_some(0xFEFF).into_iter().chain(text.encode_utf16());
    units.flat_map(|unit| if little_endian { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
}

fn encoded(text: &str, encoding: &'static encoding_rs::Encoding) -> Vec<u8> {
    let (bytes, _, unmapped) = encoding.encode(text);
    assert!(!unmapped, "{text} is not {}", encoding.name());
    bytes.into_owned()
}

#[test]
fn what_spreadsheets_write_is_read() {
    let tabs = TEXT.replace(',', "\t").replace('\n', "\r\n");
    let plain = open(TEXT).unwrap();
    let both = |dataset: &Dataset| -> Vec<(String, String)> {
        dataset.rows().iter().map(|row| (row.input.clone(), row.output.clone())).collect()
    };
    for (bytes, encoding, delimiter) in [
        (TEXT.as_bytes().to_vec(), "utf-8", ","),
        (TEXT.replace('\n', "\r").into_bytes(), "utf-8", ","),
        (format!("{TEXT}\u{1A}").into_bytes(), "utf-8", ","),
        (format!("{TEXT}\u{1A}\u{1A}").into_bytes(), "utf-8", ","),
        (format!("sep=,\n{TEXT}").into_bytes(), "utf-8", ","),
        (format!("\u{FEFF}sep=;\r\n{}", TEXT.replace(',', ";")).into_bytes(), "utf-8 with bom", ";"),
        (format!("SEP=|\n{}", TEXT.replace(',', "|")).into_bytes(), "utf-8", "|"),
        (gb18030(&format!("sep=|\n{}", TEXT.replace(',', "|"))), "gb18030", "|"),
        (format!("\"sep=\t\"\n{}", TEXT.replace(',', "\t")).into_bytes(), "utf-8", "\t"),
        (utf16(&tabs, true, true), "utf-16le with bom", "\t"),
        (utf16(&tabs, false, true), "utf-16be with bom", "\t"),
        (utf16(&tabs, true, false), "utf-16le", "\t"),
        (utf16(&tabs, false, false), "utf-16be", "\t"),
        (utf16(TEXT, true, true), "utf-16le with bom", ","),
        (utf16(&format!("sep=;\n{}", TEXT.replace(',', ";")), true, true), "utf-16le with bom", ";"),
        (TEXT.replace("input,output", "\u{2060}in\u{200B}put , \u{FEFF}output").into_bytes(), "utf-8", ","),
        (
            TEXT.replace(',', ", ")
                .replace("岗位：工程师", "\"岗位：工程师\" ")
                .replace("该员", "\"该员")
                .replace("突出", "突出\"")
                .replace(", 沟", ",沟")
                .into_bytes(),
            "utf-8",
            ",",
        ),
    ] {
        let dataset = open(&bytes).unwrap_or_else(|err| panic!("{:?}: {err}", String::from_utf8_lossy(&bytes)));
        let info = dataset.info();
        assert_eq!(both(&dataset), both(&plain));
        assert_eq!((&info["encoding"], &info["delimiter"]), (&encoding.into(), &delimiter.into()));
        let guessed = ["gb18030", "utf-16le", "utf-16be"].contains(&encoding);
        assert_eq!(info["finding_counts"].get("encoding").is_some(), guessed, "{info}");
    }
    let dataset = open("input,output\na, \"x, y\"\n \"b, \"\"c\"\"\" ,\t\"z\"\nd, \"e\" f\n").unwrap();
    assert_eq!(pairs(&dataset), [(1, 2, "a", "x, y"), (2, 3, "b, \"c\"", "z"), (3, 4, "d", " \"e\" f")]);
    let dataset = open("sep=;\ninput;output\n\na;b\n").unwrap();
    assert_eq!(pairs(&dataset), [(1, 4, "a", "b")]);
}

#[test]
fn encodings_that_are_not_read_are_named() {
    let korean = "input,output\n직무: 개발자,기술 역량이 뛰어나고 팀에 크게 기여함\n";
    let japanese = "input,output\n評価：優,該当社員は技術力が高く、チームへの貢献も大きい。\n";
    let taiwanese = "input,output\n職位：工程師,該員工技術能力突出，績效穩定\n";
    for (text, encoding) in [
        (korean, encoding_rs::EUC_KR),
        (japanese, encoding_rs::SHIFT_JIS),
        (japanese, encoding_rs::EUC_JP),
        (taiwanese, encoding_rs::BIG5),
        ("input,output\nMitarbeiter für Qualität,übernimmt große Aufgaben\n", encoding_rs::WINDOWS_1252),
        ("input,output\nСотрудник,технически силён\n", encoding_rs::WINDOWS_1251),
    ] {
        let err = refusal(encoded(text, encoding));
        assert!(err.message().contains(encoding.name()), "{}: {err}", encoding.name());
        assert_eq!(err.details()["encoding"], encoding.name());
        assert_eq!((&err.details()["row"], &err.details()["line"]), (&1.into(), &2.into()), "{err}");
        let forced = DatasetOptions { encoding: Encoding::Gb18030, ..Default::default() };
        match open_with(&encoded(text, encoding), &forced) {
            Ok(dataset) => assert_eq!(dataset.info()["encoding"], "gb18030"),
            Err(err) => assert_eq!(err.code(), Code::CsvFormat),
        }
    }
    // Little text, yet Chinese by its characters.
    for text in ["优,良", "你好,世界", "张三,李四", "a,表现好", "韩,朝"] {
        let dataset = open(gb18030(&format!("input,output\n{text}\n"))).unwrap_or_else(|err| panic!("{text}: {err}"));
        assert_eq!(dataset.encoding, "gb18030");
    }
    let forced = DatasetOptions { encoding: Encoding::Utf8, ..Default::default() };
    let err = open_with(&utf16(TEXT, true, true), &forced).unwrap_err();
    assert!(err.message().contains("the file is UTF-16; expected UTF-8 or GB18030: use encoding auto"), "{err}");
}

/// Each: the bytes, then what the message says, then row, line and column of the details.
#[test]
fn what_cannot_be_read_names_its_place() {
    let half = [utf16("input,output\na,b\nc,d", true, true), vec![0x3D, 0xD8], utf16("\n", true, false)].concat();
    let odd = [utf16("input,output\na,b\n", true, true), vec![0x41]].concat();
    for (bytes, message, row, line, column) in [
        (half, "half a character of UTF-16", 2, 3, "#2"),
        (odd, "half a character of UTF-16", 2, 3, "#1"),
        (b"sep=;\ninput;output\na;b\nc;\"d\n".to_vec(), "the quote opened here is never closed", 2, 4, "output"),
        (b"sep=;\ninput;output\na;b;c\n".to_vec(), "has 3 fields; expected 2", 1, 3, ""),
        (b"sep=;\ninput;output\na;x\0\n".to_vec(), "contains a NUL byte", 1, 3, "output"),
        (b"sep=;\ninput;output\na;\n".to_vec(), "is empty", 1, 3, "output"),
        (b"sep=;\ninput,output\na,b\n".to_vec(), "is the delimiter another one, ',' perhaps", 0, 2, "input"),
        (
            "sep=;\ninput;output\n工号：一;表现突出\na;b\u{fffd}\n"
                .as_bytes()
                .iter()
                .map(|&b| if b == 0xBD { 0xFF } else { b })
                .collect(),
            "is damaged: not UTF-8",
            2,
            4,
            "output",
        ),
        (
            gb18030("input|output\n工号：一|表现突出\n").into_iter().chain(*b"a|\xC4\xE3\xFF\xFF\n").collect(),
            "is neither UTF-8 nor GB18030",
            2,
            3,
            "",
        ),
        (b"input|output\na|b\n".to_vec(), "is the delimiter another one, '|' perhaps", 0, 1, "input"),
        (b"input\toutput\na\tb\n".to_vec(), "is the delimiter another one, '\\t' perhaps", 0, 1, "input"),
        ("ｉｎｐｕｔ,output\na,b\n".as_bytes().to_vec(), "did you mean `ｉｎｐｕｔ`?", 0, 1, "input"),
        (b"Input,output\na,b\n".to_vec(), "did you mean `Input`?", 0, 1, "input"),
        (b"in put,output\na,b\n".to_vec(), "did you mean `in put`?", 0, 1, "input"),
        (b"input,output\na,b\nc\n".to_vec(), "has 1 fields; expected 2", 2, 3, ""),
        (b"input,output\na,b\n\x1A\nc,d\n".to_vec(), "has 1 fields; expected 2", 2, 3, ""),
    ] {
        let err = refusal(&bytes);
        assert!(err.message().contains(message), "{err}");
        let details = err.details();
        assert_eq!((&details["row"], &details["line"]), (&row.into(), &line.into()), "{err}");
        let found = details.get("column").and_then(Value::as_str).unwrap_or("");
        assert!(column.is_empty() || found == column, "{found}: {err}");
        if let Some(hint) = details.get("delimiter").and_then(Value::as_str) {
            let options = DatasetOptions { delimiter: hint.to_owned(), ..Default::default() };
            options.validate().unwrap();
            if !bytes.starts_with(b"sep=") {
                assert_eq!(open_with(&bytes, &options).unwrap().rows().len(), 1);
            }
        }
    }
}

#[test]
fn damage_is_a_finding() {
    for (cell, kind) in [
        ("#NAME?", "spreadsheet_error"),
        ("_x000D_好", "escape"),
        ("锟斤拷", "mojibake"),
        ("â€œgutâ€œ", "mojibake"),
        ("????", "question_marks"),
        ("坏\u{FFFD}", "replacement_character"),
        ("\u{E5E5}", "private_use"),
        ("a\u{1}b", "control_character"),
        ("绩\u{200B}效", "invisible_character"),
        ("1.10105E+17", "scientific_number"),
    ] {
        let info = open(format!("input,output\na,b\nc,{cell}\n")).unwrap().info();
        assert_eq!(info["finding_counts"], json!({ kind: 1 }), "{cell}");
        let finding = &info["findings"][0];
        assert_eq!((&finding["row"], &finding["column"]), (&2.into(), &"output".into()));
        assert!(!finding["message"].as_str().unwrap().contains(cell) || cell.starts_with('_'), "{finding}");
    }
}

/// Some of these took minutes when names and answers were compared with all before them.
#[test]
fn large_files_take_time_in_proportion() {
    let within = |what: &str, text: String| {
        let begun = Instant::now();
        let opened = open(text);
        assert!(begun.elapsed() < Duration::from_secs(20), "{what} took {:?}", begun.elapsed());
        opened
    };
    let names = |n: usize| (0..n).map(|index| format!(",name{index}")).collect::<String>();
    let cells = ",x".repeat(100_000);
    let wide = within("names", format!("input,output{}\na,b{cells}\n", names(100_000))).unwrap();
    assert_eq!(wide.columns.len(), 100_002);
    within("the same names", format!("input,output{cells}\na,b{cells}\n")).unwrap();
    let err = within("other names", format!("in,out{}\na,b{cells}\n", names(100_000))).unwrap_err();
    assert!(err.message().len() < 20_000 && serde_json::to_string(err.details()).unwrap().len() < 100_000);
    let answers = |output: fn(usize) -> String| {
        let rows: String = (0..100_000).map(|index| format!("same,{}\n", output(index))).collect();
        format!("input,output\n{rows}")
    };
    let info = within("answers", answers(|index| format!("answer {index}"))).unwrap().info();
    assert_eq!(info["finding_counts"]["conflicting_output"], 99_999);
    let info = within("the same answer", answers(|_| "answer".to_owned())).unwrap().info();
    assert_eq!(info["finding_counts"]["duplicate_row"], 99_999);
    within("quotes", format!("input,output\n{}", ", \"".repeat(1_000_000))).unwrap_err();
    within("line ends", format!("input,output\na,b{}", "\r".repeat(4_000_000))).unwrap();
    within("empty rows", format!("input,output\n{}", "a,\n".repeat(1_000_000))).unwrap_err();
    within("question marks", format!("input,output\na,{}\n", "? ".repeat(500_000))).unwrap();
    within("escapes", format!("input,output\na,{}\n", "_x_&;".repeat(200_000))).unwrap();
    within("digits", format!("input,output\na,{}\n", "1".repeat(1_000_000))).unwrap();
    within("addresses", format!("input,output\na,{}@\n", "a".repeat(1_000_000))).unwrap();
}

/// A pipe would wait for a writer for ever.
#[cfg(unix)]
#[test]
fn only_regular_files_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [pipe.as_path(), Path::new("/dev/zero"), dir.path()] {
        let err = Dataset::open_csv(path, &DatasetOptions::default(), &mut Monitor::none()).unwrap_err();
        assert!(err.code() == Code::Io && err.message().contains("expected a regular file"), "{err}");
    }
}

#[test]
fn reading_tells_how_far_it_is_and_stops_when_it_is_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.csv");
    let rows: String = (0..20_000).map(|row| format!("role P{row},reliable {row}\n")).collect();
    std::fs::write(&path, format!("input,output\n{rows}")).unwrap();
    let size = std::fs::metadata(&path).unwrap().len();
    let mut events = Vec::new();
    let mut listen = |event: &Progress| {
        events.push((event.phase, event.step, event.total_steps));
        Control::Continue
    };
    let mut monitor = Monitor::new(&Cancel::new(), Some(&mut listen));
    Dataset::open_csv(&path, &DatasetOptions::default(), &mut monitor).unwrap();
    assert!(events.len() as u64 >= size / (64 << 10), "{} events of {size} bytes", events.len());
    assert!(events.is_sorted_by_key(|event| event.1));
    assert!(events.iter().all(|event| (event.0, event.2) == (Phase::Prepare, size)));
    assert_eq!(events.last().unwrap().1, size);

    let mut calls = 0;
    let mut refuse = |_: &Progress| {
        calls += 1;
        Control::Stop
    };
    let mut monitor = Monitor::new(&Cancel::new(), Some(&mut refuse));
    let err = Dataset::open_csv(&path, &DatasetOptions::default(), &mut monitor).unwrap_err();
    assert_eq!((err.code(), calls), (Code::Cancelled, 1));
}
