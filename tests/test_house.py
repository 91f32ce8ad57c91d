"""The rules of the house: budgets for functions and files, docstrings, layers, and what the repository may not hold."""

from __future__ import annotations

import ast
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest

from flowc import formats
from flowc.systems import SYSTEMS as SYSTEM_TABLE
from flowc.systems import Layer

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = sorted((ROOT / "flowc").rglob("*.py"))
PYTHON = [*PACKAGE, *sorted(p for name in ("tests", "benchmarks", "scripts") for p in (ROOT / name).rglob("*.py"))]
SUFFIXES = {".md", ".toml", ".yaml", ".yml", ".json", ".py", ".sh", ".html", ".sql"}
MADE = {".venv", ".git", "build", "dist", ".flowc", ".hypothesis"}


def texts() -> Iterator[Path]:
    """What people have written. Every process of a run of tests looks for it, so what was made is not looked into."""
    for folder, inner, files in os.walk(ROOT):
        inner[:] = [name for name in inner if name not in MADE]
        scripts = Path(folder) in (ROOT / "scripts", ROOT / ".ci")
        yield from (path for name in files if (path := Path(folder, name)).suffix in SUFFIXES or scripts)


TEXTS = sorted(texts())

LONGEST_FUNCTION = 40
MEDIAN_FUNCTION = 10
LONGEST_FILE = 600

# Spelt in parts, so that this file does not hold what it forbids.
UNFINISHED = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX", "Not" + "Implemented" + "Error")) + r"\b")
MACHINE_PATHS = re.compile(
    "|".join(("/wo" + "rk/", "/ro" + "ot/", "/ho" + r"me/(?!ada/|user/)\w+/", r"\.r-se" + "ed", "/opt/wh" + "eels"))
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and length of every function, its docstring not counted."""
    for node in ast.walk(tree(path)):
        if isinstance(node, Function):
            first = node.body[0]
            docstring = first.end_lineno - first.lineno + 1 if ast.get_docstring(node) and first.end_lineno else 0
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1 - docstring


def test_functions_are_short():
    lengths = dict(entry for path in PACKAGE for entry in functions(path))
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FUNCTION} == {}
    assert statistics.median(lengths.values()) <= MEDIAN_FUNCTION


def test_files_are_short():
    lengths = {str(path.relative_to(ROOT)): path.read_text("utf-8").count("\n") for path in PYTHON}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


DOCSTRING = re.compile(r'(#.*\n|\s)*[rR]?("""|"|\')')


def test_modules_say_what_they_are():
    texts = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in PYTHON}
    silent = [name for name, text in texts.items() if text and not DOCSTRING.match(text)]
    assert silent == []


def test_public_names_are_documented():
    silent = []
    for path in PACKAGE:
        for node in tree(path).body:
            public = isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_")
            if public and not ast.get_docstring(node):
                silent.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert silent == []


@pytest.mark.parametrize(
    ("pattern", "where"), [(UNFINISHED, PACKAGE), (MACHINE_PATHS, TEXTS)], ids=["unfinished", "paths"]
)
def test_nothing_forbidden_is_in_the_repository(pattern: re.Pattern[str], where: list[Path]):
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in where
        for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def imports(module: Path) -> Iterator[str]:
    """The modules of flowc that it imports as it is loaded or in a function, without those that only types name."""
    nodes = [*ast.walk(tree(module))]
    typing = [node for node in nodes if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    types = {inner for node in typing for inner in ast.walk(node)}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node not in types:
            names = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            yield from names or {node.module or ""} & MODULES.keys()


MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in PACKAGE}


def test_no_import_inside_a_function_hides_a_cycle():
    """Modules are imported inside functions to start fast, and for nothing else."""
    TopologicalSorter({name: {*imports(path)} - {name} for name, path in MODULES.items()}).prepare()


def test_layers():
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


SYSTEMS = {path.stem for path in (ROOT / "schemas/connectors").glob("*.json")} | {"mariadb", "datafusion"}
ROOMS = ("flowc/compiler/systems/", "flowc/runtime/systems/", "flowc/compiler/sql/rewrite/")
"""What is in them is of one system. Rules of rewriting ask which dialect a query was written in, for that is what they
are about: there is one for each way in which two dialects differ.
"""
REGISTRIES = {
    "flowc/cli/doctor.py": "packages of Python",
    "flowc/compiler/dialects.py": "dialects of authors that no room speaks",
    "flowc/compiler/sql/binding/__init__.py": "the engines whose catalogs are kept",
    "flowc/service/checking/__init__.py": "the engines at hand that are asked about SQL",
    "flowc/systems.py": "the rooms of each system",
}
"""Tables by the kind of system. All else asks a record: of a schema (`compiler/front/kinds`, `streamkinds`), of a
dialect (`compiler/dialects`), of a system (`flowc/systems`) or of a target (`flowc/targets`).
"""
NAMED = {
    "flowc/compiler/ir.py", "flowc/systems.py", "flowc/targets.py",
}  # fmt: skip
"""Modules outside of rooms that hold the name of a system of streams at all, but for `files`, which is a noun too."""

KIND = re.compile(r"\b(kind|engine|dialect|system)(\.value|\.name)?$|\b(dialect|engine)\.name$")


def _names_systems(module: ast.Module) -> Iterator[tuple[int, str]]:
    """The lines in which values are compared with the name of a system, or names of systems are listed."""
    named = {
        target.id
        for node in module.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and _is_system(node.value)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(module):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            held = [side for side in sides if _is_system(side) or (isinstance(side, ast.Name) and side.id in named)]
            # `files` is also a noun: what a system holds.
            asks_kind = any(KIND.search(ast.unparse(side)) for side in sides)
            if any(asks_kind or not (isinstance(side, ast.Constant) and side.value == "files") for side in held):
                yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.MatchValue) and _is_system(node.value):
            yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Tuple | ast.List | ast.Set | ast.Dict):
            listed = node.keys if isinstance(node, ast.Dict) else node.elts
            literal = {item.value for item in listed if item is not None and _is_system(item)} - {"files"}
            constants = {item.id for item in listed if isinstance(item, ast.Name)} & named
            if literal or len(constants) > 1:
                yield node.lineno, ast.unparse(node)


def _is_system(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in SYSTEMS


def test_systems_are_told_apart_by_what_they_can_do():
    """Outside of rooms and registries, nothing is compared with the name of a system, and no names are listed."""
    seen = {
        path: [f"{path}:{line}: {code}" for line, code in _names_systems(tree(ROOT / path))]
        for path in (str(path.relative_to(ROOT)) for path in PACKAGE)
        if not path.startswith(ROOMS)
    }
    assert [line for path, lines in seen.items() if path not in REGISTRIES for line in lines] == []
    assert [path for path in REGISTRIES if not seen[path]] == []


ASKED = {"compiler": {"dialect", "rewrite", "changes", "target"}, "runtime": {"session", "limits", "source", "target"}}
"""The files of rooms that are found by the kind of a system."""


@pytest.mark.parametrize("layer", ASKED)
def test_the_table_of_systems_has_the_files_of_their_rooms(layer: Layer):
    rooms = {kind: set(system.files(layer)) for kind, system in SYSTEM_TABLE.items() if system.files(layer)}
    folders = [path for path in (ROOT / f"flowc/{layer}/systems").iterdir() if (path / "__init__.py").is_file()]
    found = {path.name: {file.stem for file in path.glob("*.py")} & ASKED[layer] for path in folders}
    assert rooms == {kind: files for kind, files in found.items() if kind != "shared"}


def test_few_modules_hold_the_name_of_a_system_of_streams():
    schemas = (ROOT / "schemas/connectors").glob("*.json")
    systems = {path.stem for path in schemas if '"x-stream"' in path.read_text("utf-8")} - {"files"}
    found = {
        str(path.relative_to(ROOT))
        for path in PACKAGE
        if "systems" not in path.parts
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and node.value in systems
    }
    assert found == NAMED


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ('x = kind == "mysql"', False),
        ('x = target.kind.value != "postgres"', False),
        ('x = engine in ("postgres", "duckdb")', False),
        ('x = kind == "files"', False),
        ('_A = "sqlite"\nx = kind == _A', False),
        ('_A = _B = "sqlite"\nx = plan.kind != _B', False),
        ('_A, _B = "sqlite", "duckdb"', False),
        ('_A = frozenset({"delta"})', False),
        ('_A = {"mysql": 1}', False),
        ('match kind:\n    case "kafka":\n        pass', False),
        ('x = noun(name) == "files"', True),
        ('EMBEDDED = "sqlite"\nx = open_database(EMBEDDED, {"path": path})', True),
        ('x = DIALECTS["sqlite"]', True),
    ],
)
def test_a_name_of_a_system_is_seen(code: str, allowed: bool):
    assert (not list(_names_systems(ast.parse(code)))) is allowed


TARGET_RECORDS = {
    node.name
    for node in tree(ROOT / "flowc/targets.py").body
    if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "TargetPlan" for base in node.bases)
}


def _asks_for_a_record(module: ast.Module) -> Iterator[int]:
    """The lines that ask which record a target of a stream has, under any name that the module gives the record."""
    names = {
        alias.asname or alias.name
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name in TARGET_RECORDS
    }
    for node in ast.walk(module):
        asked: list[ast.AST] = []
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass"):
            asked = list(node.args[1:])
        elif isinstance(node, ast.MatchClass):
            asked = [node.cls]
        elif isinstance(node, ast.Compare) and "type(" in ast.unparse(node):
            asked = [node.left, *node.comparators]
        held = (inner for each in asked for inner in ast.walk(each))
        if any(getattr(inner, "id", getattr(inner, "attr", "")) in names | TARGET_RECORDS for inner in held):
            yield node.lineno


def test_targets_are_told_apart_by_what_they_can_do():
    """What a target can do is asked of its record; which record it is, only its module and the rooms of systems ask."""
    own = ("flowc/targets.py", "flowc/compiler/systems/", "flowc/runtime/systems/")
    paths = (path for path in PACKAGE if not str(path.relative_to(ROOT)).startswith(own))
    found = [f"{path.relative_to(ROOT)}:{line}" for path in paths for line in _asks_for_a_record(tree(path))]
    assert found == []


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("isinstance(target, TableTarget)", False),
        ("isinstance(target, FilesTarget | TopicTarget)", False),
        ("isinstance(target, (stream.TopicTarget, int))", False),
        ("from flowc.stream import TableTarget as T\nisinstance(target, T)", False),
        ("type(target) is ConnectorTarget", False),
        ("match target:\n    case TopicTarget(topic=t):\n        pass", False),
        ("isinstance(target, TargetPlan)", True),
        ("TopicTarget('bus', 't', 'json', ())", True),
    ],
)
def test_a_question_for_a_record_is_seen(code: str, allowed: bool):
    assert (not list(_asks_for_a_record(ast.parse(code)))) is allowed


TIME_OF_DAY = {
    "flowc/cli/dlq.py", "flowc/service/alerts/outage.py", "flowc/service/daemon/watch.py", "flowc/web/views.py",
}  # fmt: skip
"""Where it is reckoned with: `--older-than`, and pages, are about times that were written down, latency about those of
brokers, an outage of the run log about the time of a file that another process has made.
"""


def test_no_time_is_measured_by_a_clock_that_is_set():
    """What waits, ends or is renewed goes by `time.monotonic()`; the time of day is only written down."""
    asked = re.compile(r"\b(?:time\.time|(?<!monotonic_)time_ns|datetime\.(?:now|utcnow))\(")
    found = {
        str(path.relative_to(ROOT))
        for path in PACKAGE
        if asked.search(path.read_text("utf-8"))
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Compare) or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub))
        if asked.search(ast.unparse(node))
    }
    assert found == TIME_OF_DAY


OPENERS = {
    "read_bytes", "write_bytes", "read_text", "write_text", "touch", "truncate", "copy", "copy2", "copyfile",
    "copytree", "move", "OSFile", "memory_map", "input_stream", "GzipFile", "ParquetFile", "read_metadata",
}  # fmt: skip
"""Functions that open a file by its path, beside `open` itself."""
OPEN = re.compile(r"(?:os\.)?open\(|.+\.open\(['\"][rwabx+]+['\"]")
IN_MEMORY = re.compile(r"(?!shutil\.|os\.).+\.(?:copy|move|truncate)\(")
"""Methods of values that have such a name too."""
OPENS_FILES = {
    "flowc/cli/completing.py": "its own file of the words that it completes",
    "flowc/cli/init.py": "the starter project",
    "flowc/cli/main.py": "/dev/null", "flowc/cli/streams.py": "/dev/null",
    "flowc/cli/serving.py": "a file of tokens", "flowc/cli/specnames.py": "specs",
    "flowc/compiler/front/schemas.py": "schemas of the package", "flowc/compiler/front/specfiles.py": "specs",
    "flowc/compiler/lowering/functions.py": "modules of the project",
    "flowc/compiler/lowering/functioncode.py": "modules of the project",
    "flowc/compiler/sql/binding/catalog.py": "a table of the package",
    "flowc/compiler/sql/denied/__init__.py": "a table of the package",
    "flowc/compiler/sql/binding/mysqlcatalog.py": "a table of the package",
    "flowc/compiler/sql/rewrite/functions/__init__.py": "a table of the package",
    "flowc/render/pages.py": "pages of the package", "flowc/web/views.py": "files of the package",
    "flowc/runtime/formats/encoding.py": "/dev/null",
    "flowc/runtime/formats/aside.py": "a new file of bad rows, and its own spool",
    "flowc/runtime/stores/lock.py": "a lock of its own, by flock",
    "flowc/runtime/stores/local.py": "files of its own",
    "flowc/runtime/systems/delta/watermarks.py": "a watermark of its own",
    "flowc/runtime/stores/filelooks.py": "what `Folder.file` gives",
    "flowc/runtime/stores/files.py": "what `Folder.file` gives",
    "flowc/runtime/formats/parquet/framing.py": "what `Folder.file` gives",
    "flowc/runtime/stores/members.py": "what `Folder.file` gives",
    "flowc/runtime/stores/inuse.py": "what `Folder.file` gives",
    "flowc/runtime/engine/parquetfiles.py": "what `Folder.file` gives",
    "flowc/runtime/engine/parquetdamage.py": "what `Folder.file` gives",
    "flowc/runtime/stores/private.py": "a new file",
    "flowc/runtime/formats/parquet/sizes.py": "what `Folder.file` gives", "flowc/runtime/spool.py": "its own files",
    "flowc/runtime/scratch.py": "a lock of its own, by flock",
    "flowc/runtime/systems/files/formats.py": "a new file",
    "flowc/service/alerts/outage.py": "two empty files of its own",
    "flowc/service/access/locks.py": "files of /proc", "flowc/service/access/secrets.py": "a file of one secret",
    "flowc/service/access/userfile.py": "the settings of the user", "flowc/service/access/writing.py": "a new file",
    "flowc/service/changes/saved.py": "a saved plan", "flowc/service/daemon/host.py": "/dev/null",
}  # fmt: skip
"""What may be opened and closed where. No file of a database is: that drops all locks which this process has on it."""
CONNECTS = {
    "flowc/runtime/systems/sqlite/session.py": {"sqlite3": ("self._path", "':memory:'")},
    "flowc/runtime/systems/duckdb/names.py": {"duckdb": ("path", "memory")},
    "flowc/runtime/engine/parquetdamage.py": {"duckdb": ("",)},
    "flowc/service/checking/sqlite.py": {"sqlite3": ("':memory:'",)},
    "flowc/service/checking/duckdb.py": {"duckdb": ("",)},
}  # fmt: skip
"""Where embedded databases are connected to, each file by one library."""
OTHER_LIBRARIES = re.compile(r"\b(adbc_driver_sqlite|apsw|pysqlite\w*|aiosqlite|sqlalchemy|sqlcipher\w*|turso\w*)\b")


def _opens(call: ast.Call) -> bool:
    """Whether a call opens a file by its path, by its name alone."""
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    if name == "open":
        return OPEN.match(ast.unparse(call)) is not None
    return isinstance(call.func, ast.Attribute) and name in OPENERS and not IN_MEMORY.match(ast.unparse(call))


def test_no_file_of_a_database_is_opened_by_the_way():
    """A process that closes any descriptor of a file loses all its locks on it."""
    found = {
        str(path.relative_to(ROOT))
        for path in PACKAGE
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and _opens(node)
    }
    assert found == OPENS_FILES.keys()


def test_each_file_of_a_database_is_opened_by_one_library():
    """Each copy of a library has a list of its own of the files that it has open, and closes those of others."""
    found: dict[str, dict[str, set[str]]] = {}
    for path in PACKAGE:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("sqlite3.connect", "duckdb.connect"):
                library, given = ast.unparse(node.func).partition(".")[0], [ast.unparse(each) for each in node.args[:1]]
                made = found.setdefault(str(path.relative_to(ROOT)), {}).setdefault(library, set())
                made.add(given[0] if given else "")
    assert found == {name: {kind: set(of) for kind, of in each.items()} for name, each in CONNECTS.items()}
    assert [str(path) for path in PACKAGE if OTHER_LIBRARIES.search(path.read_text("utf-8"))] == []


FORKS = re.compile(r"\bos\.fork\w*\(|\bmultiprocessing\b|\bProcessPoolExecutor\b|\bpreexec_fn\b")


def test_no_session_of_a_database_goes_over_a_fork():
    """SQLite in a child takes the locks of its parent for its own. The one fork comes before any session."""
    assert [path.name for path in PACKAGE if FORKS.search(path.read_text("utf-8"))] == ["host.py"]
    main = next(
        each for each in tree(ROOT / "flowc/service/daemon/host.py").body
        if isinstance(each, ast.FunctionDef) and each.name == "main"
    )  # fmt: skip
    assert ast.unparse(main.body[1]) == "source, sink = _spilling()"


def test_marks_on_nodes_stand_in_one_table():
    """`compiler/sql/marks.py` names, types and explains each key in the metadata of sqlglot's nodes."""
    marks, copies = "flowc/compiler/sql/marks.py", "flowc/compiler/sql/text/sqltext.py"
    elsewhere = [
        f"{name}:{node.lineno} {node.attr}"
        for path in PACKAGE
        if (name := str(path.relative_to(ROOT))) != marks
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and node.attr in ("meta", "meta_get", "_meta")
        if not (name == copies and node.attr == "_meta")
        if not name.startswith("flowc/runtime/")  # which knows no sqlglot
    ]
    assert elsewhere == []


def test_each_mark_says_what_it_means():
    body = tree(ROOT / "flowc/compiler/sql/marks.py").body
    marks = [node for node in body if isinstance(node, ast.AnnAssign)]
    explained = [one for one, other in pairwise(body) if isinstance(one, ast.AnnAssign) and isinstance(other, ast.Expr)]
    keys = [node.value.args[0].value for node in marks if isinstance(node.value, ast.Call)]
    assert explained == marks
    assert len({*keys}) == len(keys) > 20


FORMAT_WORD = re.compile(r"\bformat(\.value)?$")


def _names_formats(module: ast.Module) -> Iterator[tuple[int, str]]:
    """The lines in which a format is compared with a name, or is looked up among names."""
    names = {name for name, value in vars(formats).items() if name.isupper() and isinstance(value, str)}
    for node in ast.walk(module):
        sides = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
            sides = [*(node.func.value.keys if isinstance(node.func.value, ast.Dict) else []), *node.args]
        if any(FORMAT_WORD.search(ast.unparse(side)) for side in sides if side) and any(
            (isinstance(part, ast.Constant) and part.value in formats.FORMATS)
            or (isinstance(part, ast.Name) and part.id in names)
            for side in sides
            if side
            for part in ast.walk(side)
        ):
            yield node.lineno, ast.unparse(node)


def test_formats_are_told_apart_by_what_they_can_do():
    """Outside of the packages of formats and the table, no format is compared with a name."""
    seen = [
        f"{path.relative_to(ROOT)}:{line}: {code}"
        for path in PACKAGE
        if "runtime/formats" not in str(path)
        for line, code in _names_formats(tree(path))
    ]
    assert seen == []


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ('x = read.format == "csv"', False),
        ('x = source.spec.format.value in ("json", "jsonl")', False),
        ("x = plan.format != PARQUET", False),
        ('x = {"csv": 1}.get(self.format)', False),
        ("x = FORMATS[read.format].headed", True),
        ("x = source.format or JSON", True),
    ],
)
def test_a_name_of_a_format_is_seen(code: str, allowed: bool):
    assert (not list(_names_formats(ast.parse(code)))) is allowed
