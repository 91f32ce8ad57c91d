"""Writes the pages of `docs/reference/` that follow from the code: dialects, denied functions, codes.

    python scripts/make_engine_reference.py [--check]

`types.md` and `normalisers.md` show what the dialects say; `denied-functions.md` what SQL of a spec may not
call; `diagnostics.md` lists `docs/diagnostics/`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from flowc.compiler.dialects import DIALECTS
from flowc.compiler.front.spec import ColumnSpec, NormalizeSpec
from flowc.compiler.loads.normalize import normalizer_sql
from flowc.compiler.sql.denied import DOES, READS, RUNS, Denied, denied
from flowc.compiler.tables.ddl import spell, stored
from flowc.errors import UsageError
from flowc.render.pages import codes, page
from flowc.source import Located, SourceFile, Span
from flowc.types import parse_type

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"
ENGINES = {"DuckDB": "duckdb", "PostgreSQL": "postgres", "SQLite": "sqlite", "MySQL, MariaDB": "mysql"}
PLACE = Span(SourceFile("reference", ""), 0, 0)
NOTE = "<!-- Written by scripts/make_engine_reference.py. Change what it reads, then run it. -->\n"

TYPES = (
    "boolean", "tinyint", "smallint", "integer", "bigint", "hugeint", "utinyint", "usmallint", "uinteger", "ubigint",
    "real", "double", "numeric(12,2)", "numeric(20,4)", "numeric", "text", "varchar(40)", "binary", "date", "time",
    "timestamp", "timestamp(3)", "timestamptz", "interval", "uuid", "json", "text[]",
)  # fmt: skip

NORMALISERS: tuple[tuple[str, object, str], ...] = (
    ("lower", None, "Changes letters to lower case."),
    ("upper", None, "Changes letters to upper case."),
    ("trim", None, "Removes white space at both ends."),
    ("empty_to_null", None, "Turns the empty text into NULL."),
    ("parse_int", None, "Reads a whole number, white space around it ignored."),
    ("parse_numeric", None, "Reads a number; into `numeric(12,2)` here."),
    ("parse_timestamp", "%d/%m/%Y %H:%M", "Reads a time by a strptime format; with `%z` it has a zone."),
    ("regex_replace", {"pattern": "[^0-9]", "replacement": ""}, "Replaces every match of a regular expression."),
    ("default", "unknown", "Stands in for NULL."),
    ("derive", "upper(name)", "Computes the column from others of the row, as read; the source need not have it."),
    ("sql", "substr({value}, 1, 3)", "Any expression in the target's dialect; `{value}` is the value so far."),
)  # fmt: skip
REMARKS = {
    "regex_replace": r"""
A pattern is read by flowc and written in each engine's words, so that it gives the same text on all of them. It holds:

| in a pattern | is |
|---|---|
| `.` | any character but a line feed |
| `[abc]`, `[a-z]`, `[^a-z]` | one of them, or none of them; line feeds too |
| `[[:digit:]]` | also `alnum`, `alpha`, `lower`, `upper`: those of ASCII |
| `\d` `\w` `\s`, `\D` `\W` `\S` | of ASCII: `[0-9]`, `[0-9A-Za-z_]`, white space; any other character |
| `\t` `\n` `\r` `\f` | these characters; a backslash before any other sign is that sign |
| `^` `$` | the start and the very end of the text, never of a line |
| `(…)` `(?:…)` | a group; one that the replacement cannot name |
| `a\|b` | alternatives |
| `*` `+` `?` `{2}` `{2,}` `{2,5}` | repeated as often as can be; as seldom as can be with `?` behind |

In the replacement `\1` to `\9` are what the groups matched, `\\` is a backslash, and all else is itself. Letters match
in their own case only; code points are compared, without collations.

What engines do differently is an error of `flowc lint`: word boundaries, flags, looking ahead or behind, back
references, possessive repetitions; a pattern that matches no characters at all (`a*`); lazy repetitions beside greedy
ones or alternatives; alternatives of which the first that matches is not the longest (`(a|ab)c?`, which PostgreSQL
reads the other way round); a group named in the replacement that is repeated, or that could match in two ways.
""",
}
INTO = {"parse_int": "bigint", "parse_numeric": "numeric(12,2)", "parse_timestamp": "timestamp"}


def main() -> int:
    """Writes the pages, or with `--check` says which are not current."""
    texts = {REFERENCE / name: "".join(write()) for name, write in PAGES.items()}
    if "--check" in sys.argv[1:]:
        old = [path.name for path, text in texts.items() if not path.exists() or path.read_text("utf-8") != text]
        print("".join(f"{name} is not current: python scripts/make_engine_reference.py\n" for name in old), end="")
        return 1 if old else 0
    for path, text in texts.items():
        path.write_text(text, "utf-8")
    return 0


def denied_functions() -> Iterator[str]:
    """What SQL of a spec may not call on each engine."""
    yield f"""# Denied functions

{NOTE}
SQL of a spec only reads. `flowc lint` refuses a call of these functions, wherever it stands in a query:
[`denied-function`](../diagnostics/denied-function.md). A function of an extension is denied in any schema. One of the
engine itself is marked `*`: a function of yours in another schema may have its name. A test compares the
lists with the catalog of the tested version of PostgreSQL, DuckDB and MariaDB, so that a new function that may write is
noticed. The lists do not hold functions of other extensions, and no functions of yours: read-only transactions refuse
what those write into the source.
"""
    does = {
        **DOES,
        READS: "reads files: its paths are literals, in the project or in `allow_paths`",
        RUNS: "runs SQL that it is given as a text, which is judged too",
    }
    for label, kind in ENGINES.items():
        yield f"\n## {label}\n\n| the function | |\n|---|---|\n"
        table = denied(kind)
        for group, words in does.items():
            if names := [_denied(name, found) for name, found in table.items() if found.group == group]:
                yield f"| {words} | {' '.join(sorted(names))} |\n"


def _denied(name: str, found: Denied) -> str:
    return f"`{name}`" if found.anywhere else f"`{name}`\\*"


def types() -> Iterator[str]:
    """What a declared type is called in each engine."""
    yield f"""# Types

{NOTE}
A column is declared with a type of flowc's, under any of its usual names (`int`, `int4`, `decimal`, `string` …). This
is the type that the table has in each engine when flowc creates it. A type that an engine lacks becomes a wider one
that holds every value of it; `—` cannot be stored there, and is an error.
A column that is declared as `char(n)` is `char(n)` on PostgreSQL and MySQL, which fill values up with
spaces; elsewhere it is `varchar(n)`.

"""
    yield _table(["type", *ENGINES], ([f"`{name}`", *(_spelled(name, e) for e in ENGINES.values())] for name in TYPES))
    yield """
Arrays work for every type of element; a `struct` is one in DuckDB and JSON elsewhere.

## How SQLite stores them

SQLite has five storage classes, so the declared type says how a value is to be read back. flowc always writes the same
form, of a fixed width where order matters, so that comparing texts compares values.

| type | is stored as | for instance |
|---|---|---|
| `boolean` | integer, 0 or 1 | `1` |
| integers | integer; `ubigint` and `hugeint` as decimals | `42` |
| `real`, `double` | real; NaN cannot be stored and is an error | `0.5` |
| `numeric` of up to 15 digits | integer or real, exact to its scale | `12.5` |
| `numeric` of more digits, or without precision | text | `'12.5000'` |
| `text`, `varchar(n)`, `uuid` | text; a uuid in lower case | `'a0ee…'` |
| `binary` | blob | `x'00ff'` |
| `date` | text | `'2026-01-31'` |
| `time` | text | `'09:30:00.000000'` |
| `timestamp` | text | `'2026-01-31 09:30:00.000000'` |
| `timestamptz` | text, in UTC | `'2026-01-31 09:30:00.000000+00:00'` |
| `json` | text, as it came | `'["a", "b"]'` |
| arrays | text, as JSON | `'["a","b"]'` |

## How MySQL and MariaDB store them

| type | is | and |
|---|---|---|
| `boolean` | `TINYINT(1)`, `BIT(1)` | another value than 0 or 1 is an error when it is read |
| `text` | `LONGTEXT`; `VARCHAR(255)` in a primary key or a unique index | needing a length: `varchar(n)` for another |
| `varchar(n)` | `VARCHAR(n)`, above 16,383 `LONGTEXT` | a row has 65,535 bytes at most |
| `numeric` | `DECIMAL(65,30)` | more than 65 digits, or 30 after the point, cannot be stored |
| `real`, `double` | `FLOAT`, `DOUBLE` | NaN and infinities are an error |
| `timestamp` | `DATETIME(6)` | from the year 1000 to 9999 |
| `timestamptz` | `TIMESTAMP(6)`, in UTC | from 1970-01-01 00:00:01 to 2038-01-19 (MariaDB 11.5: 2106), else an error |
| `time` | `TIME(6)` | a negative one, or of 24 hours and more, is an error when it is read |
| `uuid` | `CHAR(36)` with collation `ascii_bin` | that is how it is recognised; MariaDB's own `UUID` is too |
| `json` | `JSON`: MySQL's own type, in MariaDB a text with a check | which keeps it as it came |
| arrays, `struct` | `JSON` | |
| `ENUM`, `SET` | are read as text, `YEAR` as `smallint`, `BIT(n)` as `ubigint`, spatial types as binary | |

Tables that flowc makes compare texts by their code points, case and trailing spaces included. In a table with another
collation flowc tells keys apart as the collation does, and values by their bytes; what the author's SQL compares
follows the collation. A value that a column's own type would change (an `ENUM` by number, `CHAR(n)` with trailing
spaces, `BINARY(n)`, `DOUBLE(m,d)`) is an error.
Dates such as `0000-00-00`, which a lax session may have stored, are an error that names the column and the row.

## How Delta stores them

| type | Delta's type |
|---|---|
| `boolean`, `date`, `binary` | the same |
| `tinyint`, `smallint`, `integer`, `bigint` | `byte`, `short`, `integer`, `long` |
| `utinyint`, `usmallint`, `uinteger` | `short`, `integer`, `long`: wider, for it has no unsigned ones |
| `ubigint`, `hugeint` | `decimal(20,0)`, `decimal(38,0)` |
| `real`, `double` | `float`, `double`, with NaN and infinities |
| `numeric(p,s)` | `decimal(p,s)` of up to 38 digits; without precision `decimal(38,10)` |
| `text`, `varchar(n)`, `uuid`, `json` | `string`; lengths, uuids and JSON are checked by flowc when they are loaded |
| `timestamp` | `timestamp_ntz`, microseconds; a finer value is an error |
| `timestamptz` | `timestamp`, microseconds, in UTC |
| arrays, `struct` | `array`, `struct` |
| `time`, `interval` | cannot be stored, an error |

What fits into what is said in [the semantics](../semantics.md#values).
"""


def _spelled(name: str, engine: str) -> str:
    dialect, kind = DIALECTS[engine], parse_type(name)
    try:
        words = f"`{spell(kind, dialect)}`"
    except UsageError:
        return "—"
    return words if stored(kind, dialect) == kind else f"{words} (wider)"


def normalisers() -> Iterator[str]:
    """Each normaliser's SQL on each engine."""
    yield f"""# Normalisers

{NOTE}
Normalisers clean a column on its way into the table: `normalize: [trim, lower, empty_to_null]`. They run in the
order in which they are written, as one SQL expression in the target's database, before `expect` looks at the
rows and before keys are compared. NULL stays NULL, but for `default`, `derive` and `sql`. A text that a
`parse_…` cannot read is an error that shows the rows, never a NULL. A column with a normaliser is judged by its
type after it, so it may read text into a number.

Case changes letter by letter, so that no text becomes longer; ß stays, but DuckDB makes it ẞ in upper case. On
PostgreSQL, case follows the locale of the database; with locale `C` only ASCII letters change. The functions whose
names begin with `flowc_` are flowc's own: SQLite has no such functions, so they are added to its connections.
"""
    for name, argument, words in NORMALISERS:
        written = name if argument is None else f"{name}: {_written(argument)}"
        yield f"\n## {name}\n\n{words} `normalize: [{written if argument is None else f'{{ {written} }}'}]`\n\n"
        yield _table(["engine", "SQL"], ([label, _cleaned(name, argument, e)] for label, e in ENGINES.items()))
        yield REMARKS.get(name, "")


def _written(argument: object) -> str:
    if isinstance(argument, dict):
        return "{ " + ", ".join(f'{key}: "{value}"' for key, value in argument.items()) + " }"
    return f'"{argument}"'


def _cleaned(name: str, argument: object, engine: str) -> str:
    given = None if argument is None else Located(argument, PLACE)
    kind = parse_type(INTO.get(name, "text"))
    column = ColumnSpec(
        Located("x", PLACE), Located(kind, PLACE), normalize=(NormalizeSpec(Located(name, PLACE), given),)
    )
    sql = " ".join(normalizer_sql(column, "x", DIALECTS[engine]).split())
    return f"`{sql}`".replace("|", "\\|")


def diagnostics() -> Iterator[str]:
    """Every code, with the first sentence of its page."""
    yield f"""# Diagnostics

{NOTE}
Every problem that flowc reports has a code. `flowc explain CODE` shows its page: what it means, an example and the fix.

"""
    pages = ((code, page(code)) for code in codes())
    rows = ([f"[`{c}`](../diagnostics/{c}.md)", p.summary.split(". ")[0].rstrip(".") + "."] for c, p in pages if p)
    yield _table(["code", "what it means"], rows)


def _table(headers: list[str], rows: Iterable[list[str]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "types.md": types,
    "denied-functions.md": denied_functions,
    "normalisers.md": normalisers,
    "diagnostics.md": diagnostics,
}


if __name__ == "__main__":
    sys.exit(main())
