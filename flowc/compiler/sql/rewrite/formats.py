"""Formats of dates in one language: strftime's, which sqlglot keeps in its trees."""

from __future__ import annotations

import re

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.rewrite.core import Pair, Rules, Untranslatable, text_value, with_part

# PostgreSQL's and Snowflake's marks, the longest first; they are not told apart by case but for names.
_MARKS = (
    ("YYYY", "%Y"), ("IYYY", "%G"), ("YY", "%y"), ("HH24", "%H"), ("HH12", "%I"), ("MONTH", None), ("Month", None),
    ("TMMonth", "%B"), ("FMMonth", "%B"), ("FMDay", "%A"), ("TMDay", "%A"), ("TMMon", "%b"), ("Mon", "%b"), ("MON", None),  # noqa: E501
    ("MMMM", "%B"), ("MM", "%m"), ("MI", "%M"), ("SSSSS", None), ("SSSS", None), ("SS", "%S"), ("MS", "%3f"), ("US", "%6f"), ("FF6", "%6f"), ("FF3", "%3f"), ("FF9", "%9f"),  # noqa: E501
    ("DDD", "%j"), ("DD", "%d"), ("DY", None), ("Dy", "%a"), ("Day", None), ("IW", "%V"), ("WW", None), ("ID", "%u"),
    ("AM", "%p"), ("PM", "%p"), ("HH", "%I"), ("Q", None), ("D", None), ("SSSSS", None), ("SSSS", None), ("IDDD", None),
)  # fmt: skip
_MARK = re.compile("|".join([r'"[^"]*"', *(mark for mark, _ in sorted(_MARKS, key=lambda m: -len(m[0])))]))
_WORDS = dict(_MARKS)
_SAFE = re.compile(r"(%3f|%[a-zA-Z]|%%|[^%])*")


def strftime(node: exp.Expression, pair: Pair) -> str:
    """The strftime format of a node that writes or reads a date."""
    form = text_value(node.args.get("format"))
    if form is None:
        raise Untranslatable("a format that is not a literal")
    if marks.GENERATED.has(node):
        return form
    if pair.source in ("postgres", "snowflake"):
        if pair.source == "postgres" or isinstance(
            node, exp.TimeToStr | exp.StrToTime | exp.StrToDate | exp.TsOrDsToDate
        ):
            form = _marks_of(form, pair.source)
        return _from_marks(form, pair)
    form = form.replace("strict", "")
    if not _SAFE.fullmatch(form):
        raise Untranslatable(f"the format `{form}`")
    return form


def _marks_of(form: str, source: str) -> str:
    """Undoes what sqlglot made of a format, since it does so only by halves."""
    back = {
        "%Y": "YYYY", "%y": "YY", "%m": "MM", "%d": "DD", "%H": "HH24", "%I": "HH12", "%M": "MI", "%S": "SS", "%f": "US",  # noqa: E501
        "%B": "TMMonth", "%b": "TMMon", "%A": "TMDay", "%a": "TMDy", "%j": "DDD", "%u": "D", "%U": "WW", "%G": "IYYY", "%V": "IW",  # noqa: E501
        "%-d": "FMDD", "%-m": "FMMM", "%-H": "FMHH24", "%-j": "FMDDD", "%p": "AM", "%q": "Q",
    }  # fmt: skip
    text = re.sub(r"%-?[a-zA-Z]", lambda m: back.get(m[0], m[0]), form)
    return text.replace("TMMon", "Mon") if source == "snowflake" else text.replace("TMDy", "Dy")


def _from_marks(form: str, pair: Pair) -> str:
    out, at = "", 0
    for match in _MARK.finditer(form):
        between = form[at : match.start()]
        out += _plain(between)
        mark = match[0]
        if mark.startswith('"'):
            out += mark[1:-1].replace("%", "%%")
        elif (code := _WORDS[mark]) is None:
            raise Untranslatable(f"`{mark}` in a format")
        else:
            out += code
        at = match.end()
    return out + _plain(form[at:])


def _plain(text: str) -> str:
    if re.search(r"[A-Za-z]", text.replace("T", "")):
        raise Untranslatable(f"`{text}` in a format")
    return text.replace("%", "%%")


_SEVERAL = {"%F": "%Y-%m-%d", "%T": "%H:%M:%S", "%R": "%H:%M", "%D": "%m/%d/%y"}
_ALIKE = {
    "%y": "%Y", "%b": "%m", "%B": "%m", "%h": "%m", "%e": "%d", "%-d": "%d", "%-m": "%m", "%-H": "%H", "%k": "%H",
    "%-I": "%I", "%l": "%I", "%-M": "%M", "%-S": "%S", "%P": "%p", "%-j": "%j", "%w": "%u",
    "%3f": "%f", "%6f": "%f", "%9f": "%f",
}  # fmt: skip
_DAYS = ({"%Y", "%m", "%d"}, {"%Y", "%j"}, {"%G", "%V", "%u"})
_HOURS = ({"%H"}, {"%I", "%p"})


def demand_whole(form: str) -> str:
    """The format, refused where a part between its largest and its smallest is missing or said twice.

    Engines that read texts by strftime fail without a day, and drop an hour without minutes or take it for another.
    """
    for short, long in _SEVERAL.items():
        form = form.replace(short, long)
    marks = _fields(form)
    if "%s" in marks:
        return form
    fields, days = set(marks), {"%Y", "%m", "%d", "%j", "%G", "%V", "%u"}
    if len(fields) < len(marks):
        raise Untranslatable("a format that says a part twice")
    if fields & days not in _DAYS:
        raise Untranslatable("a format without a whole date", "add what is missing to the text: `t || '-01'`")
    hours = fields & {"%H", "%I", "%p"}
    below = [mark in fields for mark in ("%M", "%S", "%f")]
    if (hours and hours not in _HOURS) or (any(below) and not hours) or below != sorted(below, reverse=True):
        raise Untranslatable("a format of a time without its hour (HH24, or HH12 and AM) or its minutes before seconds")
    return form


def rest_of_time(form: str) -> str:
    """What a format with hours lacks up to seconds."""
    fields = _fields(form)
    return "".join(f":{mark}" for mark in ("%M", "%S") if mark not in fields)


def _fields(form: str) -> list[str]:
    marks = re.findall(r"%[-\d]?[a-zA-Z]", form.replace("%%", ""))
    return [_ALIKE.get(mark, mark) for mark in marks]


_TO_MARKS = {
    "%Y": "YYYY", "%y": "YY", "%m": "MM", "%d": "DD", "%H": "HH24", "%I": "HH12", "%M": "MI", "%S": "SS", "%f": "US",
    "%6f": "US", "%3f": "MS", "%B": "FMMonth", "%b": "Mon", "%A": "FMDay", "%a": "Dy", "%j": "DDD", "%G": "IYYY",
    "%V": "IW", "%u": "ID", "%p": "AM", "%T": "HH24:MI:SS", "%F": "YYYY-MM-DD", "%e": "FMDD", "%L": "MS",
    "%-d": "FMDD", "%-m": "FMMM", "%-H": "FMHH24", "%%": "%",
}  # fmt: skip


def to_marks(form: str) -> str:
    """A strftime format in PostgreSQL's marks; what is plain text goes between quotes."""
    out = ""
    for part in re.split(r"(%-?\d?[a-zA-Z]|%%)", form):
        if part.startswith("%"):
            if part not in _TO_MARKS:
                raise Untranslatable(f"`{part}` in a format")
            out += _TO_MARKS[part]
        elif re.search(r"[A-Za-z]", part):
            out += f'"{part}"'
        else:
            out += part
    return out


_SPARK = ("spark", "databricks", "hive")
_READING = (exp.StrToTime, exp.StrToDate, exp.TsOrDsToDate, exp.StrToUnix)
_CODE = re.compile(r"%-?\d?[a-zA-Z](?:strict)?")


def java_format(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Thousandths of a second, and text between quotes; any other letter that was left means something else."""
    form = text_value(node.args.get("format"))
    if pair.source not in _SPARK or form is None or not re.search(r"[A-Za-z']", _CODE.sub("", form)):
        return None
    parts = re.split(r"'([^']*)'", form)
    said = "".join(_quoted(part) if at % 2 else _letters(part, node) for at, part in enumerate(parts))
    return with_part(node, format=exp.Literal.string(said))


def _quoted(text: str) -> str:
    """Text between quotes; two quotes alone are one."""
    if "%" in text:
        raise Untranslatable("text between quotes that holds letters of a format")
    return text or "'"


def _letters(form: str, node: exp.Expression) -> str:
    """A part without quotes."""
    if not isinstance(node, _READING):
        form = re.sub(r"(?<![A-Za-z])SSS(?![A-Za-z])", "%3f", form)
    if left := re.search(r"[A-Za-z]+", _CODE.sub("", form)):
        raise Untranslatable(f"`{left[0]}` in a format")
    return form


JAVA_FORMATS: Rules = dict.fromkeys((exp.TimeToStr, exp.UnixToStr, *_READING), (java_format,))
"""Formats of dates in the letters of Java, as Spark has them: sqlglot leaves those that it does not know as text."""
