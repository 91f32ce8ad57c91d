"""Connections from every place they may come from, first hit wins.

`FLOWC_DSN_<NAME>`, then `FLOWC_DSN` for the name `default`, then the chosen environment, the project, the project's
`.flowc/connections.yaml` and the user's. A DSN from the environment stays a `${env:…}` reference; its text is looked
at only for the scheme, and never kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from flowc.compiler.front.hiding import read_tree
from flowc.compiler.front.kinds import address, kinds
from flowc.compiler.front.reach import Reach
from flowc.compiler.front.schemacheck import check
from flowc.compiler.front.spec import ConnectionSpec
from flowc.compiler.front.specfiles import display, is_readable, read_text
from flowc.compiler.front.yamltree import Entry, Scalar, TreeMap, plain
from flowc.diagnostics import Reporter, did_you_mean
from flowc.source import Located, SourceFile, Span

USER_FILE = ".flowc/connections.yaml"
_PREFIX = "FLOWC_DSN"


@cache
def schemes() -> Mapping[str, str]:
    """The kind of a connection by the scheme of its DSN."""
    return {scheme: kind for kind in kinds() for scheme in address(kind).schemes}


def variable_name(connection: str) -> str:
    """The environment variable that overrides a connection."""
    return f"{_PREFIX}_{re.sub(r'[^A-Za-z0-9]', '_', connection).upper()}"


def build_connection(entry: Entry, origin: str) -> ConnectionSpec:
    """One entry of `connections`, whose shape has been checked."""
    node = entry.value
    assert isinstance(node, TreeMap)
    kind = node.entries["kind"].value
    assert isinstance(kind, Scalar)
    own = {key: e.value for key, e in node.entries.items() if key != "kind"}
    return ConnectionSpec(
        name=Located(entry.key.text, entry.key.span),
        kind=Located(kind.text, kind.span),
        options={key: plain(value) for key, value in own.items()},
        spans={key: value.span for key, value in own.items()},
        origin=origin,
    )


def home_folder(env: Mapping[str, str]) -> Path | None:
    """The user's own folder, where the environment names one."""
    home = env.get("HOME") or env.get("USERPROFILE")
    return Path(home).absolute() if home else None


def connection_layers(
    reach: Reach,
    reporter: Reporter,
    *,
    env: Mapping[str, str],
    project: Mapping[str, ConnectionSpec],
    environment: Mapping[str, ConnectionSpec],
) -> tuple[Mapping[str, ConnectionSpec], ...]:
    """Every layer by name, the strongest first."""
    home = home_folder(env)
    own = reach.root / USER_FILE
    below = [environment, project, _file_layer(own, reporter) if _may_read(own, reach, reporter) else {}]
    if home is not None and home != reach.root.absolute():
        below.append(_file_layer(home / USER_FILE, reporter))
    names = {name for layer in below for name in layer}
    return (_environment_variables(env, names, reporter), *below)


def layered_connections(
    reach: Reach,
    reporter: Reporter,
    *,
    env: Mapping[str, str],
    project: Mapping[str, ConnectionSpec],
    environment: Mapping[str, ConnectionSpec],
) -> Mapping[str, ConnectionSpec]:
    """The connection that each name means, with its origin."""
    layers = connection_layers(reach, reporter, env=env, project=project, environment=environment)
    return {name: spec for layer in reversed(layers) for name, spec in layer.items()}


def find_connection(connections: Mapping[str, ConnectionSpec], name: str) -> ConnectionSpec | None:
    """The connection of that name; one that only a variable declares answers to every spelling of its name."""
    if found := connections.get(name):
        return found
    origin = f"variable {variable_name(name)}"
    return next((spec for spec in connections.values() if spec.origin == origin), None)


def _environment_variables(
    env: Mapping[str, str], names: Sequence[str] | set[str], reporter: Reporter
) -> Mapping[str, ConnectionSpec]:
    by_variable = {variable_name(name): name for name in names}
    found: dict[str, ConnectionSpec] = {}
    for variable in sorted(key for key in env if key.startswith(f"{_PREFIX}_") and key != f"{_PREFIX}_" and env[key]):
        name = by_variable.get(variable, variable.removeprefix(f"{_PREFIX}_").lower().replace(".", "_"))
        if spec := _from_dsn(name, variable, env[variable], reporter):
            found[name] = spec
    if env.get(_PREFIX) and "default" not in found and (spec := _from_dsn("default", _PREFIX, env[_PREFIX], reporter)):
        found["default"] = spec
    return found


def _from_dsn(name: str, variable: str, dsn: str, reporter: Reporter) -> ConnectionSpec | None:
    file = SourceFile(f"${variable}", variable)
    span = Span(file, 0, len(variable))
    match = re.match(r"([A-Za-z][A-Za-z0-9]*)(?:\+[a-z0-9]+)?:", dsn)
    kind = schemes().get(match[1].lower()) if match else None
    if kind is None:
        known = ", ".join(f"`{scheme}://`" for scheme in schemes())
        helps = (did_you_mean(match[1], schemes()) if match else ()) or (f"begin it with one of {known}",)
        reporter.error("unknown-dsn-scheme", f"the URL in `{variable}` is of no known kind of database", helps=helps)
        return None
    return ConnectionSpec(
        Located(name, span), Located(kind, span), {"url": f"${{env:{variable}}}"}, {"url": span}, f"variable {variable}"
    )


def _may_read(path: Path, reach: Reach, reporter: Reporter) -> bool:
    """Whether the project's own file is not one of elsewhere, which might be shown. A link to there is reported."""
    if not path.is_file() or reach.holds(path.absolute()):
        return True
    helps = (
        f"let the project reach it: `allow_paths: ['{path.resolve().parent}']`",
        f"or keep the connections in your own `~/{USER_FILE}`, or in variables `{_PREFIX}_<NAME>`",
    )
    message = f"`{display(path)}` leads through a link out of the project `{reach.root}`"
    reporter.error("path-outside", message, helps=helps)
    return False


def _file_layer(path: Path, reporter: Reporter) -> Mapping[str, ConnectionSpec]:
    if not path.exists() or not is_readable(path, reporter) or (file := read_text(path, reporter)) is None:
        return {}
    root = read_tree(file, reporter)
    if not isinstance(root, TreeMap):
        return {}
    broken = check(root, reporter)
    for key in root.entries.keys() - {"connections", "version"}:
        message = f"`{display(path)}` may hold `connections` only"
        reporter.error("unknown-key", message, root.entries[key].key.span)
    node = root.get("connections")
    entries = node.entries if isinstance(node, TreeMap) and () not in broken else {}
    sound = ((name, entry) for name, entry in entries.items() if ("connections", name) not in broken)
    return {name: build_connection(entry, display(path)) for name, entry in sound}
