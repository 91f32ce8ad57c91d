"""Writes what PostgreSQL and MySQL know by themselves: types, casts, operators and functions.

    python scripts/make_catalogs.py [--check] POSTGRES_URL … MYSQL_URL …

`flowc/compiler/sql/binding/catalogs/postgres.tsv` is the union of the catalogs of the given PostgreSQL servers (an old
one and a new one, so that nothing is refused that either takes). `mysql.tsv` holds the functions of the given MariaDB,
with the numbers of arguments that it took when it was asked, and those of MySQL 8, by name alone.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pymysql

FOLDER = Path(__file__).resolve().parents[1] / "flowc" / "compiler" / "sql" / "binding" / "catalogs"

TYPES = """
SELECT 'type', t.typname, t.typcategory::text || CASE WHEN t.typispreferred THEN '!' ELSE '' END,
       coalesce(nullif(e.typname, ''), '-'), format_type(t.oid, NULL)
FROM pg_type t LEFT JOIN pg_type e ON e.oid = t.typelem AND e.typarray = t.oid
WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype IN ('b', 'p', 'r', 'm') AND t.typrelid = 0
"""
CASTS = """
SELECT 'cast', s.typname, t.typname, c.castcontext::text
FROM pg_cast c JOIN pg_type s ON s.oid = c.castsource JOIN pg_type t ON t.oid = c.casttarget
"""
OPERATORS = """
SELECT 'op', o.oprname, coalesce(l.typname, '-'), r.typname, t.typname
FROM pg_operator o LEFT JOIN pg_type l ON l.oid = o.oprleft JOIN pg_type r ON r.oid = o.oprright
JOIN pg_type t ON t.oid = o.oprresult
"""
FUNCTIONS = """
SELECT 'fn', p.proname,
       CASE WHEN a.aggkind <> 'n' THEN a.aggkind::text ELSE p.prokind::text END
           || CASE WHEN p.proretset THEN 's' ELSE '' END,
       p.pronargdefaults::text, CASE WHEN p.provariadic <> 0 THEN 'v' ELSE '-' END,
       coalesce((SELECT string_agg(t.typname, ' ' ORDER BY u.n)
                 FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY u (o, n) JOIN pg_type t ON t.oid = u.o), ''),
       r.typname
FROM pg_proc p JOIN pg_type r ON r.oid = p.prorettype LEFT JOIN pg_aggregate a ON a.aggfnoid = p.oid
WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind <> 'p'
"""
WORDS = "SELECT 'word', word FROM pg_get_keywords() WHERE catcode = 'R'"
EXTENSIONS = """
SELECT name FROM pg_available_extensions WHERE name NOT IN ('adminpack', 'plpgsql', 'old_snapshot') ORDER BY name
"""
ADDED = """
SELECT 'ext', p.proname, NULL, NULL, NULL FROM pg_proc p WHERE p.oid > 16000 AND p.prorettype <> 'trigger'::regtype
UNION
SELECT 'op', o.oprname, coalesce(l.typname, '-'), r.typname, '?'
FROM pg_operator o LEFT JOIN pg_type l ON l.oid = o.oprleft JOIN pg_type r ON r.oid = o.oprright
WHERE o.oid > 16000 AND o.oprright < 16000 AND o.oprleft < 16000
"""
"""What the extension adds that was just made, and its operators between types that are there without it."""
MACHINERY = ("internal", "trigger", "event_trigger", "_handler", "language_handler")
"""Types of functions that no query calls."""

MYSQL_ONLY = re.findall(
    r"\w+",
    """
any_value bin_to_uuid can_access_column can_access_database can_access_table can_access_user can_access_view
current_role distance etag format_bytes format_pico_time gtid_subset gtid_subtract
group_replication_get_write_concurrency grouping icu_version is_uuid
json_arrayagg json_objectagg json_overlaps json_pretty json_schema_valid json_schema_validation_report json_storage_free
json_storage_size json_table json_value ps_current_thread_id ps_thread_id random_bytes regexp_like roles_graphml
st_asgeojson st_buffer_strategy st_collect st_distance_sphere st_frechetdistance st_geohash st_hausdorffdistance
st_latfromgeohash st_latitude st_lineinterpolatepoint st_lineinterpolatepoints st_longfromgeohash st_longitude
st_makeenvelope st_pointatdistance st_pointfromgeohash st_simplify st_srid st_swapxy st_symdifference st_transform
st_unaryunion st_validate statement_digest statement_digest_text string_to_vector to_vector uuid_to_bin
validate_password_strength vector_dim vector_to_string wait_for_executed_gtid_set
""",
)
"""Functions of MySQL 8 that MariaDB does not have, or has otherwise."""

GEOMETRY = re.findall(
    r"\w+",
    """
area asbinary astext aswkb aswkt boundary buffer centroid convexhull crosses dimension disjoint endpoint envelope equals
exteriorring geomcollfromtext geomcollfromwkb geometrycollectionfromtext geometrycollectionfromwkb geometryfromtext
geometryfromwkb geometryn geometrytype geomfromtext geomfromwkb glength interiorringn intersects isclosed isempty isring
issimple linefromtext linefromwkb linestringfromtext linestringfromwkb mbrcontains mbrcoveredby mbrcovers mbrdisjoint
mbrequal mbrequals mbrintersects mbroverlaps mbrtouches mbrwithin mlinefromtext mlinefromwkb mpointfromtext
mpointfromwkb mpolyfromtext mpolyfromwkb multilinestringfromtext multilinestringfromwkb multipointfromtext
multipointfromwkb multipolygonfromtext multipolygonfromwkb numgeometries numinteriorrings numpoints overlaps
pointfromtext pointfromwkb pointn pointonsurface polyfromtext polyfromwkb polygonfromtext polygonfromwkb srid startpoint
touches within x y st_relate st_pointonsurface st_boundary st_isring
""",
)
"""Functions of shapes beside those that begin with `st_`, which are never judged."""

BY_GRAMMAR = re.findall(
    r"\w+",
    """
adddate ascii avg bit_and bit_or bit_xor cast char charset coalesce collation column_add column_check column_create
column_delete column_exists column_get column_json column_list contains convert count cume_dist curdate current_date
current_time current_timestamp current_user curtime database date date_add date_sub day dense_rank default exists
extract extractvalue first_value format get_format group_concat hour if insert interval json_arrayagg json_objectagg
json_table json_value lag last_value lastval lead left localtime localtimestamp match max median microsecond mid min
minute mod month nextval now nth_value ntile old_password password percent_rank percentile_cont percentile_disc point
position quarter rank repeat replace reverse right row row_count row_number schema second session_user setval std
stddev stddev_pop stddev_samp subdate substr substring sum sysdate system_user time timestamp timestampadd
timestampdiff trim truncate user utc_date utc_time utc_timestamp values var_pop var_samp variance week weight_string
year natural_sort_key sformat json_equals json_normalize json_overlaps json_schema_valid uuid_v4 uuid_v7 vec_distance
vec_distance_euclidean vec_distance_cosine vec_fromtext vec_totext format_pico_time binlog_gtid_pos
decode_histogram des_decrypt des_encrypt master_gtid_wait kdf crc32c json_key_value json_array_intersect
json_object_to_array json_object_filter_keys xmlisvalid linestring polygon multipoint multilinestring multipolygon
geometrycollection any_value spider_direct_sql inet4_aton to_char to_number to_date trunc rownum add_months
chr concat_operator_oracle decode_oracle lengthb substr_oracle st_collect
""",
)
"""Functions that the grammar of MySQL or MariaDB reads, so that no list of theirs may have them."""

WIDER = {
    "regexp_replace": "3-6", "regexp_substr": "2-5", "regexp_instr": "2-6", "st_distance": "2-3", "st_buffer": "2-5",
    "st_x": "1-2", "st_y": "1-2", "json_value": "*", "uuid": "0-1", "rand": "0-1", "st_area": "1", "unhex": "1",
    "st_length": "1-2", "st_asgeojson": "1-3", "st_geomfromgeojson": "1-3", "st_srid": "1-2", "crc32": "1-2",
    "json_search": "3-", "convert_tz": "3", "st_asbinary": "1-2", "st_astext": "1-2",
    "to_seconds": "1", "aes_encrypt": "2-6", "aes_decrypt": "2-6", "st_simplify": "2", "date_format": "2-3",
    "left": "2", "right": "2", "if": "3", "mod": "2", "repeat": "2", "replace": "3-4", "insert": "4", "date": "1",
    "year": "1", "month": "1", "day": "1", "hour": "1", "minute": "1", "second": "1", "microsecond": "1",
    "quarter": "1",
    "time": "1-2", "timestamp": "1-2", "timestampdiff": "3", "timestampadd": "3", "truncate": "2", "now": "0-1",
    "curdate": "0", "curtime": "0-1", "current_date": "0", "current_timestamp": "0-1", "sysdate": "0-1", "ascii": "1",
    "charset": "1", "reverse": "1", "date_add": "2", "date_sub": "2", "adddate": "2", "subdate": "2", "sum": "1",
    "avg": "1", "min": "1", "max": "1", "std": "1", "stddev": "1", "variance": "1", "count": "1-", "row_number": "0",
    "rank": "0-1", "dense_rank": "0", "ntile": "1", "lag": "1-3", "lead": "1-3", "first_value": "1", "database": "0",
    "utc_date": "0", "get_format": "2", "mid": "2-3", "nth_value": "2", "json_arrayagg": "1", "json_objectagg": "2",
    "json_detailed": "1-2", "json_object": "0-", "sleep": "1", "vec_distance": "2-3", "st_isvalid": "1",
    "monthname": "1-2", "dayname": "1-2",
}  # fmt: skip
"""Numbers of arguments that MySQL 8 or a later MariaDB takes beyond those of the asked one, and those of functions that
the grammar reads."""

AGGREGATES = frozenset(
    re.findall(
        r"\w+",
        "avg bit_and bit_or bit_xor count group_concat json_arrayagg json_objectagg max median min std stddev"
        " stddev_pop"
        " stddev_samp sum var_pop var_samp variance st_collect any_value",
    )
)
WINDOWS = frozenset(
    re.findall(
        r"\w+", "cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank row_number"
    )
)

WRONG_COUNT, SYNTAX, UNKNOWN = 1582, 1064, 1305


def postgres(urls: list[str]) -> str:
    """The catalogs of PostgreSQL servers as lines."""
    versions, found = [], {}
    for url in urls:
        with psycopg.connect(url) as connection:
            row = connection.execute("SHOW server_version").fetchone()
            versions.append(str(row[0]).split()[0] if row else "?")
            for query in (TYPES, CASTS, OPERATORS, FUNCTIONS, WORDS):
                for line in connection.execute(query).fetchall():
                    _keep([str(field) for field in line], found)
            connection.rollback()
            for (name,) in connection.execute(EXTENSIONS).fetchall():
                for line in _added(connection, name):
                    _keep([str(field) for field in line if field is not None], found)
    lines = ["\t".join((*key, *rest)).rstrip("\t") for key, rest in sorted(found.items())]
    return "\n".join([f"# PostgreSQL {', '.join(sorted(versions))}", *lines]) + "\n"


def _added(connection: psycopg.Connection, name: str) -> list[tuple[str | None, ...]]:
    """What an extension adds; it is made and taken back."""
    try:
        connection.execute(f'CREATE EXTENSION "{name}" CASCADE')
        return connection.execute(ADDED).fetchall()
    except psycopg.Error:
        return []
    finally:
        connection.rollback()


def _keep(line: list[str], found: dict[tuple[str, ...], tuple[str, ...]]) -> None:
    """Adds a line; where two servers give the same call different results, the result is not known."""
    if line[0] in ("fn", "op"):
        *key, result = line
        if any(kind in MACHINERY or kind.endswith("_handler") for kind in (result, *key[-1].split())):
            return
        before = found.get(tuple(key))
        found[tuple(key)] = (result if before is None or before[0] == result else "?",)
    else:
        found.setdefault(tuple(line), ())


def mysql(url: str) -> str:
    """The functions of a MariaDB as lines: name, kind, the numbers of arguments that it takes, or `*`."""
    parts = urlsplit(url)
    connection = pymysql.connect(
        host=parts.hostname or "", port=parts.port or 3306, user=parts.username, password=parts.password or ""
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT version()")
        version = str(cursor.fetchone()[0]).split("-")[0]
        cursor.execute("SELECT lower(function) FROM information_schema.sql_functions")
        listed = {str(name) for (name,) in cursor.fetchall()}
        counts = {name: _counts(cursor, name) for name in sorted(listed | {*BY_GRAMMAR, *GEOMETRY, *MYSQL_ONLY})}
        words = _reserved(cursor)
    lines = [f"fn\t{name}\t{_kind(name)}\t{_taken(name, found, listed)}" for name, found in counts.items()]
    return "\n".join([f"# MariaDB {version}, MySQL 8 by name", *lines, *(f"word\t{w}" for w in words)]) + "\n"


def _kind(name: str) -> str:
    return "a" if name in AGGREGATES else "w" if name in WINDOWS else "f"


def _taken(name: str, found: list[int] | None, listed: set[str]) -> str:
    if name in WIDER:
        return WIDER[name]
    if not found or name in MYSQL_ONLY or name in GEOMETRY:
        return "*"
    low, high = min(found), max(found)
    return f"{low}-" if high == MOST else f"{low}-{high}" if high > low else str(low)


MOST = 7


def _counts(cursor: pymysql.cursors.Cursor, name: str) -> list[int] | None:
    """The numbers of arguments that a function takes; None where its grammar is its own."""
    taken = []
    for count in range(MOST + 1):
        try:
            cursor.execute(f"EXPLAIN SELECT {name}({', '.join('1' * count)})")
        except pymysql.MySQLError as error:
            if error.args[0] in (SYNTAX, UNKNOWN):
                return None
            if error.args[0] == WRONG_COUNT:
                continue
        taken.append(count)
    return taken


MARIADB_WORDS = frozenset(
    re.findall(
        r"\w+",
        "page_checksum parse_vcol_expr portion delete_domain_id do_domain_ids ignore_domain_ids ref_system_id"
        " stats_auto_recalc"
        " stats_persistent stats_sample_pages current_role master_demote_to_replica master_demote_to_slave"
        " offset returning"
        " except intersect recursive over",
    )
)
"""Words that MySQL, or a version of it, has not reserved."""


def _reserved(cursor: pymysql.cursors.Cursor) -> list[str]:
    """Words that no column can be called without quotes."""
    cursor.execute("SELECT lower(word) FROM information_schema.keywords")
    found = []
    for (word,) in cursor.fetchall():
        if not str(word).isidentifier() or str(word) in MARIADB_WORDS:
            continue
        try:
            cursor.execute(f"EXPLAIN SELECT x.`{word}` AS {word} FROM (SELECT 1 AS `{word}`) AS x ORDER BY {word}")
        except pymysql.MySQLError:
            found.append(str(word))
    return sorted(found)


def main(arguments: list[str]) -> int:
    """Writes both files, or says whether they differ."""
    urls = [a for a in arguments if not a.startswith("--")]
    servers = [u.replace("postgres://", "postgresql://") for u in urls if u.startswith("postgres")]
    texts = {"postgres.tsv": postgres(servers), "mysql.tsv": mysql(next(u for u in urls if u.startswith("mysql")))}
    FOLDER.mkdir(exist_ok=True)
    stale = [name for name, text in texts.items() if not _is_written(FOLDER / name, text)]
    if "--check" in arguments:
        print(f"differs: {', '.join(stale)}" if stale else "up to date")
        return 1 if stale else 0
    for name in stale:
        (FOLDER / name).write_text(texts[name], encoding="utf-8")
    return 0


def _is_written(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text("utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
