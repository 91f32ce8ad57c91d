"""The forms that other programs read: whatever a message holds, each form stays what its reader expects."""

import json
import re

import jsonschema
import pytest

from flowc.diagnostics import Diagnostic, Note, Severity
from flowc.render.diagnostics import FORMATS, render
from flowc.render.style import Style
from flowc.source import SourceFile, Span

AWKWARD = ('say "50%"', "one\ntwo\r\nthree", "é😀 \x1b[31m", "::error file=x,line=1::y", "[a](b) {0} {{", "")


@pytest.mark.parametrize("severity", list(Severity))
@pytest.mark.parametrize("message", AWKWARD)
def test_no_message_breaks_out_of_its_form(message, severity):
    """One line where a form has lines, the same text back where it has texts, and no command that was not meant."""
    file = SourceFile("specs/a b,c:%é.yaml", "a: 1\n")
    diagnostic = Diagnostic(
        "unknown-column", severity, message, Span(file, 0, 1), notes=(Note(message),), helps=(message,)
    )
    forms = {form: render([diagnostic, diagnostic], form, Style()) for form in FORMATS}
    assert len(forms["concise"].splitlines()) == len(forms["github"].splitlines()) == 2
    assert "\x1b" not in forms["concise"] + forms["text"] + forms["github"]
    assert json.loads(forms["json"])[0]["message"] == message
    command, properties, data = re.fullmatch(r"::(\w+) (.*?)::(.*)", forms["github"].splitlines()[0]).groups()
    assert command == {"error": "error", "warning": "warning", "info": "notice"}[str(severity)]
    assert properties.startswith("file=specs/a b%2Cc%3A%25é.yaml,line=1,")
    assert unescaped(data) == "\n".join([message, message, f"help: {message}"]).replace("\x1b", "␛")


def unescaped(data: str) -> str:
    return data.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")


def test_sarif_has_the_shape_that_its_schema_demands():
    """What flowc writes was valid by the OASIS schema of SARIF 2.1.0; this is the part of it that such logs use."""
    file = SourceFile("specs/a b%#é\udcff.yaml", "a: 😀\nb\n")
    spans = (Span(file, 0, 1), Span(file, 3, 7), Span(file, 7, 7), None)
    diagnostics = [
        Diagnostic(
            code, severity, message, span, notes=(Note(message, Span(file, 0, 2)), Note(message)), helps=(message,)
        )
        for code in ("unknown-column", "no-such-code")
        for severity in Severity
        for message in AWKWARD
        for span in spans
    ]
    log = json.loads(render(diagnostics, "sarif", Style()))
    jsonschema.validate(log, SARIF)
    [run] = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    jsonschema.validate(json.loads(render([], "sarif", Style())), SARIF)


def only(required: str, optional: str = "", /, **properties: object) -> dict[str, object]:
    """An object with these properties and no others."""
    assert set(properties) == {*required.split(), *optional.split()}
    return {"type": "object", "required": required.split(), "properties": properties, "additionalProperties": False}


POSITIVE = {"type": "integer", "minimum": 1}
STRING = {"type": "string"}
MESSAGE = only("text", text=STRING)
PLACE = only(
    "artifactLocation region",
    artifactLocation=only("uri", uri={"type": "string", "pattern": r"^[A-Za-z0-9_.~/%-]+$"}),
    region=only(
        "startLine startColumn endLine endColumn",
        startLine=POSITIVE, startColumn=POSITIVE, endLine=POSITIVE, endColumn=POSITIVE,
    ),
)  # fmt: skip
RULE = only(
    "id shortDescription fullDescription help",
    id=STRING, shortDescription=MESSAGE, fullDescription=MESSAGE,
    help=only("text markdown", text=STRING, markdown=STRING),
)  # fmt: skip
RESULT = only(
    "ruleId ruleIndex level message", "locations relatedLocations",
    ruleId=STRING, ruleIndex={"type": "integer", "minimum": 0}, level={"enum": ["none", "note", "warning", "error"]},
    message=MESSAGE, locations={"type": "array", "items": only("physicalLocation", physicalLocation=PLACE)},
    relatedLocations={
        "type": "array", "uniqueItems": True,
        "items": only("id message physicalLocation", id=POSITIVE, message=MESSAGE, physicalLocation=PLACE),
    },
)  # fmt: skip
RUN = only(
    "tool columnKind results",
    tool=only("driver", driver=only(
        "name version rules", name=STRING, version=STRING, rules={"type": "array", "uniqueItems": True, "items": RULE},
    )),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]}, results={"type": "array", "items": RESULT},
)  # fmt: skip
SARIF = only("$schema version runs", **{  # type: ignore[arg-type]
    "$schema": {"type": "string", "format": "uri"}, "version": {"const": "2.1.0"},
    "runs": {"type": "array", "items": RUN},
})  # fmt: skip
