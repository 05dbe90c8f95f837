"""Fine-tuning: a pre-trained model learns one task with several seeds, and the best seed is kept.

Each seed has a folder `seeds/N` with its state while it runs, and its predictions for the test split when it is done;
the folder above is the best seed's model as transformers loads it. A killed run resumes from the last state; each state
is complete or does not exist.
"""

import math
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from socorpus.corpus.errors import BuildError, InputError
from socorpus.corpus.storage import files
from socorpus.corpus.storage.boundary import disk_full, reading
from socorpus.corpus.storage.files import atomic, locked, ran_out, write_json
from socorpus.training import saved_hashes
from socorpus.training.examples import metrics, predictions
from socorpus.training.examples.example import Data
from socorpus.training.finetuning import card as finetune_card
from socorpus.training.finetuning import pretrained
from socorpus.training.finetuning.inference import Seen, logits_of, parts, predict
from socorpus.training.finetuning.pretrained import Pretrained
from socorpus.training.finetuning.settings import FinetuneSettings
from socorpus.training.finetuning.windows import Encoded, Reading, Tags, encode
from socorpus.training.quiet import quiet

FACTS = "finetune.json"
_SAVE_SECONDS = 120.0
_MOST_WEIGHT = 10.0


@dataclass(frozen=True)
class FinetuningStep:
    """Progress of a seed."""

    seed: int
    step: int
    steps: int
    epoch: int
    loss: float
    examples_per_second: float
    seconds_left: float


class FinetuningShow(Protocol):
    """Callbacks with the progress of fine-tuning."""

    def begin(self, what: Mapping[str, Any]) -> None:
        """Fine-tuning begins; `what` has the model and how texts were cut."""

    def step(self, line: FinetuningStep) -> None:
        """A step is done."""

    def validated(self, seed: int, epoch: int, scores: Mapping[str, float]) -> None:
        """An epoch is done and scored."""


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


def finetune(
    model: Pretrained,
    data: Data,
    settings: FinetuneSettings,
    out: Path,
    show: FinetuningShow,
    force: bool = False,
    renew: bool = False,
) -> dict[str, Any]:
    """Fine-tune a model on the train split with each seed, and keep the best on the validation split.

    Args:
        out: folder of the result; finished parts are kept.
        force: start again.
        renew: start again if the folder is of another model, data or settings, instead of refusing.

    Returns:
        The contents of finetune.json.

    Raises:
        InputError: the folder holds another model, task or settings, or something else.
        BuildError: the loss is not finite, or the disk is full. Finished parts are kept.
    """
    settings.check()
    settings = settings if settings.rate is not None else replace(settings, rate=usual_rate(model))
    identity = {
        "model": model.identity,
        "data": data.identity,
        # Seeds are left out: more of them extend the same work.
        "settings": {name: value for name, value in asdict(settings).items() if name != "seeds"},
    }
    _enter(out, identity, model, force, renew)
    try:
        with locked(out / ".lock"):
            facts = _finished(out, settings)
            return facts if facts is not None else _run(model, data, settings, out, show)
    except BaseException as error:  # libraries raise errors of their own for a full disk
        full = isinstance(error, Exception) and ran_out(error, out)  # as long as all that was written is there
        for leftover in out.glob("seeds/*/.*.partial"):
            files.remove(leftover)
        if full:
            raise disk_full(out) from error
        raise


def usual_rate(model: Pretrained) -> float:
    """The default learning rate: 5e-5 at a width of 768, as usual for encoders of that size; higher for narrower ones
    (1.6e-4 at 384 and 1e-3 at 128, tuned on validation splits), lower for wider ones; 2e-4 for adapters."""
    if model.decoder:
        return 2e-4
    return float(np.clip(5e-5 * (768 / model.described.get("hidden_size", 768)) ** (5 / 3), 2e-5, 1e-3))


def _enter(out: Path, identity: Mapping[str, Any], model: Pretrained, force: bool, renew: bool) -> None:
    """Make the folder, or check that it belongs to this work."""
    mark = out / "identity.json"
    if force and mark.is_file():
        shutil.rmtree(out)
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not mark.is_file())):
        raise InputError(f"{out}: holds something else; give a new folder with --out")
    if mark.is_file():
        written = files.read_json(mark)
        differ = [name for name in identity if written.get(name) != identity[name]]
        if not differ:
            return
        if not renew:
            raise InputError(
                f"{out}: was fine-tuned with other {' and '.join(differ)}; give another folder with --out, "
                "or --force to start again"
            )
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    write_json(mark, {**identity, "name": model.shared_name})


def _finished(out: Path, settings: FinetuneSettings) -> dict[str, Any] | None:
    path = out / FACTS
    if not path.is_file():
        return None
    facts: dict[str, Any] = files.read_json(path)
    return facts if set(settings.seeds) == {result["seed"] for result in facts["seeds"]} else None


def _run(model: Pretrained, data: Data, settings: FinetuneSettings, out: Path, show: FinetuningShow) -> dict[str, Any]:
    tokenizer = pretrained.tokenizer(model)
    reading = Reading(min(settings.length or 2048, model.context), settings.windows)
    seen = {split: Seen(some, encode(tokenizer, data.task, some, reading)) for split, some in data.splits.items()}
    cut = {split: texts.cut for split, texts in seen.items()}
    show.begin({"model": model.name, "task": data.task.name, "data": data.name, "cut": cut, "length": reading.length})
    seeds = []
    for seed in settings.seeds:
        folder = out / "seeds" / str(seed)
        done = folder / "done.json"
        if not done.is_file():
            _Learner(model, data, settings, seen, seed, folder, tokenizer, show).run()
        seeds.append(files.read_json(done))
    best = max(seeds, key=lambda result: (result["validation_score"], -result["seed"]))
    _keep(out, best["seed"], tokenizer, reading)
    facts = {
        "socorpus": version("socorpus"),
        "model": model.shared_name,
        "scratch": model.scratch,
        "model_type": model.described.get("model_type"),
        "parameters": best["parameters"],
        "learned_parameters": best["learned_parameters"],
        "task": data.task.name,
        "labels": list(data.task.labels),
        "meanings": dict(data.task.meanings),
        "question": data.task.question,
        "unit": data.task.unit,
        "spans": data.task.spans,
        "leave_out": list(data.leave_out),
        "data": {"name": data.name, "identity": data.identity, "notes": list(data.notes)},
        "counts": {split: data.counts(split) for split in data.splits},
        "cut": cut,
        "reading": asdict(reading),
        "settings": {**asdict(settings), "seeds": list(settings.seeds)},
        "best_seed": best["seed"],
        "seeds": seeds,
    }
    with atomic(out / "README.md") as partial:
        partial.write_text(finetune_card.text(facts), "utf-8")
    write_json(out / FACTS, facts)
    for result in seeds:
        if result["seed"] != best["seed"]:
            shutil.rmtree(out / "seeds" / str(result["seed"]) / "best", ignore_errors=True)
    return facts


def _keep(out: Path, seed: int, tokenizer: Any, reading: Reading) -> None:
    """Put the best seed's weights into the folder itself."""
    best = out / "seeds" / str(seed) / "best"
    for path in best.iterdir():
        partial = out / f".{path.name}.partial"
        partial.unlink(missing_ok=True)
        try:
            partial.hardlink_to(path)
        except OSError:  # a file system without hard links
            shutil.copyfile(path, partial)
        partial.replace(out / path.name)
    tokenizer.model_max_length = reading.length
    tokenizer.save_pretrained(out)
    saved_hashes.write(out)


def _name_base(folder: Path, out: Path) -> None:
    """Name the base model of adapters as it is seen from `out`, and not by folders of this machine."""
    path = folder / "adapter_config.json"
    if path.is_file():
        described = files.read_json(path)
        base = Path(described["base_model_name_or_path"]).absolute()
        write_json(path, {**described, "base_model_name_or_path": os.path.relpath(base, out.absolute())})


class _Learner:
    """Fine-tuning with one seed."""

    def __init__(
        self,
        model: Pretrained,
        data: Data,
        settings: FinetuneSettings,
        seen: Mapping[str, Seen],
        seed: int,
        folder: Path,
        tokenizer: Any,
        show: FinetuningShow,
    ) -> None:
        self.model_of, self.data, self.settings, self.seen = model, data, settings, seen
        self.seed, self.folder, self.show = seed, folder, show
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        assert settings.rate is not None  # `finetune` sets it: it is part of the work's identity
        self.rate = settings.rate
        self.padding = int(tokenizer.pad_token_id or 0)
        self.state = LearnerState()
        torch.manual_seed(seed)
        network = pretrained.head(model, data.task, self.padding, settings.bits if model.decoder else None)
        if model.decoder:
            network = pretrained.adapted(network, data.task, settings.rank, settings.bits is not None)
        self.model = network if settings.bits is not None and model.decoder else network.to(self.device)
        self.steps_of_epoch = math.ceil(len(seen["train"].examples) / settings.batch)
        self.steps = self.steps_of_epoch * settings.epochs
        self.optimizer = self._optimizer()
        self.targets = _targets(data, settings)
        self._saved = time.monotonic()

    def run(self) -> None:
        """Train, validate, and predict the test split."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._resume()
        state, settings = self.state, self.settings
        while state.epoch < settings.epochs and state.epoch - state.best_epoch <= settings.patience:
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
        state, train = self.state, self.seen["train"]
        order = np.random.default_rng([self.seed, state.epoch]).permutation(len(train.examples))
        self.model.train()
        batch = self.settings.batch
        while state.step < self.steps_of_epoch:
            started = time.perf_counter()
            chosen = order[state.step * batch : (state.step + 1) * batch].tolist()
            loss = self._step(chosen)
            state.step += 1
            state.seconds += time.perf_counter() - started
            done = state.epoch * self.steps_of_epoch + state.step
            each = state.seconds / done
            self.show.step(
                FinetuningStep(self.seed, done, self.steps, state.epoch, loss, batch / each, each * (self.steps - done))
            )
            if time.monotonic() - self._saved > _SAVE_SECONDS:
                self._save()

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
            raise BuildError(
                f"{self.folder}: the loss of seed {self.seed} is {total}; lower the learning rate with --rate"
            )
        done = self.state.epoch * self.steps_of_epoch + self.state.step
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
            answers = predict(self.model, held, self.data.task, self.padding, self.device, self.settings.micro_tokens)
            scores = metrics.scores(self.data.task, held.examples, answers, self.data.leave_out)
        else:
            scores = {metrics.main(self.data.task): float(state.epoch)}  # so that the last epoch is kept
        state.history.append({name: round(value, 6) for name, value in scores.items() if not name.startswith("f1:")})
        self.show.validated(self.seed, state.epoch, scores if held.examples else {})
        # Scores of small splits are often equal; the log loss breaks ties.
        value = scores[metrics.main(self.data.task)] - 1e-6 * scores.get("log_loss", 0.0)
        if value > state.best:
            state.best, state.best_epoch = value, state.epoch
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
        if self.state.best_epoch >= 0 and not (self.folder / "best").is_dir():
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
        with torch.no_grad():
            self._load_best()
        test = self.seen["test"]
        started = time.perf_counter()
        answers = predict(self.model, test, self.data.task, self.padding, self.device, self.settings.micro_tokens)
        seconds = time.perf_counter() - started
        predictions.write(self.folder / "test.parquet", self.data.task, test.examples, answers)
        learned = sum(parameter.numel() for parameter in self.model.parameters() if parameter.requires_grad)
        facts = {
            "seed": self.seed,
            "parameters": sum(parameter.numel() for parameter in self.model.parameters()),
            "learned_parameters": learned,
            "epochs": self.state.epoch,
            "best_epoch": self.state.best_epoch,
            "history": self.state.history,
            "validation_score": self.state.best,
            "test": metrics.scores(self.data.task, test.examples, answers, self.data.leave_out),
            "train_seconds": self.state.seconds,
            "predict_seconds": seconds,
            "predicted": len(test.examples),
            "device": torch.cuda.get_device_name() if self.device.type == "cuda" else "CPU",
        }
        write_json(self.folder / "done.json", facts)
        (self.folder / "state.pt").unlink(missing_ok=True)

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


# Training targets.


@dataclass(frozen=True)
class _Targets:
    """Targets of each training example, float32[classes] or float32[words, classes], and the weights of labels."""

    values: Sequence[torch.Tensor]
    label_weights: torch.Tensor
    spans: bool

    def weight(self, number: int) -> float:
        """The divisor of an example's loss: its weight, or its number of words."""
        value = self.values[number]
        return float(len(value)) if self.spans else float((value * self.label_weights).sum())

    def of(
        self, part: Sequence[int], encoded: Sequence[Encoded], device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Targets and weights in the order of `logits_of`."""
        if self.spans:
            rows = [self.values[number][window.words] for number in part for window in encoded[number].windows]
            target = torch.cat(rows) if rows else torch.zeros(0, 1)
            return target.to(device), torch.ones(len(target), device=device)
        target = torch.stack([self.values[number] for number in part])
        return target.to(device), (target * self.label_weights).sum(-1).to(device)


def _targets(data: Data, settings: FinetuneSettings) -> _Targets:
    task, train = data.task, data.splits["train"]
    if task.spans:
        tags = Tags(task.labels)
        values = [torch.from_numpy(tags.targets(example, settings.soft)) for example in train]
        return _Targets(values, torch.ones(1), True)
    rows = torch.tensor([example.probabilities for example in train])
    if not settings.soft:
        rows = torch.nn.functional.one_hot(torch.tensor([example.label for example in train]), len(task.labels)).float()
    share = rows.sum(0) / len(rows)
    # A very rare label must not outweigh all others.
    inverse = torch.where(share > 0, 1 / (share * len(task.labels)).clamp(min=1e-9), torch.zeros(()))
    power = {"none": 0.0, "sqrt": 0.5, "balanced": 1.0}[settings.weights]
    return _Targets(list(rows), inverse.pow(power).clamp(max=_MOST_WEIGHT), False)
