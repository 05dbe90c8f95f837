"""The workbench as a person meets it: Chromium, keys, narrow and wide, light and dark."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn

from socorpus.labeling.workbench import pages as workbench_pages
from socorpus.labeling.workbench.opening import Opened
from socorpus.labeling.workbench.searching import Searching
from tests.corpus import small_site
from tests.labeling.workbench.conftest import DIFFERING, EVIL, HOSTILE, SITE

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow
Pages = Callable[..., "Page"]
AXE = Path(__file__).parents[2] / "vendored/axe.min.js"
PATHS = (
    "/",
    "/?text=malt&task=toy",
    "/?where=scor",
    f"/post?key={SITE}:{HOSTILE}",
    f"/post?key={SITE}:{small_site.PRIVATE}&reveal=1",
    f"/post?key={SITE}:{small_site.NEAR}",
    "/nearest",
    "/?near=rule:too_short",
    "/disagree?task=toy&first=high_score&second=code_speaks",
    "/saved",
)

_CUT = """() => [...document.querySelectorAll('body *')].filter(one => {
  const box = one.getBoundingClientRect();
  return box.width && box.right > innerWidth + 1 && !one.closest('pre, .wide, thead, .skip');
}).map(one => one.outerHTML.slice(0, 120))"""


def keys_of(page: "Page") -> list[str]:
    return page.locator(".posts .key").all_text_contents()


def test_a_query_is_asked_sorted_and_paged(pages: Pages) -> None:
    page = pages("/")
    page.fill("#where", "score > 0 AND kind = 'answer'")
    page.press("#where", "Enter")
    page.wait_for_url("**/?where=*")
    first = keys_of(page)
    assert f"{SITE}:{DIFFERING}" in first and "posts" in page.locator("[data-status]").inner_text()
    page.click("th a:has-text('Score')")
    page.wait_for_url("**sort=documents.score**")
    assert keys_of(page)[0] == f"{SITE}:{DIFFERING}" and set(keys_of(page)) == set(first)
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("Score")
    page.click("th a:has-text('Score')")
    page.wait_for_function("document.querySelector('th[aria-sort=ascending]')")
    assert keys_of(page)[-1] == f"{SITE}:{DIFFERING}"
    # Fields that are empty are in no address.
    assert "&tag=" not in page.url and "regex" not in page.url


def test_a_text_is_found_and_marked(pages: Pages) -> None:
    page = pages("/")
    page.keyboard.press("t")
    page.keyboard.type("HYDROMETER")
    page.keyboard.press("Enter")
    page.wait_for_url("**text=HYDROMETER")
    assert page.locator("mark.found").first.inner_text() == "hydrometer"
    page.locator("[data-row]").first.click()
    page.wait_for_url("**/post**")
    assert page.locator(".text mark.found").first.inner_text() == "hydrometer"


def test_keys_do_what_a_mouse_does(pages: Pages) -> None:
    page = pages("/?sort=documents.score&down=1")
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert int(page.evaluate("document.activeElement.querySelector('.key').textContent").split(":")[1]) == DIFFERING
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/post?key=*{DIFFERING}")
    page.keyboard.press("u")
    page.wait_for_url("**sort=**")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "where"
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) not in ("none", "")


def test_a_hostile_post_is_text(pages: Pages) -> None:
    page = pages(f"/post?key={SITE}:{HOSTILE}")
    shown = EVIL.replace("\u202e", "U+202E")
    assert page.locator("h1").inner_text() == shown
    assert "<img src=x onerror=window.hacked=1>" in page.locator(".text").inner_text()
    assert (
        shown in page.locator(".comments").inner_text()
        and page.locator(".text img, .text b, .post script").count() == 0
    )
    page.mouse.move(200, 100)
    for link in page.locator("a").all():
        assert link.get_attribute("href").startswith(("/", "http", "#")), link  # type: ignore[union-attr]
    assert page.evaluate("window.hacked") is None
    page.goto(f"{page.url.partition('/post')[0]}/?text=window.hacked")
    assert page.locator(".posts .name").first.inner_text() == shown and page.evaluate("window.hacked") is None


def test_twins_votes_and_reasons_are_on_the_page_of_a_post(pages: Pages) -> None:
    page = pages(f"/post?key={SITE}:{small_site.NEAR}")
    left, right = page.locator(".beside > div").all()
    assert left.locator("mark").inner_text() == "sixty" and right.locator("mark").inner_text() == "seventy"
    assert "near_duplicate" in page.locator(".facts").inner_text()
    page.goto(f"{page.url.partition('/post')[0]}/post?key={SITE}:{DIFFERING}")
    facts = page.locator(".facts").inner_text()
    assert "high_score: good" in facts and "score 50" in facts and "votes differ" in facts


def test_a_disagreement_is_chosen_by_its_form(pages: Pages) -> None:
    page = pages("/disagree")
    page.select_option("[name=task]", "toy")
    page.wait_for_url("**task=toy")
    page.select_option("[name=first]", "high_score")
    page.select_option("[name=second]", "code_speaks")
    page.click("text=Compare")
    page.wait_for_url("**second=code_speaks**")
    assert f"{SITE}:{DIFFERING}" in keys_of(page)
    page.locator(".matrix td a").first.click()
    page.wait_for_url("**first_label=good**")
    assert f"{SITE}:{DIFFERING}" in keys_of(page)


def test_the_nearest_to_a_threshold(pages: Pages) -> None:
    page = pages("/nearest")
    page.locator("li:has-text('too_short') .button").click()
    page.wait_for_url("**near=rule**")
    assert "too_short" in page.locator(".banner").inner_text()
    page.fill(".banner input[name=threshold]", "30")
    page.click("text=Use it")
    page.wait_for_url("**threshold=30")
    distances = [float(text) for text in page.locator("td[data-head=Distance]").all_text_contents()]
    assert distances == sorted(distances) and len(distances) > 5


def test_a_query_is_saved_and_removed(pages: Pages, served: tuple[str, Path]) -> None:
    page = pages("/?where=score+%3C+0")
    page.click("text=Save this query")
    page.fill(".save [name=name]", "Not a name")
    page.click(".save button")
    assert "/saved" not in page.url  # the browser says what is wrong with it
    page.fill(".save [name=name]", "by_browser")
    page.click(".save button")
    page.wait_for_url("**/saved?name=by_browser#by_browser")
    assert 'drop_if = "score < 0"' in page.locator("#by_browser").inner_text()
    assert (served[1] / "queries/by_browser.toml").is_file()
    page.click("text=Remove by_browser")
    page.wait_for_url("**/saved")
    assert not (served[1] / "queries/by_browser.toml").exists()


@pytest.mark.parametrize(("width", "dark"), [(320, False), (320, True), (2560, False), (1280, True)])
def test_no_page_is_cut_off_or_hard_to_read(pages: Pages, width: int, dark: bool) -> None:
    page = pages("/", width, 900, dark)
    base = page.url.rstrip("/")
    for path in PATHS:
        page.goto(base + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.evaluate(_CUT) == [], path
        # By the browser's own tools: the pages' policy lets no other script in.
        page.evaluate(AXE.read_text("utf-8"))
        result: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        serious = [
            (one["id"], [node["html"][:200] for node in one["nodes"]])
            for one in result["violations"]
            if one["impact"] in ("serious", "critical")
        ]
        assert serious == [], path
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, background[4:-1].split(","))) < 200) == dark


def test_a_list_that_comes_in_pieces_shows_how_far_it_is(
    pages: Pages, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbench_pages, "SECONDS_AT_ONCE", -1)
    steps, goes_on = Searching.steps, threading.Event()

    def slow(*given: Any) -> Iterator[Any]:
        for number, step in enumerate(steps(*given)):
            assert number == 0 or goes_on.wait(30)
            yield step

    monkeypatch.setattr(Searching, "steps", slow)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(workbench_pages.app(opened, "token"), log_level="warning", lifespan="on")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            page = pages("/nearest")
            base = f"http://127.0.0.1:{listening.getsockname()[1]}"
            goes_on.set()
            page.goto(f"{base}/nearest?token=token")
            page.wait_for_selector("h1:has-text('Thresholds')")
            goes_on.clear()
            page.goto(f"{base}/?text=skunk&sort=documents.score", wait_until="commit")
            words = page.locator("[data-status] [data-words]")
            words.filter(has_text="found in").wait_for()
            assert page.locator("progress").count() == 1 and page.locator("[data-row]").count() == 0
            goes_on.set()
            page.wait_for_selector("[data-final]", state="attached")
            page.wait_for_function("!document.querySelector('[data-busy]')")
            assert "20 posts" in page.locator("[data-status]").inner_text() and page.locator("[data-row]").count() == 20
        finally:
            goes_on.set()
            server.should_exit = True
            thread.join(30)


def test_the_theme_is_remembered(pages: Pages) -> None:
    page = pages("/nearest")
    page.click("[data-theme-switch]")
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
