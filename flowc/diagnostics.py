"""Diagnostics as values: what is wrong with what a user wrote, where, and what would mend it.

Code that finds a problem makes one and hands it to a `Reporter`; only `flowc.render` turns them into text.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from enum import IntEnum
from functools import lru_cache

from flowc.controls import shortened
from flowc.masker import Masker, redact
from flowc.masking import mask_prose
from flowc.source import Located, SourceFile, Span

# `# flowc: disable=code, code` in YAML, and `-- flowc: …` in the SQL inside it.
_DISABLED = re.compile(r"(?:#|--)[ \t]*flowc:[ \t]*disable[ \t]*=[ \t]*([\w-]+(?:[ \t]*,[ \t]*[\w-]+)*)")
_CODE = re.compile(r"[\w-]+")
_AROUND = 20
"""How many names at each side of an unknown one, in order of their beginnings and ends, it is compared with."""
_NEAR, _NEAR_ELSEWHERE = 0.61, 0.7
"""How much alike a name and one that was meant are at least, of 1, and where they begin with different letters."""
_LONGEST, _LONGEST_LABEL, _LONGEST_HELP = 600, 200, 4000
"""Characters of a message, of a label, and of a help, which may hold a whole statement. A value may have millions."""
_MOST_NOTES = 20
_COMMENT = re.compile(r"\s*(?:#|--)")


class Severity(IntEnum):
    """How bad it is. Only an error stops the compiler."""

    INFO = 1
    WARNING = 2
    ERROR = 3

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Note:
    """Context: another place that matters, or a fact without a place."""

    message: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem.

    `message` stands alone in one line; `label` is the short text under the marked span; `notes` say where else,
    `helps` what to do. Lines and columns count from 1; what has no place has none of them, and no file.
    """

    code: str
    severity: Severity
    message: str
    span: Span | None = None
    label: str | None = None
    notes: tuple[Note, ...] = ()
    helps: tuple[str, ...] = ()

    @property
    def file(self) -> str | None:
        """The path of the file in which it is."""
        return self.span.file.path if self.span else None

    @property
    def line(self) -> int | None:
        """The line in which it begins."""
        return self.span.file.position(self.span.start)[0] if self.span else None

    @property
    def column(self) -> int | None:
        """The column at which it begins."""
        return self.span.file.position(self.span.start)[1] if self.span else None

    @property
    def help(self) -> str | None:
        """What to do, a line for each help."""
        return "\n".join(self.helps) or None

    @property
    def order(self) -> tuple[str, int, int, str, str]:
        """Sort key: file, position, worst first, code."""
        path, start = (self.span.file.path, self.span.start) if self.span else ("", -1)
        return path, start, -self.severity, self.code, self.message


def _as_shown(diagnostic: Diagnostic, masker: Masker) -> Diagnostic:
    """The diagnostic, with the secrets that are known and those of its file masked in its words, and these cut."""
    secrets = diagnostic.span.file.secrets if diagnostic.span else ()

    def shown(text: str, most: int) -> str:
        return shortened(mask_prose(masker.redact(redact(text, secrets))), most)

    return replace(
        diagnostic,
        message=shown(diagnostic.message, _LONGEST),
        label=shown(diagnostic.label, _LONGEST_LABEL) if diagnostic.label else None,
        notes=tuple(replace(note, message=shown(note.message, _LONGEST)) for note in diagnostic.notes[:_MOST_NOTES]),
        helps=tuple(shown(text, _LONGEST_HELP) for text in diagnostic.helps[:_MOST_NOTES]),
    )


def _disabled_at(span: Span) -> frozenset[str]:
    """The codes that comments disable on the line where a span starts: at its end, or alone on the line above."""
    if "flowc:" not in span.file.text:
        return frozenset()
    number, _ = span.file.position(span.start)
    lines = [span.file.line(number)]
    if number > 1 and _COMMENT.match(above := span.file.line(number - 1)):
        lines.append(above)
    found = (match.group(1) for line in lines for match in _DISABLED.finditer(line))
    return frozenset(code.strip() for codes in found for code in codes.split(","))


def disabled_in(file: SourceFile) -> Iterator[Located[str]]:
    """The codes that the comments of a file disable, each where it is written."""
    for comment in _DISABLED.finditer(file.text) if "flowc:" in file.text else ():
        for code in _CODE.finditer(file.text, *comment.span(1)):
            yield Located(code[0], Span(file, *code.span()))


@dataclass
class Reporter:
    """Collects diagnostics. The same code at the same place is kept once: one cause, one message.

    Warnings whose code is disabled, in the project or by a comment on their line, are left out; errors never are.
    """

    found: list[Diagnostic] = field(default_factory=list)
    errors: int = 0
    """How many errors were told, with those that were kept before, of a text that two pipelines share."""
    masker: Masker = field(default_factory=Masker, repr=False)
    """Learns the secrets of the files that are read."""
    _seen: set[tuple[str, str, int]] = field(default_factory=set)
    _disabled: frozenset[str] = frozenset()

    def disable(self, codes: Iterable[str]) -> None:
        """From now on, and of what was found, leaves out warnings of these codes."""
        self._disabled |= frozenset(codes)
        self.found = [each for each in self.found if not self._left_out(each)]

    def _left_out(self, diagnostic: Diagnostic) -> bool:
        if diagnostic.severity is Severity.ERROR:
            return False
        span = diagnostic.span
        return diagnostic.code in self._disabled or (span is not None and diagnostic.code in _disabled_at(span))

    def add(self, diagnostic: Diagnostic) -> None:
        """Keeps a diagnostic unless its code is disabled or was reported at the same place."""
        if self._left_out(diagnostic):
            return
        self.errors += diagnostic.severity is Severity.ERROR
        diagnostic = _as_shown(diagnostic, self.masker)
        span = diagnostic.span
        key = (diagnostic.code, span.file.path if span else diagnostic.message, span.start if span else -1)
        if key not in self._seen:
            self._seen.add(key)
            self.found.append(diagnostic)

    def error(
        self,
        code: str,
        message: str,
        span: Span | None = None,
        *,
        label: str | None = None,
        notes: Sequence[Note] = (),
        helps: Sequence[str] = (),
    ) -> None:
        """Reports an error."""
        self.add(
            Diagnostic(code, Severity.ERROR, message, span=span, label=label, notes=tuple(notes), helps=tuple(helps))
        )

    def warning(
        self,
        code: str,
        message: str,
        span: Span | None = None,
        *,
        label: str | None = None,
        notes: Sequence[Note] = (),
        helps: Sequence[str] = (),
    ) -> None:
        """Reports a warning."""
        self.add(
            Diagnostic(code, Severity.WARNING, message, span=span, label=label, notes=tuple(notes), helps=tuple(helps))
        )

    @property
    def has_errors(self) -> bool:
        """Whether anything found stops the compiler."""
        return any(d.severity is Severity.ERROR for d in self.found)

    def sorted(self) -> list[Diagnostic]:
        """Everything found, in reading order."""
        return sorted(self.found, key=lambda d: d.order)


def did_you_mean(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """The help line "did you mean …" when a known name is near, else nothing."""
    names = _Names.of(tuple(known))
    near = _nearest(name.lower(), names.around(name.lower()))
    return (f"did you mean `{names.spelled[near]}`?",) if near is not None else ()


def _nearest(name: str, known: Iterable[str]) -> str | None:
    """What `difflib.get_close_matches` finds first, without a close look at names that cannot be nearer than others."""
    matcher = SequenceMatcher()
    matcher.set_seq2(name)
    bounds = []
    for each in known:
        matcher.set_seq1(each)
        least = _least(name, each)
        if matcher.real_quick_ratio() >= least and (bound := matcher.quick_ratio()) >= least:
            bounds.append((bound, each))
    best: tuple[float, str] | None = None
    for bound, each in sorted(bounds, reverse=True):
        if best is not None and bound < best[0]:
            break
        matcher.set_seq1(each)
        if (ratio := matcher.ratio()) >= _least(name, each):
            best = max(best or (ratio, each), (ratio, each))
    return best[1] if best is not None else None


def _least(name: str, known: str) -> float:
    return _NEAR if name[:1] == known[:1] else _NEAR_ELSEWHERE


@dataclass(frozen=True, slots=True)
class _Names:
    """Names that something may have been meant for: in lower case as they are spelled, by beginning, and by end.

    Comparing is slow, and a file may hold thousands of unknown names, each one to be compared with thousands of known
    ones. So of many only those are that begin or end alike.
    """

    spelled: Mapping[str, str]
    begin: Sequence[str]
    end: Sequence[str]

    @staticmethod
    @lru_cache(maxsize=16)
    def of(known: tuple[str, ...]) -> _Names:
        """These names, kept for the next one that is unknown."""
        spelled = {name.lower(): name for name in known}
        return _Names(spelled, sorted(spelled), sorted(name[::-1] for name in spelled))

    def around(self, name: str) -> Iterable[str]:
        """The names to compare with."""
        if len(self.spelled) <= 4 * _AROUND:
            return self.spelled
        begin, end = _around(self.begin, name), _around(self.end, name[::-1])
        return dict.fromkeys([*begin, *(each[::-1] for each in end)])


def _around(names: Sequence[str], name: str) -> Sequence[str]:
    at = bisect(names, name)
    return names[max(0, at - _AROUND) : at + _AROUND]
