"""What is found wrong with a task before it is sent: by this project, and by label-studio-sdk."""

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from socorpus.labeling.label_studio import interface, validation
from socorpus.labeling.label_studio.interface import Example, Label
from socorpus.labeling.schema import TASKS
from tests.our_tasks import ENTITIES

TEXT = "Use numpy and pandas."


def example(*labels: Label) -> Example:
    time = datetime(2020, 1, 1, tzinfo=UTC)
    about = ("train", "question", time, 1, ("python",), "Which?", TEXT, "https://example.com/q/1", "CC BY-SA 4.0", None)
    return Example("cooking.example.com", 1, *about, bytes(16), labels)


def payload() -> dict[str, Any]:
    marks = (Label("Library", 0.9, "function", start=4, end=9), Label("Library", 0.8, "function", start=14, end=20))
    return interface.payload(example(*marks), ENTITIES, "socorpus dawid-skene-1", False)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_what_the_sync_sends_is_right_for_both(task: Any) -> None:
    label = Label(task.labels[0], 0.7, "function", start=4 if task.spans else None, end=9 if task.spans else None)
    made = interface.payload(example(label), task, "socorpus dawid-skene-1", False)
    assert (
        validation.problems(made, task) == [] == validation.misfits(made, validation.interface(interface.config(task)))
    )


def region(change: dict[str, Any], **value: Any) -> Callable[[dict[str, Any]], None]:
    def apply(task: dict[str, Any]) -> None:
        first = task["predictions"][0]["result"][0]
        first |= change
        first["value"] |= value

    return apply


@pytest.mark.parametrize(
    ("change", "ours", "theirs"),
    [
        (region({}, labels=["Nothing"]), "none of the task's", "Invalid value for control"),
        (region({"from_name": "other"}), "no control other", "'from_name' 'other' not found"),
        (region({"to_name": "other"}), "on other", "'to_name' 'other' not found"),
        (region({"type": "choices"}), None, "does not match expected type 'labels'"),
        (lambda task: task["predictions"][0].update(score=7), "score 7", "Score must be between"),
        # What the SDK lets pass, and the server too.
        (region({}, start=9, end=4), "does not lie in the text", None),
        (region({}, start=900, end=905), "does not lie in the text", None),
        (region({}, text="scipy"), "is 'numpy', not 'scipy'", None),
        (region({}, labels=["Library", "Version"]), "none of the task's", None),
        (region({"id": "s14-20-Library"}), "two marks of one identifier", None),
        (lambda task: task["data"].update(title="\ud800"), "characters that can't be shown", None),
    ],
)
def test_what_is_wrong_is_told(change: Callable[[dict[str, Any]], None], ours: str | None, theirs: str | None) -> None:
    made = copy.deepcopy(payload())
    change(made)
    for expected, found in (
        (ours, validation.problems(made, ENTITIES)),
        (theirs, validation.misfits(made, validation.interface(interface.config(ENTITIES)))),
    ):
        assert (expected in "; ".join(found)) if expected else not found
