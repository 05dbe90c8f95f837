"""One fine-tuning run: a pre-trained model learns a task with one seed at one learning rate.

Its folder holds its state while it runs, and its predictions for the test split when it is done. A killed run resumes
from the last state; each state is complete or does not exist.
"""

import math
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from socorpus.corpus.errors import BuildError, InputError
from socorpus.corpus.storage import files
from socorpus.corpus.storage.boundary import disk_full, reading
from socorpus.corpus.storage.files import locked, ran_out, write_json
from socorpus.training.examples import metrics, predictions
from socorpus.training.examples.example import Data, Example
from socorpus.training.finetuning import inference, pretrained
from socorpus.training.finetuning.inference import Seen, half, logits_of, parts
from socorpus.training.finetuning.pretrained import Pretrained
from socorpus.training.finetuning.progress import FinetuningShow, FinetuningStep
from socorpus.training.finetuning.settings import FinetuneSettings
from socorpus.training.finetuning.targets import Targets, targets
from socorpus.training.finetuning.windows import Encoded, Reading, encode
from socorpus.training.quiet import quiet

Int64 = npt.NDArray[np.int64]

DONE = "done.json"
_SAVE_SECONDS = 120.0
_POOL = 16
"""Most batches whose examples are sorted by length together: enough for little padding."""
_POOLS = 8
"""Fewest pools of an epoch: batches of few examples stay as mixed as they are without."""
_GROUPS = 4
"""Groups of similar length in a batch: texts of one length often have one label."""
_LEAST_STEPS = 10
"""Fewest steps of a part of a run, unless the whole has fewer."""


class DivergedError(BuildError):
    """The loss of a run is not finite."""


@dataclass(frozen=True)
class SelfTraining:
    """Texts without labels, and how a model learns from what it says of them (`self_training`).

    Attributes:
        texts: their labels are never read.
        rounds: most rounds, each with a teacher that is the student of the round before.
        passes: of a round over the examples.
        confidence: least probability of the likeliest label for a text, or a word, to be learned from.
    """

    texts: Sequence[Example]
    rounds: int = 3
    passes: int = 2
    confidence: float = 0.9


@dataclass(frozen=True)
class SeedRun:
    """A model to train on a task with one seed at one learning rate.

    Attributes:
        folder: its place in the folder of the fine-tuned model.
        name: its name in progress and errors.
        share: of its steps that it is trained for, by a whole schedule of the learning rate.
        trial: whether only its validation scores are wanted: no weights and no predictions are kept.
        self_training: texts that it goes on to learn from by its own labels; None: it doesn't.
    """

    model: Pretrained
    data: Data
    settings: FinetuneSettings
    seed: int
    rate: float
    folder: Path
    name: str
    share: float = 1.0
    trial: bool = False
    self_training: SelfTraining | None = None

    @property
    def done(self) -> bool:
        """Whether it is finished; a result that is damaged counts as none, and is computed again."""
        try:
            result = files.read_json(self.folder / DONE)
        except (OSError, ValueError):
            return False
        return isinstance(result, dict) and ("validation_score" in result or "score" in result)


@dataclass(frozen=True)
class Inputs:
    """A task's texts as a model reads them, by split, and its tokenizer."""

    tokenizer: Any
    reading: Reading
    seen: Mapping[str, Seen]


def inputs(model: Pretrained, data: Data, settings: FinetuneSettings) -> Inputs:
    """Tokenise the texts of a task.

    Raises:
        InputError: the model has no tokenizer that gives offsets.
    """
    tokenizer = pretrained.tokenizer(model)
    how = Reading(min(settings.length or 2048, model.context), settings.windows)
    seen = {split: Seen(some, encode(tokenizer, data.task, some, how)) for split, some in data.splits.items()}
    return Inputs(tokenizer, how, seen)


def batches(encoded: Sequence[Encoded], size: int, seed: Sequence[int]) -> list[list[int]]:
    """The examples of an epoch in batches, which follow from the seed; of many, each is of groups of similar length.

    The examples are shuffled; those of up to 16 batches at a time, an eighth of them at most, are sorted by length and
    cut into groups; a batch is of four groups that are drawn from these. So little is padded, and each batch still has
    texts of all lengths, and labels as they come.
    """
    draw = np.random.default_rng(list(seed))
    order = draw.permutation(len(encoded))
    pool = size * min(_POOL, len(order) // (size * _POOLS))
    if pool > size:
        lengths = np.array([sum(len(window.ids) for window in text.windows) for text in encoded], np.int64)
        order = np.concatenate(
            [_grouped(order[first : first + pool], lengths, size, draw) for first in range(0, len(order), pool)]
        )
    return [order[first : first + size].tolist() for first in range(0, len(order), size)]


def _grouped(pool: Int64, lengths: Int64, size: int, draw: np.random.Generator) -> Int64:
    """Examples of a pool, group after group."""
    by_length = pool[np.argsort(lengths[pool], kind="stable")]
    each = max(1, size // _GROUPS)
    groups = [by_length[first : first + each] for first in range(0, len(by_length), each)]
    return np.concatenate([groups[number] for number in draw.permutation(len(groups))])


@dataclass
class LearnerState:
    """The resumable state of a seed."""

    epoch: int = 0
    step: int = 0
    """Completed steps of the epoch."""
    best: float = -math.inf
    best_epoch: int = -1
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)


def train(run: SeedRun, given: Inputs, show: FinetuningShow, learned: Targets | None = None) -> None:
    """Train a model, unless that is done, or resume it.

    Args:
        learned: targets of the train split of `given`; None: those of the run's data.

    Raises:
        BuildError: the loss is not finite, the GPU's memory is too small, or the disk is full; the last state is kept.
        InputError: the state is damaged.
    """
    try:
        # A process that was killed may not have ended yet.
        with locked(run.folder / ".lock"):
            if not run.done:
                _Learner(run, given, show, learned).run()
    except BaseException as error:  # libraries raise errors of their own for a full disk
        full = isinstance(error, Exception) and ran_out(error, run.folder)  # as long as all that was written is there
        for leftover in run.folder.glob(".*.partial"):
            files.remove(leftover)
        if full:
            raise disk_full(run.folder.parent.parent) from error
        raise


class _Learner:
    """Fine-tuning with one seed at one rate."""

    def __init__(self, run: SeedRun, inputs: Inputs, show: FinetuningShow, learned: Targets | None) -> None:
        model, data, settings = run.model, run.data, run.settings
        self.model_of, self.data, self.settings, self.seen = model, data, settings, inputs.seen
        self.seed, self.rate, self.folder, self.name, self.show = run.seed, run.rate, run.folder, run.name, show
        self.trial = run.trial
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.padding = int(inputs.tokenizer.pad_token_id or 0)
        self.state = LearnerState()
        torch.manual_seed(run.seed)
        network = pretrained.head(model, data.task, self.padding, settings.bits, self.device)
        if model.decoder:
            network = pretrained.adapted(network, data.task, settings.rank, settings.bits is not None)
        self.model = network if settings.bits is not None and model.decoder else network.to(self.device)
        self.steps_of_epoch = math.ceil(len(self.seen["train"].examples) / settings.batch)
        whole = self.steps_of_epoch * settings.epochs
        self.steps = max(min(whole, _LEAST_STEPS), math.ceil(run.share * whole))
        self.epochs = math.ceil(self.steps / self.steps_of_epoch)
        self.optimizer = self._optimizer()
        self.targets = learned if learned is not None else targets(data, settings)
        self._saved = time.monotonic()

    def run(self) -> None:
        """Train, validate, and predict the test split.

        Raises:
            BuildError: the loss is not finite, or the GPU's memory is too small.
        """
        try:
            self._run()
        except torch.OutOfMemoryError:
            raise BuildError(
                f"{self.folder}: {self.model_of.name} does not fit the GPU's memory with windows of "
                f"{self.settings.length or self.model_of.context:,} tokens; lower them with --length"
            ) from None

    def _run(self) -> None:
        self._resume()
        state, settings = self.state, self.settings
        while state.epoch < self.epochs and state.epoch - state.best_epoch <= settings.patience:
            self._epoch()
            self._judge()
            state.epoch, state.step = state.epoch + 1, 0
            self._save()
        self._finish()

    def _optimizer(self) -> torch.optim.AdamW:
        learned = [(name, parameter) for name, parameter in self.model.named_parameters() if parameter.requires_grad]
        groups = [
            {
                "params": [parameter for _, parameter in learned if parameter.ndim > 1],
                "weight_decay": self.settings.decay,
            },
            {"params": [parameter for _, parameter in learned if parameter.ndim <= 1], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW([group for group in groups if group["params"]], lr=self.rate, betas=(0.9, 0.98))

    def _epoch(self) -> None:
        state, batch = self.state, self.settings.batch
        order = batches(self.seen["train"].encoded, batch, [self.seed, state.epoch])
        self.model.train()
        while state.step < self.steps_of_epoch and self._done() < self.steps:
            started = time.perf_counter()
            loss = self._step(order[state.step])
            state.step += 1
            state.seconds += time.perf_counter() - started
            done = self._done()
            each = state.seconds / done
            self.show.step(
                FinetuningStep(
                    self.seed,
                    done,
                    self.steps,
                    state.epoch,
                    loss,
                    batch / each,
                    each * (self.steps - done),
                    self.name,
                )
            )
            if time.monotonic() - self._saved > _SAVE_SECONDS:
                self._save()

    def _done(self) -> int:
        """Completed steps of all epochs."""
        return self.state.epoch * self.steps_of_epoch + self.state.step

    def _step(self, chosen: Sequence[int]) -> float:
        """One step over some examples, in parts that fit; their mean loss."""
        train, total = self.seen["train"], 0.0
        self.optimizer.zero_grad(set_to_none=True)
        weight = sum(self.targets.weight(number) for number in chosen) or 1.0
        for part in parts(train.encoded, chosen, self.settings.micro_tokens):
            logits = logits_of(self.model, train.encoded, part, self.padding, self.device, self.data.task)
            target, weights = self.targets.of(part, train.encoded, self.device)
            if len(logits):
                loss = -(weights * (target * torch.log_softmax(logits.float(), -1)).sum(-1)).sum() / weight
                loss.backward()
                total += loss.item()
        if not math.isfinite(total):
            raise DivergedError(
                f"{self.folder}: the loss of seed {self.seed} is {total}; lower the learning rate with --rate"
            )
        done = self._done()
        warm = max(1, round(self.settings.warmup * self.steps))
        share = min((done + 1) / warm, (self.steps - done) / max(1, self.steps - warm))
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * share
        torch.nn.utils.clip_grad_norm_(
            [parameter for g in self.optimizer.param_groups for parameter in g["params"]], 1.0
        )
        self.optimizer.step()
        return total

    def _judge(self) -> None:
        """Score the validation split, and keep the weights where they are the best so far."""
        state, held = self.state, self.seen["validation"]
        if held.examples:
            task, most = self.data.task, self.settings.micro_tokens
            judged = inference.probabilities(self.model, held, task, self.padding, self.device, most)
            answers = inference.predictions(judged, held, task)
            scores = metrics.scores(task, held.examples, answers, self.data.leave_out)
            if self.trial and task.spans:  # short trials are often equal, since they find no span
                scores["log_loss"] = inference.word_loss(judged, held.examples, task)
        else:
            scores = {metrics.main(self.data.task): float(state.epoch)}  # so that the last epoch is kept
        state.history.append({name: round(value, 6) for name, value in scores.items() if not name.startswith("f1:")})
        self.show.validated(self.seed, state.epoch, scores if held.examples else {}, self.name)
        # Scores of small splits are often equal; the log loss breaks ties.
        value = scores[metrics.main(self.data.task)] - 1e-6 * scores.get("log_loss", 0.0)
        if value > state.best:
            state.best, state.best_epoch = value, state.epoch
            if not self.trial:
                self._keep_best()

    def _keep_best(self) -> None:
        partial = self.folder / ".best.partial"
        shutil.rmtree(partial, ignore_errors=True)
        with quiet():
            self.model.save_pretrained(partial)
        _name_base(partial, self.folder.parent.parent)
        shutil.rmtree(self.folder / "best", ignore_errors=True)
        partial.rename(self.folder / "best")

    def _save(self) -> None:
        kept = {
            "state": asdict(self.state),
            "model": {name: parameter for name, parameter in self.model.named_parameters() if parameter.requires_grad},
            "buffers": dict(self.model.named_buffers()),
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if self.device.type == "cuda" else [],
        }
        partial = self.folder / ".state.partial"
        torch.save(kept, partial)
        partial.replace(self.folder / "state.pt")
        self._saved = time.monotonic()

    def _resume(self) -> None:
        path = self.folder / "state.pt"
        if not path.is_file():
            return
        try:
            kept = torch.load(path, map_location=self.device, weights_only=True)
            self.state = LearnerState(**kept["state"])
        except Exception as error:  # of a damaged file, or one that would run code; nothing of it has run
            raise InputError(
                f"{path}: not the state of a fine-tuning run ({type(error).__name__}); delete this file, and training "
                "begins again"
            ) from None
        # An epoch's best weights are written before its state: without them training starts again.
        if self.state.best_epoch >= 0 and not self.trial and not (self.folder / "best").is_dir():
            self.state = LearnerState()
            return
        with torch.no_grad():
            own = dict(self.model.named_parameters())
            for name, value in kept["model"].items():
                own[name].copy_(value)
            buffers = dict(self.model.named_buffers())
            for name, value in kept["buffers"].items():
                if name in buffers:
                    buffers[name].copy_(value)
        self.optimizer.load_state_dict(kept["optimizer"])
        torch.set_rng_state(kept["random"].cpu())
        if kept["cuda"]:
            torch.cuda.set_rng_state_all([state.cpu() for state in kept["cuda"]])

    def _finish(self) -> None:
        """Score the best weights on the test split, write their predictions, and remove the state."""
        if self.trial:
            best = self.state.history[self.state.best_epoch]
            facts = {
                "score": best.get(metrics.main(self.data.task)),
                "log_loss": best.get("log_loss"),
                "best_epoch": self.state.best_epoch,
                "passes": self._trained() / self.steps_of_epoch,
                "seconds": self.state.seconds,
            }
        else:
            facts = self._scored()
        write_json(self.folder / DONE, facts)
        (self.folder / "state.pt").unlink(missing_ok=True)

    def _trained(self) -> int:
        """Steps of the epochs that are over."""
        return min(self.state.epoch * self.steps_of_epoch, self.steps)

    def _scored(self) -> dict[str, Any]:
        """The facts of a finished run; its predictions are written."""
        with torch.no_grad():
            self._load_best()
        learned = sum(parameter.numel() for parameter in self.model.parameters() if parameter.requires_grad)
        return {
            "seed": self.seed,
            "rate": self.rate,
            "folder": self.folder.name,
            "parameters": sum(parameter.numel() for parameter in self.model.parameters()),
            "learned_parameters": learned,
            "epochs": self.state.epoch,
            "best_epoch": self.state.best_epoch,
            "history": self.state.history,
            "validation_score": self.state.best,
            "passes": self._trained() / self.steps_of_epoch,
            "train_seconds": self.state.seconds,
            "device": torch.cuda.get_device_name() if self.device.type == "cuda" else "CPU",
            **pretrained.arithmetic(self.model),
            "autocast": "bfloat16" if half(self.device) else None,
            **tested(self.model, self.data, self.settings, self.seen["test"], self.padding, self.folder),
        }

    def _load_best(self) -> None:
        from safetensors.torch import load_file

        best = self.folder / "best"
        if self.model_of.decoder:
            from peft import set_peft_model_state_dict

            adapters = best / "adapter_model.safetensors"
            with reading(adapters):
                set_peft_model_state_dict(self.model, load_file(adapters))
            return
        kept: dict[str, torch.Tensor] = {}
        for path in best.glob("*.safetensors"):
            with reading(path):
                kept |= load_file(path)
        keys = self.model.load_state_dict(kept, strict=False)
        # Tied weights are written once, so missing keys are expected.
        if keys.unexpected_keys:
            raise BuildError(f"{best}: holds weights that the model lacks: {keys.unexpected_keys[:3]}")


def tested(
    model: Any, data: Data, settings: FinetuneSettings, test: Seen, padding: int, folder: Path
) -> dict[str, Any]:
    """Write a model's predictions for the test split into a folder: their scores, and the time they took."""
    device = next(model.parameters()).device
    started = time.perf_counter()
    answers = inference.predict(model, test, data.task, padding, device, settings.micro_tokens)
    seconds = time.perf_counter() - started
    predictions.write(folder / "test.parquet", data.task, test.examples, answers)
    # A model that others start from has no test split.
    scores = metrics.scores(data.task, test.examples, answers, data.leave_out) if test.examples else {}
    return {"test": scores, "predict_seconds": seconds, "predicted": len(test.examples)}


def _name_base(folder: Path, out: Path) -> None:
    """Name the base model of adapters as it is seen from `out`, and not by folders of this machine."""
    path = folder / "adapter_config.json"
    if path.is_file():
        described = files.read_json(path)
        base = Path(described["base_model_name_or_path"]).absolute()
        write_json(path, {**described, "base_model_name_or_path": os.path.relpath(base, out.absolute())})
