"""The report of a site written by hand, and of real ones: safe, complete, adding up, the same each time."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html

from socorpus.corpus.errors import InputError
from socorpus.corpus.report import fragments, plots, sections, summary
from socorpus.corpus.report import page as report_page
from socorpus.corpus.storage import manifest_file
from tests.corpus import small_site


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    small_site.build(folder / "corpus", small_site.dump(folder))
    return folder / "corpus"


@pytest.fixture(scope="module")
def facts(corpus: Path) -> Mapping[str, Any]:
    found = manifest_file.load(corpus)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def page(corpus: Path, facts: Mapping[str, Any]) -> str:
    made = report_page.write(corpus, facts)
    assert made.outputs == {"report.html": 1}
    return (corpus / "report.html").read_text("utf-8")


def test_what_posts_say_stays_text(page: str) -> None:
    tree = html.fromstring(page)
    (own,) = tree.xpath("//script")
    assert own.text == Path(report_page.__file__).with_name("report.js").read_text("utf-8")
    assert page.lower().count("<script") == 1
    assert "alert('title')" in tree.text_content()
    assert "alert('body')" in tree.text_content()
    assert "alert(2)" in tree.text_content()
    assert not [name for node in tree.iter() for name in node.attrib if name.startswith("on")]


def test_its_policy_lets_only_its_own_style_and_script_count(page: str) -> None:
    tree = html.fromstring(page)
    (policy,) = tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    for name in ("style", "script"):
        (own,) = tree.xpath(f"//{name}")
        digest = base64.b64encode(hashlib.sha256(own.text.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy
    assert not tree.xpath("//*[@style]")


def test_opens_offline(page: str) -> None:
    tree = html.fromstring(page)
    assert not tree.xpath("//img | //link | //iframe | //object | //*[@src]")
    assert not re.search(r"@import|url\((?!#)", page)
    outside = [
        node for node in tree.iter() for name, value in node.attrib.items() if "href" in name and value[0] != "#"
    ]
    assert {node.tag for node in outside} == {"a"}


def test_no_secret_is_shown(page: str) -> None:
    assert small_site.SECRET not in page
    assert small_site.MAILBOX not in page
    assert "[EMAIL_1]" in page
    assert re.search(r"\[(KEY|TOKEN)_1\]", page)


def test_ids_are_unique_and_the_contents_lead_somewhere(page: str) -> None:
    tree = html.fromstring(page)
    ids = tree.xpath("//details[@class='section']/div/@id")
    assert "duplicates" in ids and len(tree.xpath("//@id")) == len(set(tree.xpath("//@id")))
    assert len(ids) == len(set(ids)) > 8
    assert [f"#{one}" for one in ids] == tree.xpath("//nav//a/@href")
    used = set(re.findall(r'(?:url\(#|xlink:href="#)([^)"]+)', page))
    assert used <= set(re.findall(r'\bid="([^"]+)"', page))


def test_the_funnel_adds_up(page: str, facts: Mapping[str, Any]) -> None:
    rows = _table(page, "From the dump to the shards")
    assert [row[0] for row in rows] == [small_site.SITE, "all"]
    for row in rows:
        numbers = [0 if cell == "–" else int(cell.replace(",", "").replace("−", "-")) for cell in row[1:]]
        at = next(i for i, value in enumerate(numbers[1:], start=1) if value > 0)
        before, documents, after = numbers[:at], numbers[at], numbers[at + 1 :]
        assert sum(before) == documents
        assert documents + sum(after[:-1]) == after[-1]
        assert after[-1] == sum(shard["rows"] for shard in facts["shards"].values())
    assert "All rows are accounted for" in page


def test_rows_that_are_lost_are_told(corpus: Path, facts: Mapping[str, Any]) -> None:
    site = facts["sites"][small_site.SITE] | {"posts": facts["sites"][small_site.SITE]["posts"] - 1}
    wrong = dict(facts) | {"sites": {small_site.SITE: site}}
    shown = report_page.render(sections.Facts(corpus, wrong, summary.gather(corpus, facts), {}))
    assert "do not add up" in shown


def test_tables_of_many_sites_end_in_a_row_of_their_width(corpus: Path, facts: Mapping[str, Any]) -> None:
    many = {f"{number}.{small_site.SITE}": facts["sites"][small_site.SITE] for number in range(201)}
    shown = report_page.render(sections.Facts(corpus, dict(facts) | {"sites": many}, summary.gather(corpus, facts), {}))
    tables = [made for made in html.fromstring(shown).iter("table") if "and 1 more" in made.text_content()]
    assert len(tables) >= 2
    for made in tables:
        assert len({len(row) for row in made.iter("tr")}) == 1


def test_every_fate_is_shown(page: str) -> None:
    rules = {row[0]: row for row in _table(page, "What the rules dropped")}
    assert rules["too short"][2] == "2"
    assert rules["exact duplicate"][2] == "1"
    assert rules["near duplicate"][2] == "1"
    text = html.fromstring(page).text_content()
    key = f"{small_site.SITE}:{small_site.NEAR}"
    assert key in text
    marked = html.fromstring(page).xpath("//mark/text()")
    assert {"seventy", "sixty"} <= set(marked)


def test_the_same_corpus_gives_the_same_page(corpus: Path, facts: Mapping[str, Any], page: str) -> None:
    report_page.write(corpus, facts)
    assert (corpus / "report.html").read_text("utf-8") == page


def test_a_section_costs_a_function(corpus: Path, facts: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def labels(facts: sections.Facts) -> sections.Section:
        return sections.Section("Labels <i>", fragments.paragraph("none & no more"))

    monkeypatch.setattr(report_page, "SECTIONS", (*sections.SECTIONS, labels, lambda facts: None))
    shown = report_page.render(sections.Facts(corpus, facts, summary.gather(corpus, facts), {}))
    assert "<h2>Labels &lt;i&gt;</h2>" in shown
    assert "none &amp; no more" in shown


def test_a_missing_file_is_told(corpus: Path, facts: Mapping[str, Any]) -> None:
    path = next((corpus / "decisions").rglob("*.parquet"))
    aside = path.rename(path.with_suffix(".aside"))
    try:
        with pytest.raises(InputError, match=r"missing from the corpus"):
            report_page.write(corpus, facts)
    finally:
        aside.rename(path)


def test_benchmarks_and_a_newer_dump(tmp_path: Path) -> None:
    benchmark = tmp_path / "benchmark.jsonl"
    benchmark.write_text(json.dumps({"text": small_site.CAUSE}) + "\n", "utf-8")
    folder = small_site.dump(tmp_path)
    corpus = tmp_path / "corpus"
    small_site.build(corpus, folder, contamination={"benchmarks": [str(benchmark)]})
    page = (corpus / "report.html").read_text("utf-8")
    assert _table(page, "Benchmarks") == [["benchmark.jsonl", "3"]]
    assert next(row for row in _table(page, "What the rules dropped") if row[0] == "contaminated")[2] == "3"
    assert "Since the previous build" not in page
    posts = folder / "Posts.xml"
    lines = posts.read_text("utf-8").splitlines()
    gone = [line for line in lines if '<row Id="105"' not in line]
    posts.write_text("\n".join(gone).replace("What went wrong with it?", "What did I do wrong?"), "utf-8")
    facts = small_site.build(corpus, folder, contamination={"benchmarks": [str(benchmark)]})
    page = (corpus / "report.html").read_text("utf-8")
    unchanged = facts["totals"]["posts"] - 1
    assert _table(page, "Since the previous build")[0] == [small_site.SITE, "0", "1", f"{unchanged}", "1"]


def test_real_sites(real_data: Path, tmp_path: Path) -> None:
    sites = [real_data / "dumps" / name for name in ("beer.meta", "bicycles.meta", "coffee.meta")]
    found = [path for site in sites for path in sorted(site.parent.glob(f"{site.name}*"))]
    facts = small_site.build(tmp_path / "corpus", *found)
    page = (tmp_path / "corpus/report.html").read_text("utf-8")
    assert len(page.encode()) < 1_500_000
    assert "All rows are accounted for" in page
    assert f"{facts['totals']['documents']:,}" in page
    spans = summary.gather(tmp_path / "corpus", facts)
    assert spans.distributions.documents == facts["totals"]["documents"]
    assert int(spans.distributions.words[1].sum()) == facts["totals"]["kept"]
    assert int(sum(counts.sum() for counts in spans.tokens.lengths.values())) == facts["totals"]["kept"]
    assert sum(spans.distributions.tags.values()) > 0
    for reason, samples in spans.dropped.items():
        assert 0 < len(samples) <= facts["totals"]["dropped"][reason]


@settings(deadline=None)
@given(st.text(max_size=80), st.text(max_size=80))
def test_texts_beside_each_other_are_whole(left: str, right: str) -> None:
    shown = fragments.beside(left, right, ("a", "b"))
    cells = re.findall(r'<div class="text">(.*?)</div>', shown, re.DOTALL)
    for cell, text in zip(cells, (left, right), strict=True):
        assert fragments.Markup(re.sub(r"</?mark>", "", cell)).unescape() == text
        assert "<" not in re.sub(r"</?mark>", "", cell)


@given(st.lists(st.integers(0, 2**64 - 1), unique=True, max_size=60), st.integers(1, 30))
def test_a_draw_does_not_depend_on_its_pieces(hashes: list[int], size: int) -> None:
    drawn = summary._Drawn(4)
    for at in range(0, len(hashes), size):
        piece = np.array(hashes[at : at + size], np.uint64)
        drawn.offer("x", piece, np.arange(at, at + len(piece)), lambda row: (str(row), hashes[row]))
    assert drawn.drawn().get("x", []) == sorted(hashes)[:4]


def test_long_texts_begin_where_they_differ() -> None:
    same = "equal words. " * 100
    shown = fragments.beside(same + "left " * 200, same + "right " * 200, ("a", "b"))
    assert "the same in both" in shown
    assert "<mark>" in shown
    assert "more characters" in shown


@pytest.mark.parametrize("address", [None, "javascript:alert(1)", "data:text/html,x", " https://x", ""])
def test_only_web_addresses_become_links(address: str | None) -> None:
    assert "<a" not in fragments.link("label", address)


def test_plots_are_the_same_each_time_and_escape_labels() -> None:
    counts = {"<script>": 3, "a & b": 2, "$x^2$": 1, "日本語": 1}
    shown = plots.bars("tags", counts).drawn
    assert shown == plots.bars("tags", counts).drawn
    assert "&lt;script&gt;" in shown
    assert "<script>" not in shown
    assert "$x^2$" in shown
    assert "日本語" in shown


def _numbers(plot: plots.Plot, element: str, *names: str) -> list[tuple[float, ...]]:
    """Attributes of all elements of a name, in percent or pixels."""
    tree = html.fragment_fromstring(plot.drawn, create_parent=True)
    return [tuple(float(node.get(name).strip("%")) for name in names) for node in tree.iter(element)]


def test_bars_are_as_long_as_their_numbers() -> None:
    (x0, one), (x1, two) = _numbers(plots.bars("b", {"one": 200, "two": 50, "none": 0}), "rect", "x", "width")
    assert x0 == x1 == 0 and two == pytest.approx(one / 4, abs=0.1)
    steps = [("rows", 100, "level"), ("lost", 25, "loss"), ("kept", 75, "level")]
    (_, rows), (start, lost), (zero, kept) = _numbers(plots.waterfall(steps), "rect", "x", "width")
    assert lost == pytest.approx(rows / 4, abs=0.1)
    assert start == pytest.approx(zero + kept, abs=0.1)


def test_bars_are_a_table_of_names_numbers_and_bars() -> None:
    tree = html.fragment_fromstring(plots.bars("tags", {"recommendations": 1234}).drawn)
    assert [cell.text_content() for cell in tree.find("tbody/tr")] == ["recommendations", "1,234", ""]
    assert tree.findtext("caption") == "tags"


def test_intervals_lie_where_their_numbers_are() -> None:
    rows = [("a <b>", 0.5, 0.25, 0.75, "+0.5", plots.KEPT), ("c", 0.0, -3.0, 9.0, "0", plots.QUIET)]
    shown = plots.intervals("what it says", rows, (0.0, 1.0), "difference", 0.0)
    assert shown == plots.intervals("what it says", rows, (0.0, 1.0), "difference", 0.0)
    assert "what it says" in shown.drawn and "a &lt;b&gt;" in shown.drawn
    tree = html.fragment_fromstring(shown.drawn)
    lines = [[float(node.get(name).strip("%")) for name in ("x1", "x2")] for node in tree.xpath("//line[@y1]")]
    # What goes beyond the axis is cut at its ends.
    assert lines == [[25, 75], [0, 100]] and _numbers(shown, "circle", "cx") == [(50,), (0,)]
    assert tree.xpath("//svg/@aria-label")[1] == "0, from −3 to 9"
    assert "</table>" in plots.intervals("none", [], (0.0, 0.0), "x").drawn


def test_points_on_the_diagonal_are_on_its_line() -> None:
    shown = plots.against_diagonal("r", [(0.5, 0.5, 1.0), (1.0, 0.0, 0.0)], "confidence", "right")
    (x, y, size), (right, bottom, least) = _numbers(shown, "circle", "cx", "cy", "r")
    assert (x, y) == (50, 50) and (right, bottom) == (100, 100) and size > least
    assert shown.head == ("confidence", "right", "of all") and shown.rows[0] == ("0.500", "0.500", "100.0%")


def test_stacked_columns_stand_on_one_another() -> None:
    shown = plots.stacked("s", {"a": {2020: 30, 2022: 10}, "b": {2020: 10}}, "year")
    tree = html.fragment_fromstring(shown.drawn)
    columns = [
        [float(node.get(name).strip("%")) for name in ("y", "height")]
        for node in tree.xpath("//svg[@class='area']/rect")
    ]
    (top_a, a), (_, later), (top_b, b) = columns
    assert (later, b) == (pytest.approx(a / 3, abs=0.1), pytest.approx(a / 3, abs=0.1))
    assert top_b + b == pytest.approx(top_a, abs=0.1)
    assert shown.head == ("year", "a", "b") and shown.rows == (("2020", 30, 10), ("2021", 0, 0), ("2022", 10, 0))


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("counts", [[0, 0, 0], [1, 0, 0], [3, 1000, 20]])
def test_histograms_of_any_counts_are_drawn(counts: list[int], log: bool) -> None:
    bins = {"a": np.array(counts)}
    for shown in (plots.columns("c", bins, [0, 1, 2, 3], "x", log), plots.lines("l", bins, [1, 4, 16, 64], "x", (2,))):
        tree = html.fragment_fromstring(shown.drawn)
        levels = [span.text for span in tree.xpath("//div[@class='up']/span")]
        assert levels[-1] == "0" and len(set(levels)) == len(levels) and "x" in tree.xpath("//p/text()")
        heights = [float(node.get("height").strip("%")) for node in tree.xpath("//svg[@class='area']/rect")]
        assert len(heights) == len(shown.rows) == sum(count > 0 for count in counts)
        assert all(0 < height <= 100 for height in heights)
        assert "nan" not in shown.drawn and "inf" not in shown.drawn


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e9), st.integers(2, 6))
def test_levels_are_evenly_spaced_and_hold_all(low: float, room: float, most: int) -> None:
    levels = plots._evenly(low, low + room, most)
    apart = np.diff(levels)
    slack = 1e-6 * (abs(low) + room)
    assert levels[0] <= low + slack and levels[-1] >= low + room - slack
    assert 2 <= len(levels) <= most + 3 and np.allclose(apart, apart[0], rtol=1e-3)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=300), st.floats(0.01, 0.99))
def test_median_is_the_quantile(values: list[int], share: float) -> None:
    counts = np.bincount(values, minlength=51)
    expected = np.quantile(values, share, method="inverted_cdf")
    assert summary.median(counts, share) == expected


def _table(page: str, title: str) -> list[list[str]]:
    tree = html.fromstring(page)
    section = next(one for one in tree.xpath("//details[@class='section']") if one.findtext("summary/h2") == title)
    section = section.find("div")
    rows = section.xpath(".//div[@class='wide']/table")[0].xpath("./tbody/tr | ./tfoot/tr")
    return [[cell.text_content() for cell in row] for row in rows]
