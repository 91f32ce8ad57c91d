"""Which functions of PostgreSQL give every row a value of its own, so that a DEFAULT of them rewrites the table."""

from __future__ import annotations

from flowc.compiler.migrationlint.facts import Default
from flowc.compiler.migrationlint.tokens import words

VOLATILE = words(
    "random clock_timestamp timeofday gen_random_uuid nextval setval lastval currval pg_sleep random_normal setseed"
)
EXTENSIONS = words(
    "uuid_generate_v1 uuid_generate_v1mc uuid_generate_v4 gen_random_bytes gen_salt uuidv4 uuidv7 uuid_generate_v7"
)
"""The same of well-known extensions and later versions."""
STEADY = words(
    "now transaction_timestamp statement_timestamp date_trunc date_part to_timestamp to_char to_date to_number"
    " make_date make_time make_timestamp make_timestamptz make_interval age timezone lower upper initcap btrim"
    " ltrim rtrim lpad rpad repeat replace left right substr substring length concat concat_ws format md5 encode"
    " decode abs ceil ceiling floor round trunc sign mod power sqrt jsonb_build_object jsonb_build_array"
    " json_build_object json_build_array to_json to_jsonb array_fill string_to_array current_setting"
    " current_schema current_database pg_backend_pid version int4range int8range numrange tsrange tstzrange"
    " daterange point to_tsvector sha256 txid_current pg_current_xact_id translate split_part"
)
SYNTAX = words(
    "trim coalesce nullif greatest least cast extract array row position overlay current_timestamp current_date"
    " current_time localtime localtimestamp interval numeric decimal varchar character char bit varying timestamp"
    " time timestamptz text"
)
"""Words that look like calls: parts of the language and types with a length."""


def is_volatile(default: Default | None) -> bool | None:
    """Whether a DEFAULT differs from row to row; None when it calls a function that flowc does not know."""
    if default is None:
        return False
    if any(name in VOLATILE or name in EXTENSIONS for name in default.functions):
        return True
    return False if all(name in STEADY or name in SYNTAX for name in default.functions) else None
