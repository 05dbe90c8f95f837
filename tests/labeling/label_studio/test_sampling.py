"""Which posts people are asked about."""

import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files, parquet
from socorpus.labeling import schema, steps
from socorpus.labeling.label_studio import interface, sampling
from socorpus.labeling.label_studio.sampling import Sample
from tests.labeling import label_tables
from tests.labeling.label_tables import BUCKET, SITE
from tests.our_tasks import ENTITIES, QUALITY

COUNT = 60


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Probabilities grow with the post's number; every third post's votes differ, odd posts have the tag numpy."""
    made = tmp_path_factory.mktemp("sampling")
    label_tables.classified(made, "quality", COUNT, {9: label_tables.label("quality", 9, "HQ", 1.0, source="person")})
    return made


def chosen(root: Path, text: str, limit: int = 10, without: tuple[str, ...] = ()) -> list[int]:
    return [int(key.rpartition(":")[2]) for key in sampling.choose(root, QUALITY, Sample.parse(text), limit, without)]


def test_uncertain_ones_come_first(root: Path) -> None:
    assert chosen(root, "uncertain", 12) == [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13]


def test_posts_whose_votes_give_no_label_are_the_most_uncertain(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    usual = {"site": SITE, "version": 1, "source": "function", "evidence": "{}"}
    posts = [(2, "one", "HQ"), (70, "one", "HQ"), (71, "other", "HQ"), (71, "one", "LQ_EDIT"), (72, "other", "HQ")]
    votes = [{**usual, "post_id": post, "function": name, "label": label} for post, name, label in posts]
    label_tables.write_examples(tmp_path, "quality", [label_tables.example(post, "a text") for post in range(1, 80)])
    table = pa.Table.from_pylist(votes, schema=schema.VOTES)
    parquet.write(tmp_path / schema.path("quality", "votes", BUCKET), table, schema.VOTES)
    files.write_json(tmp_path / steps.model_path("quality"), {"muted": [["other", "HQ"]]})
    found = chosen(tmp_path, "uncertain", 5)
    assert sorted(found[:2]) == [70, 71] and found[2:] == [1, 2, 3]


def test_disagreement_takes_those_whose_votes_differ_and_nobody_has_judged(root: Path) -> None:
    found = chosen(root, "disagreement", COUNT)
    assert sorted(found) == [post for post in range(3, COUNT + 1, 3) if post != 9]
    assert found != sorted(found)


def test_random_is_of_all_posts_and_always_the_same(root: Path) -> None:
    found = chosen(root, "random", COUNT)
    assert sorted(found) == list(range(1, COUNT + 1)) and found != sorted(found)
    assert chosen(root, "random", 7) == found[:7]


def test_a_tag_takes_its_posts_alone(root: Path) -> None:
    found = chosen(root, "tag:numpy", COUNT)
    assert sorted(found) == list(range(1, COUNT + 1, 2))
    assert chosen(root, "tag:nothing") == []


def test_classes_take_turns_by_what_functions_vote(root: Path) -> None:
    found = chosen(root, "class", 30)
    # The label of post n is number n % 3; where votes differ, every third post, that is a tie of it and the next.
    strata = [0 if post % 3 == 0 else post % 3 for post in found]
    assert [strata[:3].count(number) for number in range(3)] == [1, 1, 1]
    assert [strata.count(number) for number in range(3)] == [10, 10, 10]
    assert found != sorted(found) and 9 not in chosen(root, "class", COUNT)
    label = QUALITY.labels[1]
    assert sorted(chosen(root, f"class:{label}", COUNT)) == [post for post in range(1, COUNT + 1) if post % 3 == 1]
    with pytest.raises(InputError, match="quality has no label 'best'"):
        chosen(root, "class:best")


def test_slices_take_turns(tmp_path: Path) -> None:
    texts = {post: "word " * (10 if post > 5 else 2000) for post in range(1, 61)}
    label_tables.write(
        tmp_path,
        "quality",
        [label_tables.example(post, text) for post, text in texts.items()],
        [label_tables.label("quality", post, "HQ") for post in texts],
    )
    found = chosen(tmp_path, "slice:length", 10)
    assert sum(post <= 5 for post in found) == 5


def test_diverse_posts_are_unlike_one_another(tmp_path: Path) -> None:
    topics = ["alpha beta gamma delta", "red green blue white", "one two three four", "north south east west"]
    topic = {post: 3 if post in (7, 31) else post % 3 for post in range(1, COUNT + 1)}
    texts = {post: f"{topics[of]} {topics[post % 3].split()[post % 4]}" for post, of in topic.items()}
    label_tables.write(
        tmp_path,
        "quality",
        [label_tables.example(post, text, title="") for post, text in texts.items()],
        [label_tables.label("quality", post, "HQ") for post in texts],
    )
    found = chosen(tmp_path, "diverse", 4)
    assert len({topic[post] for post in found}) == 4
    assert chosen(tmp_path, "diverse", 4) == found and len(set(chosen(tmp_path, "diverse", COUNT))) == COUNT


def test_what_is_there_already_is_not_chosen_again(root: Path) -> None:
    assert chosen(root, "uncertain", 3, (f"{SITE}:1", f"{SITE}:3")) == [2, 4, 5]


@pytest.mark.parametrize("text", ["certain", "tag", "tag:", "random:x", "Uncertain", "slice", "slice:mood", ""])
def test_an_unknown_way_is_refused_with_those_that_there_are(text: str) -> None:
    with pytest.raises(
        InputError, match=r"there are uncertain, disagreement, random, diverse, class, class:LABEL, slice:WAY"
    ):
        Sample.parse(text)


def test_a_corpus_without_labels_is_told_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no labels of quality; run socorpus labeling apply"):
        chosen(tmp_path, "random")


def test_the_blind_share_is_of_posts_and_fixed() -> None:
    keys = [f"{SITE}:{number}" for number in range(5000)]
    tenth = {key for key in keys if interface.is_blind(key, 0.1)}
    assert 0.085 < len(tenth) / len(keys) < 0.115
    assert tenth <= {key for key in keys if interface.is_blind(key, 0.3)}
    assert not any(interface.is_blind(key, 0.0) for key in keys)


def test_examples_come_in_the_order_of_their_keys_with_their_labels(tmp_path: Path) -> None:
    text = "Use pandas, numpy and Flask."
    label_tables.entities(
        tmp_path,
        {post: (text, [("numpy", "Library"), ("Flask", "Application")][: post % 3]) for post in range(1, 2501)},
    )
    posts = [2500, 7, 1200, 3, *range(8, 1100), 2400]
    found = list(sampling.examples(tmp_path, ENTITIES, [f"{SITE}:{post}" for post in [*posts, 99_999]]))
    assert [one.post_id for one in found] == posts
    for one in found:
        assert [text[label.start : label.end] for label in one.labels] == ["numpy", "Flask"][: one.post_id % 3]
        for label in one.labels:
            assert label.votes[0][:2] == ("score_says_so", label.label)
            assert f'"score": {one.post_id}' in label.votes[0][2]
