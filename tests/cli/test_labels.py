"""`socorpus labeling apply` and `analyze`, and the labels that a build ends with, from end to end."""

import json
import shutil
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from socorpus.corpus import schema as corpus_schema
from socorpus.corpus.engine import build_state, rebuild
from socorpus.corpus.storage import generations, manifest_file
from socorpus.labeling import schema
from socorpus.labeling.schema import TASKS as TASKS_OF
from tests import fork_server
from tests.building import copy, hashes, manifest, socorpus, table
from tests.labeling.labelled import rows, say

TASKS = ("quality", "closure", "obsolescence", "entities")


def test_a_build_ends_with_labels(built: Path) -> None:
    facts = manifest(built)
    assert tuple(facts["labels"]) == TASKS
    for task in TASKS:
        for name in ("examples", "votes", "labels"):
            paths = sorted((built / "labels" / task / name).rglob("*.parquet"))
            assert len(paths) == len(list((built / "documents").rglob("*.parquet")))
            assert sum(facts["files"][str(path.relative_to(built))]["rows"] for path in paths) > 0
        assert facts["files"][f"labels/{task}/model.json"]
    report = (built / "report.html").read_text("utf-8")
    assert "<h2" in report and ">Labels<" in report and ">Obsolete answers<" in report


def test_every_label_has_votes_with_evidence(built: Path) -> None:
    for task in TASKS:
        place = ("site", "post_id", "start", "end")
        voted = {(*(row[name] for name in place), row["function"]): row for row in rows(built, task, "votes")}
        for row in rows(built, task, "labels"):
            assert row["votes"] and row["label"] in {vote["label"] for vote in row["votes"]}
            for vote in row["votes"]:
                of = voted[(*(row[name] for name in place), vote["function"])]
                assert of["label"] == vote["label"] and isinstance(json.loads(of["evidence"]), dict)


def test_splits_agree_with_the_shards(built: Path) -> None:
    shards = table(built, "shards").select(["site", "thread_id", "split"]).to_pylist()
    split = {(row["site"], row["thread_id"]): row["split"] for row in shards}
    for task in TASKS:
        for row in rows(built, task, "examples"):
            assert split.get((row["site"], row["thread_id"]), row["split"]) == row["split"]


def test_without_labels_and_then_with(dump: Path, corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "corpus"
    shown = socorpus("build", dump, "-o", out, "--workers", 0, "--no-labels").stdout
    assert not (out / "labels").exists() and "labels" not in manifest(out) and "quality:" not in shown
    assert "no finished" not in shown
    told = socorpus("labeling", "apply", out, "--workers", 0).stdout
    assert hashes(out, "labels") == hashes(corpus, "labels")
    assert manifest(out) == manifest(corpus)
    assert "examples, votes differ on" in told and "nothing had changed" not in told
    # A build without labels removes them: they may be of posts that are gone.
    socorpus("build", dump, "-o", out, "--workers", 0, "--no-labels")
    assert "labels" not in manifest(out) and not hashes(out, "labels")
    assert not [name for name in manifest(out)["files"] if name.startswith("labels/")]
    socorpus("build", dump, "-o", out, "--workers", 0)
    assert manifest(out) == manifest(corpus)


def test_running_again_does_nothing(corpus: Path, tmp_path: Path, dump: Path) -> None:
    out = copy(corpus, tmp_path)
    before = {str(path): path.stat().st_mtime_ns for path in (out / "receipts").glob("label_*/**/*.json")}
    assert "nothing had changed" in socorpus("labeling", "apply", out).stdout
    assert "nothing had changed" in socorpus("build", dump, "-o", out).stdout
    now = {str(path): path.stat().st_mtime_ns for path in (out / "receipts").glob("label_*/**/*.json")}
    assert before and now == before


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_workers_make_the_same_bytes(corpus: Path, tmp_path: Path, workers: int) -> None:
    out = copy(corpus, tmp_path)
    before = hashes(out, "labels")
    shutil.rmtree((out / "labels").resolve())
    socorpus("labeling", "apply", out, "--force", "--workers", workers)
    assert hashes(out, "labels") == before


def test_a_killed_command_goes_on(corpus: Path, tmp_path: Path) -> None:
    out = copy(corpus, tmp_path)
    shutil.rmtree((out / "labels").resolve())
    for _ in range(2):
        process = fork_server.start(("labeling", "apply", out, "--workers", 0))
        # Until it has written votes: so it dies at work.
        while process.poll() is None and not list((out / "labels").glob("*/votes/*/*.parquet")):
            time.sleep(0.01)
        process.kill()
        process.communicate()
        for path in (out / "labels").rglob("*.parquet"):
            if not path.name.startswith("."):
                pq.ParquetFile(path).close()
    socorpus("labeling", "apply", out, "--workers", 0)
    assert hashes(out, "labels") == hashes(corpus, "labels")
    assert not list(out.rglob("*.partial"))


def test_status_says_that_labels_were_being_made_and_what_goes_on(corpus: Path, tmp_path: Path) -> None:
    out, mine = copy(corpus, tmp_path), tmp_path / "mine.py"
    mine.write_text(SHORT.replace("for row", "raise ValueError('not yet')\n    for row"), "utf-8")
    socorpus("labeling", "apply", out, "--task", "closure", "--plugin", mine, "--workers", 0, code=1)
    status = " ".join(socorpus("status", out).stdout.split())
    assert "Labels were being made, which stopped at label_" in status and "build stopped" not in status
    assert f"socorpus labeling apply {out} (or analyze, if that was the command) continues it" in status
    assert f"socorpus build --abandon -o {out} drops it. Until it is whole, the finished corpus is read" in status
    mine.write_text(SHORT, "utf-8")
    socorpus("labeling", "apply", out, "--task", "closure", "--workers", 0)
    assert "The build is finished." in socorpus("status", out).stdout


def test_status_of_a_command_that_stopped_before_it_noted_its_purpose(corpus: Path, tmp_path: Path) -> None:
    """As on a full disk: the receipts beside it are those of the finished corpus, whose build did not stop."""
    out = copy(corpus, tmp_path)
    with generations.writing(out) as tree:
        assert (tree / generations.MARK).read_text() == ""
    summary = build_state.status(out).summary
    assert "build stopped" not in summary and f"socorpus labeling apply {out}" in summary
    assert f"stopped before it began; the same command begins again, socorpus build --abandon -o {out} drops" in summary
    assert rebuild.abandon(out) and build_state.status(out).summary == "The build is finished."


def test_people_win_and_analyze_tells(corpus: Path, tmp_path: Path) -> None:
    out = copy(corpus, tmp_path)
    found = rows(out, "closure", "labels")
    chosen = found[:8]
    others = {"open": "duplicate"}
    say(
        out,
        "closure",
        [
            {"site": row["site"], "post_id": row["post_id"], "function": "person:7", "label": label}
            for at, row in enumerate(chosen)
            for label in [row["label"] if at % 2 else others.get(row["label"], "open")]
        ],
    )
    told = socorpus("labeling", "analyze", out, "--task", "closure", "--workers", 0).stdout
    now = {(row["site"], row["post_id"]): row for row in rows(out, "closure", "labels")}
    for at, row in enumerate(chosen):
        here = now[row["site"], row["post_id"]]
        assert here["source"] == "person" and (here["label"] == row["label"]) == bool(at % 2)
    assert "People judged 8 items; 4 of 8 labels of functions are what people say." in told
    assert "against people" in told
    for seen in ("commonest label", "markup", "length", "tags"):
        assert seen in told
    for name in manifest(out)["labels"]["closure"]["functions"]:
        assert name in told
    assert "quality" not in told
    report = (out / "report.html").read_text("utf-8")
    assert ">Labelling functions<" in report and ">Leaks<" in report


SHORT = """
from socorpus.labeling import Vote, votes


@votes("closure")
def short_title(threads):
    '''A short title: such a question lacks details.'''
    for row in threads.documents.to_pylist():
        if row["kind"] == "question" and len(row["title"]) < 50:
            yield Vote(row["post_id"], "needs_details", {"title": row["title"], "created": row["created"]})
"""


def test_who_improves_labels_sees_how_right_they_are_where_and_what_changed(corpus: Path, tmp_path: Path) -> None:
    out, mine = copy(corpus, tmp_path), tmp_path / "mine.py"
    mine.write_text(SHORT, "utf-8")
    trial = socorpus("labeling", "try", mine, out).stdout
    assert (
        "closure.short_title: " in trial and "another votes differently" in trial and "needs_details, others" in trial
    )
    assert "its label is another" in trial
    mine.write_text(SHORT.replace('row["created"]})', "'x' * 10**6})"), "utf-8")
    trial = socorpus("labeling", "try", mine, out).stdout
    assert len(trial) < 20_000 and " more characters)" in trial
    mine.write_text(SHORT.replace('row["created"]})', "1}, 0, 5)"), "utf-8")
    assert (
        "gives offsets, and labels of this task are of whole texts. Correct the function"
        in socorpus("labeling", "try", mine, out, code=1).stderr
    )
    shown = socorpus("labeling", "slices", out, "--task", "closure", "--by", "site").stdout
    for site in {row["site"] for row in rows(out, "closure", "labels")}:
        assert site in shown
    assert " open=" in shown
    assert "nobody has judged a post" in socorpus("labeling", "accuracy", out, "--task", "closure", code=2).stderr
    blind = json.dumps({"blind": True})
    judged = rows(out, "closure", "labels")[:40]
    key = ("site", "post_id", "label")
    say(
        out,
        "closure",
        [{name: row[name] for name in key} | {"function": "person:7", "evidence": blind} for row in judged],
    )
    socorpus("labeling", "apply", out, "--task", "closure", "--workers", 0)
    shown = socorpus("labeling", "accuracy", out, "--task", "closure", "--by", "year").stdout
    assert "95% interval" in shown and "more for ±0.05" in shown and "expected calibration error" in shown
    # Labels that nothing has are named, and are no row of dashes.
    absent = {*TASKS_OF["closure"].labels} - {row["label"] for row in rows(out, "closure", "labels")}
    (line,) = [line for line in shown.splitlines() if line.startswith("no label here: ")]
    assert absent and set(line.removeprefix("no label here: ").split(", ")) == absent
    shown = socorpus("labeling", "diff", corpus, out, "--task", "closure").stdout
    assert "closure: " in shown and "labels changed" in shown
    assert (
        "not both corpora have labels of it"
        in socorpus("labeling", "diff", corpus, out, "--task", "mood", code=2).stderr
    )


def test_corpora_without_a_common_site_are_not_compared(corpus: Path, small_corpus: Path, tmp_path: Path) -> None:
    shown = socorpus("labeling", "diff", corpus, small_corpus, "--task", "closure").stdout
    assert f"only in {corpus}: area51.example.com\n" in shown
    other = copy(small_corpus, tmp_path)
    facts = manifest(other)
    facts["sites"] = {"elsewhere.example.com": facts["sites"]["modern.example.com"]}
    manifest_file.save(generations.finished(other), facts)
    told = socorpus("labeling", "diff", corpus, other, code=2).stderr
    assert "is a corpus of area51.example.com, modern.example.com, and" in " ".join(told.split())
    assert "of elsewhere.example.com: there is no site that could be compared" in " ".join(told.split())


def test_analyze_says_that_it_makes_labels_first(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "corpus"
    socorpus("build", small, "-o", out, "--workers", 0, "--no-labels")
    done = socorpus("labeling", "analyze", out, "--task", "closure", "--workers", 0)
    assert "has no labels of closure yet: they are made first (socorpus labeling apply)" in " ".join(
        done.stderr.split()
    )
    assert "a plain vote" in done.stdout and "majority" not in done.stdout
    assert "are made first" not in socorpus("labeling", "analyze", out, "--task", "closure").stderr


def test_a_story_ends_with_labels(corpus: Path) -> None:
    row = rows(corpus, "quality", "labels")[0]
    told = socorpus("explain", corpus, corpus_schema.key(row["site"], row["post_id"])).stdout
    labels = told[told.index("\nlabels\n") :]
    assert f"quality       {row['label']} {row['probability']:.3f}, by {row['source']}" in labels
    for vote in row["votes"]:
        assert f"{vote['function']}: {vote['label']} (" in labels


def test_what_is_wrong_is_told_in_one_sentence(corpus: Path, tmp_path: Path) -> None:
    assert "no finished corpus" in socorpus("labeling", "apply", tmp_path, code=2).stderr
    assert "no finished corpus" in socorpus("labeling", "apply", tmp_path, "--force", code=2).stderr
    assert "task 'mood' is not known" in socorpus("labeling", "analyze", corpus, "--task", "mood", code=2).stderr
    old = copy(corpus, tmp_path)
    facts = manifest(old)
    del facts["config"]["labels"]
    manifest_file.save(generations.finished(old), facts)
    assert "earlier version" in socorpus("labeling", "apply", old, code=2).stderr


def test_functions_can_be_left_out_by_the_configuration(dump: Path, corpus: Path, tmp_path: Path) -> None:
    toml = tmp_path / "socorpus.toml"
    name = next(iter(manifest(corpus)["labels"]["closure"]["functions"]))
    toml.write_text(f'[labels]\ntasks = ["closure"]\nwithout = ["closure.{name}"]\n', "utf-8")
    out = tmp_path / "out"
    socorpus("build", dump, "-o", out, "--workers", 0, "--config", toml)
    assert list(manifest(out)["labels"]) == ["closure"]
    assert name not in manifest(out)["labels"]["closure"]["functions"]
    assert name not in {row["function"] for row in rows(out, "closure", "votes")}
    toml.write_text('[labels]\nwithout = ["closure.nobody"]\n', "utf-8")
    told = socorpus("build", dump, "-o", out, "--workers", 0, "--config", toml, code=2).stderr
    assert "closure has no labelling function nobody; it has" in told


@pytest.mark.slow
def test_all_real_sites(real_corpus: Path, tmp_path: Path) -> None:
    facts = manifest(real_corpus)
    assert tuple(facts["labels"]) == TASKS
    for task, entry in facts["labels"].items():
        labels = rows(real_corpus, task, "labels")
        assert sum(sum(counts.values()) for counts in entry["labels"].values()) == len(labels) > 0
        # Hardly an answer of these sites is about software, and few are said to hold.
        least = 1 if task == "obsolescence" else 3
        assert len({one for one, said in entry["functions"].items() if said["votes"]}) >= least, task
    out = copy(real_corpus, tmp_path)
    assert "nothing had changed" in socorpus("labeling", "apply", out).stdout
    told = socorpus("labeling", "analyze", out, "--workers", 2).stdout
    for task in TASKS:
        assert task in told
    assert hashes(out, "labels").items() >= hashes(real_corpus, "labels").items()
    assert schema.people_path("quality") not in facts["files"]


def test_every_answer_that_is_called_obsolete_is_in_the_report(built: Path) -> None:
    report = (built / "report.html").read_text("utf-8")
    section = report[report.index('<div id="obsolete-answers">') :].partition('<details class="section"')[0]
    labels = rows(built, "obsolescence", "labels")
    hits = [row for row in labels if any(vote["label"] == "obsolete" for vote in row["votes"])]
    assert hits and section.count("<tr>") == len(hits) + 1
    for row in hits:
        assert f"{row['site']}:{row['post_id']}".replace(".", "<wbr>.") in section or row["site"] in section
        assert f"/{row['post_id']}" in section
        assert all(vote["function"] in section for vote in row["votes"])
