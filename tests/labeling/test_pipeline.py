"""Labels by the pipeline: votes to labels, receipts, people above functions, splits, kills, workers."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from socorpus.corpus import config, plugins
from socorpus.corpus import pipeline as corpus_pipeline
from socorpus.corpus import schema as corpus_schema
from socorpus.corpus.dump import sources
from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.errors import BuildError, InputError, SocorpusWarning
from socorpus.corpus.storage import generations, manifest_file, parquet
from socorpus.corpus.storage.buckets import bucket_files
from socorpus.labeling import functions, pipeline, plugin_calls, schema, steps
from socorpus.labeling.aggregation import dawid_skene, vote_matrix
from socorpus.labeling.analysis import explain as analysis_explain
from socorpus.labeling.analysis import functions as analysis_functions
from socorpus.labeling.analysis.differences import label_diff
from socorpus.labeling.analysis.findings import Analysis
from tests.building import hashes, manifest, seconds, table
from tests.labeling import bucket, labelled
from tests.labeling.labelled import TASKS, apply, rows, say

ROOT = Path(__file__).resolve().parents[2]
STEPS = (
    "label_splits",
    "label_facts",
    "label_collect",
    "label_merge",
    "label_vote",
    "label_count",
    "label_fit",
    "label_stratify",
    "label_label",
)


@pytest.fixture(scope="module", autouse=True)
def toys() -> Iterator[None]:
    with labelled.toys():
        yield


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of two made-up sites in several buckets, without labels."""
    from socorpus.corpus.sample import writer as sample_writer

    folder = tmp_path_factory.mktemp("toys")
    sample_writer.write(folder / "dump", threads=500, sites=(sample_writer.MODERN, sample_writer.PIPES))
    with plugins.only(()), Engine(folder / "corpus", workers=0) as engine:
        settings = config.load(overrides={"threads": {"bucket_mb": 1}, "split": {"test": 0.1, "validation": 0.1}})
        corpus_pipeline.build(folder / "corpus", sources.discover([str(folder / "dump")]), settings, engine)
    return folder / "corpus"


@pytest.fixture(scope="module")
def applied(unlabelled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, labelled in this process. Only to be read."""
    root = tmp_path_factory.mktemp("applied") / "corpus"
    shutil.copytree(unlabelled, root, symlinks=True)
    apply(root)
    return root


@pytest.fixture
def corpus(applied: Path, tmp_path: Path) -> Path:
    """A copy of the labelled corpus to work on."""
    shutil.copytree(applied, tmp_path / "corpus", symlinks=True)
    return tmp_path / "corpus"


def changed(root: Path, before: dict[str, dict[str, float]]) -> dict[str, set[str]]:
    """Steps whose receipts were written since, each with the tasks (and their buckets) that ran."""
    found = {}
    for step, old in before.items():
        new = seconds(root, step)
        ran = {path for path in new if new[path] != old.get(path)}
        if ran:
            found[step] = {Path(path).relative_to(root / "receipts" / step).as_posix() for path in ran}
    return found


def state(root: Path) -> dict[str, dict[str, float]]:
    return {step: seconds(root, step) for step in (*STEPS, "report")}


def test_examples_votes_and_labels_have_their_schemas_and_keys(applied: Path) -> None:
    for task in TASKS:
        for name, expected in (
            ("examples", schema.STORED_EXAMPLES),
            ("votes", schema.VOTES),
            ("labels", schema.LABELS),
        ):
            for path in (applied / schema.FOLDER / task / name).rglob("*.parquet"):
                corpus_schema.check(pq.read_schema(path), expected, str(path))
                document = applied / "documents" / path.relative_to(applied / schema.FOLDER / task / name)
                known = set(pq.read_table(document, columns=["post_id"])["post_id"].to_pylist())
                posts = pq.read_table(path, columns=["post_id"])["post_id"].to_pylist()
                assert set(posts) <= known and posts == sorted(posts)
        keys = {(row["site"], row["post_id"]): row for row in rows(applied, task, "examples")}
        assert len(keys) == len(rows(applied, task, "examples")) > 500
        for row in [*rows(applied, task, "votes"), *rows(applied, task, "labels")]:
            assert (row["site"], row["post_id"]) in keys
        for row in rows(applied, task, "labels"):
            example = keys[row["site"], row["post_id"]]
            assert row["thread_id"] == example["thread_id"]
            assert row["split"] == example["split"] or task == "toy"


def test_labels_are_what_their_votes_say(applied: Path) -> None:
    model = json.loads((applied / steps.model_path("toy")).read_text("utf-8"))
    assert model["method"] == "dawid_skene"
    names = {function.name for function in functions.of_task("toy")}
    by: dict[tuple[str, int], set[tuple[str, str]]] = {}
    for row in rows(applied, "toy", "votes"):
        assert row["source"] == "function" and row["function"] in names
        assert row["version"] == (3 if row["function"] == "code_speaks" else 1)
        by.setdefault((row["site"], row["post_id"]), set()).add((row["function"], row["label"]))
    found = rows(applied, "toy", "labels")
    without = set(by) - {(row["site"], row["post_id"]) for row in found}
    assert len(found) + len(without) == len(by)
    # Who asks for something in a comment is seldom borne out: a label that nobody votes for is likelier there.
    assert without and {frozenset(label for _, label in by[key]) for key in without} == {frozenset({"unclear"})}
    assert all(max(row["probabilities"]) == row["probability"] for row in found)
    entry = manifest(applied)["labels"]["toy"]
    assert entry["withheld"] == {"unclear": {"good": len(without)}}
    examples = len(rows(applied, "toy", "examples"))
    assert entry["without_vote"] == examples - len(by) > 0
    assert analysis_functions.without_vote(entry)[0].startswith(f"No vote on {examples - len(by):,} of {examples:,} ")
    said = f"No label on {len(without)} items that have votes, since another label is as likely, or one that"
    assert analysis_functions.withheld(entry)[0].startswith(said)
    for row in found:
        said = {(vote["function"], vote["label"]) for vote in row["votes"]}
        assert said == by[row["site"], row["post_id"]]
        labels = {label for _, label in said}
        assert row["label"] in labels and row["conflict"] == (len(labels) > 1)
        assert sum(row["probabilities"]) == pytest.approx(1, abs=1e-5)
        assert row["probability"] == row["probabilities"][schema.TASKS["toy"].index(row["label"])]
        assert (row["source"], row["start"], row["version"]) == ("function", None, f"dawid_skene-{dawid_skene.VERSION}")


def test_spans_do_not_overlap_and_lie_in_redacted_text(applied: Path) -> None:
    texts = {(row["site"], row["post_id"]): row["text"] for row in rows(applied, "toy_spans", "examples")}
    found = rows(applied, "toy_spans", "labels")
    before: tuple[str, int, int] = ("", 0, 0)
    mails = 0
    for row in found:
        text = texts[row["site"], row["post_id"]]
        if (row["site"], row["post_id"]) == before[:2]:
            assert row["start"] >= before[2]
        before = (row["site"], row["post_id"], row["end"])
        assert row["start"] < row["end"] <= len(text)
        if row["label"] == "Mail":
            mails += 1
            assert text[row["start"] : row["end"]].startswith("[EMAIL_")
    assert mails > 0
    # `12.5` is longer than `12` and `5`, which lose; all three say Number, so nothing is in conflict.
    points = [
        r for r in found if "." in texts[r["site"], r["post_id"]][r["start"] : r["end"]] and r["label"] == "Number"
    ]
    assert points and not any(row["conflict"] for row in points)


def test_splits_are_those_of_the_shards(applied: Path) -> None:
    shards = table(applied, "shards").select(["site", "post_id", "split"]).to_pylist()
    split = {(row["site"], row["post_id"]): row["split"] for row in shards}
    examples = {(row["site"], row["post_id"]): row["split"] for row in rows(applied, "toy", "examples")}
    assert set(split.values()) == {"train", "validation", "test"}
    both = set(split) & set(examples)
    assert len(both) > 0.95 * len(split)
    assert {key: split[key] for key in both} == {key: examples[key] for key in both}


def test_what_people_say_moves_no_split(corpus: Path) -> None:
    before = {(row["site"], row["post_id"]): row["split"] for row in rows(corpus, "toy", "labels")}
    judged = [row for row in rows(corpus, "toy", "labels") if row["label"] != "bad"][::3]
    votes = [{"site": row["site"], "post_id": row["post_id"], "function": "person:1", "label": "bad"} for row in judged]
    say(corpus, "toy", votes)
    apply(corpus)
    labels = rows(corpus, "toy", "labels")
    after = {(row["site"], row["post_id"]): row["split"] for row in labels}
    # Where "bad" has become likelier than what is voted for, there is no label any more.
    assert after.keys() >= {(row["site"], row["post_id"]) for row in judged} and after.items() <= before.items()
    assert sum(row["source"] == "person" for row in labels) == len(judged) > 50


def test_splits_need_nothing_of_what_a_build_keeps_for_itself(corpus: Path) -> None:
    before = hashes(corpus, "labels")
    shutil.rmtree(generations.finished(corpus) / ".work")
    shutil.rmtree(generations.finished(corpus) / "receipts")
    shutil.rmtree(generations.finished(corpus) / "labels")
    apply(corpus)
    assert hashes(corpus, "labels") == before


def test_copies_and_what_is_planted_are_no_examples(applied: Path) -> None:
    decided = table(applied, "decisions").to_pylist()
    examples = {(row["site"], row["post_id"]) for row in rows(applied, "toy", "examples")}
    reasons = {(row["site"], row["post_id"]): row["reason"] for row in decided}
    assert {reason for reason in reasons.values() if reason} & {"near_duplicate", "exact_duplicate"}
    for key, reason in reasons.items():
        assert (key in examples) == (reason not in steps.LEFT_OUT), (key, reason)


def test_questions_stay_examples_where_only_answers_are_kept(tmp_path: Path) -> None:
    from socorpus.corpus.sample import writer as sample_writer

    sample_writer.write(tmp_path / "dump", threads=80, sites=(sample_writer.MODERN,))
    with plugins.only(()), Engine(tmp_path / "corpus", workers=0) as engine:
        settings = config.load(preset="sobert")
        corpus_pipeline.build(tmp_path / "corpus", sources.discover([str(tmp_path / "dump")]), settings, engine)
    apply(tmp_path / "corpus", tasks=["toy"])
    examples = rows(tmp_path / "corpus", "toy", "examples")
    assert {row["kind"] for row in examples} == {"question", "answer"}
    # Rules after that of the kind did not look at questions; their marks tell all the same.
    near = {(r["site"], r["post_id"]) for r in table(tmp_path / "corpus", "signals/near").to_pylist() if r["survivor"]}
    questions = {(row["site"], row["post_id"]) for row in examples if row["kind"] == "question"}
    assert near and not near & questions


def test_personal_data_are_replaced_in_examples_and_evidence(applied: Path) -> None:
    said = [json.loads(row["evidence"])["says"] for row in rows(applied, "toy", "votes") if "says" in row["evidence"]]
    assert said and any("[USER_" in text for text in said)
    spans = table(applied, "signals/privacy")["spans"].to_pylist()
    documents = table(applied, "documents").select(["site", "post_id", "text"]).to_pylist()
    texts = {(row["site"], row["post_id"]): row["text"] for row in rows(applied, "toy", "examples")}
    looked = 0
    for document, found in zip(documents, spans, strict=True):
        text = texts.get((document["site"], document["post_id"]))
        for span in found if text is not None else ():
            if span["field"] == "text" and span["kind"] in ("email", "key", "token"):
                looked += 1
                assert document["text"][span["start"] : span["end"]] not in str(text)
    assert looked > 10


def test_a_second_run_does_nothing(corpus: Path) -> None:
    before, labels = state(corpus), hashes(corpus, "labels")
    assert apply(corpus).ran == 0
    assert changed(corpus, before) == {}
    assert hashes(corpus, "labels") == labels


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_workers_make_the_same_bytes(unlabelled: Path, applied: Path, tmp_path: Path, workers: int) -> None:
    shutil.copytree(unlabelled, tmp_path / "corpus", symlinks=True)
    apply(tmp_path / "corpus", workers)
    assert hashes(tmp_path / "corpus", "labels") == hashes(applied, "labels")
    assert manifest(tmp_path / "corpus") == manifest(applied)


_COMMAND = (sys.executable, "-m", "tests.labeling.labelled")


@pytest.fixture(scope="module")
def taken(unlabelled: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    """Seconds of a run in a process of its own."""
    out = tmp_path_factory.mktemp("whole") / "corpus"
    shutil.copytree(unlabelled, out, symlinks=True)
    started = time.monotonic()
    subprocess.run([*_COMMAND, str(out), "0"], check=True, cwd=ROOT)
    return time.monotonic() - started


torture = pytest.mark.torture


@pytest.mark.parametrize("share", [pytest.param(0.35, marks=torture), 0.6, pytest.param(0.85, marks=torture)])
def test_a_killed_run_goes_on_and_makes_the_same_bytes(
    unlabelled: Path, applied: Path, taken: float, tmp_path: Path, share: float
) -> None:
    out = tmp_path / "killed"
    shutil.copytree(unlabelled, out, symlinks=True)
    for part in (share, share / 2):
        process = subprocess.Popen([*_COMMAND, str(out), "0"], cwd=ROOT, stderr=subprocess.DEVNULL)
        time.sleep(taken * part)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for path in (out / "labels").rglob("*.parquet"):
            if not path.name.startswith("."):
                pq.ParquetFile(path).close()
    subprocess.run([*_COMMAND, str(out), "0"], check=True, cwd=ROOT)
    assert hashes(out, "labels") == hashes(applied, "labels")
    assert manifest(out) == manifest(applied)
    assert not list(out.rglob("*.partial"))


def changed_toy(folder: Path, old: str, new: str) -> list[Path]:
    """The plug-ins of the toy tasks, the first with another text."""
    source = labelled.FILES[0].read_text("utf-8")
    assert old in source
    (folder / "toy.py").write_text(source.replace(old, new), "utf-8")
    return [folder / "toy.py", *labelled.FILES[1:]]


def test_a_raised_version_runs_again_what_depends_on_it(corpus: Path, tmp_path: Path) -> None:
    before = state(corpus)
    files = changed_toy(tmp_path, "version=1)\ndef low_score", "version=2)\ndef low_score")
    apply(corpus, files=files)
    ran = changed(corpus, before)
    # The votes' version is another, their labels are not: nothing of the model changes, and no other task runs.
    assert set(ran) == {"label_vote", "label_count", "label_stratify", "label_label", "report"}
    assert ran["label_stratify"] == {"toy.json"}
    assert all(name.startswith("toy/") for step in ("label_vote", "label_count", "label_label") for name in ran[step])
    assert {row["version"] for row in rows(corpus, "toy", "votes") if row["function"] == "low_score"} == {2}


def test_another_text_of_a_file_runs_nothing_whose_version_is_declared(corpus: Path, tmp_path: Path) -> None:
    before = state(corpus)
    apply(corpus, files=changed_toy(tmp_path, '"""Scores."""', '"""All scores."""'))
    # That the plug-in is another is told by the manifest, and so by the report.
    assert set(changed(corpus, before)) == {"report"}


@pytest.mark.filterwarnings(r"ignore:.*socorpus\.toml was edited \(labels\.without\)")
def test_a_function_that_is_left_out_has_no_vote(corpus: Path) -> None:
    facts = manifest(corpus)
    for without, said in (("quality.nobody", "no labelling function nobody; it has"), ("toy", "wants TASK.FUNCTION")):
        facts["config"]["labels"]["without"] = [without]
        manifest_file.save(generations.finished(corpus), facts)
        with pytest.raises(InputError, match=said):
            apply(corpus)
    facts["config"]["labels"]["without"] = ["toy.low_score"]
    manifest_file.save(generations.finished(corpus), facts)
    apply(corpus)
    found = {row["function"] for row in rows(corpus, "toy", "votes")}
    assert found == {"high_score", "comment_asks", "code_speaks"}


@pytest.mark.filterwarnings("ignore:toy. of 1 of people's judgements")
def test_people_stand_above_functions(corpus: Path) -> None:
    found = {(row["site"], row["post_id"]): row for row in rows(corpus, "toy", "labels")}
    good = [key for key, row in sorted(found.items()) if row["label"] == "good"][:4]
    silent = sorted({(r["site"], r["post_id"]) for r in rows(corpus, "toy", "examples")} - set(found))[0]
    one, two, three, four = good
    votes = [
        (one, "person:1", "bad"),
        (two, "person:1", "bad"),
        (two, "person:2", "unclear"),
        (three, "person:1", "good"),
        (four, "person:2", None),
        (silent, "person:2", "unclear"),
        ((one[0], 999_999_999), "person:1", "bad"),
    ]
    say(corpus, "toy", [{"site": s, "post_id": p, "function": f, "label": x} for (s, p), f, x in votes])
    before = state(corpus)
    with pytest.warns(
        SocorpusWarning, match="toy: of 1 of people's judgements the post is no example of it in this co"
    ):
        apply(corpus)
    ran = changed(corpus, before)
    # From few judgements the model learns nothing: only labels of their buckets are made again.
    assert set(ran) == {"label_count", "label_fit", "label_label", "report"}
    assert 0 < len(ran["label_count"]) == len(ran["label_label"])
    assert all(name.startswith("toy") for step in ("label_count", "label_fit", "label_label") for name in ran[step])
    now = {(row["site"], row["post_id"]): row for row in rows(corpus, "toy", "labels")}
    assert (now[one]["label"], now[one]["source"], now[one]["probability"]) == ("bad", "person", 1.0)
    assert now[one]["conflict"] and ("person:1", "bad") in {(v["function"], v["label"]) for v in now[one]["votes"]}
    # People are divided, so the functions decide; that they are divided is told.
    assert (now[two]["label"], now[two]["source"]) == ("good", "function") and now[two]["conflict"]
    assert now[three]["source"] == "person" and now[three]["label"] == "good"
    assert now[four]["label"] == "good" and now[four]["source"] == "function"
    assert now[silent]["label"] == "unclear" and now[silent]["source"] == "person"
    others = {key: row for key, row in now.items() if key not in (*good, silent)}
    assert set(others) == {key for key in found if key not in (*good, silent)}
    assert others == {key: row for key, row in found.items() if key in others}
    assert manifest(corpus)["labels"]["toy"]["sources"]["person"] == 3
    assert schema.people_path("toy") not in manifest(corpus)["files"]
    # One more vote settles it; only its bucket is counted again.
    say(
        corpus,
        "toy",
        [{"site": s, "post_id": p, "function": f, "label": x} for (s, p), f, x in [*votes, (two, "person:3", "bad")]],
    )
    before = state(corpus)
    apply(corpus)
    assert len(changed(corpus, before)["label_count"]) == 1
    now = {(row["site"], row["post_id"]): row for row in rows(corpus, "toy", "labels")}
    assert (now[two]["label"], now[two]["source"]) == ("bad", "person")


def believed(root: Path, task: str) -> dict[tuple[str, int], list[float]]:
    """Probabilities of the labels of each post that has votes, by the task's model; also of those without a label."""
    model = dawid_skene.from_dict(json.loads((root / steps.model_path(task)).read_text("utf-8")))
    likely = {}
    for path in bucket_files(root / schema.FOLDER / task / "votes"):
        items = vote_matrix.gather(parquet.read(path), model.functions, schema.TASKS[task])
        keys = [(path.parent.name, post) for post in items.post.tolist()]
        likely |= dict(zip(keys, model.probabilities(items.votes).tolist(), strict=True))
    return likely


def test_people_teach_labels_of_everything_else(corpus: Path) -> None:
    key = ("site", "post_id")
    by: dict[tuple[str, int], set[str]] = {}
    for row in rows(corpus, "toy", "votes"):
        by.setdefault((row["site"], row["post_id"]), set()).add(row["label"])
    # People find that posts which are called unclear are bad.
    unclear, good = ([name for name, labels in sorted(by.items()) if labels == {of}] for of in ("unclear", "good"))
    judged = [
        *({"site": site, "post_id": post, "label": "bad"} for site, post in unclear[:25]),
        *({"site": site, "post_id": post, "label": "good"} for site, post in good[:40]),
    ]
    before = believed(corpus, "toy")
    blind = json.dumps({"blind": True})
    say(
        corpus,
        "toy",
        [{**row, "function": "person:1", "evidence": blind} for row in judged],
    )
    apply(corpus, analyze=True)
    bad, after = schema.TASKS["toy"].index("bad"), believed(corpus, "toy")
    moved = [after[name][bad] - before[name][bad] for name in unclear[25:]]
    assert len(moved) > 10 and min(moved) > 0 and sum(moved) > 0.3 * len(moved)
    # Nobody votes for "bad" there: what is known of them is that they are not what is voted for.
    written = {tuple(row[name] for name in key): row for row in rows(corpus, "toy", "labels")}
    assert not set(unclear[25:]) & written.keys()
    assert manifest(corpus)["labels"]["toy"]["withheld"]["unclear"] == {"bad": len(unclear) - 25}
    told = {(row["site"], row["post_id"]) for row in judged}
    rest = {name: row for name, row in written.items() if name not in told}
    assert rest and all(row["probabilities"] == pytest.approx(after[name], abs=1e-6) for name, row in rest.items())
    model = json.loads((corpus / steps.model_path("toy")).read_text("utf-8"))
    assert model["basis"] == "judged" and model["measured"]["judged"] == 65 and model["measured"]["only_blind"]
    assert model["measured"]["log_loss"] < model["measured"]["constant"]
    assert sum(row["items"] for row in model["measured"]["reliability"]) == 65
    assert manifest(corpus)["labels"]["toy"]["basis"] == "judged"
    assert manifest(corpus)["labels"]["toy_spans"]["basis"] == "assumed"
    report = (corpus / "report.html").read_text("utf-8")
    assert "Probabilities on 65 items judged without a suggestion" in report and "Probabilities are assumed" in report
    row = next(row for row in rows(corpus, "toy", "labels") if row["source"] == "function")
    lines = "\n".join(analysis_explain.lines(corpus, f"{row['site']}:{row['post_id']}"))
    assert "the probability is measured on 65 judgements" in lines and "probabilities are assumed" in lines


_WEIGHED = r"""
import re
from socorpus.labeling.functions import Vote, votes
from socorpus.labeling.schema import Weigher, task

TASK = task("toy_weighed", {"Word": "a word"}, unit="span", version=1, weigher=lambda: Weigher("sure", (), 0.3))

@votes(TASK, version=1)
def sure(threads):
    for row in threads.examples.to_pylist():
        for word in re.finditer(r"(?i)\b(the|how|with)\b", row["text"]):
            yield Vote(row["post_id"], "Word", {"p": 0.6}, word.start(), word.end())
"""


def test_judged_names_teach_the_probabilities_of_all_their_mentions(corpus: Path, tmp_path: Path) -> None:
    file, task = tmp_path / "weighed.py", "toy_weighed"
    file.write_text(_WEIGHED, encoding="utf-8")

    def mean() -> dict[str, float]:
        apply(corpus, tasks=(task,), more=(file,), analyze=True)
        by: dict[str, list[float]] = {}
        texts = {(row["site"], row["post_id"]): row["text"] for row in rows(corpus, task, "examples")}
        for row in rows(corpus, task, "labels"):
            name = texts[row["site"], row["post_id"]][row["start"] : row["end"]].lower()
            by.setdefault(name, []).append(row["probability"])
        return {name: sum(some) / len(some) for name, some in by.items()}

    before = mean()
    assert {name: round(value, 6) for name, value in before.items()} == dict.fromkeys(("the", "how", "with"), 0.6)
    usual = {"label": "Word", "function": "person:1", "times": 3, "evidence": "{}", "at": labelled.THEN}
    said = [{**usual, "name": "the", "right": 3}, {**usual, "name": "how", "right": 0}]
    table = pa.Table.from_pylist(said, schema=schema.NAMES)
    parquet.write(corpus / schema.names_path(task), table, schema.NAMES)
    after = mean()
    assert after["the"] > 0.65 and abs(after["with"] - 0.6) < 0.1
    assert after.get("how", 0.0) < 0.5  # or it is too unlikely for a label
    assert "2 names: their label is right in 3 of 6 contexts" in (corpus / "report.html").read_text("utf-8")
    (corpus / schema.names_path(task)).unlink()
    assert mean() == before

    # People who mark texts confirm only "the": probabilities are measured on the spans of these.
    texts = {(row["site"], row["post_id"]): row["text"] for row in rows(corpus, task, "examples")}
    spans = [row for row in rows(corpus, task, "labels") if row["post_id"] % 2]
    the = [row for row in spans if texts[row["site"], row["post_id"]][row["start"] : row["end"]].lower() == "the"]
    say(
        corpus,
        task,
        [
            {name: row[name] for name in ("site", "post_id", "start", "end", "label")} | {"function": "person:1"}
            for row in the
        ],
    )
    mean()
    entry, analysis = manifest(corpus)["labels"][task], analysis_functions.load(corpus, task)
    marked = {(row["site"], row["post_id"]) for row in the}
    judged = sum((row["site"], row["post_id"]) in marked for row in spans)
    assert entry["basis"] == "judged" and 20 < entry["measured_on"] <= judged
    assert analysis is not None and Analysis(task, analysis).reliability()[1]
    measured = analysis["probabilities"]["measured"]
    assert measured["judged"] == entry["measured_on"] and measured["accuracy"] > 0.9 and measured["log_loss"] < 0.1
    assert "assumed" not in " ".join(Analysis(task, analysis).summary())


def test_spans_that_people_mark_replace_those_of_functions(corpus: Path) -> None:
    found = rows(corpus, "toy_spans", "labels")
    by: dict[tuple[str, int], list[dict[str, object]]] = {}
    for row in found:
        by.setdefault((row["site"], row["post_id"]), []).append(row)
    marked, empty, skipped = [key for key, several in sorted(by.items()) if len(several) >= 3][:3]
    first, second = by[marked][:2]
    base = {"site": marked[0], "post_id": marked[1], "function": "person:1"}
    nothing = '{"nothing": true}'
    say(
        corpus,
        "toy_spans",
        [
            base | {"start": first["start"], "end": first["end"], "label": "Name"},
            base | {"start": second["end"], "end": int(str(second["end"])) + 1, "label": "Mail"},
            {"site": empty[0], "post_id": empty[1], "function": "person:1", "label": None, "evidence": nothing},
            {"site": skipped[0], "post_id": skipped[1], "function": "person:1", "label": None},
        ],
    )
    apply(corpus)
    now = rows(corpus, "toy_spans", "labels")
    here = [row for row in now if (row["site"], row["post_id"]) == marked]
    assert [(row["start"], row["label"], row["source"]) for row in here] == [
        (first["start"], "Name", "person"),
        (second["end"], "Mail", "person"),
    ]
    assert not [row for row in now if (row["site"], row["post_id"]) == empty]
    assert [r for r in now if (r["site"], r["post_id"]) == skipped] == by[skipped]


def test_a_model_is_one_function_more(corpus: Path) -> None:
    silent = {(r["site"], r["post_id"]) for r in rows(corpus, "toy", "examples")}
    silent -= {(r["site"], r["post_id"]) for r in rows(corpus, "toy", "labels")}
    key = sorted(silent)[0]
    said = [{"site": key[0], "post_id": key[1], "function": "encoder-1", "label": "bad", "source": "model"}]
    say(corpus, "toy", said, schema.models_path("toy"))
    apply(corpus)
    now = {(row["site"], row["post_id"]): row for row in rows(corpus, "toy", "labels")}
    assert now[key]["source"] == "model" and now[key]["label"] == "bad"
    assert manifest(corpus)["labels"]["toy"]["models"] == ["encoder-1"]
    assert json.loads((corpus / steps.model_path("toy")).read_text("utf-8"))["functions"][-1] == "encoder-1"


def test_the_manifest_lists_files_and_counts(corpus: Path) -> None:
    facts = manifest(corpus)
    listed = {name: entry["sha256"] for name, entry in facts["files"].items() if name.startswith("labels/")}
    assert listed == hashes(corpus, "labels")
    entry = facts["labels"]["toy"]
    assert sum(entry["examples"].values()) == len(rows(corpus, "toy", "examples"))
    counted = {(s, label): n for s, counts in entry["labels"].items() for label, n in counts.items() if n}
    truth: dict[tuple[str, str], int] = {}
    for row in rows(corpus, "toy", "labels"):
        truth[row["split"], row["label"]] = truth.get((row["split"], row["label"]), 0) + 1
    assert counted == truth
    assert entry["functions"]["code_speaks"]["version"] == 3
    report = (corpus / "report.html").read_text("utf-8")
    assert "Labels" in report and "toy_spans" in report


def test_a_task_that_is_no_longer_wanted_goes_but_not_what_people_said(corpus: Path) -> None:
    say(corpus, "toy_spans", [])
    facts = manifest(corpus)
    del facts["labels"]["toy_spans"]
    manifest_file.save(generations.finished(corpus), facts)
    apply(corpus, tasks=["toy"])
    assert not (corpus / "labels/toy_spans").exists()
    assert (corpus / schema.people_path("toy_spans")).exists()
    assert not [name for name in manifest(corpus)["files"] if name.startswith("labels/toy_spans")]
    assert len(rows(corpus, "toy", "labels")) > 0


def test_tasks_are_labelled_one_by_one_too(unlabelled: Path, applied: Path, tmp_path: Path) -> None:
    shutil.copytree(unlabelled, tmp_path / "corpus", symlinks=True)
    for task in TASKS:
        apply(tmp_path / "corpus", tasks=[task])
    assert hashes(tmp_path / "corpus", "labels") == hashes(applied, "labels")
    assert list(manifest(tmp_path / "corpus")["labels"]) == list(TASKS)


def test_a_story_has_votes_and_labels(applied: Path) -> None:
    row = next(row for row in rows(applied, "toy", "labels") if row["conflict"])
    told = analysis_explain.lines(applied, f"{row['site']}:{row['post_id']}")
    assert "labels" in told
    assert any(row["label"] in line and "votes differ" in line for line in told)
    for vote in row["votes"]:
        assert any(line.strip().startswith(f"{vote['function']}: {vote['label']} (") for line in told)
    assert analysis_explain.lines(applied, "modern.example.com:999999999") == []


def test_a_story_of_spans_says_who_votes_for_which_label(applied: Path) -> None:
    found = rows(applied, "toy_spans", "labels")
    row = found[0]
    told = analysis_explain.lines(applied, f"{row['site']}:{row['post_id']}")
    line = next(line for line in told if line.strip().startswith(f"{row['start']}-{row['end']} "))
    vote = row["votes"][0]
    assert line.endswith(f": {row['label']} {row['probability']:.3f} ({vote['label']} by {vote['function']})")
    places = {(row["site"], row["post_id"], row["start"], row["end"]) for row in found}
    lost = next(
        row
        for row in rows(applied, "toy_spans", "votes")
        if (row["site"], row["post_id"], row["start"], row["end"]) not in places
        and any(place[:2] == (row["site"], row["post_id"]) for place in places)
    )
    told = analysis_explain.lines(applied, f"{lost['site']}:{lost['post_id']}")
    assert any("beside a likelier span, or as likely a longer one:" in line for line in told)


def test_a_story_says_why_votes_give_no_label(applied: Path) -> None:
    labelled_posts = {(row["site"], row["post_id"]) for row in rows(applied, "toy", "labels")}
    row = next(row for row in rows(applied, "toy", "votes") if (row["site"], row["post_id"]) not in labelled_posts)
    told = [line.strip() for line in analysis_explain.lines(applied, f"{row['site']}:{row['post_id']}")]
    place = next(number for number, line in enumerate(told) if line.startswith("toy           no label"))
    assert told[place + 1].startswith("comment_asks: unclear (")
    assert re.fullmatch(r"good 0\.\d+, for which nobody votes, is likelier than unclear 0\.\d+", told[place + 2]), told[
        place + 2
    ]


def test_facts_of_posts_are_a_table_and_begin_a_story(applied: Path) -> None:
    facts = [
        row for path in sorted((applied / "labels/facts").rglob("*.parquet")) for row in pq.read_table(path).to_pylist()
    ]
    documents = sorted((applied / "documents").rglob("*.parquet"))
    assert len(facts) == sum(pq.read_metadata(path).num_rows for path in documents)
    closed = next(row for row in facts if row["reason_by"] == "event" and row["originals"])
    told = analysis_explain.lines(applied, f"{closed['site']}:{closed['post_id']}")
    assert (
        told[1] == "facts"
        and f"closed on {closed['closed_at']:%Y-%m-%d} by {len(closed['closed_by'])} accounts: " in told[2]
    )
    assert f"duplicate of {closed['originals'][0]} (event, reason duplicate, history id" in told[2]
    opened = next(row for row in facts if row["reopened"])
    assert "open, reopened (event" in "".join(analysis_explain.lines(applied, f"{opened['site']}:{opened['post_id']}"))


WRONG = """
from socorpus.labeling.functions import Vote, votes


@votes("{task}")
def wrong(threads):
    '''Votes what it must not.'''
    table = threads.documents if threads.span_examples is None else threads.span_examples
    for row in table.to_pylist():
        {does}
    yield from ()
"""


@pytest.mark.parametrize(
    ("task", "does", "said"),
    [
        ("toy", "yield Vote(row['post_id'], 'excellent', {})", "votes 'excellent'; the task has good, bad, unclear"),
        (
            "toy",
            "yield Vote(row['post_id'], 'good', {}, 0, 1)",
            "gives offsets, and labels of this task are of whole texts. Correct the function",
        ),
        ("toy_spans", "yield Vote(row['post_id'], 'Name', {}, 3, 1_000_000)", "span 3:1000000 of a text of"),
        ("toy_spans", "yield Vote(row['post_id'], 'Name', {})", "a span without offsets"),
        ("toy", "yield row['post_id']", "yields int, not Vote"),
    ],
)
def test_what_a_function_does_wrong_is_told(corpus: Path, tmp_path: Path, task: str, does: str, said: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(WRONG.format(task=task, does=does), "utf-8")
    with pytest.raises(BuildError, match=re.escape(said)) as told:
        apply(corpus, more=[path])
    assert str(told.value).startswith(str(path)) and f"labelling function {task}.wrong" in str(told.value)


def test_what_a_function_raises_names_file_line_and_post(corpus: Path, tmp_path: Path) -> None:
    post = rows(corpus, "toy", "examples")[123]
    path = tmp_path / "mine.py"
    does = f"1 / (row['post_id'] - {post['post_id']} if row['site'] == '{post['site']}' else 1)"
    path.write_text(WRONG.format(task="toy", does=does), "utf-8")
    with pytest.raises(BuildError) as told:
        apply(corpus, more=[path])
    assert str(told.value) == (
        f"{path}, line 10, in wrong: labelling function toy.wrong, on {post['site']}:{post['post_id']}: "
        "ZeroDivisionError: division by zero"
    )


@contextmanager
def ours(task: str, fails_on: Callable[[dict[str, Any]], bool]) -> Iterator[None]:
    """A function of socorpus's own that votes on every row, and raises an exception on some."""
    label = schema.TASKS[task].labels[0]

    def find(threads: functions.Threads) -> Iterator[functions.Vote]:
        table = threads.documents if threads.span_examples is None else threads.span_examples
        for row in table.to_pylist():
            if fails_on(row):
                raise ValueError(f"no sense in {row['post_id']} of ann@acme.org")
            yield functions.Vote(row["post_id"], label, {}, *((0, 1) if task == "toy_spans" else ()))

    functions.FUNCTIONS.add(f"{task}.breaks", functions.Function("breaks", task, find, "Breaks.", 1))
    try:
        yield
    finally:
        functions.FUNCTIONS.remove(f"{task}.breaks")


@pytest.mark.parametrize("task", TASKS)
def test_a_post_on_which_a_function_of_ours_fails_is_left_to_the_others(corpus: Path, task: str) -> None:
    examples = rows(corpus, task, "examples")
    bad = {(row["site"], row["post_id"]) for row in examples[10:500:100]}
    keys = {f"{site}:{post}" for site, post in bad}
    with ours(task, lambda row: (row["site"], row["post_id"]) in bad):
        with pytest.warns(SocorpusWarning) as caught:
            done = apply(corpus, analyze=True)
        sentences = [str(warning.message) for warning in caught]
        assert any(re.search(rf"{task}\.breaks fails on 5 of .*: it does not vote on them", text) for text in sentences)
        voted = {(r["site"], r["post_id"]) for r in rows(corpus, task, "votes") if r["function"] == "breaks"}
        assert voted == {(row["site"], row["post_id"]) for row in examples} - bad
        entry = done.manifest["labels"][task]
        assert entry["failed"] == {"breaks": 5}
        assert {failure["post"] for failure in entry["failures"]} == keys
        assert all(f["error"].startswith("ValueError: no sense in") for f in entry["failures"])
        assert "acme" not in json.dumps(entry)
        analysis = json.loads((corpus / f"labels/{task}/analysis.json").read_text("utf-8"))
        assert analysis["failures"] == entry["failures"]
        assert any("breaks failed on 5 posts" in line for line in analysis_functions.summary(analysis))
        story = analysis_explain.lines(corpus, min(keys))
        assert any("breaks failed on it and does not vote: ValueError" in line for line in story)


def test_who_votes_alike_on_everything_moves_no_label(applied: Path, corpus: Path) -> None:
    before = rows(corpus, "toy", "labels")
    apply(corpus, analyze=True)
    usual_analysis = json.loads((corpus / "labels/toy/analysis.json").read_text("utf-8"))
    with ours("toy", lambda row: False):
        with pytest.warns(
            SocorpusWarning, match=r"toy\.breaks votes for good as often where others vote for other labels"
        ):
            done = apply(corpus, analyze=True)
        assert done.manifest["labels"]["toy"]["not_counted"] == [["breaks", "good"]]
        after = rows(corpus, "toy", "labels")
        names = ("site", "post_id", "label", "conflict")
        assert [[row[name] for name in names] for row in after] == [[row[name] for name in names] for row in before]
        likely, usual = ([row["probability"] for row in found] for found in (after, before))
        assert likely == pytest.approx(usual, abs=1e-5)
        analysis = json.loads((corpus / "labels/toy/analysis.json").read_text("utf-8"))
        said = [line for line in analysis_functions.summary(analysis) if "tell nothing and are not counted" in line]
        assert len(said) == 1 and said[0].startswith("breaks's votes for good ")
        (row,) = [row for row in analysis["functions"] if row["name"] == "breaks"]
        assert row["votes"] == len(rows(corpus, "toy", "examples")) and row["assumed"]
        assert (row["overlap"], row["conflict"]) == (None, None)
        # What is not counted is no overlap, no conflict and no agreement of others.
        figures = ("name", "votes", "overlap", "conflict")
        others = [{name: of[name] for name in figures} for of in analysis["functions"] if of["name"] != "breaks"]
        assert others == [{name: of[name] for name in figures} for of in usual_analysis["functions"]]
        assert analysis["agreement"]["functions"] == usual_analysis["agreement"]["functions"]
        shown = [of[0] for of in Analysis("toy", analysis).functions()[1]]
        assert "breaks (not counted: good)" in shown and "high_score" in shown
        silent = {(of["site"], of["post_id"]) for of in rows(corpus, "toy", "votes")} - {
            (of["site"], of["post_id"]) for of in after
        }
        stories = [analysis_explain.lines(corpus, f"{site}:{post}") for site, post in sorted(silent)]
        story = next(story for story in stories if any("none of these votes is counted" in line for line in story))
        assert "  breaks: good, not counted (" in "\n".join(line[2:] for line in story)
        diff = label_diff.compare(generations.finished(applied), generations.finished(corpus), schema.TASKS["toy"])
        assert diff.votes["breaks"]["new"] == len(after) and diff.not_counted == {"breaks": ["good"]}
        assert diff.changed == 0 and "breaks" not in diff.causes


def test_a_function_of_ours_that_fails_on_many_posts_ends_the_build(corpus: Path) -> None:
    said = r"toy\.breaks fails on [\d,]+ of .*bug of socorpus.*labels\.without = \[\"toy\.breaks\"\]"
    with ours("toy", lambda row: row["post_id"] % 10 == 0), pytest.raises(BuildError, match=said):
        apply(corpus)


def test_a_thread_that_fails_as_a_whole_is_left_out_as_a_whole() -> None:
    threads = bucket.threads([bucket.question(1), bucket.answer(2), bucket.question(3), bucket.answer(4, 3)])

    def find(some: functions.Threads) -> Iterator[functions.Vote]:
        posts = some.documents["post_id"].to_pylist()
        if {3, 4} <= set(posts):
            raise KeyError("both")
        yield from (functions.Vote(post, "good", {}) for post in posts)

    function = functions.Function("breaks", "toy", find, "Breaks.", 1)
    functions.FUNCTIONS.add(function.key, function)
    try:
        failures: list[plugin_calls.Failure] = []
        assert [vote.post_id for vote in plugin_calls.votes(function, threads, failures)] == [1, 2]
        assert {failure.post_id: failure.error for failure in failures} == dict.fromkeys((3, 4), "KeyError: 'both'")
        with pytest.raises(KeyError):
            plugin_calls.votes(function, threads)
    finally:
        functions.FUNCTIONS.remove(function.key)


def test_a_function_that_does_not_yield_is_told(corpus: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(WRONG.format(task="toy", does="pass").replace("yield from ()", "return None"), "utf-8")
    with pytest.raises(BuildError, match=r"mine\.py: labelling function toy\.wrong returns NoneType; it must yield"):
        apply(corpus, more=[path])


def test_a_function_for_a_task_that_nobody_defines_is_told(corpus: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(WRONG.format(task="moods", does="pass"), "utf-8")
    with pytest.raises(InputError, match=r"mine\.py: wrong votes for the task 'moods', which is not known"):
        apply(corpus, more=[path])


def test_no_corpus_and_no_task_are_told(tmp_path: Path, applied: Path) -> None:
    with pytest.raises(InputError, match="no finished corpus"):
        apply(tmp_path)
    with pytest.raises(InputError, match="task 'mood' is not known"):
        apply(applied, tasks=["mood"])
    assert pipeline.finished(applied)["labels"]


def test_a_build_without_labels_leaves_none(tmp_path: Path) -> None:
    """Labels of before are of other posts, and a site or a post that is gone must be gone."""
    from socorpus.corpus import build, verify
    from socorpus.corpus.sample import writer as sample_writer

    dump = sample_writer.write(tmp_path / "dump", threads=20, sites=[sample_writer.MODERN]).folder
    root, said = tmp_path / "corpus", list[str]()
    with_labels = build(dump, root, workers=0, last=pipeline.last_stage)
    assert any(name.startswith("labels/") for name in with_labels.manifest["files"])
    build(dump, root, workers=0, show=lambda progress: said.append(progress.note))
    assert not (root / "labels").exists() or not any((root / "labels").rglob("*.parquet"))
    assert not verify(root).differences and any("socorpus labeling apply" in note for note in said)
    extra = generations.finished(root) / "labels" / "closure" / "old.parquet"
    extra.parent.mkdir(parents=True, exist_ok=True)
    extra.write_bytes(b"")
    assert [(difference.path, difference.what) for difference in verify(root).differences] == [
        ("labels/closure/old.parquet", "extra")
    ]
