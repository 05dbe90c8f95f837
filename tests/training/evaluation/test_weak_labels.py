"""A corpus as a teacher: what of it may be learned from, and the rows of models that learn from it."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from socorpus.corpus.errors import InputError
from socorpus.labeling.schema import Task
from socorpus.training.evaluation import compare, systems, weak_labels
from socorpus.training.evaluation.compare import ComparisonPlan
from socorpus.training.evaluation.systems import System
from socorpus.training.examples import readers
from socorpus.training.examples.example import Data, Example
from socorpus.training.finetuning.settings import FinetuneSettings
from tests.labeling import label_tables as labelled
from tests.our_tasks import ENTITIES, QUALITY
from tests.training import tiny_models
from tests.training.tiny_models import Quiet

SETTINGS = FinetuneSettings(epochs=3, batch=8, seeds=(0, 1), rate=5e-3)


def corpus_of_questions(
    root: Path, count: int = 100, people: tuple[int, ...] = (), texts: dict[int, str] | None = None
) -> Path:
    """A corpus in which functions say that who begs asks a poor question; every fifth post is for test."""
    draw, examples, labels = random.Random(3), [], []
    for post in range(1, count + 1):
        words = draw.choices(tiny_models.WORDS, k=8)
        poor = post % 2
        if poor:
            words.insert(draw.randint(0, 8), draw.choice(("plz", "urgent")))
        name = ("LQ_EDIT" if post % 4 == 1 else "LQ_CLOSE") if poor else "HQ"
        source = "person" if post in people else "function"
        examples.append(labelled.example(post, (texts or {}).get(post, " ".join(words)), title="how"))
        labels.append(labelled.label("quality", post, name, 0.9, source=source))
    labelled.write(root, "quality", examples, labels)
    return root


def test_equal_and_nearly_equal_texts_are_told() -> None:
    long = " ".join(f"word{number}" for number in range(40))
    held = ["How do I sort a list?", long, ""]
    texts = [
        "how do i SORT a list",
        "how do i sort a dict?",
        "Quoted: " + long + " and more of it",
        " ".join(long.split()[:30]),
        " ".join(f"other{number}" for number in range(40)) + " " + " ".join(long.split()[:12]),
        "",
    ]
    assert weak_labels.near(texts, held).tolist() == [True, False, True, True, False, False]
    assert weak_labels.near([], held).tolist() == [] and weak_labels.near(texts, []).tolist() == [False] * 6


def test_nothing_that_is_held_out_and_nothing_of_people_teaches(tmp_path: Path) -> None:
    copied = "how do i use the list of a file in my loop and why is this so slow today"
    corpus = corpus_of_questions(tmp_path / "corpus", people=(7, 8), texts={11: f"Hello. {copied}!"})
    held = Example("a", f"{labelled.SITE}:13", "nothing")
    near = Example("b", "elsewhere", copied)
    task = Task("quality", {"HQ": "", "LQ": ""})
    data = Data(task, "few", {"train": [], "validation": [held], "test": [near]})
    teacher = weak_labels.read(corpus, data)
    taken = {example.key for split in teacher.data.splits.values() for example in split}
    posts = {int(key.rsplit(":", 1)[1]) for key in taken}
    assert posts == {post for post in range(1, 101) if post % 5} - {7, 8, 11, 13}
    assert {example.key for example in teacher.texts} == taken
    assert all(example.label == -1 and not example.probabilities for example in teacher.texts)
    reasons = ("1 in threads that are held out", "2 judged by people", "1 equal or nearly equal to a text that is held")
    assert teacher.left_out.startswith(f"left out: {', '.join(reasons)}")
    threads = [{example.thread for example in teacher.data.splits[split]} for split in ("train", "validation")]
    assert threads[1] and not threads[0] & threads[1] and not teacher.data.splits["test"]
    # Two kinds of poor questions are poor questions.
    poor = next(example for example in teacher.data.splits["train"] if example.key.endswith(":3"))
    assert poor.label == 1 and poor.probabilities == pytest.approx((0.05, 0.95))
    assert len(weak_labels.read(corpus, data, most=20).texts) <= 20


def test_the_number_of_a_question_of_stack_overflow_is_that_of_its_thread(tmp_path: Path) -> None:
    example = Example("x", "stackoverflow.com:17", "text")
    assert example.thread.removeprefix("stackoverflow.com:") == "17"
    other = Task("quality", {"good": "", "bad": ""})
    data = Data(other, "few", {"train": [], "validation": [], "test": []})
    teacher = weak_labels.read(corpus_of_questions(tmp_path / "corpus", 20), data)
    with pytest.raises(InputError, match="no weak labels of quality that could teach good, bad"):
        weak_labels.require_labels(teacher)
    assert "16 with a label that the task has not" in teacher.left_out


def test_entities_teach_too(tmp_path: Path) -> None:
    texts = {post: (f"Use numpy {post} times.", [("numpy", "Library")]) for post in range(1, 41) if post % 5}
    labelled.entities(tmp_path, texts)
    test = [Example("t", "t", "Use numpy 7 times.")]
    data = Data(ENTITIES, "few", {"train": [], "validation": [], "test": test}, (), ENTITIES.leave_out)
    teacher = weak_labels.read(tmp_path, data)
    assert 25 <= teacher.labels <= len(teacher.texts) == 31
    assert all(not example.spans for example in teacher.texts)
    weak_labels.require_labels(teacher)


def gold(data: Data) -> Data:
    splits = {split: [replace(example, source="gold") for example in some] for split, some in data.splits.items()}
    return replace(data, splits=splits)


def rows(cells: list[Any]) -> dict[str, Any]:
    assert not [cell.missing for cell in cells if cell.missing]
    return {cell.system: cell for cell in cells}


@pytest.mark.slow
def test_models_learn_weak_labels_first_and_their_own_at_last(tmp_path: Path) -> None:
    bert = tiny_models.model(tmp_path / "bert")
    corpus = corpus_of_questions(tmp_path / "corpus", 160)
    data = gold(tiny_models.texts((64, 24, 48)))
    named = systems.chosen([f"Plain={bert}", f"Weak=weak:{bert}", f"Both=selftrain:weak:{bert}"])
    settings = replace(SETTINGS, epochs=3, choose=2, seeds=(0,))
    plan = ComparisonPlan([data], named, settings, teacher=corpus)
    cells = compare.compare(plan, tmp_path / "out", Quiet())
    by = rows(cells)
    # The functions know what people would say.
    assert by["Weak"].scores["macro_f1"].mean > by["Plain"].scores["macro_f1"].mean
    assert by["Weak"].weak_labels == by["Both"].weak_labels and by["Weak"].weak_labels > 80
    assert by["Plain"].weak_labels is None and by["Weak"].own_labels is None and by["Both"].own_labels is not None
    assert any("first learned" in note and "weak labels of" in note for note in by["Weak"].notes)
    assert any("self-training on" in note and "best round of each seed" in note for note in by["Both"].notes)
    # The same budget of choice for each.
    assert {cell.budget.configurations for cell in cells} == {2} and {cell.budget.runs for cell in cells} == {2}
    page = (tmp_path / "out/comparison.html").read_text("utf-8")
    assert "weak labels" in page and "own labels" in page and "Budgets of choice" in page
    weak = list((tmp_path / "out/weak").iterdir())
    assert len(weak) == 1, "one for each seed, for both systems that begin with it"
    again = Quiet()
    assert compare.compare(plan, tmp_path / "out", again) == cells and not again.steps
    facts = json.loads((tmp_path / "out/comparison.json").read_text("utf-8"))
    budget = next(cell["budget"] for cell in facts["cells"] if cell["system"] == "Weak")
    # Early stopping may end a trial before its last pass.
    assert 2 <= budget["passes"] <= sum(trial["epochs"] for trial in budget["tried"])
    assert [trial["share"] for trial in budget["tried"]] == [1.0, 1.0]


@pytest.mark.slow
def test_entities_are_learned_from_a_corpus_too(tmp_path: Path) -> None:
    bert = tiny_models.model(tmp_path / "bert")
    weak = tiny_models.spans((80, 0, 0), seed=4).splits["train"]
    texts = {
        post: (example.text, [(example.text[span.start : span.end], span.label) for span, _ in example.spans])
        for post, example in enumerate(weak, 1)
    }
    labelled.entities(tmp_path / "corpus", {post: (text, some[:1]) for post, (text, some) in texts.items()})
    data = gold(tiny_models.spans((32, 24, 32)))
    task = replace(ENTITIES, meanings={**ENTITIES.meanings, "Value": ""})
    named = systems.chosen([f"Plain={bert}", f"Own=selftrain:{bert}", f"Both=selftrain:weak:{bert}"])
    plan = ComparisonPlan(
        [replace(data, task=task)],
        named,
        replace(SETTINGS, epochs=6, seeds=(0, 1)),
        shares=(0.9,),
        teacher=tmp_path / "corpus",
    )
    cells = compare.compare(plan, tmp_path / "out", Quiet())
    by = rows(cells)
    assert by["Both"].weak_labels and by["Own"].own_labels is not None and by["Own"].weak_labels is None
    assert all(0 <= cell.scores["span_f1"].mean <= 1 for cell in cells)
    again = Quiet()
    assert compare.compare(plan, tmp_path / "out", again) == cells and not again.steps


@pytest.mark.slow
def test_of_a_corpus_people_are_learned_last_and_functions_first(tmp_path: Path) -> None:
    bert = tiny_models.model(tmp_path / "bert")
    corpus = corpus_of_questions(tmp_path / "corpus", 120, people=tuple(range(1, 40)))
    data = readers.read(corpus, QUALITY, score_people=True)
    assert {example.source for split in data.splits.values() for example in split} == {"person"}
    assert data.corpus == corpus and "scored only on people's labels" in data.notes
    settings = replace(SETTINGS, seeds=(0,))
    plan = ComparisonPlan([data], systems.chosen([f"Weak=weak:{bert}", f"Plain={bert}"]), settings, shares=(0.9,))
    by = rows(compare.compare(plan, tmp_path / "out", Quiet())[:2])
    assert by["Weak"].weak_labels and any("judged by people" in note for note in by["Weak"].notes)
    # Without a corpus there is no teacher, and the row says which option names one.
    (missing,) = compare.compare(
        ComparisonPlan([tiny_models.texts((8, 4, 4))], systems.chosen([f"Weak=weak:{bert}"]), settings),
        tmp_path / "other",
        Quiet(),
    )
    assert missing.missing and "--teacher" in missing.missing
    # Where nobody has judged, weak labels are what all learn from.
    weak = readers.read(corpus_of_questions(tmp_path / "functions", 40), QUALITY)
    with pytest.raises(InputError, match="nobody has judged"):
        weak_labels.of_people(weak)
    with pytest.raises(InputError, match="nobody has judged"):
        readers.read(tmp_path / "functions", QUALITY, people=True)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("weak:some/folder", System("weak labels + folder", "model", "some/folder", weak=True)),
        ("Mine=weak:scratch:some/folder", System("Mine", "model", "scratch:some/folder", weak=True)),
        ("selftrain:org/name", System("self-trained name", "model", "org/name", selftrain=True)),
        (
            "selftrain:weak:name",
            System("self-trained weak labels + name", "model", "name", weak=True, selftrain=True),
        ),
    ],
)
def test_systems_that_learn_from_a_corpus_are_read(text: str, wanted: System) -> None:
    assert systems.parse(text) == [wanted]


@pytest.mark.parametrize("text", ["weak:", "selftrain:", "weak:selftrain:name", "weak:frozen:name", "weak:chat:gpt-4"])
def test_other_orders_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="write weak:MODEL, selftrain:MODEL or selftrain:weak:MODEL"):
        systems.parse(text)


@pytest.mark.slow
def test_settings_are_chosen_once_or_for_each_share(tmp_path: Path) -> None:
    bert = tiny_models.model(tmp_path / "bert")
    data = tiny_models.texts((120, 48, 16))
    settings = replace(SETTINGS, epochs=1, choose=2)
    named = systems.chosen([f"Bert={bert}", f"Anew=scratch:{bert}", "TF-IDF"])
    plan = ComparisonPlan([data], named, settings, shares=(0.5,))
    each = compare.compare(plan, tmp_path / "each", Quiet())
    once = compare.compare(replace(plan, choose_at=0.5), tmp_path / "once", Quiet())
    garbage = [replace(some, label=0, probabilities=(1.0, 0.0), spans=()) for some in data.splits["test"]]
    spoilt = replace(data, splits={**data.splits, "test": garbage})
    other = compare.compare(replace(plan, data=[spoilt]), tmp_path / "spoilt", Quiet())
    for cells, whole, part in ((each, "toy, seed 0", "toy, 50% of the labels, draw 0"), (once, "toy, 50%", "toy, 50%")):
        of_models = [cell for cell in cells if cell.system != "TF-IDF"]
        assert len(of_models) == 4 and not [cell.missing for cell in of_models if cell.missing]
        for cell in of_models:
            assert (whole if cell.data == "toy" else part) in cell.budget.chosen
            assert cell.budget.configurations == 2 and cell.budget.chosen in cell.notes
    assert len(list((tmp_path / "each/trials").iterdir())) == 2 * len(list((tmp_path / "once/trials").iterdir())) == 8
    tfidf = next(cell for cell in each if cell.system == "TF-IDF")
    assert tfidf.budget.configurations == 6 and "chosen of 6" in tfidf.budget.chosen
    # Garbage for labels of the test split changes no choice.
    timeless = [[replace(cell.budget, seconds=0.0) for cell in cells if cell.budget] for cells in (each, other)]
    assert timeless[0] == timeless[1]
    with pytest.raises(InputError, match="shares lie above 0"):
        compare.compare(replace(plan, choose_at=2.0), tmp_path / "never", Quiet())
