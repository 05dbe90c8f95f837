"""A score of quality from text: what it learns, what it can't learn, and what its audit says of that."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from socorpus.corpus.errors import InputError
from socorpus.corpus.storage.objects import folders, store_client
from socorpus.corpus.storage.objects.paths import ObjectPath
from socorpus.labeling import schema
from socorpus.labeling.datasets import so60k
from socorpus.labeling.schema import TASKS
from socorpus.labeling.text_score import audit, corpus_votes, features, form, masks, train_score
from socorpus.labeling.text_score import model as text_model
from socorpus.labeling.text_score.form import QuestionText
from tests import s3_server
from tests.labeling import label_tables
from tests.labeling.text_score import made

COUNT = 160


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("score")


@pytest.fixture(scope="module")
def trained(folder: Path) -> Path:
    train_score.train(made.write(folder / "words.csv", COUNT, "words"), folder / "model")
    return folder / "model"


def audited(folder: Path, signal: str) -> dict[str, Any]:
    facts, _ = audit.run(so60k.read(made.write(folder / f"{signal}.csv", COUNT, signal)))
    return facts


def area(figures: dict[str, Any]) -> float:
    return float(figures["HQ"]["auc"])


def test_words_that_tell_the_label_are_learned(trained: Path) -> None:
    facts = json.loads((trained / train_score.AUDIT).read_text("utf-8"))
    assert facts["auc_of"] == ["HQ"] and sum(facts["labels"].values()) == COUNT
    assert area(facts["text"]) > 0.9
    low, high = facts["text"]["HQ"]["interval"]
    assert low <= area(facts["text"]) <= high <= 1
    assert area(facts["masked"]["all tag names masked"]) > 0.9
    assert (
        area(facts["baselines"]["tags"]) == pytest.approx(0.5) and area(facts["baselines"]["length, normalised"]) < 0.75
    )
    assert [fold["trained_on"] for fold in facts["folds"]] == [80, 96, 112, 128, 144]
    assert sum(fold["scored"] for fold in facts["folds"]) == COUNT // 2
    held = facts["calibration"]
    assert held["log_loss"] < held["log_loss_of_constant"] and 0 <= held["ece"] < 0.2
    assert {row["kind"] for row in facts["slices"]} >= {"year", "format", "code", "tag"}
    assert set(facts["largest_weights"]) == {"HQ", "LQ_EDIT"}


def test_the_format_of_a_body_is_not_what_is_learned(folder: Path) -> None:
    facts = audited(folder, "format")
    assert area(facts["baselines"]["contains <p>, raw"]) == 1
    assert 0.3 < area(facts["text"]) < 0.7


def test_a_tag_that_gives_the_label_away_is_seen_by_masking_it(folder: Path) -> None:
    facts = audited(folder, "tag")
    assert area(facts["text"]) == area(facts["baselines"]["tags"]) == 1
    for masked in facts["masked"].values():
        assert 0.3 < area(masked) < 0.7


def test_a_model_is_read_as_it_was_written_and_the_same_bytes_twice(trained: Path, folder: Path) -> None:
    questions = sorted(so60k.read(folder / "words.csv"), key=lambda question: question.created)
    views, labels = [audit.seen(question) for question in questions], ("HQ", "LQ_EDIT")
    label = np.array([labels.index(question.label) for question in questions])
    fitted, read = text_model.fit(views, label, labels), text_model.read(trained)
    assert (read.scores(views) == fitted.scores(views)).all()
    (folder / "again").mkdir()
    text_model.write(text_model.calibrated(fitted, read.calibration, read.data), folder / "again")
    assert (folder / "again" / text_model.FILE).read_bytes() == (trained / text_model.FILE).read_bytes()
    chances = read.probabilities([*views, QuestionText("", "", ())])
    assert np.isfinite(chances).all() and chances.sum(1) == pytest.approx(1)
    assert read.data["file"] == "words.csv" and read.data["word_vectors"]["license"] == "Apache-2.0"


def test_questions_of_a_corpus_in_a_store_are_scored(trained: Path, tmp_path: Path) -> None:
    place = ObjectPath("s3://corpora/scored")
    with s3_server.server(), s3_server.environment(SOCORPUS_SCRATCH=str(tmp_path / "scratch")):
        for root in (place, tmp_path / "scored"):
            label_tables.classified(root, "quality", 6)
        for path in trained.iterdir():
            store_client.upload(f"{place}/model/{path.name}", path)
        model, votes = folders.here(f"{place}/model"), schema.models_path("quality")
        there = corpus_votes.score(place, place, TASKS["quality"], model, 0.0, place / "scores.parquet")
        here = corpus_votes.score(
            tmp_path / "scored", tmp_path / "scored", TASKS["quality"], trained, 0.0, tmp_path / "scores.parquet"
        )
        assert there == here and there.questions == 6
        assert (place / votes).read_bytes() == (tmp_path / "scored" / votes).read_bytes()
        assert (place / "scores.parquet").read_bytes() == (tmp_path / "scores.parquet").read_bytes()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda values: values["vectors"].update(sha256="0"), "another version"),
        (lambda values: values["vectors"]["weights"].pop(), "differ in number"),
        (lambda values: values["form"].pop("characters"), "no whole model"),
        (lambda values: values.update(terms=[]), "no whole model"),
        (lambda values: values["intercepts"].append(0), "differ in number"),
    ],
)
def test_a_damaged_model_is_refused(trained: Path, tmp_path: Path, damage: Any, says: str) -> None:
    values = json.loads((trained / text_model.FILE).read_text("utf-8"))
    damage(values)
    (tmp_path / text_model.FILE).write_text(json.dumps(values), "utf-8")
    with pytest.raises(InputError, match=says):
        text_model.read(tmp_path)


def test_files_that_are_too_small_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a score needs 100"):
        train_score.train(made.write(tmp_path / "few.csv", 60, "words"), tmp_path / "out")
    one = made.write(tmp_path / "one.csv", COUNT, "words")
    one.write_text(one.read_text("utf-8").replace("LQ_EDIT", "HQ"), "utf-8")
    with pytest.raises(InputError, match="two labels"):
        train_score.train(one, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_areas_are_those_of_scikit_learn() -> None:
    draw = np.random.default_rng(1)
    scores, positive = draw.integers(0, 20, 200).astype(float), draw.random(200) < 0.3
    assert audit.auc(scores, positive) == pytest.approx(roc_auc_score(positive, scores))
    assert np.isnan(audit.auc(scores, np.ones(200, bool)))


def test_folds_score_only_what_comes_later() -> None:
    parts = audit.folds(103)
    assert [len(test) for _, test in parts] == [10, 10, 11, 10, 11] and len(parts[0][0]) == 51
    for seen, test in parts:
        assert seen.max() < test.min() and len(seen) == test.min()


def test_calibration_finds_the_scale_that_scores_lack() -> None:
    draw = np.random.default_rng(2)
    truth = draw.normal(0, 2, 4000)
    label = (draw.random(4000) < 1 / (1 + np.exp(-truth))).astype(np.int64)
    scores = np.stack([np.zeros(4000), truth / 3 + 1], 1)
    found = text_model.calibrate(scores, label)
    assert found.scale == pytest.approx(3, rel=0.1)
    chances = found.probabilities(scores)
    assert audit.reliability(chances, label)["ece"] < 0.02
    assert audit.reliability(text_model.Calibration(1.0, np.zeros(2)).probabilities(scores), label)["ece"] > 0.1
    # A forecaster who is always sure and right half of the time is off by a half.
    sure = np.tile([0.0, 1.0], (1000, 1))
    assert audit.reliability(sure, np.arange(1000) % 2)["ece"] == pytest.approx(0.5)
    assert audit.log_loss(np.full((10, 2), 0.5), np.zeros(10, np.int64)) == pytest.approx(np.log(2))


def test_masks_hide_names_and_keep_segments_where_they_were() -> None:
    text = "In Python-3.x and C++ use node.js, not jsx. call(python) A Pythonic C#."
    start = text.index("call")
    segments = [
        ("prose", 0, start - 1, None),
        ("code", start, start + 12, None),
        ("prose", start + 13, len(text), None),
    ]
    hidden = masks.names(["python-3.x", "node.js", "c++", "c#"])
    assert {"python", "python-3.x", "node", "js", "c++", "c#"} <= hidden and "3" not in hidden
    masked = masks.masked(QuestionText("Node.js: why?", text, segments), hidden)
    assert masked.title == "xxxx: why?"
    assert masked.text == "In xxxx and xxxx use xxxx, not jsx. call(xxxx) A Pythonic xxxx."
    assert masked.of("code") == ["call(xxxx)"] and masked.of("prose")[1] == "A Pythonic xxxx."
    plain = QuestionText("t", text, segments)
    assert masks.masked(plain, frozenset()) == plain


def test_form_is_of_the_text_that_a_reader_sees() -> None:
    prose, code = "hi, i dont know why. plz help!! Is it 1.2?", "  f(x)\n# y"
    text = f"{prose}\n\n{code}"
    question = QuestionText(
        "how to sort?", text, [("prose", 0, len(prose), None), ("code", len(prose) + 2, len(text), None)]
    )
    values = form.features(question)
    assert list(values) == list(form.NAMES)
    counted = {
        name: round(float(np.expm1(values[name]))) for name in ("small i", "politeness", "chat spelling", "versions")
    }
    assert counted == {"small i": 1, "politeness": 3, "chat spelling": 1, "versions": 1}
    assert values["title begins with how to"] == values["ends with a question"] == 1
    assert values["indented lines of code"] == 0.5 and values["share of code"] == len(code) / (len(text) + 1)
    assert all(np.isfinite(list(form.features(QuestionText("", "", ())).values())))


def test_words_of_one_question_alone_are_in_no_model() -> None:
    draw = random.Random(1)
    texts = [made.text(draw, 20, [], 0) for _ in range(40)]
    texts[3] = "my address is zyzzyva-q@example.com"
    questions = [QuestionText(text[:20], text, [("prose", 0, len(text), None)]) for text in texts]
    learned = features.learn(questions)
    assert not [name for name in learned.names() if "zyzzyva" in name]


@pytest.mark.slow
def test_the_public_set(real_data: Path) -> None:
    facts, _ = audit.run(so60k.read(real_data / "benchmarks/quality/so-60k-subset.csv"))
    assert area(facts["text"]) > area(facts["baselines"]["text, normalised"])
    assert area(facts["text"]) >= 0.90
