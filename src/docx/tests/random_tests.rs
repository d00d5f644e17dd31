//! Random texts, and random reviews of which the labels are known.

use super::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A text with all that makes trouble in XML, in Word and in terminals.
fn random_text(random: &mut StdRng) -> String {
    const PARTS: &[&str] = &[
        "甲",
        "乙方",
        "Strong",
        " ",
        "  ",
        "\t",
        "\n",
        "\r\n",
        "\"",
        "'",
        "]]>",
        "&amp;",
        "<w:t>",
        "😀",
        "👩‍👩‍👧",
        "مرحبا",
        "שלום",
        "\u{200f}",
        "e\u{301}",
        "。",
        ". ",
        "9/10",
        "\u{a0}",
        "\u{2011}",
        "\u{ad}",
        "\u{1}",
        "\u{ffff}",
        "\u{2028}",
        "–",
    ];
    let mut text: String =
        (0..random.random_range(1..40)).map(|_| PARTS[random.random_range(0..PARTS.len())]).collect();
    if random.random_bool(0.1) {
        text.push_str(&"长".repeat(200));
    }
    text
}

#[test]
fn any_text_comes_back() {
    let mut random = StdRng::seed_from_u64(14);
    for round in 0..150 {
        let cases: Vec<Case> = (0..random.random_range(1..4))
            .map(|number| {
                let sentences: Vec<String> =
                    (0..random.random_range(1..5)).map(|_| format!("{}起", random_text(&mut random))).collect();
                let shown: Vec<&str> = sentences.iter().map(String::as_str).collect();
                let mut case = case(&format!("E{number}"), &sentences.join("\n"), &shown);
                case.input = format!("姓名:{}", random_text(&mut random));
                case.title = Some(format!("a{}", random_text(&mut random)));
                case
            })
            .collect();
        let review = reviewed(&cases, |_| Act::Leave);
        for (case, read) in cases.iter().zip(&review.cases) {
            let expected = super::super::case::displayed(case.report["report"].as_str().unwrap());
            assert_eq!(read.output.as_deref(), Some(expected.trim()), "round {round}");
            assert_eq!((&read.input, &read.id), (&case.input, &case.id));
            assert!(labels(read).iter().all(|label| *label == Label::Kept), "round {round}: {read:#?}");
        }
    }
}

/// What a reviewer does with a conclusion, and the label that is right.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Keep,
    Edit,
    Delete,
    Reject,
}

#[test]
fn any_review_has_the_right_labels() {
    const WORDS: &[&str] =
        &["技术", "协作", "绩效", "potential", "teamwork", "沟通", "领导力", "coaching", "创新", "risk"];
    let mut random = StdRng::seed_from_u64(41);
    for round in 0..150 {
        let count = random.random_range(1..6);
        let mut fates = Vec::new();
        let mut of_character: Vec<(usize, usize)> = Vec::new();
        let mut sentences = Vec::new();
        for number in 0..count {
            let words: Vec<&str> = (0..6).map(|_| WORDS[random.random_range(0..WORDS.len())]).collect();
            let sentence = format!("第{number}条 {}。", words.join(" "));
            of_character.extend((0..sentence.chars().count()).map(|at| (number, at)));
            sentences.push(sentence);
            fates.push([Fate::Keep, Fate::Edit, Fate::Delete, Fate::Reject][random.random_range(0..4)]);
        }
        let separator = if random.random_bool(0.5) { "\n" } else { "" };
        let shown: Vec<&str> = sentences.iter().map(String::as_str).collect();
        let review = reviewed(&[case("E1", &sentences.join(separator), &shown)], |number| {
            let (sentence, at) = of_character[number];
            match fates[sentence] {
                Fate::Keep => Act::Leave,
                Fate::Edit if at == 5 => Act::InsertBehind("某某".to_owned()),
                Fate::Edit => Act::Accept,
                Fate::Delete => Act::Delete,
                Fate::Reject => Act::Reject,
            }
        });
        let expected: Vec<Label> = fates
            .iter()
            .map(|fate| match fate {
                Fate::Keep => Label::Kept,
                Fate::Edit => Label::Edited,
                Fate::Delete | Fate::Reject => Label::Deleted,
            })
            .collect();
        assert_eq!(labels(&review.cases[0]), expected, "round {round}: {fates:?} {:#?}", review.cases[0]);
    }
}
