"""Self-training: a model that has learned from labels goes on to learn from what it says itself of texts without any.

After BOND (Liang et al. 2020, "BOND: BERT-assisted open-domain named entity recognition with distant supervision",
doi:10.1145/3394486.3403149): in each round the teacher says how likely each label of each text (of each word, in a task
of spans) is. These soft labels are sharpened and weighed by how common each label is (their equation 9, of Xie et al.
2016); those of which the teacher is sure are kept. The student begins as the teacher is, learns from these and from the
labels of people, and is the teacher of the next round. Here rounds end where the student is no better on the validation
split than its teacher; the model is that of the best round, which may be the first one, without any self-training.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files
from socorpus.corpus.storage.boundary import disk_full
from socorpus.corpus.storage.files import locked, ran_out, write_json
from socorpus.training.finetuning import inference, learner, pretrained
from socorpus.training.finetuning.inference import Float32, Seen
from socorpus.training.finetuning.learner import DivergedError, Inputs, SeedRun, SelfTraining
from socorpus.training.finetuning.pretrained import Pretrained
from socorpus.training.finetuning.progress import FinetuningShow
from socorpus.training.finetuning.targets import Targets, targets
from socorpus.training.finetuning.windows import encode

_ROUNDS = "rounds"


def train(run: SeedRun, given: Inputs, show: FinetuningShow) -> None:
    """Train a model, with self-training if the run has texts for it, unless that is done; or resume it.

    Raises:
        InputError: there is no validation split to end on, or the state is damaged.
        BuildError: as of `learner.train`.
    """
    if run.self_training is None:
        learner.train(run, given, show)
        return
    try:
        with locked(run.folder / ".lock"):
            if not run.done:
                _Rounds(run, run.self_training, given, show).run()
    except BaseException as error:  # libraries raise errors of their own for a full disk
        if isinstance(error, Exception) and ran_out(error, run.folder):
            raise disk_full(run.folder.parent.parent) from error
        raise


class _Rounds:
    """The rounds of a run, each in a folder of its own until all are over."""

    def __init__(self, run: SeedRun, how: SelfTraining, given: Inputs, show: FinetuningShow) -> None:
        if run.model.decoder:
            raise InputError(f"{run.model.name}: self-training is for encoders, and this model reads left to right")
        if not run.data.splits["validation"]:
            raise InputError(f"{run.data.name}: has no validation split, which says where self-training ends")
        self._run, self._how, self._given, self._show = run, how, given, show
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._padding = int(given.tokenizer.pad_token_id or 0)
        self._unseen: Seen | None = None
        # No round sees the test split: only the model of the best one does.
        self._data = replace(run.data, splits={**run.data.splits, "test": ()})
        self._inputs = replace(given, seen={**given.seen, "test": Seen((), ())})

    def run(self) -> None:
        """Train round after round, and finish with the best one."""
        first = self._round(0, self._run.model, self._run.settings.epochs)
        learner.train(first, self._inputs, self._show)
        results = [files.read_json(first.folder / learner.DONE)]
        taught: list[dict[str, int]] = [{"texts": 0, "words": 0}]
        for number in range(1, self._how.rounds + 1):
            teacher = replace(self._run.model, folder=self._folder(number - 1) / "best", scratch=False)
            student = self._round(number, teacher, self._how.passes)
            counts = self._folder(number).with_suffix(".json")
            inputs, learned = self._inputs, None
            if not student.done:
                inputs, learned, told_of = self._taught(teacher)
                if not told_of["texts"]:
                    break
                write_json(counts, told_of)
            try:
                learner.train(student, inputs, self._show, learned)
            except DivergedError:
                break
            results.append(files.read_json(student.folder / learner.DONE))
            taught.append(files.read_json(counts))
            if results[-1]["validation_score"] <= results[-2]["validation_score"]:
                break
        self._finish(results, taught)

    def _folder(self, number: int) -> Path:
        return self._run.folder / _ROUNDS / str(number)

    def _round(self, number: int, start: Pretrained, epochs: int) -> SeedRun:
        name = f"{self._run.name}, round {number}" if number else self._run.name
        settings = replace(self._run.settings, epochs=epochs)
        return replace(
            self._run,
            model=start,
            data=self._data,
            settings=settings,
            folder=self._folder(number),
            name=name,
            self_training=None,
        )

    def _taught(self, teacher: Pretrained) -> tuple[Inputs, Targets, dict[str, int]]:
        """The training examples with the texts that the teacher is sure of, their targets, and counts of the latter."""
        how, task, data = self._how, self._run.data.task, self._data
        if self._unseen is None:
            encoded = encode(self._given.tokenizer, task, how.texts, self._given.reading)
            self._unseen = Seen(how.texts, encoded)
        with torch.no_grad():
            network = pretrained.head(teacher, task, self._padding, device=self._device).to(self._device)
            most = self._run.settings.micro_tokens
            judged = inference.probabilities(network, self._unseen, task, self._padding, self._device, most)
        labels = pseudo_labels(judged, how.confidence)
        gold, seen = targets(data, self._run.settings), self._given.seen["train"]
        chosen = labels.numbers
        merged = Seen(
            [*seen.examples, *(self._unseen.examples[number] for number in chosen)],
            [*seen.encoded, *(self._unseen.encoded[number] for number in chosen)],
        )
        weights = None
        if task.spans:
            weights = [torch.ones(len(value)) for value in gold.values]
            weights += [torch.from_numpy(sure) for sure in labels.weights]
        values = [*gold.values, *(torch.from_numpy(value) for value in labels.values)]
        inputs = replace(self._inputs, seen={**self._inputs.seen, "train": merged})
        counts = {"texts": len(chosen), "words": int(sum(sure.sum() for sure in labels.weights)) if task.spans else 0}
        return inputs, replace(gold, values=values, word_weights=weights), counts

    def _finish(self, results: Sequence[dict[str, Any]], taught: Sequence[dict[str, int]]) -> None:
        """Score the best round's model on the test split, and keep it."""
        run, task = self._run, self._run.data.task
        best = max(range(len(results)), key=lambda number: (results[number]["validation_score"], -number))
        model = replace(run.model, folder=self._folder(best) / "best", scratch=False)
        network = pretrained.head(model, task, self._padding, device=self._device).to(self._device)
        scored = learner.tested(network, run.data, run.settings, self._given.seen["test"], self._padding, run.folder)
        rounds = [
            {"validation_score": result["validation_score"], **counts}
            for result, counts in zip(results, taught, strict=True)
        ]
        facts = {
            **results[best],
            **scored,
            "folder": run.folder.name,
            "train_seconds": sum(result["train_seconds"] for result in results),
            "best_round": best,
            "rounds": rounds,
        }
        partial = run.folder / ".best.partial"
        for path in (partial, run.folder / "best"):
            shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(model.folder, partial)
        partial.rename(run.folder / "best")
        write_json(run.folder / learner.DONE, facts)
        shutil.rmtree(run.folder / _ROUNDS, ignore_errors=True)


@dataclass(frozen=True)
class PseudoLabels:
    """What a teacher is sure of.

    Attributes:
        numbers: of the texts that it says anything sure of, in order.
        values: soft labels of these, float32[labels] or float32[words, classes].
        weights: in a task of spans, of the words of these: 1 where the teacher is sure, else 0.
    """

    numbers: list[int]
    values: list[Float32]
    weights: list[Float32]


def pseudo_labels(judged: Sequence[Float32], confidence: float) -> PseudoLabels:
    """Soft labels of texts, or words, of which a teacher is sure.

    Each probability is squared, divided by the sum of its label's probabilities over all texts (words), and normed.

    Args:
        judged: its probabilities, float32[labels] of whole texts, or float32[words, classes].
        confidence: least probability of the likeliest label.
    """
    labels = PseudoLabels([], [], [])
    if not judged:
        return labels
    frequency = np.maximum(sum(sure.reshape(-1, sure.shape[-1]).sum(0, dtype=np.float64) for sure in judged), 1e-9)
    for number, sure in enumerate(judged):
        certain = sure.max(-1) >= confidence if sure.size else np.zeros(sure.shape[:-1], bool)
        if not certain.any():
            continue
        soft = sure.astype(np.float64) ** 2 / frequency
        soft /= soft.sum(-1, keepdims=True)
        labels.numbers.append(number)
        labels.values.append(soft.astype(np.float32))
        labels.weights.append(np.atleast_1d(certain).astype(np.float32))
    return labels
