//! What is found out about a template when it is loaded.

use super::test_support::{assets, repository};
use super::{ChatTemplate, PromptFormat, Tokenizer};
use std::path::Path;

const CHATML: &str =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}";

fn load(template: &str, eos: &[&str]) -> crate::error::Result<PromptFormat> {
    let tokenizer = Tokenizer::load(&repository("tests/fixtures/models/qwen2")).unwrap();
    let eos: Vec<u32> = eos.iter().map(|token| tokenizer.token_to_id(token).unwrap()).collect();
    let template = ChatTemplate::compile(template.to_owned(), Vec::new(), Path::new("t.jinja"))?;
    PromptFormat::new(tokenizer, Some(template), &eos, None)
}

fn text(format: &PromptFormat, system: Option<&str>, user: &str) -> String {
    format.tokenizer().decode(&format.prompt(system, user).unwrap(), false)
}

#[test]
fn a_template_that_loses_the_question_is_refused() {
    for template in
        ["", "{{ messages[0].role }}", "{{ messages[5].content }}", "{{ messages }}", "{{ messages|tojson }}"]
    {
        // A conversation printed as a list holds the question, but no model was tuned on that.
        let found = load(template, &["<|im_end|>"]);
        let loses = !template.contains("messages }}") && !template.contains("tojson");
        assert_eq!(found.is_err(), loses, "{template}");
    }
    let err = load("{{ messages[0].role }}", &["<|im_end|>"]).unwrap_err();
    assert!(err.message().contains("leaves the question out"), "{err}");
}

#[test]
fn contents_are_given_in_the_form_that_the_template_reads() {
    let parts = "{% for m in messages %}[{{ m.role }}]{% for c in m.content %}{% if c.type == 'text' %}{{ c.text }}{% endif %}{% endfor %}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";
    assert_eq!(text(&load(parts, &["<|im_end|>"]).unwrap(), Some("S"), "U"), "[system]S[user]U[assistant]");
    let either = "{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}{{ m.content[0].text }}!{% endif %}{% endfor %}{% if add_generation_prompt %}>{% endif %}";
    assert_eq!(text(&load(either, &["<|im_end|>"]).unwrap(), None, "U"), "U>");
}

#[test]
fn without_a_generation_prompt_the_header_of_answers_is_used() {
    let format = load(CHATML, &["<|im_end|>"]).unwrap();
    assert_eq!(text(&format, None, "U"), "<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n");
    assert!(format.notes()[0].contains("no generation prompt"), "{:?}", format.notes());
    let whole = CHATML.to_owned() + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
    let format = load(&whole, &["<|im_end|>"]).unwrap();
    assert_eq!(text(&format, None, "U"), "<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n");
    assert_eq!(format.notes(), [""; 0]);
}

#[test]
fn the_end_of_turn_is_what_the_template_writes() {
    let format = load(CHATML, &["<|endoftext|>"]).unwrap();
    let end = format.tokenizer().token_to_id("<|im_end|>").unwrap();
    assert_eq!(format.end_of_turn(), end);
    assert!(format.notes().iter().any(|note| note.contains("is not among the model's `eos_token_id`")));
    assert_eq!(format.example(None, "Q", "A").unwrap().ids.last(), Some(&end));
}

#[test]
fn the_role_prompt_stands_in_the_prompt_once() {
    let twice = "{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}{{ m.content }}{% else %}[{{ m.content }}]{% endif %}{% endfor %}{% if add_generation_prompt %}>{% endif %}";
    assert_eq!(text(&load(twice, &["<|im_end|>"]).unwrap(), Some("S"), "U"), "[S\n\nU]>");
    let question_twice = "{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}";
    let notes = load(question_twice, &["<|im_end|>"]).unwrap().notes();
    assert!(notes[0].contains("writes the question 2 times"), "{notes:?}");
}

#[test]
fn line_ends_and_marks_of_other_systems_do_not_reach_the_model() {
    let dos = CHATML.replace("{{ '", "\r\n{{ '");
    let unix = CHATML.replace("{{ '", "\n{{ '");
    let (dos, unix) = (load(&dos, &["<|im_end|>"]).unwrap(), load(&unix, &["<|im_end|>"]).unwrap());
    assert_eq!(text(&dos, Some("a\r\nb"), "\u{feff}c\r\nd"), text(&unix, Some("a\nb"), "c\nd"));
    assert_eq!(dos.example(None, "Q", "x\r\ny").unwrap(), unix.example(None, "Q", "x\ny").unwrap());
}

#[test]
fn a_raw_prompt_has_one_bos_and_no_end() {
    let dir = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(repository("tests/fixtures/models/qwen2/tokenizer.json")).unwrap();
    let mut file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let plain = Tokenizer::from_json(&text).unwrap();
    let [bos, eos] = ["<|endoftext|>", "<|im_end|>"].map(|token| plain.token_to_id(token).unwrap());
    let special = |token: &str, id: u32| serde_json::json!({"id": token, "ids": [id], "tokens": [token]});
    for with_bos in [true, false] {
        let mut single = vec![
            serde_json::json!({"Sequence": {"id": "A", "type_id": 0}}),
            serde_json::json!({"SpecialToken": {"id": "<|im_end|>", "type_id": 0}}),
        ];
        if with_bos {
            single.insert(0, serde_json::json!({"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}));
        }
        file["post_processor"] = serde_json::json!({"type": "TemplateProcessing", "single": single, "pair": single,
            "special_tokens": {"<|endoftext|>": special("<|endoftext|>", bos), "<|im_end|>": special("<|im_end|>", eos)}});
        file["post_processor"]["pair"] =
            serde_json::json!([{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}]);
        std::fs::write(dir.path().join("tokenizer.json"), file.to_string()).unwrap();
        let tokenizer = Tokenizer::load(dir.path()).unwrap();
        let hello = tokenizer.encode("hello", false).unwrap();
        assert_eq!(tokenizer.encode("hello", true).unwrap().last(), Some(&eos), "the tokenizer adds an end");
        let format = PromptFormat::new(tokenizer, None, &[eos], None).unwrap();
        let expected: Vec<u32> = with_bos.then_some(bos).into_iter().chain(hello).collect();
        assert_eq!(format.raw("hello").unwrap(), expected);
        let again = if with_bos { "<|endoftext|>hello" } else { "hello" };
        assert_eq!(format.raw(again).unwrap(), expected, "one BOS");
    }
}

#[test]
fn a_template_tells_the_day_it_is_given() {
    let source = CHATML.to_owned() + "{{ strftime_now('%d %b %Y') }}";
    let template = ChatTemplate::compile(source, Vec::new(), Path::new("t.jinja")).unwrap();
    let template = template.on(jiff::civil::date(2024, 7, 26));
    let rendered = template.render(&[super::Message::new("user", "U")], true).unwrap();
    assert!(rendered.ends_with("26 Jul 2024"), "{rendered}");
}

/// Nothing to say about models as their makers publish them.
#[test]
fn real_models_have_no_notes() {
    for (folder, eos) in
        [("tokenizers/qwen2.5", "<|im_end|>"), ("tokenizers/qwen3", "<|im_end|>"), ("tokenizers/phi-3", "<|end|>")]
    {
        let Some(dir) = assets(folder) else { continue };
        let format = super::test_support::format(&dir, &[eos]);
        assert_eq!(format.notes(), [""; 0], "{folder}");
    }
}
