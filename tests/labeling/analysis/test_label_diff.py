"""Causes of labels of spans that are gone: people who marked the text, and spans that took their place."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from socorpus.corpus.storage import parquet
from socorpus.labeling import schema
from socorpus.labeling.analysis.differences import label_diff
from socorpus.labeling.schema import TASKS
from tests.labeling import label_tables
from tests.labeling.label_tables import SITE

INNER, OUTER, APART = (11, 16), (4, 24), (30, 35)
Place = tuple[int, int]


@pytest.fixture(scope="module", autouse=True)
def toys() -> Iterator[None]:
    yield


def _vote(function: str, label: str | None, span: Place | None, source: str = "function") -> dict[str, Any]:
    start, end = span or (None, None)
    key = {"site": SITE, "post_id": 2, "start": start, "end": end, "function": function, "version": 1, "source": source}
    evidence = '{"nothing": true}' if span is None else "{}"
    return key | {"label": label, "evidence": evidence, "at": datetime(2026, 1, 1, tzinfo=UTC), "seconds": None}


def _corpus(
    root: Path, labels: Sequence[tuple[Place, str, str]], lost: Sequence[tuple[Place, str, str]] = (), **people: Any
) -> Path:
    """A corpus of one text: labels and lost spans as place, label and function; `marks` of a person, if any."""
    rows = []
    for place, name, function in labels:
        source = "person" if function.startswith("person:") else "function"
        row = label_tables.label("entities", 2, name, 0.8, place, source=source)
        rows.append(row | {"votes": [{"function": function, "label": name, "evidence": "{}"}]})
    label_tables.write(root, "entities", [label_tables.example(2, "x" * 60)], rows)
    votes = [_vote(function, name, place) for place, name, function in (*labels, *lost) if ":" not in function]
    path = root / schema.path("entities", "votes", label_tables.BUCKET)
    parquet.write(path, pa.Table.from_pylist(votes, schema=schema.VOTES), schema.VOTES)
    if "marks" in people:
        marks = [_vote("person:7", "Library", place, "person") for place in people["marks"]]
        words = pa.Table.from_pylist(marks or [_vote("person:7", None, None, "person")], schema=schema.VOTES)
        parquet.write(root / schema.people_path("entities"), words, schema.VOTES)
    return root


def _causes(old: Path, new: Path) -> Counter[str]:
    return label_diff.compare(old, new, TASKS["entities"]).causes


def test_labels_that_a_person_did_not_mark_are_gone_by_people(tmp_path: Path) -> None:
    ours = [(INNER, "Class", "ours"), (APART, "Library", "ours")]
    old = _corpus(tmp_path / "old", ours)
    emptied = _corpus(tmp_path / "emptied", [], ours, marks=[])
    marked = _corpus(tmp_path / "marked", [(APART, "Library", "person:7")], ours, marks=[APART])
    assert _causes(old, emptied) == {label_diff.PEOPLE: 2} == _causes(emptied, old)
    assert _causes(old, marked) == {label_diff.PEOPLE: 1}


def test_a_label_that_lost_its_place_is_gone_by_the_function_that_took_it(tmp_path: Path) -> None:
    ours = (INNER, "Class", "ours")
    old = _corpus(tmp_path / "old", [ours])
    new = _corpus(tmp_path / "new", [(OUTER, "Library", "plugged")], [ours])
    diff = label_diff.compare(old, new, TASKS["entities"])
    assert diff.causes == {"plugged": 2} and diff.changed == 2
    assert [change.causes for change in diff.examples] == [("plugged",), ("plugged",)]
    assert _causes(new, old) == {"plugged": 2}


def test_a_label_that_is_gone_without_any_of_that_is_the_models_doing(tmp_path: Path) -> None:
    ours = [(INNER, "Class", "ours"), (APART, "Library", "ours")]
    old = _corpus(tmp_path / "old", ours)
    assert _causes(old, _corpus(tmp_path / "new", ours[:1], ours[1:])) == {label_diff.MODEL: 1}
    # Both spans had the same votes before: which of them wins is the model's doing.
    over = [(OUTER, "Library", "ours"), ours[0]]
    one, other = _corpus(tmp_path / "one", over[:1], over[1:]), _corpus(tmp_path / "other", over[1:], over[:1])
    assert _causes(one, other) == {label_diff.MODEL: 2}
