"""The report in a real browser, of any width, in light and dark: nothing is cut, nothing lies over another,
all can be reached by keys, and axe-core finds nothing serious."""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from socorpus.corpus.report import fragments, plots, sections, small_multiples, summary
from socorpus.corpus.report import page as report_page
from socorpus.corpus.report.sections import Facts, Section
from socorpus.corpus.storage import manifest_file
from socorpus.labeling.analysis import report_sections
from socorpus.labeling.analysis.label_counts import BINS, LabelCounts
from tests.corpus import small_site

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

AXE = Path(__file__).parents[2] / "vendored/axe.min.js"
CHECKS = Path(__file__).with_name("page_checks.js")
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next((path for name in NAMES if (path := shutil.which(name))), None)
FLAGS = ("--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH to look at pages with")

HOSTILE = "<img src=x onerror=document.title='run'>\u202e\"'&" + "w" * 300
LONG = "softwareengineering.meta.a-very-long-name-of-a-site.stackexchange.com"


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS) as started:
        yield started


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    small_site.build(folder / "corpus", small_site.dump(folder))
    return folder / "corpus"


def hundred(corpus: Path) -> Facts:
    """The facts of a corpus of a hundred sites, of which one has a long name: those of the small one, repeated."""
    facts = manifest_file.load(corpus)
    assert facts is not None
    names = [LONG, *(f"site-{number}.stackexchange.com" for number in range(99))]
    site = facts["sites"][small_site.SITE]
    read = summary.gather(corpus, facts)
    years = Counter({year: 1_000 * (year - 2007) for year in range(2008, 2026)})
    spans = {name: (datetime(2008, 9, 1, tzinfo=UTC), datetime(2025, 3, 1, tzinfo=UTC)) for name in names}
    samples = {reason: tuple(20 * list(of))[:20] for reason, of in read.dropped.items()}
    distributions = read.distributions.__class__(
        **{
            **vars(read.distributions),
            "spans": spans,
            "sites": dict.fromkeys(names, (years, Counter({2012: 7_000, 2020: 900}))),
            "dropped": dict.fromkeys(facts["totals"]["dropped"], years),
            "personal": dict.fromkeys(("email", "ip_address", "phone", "user", "key", "token"), years),
        }
    )
    many = read.__class__(**{**vars(read), "distributions": distributions, "dropped": samples})
    return Facts(corpus, dict(facts) | {"sites": dict.fromkeys(names, site)}, many, {"posts": (100, 12.5)})


def labels(facts: Facts) -> Section:
    """The plots of labels, of more functions and labels than a page is wide, with hostile names."""
    names = (HOSTILE, *(f"a_labelling_function_{number}" for number in range(24)))
    both = np.full((25, 25), 40, np.int64) + np.diag(np.full(25, 60))
    years = Counter({year: year - 2000 for year in range(2008, 2026)})
    counts = LabelCounts(
        {f"label_{number}": np.arange(BINS) * 100 for number in range(22)} | {HOSTILE: np.ones(BINS, np.int64)},
        {f"site-{number}.stackexchange.com": Counter({HOSTILE: 5, "label_1": 900}) for number in range(100)}
        | {LONG: Counter(label_2=3)},
        {f"label_{number}": years for number in range(22)},
        names,
        both,
        both - 10 * (both == 40),
    )
    html = report_sections._plots(counts) + report_sections._overlap(counts)
    rows = [
        ("x" * 50, 0.25, -0.5, 0.75, "+0.250  p 0.003  differ", plots.KEPT),
        ("b", 0.0, -1.0, 1.0, "0", plots.QUIET),
    ]
    figures = [
        fragments.figure(plots.intervals("differences", rows, (-1.0, 1.0), "difference in F1", 0.0), "Differences"),
        fragments.figure(
            plots.curves("loss", {"one": [(1e6, 9.5), (1e9, 2.25)], HOSTILE: [(1e6, 8.0), (1e9, 3.0)]}, "tokens"),
            "Loss",
        ),
        fragments.figure(plots.curves("F1", {"a": [(10, 0.1), (100, 0.5), (150, 0.6)]}, "labels", tenfold=True), "F1"),
        fragments.figure(
            plots.against_diagonal("r", [(0.5, 0.45, 0.7), (0.9, 0.95, 0.3)], "confidence", "right"), "Calibration"
        ),
        fragments.figure(plots.bars("tags", {"recommendations": 9, LONG: 5, HOSTILE: 1}), "Tags"),
    ]
    return Section("Labels", html + fragments.grid(figures), HOSTILE)


@pytest.fixture(scope="module")
def path(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    shown = report_page.render(hundred(corpus), (labels,))
    written = tmp_path_factory.mktemp("page") / "report.html"
    written.write_text(shown, "utf-8")
    return written


@pytest.fixture(scope="module")
def page(browser: "Browser", path: Path) -> Iterator["Page"]:
    with browser.new_page() as opened:
        refused: list[str] = []
        asked: list[str] = []
        opened.on("console", lambda message: refused.append(message.text))
        opened.on("pageerror", lambda error: refused.append(str(error)))
        opened.on("request", lambda request: asked.append(request.url))
        opened.goto(path.as_uri())
        yield opened
        # Nothing was asked for, nothing that the policy refuses was tried, and no script failed.
        assert refused == [] and not [url for url in asked if not url.startswith(("file:", "about:"))]


def show(page: "Page", path: Path, width: int, scheme: Any = "light") -> None:
    """The page anew at a width, all of it unfolded."""
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme, media="screen")
    page.goto("about:blank")
    page.goto(path.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    page.evaluate(CHECKS.read_text("utf-8"))


def test_a_hundred_sites_take_less_than_5_mb(path: Path) -> None:
    assert path.stat().st_size < 5_000_000


@pytest.mark.parametrize("width", [320, 400, 768, 1440, 3840])
def test_nothing_is_cut_and_nothing_lies_over_another(page: "Page", path: Path, width: int) -> None:
    show(page, path, width)
    assert page.evaluate("cut()") == []
    assert page.evaluate("over()") == []


@pytest.fixture(scope="module")
def small(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with all sections and few sites: axe looks at each element."""
    facts = manifest_file.load(corpus)
    assert facts is not None
    shown = report_page.render(Facts(corpus, facts, summary.gather(corpus, facts), {"posts": (1, 0.5)}), (labels,))
    written = tmp_path_factory.mktemp("small") / "report.html"
    written.write_text(shown, "utf-8")
    return written


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1440])
def test_axe_finds_nothing_serious(page: "Page", small: Path, width: int, scheme: str) -> None:
    show(page, small, width, scheme)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(18, 24, 30)")
    page.evaluate(AXE.read_text("utf-8") + ";0")
    assert page.evaluate("serious()") == []


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_of_plots_stand_out_and_have_patterns(page: "Page", small: Path, scheme: str) -> None:
    show(page, small, 1440, scheme)
    colours = page.evaluate(
        "Object.fromEntries(['--ground', ...Array.from({length: 8}, (_, i) => `--k${i + 1}`)].map("
        "name => [name, getComputedStyle(document.documentElement).getPropertyValue(name).trim()]))"
    )
    ground = luminance(colours.pop("--ground").replace("#fff", "#ffffff", 1)[:7])
    for name, colour in colours.items():
        lights = sorted((ground, luminance(colour)))
        assert (lights[1] + 0.05) / (lights[0] + 0.05) >= 4.5, f"{name} {colour}"
    dashes = page.evaluate(
        """() => { const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg'); document.body.append(svg);
        const all = Array.from({length: 8}, (_, i) => { const path = document.createElementNS(svg.namespaceURI, 'path');
        path.setAttribute('class', `l k${i + 1}`); svg.append(path); return getComputedStyle(path).strokeDasharray; });
        svg.remove(); return all; }"""
    )
    assert len(set(dashes)) == 8


def test_links_and_buttons_unfold_and_keys_reach_all(page: "Page", small: Path) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.emulate_media(color_scheme="light")
    page.goto("about:blank")
    page.goto(f"{small.as_uri()}#duplicates")
    open_ones = "[...document.querySelectorAll('.section[open] > div')].map(part => part.id)"
    assert page.evaluate(open_ones) == ["from-the-dump-to-the-shards", "duplicates"]
    page.click("nav >> text=Quarantine")
    assert "quarantine" in page.evaluate(open_ones)
    page.get_by_role("button", name="Fold all", exact=True).click()
    assert page.evaluate(open_ones) == []
    page.keyboard.press("Tab")
    # By keys alone: the first title, opened by Enter, and all controls of the open section after it.
    page.focus("#content .section summary")
    page.keyboard.press("Enter")
    assert page.evaluate(open_ones) == ["from-the-dump-to-the-shards"]
    page.get_by_role("button", name="Unfold all", exact=True).click()
    page.evaluate("document.querySelectorAll('main details details').forEach(fold => { fold.open = false; })")
    wanted = page.evaluate(
        """() => { const all = [...document.querySelectorAll('a, button:enabled, input, summary, [tabindex="0"]')]
        .filter(element => element.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true }));
        all.forEach((element, number) => { element.dataset.number = number; }); return all.length; }"""
    )
    page.evaluate("document.activeElement.blur(); getSelection().collapse(document.body, 0)")
    reached = []
    for _ in range(wanted + 2):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.dataset.number ?? null"))
    assert {int(number) for number in reached if number is not None} == set(range(wanted))


def test_tables_sort_filter_and_page(page: "Page", path: Path) -> None:
    show(page, path, 1440)
    section = page.locator("#sites-and-tables")
    first, box = section.locator(".wide > table").first, section.locator(".tools").first
    shown = first.locator("tbody tr:visible")
    assert shown.count() == 25 and "1 to 25 of 100 rows" in box.inner_text()
    box.get_by_text("Next").click()
    assert "26 to 50 of 100 rows" in box.inner_text()
    for _ in range(2):
        box.get_by_text("Next").press("Enter")
    # Where there is no further part the keyboard is on the way back.
    assert "76 to 100" in box.inner_text() and page.evaluate("document.activeElement.textContent") == "Previous"
    box.get_by_label("Filter").fill("site-9")
    assert shown.count() == 10 and "1 to 10 of 10 rows" in box.inner_text()
    head = first.locator("thead th").first
    head.get_by_role("button").press("Enter")
    assert head.get_attribute("aria-sort") == "ascending" and shown.first.locator("td").first.inner_text().startswith(
        "site-9."
    )
    head.get_by_role("button").press("Enter")
    assert head.get_attribute("aria-sort") == "descending" and shown.first.locator("td").first.inner_text().startswith(
        "site-98."
    )
    head.get_by_role("button").press("Enter")
    assert head.get_attribute("aria-sort") is None
    numbers = page.locator("#time table tbody td:nth-child(3)")
    assert numbers.count() >= 1


def test_samples_are_shown_in_parts(page: "Page", path: Path) -> None:
    show(page, path, 1440)
    box = page.locator("#what-the-rules-dropped .samples").first
    assert box.locator("article:visible").count() == 10 and "1 to 10 of 20 samples" in box.inner_text()
    box.get_by_text("Next").click()
    assert box.locator("article:visible").count() == 10 and "11 to 20 of 20 samples" in box.inner_text()


def test_without_scripts_all_is_there(browser: "Browser", path: Path) -> None:
    with browser.new_page(java_script_enabled=False, viewport={"width": 1000, "height": 800}) as still:
        still.goto(path.as_uri())
        assert still.locator(".tools, th button").count() == 0
        still.click("nav >> text=What the rules dropped")
        # The browser itself unfolds what a link leads into.
        assert still.locator("#what-the-rules-dropped h3").first.is_visible()
        still.locator("#what-the-rules-dropped details:has(.samples) > summary").first.click()
        assert still.locator("#what-the-rules-dropped .samples").first.locator("article:visible").count() == 20


def test_paper_shows_all_sections_rows_and_samples(page: "Page", path: Path) -> None:
    page.set_viewport_size({"width": 1000, "height": 800})
    page.goto("about:blank")
    page.goto(path.as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("main details:not([open]):not(.numbers)").count() == 0
    assert page.locator("#sites-and-tables .wide").first.locator("tbody tr:visible").count() == 100
    assert page.locator("#what-the-rules-dropped .samples").first.locator("article:visible").count() == 20
    assert page.locator("nav, .tools").filter(visible=True).count() == 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator(".section[open]").count() == 1
    page.emulate_media(media="screen", color_scheme="light")


def test_hostile_names_stay_text(browser: "Browser", small: Path) -> None:
    page = browser.new_page()
    show(page, small, 1440)
    assert page.title().startswith("Corpus report") and page.locator("main img").count() == 0
    assert "onerror" in page.inner_text("#labels")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p id=odd style=\"color:red\">x</p>')")
    assert page.evaluate("getComputedStyle(document.getElementById('odd')).color") != "rgb(255, 0, 0)"
    page.close()


def test_small_plots_have_their_numbers_in_one_table() -> None:
    panels: Mapping[str, Mapping[str, Counter[int]]] = {
        "beer": {"kept": Counter({2012: 3}), "dropped": Counter({2014: 1})},
        "wine": {"kept": Counter({2013: 5}), "dropped": Counter()},
    }
    shown = small_multiples.by_year("documents", panels, "site")
    assert shown.count("<figure>") == 2 and shown.count("<table") == 1 and "beer: 4" in shown
    assert "<td>beer</td><td>dropped</td>" in shown and small_multiples.by_year("x", {}, "site") == ""
    assert sections.Section("a", shown).folded is False
