"""Fine-tuning: a pre-trained model learns one task with several seeds and learning rates, and the best is kept.

Each seed at each rate has a folder in `seeds`; the folder above is the best one's model as transformers loads work. The
validation split chooses: the rate by the mean over seeds, then the seed. A killed run resumes.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch

from socorpus.corpus.engine import receipts
from socorpus.corpus.errors import InputError, SocorpusError
from socorpus.corpus.storage import files, json_shape
from socorpus.corpus.storage.boundary import disk_full
from socorpus.corpus.storage.files import atomic, locked, ran_out, write_json
from socorpus.training import folder_lock, saved_hashes
from socorpus.training.examples.example import Data
from socorpus.training.finetuning import card as finetune_card
from socorpus.training.finetuning import choice as choice_of
from socorpus.training.finetuning import learner, pretrained, side_by_side
from socorpus.training.finetuning.choice import Choice, Contest
from socorpus.training.finetuning.learner import DivergedError, SeedRun, SelfTraining
from socorpus.training.finetuning.pretrained import Pretrained
from socorpus.training.finetuning.progress import FinetuningShow
from socorpus.training.finetuning.settings import FinetuneSettings
from socorpus.training.finetuning.windows import Reading

FACTS = "finetune.json"
_MARK = "identity.json"


@dataclass(frozen=True)
class Work:
    """A model to fine-tune on a task, and the folder of the result.

    Attributes:
        settings: with a learning rate, or several.
        title: its name among others in progress and errors; empty if there are no others.
        choice: the rate and number of epochs that were chosen; None: those of the settings.
        starts: model that each seed begins with, where these are not all `model`.
        origin: hash of what they come from, whatever the seeds.
        self_training: texts that each seed goes on to learn from; None: it doesn't.
    """

    model: Pretrained
    data: Data
    settings: FinetuneSettings
    out: Path
    title: str = ""
    choice: Choice | None = None
    starts: Mapping[int, Pretrained] = field(default_factory=dict)
    origin: str = ""
    self_training: SelfTraining | None = None

    @classmethod
    def of(cls, model: Pretrained, data: Data, settings: FinetuneSettings, out: Path, title: str = "") -> "Work":
        """The work with these settings; without a rate it gets the usual one.

        Raises:
            InputError: a setting is not valid.
        """
        return cls(model, data, settled(model, settings), out, title)

    @property
    def runs(self) -> list[SeedRun]:
        """A run for each seed at each rate, done or not."""
        settings = self.settings if self.choice is None else self.choice.applied(self.settings)
        rates_differ = len(settings.tried) > 1
        runs = []
        for rate in settings.tried:
            for seed in settings.seeds:
                folder = f"{seed}-{rate:g}" if settings.rates else str(seed)
                parts = [self.title] if self.title else []
                parts += [f"seed {seed}", f"rate {rate:g}"] if rates_differ else [f"seed {seed}"]
                where, model = self.out / "seeds" / folder, self.starts.get(seed, self.model)
                run = SeedRun(model, self.data, settings, seed, rate, where, ", ".join(parts))
                runs.append(replace(run, self_training=self.self_training))
        return runs

    @property
    def rates(self) -> tuple[float, ...]:
        """The learning rates."""
        return (self.settings if self.choice is None else self.choice.applied(self.settings)).tried

    @property
    def contest(self) -> Contest:
        """The choice of a rate and a number of epochs for it."""
        start = self.starts.get(min(self.settings.seeds), self.model)
        return Contest(start, self.data, self.settings, self.out / choice_of.TRIALS, self.title)

    @property
    def identity(self) -> dict[str, Any]:
        """What its folder is of. Seeds and rates are left out: more of them extend the same work."""
        settings = {name: value for name, value in asdict(self.settings).items() if name not in ("seeds", "rates")}
        if settings["choose"] is None:
            del settings["choose"]  # as in folders that are older than choices
        identity = {"model": self.model.identity, "data": self.data.identity, "settings": settings}
        if self.origin:
            identity["origin"] = self.origin
        if (how := self.self_training) is not None:
            keys = [[example.key, example.text] for example in how.texts]
            identity["self_training"] = receipts.fingerprint([keys, how.rounds, how.passes, how.confidence])
        return identity


def finetune(
    model: Pretrained,
    data: Data,
    settings: FinetuneSettings,
    out: Path,
    show: FinetuningShow,
    force: bool = False,
    renew: bool = False,
    processes: int | None = None,
) -> dict[str, Any]:
    """Fine-tune a model on the train split with each seed at each rate, and keep the best on the validation split.

    Args:
        out: folder of the result; finished parts are kept.
        force: start again.
        renew: start again if the folder is of another model, data or settings, instead of refusing.
        processes: runs at a time; None: `side_by_side.shared`.

    Returns:
        The contents of finetune.json.

    Raises:
        InputError: the folder holds another model, task or settings, or something else; or, with `force`, another
            process is at work there.
        BuildError: the loss is not finite, or the disk is full. Finished parts are kept.
    """
    work = Work.of(model, data, settings, out)
    enter(work, force, renew)
    if work.settings.choose is not None:
        if (facts := _finished(work)) is not None:
            return facts
        work = replace(work, choice=choice_of.alone(work.contest, show, processes))
    return finish(work, show, side_by_side.shared(work.runs, processes, show))


def settled(model: Pretrained, settings: FinetuneSettings) -> FinetuneSettings:
    """The settings with the usual rate, if they have none.

    Raises:
        InputError: a setting is not valid.
    """
    settings.check()
    return settings if settings.rate is not None or settings.rates else replace(settings, rate=usual_rate(model))


def usual_rate(model: Pretrained) -> float:
    """The default learning rate: 5e-5 at a width of 768, as usual for encoders of that size; higher for narrower ones
    (1.6e-4 at 384 and 1e-3 at 128, tuned on validation splits), lower for wider ones; 2e-4 for adapters."""
    if model.decoder:
        return 2e-4
    return float(np.clip(5e-5 * (768 / model.described.get("hidden_size", 768)) ** (5 / 3), 2e-5, 1e-3))


def enter(work: Work, force: bool = False, renew: bool = False) -> None:
    """Make the folder, or check that it belongs to this work; see `finetune`.

    Raises:
        InputError: it does not; or, with `force`, another process is at work there.
    """
    with _held(work, wait=not force):
        _settle(work, force, renew)


@contextmanager
def _held(work: Work, wait: bool = True) -> Iterator[None]:
    """Keep other processes out of a work's folder, after waiting for them if need be."""
    _require_own(work.out)
    if wait:
        with locked(work.out / folder_lock.NAME):
            yield
    else:
        with folder_lock.held(work.out, "fine-tuning", 0):
            yield


def _require_own(out: Path) -> None:
    """Refuse a folder in which something else than a fine-tuned model would be written over."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: a file lies there; give a folder with --out")
    if out.is_dir() and not (out / _MARK).is_file() and any(path.name != folder_lock.NAME for path in out.iterdir()):
        raise InputError(f"{out}: holds something else; give a new folder with --out")


def _settle(work: Work, force: bool = False, renew: bool = False) -> None:
    """Make the folder, whose lock is held, that of this work, or check that it is."""
    out, identity = work.out, work.identity
    mark = out / _MARK
    _require_own(out)
    if mark.is_file() and not force:
        written = files.read_json(mark)
        if wrong := json_shape.misfit(written, {str: object}):
            raise InputError(f"{mark}: damaged ({wrong}); give another folder with --out, or --force to start again")
        differ = [name for name in identity if written.get(name) != identity[name]]
        if not differ:
            return
        if not renew:
            raise InputError(
                f"{out}: was fine-tuned with other {' and '.join(differ)}; give another folder with --out, "
                "or --force to start again"
            )
    folder_lock.empty(out)
    write_json(mark, {**identity, "name": work.model.shared_name})


def ahead(works: Sequence[Work], share: side_by_side.Share, show: FinetuningShow) -> side_by_side.Failures:
    """Train the runs of several works side by side, for `finish` to put together.

    A folder of another model, data or settings begins again.
    """
    with ExitStack() as locks:
        todo: list[SeedRun] = []
        for work in works:
            with suppress(SocorpusError):  # `enter` says it again where the work is finished
                locks.enter_context(_held(work))
                _settle(work, renew=True)
                todo += work.runs if _finished(work) is None else []
        return side_by_side.train(todo, share, show, lambda run: learner.inputs(run.model, run.data, run.settings))


def finish(
    work: Work, show: FinetuningShow, share: side_by_side.Share, failures: side_by_side.Failures | None = None
) -> dict[str, Any]:
    """Train what is not done, and put the result together.

    Args:
        failures: errors of runs that were tried `ahead`; these are not tried again.

    Returns:
        The contents of finetune.json.

    Raises:
        InputError, BuildError: a run failed; at each of several rates, if its loss is not finite.
    """
    try:
        with _held(work):
            _settle(work)  # another process may have begun something else there since `enter`
            facts = _finished(work)
            return facts if facts is not None else _assembled(work, show, share, failures or {})
    except BaseException as error:  # libraries raise errors of their own for a full disk
        if isinstance(error, Exception) and ran_out(error, work.out):
            raise disk_full(work.out) from error
        raise


def _finished(work: Work) -> dict[str, Any] | None:
    path = work.out / FACTS
    if not path.is_file():
        return None
    try:
        facts: dict[str, Any] = files.read_json(path)
    except ValueError:
        return None  # damaged: it is put together again from the runs
    if json_shape.misfit(facts, {"seeds": list, "settings": dict}):
        return None
    same_seeds = set(work.settings.seeds) == {result["seed"] for result in facts["seeds"]}
    same_rates = set(work.settings.rates) == set(facts["settings"].get("rates") or ())
    return facts if same_seeds and same_rates else None


def _assembled(
    work: Work, show: FinetuningShow, share: side_by_side.Share, failures: side_by_side.Failures
) -> dict[str, Any]:
    model, data, settings, out = work.model, work.data, work.settings, work.out
    given = learner.inputs(model, data, settings)
    reading = given.reading
    cut = {split: texts.cut for split, texts in given.seen.items()}
    show.begin({"model": model.name, "task": data.task.name, "data": data.name, "cut": cut, "length": reading.length})
    if pretrained.weights_in_half(model, torch.device("cuda" if torch.cuda.is_available() else "cpu")):
        show.note(f"{model.name}: its weights are loaded in bfloat16; adapters and head learn in float32")
    todo = [run for run in work.runs if run.folder not in failures]
    failures = {**failures, **side_by_side.train(todo, share, show, lambda _: given)}
    by_rate = _results(work, failures)
    means = {rate: mean(result["validation_score"] for result in results) for rate, results in by_rate.items()}
    chosen = max(by_rate, key=lambda rate: means[rate])  # the first of equal ones
    seeds = by_rate[chosen]
    best = _best(seeds)
    _keep(out, best, given.tokenizer, reading)
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
        "settings": {**asdict(settings), "seeds": list(settings.seeds), "rates": list(settings.rates)},
        "best_seed": best["seed"],
        "rate": chosen,
        "rates": [{"rate": rate, "validation_score": means.get(rate)} for rate in work.rates],
        "epochs": work.runs[0].settings.epochs,
        "choice": None if work.choice is None else work.choice.facts,
        "seeds": seeds,
    }
    with atomic(out / "README.md") as partial:
        partial.write_text(finetune_card.text(facts), "utf-8")
    write_json(out / FACTS, facts)
    # More seeds may make another rate the best: of each rate the best seed is kept.
    kept = {_best(results)["folder"] for results in by_rate.values()}
    for run in work.runs:
        if run.folder.name not in kept:
            shutil.rmtree(run.folder / "best", ignore_errors=True)
    return facts


def _best(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The seed with the best validation score; of equal ones the lowest."""
    return max(results, key=lambda result: (result["validation_score"], -result["seed"]))


def _results(work: Work, failures: side_by_side.Failures) -> dict[float, list[dict[str, Any]]]:
    """The results of each rate, seed by seed; a rate at which the loss of a seed is not finite is no choice.

    Raises:
        InputError, BuildError: the error of a run, with the number of the others that failed.
    """
    errors = [failures[run.folder] for run in work.runs if run.folder in failures]
    lost = {run.rate for run in work.runs if isinstance(failures.get(run.folder), DivergedError)}
    if errors and (not all(isinstance(error, DivergedError) for error in errors) or len(lost) == len(work.rates)):
        error = next((error for error in errors if not isinstance(error, DivergedError)), errors[0])
        if len(errors) == 1:
            raise error
        rest = "; the others are done" if len(errors) < len(work.runs) else ""
        raise type(error)(f"{error} ({len(errors)} of {len(work.runs)} runs failed{rest})") from error
    by_rate: dict[float, list[dict[str, Any]]] = {}
    for run in work.runs:
        if run.rate not in lost:
            facts = files.read_json(run.folder / learner.DONE)
            by_rate.setdefault(run.rate, []).append({"folder": run.folder.name, **facts})
    return by_rate


def _keep(out: Path, result: Mapping[str, Any], tokenizer: Any, reading: Reading) -> None:
    """Put the best seed's weights into the folder itself."""
    best = out / "seeds" / result["folder"] / "best"
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
