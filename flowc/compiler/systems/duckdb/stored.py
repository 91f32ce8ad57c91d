"""What is compared of a value, as it was sent and as DuckDB stores it, to see that a type of DuckDB's own kept it.

A type may write a value in another form: `10:00` as `10:00:00`, a UUID in small letters, 1 as 1.0. Of such forms, one
is compared. Two values have no form in common, so that the forms need not depend on the type, except for FLOAT: JSON
has a FLOAT as the double 0.10000000149011612, which is 0.1.
"""

from __future__ import annotations

_DAY, _CLOCK = "[0-9]{4}-[0-9]{2}-[0-9]{2}", "[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?"
_OFFSET = "(Z|[+-][0-9]{2}(:?[0-9]{2})?)"
_MOMENTS = {
    f"{_DAY}[ T]{_CLOCK}{_OFFSET}": "TIMESTAMPTZ",
    f"{_DAY}([ T]{_CLOCK})?": "TIMESTAMP",
    f"{_CLOCK}{_OFFSET}": "TIMETZ",
    _CLOCK: "TIME",
}
_UUID = "[{]?[0-9A-Fa-f]{8}(-?[0-9A-Fa-f]{4}){3}-?[0-9A-Fa-f]{12}[}]?"
_LONG = "^[0-9][0-9.]{15}|^[0-9.]+[eE][+-]?[0-9]{3}"
"""Numbers with more digits than a double tells apart, as which a VARIANT compares them."""
_TOKENS = r'"(?:\\.|[^"\\])*"|[0-9][0-9.eE+-]*|[^"0-9]+'
_T, _BARE = "flowc_t", "trim(flowc_t, '\"')"


def digits(x: str) -> str:
    """The digits of a number's text from its first to its last that is not zero."""
    mantissa = f"regexp_replace({x}, '[eE].*$', '')"
    return f"regexp_replace(regexp_replace({mantissa}, '[^0-9]', '', 'g'), '^0+|0+$', '', 'g')"


def _moment(kind: str) -> str:
    """The time to the second as DuckDB writes it, and its fraction, which may have more digits than the type."""
    second = f"CAST(TRY_CAST(regexp_replace({_BARE}, '[.][0-9]+', '') AS {kind}) AS VARCHAR)"
    fraction = f"rtrim(regexp_extract({_T}, '[.]([0-9]+)', 1), '0')"
    return f"""coalesce('"' || {second} || '.' || {fraction} || '"', {_T})"""


_FLOAT = f"TRY_CAST({_T} AS FLOAT)"
_OF_FLOAT = f"contains($type, 'FLOAT') AND {digits(_T)} = {digits(f'CAST({_FLOAT} AS VARCHAR)')}"
_SCALED = f"CAST(TRY_CAST({_T} AS DOUBLE) AS VARCHAR)"
_ROUNDED = (
    f"CASE WHEN {_OF_FLOAT} THEN CAST(CAST({_FLOAT} AS DOUBLE) AS VARCHAR) "
    f"WHEN regexp_matches({_T}, '[eE]') AND length({_T}) < 16 THEN {_SCALED} ELSE {_T} END"
)
_AS_NUMBER = f"regexp_replace(regexp_replace({_ROUNDED}, '[.]0+$', ''), '[eE][+]?', 'e')"
_AS_UUID = f"""'"' || lower(regexp_replace({_BARE}, '[^0-9A-Fa-f]', '', 'g')) || '"'"""
_FORMS = {form: _moment(kind) for form, kind in _MOMENTS.items()} | {_UUID: _AS_UUID}
_CASES = " ".join(f"WHEN regexp_full_match({_BARE}, '{form}') THEN {sql}" for form, sql in _FORMS.items())
_AS_TEXT = f"CASE {_CASES} ELSE {_T} END"
_AS_TOKEN = (
    f"CASE WHEN {_T}[1] BETWEEN '0' AND '9' THEN {_AS_NUMBER} "
    f"WHEN {_T}[1] = '\"' AND length({_T}) > 6 THEN {_AS_TEXT} ELSE {_T} END"
)
# A whole text may be a number with zeros before it.
_INTEGER = r"[+]?(-?)0*([0-9]+)([.]0*)?"
_AS_INTEGER = rf"regexp_replace({_T}, '^{_INTEGER}', '\1\2')"
_AS_WHOLE = f"CASE WHEN regexp_full_match({_T}, '{_INTEGER}') THEN {_AS_INTEGER} ELSE {_AS_TEXT} END"

# Of a name that an object has twice, a VARIANT keeps one: the numbers of tokens differ.
_COMPARED = (
    "ROW(CAST(array_to_string(flowc_c, '') AS JSON)::VARIANT, "
    f"list_sort(list_filter(flowc_c, lambda {_T}: regexp_matches({_T}, '{_LONG}'))), len(flowc_c))"
)
_ALL = f"list_transform(regexp_extract_all(CAST(CAST($x AS JSON) AS VARCHAR), '{_TOKENS}'), lambda {_T}: {_AS_TOKEN})"


def _template(sql: str) -> str:
    return sql.replace("{", "{{").replace("}", "}}").replace("$x", "{x}").replace("$type", "{type}")


TEXT_TOLD, JSON_TOLD = "CAST({x} AS VARCHAR)", "CAST(CAST({x} AS JSON) AS VARCHAR)"
"""Texts that tell, where they are equal, that values are: that is fast."""
TEXT_AS_STORED = _template(f'list_transform([CAST($x AS VARCHAR)], lambda {_T}: {_AS_WHOLE})[1] COLLATE "binary"')
JSON_AS_STORED = _template(f"list_transform([{_ALL}], lambda flowc_c: {_COMPARED})[1]")
