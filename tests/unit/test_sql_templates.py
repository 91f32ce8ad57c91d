"""Templates: what they render to, where each character comes from, and what is wrong with them."""

from __future__ import annotations

import random
import re
import resource
import time
from dataclasses import replace
from pathlib import Path

import pytest

from flowc.compiler.sql.text.sandbox import (
    _FILTERS,
    _METHODS,
    MAX_ITERATIONS,
    MAX_WIDTH,
    MAX_WORK,
    PROJECT_WORK,
    Sandbox,
    Work,
)
from flowc.compiler.sql.text.templates import Values, render, uses_watermark
from flowc.compiler.sql.types.literals import sql_literal
from flowc.diagnostics import Reporter
from flowc.source import MappedText, SourceFile


def known() -> Values:
    """What the templates here may name, of a project that has rendered none yet."""
    return Values(
        vars={"region": "eu", "columns": ["a", "b"], "empty": ""},
        env={"BATCH": "7", "UNSET": None, "BIG": "x" * 50_000},
        ref={"t": '"s"."t"'}.__getitem__,
        kept={"KEPT": "connection `db` uses it", "TOLD": "connection `db` uses it"}.get,
        listed=("BATCH", "UNSET", "BIG", "TOLD"),
    )


def rendered(text: str, values: Values | None = None) -> tuple[MappedText | None, list[tuple[str, str]]]:
    reporter = Reporter()
    result = render(MappedText.whole(SourceFile("q.sql", text)), values or known(), reporter)
    marked = [(d.code, text[d.span.start : d.span.end]) for d in reporter.sorted()]
    return result, marked


def origin(text: str, word: str) -> str:
    """What `word` of the rendered text came from."""
    result, _ = rendered(text)
    assert result is not None
    start = result.text.index(word)
    span = result.span(start, start + len(word))
    return text[span.start : span.end]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1", "SELECT 1"),
        ("SELECT '{{ var.region }}'", "SELECT 'eu'"),
        ("SELECT {{ env.BATCH }}", "SELECT 7"),
        ("SELECT {% for c in var.columns %}{{ c }}, {% endfor %}1", "SELECT a, b, 1"),
        ("a {% if var.region == 'us' %}b{% else %}c{% endif %} d", "a c d"),
        ("a\n  {%- if true -%}\n  b\n  {%- endif %}\nc", "ab\nc"),
        ("{# gone #}{% raw %}{{ kept }}{% endraw %}", "{{ kept }}"),
        ("{{ var.nothing | default('x') }}", "x"),
        ("a\r\nb {{ var.region }}", "a\nb eu"),
        ("{% set x %}abc{% endset %}{{ x | length }}", "3"),
    ],
)
def test_it_renders(text: str, expected: str):
    result, problems = rendered(text)
    assert problems == []
    assert result is not None
    assert result.text == expected


@pytest.mark.parametrize(
    ("text", "word", "expected"),
    [
        ("x {{ var.region }} nope", "nope", "nope"),
        ("x {{ var.region }} nope", "eu", "{{ var.region }}"),
        ("{% if true %}\n  nope{% endif %} z", "nope", "nope"),
        ("{% for c in var.columns %}{{ c }}.nope {% endfor %}", "nope", "nope"),
        ("a {#- c -#}   nope", "nope", "nope"),
        ("a\r\n{{ var.empty }}\r\nnope", "nope", "nope"),
        ("{% set x %}nope{% endset %}a {{ x }} b", "nope", "nope"),
        ("{% filter upper %}nope{% endfilter %}", "NOPE", "nope"),
        ("{{ var.empty }}nope", "nope", "nope"),
        ("Ä {{ var.region }} 𝄞 nope", "nope", "nope"),
    ],
)
def test_every_character_maps_back(text: str, word: str, expected: str):
    assert origin(text, word) == expected


@pytest.mark.parametrize(
    ("text", "code", "marked"),
    [
        ("SELECT {{ var.regoin }}", "undefined-template-name", "regoin"),
        ("{% if false %}{{ var.regoin }}{% endif %}", "undefined-template-name", "regoin"),
        ("SELECT {{ vra.region }}", "undefined-template-name", "vra"),
        ("SELECT {{ watermark }}", "undefined-template-name", "watermark"),
        ("SELECT {{ env.UNSET }}", "undefined-environment-variable", "UNSET"),
        ("SELECT {{ env.NOPE }}", "unlisted-variable", "NOPE"),
        ("{% if false %}{{ env.NOPE | default('') }}{% endif %}", "unlisted-variable", "NOPE"),
        ("SELECT {{ env['UN' ~ 'SET'] }}", "undefined-environment-variable", "{{ env['UN' ~ 'SET'] }}"),
        ("{% set n = 'UNSET' %}SELECT {{ env[n] | upper }}", "undefined-environment-variable", "UNSET"),
        ("SELECT {{ env | list }}", "template-error", "{{ env | list }}"),
        ("SELECT {{ env[0] }}", "template-error", "{{ env[0] }}"),
        ("SELECT {{ ref() }}", "template-error", "{{ ref() }}"),
        ("SELECT {{ env.KEPT }}", "variable-of-connection", "KEPT"),
        ("SELECT {{ env['KEPT'] }}", "variable-of-connection", "KEPT"),
        ("{% set n = 'NOPE' %}SELECT {{ env[n] | default('') }}", "unlisted-variable", "NOPE"),
        ("SELECT {{ var['nope'].x }}", "undefined-template-name", "{{ var['nope'].x }}"),
        ("SELECT {{ '%s' % var['nope'] }}", "undefined-template-name", "{{ '%s' % var['nope'] }}"),
        ("SELECT {{ 1 / 0 }}", "template-error", "{{ 1 / 0 }}"),
        ("SELECT {{ ().__class__ }}", "template-error", "{{ ().__class__ }}"),
        ("SELECT '{{ '\\ud800' }}'", "template-error", "{{ '\\ud800' }}"),
        ("a {% include 'x' %} b", "template-error", "{% include 'x' %}"),
        ("a {% import 'x' as m %}{{ m.f() }}", "template-error", "{% import 'x' as m %}"),
        ("a {% from 'x' import m %}{{ m() }}", "template-error", "{% from 'x' import m %}"),
        ("{%- extends 'x' -%} b", "template-error", "{%- extends 'x' -%}"),
        ("SELECT {{ var.region", "template-syntax", "{{ var.region"),
        ("a\nb {% if %}", "template-syntax", "{% if %}"),
        ("{{ 'a' | shell }}", "template-syntax", "{{ 'a' | shell }}"),
    ],
)
def test_a_mistake_is_reported_at_its_place(text: str, code: str, marked: str):
    result, problems = rendered(text)
    assert result is None
    assert problems == [(code, marked)]


def test_what_is_told_where_it_is_listed_is_not_told_again():
    assert rendered("{{ env.TOLD }}{{ env['TOLD'] }}") == (None, [])


def test_all_unknown_names_are_reported_at_once():
    _, problems = rendered("{{ var.a }} {{ env.B }} {{ c }}")
    assert [marked for _, marked in problems] == ["a", "B", "c"]


@pytest.mark.parametrize(
    "text",
    [
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% for i in range(99999) %}{{ 'x' * 1000 }}{% endfor %}",
        "{{ 'x' * 10000000000 }}",
        "{{ [1] * 10000000000 }}",
        "{{ 9 ** 9 ** 9 ** 9 }}",
        "{% set ns = namespace(x='aa') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{% set ns = namespace(x='aa') %}{% for i in range(99) %}{% set ns.x = ns.x.replace('a', 'aa') %}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ '%1000000000d' | format(1) }}",
        "{{ 'x'.ljust(1000000000) }}",
        "{{ " + "(" * 5000,
    ],
)
def test_a_runaway_template_is_stopped(text: str):
    started = time.thread_time()
    result, problems = rendered(text)
    if result is not None:
        assert len(result.text) < 1_000_000
    else:
        assert problems[0][0] in ("template-too-large", "template-error", "template-syntax")
    assert time.thread_time() - started < 5


@pytest.mark.parametrize(
    "text",
    [
        "{{ '%1999999999d' % 1 }}",
        "{{ '%.1999999999f' % 1 }}",
        "{{ '%(a)1999999999d' % {'a': 1} }}",
        "{{ '%(a(b))5.1999999999f' % {'a(b)': 1} }}",
        "{{ ('%(a)9999d' * 90000) % {'a': 1} }}",
        "{{ ('%(a)s' * 1000) % {'a': 'x' * 900000} }}",
        "{{ ('%(a' ~ 'b)1999999999d') % {'ab': 1} }}",
        "{{ '%*d' % (1999999999, 1) }}",
        "{{ '{:1999999999}'.format(1) }}",
        "{{ 1 | round(1999999999) }}",
        "{{ [1] | batch(1999999999, 0) | list | length }}",
        "{{ [1] | slice(1999999999) | list | length }}",
        "{{ ([[1] * 9999] * 9999) | sum(start=[]) | length }}",
        "{{ ([[1] * 999] * 999) | sum(start=[]) | length }}",
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(40) }}",
        "{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}",
        "{% set n = namespace(x=(1,)) %}{% for i in range(60) %}{% set n.x = (n.x, n.x) %}{% endfor %}{{ n.x == n.x }}",
        "{% set n = namespace(l=[]) %}{% for i in range(9999) %}{% set n.l = n.l + ['x' * 900000 ~ i] %}{% endfor %}",
        "{% for i in range(99999) %}{% set x = range(99999) | list %}{% endfor %}",
        "{% for i in range(99999) %}{% set x = ('a' * 999999)[1:] %}{% endfor %}",
        "{% for i in range(9999) %}{% set x = ('a' * 999999) | upper %}{% endfor %}",
        "{{ (range(99999) | list * 1) | select('in', range(99999) | list) | list | length }}",
        "{{ ([range(99999)] * 9999) | map('list') | list | length }}",
        "{{ ([range(99999)] * 99999) | map('sum') | list | length }}",
        "{{ (['a' * 99999] * 99999) | map('upper') | list | length }}",
        "{% set b = ['x' * 999999] * 99999 %}{{ b }}",
        "{% set b = ['x' * 999999] * 99999 %}{{ 'n' ~ b }}",
        "{% set b = ['x' * 999999] * 99999 %}{{ '%s' % [b] }}",
        "{{ ('a' * 999999) | trim('b' * 999999 ~ 'a') }}",
        "{{ ('a' * 999999).strip('b' * 999999 ~ 'a') }}",
        "{% set x %}{% for i in range(99999) %}{{ 'a' * 99999 }}{% endfor %}{% endset %}{{ x | length }}",
        "{% set x %}{% for i in range(99999) %}" + "a" * 50_000 + "{% endfor %}{% endset %}{{ x | length }}",
        "{{ (2).to_bytes(900000000, 'big') and 1 }}",
        "{{ (1.5).fromhex('0x1') }}",
        "{% set k = 'x' * 999999 %}{% set b = k" + " ~ k" * 900 + " %}",
        "{% set k = 'x' * 999999 %}{% set b = [{k: 1}] * 900 %}{{ b }}",
        "{% set k = 'x' * 999999 %}{% set b = [{k: 1}.keys()] * 900 %}{{ b }}",
        "{% set k = 'x' * 999999 %}{% set b = [{k: 1}.keys() - []] * 900 %}{{ b }}",
        "{% set u = '\\U000e0001' * 999999 %}{% set b = [u] * 25 %}{{ b }}",
        "{% set n = 2 ** 4095 %}{% set b = [n] * 400000 %}{{ b }}",
        "{% set n = 2 ** 4095 - 1 %}{% for i in range(9) %}{% set b = n ** 4096 %}{% endfor %}",
        "{% for i in range(99999) %}{% set b = range(99999).count('x') %}{% endfor %}",
        "{% for x in ['a' * 99999] recursive %}" + "a" * 9_000 + "{{ loop(x) if loop.depth == 1 }}{% endfor %}",
        "{% for x in [range(90000)] recursive %}" + "a" * 9_000 + "{{ loop(x) if loop.depth == 1 }}{% endfor %}",
        "{{ ('%(BIG)s' * 20000) % env and 1 }}",
    ],
)
def test_nothing_in_a_template_multiplies_time_or_memory(text: str):
    started, peak = time.thread_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _, problems = rendered(text)
    assert time.thread_time() - started < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 200 * 1024
    assert [code for code, _ in problems] in (["template-too-large"], ["template-error"])


@pytest.mark.parametrize(
    "value", ["'a'", "1", "1.5", "true", "[1]", "(1,)", "{'a': 1}", "range(3)", "{}.keys()", "dict"]
)
def test_methods_that_are_not_listed_are_refused(value: str):
    kinds = (str, int, float, list, tuple, dict, range, type({}.keys()), type)
    names = {name for kind in kinds for name in dir(kind) if not name.startswith("_")}
    called = {name for name in names if rendered(f"{{{{ {value}.{name} and 1 }}}}")[1] == []}
    assert called <= set(" ".join(names for _, _, names in _METHODS).split())


@pytest.mark.parametrize(
    ("text", "said", "mend"),
    [
        ("{% set _ = var.columns.append('x') %}", "`append` changes a list", "`{% set all = all + [one] %}`"),
        ("{% set d = {} %}{% set _ = d.update(a=1) %}", "`update` changes a dictionary", "dict(all, key=value)"),
        ("{% set _ = var.columns.sort() %}", "`sort` of a list is none", "`| sort`"),
        ("{{ 'a'.replace('a', 'b') }}", "`replace` of a text is none", "`| replace(…)`"),
        ("{{ 'a'.zfill(9) }}", "`zfill` of a text is none", "`capitalize`, `count`, `endswith`"),
        ("{{ (1).to_bytes(4) }}", "`to_bytes` of a number is none", "a number has no methods"),
        ("{{ [].__class__.__mro__ }}", "`__class__` of a list is none", "a list has `copy`, `count`, `index`"),
        ("{% macro m() %}{% endmacro %}{{ m.__call__() }}", "`__call__` of a value is none", "no methods"),
    ],
)
def test_a_method_that_is_refused_has_a_mend(text: str, said: str, mend: str):
    reporter = Reporter()
    assert render(MappedText.whole(SourceFile("a.sql", text)), known(), reporter) is None
    [told] = reporter.sorted()
    assert said in told.message
    assert mend in "".join(told.helps)


def test_what_one_template_does_to_values_changes_no_other():
    values = Values(vars={"m": ["a"], "d": {"k": [1]}}, env={}, ref=str)
    names = {name for kind in (list, dict) for name in dir(kind) if not name.startswith("_")}
    for value in ("var", "var.m", "var.d", "var.d.k"):
        for call in (f"{value}.{name}" for name in names):
            for arguments in ("", "'leak'", "['leak']", "'k', 'leak'", "0, 'leak'", "k='leak'"):
                rendered(f"{{% set _ = {call}({arguments}) %}}", replace(values, work=Work()))
    assert values.vars == {"m": ["a"], "d": {"k": [1]}}
    assert {name for name in names if rendered(f"{{% set _ = var.m.{name}() %}}", values)[1] == []} == {"copy"}


def test_a_value_may_be_called_as_a_method_that_is_refused():
    result, problems = rendered("{{ var.pop }} {{ var.update | default('x') }}", Values({"pop": 3}, {}, str))
    assert (result.text if result else None, problems) == ("3 x", [])


def test_a_template_may_do_as_much_as_its_limits():
    whole, problems = rendered("{% for i in range(" + str(MAX_ITERATIONS // 2) + ") %}{{ i % 10 }},{% endfor %}")
    assert (problems, whole is not None) == ([], True)
    for width, codes in ((MAX_WIDTH, []), (MAX_WIDTH + 1, ["template-too-large"])):
        result, problems = rendered("{{ '%" + str(width) + "d' % 1 }}")
        assert [code for code, _ in problems] == codes
        assert result is None or len(result.text) == width
    for text in ("{{ '%(a)s, %(a)05d and 20000 more' % {'a': 7} }}", "{{ '%s 20000' % 1 }}"):
        assert rendered(text)[1] == []
    for calls, codes in ((MAX_WORK // 100, []), (MAX_WORK // 40, ["template-too-large"])):
        macro = "{% macro m() %}{% endmacro %}{% for i in range(" + str(calls) + ") %}{% set x = m() %}{% endfor %}"
        assert [code for code, _ in rendered(macro)[1]] == codes


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("{{ 'x' * 1000001 }}", "a text or a list has more than 1,000,000 characters or values"),
        ("{{ 9 ** 9999 }}", "a whole number has more than 4,096 bits, or an exponent is more than that"),
        ("{{ '%99999d' % 1 }}", "a width is more than 10,000"),
        ("{% set x = range(100001) %}", "a `range` has more than 100,000 numbers"),
        ("{% for i in 'x' * 100001 %}{% endfor %}", "its loops turn more than 100,000 times"),
        ("{% for i in range(9) %}{% set x = 'x' * 999999 %}{% endfor %}", None),
        ("{% for i in range(99) %}{% set x = 'x' * 999999 %}{% endfor %}", "it takes more than 1,000,000 steps"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "its macros or values are too deep in each other"),
    ],
)
def test_a_template_that_is_too_large_is_told_where_and_which_limit_it_passes(code: str, said: str | None):
    text, reporter = f"SELECT {{{{ 1 }}}},\n{{% set y = 1 -%}}\n 2, {code} x\n{{{{ 3 }}}}", Reporter()
    render(MappedText.whole(SourceFile("a.sql", text)), known(), reporter)
    told = [(each.message, text[each.span.start : each.span.end]) for each in reporter.sorted()]
    assert told == ([(f"the template does too much work: {said}", code)] if said else [])


def test_the_templates_of_a_project_may_do_so_much_together():
    values, text = known(), "{% for i in range(90000) %}{% endfor %}"
    texts = PROJECT_WORK // (2 * 90_000)  # a step for each number that there is, and for each turn
    assert all(rendered(text, values)[0] is not None for _ in range(texts))
    reporter = Reporter()
    assert render(MappedText.whole(SourceFile("a.sql", text)), values, reporter) is None
    assert [each.message for each in reporter.sorted()] == [
        "the templates of the project do too much work together: they take more than 2,000,000 steps, and 20 for each"
        " character of theirs"
    ]
    assert rendered("{{ 1 }}", known())[1] == []


TENFOLD = "|replace('a', 'aaaaaaaaaa')" * 5
LARGE = f"{{{{ ('a'{TENFOLD}|list|sort|join|length) }}}}"


def test_what_stands_in_a_template_is_computed_at_the_expense_of_the_project():
    """Jinja computes it while it compiles, and again for each template of a project."""
    values = known()
    told = [rendered(LARGE, values)[1] for _ in range(8)]
    assert told[:2] == [[], []]
    assert {code for problems in told[4:] for code, _ in problems} == {"template-too-large"}


def test_to_look_for_a_watermark_computes_nothing():
    started = time.thread_time()
    assert not any(uses_watermark(LARGE) for _ in range(50))
    assert uses_watermark(LARGE + "{{ watermark }}")
    assert time.thread_time() - started < 5  # it was half a second each


def test_what_was_rendered_before_decides_nothing():
    """A template that is too large by a little is that in any company."""
    text = LARGE + "{% for i in range(80000) %}{% if i < 0 %}{% endif %}{% endfor %}"
    told = [rendered(each, known())[1] for each in (text, "{{ 1 }}", text)]
    assert [code for problems in told for code, _ in problems] == ["template-too-large"] * 2


@pytest.mark.parametrize(
    "text",
    [
        "{% set o = namespace(v=1) %}{% for i in range(23) %}{% set o.v = namespace(a=o.v,b=o.v) %}{% endfor %}{{ o }}",
        "{% set o = dict(range(60000)|batch(2)).keys() %}{% for i in range(3000) %}{% set z = o|max %}{% endfor %}",
        "{% set o = dict(range(60000)|batch(2)).keys() %}{% for i in range(2500) %}{% set z = o - o %}{% endfor %}",
    ],
)  # fmt: skip
def test_what_holds_many_values_is_charged_for_them(text: str):
    started = time.thread_time()
    assert [code for code, _ in rendered(text)[1]] == ["template-too-large"]
    assert time.thread_time() - started < 10


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("{{ dict(a=1, a=2) }}", "template-syntax", "an argument is named twice"),
        ("{% macro m(a, a) %}{% endmacro %}{{ m(1) }}", "template-syntax", "an argument is named twice"),
        ("{{ ref() }}", "template-error", "the template fails: `ref` takes the key of one table: `ref('orders')`"),
        (
            "{{ ref('a', 'b') }}",
            "template-error",
            "the template fails: `ref` takes the key of one table: `ref('orders')`",
        ),
        (
            "{{ 'X' in env }}",
            "template-error",
            "the template fails: `env` has variables by their names only: `env.NAME`",
        ),
        ("{% include 'x' %}", "template-error", "a template reads no other files: there is no `{% include %}`"),
        ("{{ 1|nope }}", "template-syntax", "no filter named 'nope'"),
        ("{{ 1 if {'a': 1}[0] else 2 }}", "undefined-template-name", "a value of the template is not defined"),
        ("{% set x = 1e400 %}{{ x }}", "template-error", "the template fails: a number is too large"),
    ],
)
def test_what_fails_before_it_runs_is_told(text: str, code: str, said: str):
    reporter = Reporter()
    assert render(MappedText.whole(SourceFile("a.sql", text)), known(), reporter) is None
    assert [(each.code, each.message) for each in reporter.sorted()] == [(code, said)]


def test_long_chains_of_filters_are_compiled_in_no_time():
    started = time.thread_time()
    assert rendered("{{ 1" + "|string" * 180 + " }}")[1] == []
    assert time.thread_time() - started < 2  # it took three to six, more than twice as much for each half more


@pytest.mark.parametrize("shown", ["{% set x = 'ab' %}{{ x|length }}", "{% set x %}ab{% endset %}{{ x|length }}"])
def test_what_a_template_measures_has_no_marks(shown: str):
    result, _ = rendered(f"{shown} {{% macro m() %}}abc{{% endmacro %}}{{{{ m()|length }}}}")
    assert result is not None
    assert result.text == "2 3"


def test_the_templates_of_a_project_make_so_much_together():
    values, text = known(), "{% for i in range(148) %}" + "x" * 1_000 + "{% endfor %}"
    assert rendered(text, values)[0] is not None
    assert [code for code, _ in rendered(text, values)[1]] == ["template-too-large"]
    assert rendered("SELECT {{ 1 }}", values)[1] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{% set k %}t{% endset %}{{ ref(k) }}", '"s"."t"'),
        ("{% macro n() %}5{% endmacro %}{{ 10 // (n()|int) }}", "2"),
        ("{% macro k() %}region{% endmacro %}{{ var[k()] }}", "eu"),
        ("{% set k %}text{% endset %}{{ {'int': 1, 'text': 2}[k] }}", "2"),
        ("SELECT { {%- for c in var.columns %} '{{ c }}': {{ c }}{% endfor %} }", "SELECT { 'a': a 'b': b }"),
        ("{ {#- a comment -#} }", "{}"),
        ("{% for x in [[1, [2]]] recursive %}{{ x[0] }}{{ loop(x[1:])|length if x[1:] }}{% endfor %}", "11"),
    ],
)
def test_what_is_captured_is_what_is_shown(text: str, expected: str):
    result, problems = rendered(text)
    assert problems == []
    assert result is not None
    assert result.text == expected


VALUES = re.findall(
    r"\S+", "1 'a' x var.region m(1) n(x) m(n(2)) m(1)|upper m(2)|length m(1)~'z' m(1)=='a1b' n(m) [m(1)]"
)
PLAIN = "{% set x = 3 %}"
"""Without macros: what calls one is told as undefined."""
HEAD = "{% macro m(x) %}a{{ x }}b{% endmacro %}{% macro n(x) -%} {{- m(x) }} {%- endmacro %}{% set x = 3 %}"


def template(chance: random.Random, depth: int = 0) -> str:
    """A template at random, with `-` at any place that takes one."""
    left, right = chance.choice(["", "-"]), chance.choice(["", "-"])
    inner = template(chance, depth + 1) if depth < 3 else "z"
    return "".join(
        chance.choice([
            "a ", " b\n", "{ ", "\n", " - ", f"{{#{left} c {right}#}}",
            f"{{{{{left} {chance.choice(VALUES)} {right}}}}}", f"{{{{{left} {chance.choice(VALUES)} {right}}}}}",
            f"{{%{left} for i in var.columns {right}%}}{inner}{{%{right} endfor {left}%}}",
            f"{{%{left} if {chance.choice(VALUES)} {right}%}}{inner}{{%{right} endif {left}%}}",
            f"{{%{left} set x = {chance.choice(VALUES)} {right}%}}",
            f"{{%{left} print {', '.join(chance.choices(VALUES, k=chance.randint(0, 2)))} {right}%}}",
            f"{{%{left} raw {right}%}} {{{{ {{%{right} endraw {left}%}}",
            f"{{%{left} set y {right}%}}{inner}{{%{right} endset {left}%}}{{{{ y|length }}}}",
            f"{{%{left} call m(1) {right}%}}q{{%{right} endcall {left}%}}",
            f"{{%{left} filter upper {right}%}}{inner}{{%{right} endfilter {left}%}}",
        ])
        for _ in range(chance.randint(1, 5))
    )  # fmt: skip


def _of_jinja(text, context):
    sandbox = Sandbox()
    tree = sandbox.parse(text)
    sandbox.bound(tree)
    return sandbox.run(sandbox.compiled(tree).template, context, Work())


def test_a_template_makes_what_jinja_makes_of_it():
    """Whatever marks are in it meanwhile."""
    chance, made = random.Random(7), 0
    for text in (chance.choice([HEAD, PLAIN]) + template(chance) for _ in range(300)):
        values = known()
        result, problems = rendered(text, values)
        if result is not None:
            plain = _of_jinja(text, {"var": values.vars})
            assert (result.text, problems) == (plain, []), text
            made += 1
    assert made > 100


@pytest.mark.parametrize(
    "text",
    [
        "{% for i in range(700) %}" + "{{ 1 }}," * 100 + "{% endfor %}",
        "{% for i in range(2500) %}" + "{% if i %}x{% endif %}" * 20 + "{% endfor %}",
        "{% set b %}{% for i in range(5000) %}({{ i }},{{ i }},{{ i }}),\n{% endfor %}{% endset %}{{ b }}",
    ],
)
def test_marks_count_for_nothing(text: str):
    assert rendered(text)[1] == []


@pytest.mark.parametrize(
    "text",
    [
        "{% for a in var.columns %}" * 30 + "{% endfor %}" * 30,
        "{% if 1 %}" * 120 + "{% endif %}" * 120,
        "{{ 1" + " + 1" * 400 + " }}",
    ],
)
def test_what_is_in_each_other_too_deeply_is_told(text: str):
    assert [code for code, _ in rendered(text)[1]] == ["template-too-large"]


def test_many_values_are_marked_in_no_time():
    started = time.thread_time()
    assert rendered("SELECT " + "{{ 1 }}," * 4000)[1] == []
    assert time.thread_time() - started < 5  # it took twenty


def test_the_environment_shows_nothing_but_what_is_named():
    result, _ = rendered("[{{ env }}]")
    assert result is not None
    assert result.text == "[]"


@pytest.mark.parametrize(
    ("value", "lag", "expected"),
    [
        (None, 0, "NULL"),
        (42, 0, "42"),
        (1.5, 0, "1.5"),
        ("it's", 0, "'it''s'"),
        ("2024-01-01", 0, "'2024-01-01'"),
        ("2024-01-01 00:05:00", 300, "'2024-01-01 00:00:00'"),
        ("not a time", 300, "'not a time'"),
    ],
)
def test_a_watermark_becomes_a_literal(value: object, lag: float, expected: str):
    assert sql_literal(value, lag) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-01-02 00:00:00.000000", "'2026-01-02'"),
        ("2026-01-02 10:30:00.000000", "'2026-01-02 10:30'"),
        ("2026-01-02 10:00:05.120000", "'2026-01-02 10:00:05.12'"),
        ("2026-01-02 00:00:00.500000", "'2026-01-02 00:00:00.5'"),
        ("2026-01-02 10:00:00.000000+00:00", "'2026-01-02 10:00'"),
        ("v1.00", "'v1.00'"),
    ],
)
def test_a_terse_time_comes_before_every_other_spelling_of_it(value: str, expected: str):
    assert sql_literal(value, terse=True) == expected


def test_a_stored_number_is_written_as_one():
    assert sql_literal("120", 60, number=True) == "60"
    assert sql_literal("120") == "'120'"


def test_it_sees_whether_the_watermark_is_used():
    assert uses_watermark("WHERE {{ incremental }}")
    assert uses_watermark("WHERE t >= {{ watermark }}")
    assert not uses_watermark("WHERE watermark = 1 {# watermark #}")
    assert not uses_watermark("{{ broken")


def test_the_guide_names_each_filter():
    guide = (Path(__file__).resolve().parents[2] / "docs" / "guides" / "templates.md").read_text("utf-8")
    told = guide.partition("Filters are")[2].partition(".\n")[0]
    assert re.findall(r"`(\w+)`", told) == sorted(_FILTERS)


def test_the_guide_names_each_method():
    guide = (Path(__file__).resolve().parents[2] / "docs" / "guides" / "templates.md").read_text("utf-8")
    told = guide.partition("Methods that it may call")[2].partition(". None")[0]
    names = [name for kind, _, listed in _METHODS if kind in (str, list, dict) for name in listed.split()]
    assert re.findall(r"`(\w+)`", told) == names
