//! Files that are refused, and the place that is named.

use super::tests::{gb18030, refusal};
use super::*;
use crate::error::Code;
use std::path::Path;

/// Each: the bytes, then what the message says, then row, line and column of the details.
#[test]
fn damaged_encodings_name_the_place() {
    let utf8 = "input,output\n工号：一,表现突出\n".as_bytes().to_vec();
    let gbk_row = gb18030("工号：二,表现合格\n");
    let latin = "input,output\ncaf\u{e9} au lait,d\u{e9}part\n".chars().map(|c| c as u8).collect::<Vec<u8>>();
    let gbk = gb18030("input,output\n工号：一,表现突出\n工号：二,表现合格\n");
    for (bytes, message, row, line, column) in [
        ([&utf8[..], b"\n", &gbk_row].concat(), "is GB18030 in a file that is otherwise UTF-8", 2, 4, "input"),
        (
            [b"\xEF\xBB\xBF", &utf8[..], &gbk_row].concat(),
            "is GB18030 in a file that is otherwise UTF-8",
            2,
            3,
            "input",
        ),
        (
            [&gbk[..], b"x,\"", "表现不佳".as_bytes(), b"\"\n"].concat(),
            "is UTF-8 in a file that is otherwise not",
            3,
            4,
            "output",
        ),
        ([&utf8[..], b"a,b\xFF\n"].concat(), "is damaged: not UTF-8", 2, 3, "output"),
        ([&utf8[..], "a,表".as_bytes(), b"\xE8"].concat(), "is damaged: not UTF-8", 2, 3, "output"),
        (latin, "is neither UTF-8 nor, by its looks, GB18030", 1, 2, "input"),
        ([&gbk[..], b"a,\xC4\xE3\xFF\xFF\n"].concat(), "is neither UTF-8 nor GB18030", 3, 4, "output"),
    ] {
        let err = refusal(&bytes);
        assert!(err.message().contains(message), "{err}");
        assert!(err.message().contains("offset"), "{err}");
        let details = err.details();
        assert_eq!(
            (&details["row"], &details["line"], &details["column"]),
            (&row.into(), &line.into(), &column.into()),
            "{err}"
        );
        let offset = details["byte_offset"].as_u64().unwrap() as usize;
        assert!(!bytes[offset].is_ascii(), "{err}");
    }
    assert!(refusal(b"\xFF\xFE\0\0i").message().contains("UTF-32"));
}

/// Each: the text, the message, the row, the line, the column ("" for none).
#[test]
fn bad_files_are_refused_with_row_and_column() {
    for (text, message, row, line, column) in [
        ("input,result\na,b\n", "is missing; the file has `input`, `result`", 0, 1, "output"),
        ("input,Output\na,b\n", "did you mean `Output`?", 0, 1, "output"),
        ("input;output\na;b\n", "is the delimiter another one", 0, 1, "input"),
        ("input,output,output\na,b,c\n", "is there twice (columns 2 and 3)", 0, 1, "output"),
        ("input,output\na,b\nc,\"d\ne,f\n", "the quote opened here is never closed", 2, 3, "output"),
        ("input,output\na,b\n\"c,d\ne,\"f\"\n", "is closed on line 4 but the field goes on", 2, 3, "input"),
        ("input,output\na,\"b\" c\n", "but the field goes on", 1, 2, "output"),
        ("input,\"output\na,b\n", "the quote opened here is never closed", 0, 1, "#2"),
        ("input,output\na,b\nc\n", "has 1 fields; expected 2", 2, 3, ""),
        ("input,output\na,b,c\n", "has 3 fields; expected 2", 1, 2, ""),
        ("input,output\na,\n", "is empty", 1, 2, "output"),
        ("input,output\na,b\n \t,b\n", "is empty", 2, 3, "input"),
        ("input,output\na,b\n\nc,x\0y\n", "contains a NUL byte", 2, 4, "output"),
    ] {
        let err = refusal(text);
        assert!(err.message().contains(message), "{text:?}: {err}");
        let details = err.details();
        let found = (
            details["row"].as_u64(),
            details["line"].as_u64(),
            details.get("column").and_then(|c| c.as_str()).unwrap_or(""),
        );
        assert_eq!(found, (Some(row), Some(line), column), "{text:?}: {err}");
    }
    for (text, message) in [
        ("", "is empty; expected a header"),
        ("\n \r\n", "the file is blank"),
        ("\u{feff}", "the file is blank"),
        ("input,output\n", "has a header but no rows"),
        ("input,output", "has a header but no rows"),
    ] {
        assert!(refusal(text).message().contains(message), "{text:?}");
    }
    let long = format!("input,output\na,{}\n", "x".repeat((1 << 20) + 1));
    assert!(refusal(long).message().contains("the field has 1048577 bytes"));
}

#[test]
fn all_problems_are_told_at_once() {
    let rows: String = (1..=30).map(|n| if n % 3 == 0 { "a,\n".to_owned() } else { format!("q{n},b\n") }).collect();
    let err = refusal(format!("input,output\n{rows}x\n"));
    assert!(err.message().contains(".csv: row 3 (line 4), column `output`: is empty"), "{err}");
    assert!(err.message().ends_with("(and 10 more problems)"), "{err}");
    assert_eq!(err.details()["problems_total"], 11);
    let problems = err.details()["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 11);
    assert_eq!(problems[10]["row"], 31);
    let many = "a,\n".repeat(100);
    let err = refusal(format!("input,output\n{many}"));
    assert_eq!(err.details()["problems"].as_array().unwrap().len(), 20);
    assert_eq!(err.details()["problems_total"], 100);
}

#[test]
fn paths_that_are_no_csv_file() {
    let dir = tempfile::tempdir().unwrap();
    let open = |path: &Path| Dataset::open_csv(path, &DatasetOptions::default(), &mut Monitor::none()).unwrap_err();
    let missing = open(&dir.path().join("none.csv"));
    assert_eq!(missing.code(), Code::Io);
    assert!(missing.message().contains("none.csv"), "{missing}");
    let folder = open(dir.path());
    assert_eq!(folder.code(), Code::Io);
    assert!(folder.message().contains("is a directory; expected a regular file"), "{folder}");
}
