"""The public set of question quality: read whole, its two formats made one, and what leaks in it."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from socorpus.corpus.errors import InputError
from socorpus.labeling.datasets import so60k

HEAD = "Id,Title,Body,Tags,CreationDate,Y\n"
DAY = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def questions(real_data: Path) -> list[so60k.Question]:
    return so60k.read(real_data / "benchmarks/quality/so-60k-subset.csv")


def test_the_real_file_is_read_whole(questions: list[so60k.Question]) -> None:
    assert len(questions) == 1241
    assert len({one.id for one in questions}) == len(questions)
    assert all(one.text.text and one.title and one.tags for one in questions)
    assert not any("<p>" in one.text.text[:3] for one in questions)


def test_the_format_gives_a_class_away_and_the_text_does_not(questions: list[so60k.Question]) -> None:
    of_label = {label: Counter(one.html for one in questions if one.label == label) for label in ("HQ", "LQ")}
    assert sum(sum(counts.values()) for counts in of_label.values()) == len(questions)
    scores = {one.view: one for one in so60k.audits(questions)}
    assert list(scores) == list(so60k.VIEWS)
    common = max(sum(counts.values()) for counts in of_label.values()) / len(questions)
    assert scores["commonest label"].accuracy == pytest.approx(common)
    assert scores["text, normalised"].macro_f1 > scores["commonest label"].macro_f1
    assert scores["markup, normalised"].macro_f1 <= scores["markup, raw"].macro_f1 + 0.02


def test_both_formats_become_one_text() -> None:
    html = (
        "<p>Use <code>map</code>:</p>\n\n<pre><code>map(f, x)\n</code></pre>\n\n<p>and <strong>run</strong> it.</p>\n"
    )
    markdown = "Use `map`:\n\n    map(f, x)\n\nand **run** it.\n"
    one, other = so60k.normalised(html, DAY), so60k.normalised(markdown, DAY)
    assert one.text == other.text
    assert [part[:3] for part in one.segments] == [part[:3] for part in other.segments]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Id,Title,Body\n1,a,b\n", "has no column Tags, CreationDate, Y"),
        (HEAD + "x,a,b,<c>,2020-01-01 00:00:00,HQ\n", "row 1: Id 'x' is no number"),
        (HEAD + "1,a,b,<c>,2020-01-01 00:00:00,HQ\n2,a,b,<c>,yesterday,HQ\n", "row 2: CreationDate 'yesterday'"),
        (
            HEAD + '1,a,b,<c>,2020-01-01 00:00:00,HQ\n2,"a,b,<c>,2020-01-01 00:00:00,HQ\n',
            "row 2: can't be read as CSV: .*a",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "set.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match=says):
        so60k.read(path)
