"""The analysis against numbers worked out by hand, and of a corpus with people's votes."""

import dataclasses
import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from socorpus.corpus import config
from socorpus.corpus import pipeline as corpus_pipeline
from socorpus.corpus.dump import sources
from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.storage import manifest_file
from socorpus.labeling.aggregation import dawid_skene
from socorpus.labeling.analysis import explain as analysis_explain
from socorpus.labeling.analysis import functions as analysis_functions
from socorpus.labeling.analysis import label_errors
from socorpus.labeling.analysis.findings import Analysis
from tests import manifests
from tests.building import hashes, manifest
from tests.labeling import label_tables, labelled
from tests.labeling.labelled import apply, rows, say
from tests.our_tasks import QUALITY

HQ, EDIT, CLOSE, NO = 0, 1, 2, dawid_skene.ABSTAIN


@pytest.fixture(scope="module", autouse=True)
def toys() -> Iterator[None]:
    yield


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from socorpus.corpus.sample import writer as sample_writer

    folder = tmp_path_factory.mktemp("analysed")
    sample_writer.write(folder / "dump", threads=200, sites=(sample_writer.MODERN,))
    with Engine(folder / "corpus", workers=0) as engine:
        settings = config.load(overrides={"threads": {"bucket_mb": 1}})
        corpus_pipeline.build(folder / "corpus", sources.discover([str(folder / "dump")]), settings, engine)
    apply(folder / "corpus")
    return folder / "corpus"


def test_functions_by_hand() -> None:
    # Items:            a  b   c  |  count, what people say
    patterns = np.array(
        [
            [HQ, HQ, NO],  # 4, HQ
            [HQ, CLOSE, NO],  # 2, CLOSE
            [EDIT, NO, NO],  # 3, nobody
            [NO, CLOSE, NO],  # 1, HQ
        ],
        np.int8,
    )
    weight, truth = np.array([4, 2, 3, 1]), np.array([HQ, CLOSE, -1, HQ])
    model = dawid_skene.fit(*dawid_skene.distinct(patterns, weight), ["a", "b", "c"], QUALITY.labels)
    a, b, c = analysis_functions.functions(patterns, weight, truth, model, examples=20)
    assert (a["votes"], a["coverage"], a["overlap"], a["conflict"]) == (9, 0.45, round(6 / 9, 4), round(2 / 9, 4))
    assert a["labels"] == {"HQ": 6, "LQ_EDIT": 3}
    assert a["people"] == {"judged": 6, "right": 4}
    assert (b["votes"], b["coverage"], b["overlap"], b["conflict"]) == (7, 0.35, round(6 / 7, 4), round(2 / 7, 4))
    assert b["people"] == {"judged": 7, "right": 6}
    assert c == {
        "name": "c",
        "votes": 0,
        "labels": {},
        "coverage": 0.0,
        "overlap": None,
        "conflict": None,
        "accuracy": None,
        "assumed": False,
        "voice": 1.0,
        "people": {"judged": 0, "right": 0},
        "lift": {},
        "not_counted": [],
    }
    # Of spans coverage is a share of those that anybody names: 10.
    assert analysis_functions.functions(patterns, weight, truth, model, None)[0]["coverage"] == 0.9
    # Combined: HQ on the first, a tie of HQ and CLOSE on the second, which gives no label, and CLOSE on the last.
    human = analysis_functions.against_people(patterns, weight, truth, model)
    assert human == {"judged": 7, "voted": 5, "right": 4, "no_span": 0}


def test_a_corpus_with_people(corpus: Path, tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    shutil.copytree(corpus, root, symlinks=True)
    *found, disputed = rows(root, "toy", "labels")[:7]
    votes = []
    for at, row in enumerate(found):
        key = {"site": row["site"], "post_id": row["post_id"]}
        votes.append(
            key | {"function": "person:1", "label": row["label"] if at < 4 else "unclear", "seconds": 10.0 + at}
        )
        if at in (0, 1, 2):
            votes.append(key | {"function": "person:2", "label": row["label"] if at else "bad", "seconds": 30.0})
    # Two differ, and a third decides what stands.
    other = next(label for label in ("bad", "unclear") if label != disputed["label"])
    key = {"site": disputed["site"], "post_id": disputed["post_id"]}
    votes += [
        key | {"function": f"person:{who}", "label": label} for who, label in ((1, disputed["label"]), (2, other))
    ]
    decides = {"function": "person:3", "label": disputed["label"], "evidence": '{"adjudicated": true}'}
    say(root, "toy", [*votes, key | decides])
    apply(root, analyze=True)
    made = analysis_functions.load(root, "toy")
    assert made is not None
    first = found[0]["label"] == "bad"  # then even the first is no tie
    settled = found if first else found[1:]
    right = [row for at, row in enumerate(found) if row in settled and (at < 4 or row["label"] == "unclear")]
    settled, right, found = [*settled, disputed], [*right, disputed], [disputed, *found]
    assert made["people"]["judged"] == len(settled) and made["people"]["right"] == len(right)
    assert made["people"]["seconds"] == float(np.median([10.0, 11, 12, 13, 14, 15, 30, 30, 30]))
    assert made["agreement"]["judged_by_several"] == 4
    differ = 1 if first else 2
    assert (made["agreement"]["disputed"], made["agreement"]["adjudicated"]) == (differ, 1)
    assert f"People judged {differ} posts differently; 1 of these are adjudicated." in analysis_functions.summary(made)
    by_label = {row[0]: row[1] for row in Analysis("toy", made).agreement()[1]}
    assert sum(by_label.values()) == 8 and by_label[other] >= 1
    for one in made["functions"]:
        said = [(row, vote) for row in settled for vote in row["votes"] if vote["function"] == one["name"]]
        assert one["people"]["judged"] == len(said)
        hits = [row for row, vote in said if vote["label"] == ("unclear" if found.index(row) > 4 else row["label"])]
        assert one["people"]["right"] == len(hits)
    assert analysis_functions.path("toy") in manifest(root)["files"]


def test_a_corpus_whose_spans_people_judged(corpus: Path, tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    shutil.copytree(corpus, root)
    by_post: dict[tuple[str, int], dict[tuple[int, int], dict[str, str]]] = {}
    for vote in rows(root, "toy_spans", "votes"):
        spans = by_post.setdefault((vote["site"], vote["post_id"]), {})
        spans.setdefault((vote["start"], vote["end"]), {})[vote["function"]] = vote["label"]
    # Of spans that overlap the functions' label is a choice; these posts have none.
    clear = {
        key: spans
        for key, spans in sorted(by_post.items())
        if len(spans) >= 4 and all(a[1] < b[0] for a, b in itertools.pairwise(sorted(spans)))
    }
    marked, empty, skipped, *_ = clear
    agreed, divided = sorted(clear[marked])[:2]
    (label,) = set(clear[marked][agreed].values())
    other = "Name" if set(clear[marked][divided].values()) != {"Name"} else "Number"
    unseen = (divided[1], divided[1] + 1)

    def person(
        number: int, key: tuple[str, int], place: tuple[int, int] | None, label: str | None
    ) -> dict[str, object]:
        start, end = place or (None, None)
        post = {"site": key[0], "post_id": key[1], "function": f"person:{number}"}
        return post | {"start": start, "end": end, "label": label}

    said = [
        *(person(number, marked, place, of) for number in (1, 2) for place, of in ((agreed, label), (unseen, "Mail"))),
        person(1, marked, divided, other),  # one of two: it is left to the functions
        person(1, empty, None, None) | {"evidence": '{"nothing": true}'},
        person(1, skipped, None, None),  # would not decide
    ]
    say(root, "toy_spans", said)
    apply(root, analyze=True)
    analysis = analysis_functions.load(root, "toy_spans")
    assert analysis is not None
    wrong = [spans for place, spans in clear[marked].items() if place not in (agreed, divided)]
    wrong += clear[empty].values()
    figures = {name: count for name, count in analysis["people"].items() if name != "seconds"}
    assert figures == {
        "judged": 1 + len(wrong) + 1,  # the last is the span that only people see
        "voted": 1 + len(wrong),
        "right": 1,
        "no_span": len(wrong),
    }
    for row in analysis["functions"]:
        right = row["name"] in clear[marked][agreed]
        assert row["people"] == {"judged": right + sum(row["name"] in spans for spans in wrong), "right": int(right)}
    # Pairs of judgements: the label twice, Mail twice, and a label against none.
    assert analysis["agreement"]["judged_by_several"] == 3
    by_hand = 1 - (2 / 6) / (1 - (2 * 1 + 2 * 1) / (6 * 5)) if label != other else None
    assert by_hand is None or analysis["agreement"]["people"] == pytest.approx(by_hand, abs=1e-4)
    assert any(f"People judged {len(wrong) + 2:,} items" in line for line in analysis_functions.summary(analysis))


def test_an_analysis_is_made_once_and_goes_when_it_is_no_longer_true(corpus: Path, tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    shutil.copytree(corpus, root, symlinks=True)
    assert analysis_functions.load(root, "toy") is None
    apply(root, analyze=True)
    made = hashes(root, "labels")
    assert {f"labels/{task}/analysis.json" for task in labelled.TASKS} <= set(made)
    assert apply(root, analyze=True).ran == 0
    # Labelling again keeps it, and the manifest with it.
    assert apply(root).ran == 0 and hashes(root, "labels") == made
    report = (root / "report.html").read_text("utf-8")
    assert "Labelling functions" in report and "Leaks" in report and "code_speaks" in report
    key = {name: rows(root, "toy", "labels")[0][name] for name in ("site", "post_id")}
    say(root, "toy", [key | {"function": "person:1", "label": "unclear"}])
    apply(root)
    assert analysis_functions.load(root, "toy") is None and analysis_functions.load(root, "toy_spans") is not None
    assert analysis_functions.path("toy") not in manifest(root)["files"]


def test_workers_make_the_same_analysis(corpus: Path, tmp_path: Path) -> None:
    for workers in (0, 2):
        shutil.copytree(corpus, tmp_path / f"{workers}", symlinks=True)
        apply(tmp_path / f"{workers}", workers, analyze=True)
    assert hashes(tmp_path / "0", "labels") == hashes(tmp_path / "2", "labels")


def test_the_audit_of_a_corpus_has_all_views(corpus: Path, tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    shutil.copytree(corpus, root, symlinks=True)
    apply(root, analyze=True)
    for task in labelled.TASKS:
        made = analysis_functions.load(root, task)
        assert made is not None
        assert set(made["audit"]["views"]) == {"majority", "markup", "length", "tags"}
        assert 0 < made["audit"]["scored"] <= made["audit"]["examples"]
    # Placeholders are long: length gives spans' labels away.
    spans = analysis_functions.load(root, "toy_spans")
    assert spans is not None
    assert spans["audit"]["views"]["length"]["accuracy"] > spans["audit"]["views"]["majority"]["accuracy"] + 0.1


def test_likely_errors_need_cleanlab_and_say_so(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "corpus"
    shutil.copytree(corpus, root, symlinks=True)
    monkeypatch.setattr(label_errors, "version", lambda: None)
    apply(root, analyze=True)
    made = analysis_functions.load(root, "toy")
    assert made is not None and made["errors"] == {"note": label_errors.MISSING, "found": []}
    assert "pip install 'socorpus[cleanlab]'" in analysis_functions.summary(made)[-1]


def test_the_cost_of_functions_is_by_example() -> None:
    head, rows = Analysis("toy", {"examples": 200}, {"slow": 0.5, "fast": 0.01}).costs()
    assert head == ["toy", "seconds", "ms an example"] and rows == [["slow", 0.5, 2.5], ["fast", 0.01, 0.05]]


def test_a_reason_why_labels_are_not_to_be_had_stands_in_a_story_once(tmp_path: Path) -> None:
    label_tables.write(tmp_path, "entities", [label_tables.example(1, "a text")], [])
    why = {"Class": "no code", "Value": "no code", "Error_Name": "no errors"}
    entry = manifests.task(abstains={label_tables.SITE: why}, by_others={label_tables.SITE: {"Value": 2}})
    manifest_file.save(tmp_path, manifests.manifest(labels={"entities": entry}))
    told = analysis_explain.lines(tmp_path, f"{label_tables.SITE}:1")
    assert [line.strip() for line in told if "on this site" in line] == [
        "no Class on this site: no code",
        "no Value by the task's own functions on this site: no code",
        "no Error_Name on this site: no errors",
    ]
    del entry["by_others"]
    manifest_file.save(tmp_path, manifests.manifest(labels={"entities": entry}))
    told = analysis_explain.lines(tmp_path, f"{label_tables.SITE}:1")
    assert [line.strip() for line in told if "no code" in line] == ["no Class, Value on this site (2 labels): no code"]


def test_a_story_of_a_span_says_who_votes_for_which_label_and_what_is_not_counted(tmp_path: Path) -> None:
    row = label_tables.label("entities", 3, "Class", span=(0, 4))
    examples = [label_tables.example(3, "Node is a class")]
    label_tables.write(tmp_path, "entities", examples, [row])
    _, other = row["votes"]
    entry = manifests.task(not_counted=[[other["function"], other["label"]]], measured_on=30)
    entry["strays"] = {"lost": {"unknown": {"votes": 2, "post": f"{label_tables.SITE}:3"}}}
    manifest_file.save(tmp_path, manifests.manifest(labels={"entities": entry}))
    told = [line.strip() for line in analysis_explain.lines(tmp_path, f"{label_tables.SITE}:3")]
    said = f"Class by score_says_so; {other['label']} by edits_say_so, not counted"
    assert f"0-4 Node: Class 0.800 ({said})" in told
    assert "entities      lost has a vote on it that is not counted: no example of entities" in told


def test_votes_that_do_not_count_are_no_overlap_of_their_own_function_and_facts_are_marked() -> None:
    patterns = np.array([[HQ, HQ, NO], [HQ, CLOSE, NO], [EDIT, HQ, NO]], np.int8)
    weight = np.array([4, 2, 3])
    model = dawid_skene.fit(*dawid_skene.distinct(patterns, weight), ["a", "b", "c"], QUALITY.labels, facts=["b"])
    model = dataclasses.replace(model, muted=(("a", "HQ"),))
    a, b, c = analysis_functions.functions(patterns, weight, np.full(3, -1), model, examples=20)
    assert (a["votes"], a["overlap"], a["conflict"]) == (9, 1.0, 1.0)  # of three votes for EDIT
    assert (b["votes"], b["overlap"], b["conflict"]) == (9, round(3 / 9, 4), round(3 / 9, 4))
    every = dataclasses.replace(model, muted=(("a", "HQ"), ("a", "LQ_EDIT")))
    (idle, *_) = analysis_functions.functions(patterns, weight, np.full(3, -1), every, examples=20)
    assert (idle["votes"], idle["overlap"], idle["conflict"]) == (9, None, None)
    shown = Analysis("quality", {"functions": [a, b, c], "examples": 20, "facts": ["b"]}).functions()[1]
    assert [row[0] for row in shown] == ["a (not counted: HQ)", "b (facts)", "c"]


def test_accuracy_that_rests_on_an_assumption_says_so() -> None:
    random = np.random.default_rng(4)
    truth = random.integers(0, 3, 900)
    votes = np.stack([np.where(random.random(900) < 0.8, truth, random.integers(0, 3, 900)) for _ in range(4)], 1)
    votes = np.where(random.random(votes.shape) < 0.6, votes, NO).astype(np.int8)

    def shown(columns: int, assumed: dict[str, float]) -> list[str]:
        names = ["a", "b", "c", "d"][:columns]
        patterns, weight = dawid_skene.distinct(votes[:, :columns], np.ones(900, np.int64))
        model = dawid_skene.fit(patterns, weight, names, QUALITY.labels, assumed=assumed)
        rows = analysis_functions.functions(patterns, weight, np.full(len(weight), -1), model, 900)
        facts = {"functions": rows, "examples": 900}
        return [row[5].partition(" ")[2] for row in Analysis("quality", facts).functions()[1]]

    # Of two functions that meet nothing can be learned; one that people judged elsewhere keeps that share.
    assert shown(2, {}) == ["assumed", "assumed"]
    assert shown(4, {}) == ["", "", "", ""] and shown(4, {"b": 0.7}) == ["", "assumed", "", ""]


def test_accuracy_of_functions_that_seldom_meet_is_what_is_assumed_of_them() -> None:
    patterns, weight = np.array([[0, -1, -1], [-1, 1, -1]], np.int8), np.array([40, 30])
    model = dawid_skene.fit(patterns, weight, ["a", "b", "silent"], QUALITY.labels, assumed={"a": 0.85})
    assert np.isnan(model.accuracy).all()
    rows = analysis_functions.functions(patterns, weight, np.full(2, -1), model, 100)
    assert [(row["accuracy"], row["assumed"]) for row in rows] == [(0.85, True), (0.75, True), (None, False)]


def test_sentences_on_what_judgements_change() -> None:
    assert analysis_functions.teaching({}) == []
    facts = {"used": False, "judged": 25, "with": 1.235, "without": 1.1}
    (sentence,) = analysis_functions.teaching({"teaching": facts})
    assert "25 judgements count for their own posts only" in sentence and "1.235 with" in sentence
    facts |= {"used": True, "labels": 249, "labels_without": 340}
    (sentence,) = analysis_functions.teaching({"teaching": facts})
    assert "249 have a label, 340 without" in sentence
    corrected = analysis_functions.probabilities({"measured": None, "corrected": 1})
    assert corrected.startswith("Probabilities are corrected by 1 judgement, not measured")
    assert "assumed, not measured" in analysis_functions.probabilities({"measured": None})
