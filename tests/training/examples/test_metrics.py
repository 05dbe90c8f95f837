"""Scores against cases worked out by hand, and against well-kept libraries."""

import math
import random

import numpy as np
import pytest

from socorpus.labeling.schema import Task
from socorpus.labeling.tasks.entities.spans import Span
from socorpus.training.examples import metrics
from socorpus.training.examples.example import Example, Prediction

TWO = Task("quality", dict.fromkeys(("HQ", "LQ"), ""))
THREE = Task("closure", dict.fromkeys(("open", "duplicate", "off_topic"), ""))
SPANS = Task("entities", dict.fromkeys(("Library", "Value"), ""), unit="span")


def labelled(labels: list[int], threads: list[str] | None = None) -> list[Example]:
    return [
        Example(key=str(at), thread=threads[at] if threads else str(at), text="", label=label)
        for at, label in enumerate(labels)
    ]


def sure(label: int, labels: int = 2, probability: float = 0.8) -> Prediction:
    rest = (1 - probability) / (labels - 1)
    return Prediction(tuple(probability if at == label else rest for at in range(labels)))


def test_macro_f1_accuracy_and_log_loss_by_hand() -> None:
    # HQ: 2 right of 3 true and 3 said, F1 2/3; LQ: 1 right of 2 true and 2 said, F1 1/2.
    found = metrics.scores(TWO, labelled([0, 0, 0, 1, 1]), [sure(one) for one in (0, 0, 1, 1, 0)])
    assert found["macro_f1"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["log_loss"] == pytest.approx(-(3 * math.log(0.8) + 2 * math.log(0.2)) / 5)
    assert found["f1:HQ"] == pytest.approx(2 / 3) and found["f1:LQ"] == pytest.approx(1 / 2)


def test_a_label_that_the_truth_lacks_is_no_part_of_macro_f1_but_costs_precision() -> None:
    found = metrics.scores(THREE, labelled([0, 0, 1]), [sure(one, 3) for one in (0, 2, 1)])
    assert found["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)
    assert "f1:off_topic" not in found


def test_certainty_of_what_is_wrong_costs_no_more_than_kaggle_asks() -> None:
    found = metrics.scores(TWO, labelled([0]), [Prediction((0.0, 1.0))])
    assert found["log_loss"] == pytest.approx(-math.log(1e-15), rel=1e-6)


def test_spans_count_where_start_end_and_type_are_right_as_in_nervaluate() -> None:
    from nervaluate import Evaluator

    draw = random.Random(3)
    examples, said = [], []
    for at in range(60):
        gold, guess = [], []
        for start in range(0, 40, 5):
            kind, other = draw.choice(SPANS.labels), draw.choice(SPANS.labels)
            if draw.random() < 0.6:
                gold.append(Span(start, start + 3, kind))
            if draw.random() < 0.6:
                end = start + draw.choice((2, 3, 3, 3))
                guess.append(Span(start, end, draw.choice((kind, kind, other))))
        examples.append(Example(key=str(at), thread=str(at), text="x" * 50, spans=tuple((s, 1.0) for s in gold)))
        said.append(Prediction(spans=tuple((s, 1.0) for s in guess)))
    found = metrics.scores(SPANS, examples, said)

    def theirs(spans: tuple[tuple[Span, float], ...]) -> list[dict[str, object]]:
        # They count the last character in.
        return [{"label": one.label, "start": one.start, "end": one.end - 1} for one, _ in spans]

    judged = Evaluator(
        [theirs(one.spans) for one in examples], [theirs(one.spans) for one in said], tags=list(SPANS.labels)
    ).evaluate()
    strict = judged["overall"]["strict"]
    assert (found["precision"], found["recall"]) == pytest.approx((strict.precision, strict.recall))
    assert found["span_f1"] == pytest.approx(strict.f1)
    for label in SPANS.labels:
        assert found[f"f1:{label}"] == pytest.approx(judged["entities"][label]["strict"].f1)
    without = metrics.scores(SPANS, examples, said, leave_out=("Value",))
    assert without["span_f1"] == pytest.approx(found["f1:Library"])


@pytest.mark.parametrize("task", [TWO, THREE, SPANS])
def test_sums_give_the_same_scores_as_the_libraries(task: Task) -> None:
    draw = np.random.default_rng(5)
    examples, said = [], []
    for at in range(200):
        if task.spans:
            spans = [(Span(start, start + 2, str(draw.choice(task.labels))), 1.0) for start in range(0, 12, 4)]
            examples.append(Example(key=str(at), thread=str(at // 3), text="x" * 20, spans=tuple(spans)))
            said.append(Prediction(spans=tuple(one for one in spans if draw.random() < 0.5)))
        else:
            label = int(draw.integers(len(task.labels)))
            examples.append(Example(key=str(at), thread=str(at // 3), text="", label=label))
            said.append(Prediction(tuple(draw.dirichlet([1.0] * len(task.labels)).tolist())))
    whole = metrics.sums(task, examples, said)
    assert len(whole.values) == len({one.thread for one in examples})
    found = metrics.scores(task, examples, said)
    for name in metrics.names(task):
        assert float(metrics.of_sums(name, task, whole.values.sum(0))) == pytest.approx(found[name])


def test_no_examples_have_no_scores() -> None:
    with pytest.raises(ValueError, match="0 examples"):
        metrics.scores(TWO, [], [])
