//! Templates made to do harm: each is to end with an error, soon and without much memory.

/// Values that contain themselves.
const IN_THEMSELVES: &[&str] = &[
    "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns.x }}",
    "{% set ns = namespace() %}{% set ns.x = [ns] %}{{ ns }}",
    "{% set ns = namespace() %}{% set ns.x = {'a': ns} %}{{ ns|tojson }}",
    "{% set a = namespace() %}{% set b = namespace(a=a) %}{% set a.b = b %}{{ a }}",
];

/// What a value starts as, what it becomes sixty times over, and what is asked of it then.
const DOUBLING: &[(&str, &str, &str)] = &[
    ("[1]", "ns.x + ns.x", ""),
    ("'ab'", "ns.x + ns.x", ""),
    ("'ab'", "ns.x ~ ns.x", ""),
    ("'ab'", "ns.x * 2", ""),
    ("[1]", "ns.x * 2", ""),
    ("[1]", "[ns.x, ns.x]", "{{ ns.x }}"),
    ("[1]", "[ns.x, ns.x]", "{{ ns.x == ns.x }}"),
    ("[1]", "[ns.x, ns.x]", "{{ ns.x|tojson }}"),
    ("[1]", "{'a': ns.x, 'b': ns.x}", "{{ ns.x|string }}"),
    ("'aa'", "ns.x|replace('a', 'aa')", ""),
    ("'aa'", "ns.x.replace('', 'ab')", ""),
    ("'aa'", "ns.x|join(ns.x)", ""),
    ("'aa'", "'%s%s' % (ns.x, ns.x)", ""),
    ("'aa'", "'{0}{0}'.format(ns.x)", ""),
    ("'aa'", "ns.x|list + ns.x|list", ""),
    ("'a&'", "ns.x|e ~ ns.x", ""),
];

/// Huge numbers, where they mean room.
const HUGE: &[&str] = &[
    "{{ 'a' * 99999999999 }}",
    "{{ [0] * 99999999999 }}",
    "{{ ([0] * 99999) * 99999 }}",
    "{{ range(99999999999) }}",
    "{{ range(-9223372036854775807, 9223372036854775807)|list }}",
    "{{ 'a'|indent(9999999999, true) }}",
    "{{ ('a\n' * 1000)|indent(9999999) }}",
    "{{ 'a'|center(9999999999) }}",
    "{{ 'a'.center(9999999999) }}{{ 'a'.ljust(9999999999) }}",
    "{{ 'a'.rjust(9999999999) }}",
    "{{ 'a'.zfill(9999999999) }}",
    "{{ '\t'.expandtabs(9999999999) }}",
    "{{ [1]|batch(9999999999, 0)|list }}",
    "{{ [1]|slice(9999999999, 0)|list }}",
    "{{ '%9999999999d' % 1 }}",
    "{{ '%.9999999999d' % 1 ~ '%.999999999f' % 1 }}",
    "{{ '%*d' % (9999999999, 1) }}",
    "{{ '%9999999999s'|format('a') }}",
    "{{ '{:9999999999}'.format('a') }}",
    "{{ '{:.999999999f}'.format(1.0) }}",
    "{{ '{:>{w}}'.format('a', w=9999999999) }}",
    "{{ [[[1]]]|tojson(indent=9999999999) }}",
    "{{ [1, 2]|tojson(separators=('x' * 99999999, ':')) }}",
    "{{ [1, 2]|join('x' * 99999999) }}",
    "{{ 2 ** 9999999999 }}",
    "{{ 9223372036854775807 + 1 }}",
    "{{ -9223372036854775807 - 9 }}",
    "{{ 99999999999999999999999 }}",
    "{{ strftime_now('%9999999999Y') }}",
    "{{ strftime_now('%') }}",
];

/// Macros and loops that call themselves.
const ENDLESS: &[&str] = &[
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
    "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "{% macro m() %}{% call m() %}{% endcall %}{{ caller() }}{% endmacro %}{% call m() %}{% endcall %}",
];

/// What an expression starts with, and what is strung to it how often.
const CHAINS: &[(&str, &str, usize)] = &[
    ("1", " + 1", 100_000),
    ("1", " ~ 1", 100_000),
    ("1", " ** 1", 100_000),
    ("1", " or 0", 100_000),
    ("1", " if 1 else 2", 30_000),
    ("x", ".x", 100_000),
    ("x", "[0]", 100_000),
    ("x", "()", 100_000),
    ("x", "|e", 100_000),
    ("x", " is odd", 50_000),
    ("1", " < 1", 100_000),
];

/// What is done ten thousand million times.
const LOOPED: &[&str] = &[
    "",
    "{% set ns.x = [ns.x] %}",
    "{% set ns.x = {'a': ns.x} %}",
    "{% set ns.x = ns.x + [j] %}",
    "{% set ns.y = ns.y ~ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' %}",
    "{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' }}",
    "{% set x %}{{ 'a' * 1000 }}{% endset %}",
];

/// What is asked a hundred thousand times of texts of ten million bytes and a list of a hundred thousand items.
const OVER_BIG_VALUES: &[&str] = &[
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
];

/// All of them.
pub(super) fn templates() -> Vec<String> {
    let strings = |sources: &[&str]| sources.iter().map(|source| (*source).to_owned()).collect::<Vec<_>>();
    let doubling = |(start, step, asked): &(&str, &str, &str)| {
        let steps = format!("{{% set ns.x = {step} %}}").repeat(60);
        format!("{{% set ns = namespace(x={start}) %}}{steps}{{{{ ns.x|length }}}}{asked}")
    };
    let chain = |(start, link, count): &(&str, &str, usize)| format!("{{{{ {start}{} }}}}", link.repeat(*count));
    let looped = |body: &&str| {
        let loops = "{% for i in range(99999) %}{% for j in range(99999) %}";
        format!("{{% set ns = namespace(x=[], y='') %}}{loops}{body}{{% endfor %}}{{% endfor %}}{{{{ ns.x }}}}")
    };
    let over_big_values = |body: &&str| {
        let big = "{% set a = 'a' * 9999999 %}{% set b = 'a' * 9999999 %}{% set l = range(99999)|list %}";
        format!("{big}{{% for i in range(99999) %}}{{{{ {body} }}}}{{% endfor %}}")
    };
    let mut all = [strings(IN_THEMSELVES), strings(HUGE), strings(ENDLESS), nested_or_long()].concat();
    all.extend(DOUBLING.iter().map(doubling));
    all.extend(CHAINS.iter().map(chain));
    all.extend(LOOPED.iter().map(looped));
    all.extend(OVER_BIG_VALUES.iter().map(over_big_values));
    all
}

/// Blocks, brackets and texts without an end.
fn nested_or_long() -> Vec<String> {
    vec![
        "{% if x %}".repeat(50_000),
        "{% if 0 %}".to_owned() + &"{% if 0 %}".repeat(1000) + &"{% endif %}".repeat(1001),
        "{{ ".to_owned() + &"not ".repeat(100_000) + "1 }}",
        "{{ ".to_owned() + &"-".repeat(100_000) + "1 }}",
        "{{ ".to_owned() + &"(".repeat(100_000) + "1" + &")".repeat(100_000) + " }}",
        "{{ ".to_owned() + &"[".repeat(100_000) + &"]".repeat(100_000) + " }}",
        "{{ ".to_owned() + &"{1:".repeat(100_000) + "1" + &"}".repeat(100_000) + " }}",
        "{{ x[".to_owned() + &"x[".repeat(1000),
        "{% set ".to_owned() + &"(".repeat(100_000),
        "{% for ".to_owned() + &"(".repeat(100_000),
        "{% raw %}".to_owned() + &"{% raw %}".repeat(10_000),
        "{{ '".to_owned() + &"\\".repeat(99_999),
        "x".repeat(600_000),
        "{%}".to_owned(),
        "{{ '\\ud800' }}".to_owned(),
    ]
}
