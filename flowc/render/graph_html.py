"""Lineage as one self-contained HTML page: a drawing in SVG, no library, no network."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from html import escape

from flowc.compiler.lineage import Dataset, Graph
from flowc.render.style import printable

_ROW, _HEAD, _GAP_X, _GAP_Y, _CHAR, _PAD = 22, 30, 110, 26, 7.4, 14

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ --paper: #fff; --ink: #1c2430; --soft: #8a94a3; --box: #f4f6f9; --line: #b9c2cf; --mark: #c2410c; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --paper: #14181f; --ink: #e6eaf0; --soft: #8a94a3; --box: #1e2530; --line: #455062; --mark: #fb923c; }}
}}
body {{ margin: 1.5rem; background: var(--paper); color: var(--ink); font: 13px ui-monospace, monospace; }}
h1 {{ font-size: 1.1rem; }} p {{ color: var(--soft); }}
.scroll {{ overflow: auto; }}
rect {{ fill: var(--box); stroke: var(--line); }} text {{ fill: var(--ink); }} text.soft {{ fill: var(--soft); }}
path {{ fill: none; stroke: var(--line); stroke-width: 1.4; }}
.lit rect {{ stroke: var(--mark); }} .lit text {{ fill: var(--mark); }}
path.lookup {{ stroke-dasharray: 4 4; }}
path.lit {{ stroke: var(--mark); stroke-width: 2.2; }}
</style></head><body>
<h1>{title}</h1>
<p>{words}</p>
<div class="scroll">{drawing}</div>
<script>
const paths = [...document.querySelectorAll("path")];
function light(id, on) {{
  for (const [from, to] of [["from", "to"], ["to", "from"]]) {{
    const seen = new Set([id]), queue = [id];
    while (queue.length) {{
      const here = queue.pop();
      document.getElementById(here)?.classList.toggle("lit", on);
      for (const p of paths) if (p.dataset[from] === here) {{
        p.classList.toggle("lit", on);
        if (!seen.has(p.dataset[to])) {{ seen.add(p.dataset[to]); queue.push(p.dataset[to]); }}
      }}
    }}
  }}
}}
for (const g of document.querySelectorAll("g[id]")) {{
  g.addEventListener("mouseenter", () => light(g.id, true));
  g.addEventListener("mouseleave", () => light(g.id, false));
}}
</script></body></html>"""


@dataclass(frozen=True, slots=True)
class _Box:
    """Where a dataset is drawn, and the columns listed in it."""

    id: str
    x: float
    y: float
    width: float
    columns: tuple[str, ...]

    @property
    def height(self) -> float:
        return _HEAD + _ROW * len(self.columns)

    def port(self, column: str | None) -> float:
        """The height at which arrows of a column end."""
        return self.y + (_HEAD / 2 if column is None else _HEAD + _ROW * (self.columns.index(column) + 0.5))


def graph_html(graph: Graph, title: str) -> str:
    """The page. Pointing at a box or column lights up everything it comes from and everything made of it."""
    return _PAGE.format(title=escape(printable(title)), words=_words(graph), drawing=graph_svg(graph))


def graph_svg(graph: Graph) -> str:
    """The drawing alone."""
    boxes = _layout(graph)
    parts = [_arrow(boxes, graph, ends) for ends in _arrows(graph)]
    parts += [_box(dataset, box) for dataset, box in boxes.items()]
    width = max((box.x + box.width for box in boxes.values()), default=0) + 20
    height = max((box.y + box.height for box in boxes.values()), default=0) + 20
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" role="img">'
    return "\n".join([head, *parts, "</svg>"])


def _words(graph: Graph) -> str:
    """How much there is of each thing."""
    names = {(writer.name, writer.stream) for writer in graph.writers}
    streams = sum(stream for _, stream in names)
    counts = (("pipeline", len(names) - streams), ("stream", streams))
    texts = [f"{count} {noun}{'' if count == 1 else 's'}" for noun, count in counts if count]
    return ", ".join([f"{len(graph.datasets)} tables, file sets and topics", *texts])


def _layout(graph: Graph) -> dict[Dataset, _Box]:
    """Sources at the left, what is made of them further right."""
    columns = _columns(graph)
    layers: dict[int, list[Dataset]] = defaultdict(list)
    for dataset, rank in _ranks(graph).items():
        layers[rank].append(dataset)
    boxes: dict[Dataset, _Box] = {}
    x = 10.0
    for rank in sorted(layers):
        y = 10.0
        widest = max(_width(dataset, columns[dataset]) for dataset in layers[rank])
        for dataset in layers[rank]:
            box = _Box(f"d{len(boxes)}", x, y, widest, columns[dataset])
            boxes[dataset] = box
            y += box.height + _GAP_Y
        x += widest + _GAP_X
    return boxes


def _ranks(graph: Graph) -> dict[Dataset, int]:
    """The longest way to each dataset; a cycle (a pipeline that reads its own target) adds nothing."""
    ranks = dict.fromkeys(graph.datasets, 0)
    for _ in range(len(ranks)):
        moved = False
        for flow in graph.flows:
            if flow.source != flow.target and ranks[flow.target] <= ranks[flow.source] < len(ranks):
                ranks[flow.target] = ranks[flow.source] + 1
                moved = True
        if not moved:
            break
    return ranks


def _columns(graph: Graph) -> dict[Dataset, tuple[str, ...]]:
    held: dict[Dataset, dict[str, None]] = {dataset: {} for dataset in graph.datasets}
    for flow in graph.columns:
        held[flow.source][flow.source_column] = None
        held[flow.target][flow.target_column] = None
    return {dataset: tuple(names) for dataset, names in held.items()}


def _width(dataset: Dataset, columns: tuple[str, ...]) -> float:
    return max(len(text) for text in (str(dataset), *columns)) * _CHAR + 2 * _PAD


_Ends = tuple[Dataset, str | None, Dataset, str | None]
"""A dataset and perhaps its column, and the dataset and column that are made of it."""


def _arrows(graph: Graph) -> list[_Ends]:
    if graph.columns:
        ends = [(f.source, f.source_column, f.target, f.target_column) for f in graph.columns]
        return list(dict.fromkeys(ends))
    return list(dict.fromkeys((f.source, None, f.target, None) for f in graph.flows))


def _arrow(boxes: dict[Dataset, _Box], graph: Graph, ends: _Ends) -> str:
    source, column, target, output = ends
    start, end = boxes[source], boxes[target]
    x1, y1, x2, y2 = start.x + start.width, start.port(column), end.x, end.port(output)
    middle = (x1 + x2) / 2
    flows = [flow for flow in graph.flows if (flow.source, flow.target) == (source, target)]
    names = sorted({flow.writer.name for flow in flows})
    kind = ' class="lookup"' if flows and all(flow.lookup for flow in flows) else ""
    ids = f'data-from="{_id(start, column)}" data-to="{_id(end, output)}"'
    way = f"M{x1:.0f} {y1:.0f} C{middle:.0f} {y1:.0f} {middle:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
    return f'<path{kind} {ids} d="{way}"><title>{escape(printable(", ".join(names)))}</title></path>'


def _id(box: _Box, column: str | None) -> str:
    return box.id if column is None else f"{box.id}c{box.columns.index(column)}"


def _box(dataset: Dataset, box: _Box) -> str:
    frame = f'<rect x="{box.x:.0f}" y="{box.y:.0f}" width="{box.width:.0f}" height="{box.height:.0f}" rx="5"/>'
    parts = [f'<g id="{box.id}">{frame}{_label(str(dataset), box, box.port(None), "")}</g>']
    for i, name in enumerate(box.columns):
        parts.append(f'<g id="{box.id}c{i}">{_label(name, box, box.port(name), "soft")}</g>')
    return "\n".join(parts)


def _label(text: str, box: _Box, y: float, kind: str) -> str:
    mark = f' class="{kind}"' if kind else ""
    return f'<text x="{box.x + _PAD:.0f}" y="{y + 4:.0f}"{mark}>{escape(printable(text))}</text>'
