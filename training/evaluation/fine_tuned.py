"""The models of a comparison that are fine-tuned: all that they need is trained before the table is filled.

First what each model begins with, where it learns from weak labels before (`weak_labels`); then the trials of the
choice of its settings; then it itself. Of each of these steps all models train side by side.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from socorpus.corpus.engine.receipts import fingerprint
from socorpus.corpus.errors import InputError, SocorpusError
from socorpus.training.evaluation import label_fractions, systems, weak_labels
from socorpus.training.evaluation.cell import folder
from socorpus.training.evaluation.label_fractions import Point
from socorpus.training.evaluation.systems import System
from socorpus.training.evaluation.weak_labels import Teacher
from socorpus.training.examples.example import Data
from socorpus.training.finetuning import choice, pretrained, side_by_side, tuning
from socorpus.training.finetuning.choice import Choice, Contest
from socorpus.training.finetuning.learner import SelfTraining
from socorpus.training.finetuning.pretrained import Pretrained
from socorpus.training.finetuning.progress import FinetuningShow
from socorpus.training.finetuning.settings import FinetuneSettings

_WEAK = "weak"
"""Folder of the models that have learned from weak labels."""


class Comparing(Protocol):
    """What of a comparison's plan (`compare.ComparisonPlan`) is of models that are fine-tuned."""

    @property
    def systems(self) -> Sequence[System]:
        """All systems, of which the models are fine-tuned."""

    @property
    def settings(self) -> FinetuneSettings:
        """Settings of fine-tuning, with all seeds."""

    @property
    def download(self) -> bool:
        """Whether missing models may be fetched."""

    @property
    def work(self) -> Path:
        """Folder whose `runs/` holds the runs that systems name."""

    @property
    def processes(self) -> int | None:
        """Models that train at a time."""

    @property
    def choose_at(self) -> float | None:
        """Share of the labels that choices are made with, for all shares; None: each with its own."""

    @property
    def teacher(self) -> Path | None:
        """Corpus with weak labels; None: the one that the data is of."""

    @property
    def most_weak(self) -> int | None:
        """Texts of it to draw."""


@dataclass(frozen=True)
class _Start:
    """What a model begins with on a task.

    Attributes:
        base: the model that was named.
        seeds: what each seed begins with, if that is not the base.
        origin: hash of what these come from.
        teacher: of the models that learn from a corpus.
    """

    base: Pretrained
    seeds: Mapping[int, Pretrained]
    origin: str = ""
    teacher: Teacher | None = None

    def of(self, seed: int) -> Pretrained:
        """What a seed begins with."""
        return self.seeds.get(seed, self.base)


Key = tuple[str, str, str]
"""System, task, and name of the whole data."""


class Models:
    """The models to fine-tune: found, and begun, before anything else is computed.

    Args:
        wholes: the data of each task, with all of what is held out.
        points: the shares of its labels, by task and name.

    Attributes:
        works: what is to be done, by system, task and name of a draw; or why it can't be.
        teachers: by system, task and name of the whole data, of those that have one.
    """

    def __init__(
        self,
        plan: Comparing,
        wholes: Sequence[Data],
        points: Mapping[tuple[str, str], Sequence[Point]],
        out: Path,
        show: FinetuningShow,
    ) -> None:
        self._plan, self._out, self._show = plan, out, show
        self._wholes = {(data.task.name, data.name): data for data in wholes}
        self._points = points
        self.works: dict[Key, tuning.Work | SocorpusError] = {}
        starts = self._begun()
        self.teachers = {
            key: start.teacher
            for key, start in starts.items()
            if isinstance(start, _Start) and start.teacher is not None
        }
        choices = self._chosen(starts)
        for system in plan.systems:
            if system.kind != "model":
                continue
            for (task, of), shares in points.items():
                start = starts[system.name, task, of]
                for number, point in enumerate(shares):
                    chosen = choices.get((system.name, task, of, 0 if plan.choose_at is not None else number))
                    for data, seeds in point.draws:
                        key = (system.name, task, data.name)
                        try:
                            self.works[key] = self._work(system, start, chosen, data, seeds)
                        except SocorpusError as error:
                            self.works[key] = error
        there = [work for work in self.works.values() if isinstance(work, tuning.Work)]
        self._share = side_by_side.shared([run for work in there for run in work.runs], plan.processes, show)
        self._failures = tuning.ahead(there, self._share, show) if self._share.processes > 1 else {}

    def facts(self, system: System, data: Data) -> tuple[tuning.Work, dict[str, Any]]:
        """A fine-tuned model and the contents of its finetune.json.

        Raises:
            InputError, BuildError: it is missing, or training failed.
        """
        work = self.works[system.name, data.task.name, data.name]
        if isinstance(work, SocorpusError):
            raise work
        tuning.enter(work, renew=True)
        return work, tuning.finish(work, self._show, self._share, self._failures)

    def _work(
        self,
        system: System,
        start: _Start | SocorpusError,
        chosen: Choice | SocorpusError | None,
        data: Data,
        seeds: tuple[int, ...],
    ) -> tuning.Work:
        for needed in (start, chosen):
            if isinstance(needed, SocorpusError):
                raise needed
        assert isinstance(start, _Start) and not isinstance(chosen, SocorpusError)
        settings = replace(self._plan.settings, seeds=seeds)
        settings = replace(settings, choose=None) if chosen is None else chosen.applied(settings)
        title = f"{data.task.name} ({data.name}), {system.name}"
        learned = weak_labels.of_people(data) if start.teacher is not None else data
        place = folder(self._out, system.name, data.task.name, data.name)
        work = tuning.Work.of(start.base, learned, settings, place, title)
        self_training = None
        if system.selftrain and start.teacher is not None:
            self_training = SelfTraining(start.teacher.texts)
        return replace(
            work,
            choice=chosen,
            starts={seed: model for seed, model in start.seeds.items() if seed in seeds},
            origin=start.origin,
            self_training=self_training,
        )

    # What models begin with.

    def _begun(self) -> dict[Key, _Start | SocorpusError]:
        """What each model begins with on each task; those that learn from weak labels first have done so."""
        plan = self._plan
        starts: dict[Key, _Start | SocorpusError] = {}
        teachers: dict[tuple[str, str], Teacher | SocorpusError] = {}
        works: dict[Key, dict[int, tuning.Work]] = {}
        for system in plan.systems:
            if system.kind != "model":
                continue
            try:
                base: Pretrained | InputError = replace(found_model(system, plan), name=system.name)
            except InputError as error:
                base = error
            for (task, of), data in self._wholes.items():
                key = (system.name, task, of)
                if isinstance(base, InputError) or not (system.weak or system.selftrain):
                    starts[key] = base if isinstance(base, InputError) else _Start(base, {})
                    continue
                try:
                    if (task, of) not in teachers:
                        teachers[task, of] = self._teacher(data)
                    teacher = teachers[task, of]
                    if isinstance(teacher, SocorpusError):
                        raise teacher
                    if base.decoder:
                        raise InputError(f"{base.name}: learning from a corpus is for encoders, and this is a decoder")
                    if system.weak:
                        weak_labels.require_labels(teacher)
                        works[key] = {seed: self._weak(system, base, teacher, seed) for seed in plan.settings.seeds}
                    starts[key] = _Start(base, {}, "", teacher)
                except SocorpusError as error:
                    starts[key] = error
        if works:
            self._learn_weak_labels(works, starts)
        return starts

    def _teacher(self, data: Data) -> Teacher | SocorpusError:
        corpus = self._plan.teacher if self._plan.teacher is not None else data.corpus
        if corpus is None:
            return InputError(f"{data.name}: has no weak labels; name a corpus that has some with --teacher")
        try:
            return weak_labels.read(corpus, data, self._plan.most_weak)
        except SocorpusError as error:
            return error

    def _weak(self, system: System, base: Pretrained, teacher: Teacher, seed: int) -> tuning.Work:
        """A seed's model of the weak labels: in a folder named by all that it depends on, for all shares alike."""
        settings = replace(self._plan.settings, seeds=(seed,), rates=(), choose=None)
        title = f"{teacher.data.task.name} ({teacher.data.name}), {system.name}"
        work = tuning.Work.of(base, teacher.data, settings, self._out, title)
        return replace(work, out=self._out / _WEAK / fingerprint([work.identity, seed])[:24])

    def _learn_weak_labels(
        self, works: Mapping[Key, Mapping[int, tuning.Work]], starts: dict[Key, _Start | SocorpusError]
    ) -> None:
        once = {work.out: work for of_seeds in works.values() for work in of_seeds.values()}
        runs = [run for work in once.values() for run in work.runs]
        share = side_by_side.shared(runs, self._plan.processes, self._show)
        failures = tuning.ahead(list(once.values()), share, self._show) if share.processes > 1 else {}
        for key, of_seeds in works.items():
            start = starts[key]
            assert isinstance(start, _Start)
            try:
                begun = {}
                for seed, work in of_seeds.items():
                    tuning.enter(work, renew=True)
                    tuning.finish(work, self._show, share, failures)
                    begun[seed] = replace(start.base, folder=work.out, scratch=False)
                origin = fingerprint([start.base.identity, next(iter(of_seeds.values())).identity])
                starts[key] = replace(start, seeds=begun, origin=origin)
            except SocorpusError as error:
                starts[key] = error

    # The choice of their settings.

    def _chosen(
        self, starts: Mapping[Key, _Start | SocorpusError]
    ) -> dict[tuple[str, str, str, int], Choice | SocorpusError]:
        """The choices by system, task, name of the whole data, and number of the share."""
        plan, seed = self._plan, min(self._plan.settings.seeds)
        contests: dict[tuple[str, str, str, int], Contest] = {}
        outcomes: dict[tuple[str, str, str, int], Choice | SocorpusError] = {}
        if plan.settings.choose is None:
            return {}
        for (system, task, of), start in starts.items():
            if isinstance(start, SocorpusError):
                continue
            if (share := plan.choose_at) is not None:
                whole = self._points[task, of][0].data
                drawn = (
                    whole
                    if share == 1
                    else label_fractions.drawn(whole, share, seed, f"{of}, {100 * share:g}% of the labels, draw {seed}")
                )
                pieces = [drawn]
            else:
                pieces = [
                    next(data for data, seeds in point.draws if seed in seeds) for point in self._points[task, of]
                ]
            for number, data in enumerate(pieces):
                try:
                    learned = weak_labels.of_people(data) if start.teacher is not None else data
                    model = start.of(seed)
                    settings = tuning.settled(model, plan.settings)
                except SocorpusError as error:
                    outcomes[system, task, of, number] = error
                    continue
                title = f"{task} ({data.name}), {system}"
                place = self._out / choice.TRIALS
                contests[system, task, of, number] = Contest(model, learned, settings, place, title)
        settled = choice.make(list(contests.values()), self._show, plan.processes)
        return outcomes | dict(zip(contests, settled, strict=True))


def found_model(system: System, plan: Comparing) -> Pretrained:
    """The model that a system names.

    Raises:
        InputError: there is none; the message says how to get it.
    """
    what = system.what
    # A preset's run is in the corpus's folder.
    if what.startswith("runs/") and not Path(what).exists():
        what = str(plan.work / what)
    try:
        return pretrained.find(what, plan.download)
    except InputError as error:
        if "://" in what or Path(what.removeprefix("scratch:")).exists():
            raise
        raise InputError(f"{error}; {systems.suggestion(system.what)}") from None
