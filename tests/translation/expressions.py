"""Expressions of PostgreSQL, made of values at the ends of types, operators, casts and functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import strategies as st

VALUES: Mapping[str, Sequence[str]] = {
    "smallint": ("0", "1", "-1", "32767", "-32768"),
    "int": ("0", "1", "-1", "7", "2147483647", "-2147483648", "46341"),
    "bigint": ("0", "1", "-1", "9223372036854775807", "-9223372036854775808", "3000000000"),
    "numeric(20,4)": ("0", "1.5", "-1.5", "0.0001", "123456789.1234", "-0.5"),
    "float8": (
        "0", "1.5", "1e20", "1e-5", "1e15", "1e14", "1e23", "NaN", "Infinity", "-Infinity", "-0", "12345678901.5",
    ),
    "float4": ("0", "1.5", "1e6", "1e-5", "0.1", "16777216", "33554434", "3.4e38"),
    "text": ("", "a", "x y", "1", "NULL", "{a}", "é", "true"),
    "boolean": ("true", "false"),
    "date": ("2024-02-29", "1970-01-01", "0001-01-01", "9999-12-31"),
    "timestamp": ("2024-02-29 12:34:56", "2024-01-01 00:00:00.12", "1969-12-31 23:59:59.999999"),
    "timestamptz": ("2024-02-29 12:34:56+02", "2024-01-01 00:00:00.12+00"),
    "interval": ("1 day", "2 hours 3 minutes", "-1 day", "1 month", "1 year 2 months -3 days", "1.5 seconds"),
    "jsonb": (
        "{}", "[]", "1", '"a"', "null", '{"b":1,"aa":2.50,"a":[1,{"c":null}]}', '[1,"a",null,1.0,true]', '{"a":1e2}',
        '{"a":1,"a":2}', r'"\u00e9\n"', '{"a":{"b":[1,2]}}', "1.0", '{"a":1.0}', '{"a":100.00}', '["1.0",1.50]', "-0.0",
    ),
}  # fmt: skip
_NUMBERS = ("smallint", "int", "bigint", "numeric(20,4)", "float8", "float4")
_COMPARED = ("int", "text", "numeric(20,4)", "date", "boolean")
_STEPS = ("'a'", "'b'", "'aa'", "0", "-1", "1")
_PATHS = ("", "a", "b", "0", "a,b", "a,0", "-1", "+1", "1_0", "z,y")
_KEYS = ("'a'", "'b'", "'1.0'", "NULL")


def value(kinds: Sequence[str] = tuple(VALUES)) -> st.SearchStrategy[str]:
    """A value of one of these types, or NULL of it."""
    values = {kind: st.sampled_from([*(f"'{text}'" for text in VALUES[kind]), "NULL"]) for kind in kinds}
    return st.sampled_from(kinds).flatmap(lambda kind: values[kind].map(lambda text: f"CAST({text} AS {kind})"))


def _of(template: str, *parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(lambda found: template.format(*found))


def _number(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        _of("({} {} {})", inner, st.sampled_from("+-*/%"), inner),
        _of("(- {})", inner),
        _of("abs({})", inner),
        _of("coalesce({}, {})", inner, inner),
        _of("{}({})", st.sampled_from(["sqrt", "exp", "ln", "log", "log10", "ceil", "round"]), inner),
        _of("power({}, {})", inner, _written),
        _of("nullif({}, {})", inner, inner),
        _of("CAST({} AS {})", inner, st.sampled_from(_NUMBERS)),
    )


_written = st.sampled_from(["0.1", "0.10", "0.0", "1.5", "2", "-0.0", "1.005", "0.333", "12.50"])
"""Numbers as they are written, whose types nobody says."""

numbers = st.recursive(st.one_of(value(_NUMBERS), _written), _number, max_leaves=4)
_exact = st.recursive(st.one_of(value(_NUMBERS[:-1]), _written), lambda inner: _of("(- {})", inner), max_leaves=2)
"""Without floats of 32 bits, of which PostgreSQL makes what stands beside them in a list."""
anything = st.one_of(numbers, value())
_rows = st.sampled_from(_NUMBERS).flatmap(
    lambda kind: st.lists(value([kind]), min_size=1, max_size=4).map(lambda rows: ", ".join(f"({row})" for row in rows))
)
_gathered = st.sampled_from(
    [f"{name}({how}v)" for name in ("avg", "sum", "stddev", "var_pop", "count", "max") for how in ("", "DISTINCT ")]
)
_cased = st.text("a\xdf\u0131\u0130\u03a3\u03c3\u03c2\xe9\u01c5\u0149\ufb011 _-", max_size=6)


def _of_rows() -> st.SearchStrategy[str]:
    """Aggregates, groups, set operations and windows over a few numbers."""
    table = "(VALUES {}) AS t(v)"
    return st.one_of(
        _of(f"(SELECT {{}} FROM {table})", _gathered, _rows),
        _of(f"(SELECT {{}} {{}} {{}} FROM {table})", _gathered, st.sampled_from(["/", "*", "=", "<"]), _written, _rows),
        _of(f"(SELECT sum(v) / count(*) FROM {table})", _rows),
        _of(f"(SELECT avg(v) FILTER (WHERE v > {{}}) FROM {table})", _written, _rows),
        _of(f"(SELECT sum(m) FROM (SELECT avg(v) OVER (PARTITION BY v) AS m FROM {table}) AS u)", _rows),
        _of(f"(SELECT max(n) FROM (SELECT rank() OVER (ORDER BY v) / 2 AS n FROM {table}) AS u)", _rows),
        _of(f"(SELECT max(n) FROM (SELECT count(*) OVER (PARTITION BY v) AS n FROM {table}) AS u)", _rows),
        _of(f"(SELECT max(n) FROM (SELECT count(*) AS n FROM {table} GROUP BY v) AS u)", _rows),
        _of("(SELECT count(*) FROM (SELECT {} AS v UNION SELECT {} UNION SELECT {}) AS u)", *[numbers] * 3),
        _of("(SELECT v + {} = {} FROM (SELECT {} AS v) AS u)", _written, _written, numbers),
    )


_moments = value(["timestamp", "timestamptz"])
_PARTS = ("epoch", "second", "milliseconds", "microseconds", "minute", "hour", "day", "month", "year", "quarter")


def _parts(of: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Parts of times, as decimals and as floats."""
    part = st.sampled_from(_PARTS)
    return st.one_of(_of("extract({} FROM {})", part, of), _of("date_part('{}', {})", part, of))


_differences = _of("(CAST('{}' AS timestamp) - {})", st.sampled_from(VALUES["timestamp"]), value(["timestamp"]))
_timed = _parts(st.one_of(_moments, _differences, value(["interval"])))


def _of_times() -> st.SearchStrategy[str]:
    """Parts of times as they are, and through queries, aggregates and windows."""
    rows = st.lists(value(["timestamp"]), min_size=1, max_size=4).map(
        lambda rows: ", ".join(f"({row})" for row in rows)
    )
    within = st.sampled_from(("v", f"(v - CAST('{VALUES['timestamp'][1]}' AS timestamp))"))
    computed = st.sampled_from(("{} / {}", "floor({} / {})", "CAST(({} / {}) AS bigint)", "{} * {} = 0.5", "{} + {}"))
    through = st.tuples(computed, _written).map(lambda found: found[0].format("v", found[1]))
    gathered = st.sampled_from(("avg", "sum", "max", "count"))
    return st.one_of(
        _of("CAST({} AS text)", _timed),
        _of("({} {} {})", _timed, st.sampled_from(["+", "-", "*", "/", "=", "<"]), st.one_of(_written, _timed)),
        _of("(SELECT {} FROM (SELECT {} AS v) AS u)", st.one_of(through, st.just("CAST(v AS text)")), _timed),
        _of("(SELECT {}({}) FROM (VALUES {}) AS t(v))", gathered, _parts(within), rows),
        _of("(SELECT {} FROM (SELECT {}({}) AS v FROM (VALUES {}) AS t(v)) AS u)", through, gathered, _parts(within),
            rows),
        _of("(SELECT max(n) FROM (SELECT avg({}) OVER () AS n FROM (VALUES {}) AS t(v)) AS u)", _parts(within), rows),
    )  # fmt: skip


def _document(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        _of("({} -> {})", inner, st.sampled_from(_STEPS)),
        _of("({} #> '{{a,b,0}}')", inner),
        _of("jsonb_set({}, '{{{}}}', {})", inner, st.sampled_from(_PATHS), value(["jsonb"])),
        _of("jsonb_build_object('{}', {}, 'k', {})", st.sampled_from(["b", "aa", "z"]), anything, inner),
        _of("jsonb_build_array({}, {})", anything, inner),
        _of("to_jsonb({})", anything),
    )


documents = st.recursive(value(["jsonb"]), _document, max_leaves=4)
_same_kinds = st.sampled_from(_COMPARED).flatmap(
    lambda kind: st.tuples(value([kind]), st.lists(value([kind]), min_size=1, max_size=3).map(", ".join))
)

expressions = st.one_of(
    numbers,
    _of("CAST({} AS text)", anything),
    _of("{} || {}", value(["text"]), anything),
    _of("concat({}, '|', {})", anything, anything),
    st.sampled_from(list(VALUES)).flatmap(
        lambda kind: _of("array_to_string(ARRAY[{}, {}], ',', '*')", value([kind]), value([kind]))
    ),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda value: f"CAST('{value!r}'::float8 AS text)"),
    st.integers(2**53, 2**90).map(lambda value: f"CAST('{float(value)!r}'::float8 AS text)"),
    st.integers(2**24, 2**60).map(lambda value: f"CAST('{value}'::float4 AS text)"),
    _of("CAST('{}e{}'::text AS numeric(20,4))", st.sampled_from(["1", "-2.50", " .5"]), st.integers(-4, 9)),
    _of_rows(),
    _of_times(),
    _of("({} {} {})", numbers, st.sampled_from(["=", "<>", "<", ">=", "IS DISTINCT FROM"]), numbers),
    _of("({} {} IN ({}, {}))", _exact, st.sampled_from(["", "NOT"]), _exact, _exact),
    _of("CASE {} WHEN {} THEN {} ELSE {} END", *[st.one_of(value(_NUMBERS), _written)] * 2, numbers, numbers),
    _of("{}('{}')", st.sampled_from(["upper", "lower"]), _cased),
    documents,
    _of("({} ->> {})", documents, st.sampled_from(_STEPS)),
    _of("({} {} {})", documents, st.sampled_from(["@>", "<@", "=", "<>"]), documents),
    _of("({} IS {} DISTINCT FROM {})", documents, st.sampled_from(["", "NOT"]), documents),
    _of("({} {} IN ({}, {}))", documents, st.sampled_from(["", "NOT"]), documents, documents),
    _of("CAST(nullif({}, {}) AS text)", documents, documents),
    _of("CASE {} WHEN {} THEN 1 WHEN {} THEN 2 END", documents, documents, documents),
    _of("({}, 1) = ({}, 1)", documents, documents),
    _of("({} {} ARRAY[{}, {}])", documents, st.sampled_from(["?|", "?&"]), *[st.sampled_from(_KEYS)] * 2),
    _of("CAST({} AS text)", documents),
    _of("{}({})", st.sampled_from(["jsonb_typeof", "jsonb_array_length"]), documents),
    st.tuples(_same_kinds, st.sampled_from(["=", "<>", "<", ">="]), st.sampled_from(["ANY", "ALL"])).map(
        lambda found: f"{found[0][0]} {found[1]} {found[2]}(ARRAY[{found[0][1]}])"
    ),
    _of(
        "CAST({} {} {} AS text)",
        value(["timestamp", "timestamptz", "date"]), st.sampled_from("+-"), value(["interval"]),
    ),
)  # fmt: skip
"""Expressions of each kind."""
