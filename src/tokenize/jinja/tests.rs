//! Against Jinja2, whose texts `tests/reference/make_jinja.py` wrote down, and against templates made to do harm.

use super::{Fault, Template, harm};
use crate::own_stack::on_own_stack;
use std::time::{Duration, Instant};

fn render(source: &str, variables: &serde_json::Value) -> Result<String, Fault> {
    on_own_stack(|| {
        let variables = variables.as_object().unwrap();
        Template::parse(source)?.render(variables, jiff::civil::date(2026, 11, 27).at(0, 0, 0, 0))
    })
    .unwrap()
}

#[test]
fn templates_render_as_in_jinja2() {
    let expected: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/fixtures/jinja/expected.json")).unwrap();
    let cases = expected["cases"].as_array().unwrap();
    assert!(cases.len() > 800);
    for case in cases {
        let source = case["source"].as_str().unwrap();
        let found = render(source, &expected["variables"]);
        assert_eq!(found.as_deref().ok(), case["text"].as_str(), "{source}\n{found:?}\n{}", case["error"]);
    }
}

#[test]
fn a_fault_names_its_line() {
    let line = |source: &str| render(source, &serde_json::json!({})).unwrap_err().line;
    assert_eq!(line("a\n{{ 1 }}\n{{ 1 + }}"), 3);
    assert_eq!(line("a\n\n{% if x %}\n{{ none.x.y }}{% endif %}\n{{ 1 +\n\n'a' }}"), 5);
    assert_eq!(line("{% for x in [1] %}\n{{ x|nope }}{% endfor %}"), 2);
    assert_eq!(line("\n{% if x %}a"), 2);
}

#[test]
fn templates_that_would_do_harm_are_refused() {
    let name = "tokenize::jinja::tests::templates_that_would_do_harm_are_refused";
    crate::child::survives(
        name,
        Duration::from_secs(300),
        |_| {},
        || {
            for source in harm::templates() {
                let shown: String = source.chars().take(200).collect();
                let begun = Instant::now();
                let result = render(&source, &serde_json::json!({"x": 1}));
                assert!(begun.elapsed() < Duration::from_secs(10), "{shown} took {:?}", begun.elapsed());
                assert!(result.is_err(), "{shown} gave {} bytes", result.unwrap().len());
            }
            #[cfg(target_os = "linux")]
            {
                let status = std::fs::read_to_string("/proc/self/status").unwrap();
                let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
                let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
                assert!(peak < 400 << 10, "the peak was {peak} KiB");
            }
        },
    );
}

/// Long, but no harm: chains of `elif` and long conversations.
#[test]
fn what_is_only_long_renders() {
    let elif = format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(20_000));
    assert_eq!(render(&elif, &serde_json::json!({})), Ok(String::new()));
    let messages: Vec<_> =
        (0..500).map(|i| serde_json::json!({"role": "user", "content": "好".repeat(i * 20)})).collect();
    let source = "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content|trim + '\n' }}{% endfor %}";
    let text = render(source, &serde_json::json!({"messages": messages})).unwrap();
    assert_eq!(text.matches('好').count(), 500 * 499 / 2 * 20);
}
