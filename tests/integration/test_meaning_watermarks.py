"""Watermarks of every type of cursor, added by flowc or in the SQL, away from UTC: nothing lost, nothing twice."""

from tests.stores import KINDS

CURSORS = {
    # type, then three values in order: before `start`, the first run's greatest (twice), the second run's
    "bigint": ("BIGINT", "9", "10", "100"),
    "numeric": ("NUMERIC(20,4)", "9.5", "10.0001", "10.0002"),
    "long": ("NUMERIC(30,10)", "9", "10.0000000001", "100.0000000001"),
    "double": ("DOUBLE PRECISION", "0.1", "0.30000000000000004", "0.3000000000000001"),
    "real": ("REAL", "0.5", "0.7", "0.70000005"),
    "text": ("TEXT", "'a''a'", "'b'", "'bb'"),
    "date": ("DATE", "'2024-01-01'", "'2024-02-29'", "'2024-03-01'"),
    "timestamp": ("TIMESTAMP", "'2024-03-31 01:00:00'", "'2024-03-31 02:30:00.000001'", "'2024-03-31 02:30:00.000002'"),
    "timestamptz": (
        "TIMESTAMPTZ", "'2024-10-27 00:00:00+00:00'", "'2024-10-27 00:30:00.5+00:00'", "'2024-10-27 01:30:00.5+00:00'",
    ),
}  # fmt: skip
TEMPLATED = "SELECT * FROM s_{0} {{% if incremental %}} WHERE c >= {{{{ watermark }}}} {{% endif %}}"


def test_quotes_around_a_watermark(project):
    project.write(
        "specs/p.yaml",
        """
connections: { w: { kind: sqlite, path: w.sqlite } }
pipelines:
  p:
    from: w
    sql: "SELECT id, c FROM s {% if incremental %} WHERE c >= '{{ watermark }}' {% endif %}"
    to: { connection: w, table: d }
    incremental: { column: c }
""",
    )
    done = project.flowc("lint")
    assert done.code == 1
    assert "without any around it" in done.out + done.err


def test_cursors_of_every_type(project, store):
    """Of each type on two engines flowc adds the condition, and on the other two it stands in the SQL."""
    project.env = {"TZ": "Asia/Kolkata"}
    if store.kind == "postgres":
        database = store.rows("SELECT current_database()")[0][0]
        store.run(f"ALTER DATABASE {database} SET timezone = 'America/New_York'")
    spec = [f"connections: {{ w: {store.connection} }}", "pipelines:"]
    cursors = {name: cursor for name, cursor in CURSORS.items() if (store.kind, name) != ("mysql", "timestamptz")}
    made = []
    for name, (kind, _, first, _) in cursors.items():
        made += [
            f"CREATE TABLE s_{name} (id BIGINT, c {kind})",
            f"INSERT INTO s_{name} VALUES (1, {first}), (2, {first})",
        ]
        templated = (KINDS.index(store.kind) + list(CURSORS).index(name)) % 2
        query = TEMPLATED.format(name) if templated else f"SELECT * FROM s_{name}"
        spec += [f"  {name}:", f'    {{ from: w, sql: "{query}", to: {{ connection: w, table: d_{name} }}, ']
        spec.append("      keys: [id], incremental: { column: c } }")
    project.write("specs/p.yaml", "\n".join(spec))
    with store.held():
        store.run(*made)
    for expected in (2, 4, 4):
        done = project.flowc("run", "--once", "--json")
        assert done.code == 0, done.out + done.err
        with store.held():
            for name, (_, before, first, later) in cursors.items():
                found = store.rows(f"SELECT id FROM d_{name}")
                assert [row[0] for row in found] == [1, 2, 3, 4][:expected], name
                if expected == 2:
                    # A tie of the watermark, one past it, and one before it, which is not read.
                    rows = f"(3, {first}), (4, {later}), (5, {before})"
                    store.run(f"INSERT INTO s_{name} VALUES {rows}")
