"""Python functions of a project in the SQL of streams."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from flowc.errors import FlowcError, UsageError
from flowc.runtime.contracts.epoch import END, Intent
from flowc.runtime.contracts.source import Polled
from flowc.runtime.engine.functions import load_functions
from tests.streams.compiled import NOON, Computed, messages, plan

MODULE = """
import flowc
import pyarrow as pa
import pyarrow.compute as pc

calls = []


def twice(numbers):
    calls.append(len(numbers))
    if pc.any(pc.equal(numbers, 13)).as_py():
        raise ValueError("thirteen is not for me")
    return pc.multiply(numbers, 2)


@flowc.udf(args=["bigint", "text"], returns="text")
def label(numbers, names):
    return pc.binary_join_element_wise(names, numbers.cast(pa.string()), "-")


class Product:
    def __init__(self):
        self.value = 1

    def update(self, numbers):
        self.value *= pc.product(numbers).as_py() or 1

    def merge(self, values):
        self.update(values)

    def state(self):
        return [self.value]

    def evaluate(self):
        return self.value
"""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A project's root with a module of functions."""
    (tmp_path / "own_functions.py").write_text(MODULE)
    yield tmp_path
    sys.path.remove(str(tmp_path)) if str(tmp_path) in sys.path else None
    for name in [name for name in sys.modules if name.endswith("own_functions")]:
        del sys.modules[name]


def _computed(root: Path, sql: str, to: str = "{ connection: wh, table: out }") -> Computed:
    made = plan(root, sql, to)
    return Computed(made, {"functions": load_functions(made.functions, root)})


def test_a_scalar_function_is_called_once_per_batch(root: Path) -> None:
    computed = _computed(root, "SELECT twice(id) + 1 AS v FROM source")
    (loaded,) = load_functions(plan(root, "SELECT twice(id) AS v FROM source").functions, root)
    assert computed.rows([{"id": 1}, {"id": None}, {"id": 3}]) == [{"v": 3}, {"v": None}, {"v": 7}]
    assert loaded.python.__globals__["calls"] == [3]


def test_calls_stand_inside_of_calls_and_see_the_epochs_clock(root: Path) -> None:
    computed = _computed(root, "SELECT twice(twice(id)) + twice(1) AS v FROM source")
    assert computed.rows([{"id": 1}, {"id": None}]) == [{"v": 6}, {"v": None}]
    computed = _computed(root, "SELECT twice(CAST(EXTRACT(YEAR FROM now()) AS bigint)) AS v FROM source")
    assert computed.rows([{"id": 1}]) == [{"v": 2 * 2024}]


def test_types_are_read_from_the_decorator_without_importing(root: Path) -> None:
    made = plan(root, "SELECT label(id, name) AS v FROM source")
    assert not any(name.endswith("own_functions") for name in sys.modules)
    assert [str(kind) for kind in (*made.functions[0].args, made.functions[0].returns)] == ["bigint", "text", "text"]
    assert made.targets[0].columns[0].type.kind == "text"
    computed = Computed(made, {"functions": load_functions(made.functions, root)})
    assert computed.rows([{"id": 1, "name": "a"}]) == [{"v": "a-1"}]


TYPED = """
import flowc
import pyarrow as pa
import pyarrow.compute as pc

@flowc.udf(args=["text[]", "numeric", "integer", "timestamptz"], returns="numeric(12,3)")
def label(tags, amounts, digits, times):
    kinds = [str(array.type) for array in (tags, amounts, digits, times)]
    assert kinds == ["list<item: string>", "decimal128(10, 2)", "int32", "timestamp[us, tz=UTC]"], kinds
    return pc.if_else(pc.equal(pc.list_value_length(tags), digits), amounts, None)
"""


def test_values_have_the_types_that_are_declared(root: Path) -> None:
    (root / "own_functions.py").write_text(TYPED)
    computed = _computed(root, "SELECT label(tags, CAST(name AS numeric(10,2)), 2, _event_ts) AS v FROM source")
    rows = computed.rows([{"name": "1.5", "tags": ["a", "b"]}, {"name": None, "tags": ["a", None]}, {"name": "2"}])
    assert rows == [{"v": Decimal("1.500")}, {"v": None}, {"v": None}]


def test_calls_inside_of_calls(root: Path) -> None:
    computed = _computed(root, "SELECT twice(twice(id)) AS v FROM source WHERE twice(id) > 2")
    assert computed.rows([{"id": 1}, {"id": 3}]) == [{"v": 12}]


def test_an_aggregate(root: Path) -> None:
    computed = _computed(root, "SELECT name, product(id) AS v FROM source GROUP BY name")
    rows = computed.rows([{"id": 2, "name": "a"}, {"id": 5, "name": "b"}, {"id": 7, "name": "a"}])
    assert sorted(rows, key=str) == [{"name": "a", "v": 14}, {"name": "b", "v": 5}]


def test_a_row_on_which_a_function_fails_is_isolated(root: Path) -> None:
    computed = _computed(root, "SELECT twice(id) AS v FROM source")
    assert computed.rows([{"id": i} for i in range(20)]) == [{"v": 2 * i} for i in range(20) if i != 13]
    assert computed.bad == ["13 function-failed: function `twice` failed: ValueError: thirteen is not for me"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return 1", "it returned int, and has to return an Arrow array"),
        ("return numbers.slice(0, 0)", "it returned 0 values for 1 rows"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_what_a_function_returns_is_looked_at(root: Path, body: str, words: str) -> None:
    (root / "own_functions.py").write_text(f"def twice(numbers):\n    {body}\n")
    computed = _computed(root, "SELECT twice(id) AS v FROM source")
    try:
        computed.rows([{"id": 1}])
    except FlowcError as error:  # it fails for no rows, too, so that no row is at fault
        computed.bad.append(str(error))
    assert f"function `twice` failed: {words}" in computed.bad[0].replace("TypeError: ", "").replace("ValueError: ", "")


def test_an_aggregate_that_fails_stops_with_its_name(root: Path) -> None:
    (root / "own_functions.py").write_text(MODULE.replace("return self.value\n", "raise KeyError('k')\n"))
    computed = _computed(root, "SELECT product(id) AS v FROM source")
    with pytest.raises(FlowcError, match="function `product` failed: KeyError: 'k'"):
        computed.epoch([{"id": 1}])


WINDOW = "SELECT name, product(id) AS id FROM {} GROUP BY window_start, window_end, name"


@pytest.mark.parametrize(
    "rows", ["tumble(source, INTERVAL '1 minute')", "hop(source, INTERVAL '1 minute', INTERVAL '2 minutes')"]
)
def test_an_aggregate_of_a_window(root: Path, rows: str) -> None:
    computed = _computed(root, WINDOW.format(rows))
    assert computed.rows([{"id": 2, "name": "a"}, {"id": 5, "name": "b"}, {"id": 7, "name": "a"}]) == []
    assert computed.rows([{"id": 3, "name": "a"}, {"name": "b"}]) == []
    found = sorted(_ended(computed), key=str)
    assert found == [{"name": name, "id": id_} for name, id_ in (("a", 42), ("b", 5)) for _ in range(len(found) // 2)]


def test_an_aggregate_of_a_session(root: Path) -> None:
    computed = _computed(root, WINDOW.format("session(source, INTERVAL '1 minute', INTERVAL '1 hour')"))
    assert computed.rows([{"id": 2, "name": "a"}, {"id": 5, "name": "b"}]) == []
    assert computed.rows([{"id": 3, "name": "a"}]) == []
    assert sorted(_ended(computed), key=str) == [{"name": "a", "id": 6}, {"name": "b", "id": 5}]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("return self.value\n", "raise KeyError('k')\n"),
        ("self.value *= pc.product(numbers).as_py() or 1", "raise KeyError('k')"),
    ],
)
def test_an_aggregate_of_a_window_that_fails_stops_with_its_name(root: Path, before: str, after: str) -> None:
    (root / "own_functions.py").write_text(MODULE.replace(before, after))
    computed = _computed(root, WINDOW.format("tumble(source, INTERVAL '1 minute')"))

    def run() -> None:
        computed.epoch([{"id": 1}])
        _ended(computed)

    with pytest.raises(FlowcError, match="function `product` failed: KeyError: 'k'"):
        run()
    assert computed.bad == []


def _ended(computed: Computed) -> list[dict[str, object]]:
    """What comes out at the end of all messages."""
    return list(computed.compute(Polled("source", messages([]), (), 0.0), Intent(9, NOON, (), END)).rows.to_pylist())


@pytest.mark.parametrize("text", ["", "raise RuntimeError('no')", "raise SystemExit", "def other(): pass"])
def test_a_function_that_is_not_there_says_where_it_was_looked_for(root: Path, text: str) -> None:
    (root / "own_functions.py").write_text(text)
    made = plan(root, "SELECT twice(id) AS v FROM source")
    with pytest.raises(UsageError) as failure:
        load_functions(made.functions, root)
    assert failure.value.code == "function-not-loaded"
    assert str(root) in str(failure.value.help)


def test_importing_flowc_stays_light() -> None:
    code = (
        "import sys, flowc; flowc.udf; print(sorted(set(sys.modules) & {'pyarrow', 'datafusion', 'duckdb', 'sqlglot'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
