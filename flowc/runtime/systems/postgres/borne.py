"""What PostgreSQL's tables and columns bear beside their definitions, and what flowc left of its own: one query."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flowc.catalog import INDEX_OF_HEIR, REQUIRED_MARK, SHADOW_MARK, Leftover


@dataclass
class Borne:
    """Of one table: what depends on it, what itself and its columns bear, in words, and what an apply left in it.

    `carried` are those of a column's own settings that a change of its type takes away, in SQL; `bound` what keeps
    a column from going, and from another type.
    """

    dependents: list[str] = field(default_factory=list)
    table: list[str] = field(default_factory=list)
    columns: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    carried: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    bound: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    leftovers: list[Leftover] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    code: dict[str, str] = field(default_factory=dict)
    """The text of triggers and functions that may name the table, by what they are in words."""


_BORNE = """
WITH RECURSIVE t AS MATERIALIZED (
  SELECT c.*, y.typarray FROM pg_class c JOIN pg_type y ON y.oid = c.reltype WHERE c.oid = ANY(%(oids)s::oid[])
), a AS MATERIALIZED (
  SELECT a.*, coalesce(to_jsonb(a) ->> 'attcompression', '') AS compression FROM pg_attribute a
  WHERE a.attrelid = ANY(%(oids)s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
), kin(root, oid) AS (
  SELECT t.oid, t.oid FROM t UNION SELECT kin.root, i.inhrelid FROM kin JOIN pg_inherits i ON i.inhparent = kin.oid
), all_of AS MATERIALIZED (
  SELECT kin.root, b.attrelid, b.attnum, b.attname FROM kin JOIN pg_attribute b ON b.attrelid = kin.oid
  WHERE b.attnum > 0 AND NOT b.attisdropped
), req AS MATERIALIZED (
  SELECT k.* FROM pg_constraint k JOIN a ON a.attrelid = k.conrelid AND k.conkey = ARRAY[a.attnum]
  WHERE k.contype = 'c' AND (obj_description(k.oid, 'pg_constraint') = %(required)s
    OR (NOT k.convalidated AND k.conname = 'flowc_' || a.attname || '_not_null'))
), own AS MATERIALIZED (
  SELECT g.tgrelid, g.tgname, g.tgfoid FROM pg_trigger g
  WHERE g.tgrelid = ANY(%(oids)s::oid[]) AND g.tgname ~ '^flowc_sync_' AND NOT g.tgisinternal
)
SELECT d.refobjid, 'dependent' AS kind, NULL AS part,
       CASE v.relkind WHEN 'm' THEN 'materialized view ' ELSE 'view ' END || v.oid::regclass::text AS words
FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class
WHERE d.classid = 'pg_rewrite'::regclass AND d.refobjid = ANY(%(oids)s::oid[]) AND v.oid <> d.refobjid
UNION
SELECT k.confrelid, 'dependent', NULL, 'foreign key ' || quote_ident(k.conname) || ' of ' || k.conrelid::regclass::text
FROM pg_constraint k WHERE k.contype = 'f' AND k.confrelid = ANY(%(oids)s::oid[]) AND k.conrelid <> k.confrelid
UNION
SELECT g.tgrelid, 'code', p.prosrc, 'trigger ' || quote_ident(g.tgname)
FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid
WHERE NOT g.tgisinternal AND g.tgrelid = ANY(%(oids)s::oid[]) AND g.tgname !~ '^flowc_sync_'
UNION
SELECT t.oid, 'code', p.prosrc, 'function ' || p.oid::regprocedure::text
FROM t CROSS JOIN pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND l.lanname NOT IN ('c', 'internal')
  AND p.prosrc <> '' AND p.proname !~ '^flowc_sync_' AND strpos(lower(p.prosrc), lower(t.relname)) > 0
  AND NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgfoid = p.oid AND g.tgrelid = t.oid)
UNION
SELECT t.oid, 'table', NULL, words FROM t CROSS JOIN LATERAL (VALUES
  (CASE WHEN t.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits i WHERE t.oid IN (i.inhparent, i.inhrelid))
     THEN 'inheritance' END),
  (CASE WHEN t.relpersistence = 'u' THEN 'UNLOGGED' END),
  (CASE WHEN t.reloptions IS NOT NULL THEN 'settings of its storage' END),
  (CASE WHEN t.relrowsecurity OR t.relforcerowsecurity THEN 'row-level security' END),
  (CASE WHEN t.relkind <> 'v' AND t.relhasrules THEN 'rules' END),
  (CASE t.relreplident WHEN 'f' THEN 'REPLICA IDENTITY FULL' WHEN 'n' THEN 'REPLICA IDENTITY NOTHING' END),
  (CASE WHEN t.reloftype <> 0 THEN 'a type that the table is of' END)
) AS v(words) WHERE words IS NOT NULL
UNION
SELECT t.oid, 'table', NULL, 'publication ' || quote_ident(p.pubname)
FROM t CROSS JOIN pg_publication p CROSS JOIN LATERAL pg_get_publication_tables(p.pubname) AS g WHERE g.relid = t.oid
UNION
SELECT t.oid, 'table', NULL, pg_describe_object(d.classid, d.objid, d.objsubid)
FROM t JOIN pg_depend d ON d.refclassid = 'pg_type'::regclass AND d.refobjid IN (t.reltype, t.typarray)
WHERE d.deptype = 'n'
UNION
SELECT t.oid, 'remark', NULL, 'the comment of ' || pg_describe_object(d.classoid, d.objoid, 0)
FROM t JOIN pg_description d ON d.objsubid = 0 AND (
  (d.classoid = 'pg_namespace'::regclass AND d.objoid = t.relnamespace AND d.description <> 'standard public schema')
  OR (d.classoid = 'pg_class'::regclass AND d.objoid IN (SELECT indexrelid FROM pg_index WHERE indrelid = t.oid))
  OR (d.classoid = 'pg_constraint'::regclass AND d.description <> %(required)s
    AND d.objoid IN (SELECT k.oid FROM pg_constraint k WHERE k.conrelid = t.oid)))
UNION
SELECT a.attrelid, 'column', a.attname, words FROM a JOIN pg_type y ON y.oid = a.atttypid CROSS JOIN LATERAL (VALUES
  (CASE WHEN a.attacl IS NOT NULL THEN 'grants of the column' END),
  (CASE WHEN a.attoptions IS NOT NULL OR coalesce(a.attstattarget, -1) <> -1 THEN 'settings of its statistics' END),
  (CASE WHEN a.attstorage <> y.typstorage OR a.compression <> '' THEN 'a storage of its own' END),
  (CASE WHEN a.attcollation <> y.typcollation THEN 'a collation of its own' END),
  (CASE WHEN y.typtype = 'd' THEN 'the domain ' || format_type(y.oid, NULL) END)
) AS v(words) WHERE words IS NOT NULL
UNION
SELECT a.attrelid, 'carried', a.attname, words FROM a JOIN pg_type y ON y.oid = a.atttypid
LEFT JOIN pg_collation l ON l.oid = a.attcollation LEFT JOIN pg_namespace n ON n.oid = l.collnamespace
CROSS JOIN LATERAL (VALUES
  (CASE WHEN a.attcollation <> y.typcollation THEN format('COLLATE %%I.%%I', n.nspname, l.collname) END),
  (CASE WHEN a.attstorage <> y.typstorage THEN 'STORAGE ' || CASE a.attstorage
     WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END),
  (CASE a.compression WHEN 'p' THEN 'COMPRESSION pglz' WHEN 'l' THEN 'COMPRESSION lz4' END)
) AS v(words) WHERE words IS NOT NULL
UNION
SELECT a.attrelid, 'column', a.attname, 'a security label'
FROM a JOIN pg_seclabel l ON l.classoid = 'pg_class'::regclass AND l.objoid = a.attrelid AND l.objsubid = a.attnum
UNION
SELECT a.attrelid, 'column', a.attname, pg_describe_object(d.classid, d.objid, d.objsubid)
FROM a JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
LEFT JOIN pg_attrdef f ON d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid
LEFT JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
WHERE (f.adrelid, f.adnum) IS DISTINCT FROM (a.attrelid, a.attnum)
  AND k.contype IS DISTINCT FROM 'n' AND NOT EXISTS (SELECT FROM req WHERE req.oid = k.oid)
UNION
SELECT b.root, 'column', b.attname, 'constraint ' || quote_ident(k.conname) || ' on ' || k.conrelid::regclass::text
FROM all_of b JOIN pg_constraint k ON k.conrelid = b.attrelid AND b.attnum = ANY(k.conkey)
WHERE b.root <> b.attrelid AND k.contype = 'c' AND k.coninhcount = 0
UNION
SELECT b.root, 'column', b.attname, %(heirs)s || quote_ident(c.relname) || ' on ' || i.indrelid::regclass::text
FROM all_of b JOIN pg_index i ON i.indrelid = b.attrelid JOIN pg_class c ON c.oid = i.indexrelid
WHERE b.root <> b.attrelid AND NOT c.relispartition AND (i.indpred IS NOT NULL OR i.indexprs IS NOT NULL) AND EXISTS (
  SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
    AND d.refclassid = 'pg_class'::regclass AND d.refobjid = b.attrelid AND d.refobjsubid = b.attnum)
UNION
SELECT a.attrelid, 'column', a.attname, pg_describe_object(x.classid, x.objid, x.objsubid)
FROM a JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum JOIN pg_depend x ON
  x.refclassid = 'pg_attrdef'::regclass AND x.refobjid = f.oid AND x.deptype = 'n'
UNION
SELECT a.root, 'bound', a.attname, coalesce(
    CASE v.relkind WHEN 'm' THEN 'materialized view ' WHEN 'v' THEN 'view ' END || v.oid::regclass::text,
    'column ' || quote_ident(g.attname) || ', which is computed from it', 'trigger ' || quote_ident(t.tgname),
    'policy ' || quote_ident(p.polname), pg_describe_object(d.classid, d.objid, d.objsubid))
FROM all_of a
JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
LEFT JOIN pg_class v ON v.oid = r.ev_class
LEFT JOIN pg_attrdef f ON d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid
LEFT JOIN pg_attribute g ON g.attrelid = f.adrelid AND g.attnum = f.adnum
LEFT JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
LEFT JOIN pg_policy p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid
WHERE (f.adrelid, f.adnum) IS DISTINCT FROM (a.attrelid, a.attnum) AND d.classid NOT IN (
  'pg_constraint'::regclass, 'pg_class'::regclass, 'pg_statistic_ext'::regclass)
UNION
SELECT a.attrelid, 'bound', a.attname, 'a table that it is inherited from' FROM a WHERE a.attinhcount > 0
UNION
SELECT a.attrelid, 'bound', a.attname, 'the partitions, which it decides'
FROM a JOIN pg_partitioned_table q ON q.partrelid = a.attrelid AND a.attnum = ANY(q.partattrs)
UNION
SELECT a.attrelid, 'bound', a.attname, 'foreign key ' || quote_ident(k.conname)
  || CASE WHEN k.conrelid <> a.attrelid OR NOT a.attnum = ANY(k.conkey)
       THEN ' of ' || k.conrelid::regclass::text ELSE '' END
FROM a JOIN pg_constraint k ON k.contype = 'f' AND ((k.conrelid = a.attrelid AND a.attnum = ANY(k.conkey))
  OR (k.confrelid = a.attrelid AND a.attnum = ANY(k.confkey)))
UNION
SELECT a.attrelid, 'leftover', 'column', a.attname FROM a
WHERE a.attname ~ '__flowc$' AND (col_description(a.attrelid, a.attnum) = %(mark)s
      OR EXISTS (SELECT FROM own JOIN pg_proc p ON p.oid = own.tgfoid WHERE own.tgrelid = a.attrelid
        AND strpos(p.prosrc, 'NEW."' || replace(a.attname, '"', '""') || '" :=') > 0))
UNION
SELECT own.tgrelid, 'leftover', 'trigger', own.tgname FROM own
UNION
SELECT own.tgrelid, 'leftover', 'function', quote_ident(n.nspname) || '.' || quote_ident(p.proname) || '()'
FROM own JOIN pg_proc p ON p.oid = own.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.proname ~ '^flowc_sync_'
UNION
SELECT req.conrelid, 'leftover', 'constraint', req.conname FROM req
ORDER BY 1, 2, 4
"""


def read_borne(connection: Any, oids: Sequence[int]) -> dict[int, Borne]:
    """By the identity of the table."""
    found: dict[int, Borne] = defaultdict(Borne)
    asked = {"oids": list(oids), "mark": SHADOW_MARK, "required": REQUIRED_MARK, "heirs": INDEX_OF_HEIR}
    for oid, kind, part, words in connection.execute(_BORNE, asked).fetchall():
        if kind == "leftover":
            found[oid].leftovers.append(Leftover(part, words))
        elif kind in ("column", "carried", "bound"):
            held = {"column": found[oid].columns, "carried": found[oid].carried, "bound": found[oid].bound}
            held[kind][part].append(words)
        elif kind == "remark":
            found[oid].remarks.append(words)
        elif kind == "code":
            found[oid].code[words] = part
        else:
            (found[oid].dependents if kind == "dependent" else found[oid].table).append(words)
    return found
