"""Overlap with benchmark files: what is a copy is found, what is not isn't, and bad files are named."""

import csv
import json
import pickle
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from socorpus.corpus import schema
from socorpus.corpus.config import Contamination
from socorpus.corpus.errors import InputError
from socorpus.corpus.signals import contamination
from tests.corpus import making

_QUESTIONS = [
    (
        "How to sort a list of pairs",
        "<p>I have a list of pairs &amp; want it sorted by the second one, <b>not</b> the first.</p>",
    ),
    (
        "Why does the loop never end",
        "<p>My loop counts from ten down to zero but then goes on for ever, what did I miss?</p>",
    ),
    ("Short one", "<p>too short</p>"),
]


def _found(texts: list[str], index: contamination.Index, **columns: object) -> list[dict[str, object]]:
    made = contamination.find(making.texts(texts, **columns), index)
    schema.check(made.schema, schema.SIGNALS["contamination"], "contamination")
    return made.to_pylist()


def _write(folder: Path, kind: str) -> Path:
    path = folder / f"questions.{kind}"
    rows = [
        {"Id": n, "Title": t, "Body": b, "Tags": "<x>", "At": "2020-01-01 10:00:00"}
        for n, (t, b) in enumerate(_QUESTIONS)
    ]
    if kind in ("csv", "tsv"):
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="," if kind == "csv" else "\t")
            writer.writeheader()
            writer.writerows(rows)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif kind == "txt":
        path.write_text("\n\n".join(f"{title} {body}" for title, body in _QUESTIONS), "utf-8")
    else:
        words = [f"{title} {re.sub('<[^>]*>|&amp;', '', body)}".split() for title, body in _QUESTIONS]
        path.write_text("\n\t\n".join("\n".join(f"{word}\tO\t{word}\tO" for word in one) for one in words), "utf-8")
    return path


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet", "txt", "conll"])
def test_every_kind_of_file(tmp_path: Path, kind: str) -> None:
    path = _write(tmp_path, kind)
    index = contamination.build([str(path)], 5)
    assert (len(index.row), index.skipped) == (2, 1)
    body = "My loop counts from ten down to zero but then goes on for ever, what did I miss?"
    whole, part, none, empty = _found(
        [body + " And more words of another kind.", body[:40], "Nothing of the sort is said in here at all.", ""],
        pickle.loads(pickle.dumps(index)),
        title="Why does the loop never end",
    )
    assert (whole["benchmark"], whole["example"], whole["overlap"]) == (path.name, 1, 1.0)
    assert part["example"] == 1
    assert 0.2 < part["overlap"] < 0.8
    # The title alone is in all four.
    assert none["overlap"] == empty["overlap"] < 0.2
    assert _found(["Nothing of the sort."], index)[0]["benchmark"] is None


def test_answers_do_not_get_their_questions_title(tmp_path: Path) -> None:
    index = contamination.build([str(_write(tmp_path, "jsonl"))], 5)
    assert _found(["So."], index, title="Why does the loop never end", kind="answer")[0]["overlap"] == 0


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.lists(st.sampled_from("abcde"), min_size=8, max_size=14), min_size=1, max_size=4),
    st.lists(st.lists(st.sampled_from("abcde"), max_size=20), min_size=1, max_size=4),
    st.integers(1, 5),
)
def test_equals_the_definition(
    tmp_path_factory: pytest.TempPathFactory, examples: list[list[str]], documents: list[list[str]], ngram: int
) -> None:
    path = tmp_path_factory.mktemp("benchmark") / "lines.txt"
    path.write_text("\n".join(" ".join(words) for words in examples), "utf-8")
    index = contamination.build([str(path)], ngram)

    def grams(words: list[str]) -> set[tuple[str, ...]]:
        return {tuple(words[at : at + ngram]) for at in range(len(words) - ngram + 1)} or (
            {tuple(words)} if words else set()
        )

    for words, one in zip(documents, _found([" ".join(words) for words in documents], index), strict=True):
        shares = [len(grams(words) & grams(example)) / len(grams(example)) for example in examples]
        assert one["overlap"] == pytest.approx(max(shares))
        assert one["example"] == (shares.index(max(shares)) if max(shares) else None)


def test_of_two_files_the_better_is_named(tmp_path: Path) -> None:
    line = "one two three four five six seven eight nine ten"
    (tmp_path / "a.txt").write_text(line + " eleven twelve\n", "utf-8")
    (tmp_path / "b.txt").write_text("nothing that is in there, but long enough to count\n" + line + "\n", "utf-8")
    found = _found([line], contamination.build([str(tmp_path / "a.txt"), str(tmp_path / "b.txt")], 4))[0]
    assert (found["benchmark"], found["example"], found["overlap"]) == ("b.txt", 1, 1.0)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.doc", b"a", "ends in"),
        ("missing.csv", None, "no such"),
        ("x.jsonl", b'{"a": "b"}\n{oops\n', "x.jsonl:2: not JSON"),
        ("x.jsonl", b"[1]\n", "x.jsonl:1: expected an object"),
        ("x.csv", b"a,b\n1,2\n1\n", "x.csv:3: 1 cells"),
        ("x.csv", b'a,b\n"1"x,2\n', "x.csv:2: not a table"),
        ("x.csv", b"a,b\n1,2\n", "no column holds text"),
        ("x.parquet", b"PAR0", "not a Parquet file"),
        ("x.txt", b"a\tO\nb\tO\nc\n", "x.txt:3: expected a token"),
        ("x.txt", b"\xff\xfe words of latin", "not UTF-8"),
        ("x.txt", b"\n\n", "no example"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, name: str, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=re.escape(said)):
        contamination.build([str(tmp_path / name)], 13)


def test_no_benchmarks() -> None:
    assert _found(["a text", ""], contamination.build([], 13))[0]["overlap"] == 0


def test_real_benchmarks_and_unrelated_sites(real_data: Path) -> None:
    quality = real_data / "benchmarks" / "quality"
    files = sorted(quality.glob("*.csv")) + sorted((real_data / "benchmarks" / "ner").glob("*.txt"))
    index = contamination.build([str(path) for path in files], 13)
    assert set(index.file.tolist()) == set(range(len(files)))

    with files[0].open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:200]
    documents = making.documents([{"title": row["Title"], "text": re.sub(r"<[^>]*>", "", row["Body"])} for row in rows])
    found = contamination.find(documents, index).to_pylist()
    share = sum(one["overlap"] > 0.5 and one["benchmark"] == files[0].name for one in found) / len(found)
    assert share > 0.9

    for folder in making.sites(real_data)[:3]:
        overlaps = contamination.find(making.real(folder), index)["overlap"].to_pylist()
        assert max(overlaps) < 0.5
        assert sum(one > 0 for one in overlaps) <= 0.005 * len(overlaps) + 1


def test_an_index_that_is_written_anew_is_read_anew(tmp_path: Path) -> None:
    path, few, many = tmp_path / "index.npz", _write(tmp_path, "csv"), tmp_path / "other.txt"
    many.write_text("".join(f"The {n} words of another file that has more such lines than one\n" for n in range(9)))
    for file, examples in ((few, 2), (many, 9)):
        contamination.make(Contamination(benchmarks=(str(file),)), path)
        assert len(contamination.load(path).size) == examples
