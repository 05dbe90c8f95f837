"""`socorpus labeling train-score` and `score`: a score of quality from text, and its votes on a corpus."""

import json
from pathlib import Path

import pyarrow.parquet as pq

from socorpus.labeling import schema
from tests.building import copy, manifest, socorpus
from tests.labeling.labelled import rows
from tests.labeling.text_score import made


def test_a_score_is_trained_and_votes_until_it_is_taken_back(corpus: Path, tmp_path: Path) -> None:
    out, model, scores = copy(corpus, tmp_path), tmp_path / "score", tmp_path / "scores.parquet"
    shown = socorpus("labeling", "train-score", made.write(tmp_path / "set.csv", 120, "words"), "-o", model).stdout
    assert "AUC of HQ" in shown and "all tag names masked" in shown and "expected calibration error" in shown
    again = socorpus("labeling", "train-score", tmp_path / "set.csv", "-o", model, code=2)
    assert "exists already" in again.stderr

    before = manifest(out)["labels"]["quality"]
    shown = socorpus("labeling", "score", out, "--model", model, "--least", 0.6, "-o", scores).stdout
    examples = {(row["site"], row["post_id"]) for row in rows(out, "quality", "examples")}
    table = pq.read_table(scores).to_pylist()
    assert {(row["site"], row["post_id"]) for row in table} == examples
    assert all(abs(row["HQ"] + row["LQ_EDIT"] - 1) < 1e-5 for row in table)
    voted = {(row["site"], row["post_id"]) for row in table if max(row["HQ"], row["LQ_EDIT"]) >= 0.6}
    votes = pq.read_table(out / schema.models_path("quality")).to_pylist()
    assert voted and {(row["site"], row["post_id"]) for row in votes} == voted
    assert {row["source"] for row in votes} == {"model"} and "next: socorpus labeling apply" in shown
    (function,) = {row["function"] for row in votes}
    assert function in shown

    told = socorpus("labeling", "apply", out, "--task", "quality", "--workers", 0).stderr
    assert manifest(out)["labels"]["quality"]["models"] == [function]
    speaking = [vote for row in rows(out, "quality", "labels") for vote in row["votes"] if vote["function"] == function]
    evidence = {vote["post_id"]: vote["evidence"] for vote in votes}
    assert speaking and all(json.loads(text)["probability"] >= 0.6 for text in evidence.values())
    # Made-up questions are not read by who closes them: the model calls as many HQ where functions say otherwise.
    assert f"quality.{function} votes for HQ as often where others vote for other labels" in " ".join(told.split())
    assert {vote["label"] for vote in votes} > {"HQ"} or len(speaking) < len(votes)

    assert "votes no more" in socorpus("labeling", "score", out, "--remove").stdout
    socorpus("labeling", "apply", out, "--task", "quality", "--workers", 0)
    assert manifest(out)["labels"]["quality"] == before


def test_wrong_use_is_said_in_a_sentence(corpus: Path, tmp_path: Path) -> None:
    assert "either --model or --remove" in socorpus("labeling", "score", corpus, code=2).stderr
    assert "holds no model.json" in socorpus("labeling", "score", corpus, "--model", tmp_path, code=2).stderr
    (tmp_path / "text.csv").write_text("a,b\n1,2\n", "utf-8")
    wrong = socorpus("labeling", "train-score", tmp_path / "text.csv", "-o", tmp_path / "out", code=2)
    assert "has no column" in wrong.stderr
