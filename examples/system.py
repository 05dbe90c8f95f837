"""A system of your own in the comparison: the label that texts with the same words have.

    socorpus evaluate corpus --task quality --system audits --system nearest --plugin examples/system.py

It stands in the table beside the audits, encoders and prompted models, scored on equal examples.
"""

from collections import Counter
from collections.abc import Sequence

from socorpus.training import Data, Example, Prediction, system


# A class, or a function that answers an object with `predict`. It is given the data of a task: `data.task` with its
# labels, `data.splits["train"]` and `["validation"]`. The test split is empty here.
@system("nearest")
class Nearest:
    """For each word its labels; a text has the mean of its words'. Of tasks of whole texts only."""

    def __init__(self, data: Data) -> None:
        self.labels = len(data.task.labels)
        self.words: dict[str, Counter[int]] = {}
        for example in data.splits["train"]:
            for word in _words(example):
                self.words.setdefault(word, Counter())[example.label] += 1
        self.parameters = len(self.words) * self.labels  # for the table; may be left out

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """A prediction for each example, whose label nobody sees: probabilities in the order of the labels."""
        return [self._predict(example) for example in examples]

    def _predict(self, example: Example) -> Prediction:
        sums = [1.0] * self.labels
        for word in _words(example):
            counts = self.words.get(word, Counter())
            for label in range(self.labels):
                sums[label] += counts[label] / max(counts.total(), 1)
        return Prediction(tuple(value / sum(sums) for value in sums))


def _words(example: Example) -> set[str]:
    return set(f"{example.title or ''} {example.text}".lower().split())
