"""Formats of dates as Spark writes them, in Java's letters, of which sqlglot leaves those it does not know as text."""

from __future__ import annotations

import re

from sqlglot import exp

from flowc.compiler.sql.rewrite.core import Pair, Rules, Untranslatable, text_value, with_part

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
