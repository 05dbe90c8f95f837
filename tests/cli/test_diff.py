"""What changed between two corpora, as a user asks for it: on screen, as JSON, as a list, and as a page in Chromium."""

import csv
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from socorpus.corpus import Corpus
from socorpus.labeling import diff
from tests.building import copy, manifest, socorpus, table

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
CONFIG = """[selection]
min_words = 60
min_score = 0
[documents]
comments = false
[labels]
without = ["closure.closing_remark"]
"""


@pytest.fixture(scope="module")
def changed(small: Path, small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the small corpus that was built anew by another configuration; beside it stands the page of it."""
    folder = tmp_path_factory.mktemp("changed")
    out = copy(small_corpus, folder)
    (folder / "config.toml").write_text(CONFIG)
    shown = socorpus(
        *("build", small, "-o", out, "--workers", 0, "--config", folder / "config.toml"),
        *("--diff", folder / "changes.html", "--log", folder / "log.jsonl"),
    )
    (folder / "shown.txt").write_text(shown.stdout)
    return out


def decisions(corpus: Path) -> dict[tuple[str, int], str | None]:
    rows = table(corpus, "decisions").to_pylist()
    return {(row["site"], row["post_id"]): row["reason"] for row in rows}


def test_moves_are_those_of_the_decisions_and_counts_those_of_the_manifests(
    small_corpus: Path, changed: Path, tmp_path: Path
) -> None:
    listed = tmp_path / "moves.parquet"
    result = diff(small_corpus, changed, moves=listed, examples=2)
    old, new = decisions(small_corpus), decisions(changed)
    pairs = Counter((old[key], new[key]) for key in old if old[key] != new[key])
    ours: Counter[tuple[str | None, str | None]] = Counter()
    for count in result.corpus.counts:
        if count.move != "text":
            ours[count.old_reason, count.new_reason] += count.posts
    assert ours == pairs and pairs[None, "too_short"] > 0 and pairs[None, "low_score"] > 0
    texts = [
        {(row["site"], row["post_id"]): (row["title"], row["text"]) for row in table(place, "shards").to_pylist()}
        for place in (small_corpus, changed)
    ]
    both = texts[0].keys() & texts[1].keys()
    assert result.corpus.moved["text"] == sum(texts[0][key] != texts[1][key] for key in both) > 0
    assert result.corpus.moved["gone"] == result.corpus.moved["new"] == 0
    rows = pq.read_table(listed).to_pylist()
    assert Counter(row["move"] for row in rows) == result.corpus.moved
    assert [(row["site"], row["post_id"]) for row in rows] == sorted((row["site"], row["post_id"]) for row in rows)
    for row in rows:
        key = row["site"], row["post_id"]
        assert (row["old_reason"], row["new_reason"]) == (old[key], new[key])
        assert row["new_reason"] is None or json.loads(row["new_evidence"])
    for side, corpus in (("old", small_corpus), ("new", changed)):
        counted: Counter[str] = Counter()
        for row in result.corpus.rows:
            counted[row.reason] += getattr(row, side)
        totals = manifest(corpus)["totals"]
        assert {name: count for name, count in counted.items() if count} == {
            "kept": totals["kept"],
            **{name: count for name, count in totals["dropped"].items() if count},
        }
    for move in result.corpus.examples:
        assert move.title and move.text
    assert max(Counter((move.move, move.new_reason) for move in result.corpus.examples).values()) <= 2
    by_name = {of.name: of for of in result.corpus.distributions}
    for name in ("words", "characters", "tokens", "scores", "years"):
        of = by_name[f"{name} of kept documents"]
        assert (sum(of.old), sum(of.new)) == tuple(manifest(c)["totals"]["kept"] for c in (small_corpus, changed)), name
    assert (by_name["words of kept documents"].distance or 0) > 0.005
    keys = {fact.name: (fact.old, fact.new) for fact in result.corpus.configuration}
    assert keys["documents.comments"] == (True, False) and keys["selection.min_words"][1] == 60
    assert not result.corpus.sources
    assert {fact.name for fact in result.corpus.tables} >= {"decisions", "documents", "shards"}


def test_the_way_back_is_the_same_way(small_corpus: Path, changed: Path) -> None:
    there, back = diff(small_corpus, changed), diff(changed, small_corpus)
    assert there.corpus.moved["dropped"] == back.corpus.moved["kept"]
    assert there.corpus.moved["text"] == back.corpus.moved["text"]
    for one, other in zip(there.corpus.distributions, back.corpus.distributions, strict=True):
        assert one.old == other.new and one.distance == pytest.approx(other.distance)
    for task, changes in there.labels.items():
        assert changes.changed == back.labels[task].changed and changes.same == back.labels[task].same


def test_labels_have_a_matrix_their_functions_and_their_probabilities(small_corpus: Path, changed: Path) -> None:
    result = diff(small_corpus, changed)
    for task, changes in result.labels.items():
        rows = [Corpus(corpus).labels(task).count_rows() for corpus in (small_corpus, changed)]
        assert [changes.same + sum(n for pair, n in changes.pairs.items() if pair[side]) for side in (0, 1)] == rows
        assert changes.kept.total() == changes.same
        assert [sum(side) for side in (changes.distribution.old, changes.distribution.new)] == rows
    functions = {change.function: change for change in result.labels["closure"].functions}
    assert functions["closing_remark"].old_version is not None and functions["closing_remark"].new_version is None


def test_a_build_says_what_it_changes_and_leaves_one_corpus(small_corpus: Path, changed: Path) -> None:
    shown = (changed.parent / "shown.txt").read_text()
    kept = [manifest(corpus)["totals"]["kept"] for corpus in (small_corpus, changed)]
    assert kept[0] > kept[1]
    assert "kept -> too_short" in shown and "selection.min_words" in shown
    assert f"old: {changed} before   new: {changed}" in shown
    assert [path.name for path in (changed / ".generations").glob("0*")] == ["000002"]
    lines = [json.loads(line) for line in (changed.parent / "log.jsonl").read_text().splitlines()]
    assert lines[0]["event"] == "start" and lines[-1]["exit_code"] == 0
    assert "too_short" in (changed.parent / "changes.html").read_text()


def test_a_first_build_has_nothing_to_compare_with(small: Path, tmp_path: Path) -> None:
    done = socorpus("labeling", "apply", tmp_path, "--diff", tmp_path / "page.html", code=2)
    assert "no finished corpus" in " ".join(done.stderr.split())
    words = ("build", small, "-o", tmp_path / "new", "--workers", 0, "--no-labels", "--diff", tmp_path / "page.html")
    assert "no corpus before this build to compare with" in " ".join(socorpus(*words).stderr.split())
    assert not (tmp_path / "page.html").exists()


def test_equal_corpora_do_not_differ(small_corpus: Path, tmp_path: Path) -> None:
    again = copy(small_corpus, tmp_path)
    shown = socorpus("diff", small_corpus, again, "--exit-code", "-o", tmp_path / "page.html").stdout
    assert "no difference" in shown
    assert "there is no difference" in (tmp_path / "page.html").read_text()
    told = json.loads(socorpus("diff", small_corpus, again, "--json").stdout)
    assert told["differs"] is False and told["moved"] == {} and told["configuration"] == []


def test_json_lists_and_exit_codes(small_corpus: Path, changed: Path, tmp_path: Path) -> None:
    listed = [tmp_path / f"moves{suffix}" for suffix in (".csv", ".jsonl")]
    done = socorpus("diff", small_corpus, changed, "--json", "--exit-code", "--list", listed[0], code=1)
    told: dict[str, Any] = json.loads(done.stdout)
    again = json.loads(socorpus("diff", small_corpus, changed, "--json", "--list", listed[1]).stdout)
    assert told == again and told["differs"]
    assert {"facts", "configuration", "rows", "counts", "moved", "examples", "distributions", "labels"} <= told.keys()
    with listed[0].open(newline="") as file:
        rows = list(csv.DictReader(file))
    lines = [json.loads(line) for line in listed[1].read_text("utf-8").splitlines()]
    assert len(rows) == len(lines) == sum(told["moved"].values())
    assert [row["post_id"] for row in rows] == [str(line["post_id"]) for line in lines]
    shown = socorpus("diff", small_corpus, changed, "--task", "closure", "--examples", 1).stdout
    assert "closing_remark" in shown and "distance in bits" in shown and "entities: " not in shown


def test_what_can_not_be_compared_is_refused(small_corpus: Path, changed: Path, tmp_path: Path) -> None:
    told = " ".join(socorpus("diff", small_corpus, tmp_path, code=2).stderr.split())
    assert "no finished corpus" in told
    told = " ".join(socorpus("diff", small_corpus, changed, "--list", tmp_path / "moves.xlsx", code=2).stderr.split())
    assert ".parquet, .csv, .jsonl" in told
    told = " ".join(socorpus("diff", small_corpus, changed, "--task", "mood", code=2).stderr.split())
    assert "not both corpora have labels of it" in told
    within = changed / "shards" / "page.html"
    assert "only builds of the corpus" in " ".join(
        socorpus("diff", small_corpus, changed, "-o", within, code=2).stderr.split()
    )


def test_sites_and_posts_that_only_one_corpus_has(corpus: Path, small_corpus: Path) -> None:
    result = diff(corpus, small_corpus, examples=1)
    gone = manifest(corpus)["sites"]["area51.example.com"]["documents"]
    of_site = Counter[str]()
    for count in result.corpus.counts:
        if count.site == "area51.example.com":
            of_site[count.move] += count.posts
    assert of_site == {"gone": gone}
    assert result.labels["closure"].gone == ["area51.example.com"]
    assert any(source.name.startswith("area51.example.com ") and source.new is None for source in result.corpus.sources)


@pytest.mark.slow
def test_other_buckets_of_the_same_posts_are_no_difference_of_the_posts(small: Path, tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    socorpus("sample", dump, "--size-mb", 3, "--form", "modern")
    (tmp_path / "config.toml").write_text("[threads]\nbucket_mb = 1\n")
    socorpus("build", dump, "-o", tmp_path / "whole", "--workers", 0)
    socorpus("build", dump, "-o", tmp_path / "parted", "--workers", 0, "--config", tmp_path / "config.toml")
    assert len(list((tmp_path / "parted/documents").rglob("*.parquet"))) > 1
    result = diff(tmp_path / "whole", tmp_path / "parted")
    assert not result.corpus.counts
    for task, changes in result.labels.items():
        sides = []
        for name in ("whole", "parted"):
            rows = (
                Corpus(tmp_path / name).labels(task).to_table(columns=["post_id", "start", "end", "label"]).to_pylist()
            )
            sides.append({(row["post_id"], row["start"], row["end"]): row["label"] for row in rows})
        same = sum(sides[1].get(key) == label for key, label in sides[0].items())
        assert (changes.changed, changes.same) == (len({*sides[0], *sides[1]}) - same, same), task
        assert same > 0, task


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on PATH to look at the page with")
    from playwright.sync_api import sync_playwright

    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]) as launched,
    ):
        yield launched


CUT = """() => [...document.querySelectorAll('main *, nav *')].filter(part => {
  if (part.closest('.wide, .off')) return false;  // tables move sideways where they must
  const box = part.getBoundingClientRect();
  return box.width && (box.right > innerWidth + 1 || box.left < -1 || part.scrollWidth > part.clientWidth + 1
    && getComputedStyle(part).display !== 'inline');
}).map(part => part.outerHTML.slice(0, 120))"""
CONTRAST = """() => {
  const rgb = text => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = colour => { const [r, g, b] = rgb(colour).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = part => { for (; part; part = part.parentElement) {
    const colour = getComputedStyle(part).backgroundColor; if (!/, 0\\)$/.test(colour)) return colour; }
    return 'rgb(255, 255, 255)'; };
  const words = [...document.querySelectorAll('main *, nav *')].filter(part =>
    [...part.childNodes].some(node => node.nodeType === 3 && node.textContent.trim()));
  return Math.min(...words.map(part => { const a = light(getComputedStyle(part).color), b = light(ground(part));
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); }));
}"""


@pytest.mark.parametrize("width", [320, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_whole_on_narrow_and_wide_screens(
    width: int, scheme: str, changed: Path, browser: "Browser"
) -> None:
    asked: list[str] = []
    with browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme) as page:  # type: ignore[arg-type]
        page.on("request", lambda request: asked.append(request.url))
        page.goto((changed.parent / "changes.html").as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CUT) == []
        assert page.evaluate(CONTRAST) >= 4.5
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
        assert dark == (scheme == "dark")
        # By the keyboard alone to each section.
        links = [
            page.locator("nav li a").nth(number).get_attribute("href")
            for number in range(page.locator("nav li a").count())
        ]
        reached: list[str | None] = []
        while len(reached) < 20 + len(links) and (not links or links[-1] not in reached):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.getAttribute('href')"))
        assert links and [link for link in reached if link in links] == links
        page.keyboard.press("Enter")
        assert page.evaluate("location.hash") == links[-1]
    assert len(asked) == 1, asked
