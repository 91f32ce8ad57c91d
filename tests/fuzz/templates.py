"""Jinja in SQL: fragments that compute, loop, nest, fail or try to get out, in every order."""

# ruff: noqa: E501 -- a table of cases reads best with one case in a line

from __future__ import annotations

import json

from tests.fuzz.mutant import Chance, Mutant, spec

PARTS = (
    "{{ var.region }}", "{{ var.n }}", "{{ var.nope }}", "{{ var }}", "{{ env.FUZZ_OPEN }}", "{{ env.FUZZ_SECRET }}", "{{ env }}", "{{ 1/0 }}", "{{ 'a' * 10**9 }}",
    "{{ [1] * 10**9 }}", "{{ 10**10**8 }}", "{{ range(10**9)|list }}", "{{ range(10**9)|sum }}", "{% for i in range(10**8) %}{% endfor %}", "{% for i in range(3) %}",
    "{% endfor %}", "{% for a in var.l %}{{ a }}, {% endfor %}", "{% if var.region == 'eu' %}", "{% elif %}", "{% else %}", "{% endif %}", "{% raw %}", "{% endraw %}",
    "{# note #}", "{#", "{{", "}}", "{%", "%}", "{%- if true -%}", "{% set x = 1 %}", "{{ x }}", "{% macro m(a) %}{{ a }}{{ m(a) }}{% endmacro %}", "{{ m(1) }}",
    "{% include 'a' %}", "{% import 'a' as a %}", "{% extends 'a' %}", "{% block b %}{% endblock %}", "{{ ''.__class__.__mro__ }}", "{{ self }}", "{{ cycler }}",
    "{{ lipsum(n=9999) }}", "{{ joiner() }}", "{{ namespace(a=1) }}", "{{ var.region|upper }}", "{{ var.region|center(10**9) }}", "{{ var|pprint }}", "{{ '%999999999d'|format(1) }}",
    "{{ '{:>999999999}'.format(1) }}", "{{ var.region.format(1) }}", "{{ 'a'|replace('a', 'a' * 10**6)|replace('a', 'a' * 10**6) }}", "{{ var.l|join(', ') }}", "{{ var.l|tojson }}",
    "{{ '\\x1b[31m' }}", "{{ '\\u202e' }}", "{{ '\\ud800' }}", "{{ \"'\" }}", "{{ '\\0' }}", "{{ none }}", "{{ true }}", "{{ undefined }}", "{{ var.region|nope }}", "{{ nope() }}",
    "{{ (" * 50, ") }}" * 50, "{{ [" + "[" * 60 + "]" * 60 + "] }}", "{% if 1 %}" * 30 + "{% endif %}" * 30, "{{ 1 if }}", "{{ 'a", "{{ var.region ~ var.n }}", "{{ var['region'] }}",
    "{{ loop.index }}", "{{ caller() }}", "{% filter upper %}id{% endfilter %}", "{% call m() %}{% endcall %}", "{% do 1 %}", "{{ var.l|map('upper')|list }}", "{{ var.l|groupby('x') }}",
    "{{ ['a' * 1000] * 1000 * 1000 }}", "{{ var.l|batch(10**8, 'x')|list }}", "{{ 'a'|indent(10**8) }}", "{{ ('a' ~ '\\n') * 1000 }}", "{{ var.l|slice(10**8)|list }}",
    "{{ 'x'|wordwrap(0) }}", "{{ var.region|truncate(-1) }}", "{{ dict(a=1)|xmlattr }}", "{{ 3|round(10**6) }}", "{{ 2|float ** 5000 }}", "{{ 1 << 10**9 }}", "{{ '9' * 5000|int }}", "{{ ('9' * 5000)|int }}",
)  # fmt: skip
SQL = (
    "SELECT 1 AS id, 'x' AS name", "SELECT id, name FROM t", "WHERE ", "'", "AND id = ", " , ", "-- ", "\n", "FROM t", "id", "name = '", " ",
)  # fmt: skip


def mutant(chance: Chance) -> Mutant:
    """A query of a few fragments, in one of the places where templates are."""
    text = chance.choice(SQL[:2]) + "".join(
        f" {chance.choice((*PARTS, *SQL))}" for _ in range(chance.choice([1, 1, 2, 3, 6]))
    )
    pipeline: dict[str, object] = {"from": "db", "sql": text, "to": {"connection": "db", "table": "out"}}
    if chance.random() < 0.2:
        pipeline["sql"] = "SELECT id, name FROM t"
        pipeline[chance.choice(["before", "after"])] = [text]
    if chance.random() < 0.1:
        pipeline["expect"] = [{"name": "odd", "sql": text}]
    project = {
        "vars": {"region": "eu", "n": 3, "l": ["a", "b"]},
        "env": ["FUZZ_OPEN", *chance.choice([[], [], ["FUZZ_SECRET"]])],
        "connections": {"db": {"kind": chance.choice(["duckdb", "sqlite"]), "path": "fuzz.db"}, "pg": {"kind": "postgres", "url": "${FUZZ_SECRET}"}},
        "tables": {"t": {"connection": "db", "columns": {"id": "bigint", "name": "text"}}},
        "pipelines": {"p": pipeline},
    }  # fmt: skip
    return spec(json.dumps(project), plan=True)
