//! Against Jinja2, whose texts `tests/reference/make_jinja.py` wrote down, and against templates made to do harm.

use super::{Fault, Template};
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

/// Templates that are to end with an error, soon and without much memory.
fn hostile() -> Vec<String> {
    let doubling = |start: &str, step: &str| {
        let steps = format!("{{% set ns.x = {step} %}}").repeat(60);
        format!("{{% set ns = namespace(x={start}) %}}{steps}{{{{ ns.x|length }}}}")
    };
    let looped = |body: &str| {
        format!(
            "{{% set ns = namespace(x=[], y='') %}}{{% for i in range(99999) %}}{{% for j in range(99999) %}}{body}{{% endfor %}}{{% endfor %}}{{{{ ns.x }}}}"
        )
    };
    let mut all = vec![
        "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns.x }}".to_owned(),
        "{% set ns = namespace() %}{% set ns.x = [ns] %}{{ ns }}".to_owned(),
        "{% set ns = namespace() %}{% set ns.x = {'a': ns} %}{{ ns|tojson }}".to_owned(),
        "{% set a = namespace() %}{% set b = namespace(a=a) %}{% set a.b = b %}{{ a }}".to_owned(),
        doubling("[1]", "ns.x + ns.x"),
        doubling("'ab'", "ns.x + ns.x"),
        doubling("'ab'", "ns.x ~ ns.x"),
        doubling("'ab'", "ns.x * 2"),
        doubling("[1]", "ns.x * 2"),
        doubling("[1]", "[ns.x, ns.x]") + "{{ ns.x }}",
        doubling("[1]", "[ns.x, ns.x]") + "{{ ns.x == ns.x }}",
        doubling("[1]", "[ns.x, ns.x]") + "{{ ns.x|tojson }}",
        doubling("[1]", "{'a': ns.x, 'b': ns.x}") + "{{ ns.x|string }}",
        doubling("'aa'", "ns.x|replace('a', 'aa')"),
        doubling("'aa'", "ns.x.replace('', 'ab')"),
        doubling("'aa'", "ns.x|join(ns.x)"),
        doubling("'aa'", "'%s%s' % (ns.x, ns.x)"),
        doubling("'aa'", "'{0}{0}'.format(ns.x)"),
        doubling("'aa'", "ns.x|list + ns.x|list"),
        doubling("'a&'", "ns.x|e ~ ns.x"),
        "{{ 'a' * 99999999999 }}".to_owned(),
        "{{ [0] * 99999999999 }}".to_owned(),
        "{{ ([0] * 99999) * 99999 }}".to_owned(),
        "{{ range(99999999999) }}".to_owned(),
        "{{ range(-9223372036854775807, 9223372036854775807)|list }}".to_owned(),
        "{{ 'a'|indent(9999999999, true) }}".to_owned(),
        "{{ ('a\n' * 1000)|indent(9999999) }}".to_owned(),
        "{{ 'a'|center(9999999999) }}".to_owned(),
        "{{ 'a'.center(9999999999) }}{{ 'a'.ljust(9999999999) }}".to_owned(),
        "{{ 'a'.rjust(9999999999) }}".to_owned(),
        "{{ 'a'.zfill(9999999999) }}".to_owned(),
        "{{ '\t'.expandtabs(9999999999) }}".to_owned(),
        "{{ [1]|batch(9999999999, 0)|list }}".to_owned(),
        "{{ [1]|slice(9999999999, 0)|list }}".to_owned(),
        "{{ '%9999999999d' % 1 }}".to_owned(),
        "{{ '%.9999999999d' % 1 ~ '%.999999999f' % 1 }}".to_owned(),
        "{{ '%*d' % (9999999999, 1) }}".to_owned(),
        "{{ '%9999999999s'|format('a') }}".to_owned(),
        "{{ '{:9999999999}'.format('a') }}".to_owned(),
        "{{ '{:.999999999f}'.format(1.0) }}".to_owned(),
        "{{ '{:>{w}}'.format('a', w=9999999999) }}".to_owned(),
        "{{ [[[1]]]|tojson(indent=9999999999) }}".to_owned(),
        "{{ [1, 2]|tojson(separators=('x' * 99999999, ':')) }}".to_owned(),
        "{{ [1, 2]|join('x' * 99999999) }}".to_owned(),
        "{{ 2 ** 9999999999 }}".to_owned(),
        "{{ 9223372036854775807 + 1 }}".to_owned(),
        "{{ -9223372036854775807 - 9 }}".to_owned(),
        "{{ 99999999999999999999999 }}".to_owned(),
        "{{ strftime_now('%9999999999Y') }}".to_owned(),
        "{{ strftime_now('%') }}".to_owned(),
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}".to_owned(),
        "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}".to_owned(),
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}".to_owned(),
        "{% macro m() %}{% call m() %}{% endcall %}{{ caller() }}{% endmacro %}{% call m() %}{% endcall %}".to_owned(),
        "{% if x %}".repeat(50_000),
        "{% if 0 %}".to_owned() + &"{% if 0 %}".repeat(1000) + &"{% endif %}".repeat(1001),
        "{{ ".to_owned() + &"not ".repeat(100_000) + "1 }}",
        "{{ ".to_owned() + &"-".repeat(100_000) + "1 }}",
        "{{ ".to_owned() + &"(".repeat(100_000) + "1" + &")".repeat(100_000) + " }}",
        "{{ ".to_owned() + &"[".repeat(100_000) + &"]".repeat(100_000) + " }}",
        "{{ ".to_owned() + &"{1:".repeat(100_000) + "1" + &"}".repeat(100_000) + " }}",
        "{{ 1".to_owned() + &" + 1".repeat(100_000) + " }}",
        "{{ 1".to_owned() + &" ~ 1".repeat(100_000) + " }}",
        "{{ 1".to_owned() + &" ** 1".repeat(100_000) + " }}",
        "{{ 1".to_owned() + &" or 0".repeat(100_000) + " }}",
        "{{ 1".to_owned() + &" if 1 else 2".repeat(30_000) + " }}",
        "{{ x".to_owned() + &".x".repeat(100_000) + " }}",
        "{{ x".to_owned() + &"[0]".repeat(100_000) + " }}",
        "{{ x".to_owned() + &"()".repeat(100_000) + " }}",
        "{{ x".to_owned() + &"|e".repeat(100_000) + " }}",
        "{{ x".to_owned() + &" is odd".repeat(50_000) + " }}",
        "{{ 1".to_owned() + &" < 1".repeat(100_000) + " }}",
        "{{ x[".to_owned() + &"x[".repeat(1000),
        "{% set ".to_owned() + &"(".repeat(100_000),
        "{% for ".to_owned() + &"(".repeat(100_000),
        "{%}".to_owned(),
        "{% raw %}".to_owned() + &"{% raw %}".repeat(10_000),
        "{{ '".to_owned() + &"\\".repeat(99_999),
        "{{ '\\ud800' }}".to_owned(),
        "x".repeat(600_000),
        looped(""),
        looped("{% set ns.x = [ns.x] %}"),
        looped("{% set ns.x = {'a': ns.x} %}"),
        looped("{% set ns.x = ns.x + [j] %}"),
        looped("{% set ns.y = ns.y ~ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' %}"),
        looped("{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' }}"),
        looped("{% set x %}{{ 'a' * 1000 }}{% endset %}"),
    ];
    let big = "{% set a = 'a' * 9999999 %}{% set b = 'a' * 9999999 %}{% set l = range(99999)|list %}";
    for body in [
        "a == b",
        "a in b",
        "a < b",
        "a|length",
        "a|trim|length",
        "a.count('aaaaaaab')",
        "a.strip('a')",
        "a.find('b')",
        "a.endswith(b)",
        "l == l[:]",
        "l|sum",
        "99999 in l",
        "l|sort|first",
        "l|unique|list|length",
        "l|max",
        "l|string|length",
        "a.isalpha()",
        "a is lower",
        "a|upper|length",
        "a.split('a')|length",
        "a[::-1]|length",
        "a|wordcount",
        "l|reverse|first",
        "l|map('string')|join|length",
        "l|select('odd')|list|length",
        "a.replace('b', 'c')|length",
        "a.splitlines()|length",
        "l|tojson|length",
        "a|tojson|length",
        "[a, b, a]|sort|length",
        "{a: 1}[b]",
        "a|first",
        "a[9999998]",
        "l|batch(1)|list|length",
        "a|int",
        "l|groupby(0)|length",
        "[a]|map('upper')|list|length",
        "a|truncate(99)|length",
        "a|indent(1)|length",
        "a % ()",
        "a.partition('b')|length",
        "a|title|length",
        "'%s' % a == b",
        "a.format() == b",
        "l[1:]|length",
        "l + l == l",
        "a|e|length",
    ] {
        all.push(format!("{big}{{% for i in range(99999) %}}{{{{ {body} }}}}{{% endfor %}}"));
    }
    all
}

#[test]
fn templates_that_would_do_harm_are_refused() {
    let name = "tokenize::jinja::tests::templates_that_would_do_harm_are_refused";
    crate::child::survives(
        name,
        Duration::from_secs(300),
        |_| {},
        || {
            for source in hostile() {
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
