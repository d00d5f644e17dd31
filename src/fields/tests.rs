//! Inputs as data: what people paste, and the fields that are in it.

use super::*;

fn pairs(input: &str) -> Vec<(String, String)> {
    let fields = Fields::parse(input).unwrap_or_else(|err| panic!("{input:?}: {err}"));
    fields.iter().map(|field| (field.name.clone(), field.value.clone())).collect()
}

fn expect(input: &str, expected: &[(&str, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
    assert_eq!(pairs(input), expected, "{input:?}");
}

const THREE: &[(&str, &str)] = &[("岗位", "P7高级架构师"), ("绩效", "A/A-"), ("潜力", "高")];

#[test]
fn lines_in_either_punctuation() {
    expect(
        "岗位:P7高级架构师,绩效:A/A-,潜力:高,技术深度:9/10",
        &[("岗位", "P7高级架构师"), ("绩效", "A/A-"), ("潜力", "高"), ("技术深度", "9/10")],
    );
    expect(
        "岗位：工程师；绩效：B+、潜力：中\n年限：3",
        &[("岗位", "工程师"), ("绩效", "B+"), ("潜力", "中"), ("年限", "3")],
    );
    expect(" role : engineer ; rating: A , ", &[("role", "engineer"), ("rating", "A")]);
    for text in [
        "岗位:P7高级架构师\t绩效:A/A-\t潜力:高",
        "岗位:P7高级架构师 | 绩效:A/A- | 潜力:高",
        "岗位:P7高级架构师|绩效:A/A-|潜力:高",
        "岗位：P7高级架构师｜绩效：A/A-｜潜力：高",
        "| 岗位: P7高级架构师 | 绩效: A/A- | 潜力: 高 |",
        "岗位:P7高级架构师  绩效:A/A-    潜力:高",
        "岗位:P7高级架构师\u{3000}绩效:A/A-\u{3000}潜力:高",
        "岗位:\tP7高级架构师\n绩效:\tA/A-\n潜力:\t高",
        "岗位  :  P7高级架构师  ,绩效:A/A-,潜力:高",
        "岗位:P7高级架构师\r\n绩效:A/A-\r\n潜力:高\r\n",
        "岗位:P7高级架构师\r绩效:A/A-\r潜力:高",
        "岗位﹕P7高级架构师﹐绩效︰A/A-﹔潜力∶高",
        "岗位=P7高级架构师,绩效=A/A-,潜力=高",
        "岗位＝P7高级架构师；绩效＝A/A-；潜力＝高",
        "\u{FEFF}岗位:P7高级架构师,绩效:A/A-,潜力:高",
        "岗\u{200B}位:P7高级架构师,\u{202A}绩效\u{202C}:A/A-\u{200B},\u{2060}潜\u{AD}力\u{FEFF}:高\u{FEFF}",
    ] {
        expect(text, THREE);
    }
}

#[test]
fn tables_of_one_case() {
    for text in [
        "岗位\t绩效\t潜力\nP7高级架构师\tA/A-\t高",
        "\u{FEFF}岗位\t绩效\t潜力\r\nP7高级架构师\tA/A-\t高\r\n",
        "岗位\tP7高级架构师\n绩效\tA/A-\n潜力\t高",
        "| 岗位 | 绩效 | 潜力 |\n|---|:--:|---|\n| P7高级架构师 | A/A- | 高 |",
        "|| 岗位 || 绩效 || 潜力 ||\n| P7高级架构师 | A/A- | 高 |",
        "岗位 | P7高级架构师\n绩效 | A/A-\n潜力 | 高",
    ] {
        expect(text, THREE);
        assert_eq!(Fields::parse(text).unwrap().text(), "岗位:P7高级架构师,绩效:A/A-,潜力:高", "{text:?}");
    }
    expect("岗位\t绩效\t备注\nP7\tA\t", &[("岗位", "P7"), ("绩效", "A"), ("备注", "")]);
    expect("岗位\t自评\nP7\t\"认真\n\"\"绩效:A\"\"\"", &[("岗位", "P7"), ("自评", "认真\n\"绩效:A\"")]);
    expect("岗位\t入职\nP7\t10:30", &[("岗位", "P7"), ("入职", "10:30")]);
}

#[test]
fn a_part_without_a_name_goes_on_with_the_value() {
    expect("优点:认真,负责,年薪:12,000", &[("优点", "认真,负责"), ("年薪", "12,000")]);
    expect("技能:Java、Go，入职:2020-01-01 10:30", &[("技能", "Java、Go"), ("入职", "2020-01-01 10:30")]);
    expect("备注:", &[("备注", "")]);
    expect("入职:2020-01-01  10:30,级别:A|B", &[("入职", "2020-01-01  10:30"), ("级别", "A|B")]);
    expect("主页:见,https://a.b/c:d,绩效:A", &[("主页", "见,https://a.b/c:d"), ("绩效", "A")]);
    expect("公式:a=b,时间:10:30", &[("公式", "a=b"), ("时间", "10:30")]);
}

#[test]
fn a_value_in_quotes_holds_anything() {
    expect(
        "自评:\"认真负责,绩效:A/A-\",绩效: \"C\" ,备注:他说\"好\"",
        &[("自评", "认真负责,绩效:A/A-"), ("绩效", "C"), ("备注", "他说\"好\"")],
    );
    expect("说:\"\"\"好\"\"，绩效:A\"", &[("说", "\"好\"，绩效:A")]);
    expect("说:\"好\",然后走,绩效:A", &[("说", "\"好\",然后走"), ("绩效", "A")]);
    assert_eq!(Fields::parse("自评:\"好,绩效:A\",绩效:C").unwrap().text(), "自评:\"好,绩效:A\",绩效:C");
}

#[test]
fn objects_become_lines() {
    expect(r#"{"岗位":"工程师","年限":3,"调岗":true}"#, &[("岗位", "工程师"), ("年限", "3"), ("调岗", "true")]);
    assert_eq!(Fields::parse(r#"{"a":"x, y","b":1.5}"#).unwrap().text(), "a:x, y,b:1.5");
    expect("\u{FEFF} {\"a\\u200b\": \"x\\r\\ny\\u200b\"}\r\n", &[("a", "x\ny")]);
    let digits = "123456789012345678901234567890";
    for number in ["12000.50", digits, "1e3", "1E+3", "-0", "0.1000", "-12", "1.7976931348623157e400"] {
        expect(&format!("{{\"n\" : {number} , \"m\":\"\"}}"), &[("n", number), ("m", "")]);
    }
}

/// What a value says is never a field of its own, and a line says the same when it is read again.
#[test]
fn values_cannot_look_like_fields() {
    let written = |value: &str| {
        let fields = Fields::parse(&serde_json::json!({ "自评": value, "绩效": "C" }).to_string()).unwrap();
        assert_eq!(fields.iter().map(|field| field.value.as_str()).collect::<Vec<_>>(), [value, "C"]);
        let text = fields.text();
        expect(&text, &[("自评", value), ("绩效", "C")]);
        text
    };
    for (value, line) in [
        ("认真负责,绩效:A/A-", "自评:\"认真负责,绩效:A/A-\",绩效:C"),
        ("认真负责。绩效：A", "自评:\"认真负责。绩效：A\",绩效:C"),
        ("认真 绩效:A", "自评:\"认真 绩效:A\",绩效:C"),
        ("他说\"好,绩效:A\"", "自评:\"他说\"\"好,绩效:A\"\"\",绩效:C"),
        ("\"好\"", "自评:\"\"\"好\"\"\",绩效:C"),
        ("认真,", "自评:\"认真,\",绩效:C"),
        ("一\n绩效:A\t潜力:高", "自评:\"一\n绩效:A\t潜力:高\",绩效:C"),
        ("认真,负责", "自评:认真,负责,绩效:C"),
        ("2020-01-01 10:30", "自评:2020-01-01 10:30,绩效:C"),
        ("见 https://a.b", "自评:见 https://a.b,绩效:C"),
        ("他说\"好\"", "自评:他说\"好\",绩效:C"),
        ("", "自评:,绩效:C"),
        ("a=b", "自评:a=b,绩效:C"),
    ] {
        assert_eq!(written(value), line);
    }
    let pieces = [
        "a", "绩效", ":", "：", ",", "，", " ", "  ", "\t", "|", "\n", "\"", "\"\"", "=", "10:30", "//", "。",
        "\u{3000}",
    ];
    for seed in 0..20_000u64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as usize
        };
        let value: String = (0..next() % 8).map(|_| pieces[next() % pieces.len()]).collect();
        written(value.trim());
    }
}

#[test]
fn what_has_no_fields_is_refused_with_a_reason() {
    for (input, part) in [
        ("", "is empty"),
        ("  \n", "is empty"),
        ("\u{FEFF}\u{200B}", "is empty"),
        (",,", "no field"),
        ("hello", "no field at `hello`"),
        ("hello, a:1", "no field at `hello,`"),
        (":x", "no name"),
        ("\u{200B}:x", "no name"),
        ("a:1,a:2", "`a` is given twice"),
        ("绩效:1,绩\u{200B}效:2", "`绩效` is given twice"),
        ("a\tb\ta\n1\t2\t3", "`a` is given twice"),
        (r#"{"a":1,"b":2,"a":3}"#, "`a` is given twice"),
        (r#"{"a":1,"a ":3}"#, "`a` is given twice"),
        (r#"{"a":1,"a\ufeff":3}"#, "`a` is given twice"),
        ("{}", "no field"),
        ("[]", "is a JSON array"),
        (r#"[{"a":1}]"#, "is a JSON array"),
        (r#"["a:1"]"#, "is a JSON array"),
        (r#"{"a":null}"#, "`a` is not a text, a number, true or false, but null"),
        (r#"{"a":[1]}"#, "but a list"),
        (r#"{"a":{"b":1}}"#, "but an object"),
        (r#"{"a":1"#, "not valid JSON"),
        (r#"{"a":1} x"#, "not valid JSON"),
        (r#"{"a":01}"#, "not valid JSON"),
        (r#"{"a":"\ud800"}"#, "not valid JSON"),
        (r#"{"a,b":1}"#, "`a,b` has ',' in its name"),
        (r#"{"a:b":1}"#, "`a:b` has ':' in its name"),
        (r#"{"绩效：年":1}"#, "in its name"),
        (r#"{"a|b":1}"#, "in its name"),
        (r#"{"a=b":1}"#, "in its name"),
        ("公式:a=b,时间=10:30", "`时间=10` has '=' in its name"),
        (r#"{"a\"b":1}"#, "in its name"),
        (r#"{"a\u0007b":1}"#, "in its name"),
        ("\"岗位:P7,绩效:A\"", "in its name"),
        ("自评:\"好,绩效:A", "is never closed"),
        ("a\tb\n1\t2\n3\t4\n5:6\t7", "a table of 3 rows"),
        ("a\tb\tc\n1\t2\t3\n4\t5\t6", "a table of 2 rows"),
        ("a\tb\n1\t2\t3", "second row has 3 cells"),
    ] {
        let err = Fields::parse(input).unwrap_err();
        assert_eq!(err.code(), Code::InvalidArgument, "{input:?}");
        assert!(err.message().contains(part), "{input:?}: {err}");
    }
    let many: String = (0..300).map(|i| format!("f{i}:1,")).collect();
    assert!(Fields::parse(&many).unwrap_err().message().contains("300 fields"));
    let long = format!("{}:1", "名".repeat(65));
    assert!(Fields::parse(&long).unwrap_err().message().contains("65 characters"));
    let huge = format!("a:{}", "x".repeat(MAX_INPUT));
    assert!(Fields::parse(&huge).unwrap_err().message().contains("1048578 bytes; expected at most"));
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(Fields::parse(&deep).unwrap_err().message().contains("but a list"));
}

/// A megabyte of anything takes a moment.
#[test]
fn the_work_is_linear() {
    let begun = std::time::Instant::now();
    for piece in [
        " ", "\t", "\"", "a:", "a:\"", "a:b,", ",", "|", "a\tb\n", "a|b\n", "1:1  ", "[", "{\"a\":", "x:\"\"",
        "\u{3000}",
    ] {
        for start in ["", "a:", "a:\"", "{\"x\":\"", "a\tb\n"] {
            let mut text = start.to_owned() + &piece.repeat(MAX_INPUT / piece.len());
            text.truncate(text.floor_char_boundary(MAX_INPUT));
            let _ = Fields::parse(&text);
            let _ = Fields::parse(&serde_json::json!({ "a": text }).to_string());
        }
    }
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
}

#[test]
fn another_value_is_written_as_the_one_before() {
    for (input, value, expected) in [
        ("岗位:工程师,绩效:A，潜力：高", "B/B+", "岗位:工程师,绩效:B/B+，潜力：高"),
        ("a = 1 ; A = A ; c = 3", "x", "a = 1 ; A = x ; c = 3"),
        ("a:1,b:\"x,y\",c:3", "z", "a:1,b:\"z\",c:3"),
        ("a:1,b:2,c:3", "x,y:z", "a:1,b:\"x,y:z\",c:3"),
        ("a:1,b:,c:3", "x", "a:1,b:x,c:3"),
    ] {
        let changed = Fields::parse(input).unwrap().with_value(1, value);
        assert_eq!(changed.text(), expected);
        let read = Fields::parse(&changed.text()).unwrap();
        assert_eq!(read.iter().nth(1).unwrap().value, value, "{expected}");
        assert_eq!((read.len(), changed.len()), (3, 3));
    }
}

#[test]
fn fields_are_put_in_a_known_order() {
    let order = |input: &str| Fields::parse(input).unwrap().in_order_of(["a", "b", "c"].into_iter()).text();
    for (input, expected) in [
        ("c:3,a:1,b:2", "a:1,b:2,c:3"),
        ("c：3；b：2；a：1", "a：1；b：2；c：3"),
        ("x:9,c:3,a:1", "a:1,c:3,x:9"),
        ("a:1,b:2,c:3", "a:1,b:2,c:3"),
        ("c: 3, b: 2, a: 1", "a: 1, b: 2, c: 3"),
        ("c:3\nx:\na:1", "a:1\nc:3\nx:"),
        ("b:2", "b:2"),
        ("{\"b\":\"2,3\",\"a\":\"1\"}", "a:1,b:2,3"),
    ] {
        assert_eq!(order(input), expected, "{input}");
        assert_eq!(order(&order(input)), expected, "{input}");
    }
}
