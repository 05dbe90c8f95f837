"""Readers of corpora and benchmark files."""

import csv
from pathlib import Path

import pytest

from socorpus.corpus.errors import InputError
from socorpus.labeling.tasks.entities.spans import Span
from socorpus.training.examples import benchmarks, readers
from socorpus.training.examples.example import Example
from tests.labeling import label_tables as labelled
from tests.our_tasks import CLOSURE, ENTITIES, QUALITY

KAGGLE = ["PostId", "PostCreationDate", "Title", "BodyMarkdown", "Tag1", "Tag2", "OpenStatus"]


def kaggle(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([KAGGLE, *rows])
    return path


def test_kaggle_questions_are_read_and_split_by_time(tmp_path: Path) -> None:
    rows = [
        [str(at), f"07/{at:02d}/2012 14:39:25", f"title {at}", f"Why `x{at}`?\n\n    y = {at}\n", "c#", "", status]
        for at, status in zip(range(1, 21), [*benchmarks.KAGGLE, *benchmarks.KAGGLE] * 2, strict=True)
    ]
    found = readers.read(kaggle(tmp_path / "train.csv", rows[::-1]), CLOSURE)
    assert found.task.labels == benchmarks.KAGGLE
    assert [[one.key for one in found.splits[split]] for split in ("train", "validation", "test")] == [
        [str(at) for at in range(1, 15)],
        ["15", "16"],
        ["17", "18", "19", "20"],
    ]
    first = found.splits["train"][0]
    assert (first.title, first.tags, first.label) == ("title 1", ("c#",), 0)
    assert first.text == "Why x1?\n\ny = 1\n"
    assert [(kind, first.text[start:end]) for kind, start, end in first.kinds] == [
        ("prose", "Why"),
        ("inline_code", "x1"),
        ("prose", "?"),
        ("code", "y = 1\n"),
    ]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([["1", "07/01/2012 14:39:25", "t", "b", "", "", "shut"]], "row 1: OpenStatus 'shut' is none of open"),
        ([["1", "2012", "t", "b", "", "", "open"]], "row 1: PostCreationDate '2012' is no date such as"),
        ([["1", "07/01/2012 14:39:25", "t", "b", "", "", "open"]], "no closure example in the test split"),
    ],
)
def test_what_kaggle_never_had_is_refused(tmp_path: Path, rows: list[list[str]], said: str) -> None:
    with pytest.raises(InputError, match=said):
        readers.read(kaggle(tmp_path / "train.csv", rows), CLOSURE)


def test_files_of_other_tasks_and_of_none_are_refused(tmp_path: Path) -> None:
    path = kaggle(tmp_path / "train.csv", [])
    with pytest.raises(InputError, match="has examples of closure, not of quality"):
        readers.read(path, QUALITY)
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(
        InputError,
        match=r"no benchmark that is known: .*; a CSV file with a column Y .*; a CSV file with a column OpenStatus",
    ):
        readers.read(tmp_path / "other.csv", QUALITY)
    with pytest.raises(InputError, match="not a corpus"):
        readers.read(tmp_path / "nothing", QUALITY)


def test_a_corpus_gives_its_labels_in_its_own_splits(tmp_path: Path) -> None:
    labels = [labelled.label("quality", post, "LQ_EDIT", 0.7) for post in (1, 2)]
    labelled.write(tmp_path, "quality", [labelled.example(post, f"text {post}") for post in (1, 2, 3)], labels)
    found = readers.corpus(tmp_path, QUALITY)
    # What has no label is no example.
    keys = [one.key for split in found.splits.values() for one in split]
    assert keys == [f"{labelled.SITE}:1", f"{labelled.SITE}:2"]
    one = next(one for split in found.splits.values() for one in split)
    assert one.label == 1 and one.probabilities[1] == pytest.approx(0.7) and one.source == "function"
    assert one.thread.startswith(f"{labelled.SITE}:")


def test_a_corpus_gives_texts_without_entities_too(tmp_path: Path) -> None:
    labelled.entities(tmp_path, {1: ("Use numpy.", [("numpy", "Library")]), 2: ("Thanks.", [])})
    found = readers.corpus(tmp_path, ENTITIES)
    both = {one.text: one.spans for split in found.splits.values() for one in split}
    assert [span for span, _ in both["Use numpy."]] == [Span(4, 9, "Library")] and both["Thanks."] == ()
    assert found.leave_out == ("Code_Block",)


def test_a_drawn_share_is_part_of_every_larger_one() -> None:
    some = [Example(key=str(at), thread=str(at), text="") for at in range(200)]
    few, more = ({one.key for one in readers.drawn(some, size)} for size in (20, 100))
    assert len(few) == 20 and few < more
    assert [one.key for one in readers.drawn(some, 300)] == [one.key for one in some]


def test_the_real_benchmarks(real_data: Path) -> None:
    ner = readers.read(real_data / "benchmarks/ner", ENTITIES)
    threads = {split: {one.thread for one in some} for split, some in ner.splits.items()}
    assert not threads["train"] & threads["validation"]
    assert len(ner.splits["test"]) > 500 and "dev.txt" in ner.notes[0]
    for one in ner.splits["test"][:50]:
        words = set(one.offsets())
        assert all({start for start, _ in words} & {span.start} for span, _ in one.spans)
        assert not any(mark in one.text for mark in ("Question_ID", "code omitted"))
    csv_ = readers.read(real_data / "benchmarks/quality/so-60k-subset.csv", QUALITY)
    assert csv_.task.labels == ("HQ", "LQ") and sum(map(len, csv_.splits.values())) == 1241
    assert max(one.created for one in csv_.splits["train"]) <= min(one.created for one in csv_.splits["test"])
    assert len(readers.read(real_data / "benchmarks/ner", ENTITIES, most=100).splits["train"]) == 100


def test_one_benchmark_teaches_and_another_is_scored(tmp_path: Path) -> None:
    rows = "Question_ID\tO\tQuestion_ID\tO\n:\tO\t:\tO\n{}\tO\t{}\tO\n\t\nUse\tO\tUse\tO\n{}\tB-{}\t{}\tO\n\t\n"

    def folder(name: str, *documents: tuple[int, str, str]) -> Path:
        (tmp_path / name).mkdir()
        for part, some in (("train", documents[:-1]), ("test", documents[-1:])):
            text = "".join(rows.format(number, number, word, label, word) for number, word, label in some)
            (tmp_path / name / f"{part}.txt").write_text(text, "utf-8")
        return tmp_path / name

    ours = folder("questions", (1, "numpy", "Library"), (2, "Excel", "Application"), (3, "git", "Application"))
    other = folder("issues", (8, "MIT", "Licence"), (1, "conda", "Application"))
    data = readers.read(Path(f"{ours},{other}"), ENTITIES)
    # Question 1 is in both: it is scored, and not learned.
    assert [one.text for one in data.splits["train"]] == ["Use Excel"]
    assert [one.text for one in data.splits["test"]] == ["Use conda"]
    assert "Licence" in data.task.labels or "Licence" not in {
        s.label for one in data.splits["test"] for s, _ in one.spans
    }
    assert data.notes[0] == f"learned from {ours}" and f"scored on {other}" in data.notes


def test_questions_know_the_languages_of_their_code(tmp_path: Path) -> None:
    path = tmp_path / "questions.csv"
    code = '<p>a</p><pre class=""lang-py""><code>x = 1</code></pre><pre><code>y</code></pre>'
    days = "\n".join(f'{day},how,"{code}",<python>,2016-01-{day:02d} 10:00:00,HQ' for day in range(1, 11))
    path.write_text(f"Id,Title,Body,Tags,CreationDate,Y\n{days}\n", "utf-8")
    data = readers.read(path, QUALITY)
    assert {example.languages for split in data.splits.values() for example in split} == {("py",)}
