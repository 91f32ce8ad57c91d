"""What normalisers make of values through `flowc run`: the same on every engine, or an error that names the column."""

from decimal import Decimal
from typing import Any

import pytest

from tests.commands import Inside
from tests.stores import Store

ENGINES = ("sqlite", "duckdb", "postgres", "mysql")
LONG = "1234567890123456789012345678.0123456789"
CHAINS = {
    ("text", "[lower]"): {"ABC": "abc", "ÄÉ": "äé", "\u0391\u03a3": "\u03b1\u03c3", "İ": "i", "": "", None: None},
    ("text", "[upper]"): {"abc": "ABC", "äé": "ÄÉ", "ﬁ": "ﬁ", None: None},
    ("text", "[trim]"): {"vat v": "vat v", "\v\f\t\r\n a \v": "a", "\u00a0a": "\u00a0a", "\u3000": "\u3000"},
    ("text", "[empty_to_null]"): {"": None, " ": " ", None: None},
    ("text", "[trim, lower, empty_to_null, { default: none }]"): {" Ä ": "ä", " \t": "none", None: "none"},
    ("text", "[{ default: 5 }]"): {None: "5", "": ""},
    ("text", "[{ default: true }]"): {None: "true", "x": "x"},
    ("bigint", "[parse_int]"): {
        " 12 ": 12, "+5": 5, "-0": 0, "007": 7, "5\n": 5, "-9223372036854775808": -(2**63), None: None,
        **dict.fromkeys(["1e5", "\uff11\uff12", "\u0663", "", "1.0", "0x10", "1_000", "--5", "\u00a05"], "unreadable"),
        **dict.fromkeys(["9223372036854775808", "9" * 50], "unfit"),
    },
    ("numeric(38,0)", "[parse_int]"): {"9" * 38: Decimal("9" * 38), "9" * 39: "unfit", "-0": Decimal(0)},
    ("ubigint", "[parse_int]"): {"18446744073709551615": 2**64 - 1, "18446744073709551616": "unfit", "-1": "unfit"},
    ("double", "[parse_int]"): {"5": 5.0, "9007199254740993": "unfit"},
    ("numeric(12,2)", "[parse_numeric]"): {
        " 1.50 ": Decimal("1.5"), "1e5": Decimal(100000), "150e-2": Decimal("1.5"), "+.5": Decimal("0.5"),
        "5.": Decimal(5), "1.500": Decimal("1.5"), "0e9": Decimal(0), "9999999999.99": Decimal("9999999999.99"),
        **dict.fromkeys([".", "", "-", "1,5", "\uff11.\uff15", "NaN", "Infinity", "1_0", "12 34", "0x1"], "unreadable"),
        **dict.fromkeys(["1.005", "10000000000", "1e400", "1e-400"], "unfit"), None: None,
    },
    ("numeric(38,10)", "[parse_numeric]"): {
        LONG: Decimal(LONG), "1e27": Decimal("1e27"), "0.00000000001": "unfit",
        **dict.fromkeys(["1e28", "-1e34", "1e36", "1e400", "9" * 38, "9" * 66, "9" * 400], "unfit"),
    },
    ("double", "[parse_numeric]"): {
        "0.1": 0.1, "1.7976931348623157e308": 1.7976931348623157e308, "5e-324": 5e-324,
        "-1.7976931348623157e308": -1.7976931348623157e308,
        **dict.fromkeys(["1e309", "1.79e309", "1.7976931348623157e309", "1.7976931348623159e308"], "unfit"),
        **dict.fromkeys(["1e-400", "2e-324", "0.1234567890123456789", "123456789012345678"], "unfit"),
    },
    ("real", "[parse_numeric]"): {
        "1.5": 1.5, "16777216": 16777216.0, "16777217": "unfit", "1e39": "unfit",
        **dict.fromkeys(["3.5e38", "3.40282e39", "1e-46"], "unfit"),
    },
    ("bigint", "[parse_numeric]"): {"12.000": 12, "1e3": 1000, "12.5": "unfit", "9223372036854775808": "unfit"},
    ("bigint", '[{ regex_replace: { pattern: "[^0-9]" } }, parse_int, { default: 0 }]'): {"1,234 EUR": 1234, None: 0},
    ("timestamp", '[{ parse_timestamp: "%Y-%m-%d %H:%M:%S" }]'): {
        "2024-02-29 23:59:59": "2024-02-29 23:59:59", "0001-01-01 00:00:00": "0001-01-01 00:00:00", None: None,
        "9999-12-31 00:00:00": "9999-12-31 00:00:00",
        **dict.fromkeys(["2023-02-29 10:00:00", "2024-01-01 24:00:00", "0000-01-01 00:00:00"], "unreadable"),
        **dict.fromkeys([" 2024-01-01 00:00:00", "2024-01-01 00:00:00\n", "2024-01-01  00:00:00"], "unreadable"),
    },
    ("timestamptz", '[{ parse_timestamp: "%Y-%m-%dT%H:%M:%S.%f%z" }]'): {
        "2024-01-01T00:00:00.123456Z": "2024-01-01 00:00:00.123456",
        "2024-03-31T02:30:00.5+01:00": "2024-03-31 01:30:00.500000",
        "2024-01-01T00:00:00.0+02:75": "unreadable",
    },
    ("date", '[{ parse_timestamp: "%d/%m/%y" }]'): {"01/02/68": "2068-02-01", "01/02/69": "1969-02-01"},
    ("date", '[empty_to_null, { parse_timestamp: "%d.%m.%Y" }, { default: "2000-01-01" }]'): {
        "": "2000-01-01", "1.2.2024": "2024-02-01", "01.02.24": "unreadable",
    },
    ("timestamptz", '[{ default: "2000-01-01T00:00:00+02:00" }]'): {None: "1999-12-31 22:00:00"},
    ("integer", '[{ sql: "length({value})" }]'): {"日本": 2, None: None},
    ("text", '[{ derive: "upper(c)" }]'): {"a": "A", None: None},
    ("uuid", "[lower]"): {"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
    ("varchar(3)", "[trim]"): {" abc ": "abc", "abcd": "unfit"},
}  # fmt: skip
CODES = {
    "unreadable": {"unreadable-value", "value-refused"},
    "unfit": {"unreadable-value", "value-does-not-fit", "value-refused"},
}
"""An engine whose own reader refuses a value does not tell what cannot be read from what does not fit."""
Case = tuple[str, str, list[str | None], object]
ARRIVE: list[Case] = [
    (kind, chain, [v for v, w in values.items() if w not in CODES], [w for w in values.values() if w not in CODES])
    for (kind, chain), values in CHAINS.items()
]
REFUSED: list[Case] = [
    (kind, chain, [v], w) for (kind, chain), values in CHAINS.items() for v, w in values.items() if w in CODES
]


def literal(value: str | None) -> str:
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"


def loaded(project: Inside, source: Store, store: Store, cases: list[Case]) -> list[dict[str, Any]]:
    """What the run says of the load of each case into a table of its own."""
    spec = [f"connections: {{ a: {source.connection}, b: {store.connection} }}", "tables:"]
    for i, (kind, chain, _, _) in enumerate(cases):
        if store.kind == "mysql":  # whose LENGTH counts bytes
            chain = chain.replace("length(", "char_length(")
        typed = f'{{ type: "{kind}", normalize: {chain} }}'
        spec.append(f"  t{i}: {{ connection: b, columns: {{ n: integer, c: {typed} }} }}")
    spec.append("pipelines:")
    spec += [f'  p{i}: {{ from: a, sql: "SELECT n, c FROM raw WHERE t = {i}", to: t{i} }}' for i in range(len(cases))]
    project.write("specs/p.yaml", "\n".join(spec))
    rows = [f"({i}, {n}, {literal(v)})" for i, case in enumerate(cases) for n, v in enumerate(case[2])]
    source.run("CREATE TABLE raw (t INTEGER, n INTEGER, c TEXT)", "INSERT INTO raw VALUES " + ", ".join(rows))
    done = project.flowc("run", "--once", "--json")
    assert done.out, done.err
    return [run["targets"][0] for run in sorted(done.json["pipelines"], key=lambda run: int(run["name"][1:]))]


def in_one_form(value: object, kind: str) -> object:
    if value is None or kind in ("real", "double"):
        return value
    return Decimal(str(value)) if kind.startswith(("numeric", "ubigint")) else str(value)


@pytest.mark.covering
@pytest.mark.parametrize("store", ENGINES, indirect=True)
@pytest.mark.parametrize("elsewhere", [False, True], ids=["same database", "another database"])
def test_values_that_arrive(project, store, elsewhere):
    other = Store("duckdb" if store.kind == "sqlite" else "sqlite", store.folder, file="other")
    targets = loaded(project, other if elsewhere else store, store, ARRIVE)
    for i, (kind, chain, values, wanted) in enumerate(ARRIVE):
        assert not targets[i]["error"], (kind, chain, targets[i]["error"])
        whole = "c + 0e0" if (store.kind, kind) == ("mysql", "real") else "c"  # which prints six digits of a FLOAT
        found = [in_one_form(c, kind) for _, c in store.rows(f"SELECT n, {whole} FROM t{i}")]
        assert found == [in_one_form(w, kind) for w in wanted], (kind, chain, values)


@pytest.mark.parametrize("store", ENGINES, indirect=True)
def test_values_that_are_refused(project, store):
    targets = loaded(project, store, store, REFUSED)
    codes = [
        (kind, chain, values, (target["error"] or {}).get("code"))
        for (kind, chain, values, _), target in zip(REFUSED, targets, strict=True)
    ]
    assert [c for c, (*_, fault) in zip(codes, REFUSED, strict=True) if c[-1] not in CODES[str(fault)]] == []
