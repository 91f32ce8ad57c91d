"""What `validate` found, target by target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowc.render.diagnostics import as_object, full
from flowc.render.failure import error_object, failure
from flowc.render.json_values import as_json
from flowc.render.style import Style, printable
from flowc.service.loads.validation import Validation


def validations_text(validations: Sequence[Validation], style: Style, *, explain: bool) -> str:
    """One block for each target, and a closing line."""
    blocks = ["\n".join(_block(validation, style, explain)) for validation in validations]
    bad = sum(not validation.ok for validation in validations)
    if len(validations) == 1:
        closing = f"1 load: {'cannot run' if bad else 'can run'}"
    else:
        closing = f"{len(validations)} loads: {f'{bad} cannot run' if bad else 'all can run'}"
    return "\n\n".join([*blocks, closing])


def validations_json(validations: Sequence[Validation]) -> str:
    """A JSON list, one object for each target."""
    return as_json([_object(validation) for validation in validations])


def _block(validation: Validation, style: Style, explain: bool) -> Iterator[str]:
    verdict = style.paint("good", "ok") if validation.ok else style.paint("bad", "cannot run")
    yield f"{printable(validation.pipeline)} → {printable(validation.target)}: {verdict}"
    if validation.waits_for:
        yield f"  source: not looked at, `{printable(validation.waits_for)}` has not made its table yet"
    elif validation.columns:
        yield f"  source: {printable(', '.join(f'{column.name} {column.type}' for column in validation.columns))}"
    if validation.error is None:
        yield f"  table: {_table(validation)}"
    for difference in validation.differences:
        yield f"    {'note' if difference.harmless else 'differs'}: {printable(difference.message)}"
    if explain and validation.engine_plan:
        yield from (f"  | {printable(line)}" for line in validation.engine_plan.splitlines())
    for diagnostic in validation.diagnostics:
        yield full(diagnostic, style)
    if validation.error is not None:
        yield failure(validation.error, style)


def _table(validation: Validation) -> str:
    if not validation.exists:
        return "does not exist, the first run creates it"
    return "exists" if validation.differences else "as declared" if validation.declared else "exists, declared nowhere"


def _object(validation: Validation) -> dict[str, object]:
    return {
        "pipeline": validation.pipeline,
        "target": validation.target,
        "ok": validation.ok,
        "table_exists": validation.exists,
        "waits_for": validation.waits_for,
        "columns": [{"name": column.name, "type": str(column.type)} for column in validation.columns],
        "differences": [{"message": d.message, "harmless": d.harmless} for d in validation.differences],
        "diagnostics": [as_object(diagnostic) for diagnostic in validation.diagnostics],
        "error": error_object(validation.error),
        "plan": validation.engine_plan or None,
    }
