"""What `validate` found, target by target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowc.render.diagnostics import as_object, full
from flowc.render.failure import error_object, failure
from flowc.render.json_values import as_json
from flowc.render.style import Style, printable
from flowc.service.loads.validation import Validation


def validations_text(found: Sequence[Validation], style: Style, *, explain: bool) -> str:
    """One block for each target, and a closing line."""
    blocks = ["\n".join(_block(validation, style, explain)) for validation in found]
    bad = sum(not validation.ok for validation in found)
    if len(found) == 1:
        closing = f"1 load: {'cannot run' if bad else 'can run'}"
    else:
        closing = f"{len(found)} loads: {f'{bad} cannot run' if bad else 'all can run'}"
    return "\n\n".join([*blocks, closing])


def validations_json(found: Sequence[Validation]) -> str:
    """A JSON list, one object for each target."""
    return as_json([_object(validation) for validation in found])


def _block(found: Validation, style: Style, explain: bool) -> Iterator[str]:
    verdict = style.paint("good", "ok") if found.ok else style.paint("bad", "cannot run")
    yield f"{printable(found.pipeline)} → {printable(found.target)}: {verdict}"
    if found.waits_for:
        yield f"  source: not looked at, `{printable(found.waits_for)}` has not made its table yet"
    elif found.columns:
        yield f"  source: {printable(', '.join(f'{column.name} {column.type}' for column in found.columns))}"
    if found.error is None:
        yield f"  table: {_table(found)}"
    for difference in found.differences:
        yield f"    {'note' if difference.harmless else 'differs'}: {printable(difference.message)}"
    if explain and found.engine_plan:
        yield from (f"  | {printable(line)}" for line in found.engine_plan.splitlines())
    for diagnostic in found.diagnostics:
        yield full(diagnostic, style)
    if found.error is not None:
        yield failure(found.error, style)


def _table(found: Validation) -> str:
    if not found.exists:
        return "does not exist, the first run creates it"
    return "exists" if found.differences else "as declared" if found.declared else "exists, declared nowhere"


def _object(found: Validation) -> dict[str, object]:
    return {
        "pipeline": found.pipeline,
        "target": found.target,
        "ok": found.ok,
        "table_exists": found.exists,
        "waits_for": found.waits_for,
        "columns": [{"name": column.name, "type": str(column.type)} for column in found.columns],
        "differences": [{"message": d.message, "harmless": d.harmless} for d in found.differences],
        "diagnostics": [as_object(diagnostic) for diagnostic in found.diagnostics],
        "error": error_object(found.error),
        "plan": found.engine_plan or None,
    }
