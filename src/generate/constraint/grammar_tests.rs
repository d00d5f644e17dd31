//! Texts under a regular expression or a Lark grammar, written by a model that knows nothing of either.

use crate::control::{Cancel, Control};
use crate::error::{Code, Error, Result};
use crate::generate::test_support::*;
use crate::generate::*;
use std::collections::BTreeSet;

enum Given<'a> {
    Regex(&'a str),
    Lark(&'a str),
}

fn text(session: &mut Session, given: &Given, seed: u64, max_tokens: usize) -> Result<String> {
    let mut options = GenerateOptions { temperature: 1.5, seed, max_tokens, ..GenerateOptions::default() };
    match given {
        Given::Regex(regex) => options.regex = Some((*regex).to_owned()),
        Given::Lark(lark) => options.lark = Some((*lark).to_owned()),
    }
    let generation = session.generate("role:engineer", &options, &Cancel::new(), &mut |_| Control::Continue)?;
    assert!(generation.completion_tokens <= max_tokens);
    Ok(generation.text)
}

#[test]
fn every_text_has_the_whole_pattern_also_at_the_token_limit() {
    let model = random_model();
    let mut session = session(&model);
    for regex in [
        r"a+",
        r"^(yes|no|maybe)$",
        r"\d{4}-\d{2}-\d{2}",
        r"(好|不好)(，(好|不好)){2,9}。",
        r"\w[\w.]*@\w+\.[a-z]{2,3}",
        r"([A-Z][a-z]{2,9} ){3,}end",
        r"line one\n\tline [2-9]{5,40}",
        r"x*",
        r"(?i:select) \* from \w+( where \w+ = '[^']*')?",
    ] {
        let whole = fancy_regex::Regex::new(&format!("^(?:{regex})$")).unwrap();
        let texts: BTreeSet<String> = (0..8)
            .map(|seed| text(&mut session, &Given::Regex(regex), seed, [40, 90][seed as usize % 2]).unwrap())
            .collect();
        for text in &texts {
            assert!(whole.is_match(text).unwrap(), "{regex}: {text:?}");
        }
        assert!(texts.len() > 1, "{regex}: {texts:?}");
    }
    assert_eq!(text(&mut session, &Given::Regex("a{300}"), 1, 40).unwrap_err().details()["max_tokens"], 40);
}

/// `sum`, `product` and `atom` of the grammar below, read from the front of a text; what is left.
fn sum(text: &str) -> Option<&str> {
    let mut rest = product(text)?;
    while let Some(after) = rest.strip_prefix(['+', '-']) {
        rest = product(after)?;
    }
    Some(rest)
}

fn product(text: &str) -> Option<&str> {
    let mut rest = atom(text)?;
    while let Some(after) = rest.strip_prefix('*') {
        rest = atom(after)?;
    }
    Some(rest)
}

fn atom(text: &str) -> Option<&str> {
    if let Some(inside) = text.strip_prefix('(') {
        return sum(inside)?.strip_prefix(')');
    }
    if let Some(negated) = text.strip_prefix('-') {
        return atom(negated);
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    (1..=3).contains(&digits).then(|| &text[digits..])
}

#[test]
fn every_text_is_of_the_grammar_also_at_the_token_limit() {
    let lark = r#"
        // Left recursion, as grammars for parsers have it.
        start: sum
        ?sum: product
            | sum "+" product   -> add
            | sum "-" product
        ?product: atom | product "*" atom
        ?atom: NUMBER | "-" atom | "(" sum ")"
        NUMBER: /[0-9]/ ~ 1..3
        %ignore " "
    "#;
    let model = random_model();
    let mut session = session(&model);
    let mut texts = BTreeSet::new();
    for seed in 0..40 {
        let text = text(&mut session, &Given::Lark(lark), seed, [3, 12, 60][seed as usize % 3]).unwrap();
        assert_eq!(sum(&text.replace(' ', "")), Some(""), "{text:?}");
        texts.insert(text);
    }
    let all = texts.iter().map(String::as_str).collect::<String>();
    assert!("+-*() 1".chars().all(|c| all.contains(c)), "{texts:?}");
}

#[test]
fn what_a_grammar_says_is_what_there_is() {
    let model = random_model();
    let mut session = session(&model);
    for (lark, expected) in [
        (r#"start: "a" | "b""#, &["a", "b"][..]),
        ("start: A b?\nA: \"x\" | \"y\"\nb: \"z\"", &["x", "xz", "y", "yz"]),
        (r#"start: [("a" "b") ~ 2] "c""#, &["c", "ababc"]),
        ("start: \"a\"..\"c\" ~ 1..2", &["a", "b", "c", "aa", "ab", "ac", "ba", "bb", "bc", "ca", "cb", "cc"]),
        (r#"start: "No"i"#, &["No", "no", "NO", "nO"]),
        (
            "start: a | a a\na: \"1\" | (\"2\"\n  | \"3\")",
            &["1", "2", "3", "11", "12", "13", "21", "22", "23", "31", "32", "33"],
        ),
        (r#"start: "\x41\u4e2d\n""#, &["A中\n"]),
        ("%import common.DIGIT -> D\n%import common (LETTER)\nstart: /x/ | D \"!\" D\nOTHER: LETTER", &[]),
        ("start: \"\" | \"q\"", &["", "q"]),
    ] {
        let texts: BTreeSet<String> =
            (0..60).map(|seed| text(&mut session, &Given::Lark(lark), seed, 30).unwrap()).collect();
        if expected.is_empty() {
            assert!(texts.iter().all(|text| text == "x" || text.as_bytes().get(1) == Some(&b'!')), "{texts:?}");
            assert!(texts.len() > 5, "{texts:?}");
        } else {
            let unknown: Vec<_> = texts.iter().filter(|text| !expected.contains(&text.as_str())).collect();
            assert!(unknown.is_empty(), "{lark}: {unknown:?}");
            assert!(texts.len() * 3 >= expected.len(), "{lark}: {texts:?}");
        }
    }
}

#[test]
fn what_cannot_be_followed_is_refused_with_its_line() {
    let model = random_model();
    let mut session = session(&model);
    let mut refused = |given: Given| -> Error {
        let err = text(&mut session, &given, 1, 50).unwrap_err();
        assert_eq!(err.code(), Code::Schema, "{err}");
        err
    };
    for (regex, words) in [
        (r"(?=a)b", &["lookahead", "regular expression"][..]),
        (r"(a)\1", &["back reference"]),
        (r"\bword", &["word boundary"]),
        ("(", &["regular expression"]),
        ("a[]", &["allows no document"]),
        ("((a{1,300}){1,300}){1,300}", &["repeats"]),
    ] {
        let err = refused(Given::Regex(regex));
        assert!(words.iter().all(|word| err.message().contains(word)), "{regex}: {err}");
    }
    for (lark, line, words) in [
        ("x: \"a\"", 0, &["no rule `start`"][..]),
        ("start: x", 1, &["`x`", "not defined"]),
        ("start: A\n\nA: \"a", 3, &["not closed"]),
        ("start: \"a\"\nstart: \"b\"", 2, &["again", "line 1"]),
        ("start: a\na: b \"x\"\nb: a \"y\" | \"z\"", 2, &["begin with itself"]),
        ("start: \"a\" ~ 3..1", 1, &["3..1"]),
        ("start: \"a\" ~ 99999", 1, &["99999 times"]),
        ("start: \"a\" ~ 9999 ~ 2", 1, &["`~`", "end of the line"]),
        ("start: (\"a\" ~ 9999) \"b\" ~ 9999", 0, &["too many rules"]),
        ("start: A\nA: \"x\" A | \"y\"", 2, &["refers to itself"]),
        ("start: A\nA: b\nb: \"x\"", 2, &["rule `b` inside of a terminal"]),
        ("start: \"b\"..\"a\"", 1, &["range"]),
        ("start: /a/x", 1, &["flags `x`"]),
        ("start: /(?=a)b/", 1, &["lookahead"]),
        ("start: \"\\q\"", 1, &["escape `\\q`"]),
        ("start: ;", 1, &["`;`"]),
        ("start{x}: x", 1, &["template"]),
        ("%import other.X\nstart: X", 1, &["another file"]),
        ("%import common.NOPE\nstart: NOPE", 1, &["common.NOPE"]),
        ("%declare X\nstart: X", 1, &["`%declare`"]),
        ("start: start", 0, &["allows no document"]),
        ("start: \"a\" start", 0, &["allows no document"]),
        (&format!("start: {}", "(".repeat(500)), 1, &["nests deeper"]),
        (&"start: x\n".repeat(9_000), 0, &["bytes"]),
    ] {
        let err = refused(Given::Lark(lark));
        assert!(words.iter().all(|word| err.message().contains(word)), "{lark}: {err}");
        assert_eq!(err.details().get("line").and_then(|line| line.as_u64()).unwrap_or(0), line, "{lark}: {err}");
    }
}

#[test]
fn grammars_that_are_cut_or_mangled_are_errors_of_theirs() {
    let lark =
        "%import common.INT -> N\n%ignore / +/\nstart: a~1..3 [b] // c\na: \"x\"i | N \"..\" (a)*\nb: \"0\"..\"9\"\n";
    let model = random_model();
    let compiler = super::Compiler::new(model.vocabulary().unwrap());
    let mut state = 3u32;
    let mut random = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    let cut = (0..lark.len()).map(|end| lark[..end].to_owned());
    let (mut refused, mut taken) = (0, 0);
    for source in cut.collect::<Vec<_>>().into_iter().chain((0..300).map(|_| {
        let mut bytes = lark.as_bytes().to_vec();
        for _ in 0..1 + random(3) {
            let at = random(bytes.len());
            bytes[at] = b"|:()[]*+?~.\"/\\%aA1 \n"[random(20)];
        }
        String::from_utf8(bytes).unwrap()
    })) {
        match compiler.compile(super::Form::Lark(&source), &Cancel::new()) {
            Ok(_) => taken += 1,
            Err(err) => {
                assert_eq!(err.code(), Code::Schema, "{source}: {err}");
                refused += 1;
            }
        }
    }
    assert!(refused > 100 && taken > 20, "{refused} {taken}");
}
