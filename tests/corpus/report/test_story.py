"""Stories of posts: each fate of a site written by hand, and all of a real one held against its tables."""

import time
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from socorpus.corpus import schema
from socorpus.corpus.errors import InputError
from socorpus.corpus.report import story as stories
from socorpus.corpus.storage import row_lookup
from tests.corpus import small_site
from tests.corpus.small_site import SITE


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explain")
    small_site.build(folder / "corpus", small_site.dump(folder))
    return folder / "corpus"


@pytest.fixture(scope="module")
def real(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    found = sorted((real_data / "dumps").glob("bicycles.meta*"))
    if not found:
        pytest.skip(f"no bicycles.meta* below {real_data}/dumps")
    small_site.build(folder, *found)
    return folder


def _story(corpus: Path, post: int) -> stories.Story:
    return stories.find(corpus, f"{SITE}:{post}")


def test_a_kept_post(corpus: Path) -> None:
    story = _story(corpus, small_site.ANSWER)
    assert story.post is not None
    assert (story.post.type, story.post.parent, story.post.score) == ("answer", small_site.QUESTION, 9)
    assert story.post.votes == {"up": 3, "down": 1}
    assert story.post.events == {"closings": 1, "reopenings": 1, "edits of the body": 2}
    assert story.document is not None
    assert story.document.comments == story.post.comments == 1
    assert [decision.keep for decision in story.decisions] == [True]
    assert story.shard is not None
    row = pq.read_table(corpus / story.shard.path).slice(story.shard.row, 1).to_pylist()[0]
    assert (row["site"], row["post_id"], row["split"]) == (SITE, small_site.ANSWER, story.shard.split)
    assert len(row["input_ids"]) == story.shard.tokens
    assert {mark.signal for mark in story.marks} == set(schema.SIGNALS)
    near = next(mark for mark in story.marks if mark.signal == "near")
    assert any(f"{SITE}:{small_site.NEAR}" in line for line in near.says)
    shown = "\n".join(stories.lines(story))
    assert "answer, kept" in shown
    assert "The mash was too cold" in shown


@pytest.mark.parametrize(
    ("post", "reason"), [(small_site.COPY, "exact_duplicate"), (small_site.NEAR, "near_duplicate")]
)
def test_a_duplicate_leads_to_its_twin(corpus: Path, post: int, reason: str) -> None:
    story = _story(corpus, post)
    assert [(one.key, one.keep) for one in story.decisions] == [
        (f"{SITE}:{post}", False),
        (f"{SITE}:{small_site.ANSWER}", True),
    ]
    assert story.decisions[0].reason == reason
    assert story.shard is None
    shown = "\n".join(stories.lines(story))
    assert f"dropped: {reason}" in shown
    assert f"{SITE}:{small_site.ANSWER} is kept" in shown


def test_a_rule_is_told_with_what_it_saw(corpus: Path) -> None:
    own = _story(corpus, small_site.SHORT).decisions[0]
    assert (own.reason, own.evidence) == ("too_short", {"words": 2})
    assert own.meaning is not None
    assert "selection.min_words" in own.meaning


def test_secrets_are_never_part_of_a_story(corpus: Path) -> None:
    for post in (small_site.PRIVATE, small_site.UNREADABLE):
        story = _story(corpus, post)
        for told in ("\n".join(stories.lines(story)), repr(story)):
            assert small_site.SECRET not in told
            assert small_site.MAILBOX not in told
    shown = "\n".join(stories.lines(_story(corpus, small_site.PRIVATE)))
    assert "[EMAIL_1]" in shown
    assert "email at " in shown


def test_posts_without_a_document(corpus: Path) -> None:
    wiki = _story(corpus, small_site.WIKI)
    assert wiki.document is None
    assert "tag wiki" in (wiki.note or "")
    bad = _story(corpus, small_site.UNREADABLE)
    assert bad.post is None
    assert [row.table for row in bad.quarantined] == ["posts"]
    assert "quarantine" in "\n".join(stories.lines(bad))
    absent = _story(corpus, 50)
    assert absent.post is None
    assert "the nearest are" in (absent.note or "")
    assert stories.lines(absent)[0].startswith(f"{SITE}:50: ")


@pytest.mark.parametrize(
    "key", ["", "1", ":1", SITE, f"{SITE}:", f"{SITE}:x", f"{SITE}:-1", f"{SITE}:²", f"{SITE}:{2**63}"]
)
def test_keys_that_are_none(corpus: Path, key: str) -> None:
    with pytest.raises(InputError, match=rf"expected SITE:ID, for example {SITE}:1"):
        stories.find(corpus, key)


def test_a_site_that_is_not_there(corpus: Path) -> None:
    with pytest.raises(InputError, match=rf"did you mean {SITE}:7"):
        stories.find(corpus, "smal.stackexchange.com:7")
    with pytest.raises(InputError, match=rf"no such site in this corpus.*{SITE}"):
        stories.find(corpus, "x:7")


def test_a_folder_that_is_no_corpus(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(InputError, match="not a corpus"):
            stories.find(folder, f"{SITE}:1")


def test_every_post_of_a_real_site(real: Path) -> None:
    rows = ds.dataset(real / "decisions").to_table().to_pylist()
    began, every = time.perf_counter(), rows[:: max(1, len(rows) // 60)]
    for row in every:
        story = stories.find(real, schema.key(row["site"], row["post_id"]))
        assert story.post is not None
        assert story.document is not None
        assert (story.decisions[0].keep, story.decisions[0].reason) == (row["keep"], row["reason"])
        assert (story.shard is not None) == row["keep"]
        assert story.decisions[-1].keep or story.decisions[-1].reason is not None
        if row["reason"] in ("exact_duplicate", "near_duplicate"):
            assert story.decisions[-1].keep
        assert stories.lines(story)
    assert (time.perf_counter() - began) / len(every) < 1


def test_places_are_those_of_the_tables(real: Path) -> None:
    site = next((real / "documents").iterdir()).name
    rows = ds.dataset(real / "documents").to_table(columns=["post_id", "text"]).to_pylist()
    wanted = {schema.key(site, row["post_id"]): row["text"] for row in rows[::7]}
    places = row_lookup.find(real, [*wanted, f"{site}:999999999", "no key", "absent:1"])
    assert set(places) == set(wanted)
    texts = row_lookup.take(real, places.values(), "documents", ["text"])
    assert {key: row["text"] for key, row in texts.items()} == wanted


def test_row_groups_are_skipped(tmp_path: Path) -> None:
    import pyarrow as pa

    table = pa.table({"post_id": list(range(100)), "text": ["x"] * 100})
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=10)
    found = list(row_lookup.groups(tmp_path / "x.parquet", ["post_id"], "post_id", [37, 38]))
    assert [(first, rows.num_rows) for first, rows in found] == [(30, 10)]
    assert list(row_lookup.groups(tmp_path / "x.parquet", ["post_id"], "post_id", [500])) == []
