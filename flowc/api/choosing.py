"""The pipelines and streams that a selector chooses, with what is up- and downstream of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from flowc.api.selectors import Selector, Takes, listed, read_selectors, runnable, tags_of
from flowc.compiler.checked import CheckedSpec
from flowc.compiler.front.project import ProjectSpec
from flowc.compiler.ir import Ir
from flowc.compiler.lineage import Dataset, Graph, dataset, graph
from flowc.compiler.lineage.needs import folded, in_order, needs_of, reached, reversed_needs, writers_of
from flowc.diagnostics import did_you_mean
from flowc.errors import UsageError


def expand(names: Sequence[str], checked: CheckedSpec, ir: Ir, takes: Takes = runnable) -> list[str]:
    """The names, with those that selectors choose in the place of these, each behind what it depends on.

    Where there is no selector, the names are as they were given. A name that something has is never a selector.
    `takes` are the names that the command takes: selectors choose no others. Raises UsageError for a selector that
    chooses nothing. What they choose can be relied on where the specs have no errors.
    """
    read, project = read_selectors(names, checked.project), checked.project
    if not any(selector.selects for selector in read):
        return list(names)
    chooser, accepted = _Chooser(checked, ir), set(takes(checked))
    chosen = dict.fromkeys(name for choice in read for name in _of(choice, chooser, accepted))
    order = [name for name in in_order([*project.pipelines, *project.streams], chooser.needs) if name in chosen]
    return list(dict.fromkeys([*order, *chosen]))


def _of(selector: Selector, chooser: _Chooser, accepted: Collection[str]) -> list[str]:
    if not selector.selects:
        return [selector.name]
    chosen = chooser.chosen(selector)
    fit = [name for name in chosen if name in accepted]
    if not fit:
        message = f"`{selector.text}` chooses nothing that this command takes"
        raise UsageError(message, code="unknown-selection", help=f"what it chooses is {listed(chosen)}")
    return fit


class _Chooser:
    """What selectors choose of a project."""

    def __init__(self, checked: CheckedSpec, ir: Ir) -> None:
        self.project: ProjectSpec = checked.project
        self.flows: Graph = graph(ir)
        self.needs = needs_of(ir, self.flows)
        self.tables: Mapping[str, Dataset] = {
            key: folded(dataset(spec.connection.value, _kind(checked, spec.connection.value), spec.table_name))
            for key, spec in checked.project.tables.items()
        }

    def chosen(self, selector: Selector) -> list[str]:
        """The pipelines and streams, sorted by name. Raises UsageError for a name or a tag that there is not."""
        if selector.is_tag:
            names = self._tagged(selector)
            return self._around(selector, names, names)
        runnable = {**self.project.pipelines, **self.project.streams}
        if selector.name in runnable:
            return self._around(selector, [selector.name], [selector.name])
        if selector.name in self.tables:
            return self._around_table(selector)
        known = (*runnable, *self.tables)
        helps = did_you_mean(selector.name, known) or ("name a pipeline, a stream or a table of the specs",)
        message = f"there is no pipeline, stream or table `{selector.name}`"
        raise UsageError(message, code="unknown-selection", help=helps[0])

    def _around(self, selector: Selector, above: Iterable[str], below: Iterable[str]) -> list[str]:
        """What is `above` with all that it needs, what is `below` with all that needs it, or the names alone."""
        names: set[str] = set() if selector.up or selector.down else {*above}
        if selector.up:
            names |= reached(above, self.needs)
        if selector.down:
            names |= reached(below, reversed_needs(self.needs))
        return sorted(names)

    def _around_table(self, selector: Selector) -> list[str]:
        place = self.tables[selector.name]
        writers = writers_of(self.flows).get(place, ())
        readers = [flow.writer.name for flow in self.flows.flows if folded(flow.source) == place]
        chosen = self._around(selector, writers, readers)
        if not chosen:
            does = "reads or writes" if selector.up and selector.down else "writes" if selector.up else "reads"
            message = f"`{selector.text}` chooses nothing: no pipeline and no stream {does} table `{selector.name}`"
            raise UsageError(message, code="unknown-selection", help="`flowc graph` shows who reads and writes what")
        return chosen

    def _tagged(self, selector: Selector) -> list[str]:
        tags = tags_of(self.project)
        if selector.name not in tags:
            near = did_you_mean(selector.name, tags)
            helps = near or (f"the tags are {listed(tags)}" if tags else "give some of them `tags: [nightly]`",)
            message = f"no pipeline and no stream has the tag `{selector.name}`"
            raise UsageError(message, code="unknown-selection", help=helps[0])
        return tags[selector.name]


def _kind(checked: CheckedSpec, connection: str) -> str:
    spec = checked.project.connections.get(connection)
    return spec.kind.value if spec is not None else ""
