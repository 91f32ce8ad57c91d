"""Checked nodes to a `ProjectSpec`: files merged by name, the environment applied."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from flowc.compiler.front import nodes
from flowc.compiler.front.alerts import AlertSpec, build_alert
from flowc.compiler.front.build_functions import build_function
from flowc.compiler.front.build_pipelines import build_pipeline
from flowc.compiler.front.build_streams import build_stream
from flowc.compiler.front.build_tables import build_table
from flowc.compiler.front.build_telemetry import build_telemetry
from flowc.compiler.front.build_tests import build_test
from flowc.compiler.front.connections import build_connection, layered_connections
from flowc.compiler.front.faults import Broken, Fault
from flowc.compiler.front.nodes import Context
from flowc.compiler.front.project import ConcurrencySpec, ProjectSpec, RunLogSpec, TelemetrySpec
from flowc.compiler.front.reach import Reach
from flowc.compiler.front.references import variables
from flowc.compiler.front.salvage import salvage
from flowc.compiler.front.spec import NO_GAPS, ConnectionSpec, Gaps, Json, Name, PipelineSpec, TableSpec
from flowc.compiler.front.yamltree import Entry, TreeMap, plain
from flowc.diagnostics import Note, did_you_mean, disabled_in

T = TypeVar("T")
LONGEST_PROJECT = 64
"""Characters of a project's name: it is a part of keys in databases."""


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """The tree of one spec file, and which of its entries have the wrong shape."""

    root: TreeMap
    broken: Broken


@dataclass(frozen=True, slots=True)
class Merged:
    """The entries of all files by section and name, and which of them are broken."""

    sections: Mapping[str, Mapping[str, Entry]]
    broken: frozenset[tuple[str, ...]]
    faults: Broken
    """What is wrong in those entries that count where a name is given twice."""

    def sound(self, section: str) -> Iterator[tuple[str, Entry]]:
        """The entries of a section whose shape is right."""
        for name, entry in self.sections.get(section, {}).items():
            if (section, name) not in self.broken:
                yield name, entry

    def readable(self, section: str) -> Iterator[tuple[str, Entry, Gaps]]:
        """The entries of a section, broken ones without what is broken in them."""
        for name, entry in self.sections.get(section, {}).items():
            if (section, name) not in self.broken:
                yield name, entry, NO_GAPS
            elif found := salvage(section, entry, self.faults.get((section, name), ())):
                yield name, Entry(entry.key, found.node), found.gaps


def build_project(
    files: Sequence[CheckedFile], context: Context, *, environment: str | None, env: Mapping[str, str], complete: bool
) -> ProjectSpec:
    """Merges files and builds every entry whose shape is right."""
    allowed = (*context.reach.allowed, *(path.value for path in _listed(files, "allow_paths")))
    context = replace(context, reach=Reach(context.reach.root, allowed))
    merged = _merge(files, context)
    chosen = _environment(merged, environment, context)
    project = {name: build_connection(entry, "project") for name, entry in merged.sound("connections")}
    connections = layered_connections(
        context.reach, context.reporter, env=env, project=project,
        environment=_environment_connections(chosen, environment, merged.broken),
    )  # fmt: skip
    tables = _build(merged, "tables", context, build_table)
    pipelines = _build(merged, "pipelines", context, build_pipeline)
    disabled = _listed(files, "lint", "disable")
    context.reporter.disable(code.value for code in disabled)
    telemetry = build_telemetry(_single(files, "telemetry", context))
    return ProjectSpec(
        root=str(context.reach.root),
        name=project_name(files, context),
        vars=_vars(merged, chosen),
        environment=environment,
        connections=connections,
        tables=tables,
        pipelines=pipelines,
        streams=_build(merged, "streams", context, build_stream),
        functions=_build(merged, "functions", context, build_function),
        tests=_build(merged, "tests", context, build_test),
        run_log=_run_log(_single(files, "run_log", context)),
        concurrency=_concurrency(_single(files, "concurrency", context)),
        telemetry=telemetry,
        alerts=_alerts(merged, chosen, environment),
        env=_listed(files, "env"),
        kept_from_sql=dict(_kept_from_sql(merged, connections, telemetry)),
        allow_paths=allowed,
        disabled=(*disabled, *_disabled_by_comments(files, context)),
        broken=merged.broken | _unbuilt(merged, "tables", tables) | _unbuilt(merged, "pipelines", pipelines),
        complete=complete,
    )


def _listed(files: Sequence[CheckedFile], section: str, key: str = "") -> tuple[Name, ...]:
    """What the lists of all files name, for the whole project."""
    held = (file.root.get(section) for file in files if (section,) not in file.broken)
    lists = (node.get(key) if key and isinstance(node, TreeMap) else node for node in held)
    return tuple(name for node in lists for name in nodes.names(node))


def _disabled_by_comments(files: Sequence[CheckedFile], context: Context) -> Iterator[Name]:
    texts = (*(file.root.span.file for file in files), *context.files.values())
    return (code for text in texts if text is not None for code in disabled_in(text))


def _kept_from_sql(
    merged: Merged, connections: Mapping[str, ConnectionSpec], telemetry: TelemetrySpec
) -> Iterator[tuple[str, str]]:
    """The variables that open what a project sends to or reads from, in this environment or another one."""
    for owner, sink in telemetry.sinks():
        yield from ((variable, f"`{owner}`") for variable in variables([sink.endpoint, *sink.headers.values()]))
    for name, spec in connections.items():
        yield from ((variable, f"connection `{name}`") for variable in variables(spec.options))
    environments = [plain(entry.value) for entry in merged.sections.get("environments", {}).values()]
    for section in ("alerts", "connections"):
        others = [held.get(section) for held in environments if isinstance(held, dict)]
        own = {name: plain(entry.value) for name, entry in merged.sections.get(section, {}).items()}
        for given in (own, *(other for other in others if isinstance(other, dict))):
            found = ((f"{section.removesuffix('s')} `{name}`", value) for name, value in given.items())
            yield from ((variable, owner) for owner, value in found for variable in variables(value))


def project_name(files: Sequence[CheckedFile], context: Context) -> str:
    """What the files call the project, else the name of its root folder."""
    found = [
        given for file in files if (given := nodes.name(file.root.get("project"))) and ("project",) not in file.broken
    ]
    for other in found[1:]:
        if other.value != found[0].value:
            note = Note(f"here it is `{found[0].value}`", found[0].span)
            message = f"the project has two names, `{found[0].value}` and `{other.value}`"
            helps = ("say `project:` once",)
            context.reporter.error("duplicate-name", message, other.span, notes=(note,), helps=helps)
    return found[0].value if found else default_name(context.reach.root)


def _single(files: Sequence[CheckedFile], section: str, context: Context) -> TreeMap | None:
    """A section that one file of the project may hold, without those of its keys whose values were found wrong."""
    held = ((file.broken, file.root.entries.get(section)) for file in files if (section,) not in file.broken)
    found = [
        Entry(entry.key, _sound(section, entry.value, broken))
        for broken, entry in held
        if entry is not None and isinstance(entry.value, TreeMap)
    ]
    for other in found[1:]:
        note = Note(f"`{section}` is first given here", found[0].key.span)
        message = f"`{section}` is given twice in the project"
        helps = (f"say `{section}:` once",)
        context.reporter.error("duplicate-name", message, other.key.span, notes=(note,), helps=helps)
    return nodes.mapping(found[0].value) if found else None


def _sound(section: str, node: TreeMap, broken: Broken) -> TreeMap:
    return TreeMap(node.span, {key: entry for key, entry in node.entries.items() if (section, key) not in broken})


def _run_log(node: TreeMap | None) -> RunLogSpec:
    if node is None:
        return RunLogSpec()
    create = nodes.flag(node.get("create_tables"), default=True)
    return RunLogSpec(nodes.name(node.get("connection")), nodes.duration(node.get("keep")), create)


def _alerts(merged: Merged, chosen: TreeMap | None, environment: str | None) -> Mapping[str, AlertSpec]:
    """Those of the project, in place of some of which the environment may have others."""
    own = {name: build_alert(entry) for name, entry in merged.sound("alerts")}
    held = nodes.mapping(chosen.get("alerts")) if chosen is not None else None
    others = held.entries.items() if held is not None else ()
    broken = merged.broken
    return own | {
        name: build_alert(entry)
        for name, entry in others
        if ("environments", environment, "alerts", name) not in broken
    }


def _concurrency(node: TreeMap | None) -> ConcurrencySpec:
    if node is None:
        return ConcurrencySpec()
    each = nodes.mapping(node.get("connections"))
    entries = each.entries.values() if each is not None else ()
    pairs = ((nodes.name(entry.key), nodes.whole(entry.value)) for entry in entries)
    return ConcurrencySpec(nodes.whole(node.get("runs")), tuple((key, most) for key, most in pairs if key and most))


def default_name(root: Path) -> str:
    """The name of a project whose files say none, as its folder has it."""
    return root.name.strip()[:LONGEST_PROJECT].strip() or "flowc"


def _unbuilt(
    merged: Merged, section: str, built: Mapping[str, TableSpec] | Mapping[str, PipelineSpec]
) -> frozenset[tuple[str, ...]]:
    return frozenset((section, name) for name in merged.sections.get(section, {}) if not _is_whole(built.get(name)))


def _is_whole(spec: TableSpec | PipelineSpec | None) -> bool:
    return spec is not None and not spec.gaps


def _build(
    merged: Merged, section: str, context: Context, make: Callable[[Entry, Context, Gaps], T | None]
) -> Mapping[str, T]:
    """Builds a section; an entry that cannot be built has been reported and joins the broken ones."""
    built = ((name, make(entry, context, gaps)) for name, entry, gaps in merged.readable(section))
    return {name: value for name, value in built if value is not None}


def _merge(files: Sequence[CheckedFile], context: Context) -> Merged:
    sections: dict[str, dict[str, Entry]] = {}
    broken: set[tuple[str, ...]] = set()
    faults: dict[tuple[str, ...], tuple[Fault, ...]] = {}
    for file in files:
        broken |= file.broken.keys()
        for section, holder in file.root.entries.items():
            if section == "lint" or not isinstance(holder.value, TreeMap) or (section,) in file.broken:
                continue
            for name, entry in holder.value.entries.items():
                if name not in sections.get(section, {}):
                    faults[section, name] = file.broken.get((section, name), ())
                _put(sections.setdefault(section, {}), section, name, entry, context)
    return Merged(sections, frozenset(broken), faults)


def _put(known: dict[str, Entry], section: str, name: str, entry: Entry, context: Context) -> None:
    noun = section.removesuffix("s")
    if not name.strip():
        context.reporter.error("empty-name", f"a {noun} must have a name", entry.key.span)
    elif name in known:
        note = Note(f"`{name}` is first given here", known[name].key.span)
        message = f"{noun} `{name}` is given twice in the project"
        helps = ("give one of them another name",)
        context.reporter.error("duplicate-name", message, entry.key.span, notes=(note,), helps=helps)
    else:
        known[name] = entry


def _environment(merged: Merged, wanted: str | None, context: Context) -> TreeMap | None:
    if wanted is None:
        return None
    known = merged.sections.get("environments", {})
    if wanted not in known:
        helps = did_you_mean(wanted, known) or _environments_help(known)
        context.reporter.error("unknown-environment", f"there is no environment `{wanted}`", helps=helps)
        return None
    value = known[wanted].value
    return value if isinstance(value, TreeMap) else None


def _environments_help(known: Mapping[str, Entry]) -> tuple[str, ...]:
    if not known:
        return ("declare it under `environments`",)
    return ("known environments: " + ", ".join(f"`{name}`" for name in known),)


def _vars(merged: Merged, chosen: TreeMap | None) -> Mapping[str, Json]:
    """Those of the project, in place of some of which the environment may have others."""
    node = nodes.mapping(chosen.get("vars")) if chosen else None
    entries = {**merged.sections.get("vars", {}), **(node.entries if node is not None else {})}
    return {key: plain(entry.value) for key, entry in entries.items()}


def _environment_connections(
    chosen: TreeMap | None, environment: str | None, broken: frozenset[tuple[str, ...]]
) -> Mapping[str, ConnectionSpec]:
    node = chosen.get("connections") if chosen else None
    if not isinstance(node, TreeMap) or environment is None:
        return {}
    return {
        name: build_connection(entry, f"environment {environment}")
        for name, entry in node.entries.items()
        if ("environments", environment, "connections", name) not in broken
    }
