//! Files as data: what is in one, and what is to come of it.

use super::examples::TooLong;
use super::*;
use crate::control::{Cancel, Control, Progress};
use crate::error::{Code, Error};
use crate::tokenize::test_support::{assets, format, repository};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

pub(super) fn open_with(bytes: &[u8], options: &DatasetOptions) -> Result<Dataset> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.csv");
    std::fs::write(&path, bytes).unwrap();
    Dataset::open_csv(&path, options, &mut Monitor::none())
}

pub(super) fn open(bytes: impl AsRef<[u8]>) -> Result<Dataset> {
    open_with(bytes.as_ref(), &DatasetOptions::default())
}

pub(super) fn refusal(bytes: impl AsRef<[u8]>) -> Error {
    let err = open(bytes.as_ref()).unwrap_err();
    assert_eq!(err.code(), Code::CsvFormat, "{err}");
    assert!(err.details().contains_key("path"));
    err
}

pub(super) fn gb18030(text: &str) -> Vec<u8> {
    encoding_rs::GB18030.encode(text).0.into_owned()
}

pub(super) fn pairs(dataset: &Dataset) -> Vec<(usize, usize, &str, &str)> {
    dataset.rows().iter().map(|row| (row.number, row.line, row.input.as_str(), row.output.as_str())).collect()
}

#[test]
fn good_files_are_read() {
    for (text, rows) in [
        ("input,output\na,b\n", vec![(1, 2, "a", "b")]),
        ("input,output\r\na,b", vec![(1, 2, "a", "b")]),
        ("input,output\ra,b\rc,d\r", vec![(1, 2, "a", "b"), (2, 3, "c", "d")]),
        ("output,id,input\nb,7,a\n", vec![(1, 2, "a", "b")]),
        (" input , output \na,b\n", vec![(1, 2, "a", "b")]),
        ("\"input\",\"output\"\n\"a,1\",\"b \"\"x\"\"\"\n", vec![(1, 2, "a,1", "b \"x\"")]),
        ("input,output\n\"a\n\nb\",c\n\n\nd,e\n", vec![(1, 2, "a\n\nb", "c"), (2, 7, "d", "e")]),
        ("input,output\r\n\"a\r\nb\",c\r\nd,e\r\n", vec![(1, 2, "a\r\nb", "c"), (2, 4, "d", "e")]),
        ("input,output\n a , b \n5\" disk,\u{2003}x\n", vec![(1, 2, " a ", " b "), (2, 3, "5\" disk", "\u{2003}x")]),
        ("input,output\n工号：1,表现好😀\n", vec![(1, 2, "工号：1", "表现好😀")]),
    ] {
        let dataset = open(text).unwrap_or_else(|err| panic!("{text:?}: {err}"));
        assert_eq!(pairs(&dataset), rows, "{text:?}");
    }
}

#[test]
fn encodings_are_told() {
    let text = "input,output\n工号：1；评分：A,该员工表现突出。\nplain,一\n";
    let plain = "input,output\na,b\n";
    let bom = |bytes: &[u8], bom: &[u8]| [bom, bytes].concat();
    for (bytes, encoding) in [
        (plain.as_bytes().to_vec(), "utf-8"),
        (text.as_bytes().to_vec(), "utf-8"),
        (bom(text.as_bytes(), b"\xEF\xBB\xBF"), "utf-8 with bom"),
        (gb18030(text), "gb18030"),
        (bom(&gb18030(text), b"\x84\x31\x95\x33"), "gb18030"),
        (gb18030("input,output\n你好，𠮷😀,Zürich\n"), "gb18030"),
    ] {
        let dataset = open(&bytes).unwrap();
        let info = dataset.info();
        assert_eq!(info["encoding"], encoding);
        assert_eq!(info["columns"], serde_json::json!(["input", "output"]));
        assert_eq!(info["finding_counts"].get("encoding").is_some(), encoding == "gb18030", "{info}");
    }
    assert_eq!(pairs(&open(gb18030(text)).unwrap()), pairs(&open(text).unwrap()));
    let forced = |bytes: &[u8], encoding| open_with(bytes, &DatasetOptions { encoding, ..Default::default() });
    assert_eq!(forced(&gb18030("input,output\n一,一\n"), Encoding::Gb18030).unwrap().rows()[0].output, "一");
    assert!(forced(&gb18030(text), Encoding::Utf8).unwrap_err().message().contains("is not UTF-8"));
    let contradiction = forced(&bom(text.as_bytes(), b"\xEF\xBB\xBF"), Encoding::Gb18030).unwrap_err();
    assert!(contradiction.message().contains("byte order mark"), "{contradiction}");
}

#[test]
fn options_are_checked() {
    let text = "frage;antwort\na;b\n;c\nd;e\nf;g\n";
    let options = r#"{"input_column":"frage","output_column":"antwort","delimiter":";","empty_rows":"skip","max_rows":3,"system":"S"}"#;
    let options: DatasetOptions = crate::options::parse(Some(options)).unwrap();
    let dataset = open_with(text.as_bytes(), &options).unwrap();
    assert_eq!(pairs(&dataset), [(1, 2, "a", "b"), (3, 4, "d", "e")]);
    assert_eq!(dataset.system(), Some("S"));
    assert_eq!(dataset.info()["finding_counts"]["empty"], 1);
    for bad in [
        r#"{"delimiter":""}"#,
        r#"{"delimiter":",,"}"#,
        r#"{"delimiter":"a"}"#,
        r#"{"delimiter":"\""}"#,
        r#"{"delimiter":"；"}"#,
        r#"{"input_column":" "}"#,
        r#"{"input_column":"output"}"#,
        r#"{"max_rows":0}"#,
        r#"{"encoding":"latin1"}"#,
        r#"{"inputcolumn":"x"}"#,
    ] {
        let err = crate::options::parse::<DatasetOptions>(Some(bad)).unwrap_err();
        assert_eq!(err.code(), Code::InvalidOptions, "{bad}");
    }
}

#[test]
fn the_doctor_finds_what_is_doubtful() {
    let dataset = open(
        "input,note,output,note\na,1,x,\na,1, x ,\na,1,y,\n电话13812345678,1,a@b.cn,\nb,1,身份证11010519491231002X,\n",
    )
    .unwrap();
    let info = dataset.info();
    assert_eq!(
        info["finding_counts"],
        serde_json::json!({"duplicate_header":1,"duplicate_row":1,"conflicting_output":1,"phone_number":1,"id_number":1,"email":1})
    );
    let findings: Vec<(String, u64, String)> = info["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (f["kind"].as_str().unwrap().into(), f["row"].as_u64().unwrap(), f["column"].as_str().unwrap().into()))
        .collect();
    let expect = |kind: &str, row, column: &str| (kind.to_owned(), row, column.to_owned());
    assert_eq!(
        findings,
        [
            expect("duplicate_header", 0, "note"),
            expect("duplicate_row", 2, "output"),
            expect("conflicting_output", 3, "output"),
            expect("phone_number", 4, "input"),
            expect("id_number", 5, "output"),
            expect("email", 4, "output"),
        ]
    );
    for secret in ["13812345678", "a@b.cn", "11010519491231002X"] {
        assert!(!info.to_string().contains(secret), "findings must not repeat personal data");
    }
    let many = "a,b\n".repeat(50) + &"c,d\n".repeat(50);
    let info = open(format!("input,output\n{many}")).unwrap().info();
    assert_eq!(
        (info["finding_counts"]["duplicate_row"].as_u64(), info["findings"].as_array().unwrap().len()),
        (Some(98), 20)
    );
}

/// What the csv crate writes is read back, with the lines where its records begin.
#[test]
fn random_files_round_trip() {
    let mut rng = StdRng::seed_from_u64(3);
    let pieces = ["a", "表现突出", "\"", ",", "\n", "\r\n", "\r", " ", "；", "😀", "''", "x y", "é"];
    for round in 0..400 {
        let field = |rng: &mut StdRng| {
            let body: String = (0..rng.random_range(0..8)).map(|_| pieces[rng.random_range(0..pieces.len())]).collect();
            format!("评{body}")
        };
        let ends = [csv::Terminator::CRLF, csv::Terminator::Any(b'\n')][round % 2];
        let mut text: Vec<u8> = if round % 2 == 0 { b"input,output\r\n".to_vec() } else { b"input,output\n".to_vec() };
        let mut rows = Vec::new();
        for number in 1..=rng.random_range(1..6) {
            let before = String::from_utf8(text.clone()).unwrap().replace("\r\n", "\n").replace('\r', "\n");
            let (line, input, output) = (before.matches('\n').count() + 1, field(&mut rng), field(&mut rng));
            let row = Row { number, line, id: None, input, output, group: None, held_out: None };
            let mut writer = csv::WriterBuilder::new().terminator(ends).from_writer(&mut text);
            writer.write_record([&row.input, &row.output]).unwrap();
            writer.flush().unwrap();
            drop(writer);
            rows.push(row);
        }
        assert_eq!(open(&text).unwrap().rows(), rows, "{text:?}");
        let encoded = gb18030(std::str::from_utf8(&text).unwrap());
        let forced = DatasetOptions { encoding: Encoding::Gb18030, ..Default::default() };
        assert_eq!(open_with(&encoded, &forced).unwrap().rows(), rows, "{text:?}");
    }
}

/// Whatever the bytes, there are rows or an error of the file's; never a panic.
#[test]
fn random_bytes_never_panic() {
    let mut rng = StdRng::seed_from_u64(5);
    let alphabet: &[&[u8]] = &[
        b"input",
        b"output",
        b",",
        b"\n",
        b"\r\n",
        b"\r",
        b"\"",
        b"\"\"",
        b" ",
        b"\0",
        b"a",
        "表".as_bytes(),
        b"\xB1\xED",
        b"\xEF\xBB\xBF",
        b"\xFF",
        b"\x81\x30\x81\x30",
        b"\x81",
        b"1",
    ];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.csv");
    for round in 0..3000 {
        let mut bytes = if round % 2 == 0 { b"input,output\n".to_vec() } else { Vec::new() };
        for _ in 0..rng.random_range(0..20) {
            match rng.random_bool(0.1) {
                true => bytes.push(rng.random()),
                false => bytes.extend_from_slice(alphabet[rng.random_range(0..alphabet.len())]),
            }
        }
        std::fs::write(&path, &bytes).unwrap();
        let encoding = [Encoding::Auto, Encoding::Utf8, Encoding::Gb18030][round % 3];
        let options = DatasetOptions { encoding, ..Default::default() };
        match Dataset::open_csv(&path, &options, &mut Monitor::none()) {
            Ok(dataset) => assert!(!dataset.rows().is_empty() && dataset.info()["rows"] != 0),
            Err(err) => assert_eq!(err.code(), Code::CsvFormat, "{bytes:?}: {err}"),
        }
    }
}

#[test]
fn a_host_can_stop_the_reading() {
    let cancel = Cancel::new();
    cancel.request();
    let path = repository("samples/data/talent_review.csv");
    let err = Dataset::open_csv(&path, &DatasetOptions::default(), &mut Monitor::new(&cancel, None)).unwrap_err();
    assert_eq!(err.code(), Code::Cancelled);
}

#[test]
fn the_sample_becomes_examples_and_shows_its_rows() {
    let options = DatasetOptions { system: Some("你是助手".into()), ..Default::default() };
    let dataset =
        Dataset::open_csv(&repository("samples/data/talent_review.csv"), &options, &mut Monitor::none()).unwrap();
    let format = format(&repository("samples/models/tailora-tiny"), &["<|im_end|>"]);
    let mut seen = Vec::new();
    let mut progress = |event: &Progress| {
        seen.push((event.step, event.total_steps));
        Control::Continue
    };
    let examples = dataset.examples(&format, 4096, &mut Monitor::new(&Cancel::new(), Some(&mut progress))).unwrap();
    let rows = dataset.rows().len() as u64;
    assert_eq!((seen.first(), seen.last()), (Some(&(0, rows)), Some(&(rows, rows))));
    assert_eq!(examples.rows.len(), dataset.rows().len());
    assert_eq!(examples.row_numbers, dataset.rows().iter().map(|row| row.number).collect::<Vec<_>>());
    let (tokens, trained) = examples.tokens();
    assert!(examples.longest() <= tokens && 0 < trained && trained < tokens);

    let row = &dataset.rows()[6];
    let preview = dataset.preview(&format, 4096, row.number).unwrap();
    assert_eq!(preview["input"], row.input.as_str());
    let text = preview["text"].as_str().unwrap();
    assert!(text.contains("<|im_start|>") && text.contains("你是助手") && text.ends_with("<|im_end|>"), "{text}");
    let tokens = preview["tokens"].as_array().unwrap();
    assert_eq!(tokens.len(), examples.rows[6].ids.len());
    let trained: Vec<bool> = tokens.iter().map(|token| token["trained"].as_bool().unwrap()).collect();
    assert!(trained.is_sorted(), "prompt first, then completion");
    assert_eq!(trained.iter().filter(|&&t| t).count() as u64, preview["completion_tokens"].as_u64().unwrap());
    assert_eq!(tokens.last().unwrap()["text"], "<|im_end|>");
    assert_eq!(preview["completion"].as_str().unwrap(), format!("{}<|im_end|>", row.output));
    let err = dataset.preview(&format, 4096, 99_999).unwrap_err();
    assert_eq!(err.code(), Code::InvalidArgument);

    let stop = &mut |_: &Progress| Control::Stop;
    let err = dataset.examples(&format, 4096, &mut Monitor::new(&Cancel::new(), Some(stop))).unwrap_err();
    assert_eq!(err.code(), Code::Cancelled);
}

#[test]
fn rows_that_do_not_fit_are_refused_or_left_out_but_never_cut() {
    let format = format(&repository("tests/fixtures/models/qwen2"), &["<|im_end|>"]);
    let text = format!("input,output\na,b\nc,{}\nd,e\n", "long ".repeat(100));
    let dataset = open(&text).unwrap();
    let whole = dataset.examples(&format, 10_000, &mut Monitor::none()).unwrap();
    let limit = whole.rows[0].ids.len();
    let err = dataset.examples(&format, limit, &mut Monitor::none()).unwrap_err();
    assert_eq!(err.code(), Code::ContextLength);
    assert_eq!((&err.details()["row"], &err.details()["line"]), (&2.into(), &3.into()));
    assert_eq!(err.details()["tokens"], whole.rows[1].ids.len());
    assert!(err.message().contains(".csv: row 2 (line 3) has "), "{err}");

    let dataset =
        open_with(text.as_bytes(), &DatasetOptions { long_rows: LongRows::Skip, ..Default::default() }).unwrap();
    let examples = dataset.examples(&format, limit, &mut Monitor::none()).unwrap();
    assert_eq!(examples.row_numbers, [1, 3]);
    assert_eq!(examples.rows, [whole.rows[0].clone(), whole.rows[2].clone()]);
    assert_eq!(examples.skipped, [TooLong { row: 2, line: 3, tokens: whole.rows[1].ids.len() }]);
    let none = dataset.examples(&format, 3, &mut Monitor::none()).unwrap_err();
    assert_eq!(none.code(), Code::ContextLength, "nothing left is an error too");
}

/// 878 human-written reviews, in UTF-8 with BOM.
#[test]
fn a_real_spreadsheet_export() {
    let Some(path) = assets("data/ninebox/employee_review_mturk_dataset_v10_kaggle.csv") else { return };
    let options = DatasetOptions {
        input_column: "feedback".into(),
        output_column: "nine_box_category".into(),
        ..Default::default()
    };
    let dataset = Dataset::open_csv(&path, &options, &mut Monitor::none()).unwrap();
    assert_eq!(dataset.rows().len(), 878);
    assert_eq!(dataset.info()["encoding"], "utf-8 with bom");
}

/// 1,000 real Chinese texts: read as UTF-8 and as GB18030 they are the same rows.
#[test]
fn real_chinese_text_in_both_encodings() {
    let Some(path) = assets("data/alpaca-zh/alpaca_zh_demo.json") else { return };
    let entries: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["input", "output"]).unwrap();
    for entry in &entries {
        writer.write_record([entry["instruction"].as_str().unwrap(), entry["output"].as_str().unwrap()]).unwrap();
    }
    let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
    let options = DatasetOptions { empty_rows: EmptyRows::Skip, ..Default::default() };
    let utf8 = open_with(text.as_bytes(), &options).unwrap();
    let gb = open_with(&gb18030(&text), &options).unwrap();
    assert!(utf8.rows().len() > 900);
    assert_eq!((utf8.encoding, gb.encoding), ("utf-8", "gb18030"));
    assert_eq!(utf8.rows(), gb.rows());
}

#[test]
fn rows_take_the_wordings_of_the_role_prompt_in_turn() {
    let system_variants = vec!["You review.".to_owned(), String::new()];
    let options = DatasetOptions { system: Some("你是HR。".to_owned()), system_variants, ..Default::default() };
    let rows: String = (1..=300).map(|row| format!("in {row},out\n")).collect();
    let dataset = open_with(format!("input,output\n{rows}").as_bytes(), &options).unwrap();
    let systems: Vec<_> = dataset.rows().iter().map(|row| dataset.system_of(row)).collect();
    let wordings = [Some("你是HR。"), Some("You review."), None];
    for wording in wordings {
        let all = systems.iter().filter(|system| **system == wording).count();
        let every_third = systems.iter().step_by(3).filter(|system| **system == wording).count();
        assert!((98..=102).contains(&all) && (20..=50).contains(&every_third), "{wording:?}: {all} {every_third}");
    }
    let format = format(&repository("samples/models/tailora-tiny"), &["<|im_end|>"]);
    for (row, system) in dataset.rows().iter().zip(systems).take(6) {
        let text = dataset.preview(&format, 4096, row.number).unwrap()["text"].as_str().unwrap().to_owned();
        let said = wordings.into_iter().flatten().filter(|wording| text.contains(wording)).collect::<Vec<_>>();
        assert_eq!(said, system.into_iter().collect::<Vec<_>>(), "{text}");
    }
    let plain = open("input,output\na,b\n").unwrap();
    assert_eq!(plain.system_of(&plain.rows()[0]), None);
}
