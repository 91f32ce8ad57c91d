"""What commands say, and never say: secrets in plain text, and keys that a single run does not act on."""

import pytest

from tests.commands import Inside

SECRET = "hunter2SECRET"


@pytest.fixture
def folder(tmp_path) -> Inside:
    return Inside(tmp_path)


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    "spec",
    [
        f"connections:\n  a: {{ kind: postgres, pasword: {SECRET}, url: x }}\n",
        f"pipelines:\n  p: {{ from: 'postgres://u:{SECRET}@h/d', sql: SELECT 1 AS id, to: t }}\n",
        f"connections:\n  a: {{ kind: 'postgres://u:{SECRET}@h/d' }}\n",
        f"connections:\n  a: {{ kind: kafka, properties: {{ sasl.password: {SECRET} }} }}\n",
        f"connections:\n  a: {{ kind: postgres, ur: host=h password={SECRET} user=u }}\n",
        f"connections:\n  a: {{ kind: postgres, ur: 'postgres://u@h/d?password={SECRET}' }}\n",
    ],
)
def test_lint_never_shows_a_secret_also_where_it_is_misplaced(folder, spec, form):
    folder.write("specs/a.yaml", spec)
    done = folder.flowc("lint", "--format", form)
    assert done.code == 1
    assert SECRET not in done.out + done.err


def test_listed_and_refused_connections_hide_secrets(folder):
    folder.write(
        "specs/a.yaml",
        f"""connections:
  bus: {{ kind: kafka, bootstrap_servers: 'x:1', properties: {{ sasl.password: {SECRET} }} }}
  words: {{ kind: postgres, url: host=h password={SECRET} }}
  query: {{ kind: postgres, url: 'postgres://u@h/d?password={SECRET}' }}
""",
    )
    listed = folder.flowc("connections", "list", "--json")
    assert len(listed.json) == 3
    refused = folder.flowc("connections", "set", "x", "knd=postgres", f"password={SECRET}")
    assert refused.code == 1
    assert SECRET not in listed.out + listed.err + refused.out + refused.err
    warned = folder.flowc("lint", "--format", "concise").out
    assert warned.count("warning[secret-literal]") == 3


def test_elements_of_a_constant_array_are_refused_not_a_crash(folder):
    folder.write(
        "specs/a.yaml",
        """connections: { pg: { kind: postgres, url: "${PG}" } }
pipelines:
  p:
    from: pg
    dialect: spark
    sql: SELECT id, t.c FROM users LATERAL VIEW explode(array(1, 2)) t AS c
    to: { connection: pg, table: x }
    mode: append
""",
    )
    done = folder.flowc("lint", "--format", "concise")
    assert done.code == 1
    assert "error[untranslatable-sql]" in done.out
