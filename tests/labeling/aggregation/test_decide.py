"""Labels of votes: there is none where another is likelier; spans are decided some texts at a time, as all at once."""

from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pytest

from socorpus.corpus.storage import files, parquet
from socorpus.corpus.storage.buckets import Bucket, bucket_files
from socorpus.labeling import schema, steps
from socorpus.labeling.aggregation import counting, dawid_skene, decide, vote_matrix
from socorpus.labeling.schema import TASKS, Task


def test_labels_do_not_depend_on_how_many_texts_are_decided_at_a_time(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, seen = TASKS["entities"], 0
    model = dawid_skene.from_dict(files.read_json(built / steps.model_path(task.name)))
    for path in bucket_files(built / schema.FOLDER / task.name / "votes"):
        number, _, of = path.stem.partition("-of-")
        bucket = Bucket(path.parent.name, int(number), int(of), 0)
        examples, votes = steps.all_votes(built, bucket, task, people=True)
        written = parquet.read(built / schema.path(task.name, "labels", bucket.name))
        for size in (1, 7, 10_000):
            monkeypatch.setattr(decide, "_PART", size)
            assert decide.decide(examples, votes, model, task).equals(written)
        seen += written.num_rows
    assert seen > 100


def _votes(task: Task, by: list[tuple[str, int, str]]) -> pa.Table:
    usual = {"site": "a", "version": 1, "source": "function", "evidence": "{}"}
    place = {"start": 0, "end": 4} if task.spans else {}
    return pa.Table.from_pylist(
        [{**usual, **place, "function": name, "post_id": post, "label": label} for name, post, label in by],
        schema=schema.VOTES,
    )


@pytest.mark.parametrize("unit", ["question", "span"])
def test_there_is_no_label_where_one_that_nobody_votes_for_is_likelier(unit: Literal["question", "span"]) -> None:
    task = Task("made", {"yes": "it is", "no": "it is not"}, unit=unit)
    pairs = {"ab": ("no", 200), "abw": ("no", 300), "w": ("yes", 30)}
    by, post = [], 0
    for who, (label, count) in pairs.items():
        for _ in range(count):
            post += 1
            names = {"a": "first", "b": "second", "w": "wrong"}
            by += [(names[sign], post, "yes" if sign == "w" else label) for sign in who]
    for _ in range(30):
        post += 1
        by += [("first", post, "yes"), ("second", post, "yes")]
    votes, voters = _votes(task, by), ["first", "second", "wrong"]
    part = counting.count(votes, voters, task)
    counted = counting.Counted([part], len(voters))
    model = counted.fit(voters, task)
    examples = pa.table(
        {
            "site": ["a"] * post,
            "post_id": pa.array(range(1, post + 1), pa.int64()),
            "thread_id": pa.array(range(1, post + 1), pa.int64()),
            "split": ["train"] * post,
        }
    )
    table = decide.decide(examples, votes, model, task)
    items = vote_matrix.gather(votes, model.functions, task)
    lone = (items.votes[:, 2] != dawid_skene.ABSTAIN) & (items.votes[:, :2] == dawid_skene.ABSTAIN).all(1)
    # A function that others mostly contradict says what a post is not.
    assert (model.probabilities(items.votes[lone])[:, 1] > 0.5).all() and lone.sum() == 30
    assert set(table["post_id"].to_pylist()) == set(items.post[~lone].tolist())
    assert all(max(row["probabilities"]) == row["probability"] for row in table.to_pylist())
    assert counted.withheld(model, task) == {"yes": {"no": 30}}


def test_a_label_is_the_likeliest_where_no_other_is_as_likely() -> None:
    probabilities = np.array([[0.5, 0.5 - 1e-10, 0.0], [0.6, 0.4, 0.0], [1 / 3] * 3, [0.2, 0.2, 0.6], [0.3, 0.5, 0.2]])
    assert dawid_skene.likeliest(np.array([0, 1, 0, 2, 1]), probabilities).tolist() == [False, False, False, True, True]
    assert dawid_skene.likeliest(np.zeros(1, np.int64), np.ones((1, 1))).tolist() == [True]
    assert dawid_skene.likeliest(np.zeros(0, np.int64), np.zeros((0, 3))).shape == (0,)


@pytest.mark.parametrize("unit", ["question", "span"])
def test_a_tie_gives_no_label_and_is_counted(unit: Literal["question", "span"]) -> None:
    task = Task("made", {"yes": "it is", "no": "it is not", "perhaps": "who knows"}, unit=unit)
    votes = _votes(task, [("a", 1, "yes"), ("b", 1, "no"), ("a", 2, "yes"), ("b", 3, "no"), ("c", 3, "no")])
    voters = ["a", "b", "c"]
    counted = counting.Counted([counting.count(votes, voters, task)], len(voters))
    assert counted.posts == 3
    model = counted.fit(voters, task)
    posts = pa.array([1, 2, 3], pa.int64())
    examples = pa.table({"site": ["a"] * 3, "post_id": posts, "thread_id": posts, "split": ["train"] * 3})
    assert decide.decide(examples, votes, model, task)["post_id"].to_pylist() == [2, 3]
    (tied,) = [(label, *rival) for label, rivals in counted.withheld(model, task).items() for rival in rivals.items()]
    assert {tied[0], tied[1]} == {"yes", "no"} and tied[2] == 1
