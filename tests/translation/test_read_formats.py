"""Formats of to_timestamp and to_date over files: what PostgreSQL reads by them, or a refusal before anything runs."""

from __future__ import annotations

import random

import pytest

from tests.translation.corpus import Case
from tests.translation.engines import Failed, Run, open_datafusion, open_postgres
from tests.translation.outcomes import translated

_FIELDS = {
    "YYYY": "2026", "MM": "03", "DD": "09", "HH24": "17", "MI": "42", "SS": "31", "HH12": "05", "AM": "PM",
    "DDD": "068",
    "Mon": "Mar", "YY": "26", "US": "123456", "IYYY": "2026", "IW": "11", "ID": "1",
}  # fmt: skip
_SEPARATORS = ("-", "/", " ", ":", ".")

ORDINARY = """
YYYY-MM-DD
DD/MM/YYYY
YYYYMMDD
YYYY-MM-DD HH24
DD/MM/YYYY HH24
YYYY-MM-DD HH12 AM
YYYY-MM-DD HH24:MI
YYYY-MM-DD HH24:MI:SS
DD/MM/YYYY HH24:MI
YYYY-MM-DD HH12:MI AM
YYYY-MM-DD HH12:MI:SS AM
YYYYMMDDHH24MISS
Mon DD YYYY
HH24:MI DD/MM/YYYY
""".strip().splitlines()
REFUSED = ("YYYY-MM-DD MI", "YYYY-MM", "YYYY", "HH24:MI", "YYYY-MM-DD HH12", "YYYY-MM-DD HH24:SS", "YYYY YYYY-MM-DD")


def _formats() -> list[str]:
    chance = random.Random(20260309)
    found = [*ORDINARY, *REFUSED]
    for _ in range(300):
        usual = chance.random() < 0.7
        fields = chance.sample(list(_FIELDS)[: 8 if usual else None], chance.randint(1, 7))
        if usual and chance.random() < 0.7:
            fields = chance.sample(sorted({*fields, "YYYY", "MM", "DD"}), len({*fields, "YYYY", "MM", "DD"}))
        found.append("".join(mark + chance.choice(_SEPARATORS) for mark in fields)[:-1])
    return found


def _text(form: str) -> str:
    for mark in sorted(_FIELDS, key=len, reverse=True):
        form = form.replace(mark, f"<{list(_FIELDS).index(mark)}>")
    for place, value in enumerate(_FIELDS.values()):
        form = form.replace(f"<{place}>", value)
    return form


@pytest.mark.parametrize("function", ["to_timestamp", "to_date"])
def test_a_format_reads_what_it_reads_in_postgresql(function: str, postgres_module: str):
    with open_postgres(postgres_module) as postgres, open_datafusion() as own:
        wrong = {form: why for form in _formats() if (why := _wrong(function, form, postgres, own))}
    assert wrong == {}


def _wrong(function: str, form: str, postgres: Run, own: Run) -> object:
    line = f"SELECT ({function}(t, '{form}'))::timestamp::text FROM (VALUES ('{_text(form)}')) AS v(t)"
    text, why = translated(Case("formats", "postgres", line, line, ()), "datafusion")
    if text is None:
        return why if form in ORDINARY or "format" not in why else None
    try:
        expected = postgres(line)
    except Failed:
        expected = []
    try:
        given = own(text)
    except Failed as failure:
        return (text, str(failure)) if expected else None
    return None if given == expected and form not in REFUSED else (text, given, expected)
