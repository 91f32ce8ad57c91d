"""Pages in a real browser: by keyboard, without script, kept up to date, in light and dark, and read aloud."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import ConsoleMessage, Page, expect

from tests.commands import Inside
from tests.waiting import PATIENCE
from tests.web.browser import ADMIN, OPERATOR, SPEC, Browser, site
from tests.web.chromium import chromium
from tests.web.test_pages import STREAM, WORKER

ROUND = ("/", "/runs", "/pipelines/up", "/pipelines/bad", "/streams/clicks", "/lineage", "/plan", "/nothing")
FAULTS = """() => {
  const faults = [], texts = (found) => [...document.querySelectorAll(found)];
  const say = (what, each) => faults.push(what + ": " + each.outerHTML.slice(0, 120));
  const named = (each) => (each.ariaLabel || each.textContent || each.labels?.[0]?.textContent || "").trim();
  if (!document.documentElement.lang || !document.title) faults.push("no language, or no title");
  if (texts("h1").length !== 1 || texts("main").length !== 1) faults.push("not one h1 and one main");
  let last = 0;
  for (const each of texts("h1, h2, h3, h4")) {
    if (+each.tagName[1] > last + 1) say("a level of headings is left out", each);
    last = +each.tagName[1];
  }
  for (const each of texts("a, button, select, input:not([type=hidden]), summary"))
    if (!named(each)) say("no name", each);
  for (const each of texts("select, input:not([type=hidden])")) if (!each.labels.length) say("no label", each);
  for (const each of texts("th")) if (!each.scope) say("no scope", each);
  for (const each of texts("main svg")) if (each.getAttribute("role") !== "img") say("no role", each);
  for (const each of texts("[aria-labelledby]"))
    if (!document.getElementById(each.getAttribute("aria-labelledby"))) say("named by nothing", each);
  for (const each of texts("[role=region], nav, section"))
    if (!each.ariaLabel && !each.getAttribute("aria-labelledby")) say("unnamed", each);
  const ids = texts("[id]").map((each) => each.id);
  for (const id of new Set(ids)) if (ids.filter((each) => each === id).length > 1) faults.push("twice: #" + id);
  const rgb = (color) => color.match(/[\\d.]+/g).map(Number);
  const lum = ([r, g, b]) => [r, g, b].map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (each) => {
    for (; each; each = each.parentElement) {
      const found = rgb(getComputedStyle(each).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  for (const each of texts("main *, header *, footer *")) {
    if (each.closest("svg") || ![...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) continue;
    const [a, b] = [lum(rgb(getComputedStyle(each).color)), lum(behind(each))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) say("hard to read", each);
  }
  if (document.documentElement.scrollWidth > window.innerWidth) faults.push("wider than the window");
  return faults;
}"""
"""What readers by ear, by keyboard or with weak eyes would miss, as far as a script can tell."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Inside:
    folder = Inside(tmp_path_factory.mktemp("site"))
    folder.write("specs/s.yaml", SPEC.replace("db: {", "data: { kind: files, uri: data }, db: {"))
    streams = STREAM[STREAM.index("streams:") :].replace("to: events", "to: { connection: db, table: events }")
    folder.write("specs/t.yaml", streams)
    folder.write("data/in/a.jsonl", '{"id": 1}\n{"id": "x"}\n')
    folder.flowc("run", "--once")
    return folder


@pytest.fixture(scope="module")
def served(folder: Inside) -> Iterator[Browser]:
    with site(folder, statuses=[lambda: {"workers": [WORKER]}]) as found:
        yield found


@contextmanager
def page_of(browser: Chromium, served: Browser, token: str | None = ADMIN, **options: Any) -> Iterator[Page]:
    """A new page of somebody who is signed in; what the browser refuses to load or to run fails the test."""
    context = browser.new_context(base_url=f"http://127.0.0.1:{served.port}", **options)
    page = context.new_page()
    page.set_default_timeout(PATIENCE * 1000)
    expect.set_options(timeout=PATIENCE * 1000)
    refused: list[str] = []
    page.on("console", lambda said: refused.append(said.text) if _is_fault(said) else None)
    page.on("pageerror", lambda error: refused.append(str(error)))
    if token is not None:
        page.goto("/sign-in")
        page.get_by_label("Token").fill(token)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Overview").wait_for()
    yield page
    assert refused == []
    context.close()


def _is_fault(said: ConsoleMessage) -> bool:
    return said.type in ("error", "warning") and "status of 404" not in said.text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_can_be_read_by_everybody(browser: Chromium, served: Browser, scheme: str):
    with page_of(browser, served, color_scheme=scheme) as page:
        for path in ROUND:
            page.goto(path)
            assert (path, *_faults(page)) == (path, [], [])
        page.goto("/runs")
        page.locator("tbody a").first.click()
        assert _faults(page) == ([], [])
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(19, 23, 29)"
        assert dark == (scheme == "dark")


def _faults(page: Page) -> tuple[object, object]:
    """The faults in a wide and in a narrow window."""
    found = []
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 800})
        found.append(page.evaluate(FAULTS))
    return found[0], found[1]


def test_a_keyboard_is_enough(browser: Chromium, served: Browser, folder: Inside):
    with page_of(browser, served, OPERATOR) as page:
        page.goto("/")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_be_focused()
        while page.evaluate("document.activeElement.textContent") != "up":
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Pipeline up").wait_for()
        while page.evaluate("document.activeElement.textContent") != "Pause its schedule":
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_have_text("Paused. What runs by now goes on.")
        expect(page.get_by_role("button", name="Resume its schedule")).to_be_visible()


def test_pages_work_without_script(browser: Chromium, served: Browser):
    with page_of(browser, served, java_script_enabled=False) as page:
        page.goto("/runs")
        page.get_by_label("Status").select_option("failed")
        page.get_by_role("button", name="Show").click()
        assert page.locator("tbody tr").count() == 1
        page.goto("/drift")
        page.get_by_role("button", name="Look now").click()
        expect(page.get_by_role("status")).to_have_text("It is being looked at.")
        assert not page.get_by_role("button", name="Live").is_visible()


def test_pages_are_kept_up_to_date_and_what_has_the_focus_keeps_it(browser: Chromium, served: Browser, folder: Inside):
    with page_of(browser, served) as page:
        page.goto("/pipelines/down")
        page.get_by_role("link", name="all of its runs").focus()
        before = page.locator("#runs tbody tr").count()
        folder.flowc("run", "down", "--once")
        expect(page.locator("#runs tbody tr")).to_have_count(before + 1)
        expect(page.get_by_role("link", name="all of its runs")).to_be_focused()
        page.get_by_role("button", name="Live").click()
        expect(page.get_by_role("button", name="Paused")).to_have_attribute("aria-pressed", "false")
