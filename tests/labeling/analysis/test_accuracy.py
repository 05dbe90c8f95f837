"""Accuracy by blind judgements, slices, differences and trials of functions, on a corpus with the toy tasks."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from socorpus.corpus import config, plugins
from socorpus.corpus import pipeline as corpus_pipeline
from socorpus.corpus.config import Config
from socorpus.corpus.dump import sources
from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files, generations
from socorpus.labeling import api as labeling_api
from socorpus.labeling import steps
from socorpus.labeling.aggregation import dawid_skene
from socorpus.labeling.analysis import accuracy, slices, span_accuracy, tryout
from socorpus.labeling.analysis.differences import label_diff
from socorpus.labeling.label_studio import sampling
from socorpus.labeling.label_studio.sampling import Sample
from socorpus.labeling.schema import TASKS
from tests.labeling import labelled
from tests.labeling.labelled import apply, rows, say

BLIND = json.dumps({"blind": True})
_SPAN = ("start", "end", "label")
TRIED = """
from socorpus.labeling.functions import Vote, votes


@votes("toy")
def long_text(threads):
    '''A long text is a good post.'''
    for row in threads.documents.to_pylist():
        if len(row["text"]) > 300:
            yield Vote(row["post_id"], "good", {"length": len(row["text"])})
"""


@pytest.fixture(scope="module", autouse=True)
def toys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    mine = tmp_path_factory.mktemp("plugin") / "mine.py"
    mine.write_text(TRIED, "utf-8")
    with labelled.toys():
        yield mine


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from socorpus.corpus.sample import writer as sample_writer

    folder = tmp_path_factory.mktemp("checked")
    sample_writer.write(folder / "dump", threads=250, sites=(sample_writer.MODERN,))
    with plugins.only(()), Engine(folder / "corpus", workers=0) as engine:
        settings = config.load(overrides={"threads": {"bucket_mb": 1}})
        corpus_pipeline.build(folder / "corpus", sources.discover([str(folder / "dump")]), settings, engine)
    apply(folder / "corpus")
    return folder / "corpus"


@pytest.fixture(scope="module")
def judged(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which a person judged 60 posts that were drawn by class: every label of functions is right but those
    of three posts in ten of each label."""
    root = tmp_path_factory.mktemp("judged") / "corpus"
    shutil.copytree(corpus, root, symlinks=True)
    tree = generations.finished(root)
    label = {(row["site"], row["post_id"]): row["label"] for row in rows(root, "toy", "labels")}
    said = []
    for key in sampling.choose(tree, TASKS["toy"], Sample("class"), 60):
        site, _, post = key.rpartition(":")
        right = int(post) % 10 >= 3
        other = {"good": "bad", "bad": "unclear", "unclear": "good"}[label[site, int(post)]]
        name = label[site, int(post)] if right else other
        said.append({"site": site, "post_id": int(post), "function": "person:1", "label": name, "evidence": BLIND})
    say(root, "toy", said)
    apply(root)
    return root


def measured(root: Path) -> accuracy.Accuracy:
    tree = generations.finished(root)
    return accuracy.measure(tree, TASKS["toy"], accuracy.buckets(tree, TASKS["toy"]))


def test_accuracy_by_label_and_slice(judged: Path) -> None:
    result, labels = measured(judged), rows(judged, "toy", "labels")
    # Of some judged posts the functions give no label any more, since one without votes is likelier.
    model = dawid_skene.from_dict(files.read_json(generations.finished(judged) / steps.model_path("toy")))
    names = [{vote["function"]: vote["label"] for vote in row["votes"]} for row in labels]
    places = [[TASKS["toy"].labels.index(of[name]) if name in of else -1 for name in model.functions] for of in names]
    speaks = model.speaks(np.array(places, np.int8), *model.choose(np.array(places, np.int8)))
    by_people = sum(row["source"] == "person" for row in labels)
    number = sum(row["source"] == "person" and given for row, given in zip(labels, speaks.tolist(), strict=True))
    assert by_people == 60 and 50 < number < 60 and speaks.sum() == len(labels) - 60 + number
    assert result.whole.judged == number == sum(share.judged for share in result.labels.values())
    assert result.whole.items == speaks.sum() == sum(s.items for s in result.labels.values())
    assert result.whole.share is not None and 0.5 < result.whole.share < 0.9
    assert result.whole.low < 0.7 < result.whole.high
    assert result.measured is not None and result.measured["judged"] == number
    assert result.unseen == 0 and result.notes == ()
    for way in slices.WAYS:
        assert result.slices[way]
    for way in ("year", "site", "length"):  # these part the posts
        assert sum(share.judged for share in result.slices[way].values()) == number


def test_gold_labels_give_the_same_report_as_people(judged: Path, corpus: Path, tmp_path: Path) -> None:
    by_people = measured(judged)
    people = [row for row in rows(judged, "toy", "labels") if row["source"] == "person"]
    lines = [
        "site,post_id,label",
        *(f"{row['site']},{row['post_id']},{row['label']}" for row in people),
        ",999999999,good",
    ]
    (tmp_path / "gold.csv").write_text("\n".join(lines), "utf-8")
    by_gold = labeling_api.accuracy(corpus, "toy", tmp_path / "gold.csv")
    assert by_gold.source == "gold" and by_gold.whole.judged == 60 >= by_people.whole.judged
    assert by_gold.notes[0].startswith(
        "posts with gold labels: 61; with labels here: 60; examples without a label: 0; no examples of toy in this "
        "corpus: 1."
    )
    assert by_gold.measured is not None and sum(row["items"] for row in by_gold.measured["reliability"]) == 60
    # Nobody has taught the model of this corpus, which says what functions alone make of it.
    label = {(row["site"], row["post_id"]): row["label"] for row in rows(corpus, "toy", "labels")}
    right = sum(label[row["site"], row["post_id"]] == row["label"] for row in people)
    assert by_gold.whole.right == right
    assert by_gold.slices["year"]

    objects = [json.dumps({"key": f"{row['site']}:{row['post_id']}", "label": row["label"]}) for row in people]
    (tmp_path / "gold.jsonl").write_text("\n".join(objects), "utf-8")
    assert labeling_api.accuracy(corpus, "toy", tmp_path / "gold.jsonl").measured == by_gold.measured
    # The public set of quality, of posts of the corpus's only site.
    post = people[0]["post_id"]
    public = "Id,Title,Body,Tags,CreationDate,Y\n" + f"{post},A title,<p>Text</p>,<python>,2016-01-01 00:00:00,good\n"
    (tmp_path / "public.csv").write_text(public, "utf-8")
    assert labeling_api.accuracy(corpus, "toy", tmp_path / "public.csv").whole.judged == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.csv",
            "post_id,label\n1,best\n",
            r"line 2: labels that toy does not have: 'best' \(1\); it has good",
        ),
        (
            "b.csv",
            "post_id,label\nx,good\n",
            r"line 2: names no post \(post_id 'x'\); it needs site and post_id, a whole number",
        ),
        ("c.csv", "post_id,label\n1,good\n1,bad\n", "has two labels, 'good' and 'bad'"),
        ("d.jsonl", "[1]\n", "object 1: is no JSON object"),
        (
            "e.csv",
            "site,post_id,label\nelsewhere,1,good\n",
            "none of the 1 posts with gold labels, of elsewhere, is an example of it in this corpus, of modern",
        ),
        ("f.csv", "\0", "can't be read as CSV|has the columns"),
        ("g.csv", None, "there is no such file or folder; check the path"),
        ("h.csv", "post_id,label\n1,\n2,skip\n", r"h\.csv: none of its 2 rows has a label; give one of good, bad"),
        (
            "i.csv",
            'post_id,note,label\n1,"two\nlines",good\n20.5,x,bad\n',
            r"row 3, line 4: names no post \(post_id '20\.5'\)",
        ),
        ("j.csv", "post_id,label\n1,good,really\n", "line 2: has more cells than the table has columns"),
        ("k.csv", "post_id;Post ID;label\n1;1;good\n", "has two columns post_id, 'post_id' and 'Post ID'"),
    ],
)
def test_gold_that_does_not_fit_is_refused(
    corpus: Path, tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content, "utf-8")
    with pytest.raises(InputError, match=message):
        labeling_api.accuracy(corpus, "toy", tmp_path / name)


def test_what_people_said_since_the_labels_were_made_is_noted(corpus: Path, judged: Path, tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    shutil.copytree(judged, root, symlinks=True)
    before = labeling_api.accuracy(root, "toy")
    assert before.notes == ()
    (post, *_) = rows(corpus, "toy", "examples")
    usual = {"site": post["site"], "post_id": post["post_id"], "function": "person:2", "label": "good"}
    say(root, "toy", [{**usual, "evidence": BLIND}])
    result = labeling_api.accuracy(root, "toy")
    assert result.whole.judged == before.whole.judged and "since the last socorpus labeling apply" in result.notes[-1]
    bare = tmp_path / "bare"
    shutil.copytree(corpus, bare, symlinks=True)
    say(bare, "toy", [{**usual, "evidence": BLIND}])
    with pytest.raises(
        InputError, match=r"nobody has judged .*; what people said since the last socorpus labeling apply"
    ):
        labeling_api.accuracy(bare, "toy")


def test_gold_of_examples_without_labels_lowers_recall_and_unknown_posts_do_not(corpus: Path, tmp_path: Path) -> None:
    given = {row["post_id"]: row["label"] for row in rows(corpus, "toy", "labels")}
    bare = [row["post_id"] for row in rows(corpus, "toy", "examples") if row["post_id"] not in given][:6]
    assert len(bare) == 6
    good = [post for post, label in given.items() if label == "good"][:3]
    gold = [(post, "good") for post in (*good, *bare, 987_654_321)] + [
        (post, "bad") for post, label in given.items() if label == "bad"
    ][:2]
    # As a spreadsheet leaves it: another separator, numbers with a point, and headers as people write them.
    lines = ["\ufeffPost ID ;Note;LABEL", *(f'{post}.0;"a;b";{label.upper()}' for post, label in gold), ";;"]
    (tmp_path / "gold.csv").write_text("\r\n".join(lines), "utf-8")
    result = labeling_api.accuracy(corpus, "toy", tmp_path / "gold.csv")
    assert "with labels here: 5; examples without a label: 6; no examples of toy in this corpus: 1." in result.notes[0]
    recall = result.recall["good"]
    assert (recall.gold, recall.labelled, recall.right, recall.share) == (9, 3, 3, 3 / 9)
    assert recall.bounds[0] < 3 / 9 < recall.bounds[1]
    assert result.recall["bad"].share == 1.0 and result.recall["unclear"].share is None

    pq.write_table(
        pa.table({"post_id": [float(post) for post, _ in gold], "label": [name for _, name in gold]}),
        tmp_path / "g.parquet",
    )
    assert labeling_api.accuracy(corpus, "toy", tmp_path / "g.parquet").recall == result.recall
    (tmp_path / "bare.tsv").write_text("post_id\tlabel\n" + "".join(f"{post}\tgood\n" for post in bare), "utf-8")
    only = labeling_api.accuracy(corpus, "toy", tmp_path / "bare.tsv")
    assert only.recall["good"].share == 0 and only.whole.share is None and only.measured is None


def test_a_gold_span_beyond_its_text_is_named(corpus: Path, tmp_path: Path) -> None:
    text = rows(corpus, "toy_spans", "examples")[0]
    label = TASKS["toy_spans"].labels[0]
    lines = ["site,post_id,start,end,label", f"{text['site']},{text['post_id']},0,1,{label}"]
    lines += [f"{text['site']},{text['post_id']},1,{len(text['text']) + 1},{label}"]
    (tmp_path / "gold.csv").write_text("\n".join(lines), "utf-8")
    with pytest.raises(InputError, match=r"gold\.csv, line 3: the span 1 to .* ends beyond the text of .*, which has"):
        labeling_api.accuracy(corpus, "toy_spans", tmp_path / "gold.csv")


def test_spans_are_measured_by_marks_and_by_gold(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="so its probabilities are assumed"):
        labeling_api.accuracy(corpus, "toy_spans")
    by_post: dict[int, list[dict[str, Any]]] = {}
    for row in rows(corpus, "toy_spans", "labels"):
        by_post.setdefault(row["post_id"], []).append(row)
    # In twenty texts all spans are right but the last of each, which is not there.
    posts = [post for post, spans in sorted(by_post.items()) if len(spans) > 1][:20]
    site = by_post[posts[0]][0]["site"]
    kept = {post: by_post[post][:-1] for post in posts}
    objects = [
        {"site": site, "post_id": post, "spans": [{name: span[name] for name in _SPAN} for span in kept[post]]}
        for post in posts
    ]
    (tmp_path / "gold.jsonl").write_text("\n".join(map(json.dumps, objects)), "utf-8")
    gold = labeling_api.accuracy(corpus, "toy_spans", tmp_path / "gold.jsonl")
    labels = sum(len(by_post[post]) for post in posts)
    assert (gold.whole.judged, gold.whole.right) == (labels, labels - 20)
    assert gold.whole.items == len(rows(corpus, "toy_spans", "labels"))
    assert sum(recall.gold for recall in gold.recall.values()) == labels - 20
    assert all(recall.share in (None, 1.0) for recall in gold.recall.values())
    assert gold.measured is not None and gold.measured["judged"] == labels
    assert sum(share.judged for share in gold.slices["year"].values()) == labels

    root = tmp_path / "corpus"
    shutil.copytree(corpus, root, symlinks=True)
    usual = {"site": site, "function": "person:1", "evidence": BLIND}
    say(
        root,
        "toy_spans",
        [{**usual, "post_id": post} | {name: span[name] for name in _SPAN} for post in posts for span in kept[post]],
    )
    apply(root)
    people = labeling_api.accuracy(root, "toy_spans")
    assert (people.whole.judged, people.whole.right) == (labels, labels - 20)
    assert people.measured == gold.measured


def test_an_annotated_file_measures_entities(tmp_path: Path) -> None:
    words = [("Question_ID", "O"), (":", "O"), ("7", "O"), None]
    words += [("Use", "O"), ("Python", "B-Language"), ("and", "O"), ("jQuery", "B-Library"), (".", "O"), None]
    words += [("It", "O"), ("runs", "O"), ("on", "O"), ("Windows", "O"), (".", "O"), None]  # not annotated
    lines = ["\t" if word is None else f"{word[0]}\t{word[1]}\t{word[0]}\tO" for word in words]
    (tmp_path / "mine.txt").write_text("\n".join(lines) + "\n", "utf-8")
    result = span_accuracy.of_annotated(TASKS["entities"], tmp_path / "mine.txt")
    right = {name: (share.judged, share.right) for name, share in result.labels.items() if share.judged}
    assert right["Language"] == (1, 1) and right["Operating_System"] == (1, 0)
    assert result.measured is not None and result.measured["judged"] == result.whole.judged == 3
    with pytest.raises(InputError, match="has entities, and no labels of quality"):
        span_accuracy.of_annotated(TASKS["quality"], tmp_path / "mine.txt")


def test_posts_that_were_not_drawn_at_random_are_noted(corpus: Path, tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    shutil.copytree(corpus, root, symlinks=True)
    key = ("site", "post_id")
    good = [row for row in rows(root, "toy", "labels") if row["label"] == "good"]
    unsure = sorted(good, key=lambda row: row["probability"])[:60]
    said = [{name: row[name] for name in key} | {"label": row["label"], "function": "person:1"} for row in unsure]
    say(root, "toy", said)
    apply(root)
    with pytest.raises(InputError, match="nobody has judged a post without a suggestion"):
        measured(root)
    say(root, "toy", [row | {"evidence": BLIND} for row in said])
    apply(root)
    assert any("were not drawn at random" in note for note in measured(root).notes)


@pytest.mark.parametrize("way", slices.WAYS)
def test_slices_are_counts_of_the_tables(corpus: Path, way: str) -> None:
    tree = generations.finished(corpus)
    names = [bucket.name for bucket in accuracy.buckets(tree, TASKS["toy"])]
    table = {row["slice"]: row for row in slices.table(tree, TASKS["toy"], names, way)}

    def of(row: dict[str, Any]) -> list[str]:
        size = len(row["text"])
        lengths = [
            name for name, low in (("0 to 499", 0), ("500 to 1,999", 500), ("2,000 to 7,999", 2000)) if size >= low
        ]
        length = "8,000 or more" if size >= 8000 else lengths[-1]
        ways: dict[str, list[str]] = {"tag": row["tags"], "year": [str(row["created"].year)], "site": [row["site"]]}
        return ways.get(way, [length])

    examples = {(row["site"], row["post_id"]): of(row) for row in rows(corpus, "toy", "examples")}
    counts = Counter(name for names in examples.values() for name in names)
    labels = Counter((n, r["label"]) for r in rows(corpus, "toy", "labels") for n in examples[r["site"], r["post_id"]])
    assert len(table) == min(len(counts), slices.MOST_TAGS if way == "tag" else len(counts))
    for name, row in table.items():
        assert row["examples"] == counts[name]
        assert row["labels"] == {label: labels[name, label] for label in TASKS["toy"].labels if labels[name, label]}


def test_a_difference_is_what_a_comparison_of_all_rows_finds(corpus: Path, judged: Path, tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    shutil.copytree(corpus, root, symlinks=True)
    source = labelled.FILES[0].read_text("utf-8").replace("version=1)\ndef low_score", "version=2)\ndef low_score")
    (tmp_path / "toy.py").write_text(source.replace('row["score"] < 0', 'row["score"] < 2'), "utf-8")
    apply(root, files=[tmp_path / "toy.py", labelled.FILES[1]])
    with labelled.toys():
        for other in (root, judged):
            old, new = (
                {(row["site"], row["post_id"]): row for row in rows(place, "toy", "labels")}
                for place in (corpus, other)
            )
            trees = generations.finished(corpus), generations.finished(other)
            found = label_diff.compare(*trees, TASKS["toy"])
            pairs = Counter(
                (old[key]["label"] if key in old else "", new[key]["label"] if key in new else "")
                for key in {*old, *new}
                if key not in old or key not in new or old[key]["label"] != new[key]["label"]
            )
            assert found.pairs == pairs and found.changed == pairs.total() > 0
            assert found.same == len({*old, *new}) - found.changed
            assert sum(found.sites.values()) == found.changed
            assert len(found.examples) == min(found.changed, label_diff.MOST_EXAMPLES)
    assert set(label_diff.compare(trees[0], generations.finished(root), TASKS["toy"]).votes) == {"low_score"}
    by_people = label_diff.compare(*trees, TASKS["toy"])
    assert by_people.votes == {} and set(by_people.causes) <= {label_diff.PEOPLE, label_diff.MODEL}
    assert label_diff.compare(trees[0], trees[0], TASKS["toy"]).changed == 0


def test_a_function_is_tried_without_labelling(corpus: Path, toys: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in corpus.rglob("*") if path.is_file()}
    tree = generations.finished(corpus)
    with labelled.toys(toys):
        (name,) = [plugin.name for plugin in plugins.active() if Path(plugin.name).name == "mine.py"]
        functions = tryout.by_task(name)
        buckets = accuracy.buckets(tree, TASKS["toy"])
        (trial,) = tryout.attempt(tree, Config(), buckets, TASKS["toy"], functions["toy"], most=10**6)
        for most in (1, 7):
            (few,) = tryout.attempt(tree, Config(), buckets, TASKS["toy"], functions["toy"], most=most)
            assert few.examples == most >= few.covered
        with pytest.raises(InputError, match="on one example or more, and not on 0"):
            tryout.attempt(tree, Config(), buckets, TASKS["toy"], functions["toy"], most=0)
        with pytest.raises(InputError, match="no labelling function"):
            tryout.by_task("nothing.py")
    texts = {(row["site"], row["post_id"]): row for row in rows(corpus, "toy", "examples")}
    documents = {key for key, row in texts.items() if len(row["text"]) > 300}
    others: dict[tuple[str, int], set[str]] = {}
    for row in rows(corpus, "toy", "votes"):
        others.setdefault((row["site"], row["post_id"]), set()).add(row["label"])
    assert trial.function == "toy.long_text" and trial.examples == len(texts)
    # Examples have placeholders, so a text may be a little longer or shorter than its document.
    assert trial.covered == trial.votes == trial.labels["good"] == pytest.approx(len(documents), rel=0.05)
    assert trial.overlap == pytest.approx(len(documents & set(others)), rel=0.05)
    against = len([key for key in documents & set(others) if others[key] - {"good"}])
    assert trial.conflict == pytest.approx(against, rel=0.1) and trial.conflict > 0
    given = {(row["site"], row["post_id"]): row["label"] for row in rows(corpus, "toy", "labels")}
    assert trial.labelled == pytest.approx(len(documents & set(given)), rel=0.05) and trial.labelled < trial.overlap
    unlike = len([key for key in documents & set(given) if given[key] != "good"])
    assert 0 < trial.unlike == pytest.approx(unlike, rel=0.1) and trial.unlike < trial.conflict
    assert trial.samples[0]["others"] and trial.samples[0]["evidence"]["length"] > 300
    assert {path: path.stat().st_mtime_ns for path in corpus.rglob("*") if path.is_file()} == before
