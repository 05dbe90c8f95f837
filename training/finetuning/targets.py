"""Targets of training examples: label probabilities or BIO tags, and the weights of labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from socorpus.training.examples.example import Data
from socorpus.training.finetuning.settings import FinetuneSettings
from socorpus.training.finetuning.windows import Encoded, Tags

_MOST_WEIGHT = 10.0


@dataclass(frozen=True)
class Targets:
    """Targets of each training example, float32[classes] or float32[words, classes], and the weights of labels.

    Attributes:
        word_weights: of each example, in a task of spans: the weights of its words, float32[words]; None: all are 1.
    """

    values: Sequence[torch.Tensor]
    label_weights: torch.Tensor
    spans: bool
    word_weights: Sequence[torch.Tensor] | None = None

    def weight(self, number: int) -> float:
        """The divisor of an example's loss: its weight, or that of its words."""
        value = self.values[number]
        if self.spans:
            return float(len(value)) if self.word_weights is None else float(self.word_weights[number].sum())
        return float((value * self.label_weights).sum())

    def of(
        self, part: Sequence[int], encoded: Sequence[Encoded], device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Targets and weights in the order of `logits_of`."""
        if self.spans:
            rows = [self.values[number][window.words] for number in part for window in encoded[number].windows]
            target = torch.cat(rows) if rows else torch.zeros(0, 1)
            if self.word_weights is None or not rows:
                return target.to(device), torch.ones(len(target), device=device)
            weights = [self.word_weights[number][window.words] for number in part for window in encoded[number].windows]
            return target.to(device), torch.cat(weights).to(device)
        target = torch.stack([self.values[number] for number in part])
        return target.to(device), (target * self.label_weights).sum(-1).to(device)


def targets(data: Data, settings: FinetuneSettings) -> Targets:
    """The targets of the train split."""
    task, train = data.task, data.splits["train"]
    if task.spans:
        tags = Tags(task.labels)
        values = [torch.from_numpy(tags.targets(example, settings.soft)) for example in train]
        return Targets(values, torch.ones(1), True)
    rows = torch.tensor([example.probabilities for example in train])
    if not settings.soft:
        rows = torch.nn.functional.one_hot(torch.tensor([example.label for example in train]), len(task.labels)).float()
    share = rows.sum(0) / len(rows)
    # A very rare label must not outweigh all others.
    inverse = torch.where(share > 0, 1 / (share * len(task.labels)).clamp(min=1e-9), torch.zeros(()))
    power = {"none": 0.0, "sqrt": 0.5, "balanced": 1.0}[settings.weights]
    return Targets(list(rows), inverse.pow(power).clamp(max=_MOST_WEIGHT), False)
