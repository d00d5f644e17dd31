"""Usage: make_jinja.py

Writes fixtures/jinja/expected.json: what Jinja2, in the environment that transformers renders chat templates in, makes of
small templates. `text` is null where Jinja2 refuses (`error` says why).
"""

import datetime
import json
import pathlib

from jinja2 import nodes
from jinja2.exceptions import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

OUT = pathlib.Path(__file__).parent.parent / "fixtures" / "jinja" / "expected.json"
NOW = datetime.datetime(2026, 11, 27)

VARIABLES = {
    "s": "Hello World", "zh": "绩效 评估", "e": "", "n": None, "t": True, "f": False, "i": 7, "x": 2.5,
    "l": [3, 1, 2], "words": ["b", "A", "c"], "d": {"b": 1, "a": 2, "C": 3}, "nest": {"k": [1, {"z": "é"}], "n": None},
    "messages": [
        {"role": "system", "content": " S "},
        {"role": "user", "content": [{"type": "text", "text": "U"}, {"type": "image"}]},
        {"role": "assistant", "content": "A"},
    ],
    "people": [{"name": "Zoe", "age": 3, "o": {"p": 1}}, {"name": "amy", "age": 1, "o": {"p": 2}}, {"name": "Bob", "age": 3}],
    "lines": "one\ntwo\n\nthree", "pad": "  ab  c  ", "q": "it's \"q\" \\ \n", "tags": "<b> & 'x'",
}

EXPRESSIONS = r"""
none is iterable | 'x' is iterable | 1 is iterable | missing is iterable | d is iterable | l is iterable
'x' is sequence | l is sequence | d is sequence | 1 is sequence | none is sequence | missing is sequence | (1,) is sequence
d is mapping | l is mapping | s is mapping | none is mapping | missing is mapping
s is string | 1 is string | missing is string | none is string | none is none | missing is none
1 is number | 1.5 is number | true is number | '1' is number | 1 is integer | true is integer | 1.5 is float | 1 is float
true is boolean | 1 is boolean | true is true | 1 is true | false is false | none is false | 1 is sameas 1 | none is sameas none
missing is defined | s is defined | s.nope is defined | d.a is defined | d.zz is not defined | missing is undefined | n is defined
4 is even | 5 is odd | 4 is odd | 9 is divisibleby 3 | 9 is divisibleby(4) | 'ab' is lower | 'AB' is upper | 'aB' is lower | '1' is lower
3 is in l | 9 is in l | 'a' is in 'abc' | 3 is eq 3 | 3 is equalto 4 | 3 is gt 2 | 3 is lessthan 2 | 3 is ge 3 | 2 is ne 3 | 3 is le(2)
s is callable | range is callable | s.upper is callable | 'upper' is filter | 'nope' is filter | 'odd' is test
'%s' % s | '%d|%5d|%-5d|%05d' % (1, 2, 3, -4) | '%.2f %8.3f %e %g %g %g' % (1, 2.5, 12345.678, 0.0001, 1000000, 1e20) | '%x %X %o %#x' % (255, 255, 8, 255)
'%%' % () | '%s %s' % (1, none) | '%r %s' % ('a', [1, 'b']) | '%(a)s-%(b)d' % {'a': 1, 'b': 2} | '%+d % d' % (3, 3) | '%5s|%-5s|%.2s' % ('ab', 'ab', 'abc') | '%c%c' % (65, 'b') | '%i' % 3.9 | '%s' % (l,) | '%05.1f' % 2.25 | '%*d' % (5, 3) | '%s' % d
'%s' % (1, 2) | '%d' % 'x' | '%s %s' % 'a'
'a,b,,c'.split(',') | 'a b  c '.split() | ' a b  c '.split(none, 1) | 'a,b,c'.split(',', 1) | 'a,b,c'.rsplit(',', 1) | ' a b  c '.rsplit(none, 1) | 'a b c'.rsplit() | 'abc'.split('x') | ''.split(',') | ''.split() | '  '.split() | 'a<x>b<x>c'.rsplit('<x>', 1)[-1] | 'a b c'.split(maxsplit=1) | '  a b '.split(none, 0) | '  a b '.rsplit(none, 0) | 'a  b  c'.split(' ')
'a=b=c'.partition('=') | 'a=b=c'.rpartition('=') | 'abc'.partition('=') | 'abc'.rpartition('=') | ('a=b'.partition('='))[2]
pad.strip() ~ '|' | pad.lstrip() ~ '|' | pad.rstrip() ~ '|' | 'xxaxx'.strip('x') | 'abcba'.lstrip('ab') | 'abcba'.rstrip('ab') | '\n a \n'.strip('\n') | 'a'.strip(none) | pad|trim | 'xax'|trim('x')
s.upper() | s.lower() | s.title() | s.swapcase() | s.capitalize() | "they're bill's".title() | 'ß'.upper() | 'ẞ'.casefold() | 'ABC'.casefold()
s.startswith('He') | s.endswith('ld') | s.startswith(('x', 'H')) | s.endswith('d', 3) | s.find('o') | s.find('o', 5) | s.rfind('o') | s.find('z') | s.index('W') | s.index('z') | s.count('o') | s.count('l', 4) | zh.find('评') | s.startswith('W', 6) | s.find('o', -4) | ''.find('', 3)
s.replace('o', '0') | s.replace('o', '0', 1) | 'aaa'.replace('', '-') | 'aaa'.replace('a', 'b', -1) | s|replace('l', 'L') | s|replace('l', 'L', 1)
s.center(15) ~ '|' | s.center(14, '*') | 'ab'.center(5, '-') | 'abc'.center(6, '-') | s.ljust(13, '.') | s.rjust(13, '.') | '-5'.zfill(4) | '5'.zfill(3) | s.zfill(3) | 'ab'|center(5) ~ '|' | 'ab'|center(6) ~ '|'
'abc'.removeprefix('a') | 'abc'.removesuffix('bc') | 'abc'.removeprefix('x') | 'a\tb'.expandtabs(4) | lines.splitlines() | lines.splitlines(true) | 'a\r\nb\rc'.splitlines() | ''.splitlines() | 'a\n'.splitlines()
'abc'.isalpha() | 'ab1'.isalnum() | '12'.isdigit() | '１２'.isdigit() | ''.isdigit() | '1a'.isdigit() | ' '.isspace() | ''.isspace() | 'Ab Cd'.istitle() | 'ab'.istitle() | 'ab'.islower() | 'AB'.isupper() | 'a_1'.isidentifier() | '1a'.isidentifier() | 'é'.isascii() | '½'.isnumeric() | 'a\n'.isprintable() | '绩效'.isalpha() | '12'.isdecimal()
'-'.join(words) | '-'.join(l) | ''.join([]) | ','.join('abc') | ', '.join(d) | l|join('-') | people|join(', ', attribute='name') | l|join | words|join(d=' ') | [1, none, 'x']|join(',') | 'abc'|join('.') | d|join(',')
'{} {}'.format(1, 'a') | '{0}{1}{0}'.format('a', 'b') | '{a}-{b:>5}'.format(a=1, b='x') | '{:05d}|{:<5}|{:^5}|{:>5}'.format(7, 'a', 'b', 'c') | '{:.2f}'.format(3.14159) | '{!r}'.format('a') | '{{}}'.format() | '{0[k]}'.format({'k': 5}) | '{:,}'.format(1234567) | '{:x} {:#x} {:b}'.format(255, 255, 5) | '{:*^9}'.format('mid') | '{:+d}'.format(3) | '{:%}'.format(0.25) | '{:e}'.format(12345.678) | '{:10.3}|'.format('abcdef') | '{}'.format(none) | '{}'.format([1, 'a']) | '{}'.format(1.0) | '{:g}'.format(0.00001) | '{:>{w}}'.format('a', w=4)
'{}'.format() | '{a}'.format(b=1) | '{'.format() | '{:d}'.format('a')
'%s and %s'|format('a', 1) | '%(x)s'|format(x=3) | '%.1f'|format(2.25)
s[0] | s[-1] | s[1:4] | s[::-1] | s[-3:] | s[:-3] | s[::2] | s[5:2] | s[100] | s[1:100] | s[-100:2] | zh[0:2] | l[0] | l[-1] | l[5] | l[1:] | l[::-1] | l[:-1] | l[-2:] | l[5:] | (1, 2, 3)[1:] | l[2:0:-1] | l[::-2] | messages[1:] | 'abc'[2::-1] | s[none:3] | s[true]
d['a'] | d.a | d['zz'] | d.get('a') | d.get('zz') | d.get('zz', 5) | d.items()|list | d.keys()|list | d.values()|list | d|items|list | 'a' in d | 'zz' in d | 'zz' not in d | d|length | d|list | d|dictsort | d|dictsort(true) | d|dictsort(false, 'value') | d|dictsort(reverse=true) | d|first | {'a': 1}['a'] | {'items': 5}['items'] | {'x': 1}.x | {1: 'a'}[1] | {'a': 1, 'a': 2} | dict(a=1, b=2) | dict(d, z=1) | d['ite' ~ 'ms'] is defined | nest.k[1].z | nest['k'][0] | nest.n.x is defined
1 + 2 | 1 - 5 | 2 * 3 | 7 / 2 | 4 / 2 | 7 // 2 | -7 // 2 | 7 % 3 | -7 % 3 | 7 % -3 | 7.5 // 2 | -7.5 % 2 | 2 ** 10 | 2 ** -1 | 2 ** 0.5 | 2 ** 3 ** 2 | -2 ** 2 | 1 / 0 | 1 // 0 | 1 % 0 | 1.0 | 1e3 | 1e16 | 1e-5 | 123456789.123 | 0.1 + 0.2 | 3.0 * 2 | true + 1 | +5 | -(-5) | 1_000 | 0x1F | 0o17 | 0b11 | 1.5e300 * 1e10 | 10 / 3 | 1e22 | 100000000000000000.0 | 5 - -3
'a' + 'b' | 'a' ~ 1 ~ none ~ true ~ 1.5 ~ [1] ~ missing | 'ab' * 3 | 3 * 'ab' | 'ab' * 0 | 'ab' * -1 | [1] * 3 | [1, 2] + [3] | (1,) + (2, 3) | [1] + (2,) | 'a' + 1 | 1 + 'a' | 'a' 'b' | none + 1 | missing + 1 | missing ~ 'a' | [] * 5 | not 1 | not '' | not not 'a' | - 'a'
1 == 1.0 | true == 1 | 'a' == 'a' | none == none | none == missing | missing == missing2 | [1, 2] == [1, 2] | (1, 2) == [1, 2] | {'a': 1} == {'a': 1.0} | 'a' != 'b' | 1 < 2 < 3 | 1 < 3 < 2 | 3 > 2 >= 2 | 'a' < 'b' | [1, 2] < [1, 3] | 1 < 'a' | none < 1 | 'B' < 'a' | 1 == '1' | 0 == false | '' == none | 1 in l | '1' in l | 'lo' in s | 'x' in missing | 1 in none | 1 in 'a' | none in [none] | (1, 2) in [(1, 2)]
1 and 2 | 0 and 2 | 0 or 'x' | '' or none | none and 1 | missing or 'd' | not missing | 1 if t else 2 | 1 if f else 2 | 1 if f | 'a' if l and d else 'b' | (1 if f else 2 if f else 3) | t and not f | not t or t | 1 if missing else 0 | 'y' if e is none else 'z'
none | true | false | None | True | False | [none, true, 'a', 1.0, (1,), (), {}] | {'a': [1, 'b'], 1: none} | q | [q] | ['\x00\t', 'é', '\u200b', "it's", 'say "x"', "both ' \""] | (1, 2) | 1, 2 | '\u00e9' | '\x41' | '\101' | 'a\qb' | "tab\there" | 'back\\slash' | missing | [missing] | 1.0 | -0.0 | 1e100
s|length | l|length | zh|length | missing|length | none|length | 5|length | s|count | s|first | s|last | l|first | l|last | []|first | []|last | missing|first | s|list | missing|list | s|reverse | l|reverse|list | (1, 2)|reverse|list | 'ab'|list | l|list|length
l|sort | words|sort | words|sort(case_sensitive=true) | l|sort(reverse=true) | people|sort(attribute='age')|map(attribute='name')|list | people|sort(attribute='age,name')|map(attribute='name')|join(',') | d|sort | [1, 'a']|sort | [[2, 1], [1, 2]]|sort | 'bca'|sort
l|min | l|max | words|min | words|max | []|min | people|max(attribute='age') | l|sum | []|sum | people|sum(attribute='age') | l|sum(start=10) | ['a']|sum | [[1], [2]]|sum(start=[]) | [1, 1, 2, 'a', 'A']|unique|list | ['a', 'A']|unique(true)|list | people|unique(attribute='age')|map(attribute='name')|list
people|map(attribute='name')|list | people|map(attribute='o.p')|list | people|map(attribute='o.p', default='-')|list | people|map(attribute='zz', default=0)|list | words|map('upper')|list | words|map('replace', 'A', 'z')|list | l|map('string')|list | words|map('upper')|join | [[1, 2], [3]]|map('first')|list | [[1, 2], [3]]|map(attribute=0)|list | words|map('nope')|list | messages|map(attribute='role')|join(',')
l|select('odd')|list | l|select|list | [0, 1, none, '']|select|list | l|reject('odd')|list | [0, 1]|reject|list | l|select('gt', 1)|list | people|selectattr('age', 'eq', 3)|map(attribute='name')|list | people|selectattr('o')|list|length | people|rejectattr('o')|map(attribute='name')|list | people|selectattr('o', 'defined')|list|length | people|selectattr('name', 'in', ['Bob'])|list | messages|selectattr('role', 'equalto', 'user')|list|length | messages|rejectattr('role', '==', 'system')|first | l|select('in', [1, 2])|list
people|groupby('age')|list|length | [1,2,3,4,5]|batch(2)|list | [1,2,3]|batch(2, 'x')|list | [1,2,3,4,5]|slice(2)|list | [1,2,3]|slice(2, 'x')|list | [1,2,3,4,5,6,7]|slice(3)|list
missing|default('d') | none|default('d') | ''|default('d') | ''|default('d', true) | none|default('d', boolean=true) | missing|d(1) | missing.x|default('d') | d.zz|default('y') | s|default('d') | missing|default | 0|default(5, true)
s|upper | s|lower | s|title | s|capitalize | "foo-bar baz_q (x)"|title | 'foo bar'|capitalize | 5|upper | none|upper | missing|upper
lines|indent | lines|indent(2) | lines|indent(2, true) | lines|indent(2, false, true) | lines|indent('> ') | lines|indent(width=1, first=true, blank=true) | ''|indent(2, true) | 'a\n'|indent(2)
'5'|int | '5.7'|int | 'x'|int | 'x'|int(9) | 5.7|int | -5.7|int | 'ff'|int(0, 16) | '0xff'|int(base=16) | none|int | true|int | missing|int | ' 5 '|int | '5'|float | 'x'|float | 'x'|float(1.5) | 5|float | '1e3'|float | '1_000'|int
2.5|round | 3.5|round | 2.567|round(2) | 2.567|round(1, 'floor') | 2.51|round(1, 'ceil') | 5|round | 5|round(2) | 1234.5|round(-2) | 2.675|round(2) | -1.5|round | -3|abs | -2.5|abs | 2.1|round(0, 'ceil') | 7|round(0, 'floor')
tags|e | tags|escape | s|safe | 5|string | none|string | [1]|string | s|string|length | s|wordcount | 'foo bar baz qux'|truncate(9) | 'foo bar baz qux'|truncate(9, true) | 'foo bar baz qux'|truncate(11) | 'foo bar baz qux'|truncate(11, false, '...', 0) | 'short'|truncate(10)
nest|tojson | nest|tojson(indent=2) | nest|tojson(ensure_ascii=true) | d|tojson(sort_keys=true) | d|tojson(separators=(',', ':')) | d|tojson(indent=1, separators=(',', ': ')) | nest|tojson(true) | nest|tojson(false, 4) | q|tojson | '\x01\x7f😀'|tojson | '\x7f😀'|tojson(ensure_ascii=true) | 1.0|tojson | 1e20|tojson | none|tojson | [true, false]|tojson | {1: 2, none: 3, true: 4, 1.5: 5}|tojson | []|tojson(indent=2) | {}|tojson(indent=2) | [[], {}]|tojson(indent=2) | (1, 2)|tojson | tags|tojson | missing|tojson | {'a': missing}|tojson | nest|tojson(indent='--') | [1]|tojson(indent=0) | '\u2028'|tojson | zh|tojson
range(3)|list | range(1, 4)|list | range(5, 0, -2)|list | range(0)|list | range(3)|join | range(-1)|list | range(1, 10, 3)|list | range(3)[1] | 2 in range(3) | range(3)|length | range(3)[-1] | range(1, 2, 0)
strftime_now('%Y-%m-%d') | strftime_now('%d %B %Y') | strftime_now('%d %b %Y') | strftime_now('%A') | strftime_now('%H:%M:%S') | strftime_now('%j %y %m') | strftime_now('%%') | strftime_now('plain') | strftime_now('%a, %I %p')
messages[0].content|trim | messages[1].content[0].text | messages[1]['content'][0]['type'] | messages[0]['content'] is string | messages[1].content is string | messages[-1].role | messages|length | messages[0].tool_calls is defined | messages[0].get('x') is none | messages[0]['nope'] | messages[9] is defined | messages[0].role == 'system' and messages|length > 1 | messages.0.role | s.0
s.nope | missing.x | missing['x'] | none.x | s.nope.x | none['x'] | missing() | s() | nope(1) | none() | d.items is defined | l.append(1) | d.update({'a': 1}) | l.count(1) | l.index(2) | l.copy() | d.copy() | d.pop('a')
namespace(a=1).a | namespace({'b': 2}).b | namespace(a=1).zz is defined | cycler('a', 'b').next() | loop is defined | people|attr('x') is defined | s|attr('upper') is callable
"{{ '}}' }}" | '{% x %}' | {'a': {'b': {}}} | [[1], [2, [3]]] | {'a': 1,} | [1, 2,] | (1) | (1,) | () | s|upper|lower|title | (s|upper)[0] | s.split(' ')[0]|upper | 'a' if 'b' is string else 'c' | 1 + 2|string ~ 'x' | -5|abs | 2 + 3 * 4 - 1 | (2 + 3) * 4 | 10 - 2 - 3 | 'a' ~ 1 + 2 | not 1 == 2 | 1 is odd and 2 is even | l|length > 2 | s|length is odd
s|center | zh|center(9) ~ '|' | 'abc'[::-1] | 'a,b;c'.replace(',', ';').split(';') | 5 in [1, 5] and 'x' not in ['y'] | (l|sort)[0] | l|sort|first | (s ~ '!')|length | [s, zh]|map('length')|list | 'x'.join(['a', 'b']) ~ s[:2] | 'a'.join('bcd') | 'abc'|list|join('-') | '%s' % missing | '%d%%' % 50 | '%s' % none | '{:s}'.format('a') | '{0:>3}{1:<3}|'.format(1, 2) | '{:.1f}%'.format(12.34) | '{:3d}|{:<3d}|{:^3d}'.format(5, 5, 5) | '{:06.2f}'.format(3.14159) | '{:,.2f}'.format(12345.678)
s.split('o')|length | s.split('o')|map('trim')|join('|') | 'k: v'.split(': ', 1)[1] | 'a\nb'.split('\n') | 'a|b'.split('|') | 'line1\nline2'.splitlines()|join(' ') | messages|map(attribute='content')|select('string')|list | messages|selectattr('content', 'string')|map(attribute='role')|list | messages|selectattr('content.0.type', 'defined')|list|length | people|map(attribute='name')|map('lower')|sort|join(',') | d.values()|sum | d.keys()|sort | d|length + l|length | d.items()|sort(attribute='1')|first | d.items()|list|last
'a' if s == 'Hello World' else 'b' | s in ['Hello World'] | s == zh | s != zh | s > zh | (s, 1) == ('Hello World', 1) | {'a': [1]}['a'][0] | {'a': {'b': 'c'}}.a.b | [{'a': 1}][0].a | [[1, 2], [3]][0][1] | 'abc'.upper()[0] | ('a', 'b')|join | ('a' ~ 'b')|upper | 'a' ~ ('b'|upper) | 'a' + 'b'|upper | 1 if none else 2 | 1 if [] else 2 | 1 if {} else 2 | 1 if 0.0 else 2 | 1 if ' ' else 2 | 1 if missing is defined and missing.x else 2
1 +  | (1 | [1 | s| | s|nope | s is nope | 1 2 | {a | 'abc | @ | s[ | f(a=1, 2) | a.b. | {1: } | is odd | ] | 1 if
""".strip()

TEMPLATES = [
    "a\n  {% if t %}\n  b\n  {% endif %}\nc\n", "{%- if t -%}\n x \n{%- endif -%}\n y", "a {{- 'b' -}} c", "a {#- c -#} b", "{# c #}\nx", "  {# c #}\nx",
    "x  {% if t %}  y  {% endif %}  z", "  {%+ if t %}x{% endif %}", "{% if t +%}\nx{% endif %}", "  {{ 1 }}\n  {{ 2 }}\n\n", "a\r\nb\r{% if t %}\r\nc{% endif %}\r\n",
    "{% raw %}{{ x }}{% endraw %}y", "{% raw -%}  {{ x }}  {%- endraw %}y", "  {% raw %}\n {% if %}\n  {% endraw %}\nz", "{{ '{{' }}", "a{", "a{b}c", "{ {x} }", "{{ {} }}", "\n\nx\n\n", "{% set x = '''a''' %}{{ x }}",
    "{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ x }};{% endfor %}",
    "{% for x in l %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {{ loop.cycle('a', 'b') }}{% endfor %}", "{% for x in [1, 1, 2] %}{{ loop.changed(x) }}{% endfor %}",
    "{% for x in [] %}a{% else %}none{% endfor %}", "{% for x in missing %}a{% else %}none{% endfor %}", "{% for x in none %}{% endfor %}", "{% for x in 5 %}{% endfor %}", "{% for c in 'añb' %}[{{ c }}]{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k, v in d|items %}{{ k }}{% endfor %}", "{% for k, (a, b) in [(1, (2, 3))] %}{{ k }}{{ a }}{{ b }}{% endfor %}", "{% for a, b in [(1, 2, 3)] %}{% endfor %}", "{% for (a, b) in [(1, 2)] %}{{ a }}{{ b }}{% endfor %}",
    "{% for x in l if x > 1 %}{{ loop.index }}:{{ x }} {% else %}no{% endfor %}", "{% for x in l if x > 9 %}{{ x }}{% else %}no{% endfor %}", "{% for x in 1, 2 %}{{ x }}{% endfor %}",
    "{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}", "{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}", "{% break %}", "{% for x in l %}{% for y in l %}{% if y == 1 %}{% break %}{% endif %}{{ x }}{{ y }} {% endfor %}{% endfor %}",
    "{% for x in [1, [2, [3]]] recursive %}{% if x is number %}{{ x }}{% else %}({{ loop.depth }}{{ loop(x) }}){% endif %}{% endfor %}",
    "{% set x = 1 %}{% for i in l %}{% set x = i %}{% endfor %}{{ x }}", "{% set x = 1 %}{% if t %}{% set x = 2 %}{% endif %}{{ x }}", "{% for i in l %}{{ y is defined }}{% set y = i %}{% endfor %}{{ y is defined }}", "{% set ns = namespace(x=1) %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}",
    "{% set ns = namespace() %}{% set ns.a = [1] %}{% set ns.a = ns.a + [2] %}{{ ns.a }}", "{% set d.x = 1 %}", "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set a = 1, 2 %}{{ a }}", "{% set (a, b) = [3, 4] %}{{ a }}{{ b }}", "{% set x %}a{{ 1 }}b{% endset %}{{ x }}{{ x|length }}", "{% set x | upper %}abc{% endset %}{{ x }}", "{% set x | replace('a', 'b') | upper %}abc{% endset %}{{ x }}", "{% set true = 1 %}", "{% set x = 1 if f %}{{ x is defined }}",
    "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}", "{% set a = 5 %}{% with a = 1, b = a %}{{ b }}{% endwith %}{{ a }}", "{% with %}{% set z = 1 %}{% endwith %}{{ z is defined }}",
    "{% filter upper %}abc{{ s }}{% endfilter %}", "{% filter upper|replace('A', 'x') %}abc{% endfilter %}", "{% if f %}a{% elif i == 7 %}b{% elif t %}c{% else %}d{% endif %}", "{% if f %}a{% elif f %}b{% else %}d{% endif %}", "{% if t %}a", "{% endif %}", "{% if %}x{% endif %}", "{% nope %}", "{% if t %}{% else %}{% elif t %}{% endif %}", "{% for x in l %}{% endif %}",
    "{% macro m(a, b=2, c='x') %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }}|{{ m(1, c='y') }}|{{ m(1, 5, 6) }}|{{ m() }}", "{% macro m(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, k=4) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}",
    "{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}x{% endcall %}", "{% macro m() %}{% for i in l %}[{{ caller(i) }}]{% endfor %}{% endmacro %}{% call(v) m() %}{{ v * 2 }}{% endcall %}", "{% macro m() %}x{% endmacro %}{% call m() %}x{% endcall %}", "{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
    "{% set g = 'out' %}{% macro m() %}{{ g }}{% endmacro %}{{ m() }}", "{% macro m(x, y=x) %}{{ y }}{% endmacro %}{{ m(4) }}", "{% macro m() %}{{ x is defined }}{% endmacro %}{% for x in l %}{{ m() }}{% endfor %}", "{% macro m() %}ab{% endmacro %}{{ m()|upper }}{{ m().strip() }}", "{% for i in l %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}",
    "{% generation %}x{% endgeneration %}", "a {%- generation -%} b {%- endgeneration -%} c", "{% block a %}x{% endblock %}", "{% block a %}x{% endblock a %}", "{% do 1 %}", "{% include 'x' %}", "{% import 'x' as y %}", "{% extends 'x' %}",
    "{% set j = joiner(', ') %}{% for x in l %}{{ j() }}{{ x }}{% endfor %}", "{% set c = cycler('a', 'b') %}{% for x in l %}{{ c.next() }}{% endfor %}{{ c.current }}", "{{ raise_exception('no') }}", "{% if l[0] == 3 and messages[0]['role'] == 'system' %}{% set m = messages[0]['content'] %}{% set r = messages[1:] %}{% else %}{% set r = messages %}{% endif %}{{ m|trim }}{{ r|length }}",
    "{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}{% for c in m.content %}{% if c.type == 'text' %}{{ c.text }}{% endif %}{% endfor %}{% endif %}{% endfor %}", "{% for m in messages[::-1] %}{{ m.role }},{% endfor %}", "{{ messages|map(attribute='role')|list }}", "{% set r = (messages|selectattr('role', 'equalto', 'user')|list)[-1] %}{{ r.role }}",
    "{% for m in messages %}{{ m['role'] + ': ' ~ loop.index0 }}\n{% endfor %}", "{{ '<|im_start|>' + messages[0].role + '\\n' }}", "{%- for m in messages %}\n    {%- if loop.first %}\n        {{- 'F' }}\n    {%- endif %}\n    {{- m.role }}\n{%- endfor %}\n", "{% for k, v in nest.items() %}{{ k }}{{ v }}{% endfor %}", "{{ loop }}", "{{ x }}{% set x = 1 %}{{ x }}", "{% set l2 = l + [4] %}{{ l2 }}{{ l }}", "{%if t%}x{%endif%}", "{%-if t-%} x {%-endif-%} y", "{{-1}}", "{{ -1 }}", "{{1-1}}", "{{ 5 -1 }}", "{%}", "{{", "{%", "{{ 1", "{% if t", "}}", "%}",
    "{% macro input(name) -%}\n  <{{ name }}>\n{%- endmacro %}\n{{ input('a') }}", "{% for i in range(3) %}{{ ', ' if not loop.first }}{{ i }}{% endfor %}", "{% for g in people|groupby('age') %}{{ g.grouper }}:{{ g.list|length }};{% endfor %}", "{% for k, v in people|groupby('age') %}{{ k }}:{{ v|length }};{% endfor %}", "{% for row in l|batch(2) %}{{ row }}{% endfor %}", "{{ [1, 2]|map('string')|join('+') }}", "{% for i in range(2) %}{% for j in range(2) %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}", "{{ {'a': 1}|string }}", "{% if 'tools' in nest or nest.k %}y{% endif %}", "{% if not (tools is defined and tools is not none) %}n{% endif %}", "{% set content = messages[0].content %}{% if '</think>' in content %}x{% else %}{{ content.split('</think>')[-1].lstrip('\\n') }}{% endif %}",
]


class Generation(Extension):
    """`{% generation %}` as transformers' AssistantTracker renders it."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("_pass"), [], [], body).set_lineno(line)

    def _pass(self, caller):
        return caller()


def raise_exception(message):
    raise TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def main() -> None:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = NOW.strftime
    # One line may hold several expressions, with ` | ` between; a filter is written without blanks.
    expressions = [part.strip() for line in EXPRESSIONS.splitlines() for part in line.split(" | ")]
    cases = []
    for source in ["{{ " + expression + " }}" for expression in expressions] + TEMPLATES:
        case = {"source": source, "text": None}
        try:
            case["text"] = environment.from_string(source).render(json.loads(json.dumps(VARIABLES)))
        except Exception as error:  # whatever Python raises is a refusal
            case["error"] = f"{type(error).__name__}: {error}"
        cases.append(case)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({"variables": VARIABLES, "cases": cases}, ensure_ascii=False, indent=0) + "\n")


main()
