"""Details in a run log that others wrote there: every page and command shows what is left of them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from flowc.service.runs.details import read_detail
from tests.commands import Inside
from tests.web.browser import SPEC, VIEWER, site

ODD = (
    "[]", '"x"', "no JSON", '{"pipelines": null}', '{"pipelines": [5]}', '{"pipelines": [{"targets": 5}]}',
    '{"pipelines": [{"targets": null}]}', '{"said": {"a": 1}, "pipelines": [{"reason": 5, "targets": [5, {}]}]}',
    *(
        f'{{"pipelines": [{{"targets": [{{"target": "db.a", {held}}}]}}]}}'
        for held in (
            '"expects": [{}]', '"expects": null', '"error": "x"', '"counts": 5', '"counts": {"read": "x"}',
            '"seconds": "x"', '"phases": {"a": "x"}', '"notes": 5', '"error": {"details": 5, "help": []}',
            '"expects": [{"name": [], "passed": 1, "severity": {}, "failed": "x", "total": 1e300}]', '"status": [5]',
        )
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Inside:
    folder = Inside(tmp_path_factory.mktemp("details"))
    folder.write("specs/s.yaml", SPEC)
    assert folder.flowc("run", "up", "--once").code == 0
    return folder


def write(folder: Path, detail: str) -> str:
    """Puts details in place of those of the only run, and gives its id."""
    with closing(sqlite3.connect(folder / ".flowc/runs.sqlite")) as log, log:
        name = next(name for (name,) in log.execute("SELECT name FROM sqlite_master WHERE name LIKE '%runs'"))
        log.execute(f'UPDATE "{name}" SET detail = ?', (detail,))
        found: str = log.execute(f'SELECT run_id FROM "{name}"').fetchone()[0]
        return found


def test_no_page_and_no_command_fails_on_details_of_another_shape(folder: Inside):
    with site(folder) as browser:
        browser.sign_in(VIEWER)
        for detail in ODD:
            run = write(folder.path, detail)
            for path in (f"/runs/{run}", "/pipelines/up", "/runs", "/"):
                assert browser.get(path).status == 200, detail
            for command in (("runs", "show", run), ("runs", "show", run, "--json"), ("runs", "checks"), ("logs",)):
                assert folder.flowc(*command).code == 0, (command, detail)


def test_details_as_flowc_writes_them_are_read_whole():
    check = '{"name":"c","severity":"error","passed":true,"failed":0,"total":1}'
    target = f'{{"target":"t","counts":{{"read":1}},"seconds":0.5,"expects":[{check}],"notes":[],"error":null}}'
    detail = read_detail(f'{{"pipelines":[{{"name":"p","reason":null,"targets":[{target}]}}],"said":"x"}}')
    assert list(detail["pipelines"][0]) == ["name", "reason", "targets"]
    assert detail["pipelines"][0]["targets"][0]["expects"][0]["total"] == 1
    assert len(detail["pipelines"][0]["targets"][0]) == 6
