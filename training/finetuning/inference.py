"""Predictions of a model with a task's head: windows in groups of similar length, logits merged per text."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from socorpus.labeling.schema import Task
from socorpus.training.examples.example import Example, Prediction
from socorpus.training.finetuning.windows import Encoded, Tags, Window
from socorpus.training.pretrain import cost

Float32 = npt.NDArray[np.float32]

_LEAST = 1e-12
"""Lower bound of probabilities in a loss."""
_SMALL = 256
"""Number of tokens below which a group of examples is filled despite padding."""


@dataclass(frozen=True)
class Seen:
    """Examples as the model reads them."""

    examples: Sequence[Example]
    encoded: Sequence[Encoded]

    @property
    def cut(self) -> dict[str, int]:
        """Numbers of texts, of texts in several windows, of cut texts; and of all tokens and cut tokens."""
        return {
            "texts": len(self.encoded),
            "in_windows": sum(len(text.windows) > 1 for text in self.encoded),
            "cut": sum(text.cut > 0 for text in self.encoded),
            "tokens": sum(text.tokens for text in self.encoded),
            "tokens_cut": sum(text.cut for text in self.encoded),
        }


def parts(encoded: Sequence[Encoded], chosen: Sequence[int], most: int) -> Iterator[list[int]]:
    """Groups of examples of similar length whose padded windows hold at most `most` tokens (but at least one example).

    A group ends where more than a fifth of it would be padding, unless it is so small that an extra call costs more.
    """
    ordered = sorted(chosen, key=lambda number: (max(len(window.ids) for window in encoded[number].windows), number))
    group: list[int] = []
    rows = tokens = 0
    for number in ordered:
        lengths = [len(window.ids) for window in encoded[number].windows]
        padded = (rows + len(lengths)) * max(lengths)
        if group and (padded > most or (tokens > _SMALL and tokens + sum(lengths) < 0.8 * padded)):
            yield group
            group, rows, tokens = [], 0, 0
        group.append(number)
        rows += len(lengths)
        tokens += sum(lengths)
    if group:
        yield group


def logits_of(
    model: Any, encoded: Sequence[Encoded], part: Sequence[int], padding: int, device: torch.device, task: Task
) -> torch.Tensor:
    """Logits of whole texts [texts, labels], the mean of their windows'; or of words [words, classes], in order."""
    windows = [window for number in part for window in encoded[number].windows]
    ids, mask = padded(windows, padding, model.config, device)
    with torch.autocast(device.type, torch.bfloat16) if half(device) else nullcontext():
        logits: torch.Tensor = model(input_ids=ids, attention_mask=mask).logits
    if task.spans:
        rows = np.repeat(np.arange(len(windows)), [len(window.heads) for window in windows])
        heads = np.concatenate([window.heads for window in windows])
        return logits[torch.from_numpy(rows).to(device), torch.from_numpy(heads.astype(np.int64)).to(device)]
    which = torch.from_numpy(np.repeat(np.arange(len(part)), [len(encoded[number].windows) for number in part])).to(
        device
    )
    summed = torch.zeros(len(part), logits.shape[-1], device=device, dtype=torch.float32)
    summed = summed.index_add(0, which, logits.float())
    return summed / torch.bincount(which, minlength=len(part)).unsqueeze(1)


def padded(
    windows: Sequence[Window], padding: int, config: Any, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask of windows, int64[windows, length], filled up to the longest with the padding token."""
    longest = max(len(window.ids) for window in windows)
    # Repeated shapes are faster, but a model may have no positions beyond its context.
    rounded = -(-longest // 8) * 8
    longest = max(longest, min(rounded, getattr(config, "max_position_embeddings", None) or rounded))
    ids = np.full((len(windows), longest), padding, np.int64)
    mask = np.zeros((len(windows), longest), np.int64)
    for row, window in enumerate(windows):
        ids[row, : len(window.ids)] = window.ids
        mask[row, : len(window.ids)] = 1
    return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)


def half(device: torch.device) -> bool:
    """Whether products are in bfloat16: on GPUs that have it, and on processors with instructions for it."""
    if device.type == "cuda":
        return cost.has_bfloat16(device)
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def predict(
    model: Any, seen: Seen, task: Task, padding: int, device: torch.device, micro_tokens: int
) -> list[Prediction]:
    """Predictions for examples, in their order."""
    return predictions(probabilities(model, seen, task, padding, device, micro_tokens), seen, task)


@torch.no_grad()
def probabilities(
    model: Any, seen: Seen, task: Task, padding: int, device: torch.device, micro_tokens: int
) -> list[Float32]:
    """Probabilities of each example, in their order: float32[labels] of a whole text, or float32[words, classes]."""
    model.eval()
    judged: list[Float32] = [np.zeros(0, np.float32)] * len(seen.examples)
    for part in parts(seen.encoded, range(len(seen.examples)), micro_tokens):
        logits = logits_of(model, seen.encoded, part, padding, device, task)
        sure = torch.softmax(logits.float(), -1).cpu().numpy()
        if not task.spans:
            for row, number in enumerate(part):
                judged[number] = sure[row]
            continue
        first = 0
        for number in part:
            of_words = np.zeros((len(seen.examples[number].offsets()), sure.shape[1]), np.float32)
            of_words[:, 0] = 1
            for window in seen.encoded[number].windows:
                of_words[window.words] = sure[first : first + len(window.words)]
                first += len(window.words)
            judged[number] = of_words
    return judged


def predictions(judged: Sequence[Float32], seen: Seen, task: Task) -> list[Prediction]:
    """Predictions from `probabilities`."""
    if not task.spans:
        return [Prediction(tuple(sure.tolist())) for sure in judged]
    tags = Tags(task.labels)
    return [
        Prediction(spans=tuple(tags.spans(sure, example.offsets())))
        for sure, example in zip(judged, seen.examples, strict=True)
    ]


def word_loss(judged: Sequence[Float32], examples: Sequence[Example], task: Task) -> float:
    """Mean loss of the true tags of words, in nats: what tells models apart that find the same spans, such as none."""
    tags, total, words = Tags(task.labels), 0.0, 0
    for sure, example in zip(judged, examples, strict=True):
        target = tags.targets(example, soft=False)
        total -= float((target * np.log(np.maximum(sure, _LEAST))).sum())
        words += len(target)
    return total / max(words, 1)
