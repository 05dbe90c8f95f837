"""What stands behind a score: cases worked out by hand, and scikit-learn's figures."""

import numpy as np
import pytest
from sklearn import metrics as theirs

from socorpus.labeling.schema import Task
from socorpus.labeling.tasks.entities.spans import Span
from socorpus.training.evaluation import details
from socorpus.training.examples import metrics
from socorpus.training.examples.example import Example, Prediction

THREE = Task("closure", dict.fromkeys(("open", "duplicate", "off_topic"), ""))
SPANS = Task("entities", dict.fromkeys(("Library", "Value", "Code_Block"), ""), unit="span")


def texts(number: int, runs: int = 2) -> tuple[list[Example], list[list[Prediction]]]:
    draw = np.random.default_rng(11)
    examples = [
        Example(
            key=f"{at}",
            thread=f"{('beer', 'wine')[at % 3 == 0]}:{at // 2}",
            text="x" * int(draw.integers(100, 3000)),
            label=int(draw.choice(3, p=[0.7, 0.2, 0.1])),
            created=int((40 + at % 3 + 0.5) * 365.25 * 24 * 3600 * 1000) if at % 10 else 0,
            tags=("python", "list") if at % 4 else ("java",),
            kinds=(("code", 0, 5),) if at % 5 else (),
            languages=("python",) if at % 5 == 1 else ("python", "bash") if at % 5 == 2 else (),
        )
        for at in range(number)
    ]
    said = [[Prediction(tuple(draw.dirichlet([1.0] * 3).tolist())) for _ in examples] for _ in range(runs)]
    return examples, said


def test_labels_and_confusion_are_those_of_scikit_learn() -> None:
    examples, runs = texts(400)
    truth = [example.label for example in examples]
    sums = [metrics.sums(THREE, examples, run) for run in runs]
    made = details.by_label(THREE, sums)
    confused = details.confusion(THREE, examples, runs)
    each = [[prediction.label for prediction in run] for run in runs]
    figures = np.mean([theirs.precision_recall_fscore_support(truth, guess)[:3] for guess in each], 0)
    for number, label in enumerate(THREE.labels):
        shown = made[label]
        assert (shown.precision, shown.recall, shown.f1.mean) == pytest.approx(tuple(figures[:, number]))
        assert shown.true == truth.count(number) and shown.f1.low < shown.f1.mean < shown.f1.high
    assert confused.true == confused.predicted == list(THREE.labels)
    wanted = np.mean([theirs.confusion_matrix(truth, guess) for guess in each], 0)
    assert np.array(confused.counts) == pytest.approx(wanted)


def test_calibration_by_hand() -> None:
    # 0.75 three times, two of them right; 0.95 twice, both right; 0.5 once, wrong: the bins end at 0.8, 1.0 and 0.5.
    task = Task("quality", dict.fromkeys(("HQ", "LQ"), ""))
    sure = [(0.75, True), (0.75, True), (0.75, False), (0.95, True), (0.95, True), (0.5, False)]
    examples = [Example(f"{at}", f"{at}", "", label=0 if hit else 1) for at, (_, hit) in enumerate(sure)]
    said = [Prediction((confidence, 1 - confidence)) for confidence, _ in sure]
    made = details.calibration(task, examples, [said])
    assert made is not None
    assert [(some.low, some.high, some.count) for some in made.bins] == [(0.4, 0.5, 1), (0.7, 0.8, 3), (0.9, 1.0, 2)]
    assert [some.right for some in made.bins] == pytest.approx([0.0, 2 / 3, 1.0])
    by_hand = (1 * 0.5 + 3 * (0.75 - 2 / 3) + 2 * 0.05) / 6
    assert made.error == pytest.approx(by_hand)
    # Errors of runs are averaged, their predictions stand in one plot.
    other = [Prediction((1.0, 0.0))] * 6
    both = details.calibration(task, examples, [said, other])
    assert both is not None and both.error == pytest.approx((by_hand + 1 / 3) / 2)
    assert sum(some.count for some in both.bins) == 12


def test_spans_by_hand() -> None:
    library, value, block = Span(0, 3, "Library"), Span(5, 8, "Value"), Span(10, 15, "Code_Block")
    examples = [Example("a", "a", "x" * 20, spans=((library, 1.0), (value, 1.0), (block, 1.0)))]
    said = [Prediction(spans=((Span(0, 3, "Value"), 0.6), (value, 0.9), (Span(16, 18, "Library"), 0.3)))]
    confused = details.confusion(SPANS, examples, [said], ("Code_Block",))
    assert confused.true == ["Library", "Value", details.SPURIOUS]
    assert confused.predicted == ["Library", "Value", details.MISSED]
    assert confused.counts == [[0, 1, 0], [0, 1, 0], [1, 0, 0]]
    made = details.calibration(SPANS, examples, [said], ("Code_Block",))
    assert made is not None and made.error == pytest.approx((0.6 + 0.1 + 0.3) / 3)
    labels = details.by_label(SPANS, [metrics.sums(SPANS, examples, said, ("Code_Block",))])
    assert set(labels) == {"Library", "Value"}
    assert (labels["Value"].precision, labels["Value"].recall, labels["Value"].f1.mean) == (
        0.5,
        1.0,
        pytest.approx(2 / 3),
    )
    assert (labels["Library"].f1.mean, labels["Library"].true, labels["Library"].predicted) == (0.0, 1, 1.0)
    assert details.calibration(SPANS, examples, [[Prediction()]]) is None


def test_slices_are_scored_as_if_they_were_all_there_is() -> None:
    examples, runs = texts(400)
    parts = details.slices(examples)
    assert set(parts.rows) == {"site", "year", "language of code", "tag", "length"}
    assert list(parts.rows["year"]) == ["2010", "2011", "2012"] and list(parts.rows["site"]) == ["beer", "wine"]
    assert set(parts.rows["tag"]) == {"python", "list", "java"}
    assert set(parts.rows["language of code"]) == {"python", "bash", "no code", "code, unnamed"}
    assert list(parts.rows["length"])[-3:] == ["500 to 999", "1,000 to 1,999", "2,000 and more"]
    made = details.by_slice(THREE, examples, [metrics.rows(THREE, examples, run) for run in runs], parts)
    for kind, named in parts.rows.items():
        for name, chosen in named.items():
            some = [examples[number] for number in chosen]
            alone = [metrics.scores(THREE, some, [run[number] for number in chosen])["macro_f1"] for run in runs]
            shown = made[kind][name]
            assert shown.score.mean == pytest.approx(np.mean(alone))
            assert (shown.examples, shown.threads) == (len(some), len({example.thread for example in some}))


def test_small_slices_are_left_out_and_counted() -> None:
    examples, _ = texts(120)
    parts = details.slices(examples)
    # 2010 to 2012 have 36 each: no year is left.
    assert "year" not in parts.rows and "site" in parts.rows
    assert "3 by year, each with fewer than 50 examples (108 in all)" in parts.left_out
    # One slice that has everything says nothing new.
    assert "site" not in details.slices([Example(f"{at}", f"beer:{at}", "") for at in range(60)]).rows
    assert details.slices([]).rows == {}
