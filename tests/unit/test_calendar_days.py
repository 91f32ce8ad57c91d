"""Days that no calendar has are found by patterns, as PostgreSQL's readers stop at them without saying where."""

from __future__ import annotations

import re
from calendar import month_name
from datetime import datetime

import pytest

from flowc.compiler.loads.conversion import _ISO
from flowc.compiler.timeformat import impossible, pattern
from flowc.types import Kind

YEARS = (1, 4, 100, 400, 1900, 1999, 2000, 2023, 2024, 2068, 2100, 9999)
TEMPLATES = ("%Y-%m-%d", "%d/%m/%Y", "%d %b %Y", "%B %d, %Y", "%m/%d/%y", "%d.%m.%Y %H:%M", "%Y-%j", "%y%j")


def is_day(year: int, month: int, day: int) -> bool:
    try:
        datetime(year, month, day)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("template", [t for t in TEMPLATES if "%d" in t])
def test_days_of_months(template: str):
    shape, never = re.compile(pattern(template)), re.compile(str(impossible(template)))
    for year in YEARS if "%Y" in template else range(1969, 2069):
        for month in range(1, 13):
            for day in range(1, 32):
                made = template.replace("%H:%M", "10:00").replace("%Y", f"{year:04}").replace("%y", f"{year % 100:02}")
                made = made.replace("%m", f"{month:02}").replace("%d", f"{day}")
                made = made.replace("%b", month_name[month][:3].lower()).replace("%B", month_name[month])
                assert shape.search(made)
                assert bool(never.search(made)) != is_day(year, month, day), made


@pytest.mark.parametrize("template", ["%Y-%j", "%y%j"])
def test_days_of_years(template: str):
    never = re.compile(str(impossible(template)))
    for year in YEARS if "%Y" in template else range(1969, 2069):
        for day in (1, 60, 365, 366):
            made = template.replace("%Y", f"{year:04}").replace("%y", f"{year % 100:02}").replace("%j", f"{day:03}")
            leap = is_day(year, 2, 29)
            assert bool(never.search(made)) == (day == 366 and not leap), made


@pytest.mark.parametrize("template", ["%Y", "%H:%M", "%m/%Y"])
def test_formats_without_days_are_always_right(template: str):
    assert impossible(template) is None


def test_iso_days():
    for year in YEARS:
        for month in range(1, 14):
            for day in range(32):
                made = f"{year:04}-{month:02}-{day:02}"
                assert bool(re.search(_ISO[Kind.DATE], made)) == is_day(year, month, day), made
    assert not re.search(_ISO[Kind.DATE], "0000-02-29")
