"""The comparison: every system on every task, on the same examples, with costs and the significance of differences.

Each cell has a folder `cells/TASK-DATA/SYSTEM` with the system's predictions for the test split (`predictions`) and
done.json. A finished cell is not computed again: a comparison can be extended, and resumes after a kill. A system that
can't run here gets a row with the reason.
"""

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from socorpus.corpus import plugins
from socorpus.corpus.engine.receipts import fingerprint
from socorpus.corpus.errors import BuildError, InputError, SocorpusError
from socorpus.corpus.storage import files
from socorpus.corpus.storage.files import write_json
from socorpus.training import folder_lock
from socorpus.training.evaluation import details, label_fractions, systems, uncertainty
from socorpus.training.evaluation.cell import Budget, Cell, folder
from socorpus.training.evaluation.fine_tuned import Models, found_model
from socorpus.training.evaluation.label_fractions import Curve, Point
from socorpus.training.evaluation.systems import SYSTEMS, Answering, System
from socorpus.training.evaluation.weak_labels import Teacher
from socorpus.training.examples import metrics, predictions, readers
from socorpus.training.examples.example import Data, Example, Prediction
from socorpus.training.finetuning.progress import FinetuningShow
from socorpus.training.finetuning.settings import FinetuneSettings
from socorpus.training.pretrain import cost

RESULT = "comparison.json"
_PATIENCE = 5.0
"""Seconds to wait for another process in the folder, which may be about to end."""
FACTS = 2
"""Raised when what is noted of a system's work changes."""
ONE_SEED = "one seed: its interval and its differences are of this run, and say nothing of another seed"


@dataclass(frozen=True)
class Asking:
    """Settings of the requests to endpoints.

    Attributes:
        key: environment variable that holds the key.
        limit: dollars that may be spent on each endpoint and task; None: `ask`.
        prices: model -> dollars for a million tokens of input, of output.
        concurrency: requests at a time.
        timeout: seconds that an answer may take.
        ask: called with the expected cost, returns the limit; None: refuse if there is no limit.
    """

    key: str = "OPENAI_API_KEY"
    limit: float | None = None
    prices: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    concurrency: int = 8
    timeout: float = 60.0
    ask: Callable[[str], float] | None = None


@dataclass(frozen=True)
class ComparisonPlan:
    """A comparison.

    Attributes:
        most_test: number of test examples, the same sample for all systems; None: all.
        price: dollars an hour of this machine; None: the default price of its GPU, unknown without a GPU.
        work: folder whose `runs/` holds the runs that systems name.
        processes: models that train at a time; None: `side_by_side.shared`.
        shares: of the labels, to learn from beside all of them (`label_fractions`).
        choose_at: share of the labels that settings are chosen with, once for all shares; None: for each share with
            its own labels.
        teacher: corpus with weak labels, and texts, for systems that learn from one; None: the one that data is of.
        most_weak: texts of it to draw; None: `weak_labels.MOST`.
    """

    data: Sequence[Data]
    systems: Sequence[System]
    settings: FinetuneSettings = field(default_factory=FinetuneSettings)
    asking: Asking = field(default_factory=Asking)
    most_test: int | None = None
    download: bool = False
    price: float | None = None
    work: Path = Path()
    processes: int | None = None
    shares: tuple[float, ...] = ()
    choose_at: float | None = None
    teacher: Path | None = None
    most_weak: int | None = None


class ComparisonShow(FinetuningShow, Protocol):
    """Callbacks with the progress of a comparison."""

    def cell(self, system: str, task: str, data: str) -> None:
        """A cell begins."""

    def asked(self, done: int, total: int) -> None:
        """`done` of `total` requests have been answered."""

    def missing(self, system: str, sentence: str) -> None:
        """A system can't run."""


def compare(plan: ComparisonPlan, out: Path, show: ComparisonShow) -> list[Cell]:
    """Run every system on every task and write comparison.json, .csv and .html into `out`.

    Returns:
        A cell for each system and task, in the order of tasks, then systems.

    Raises:
        InputError: the folder holds something else, another process compares in it, or there is nothing to compare.
    """
    if not plan.data or not plan.systems:
        raise InputError("nothing to compare: name a corpus or a benchmark's file, and systems")
    for number, data in enumerate(plan.data):
        if any((data.task.name, data.name) == (other.task.name, other.name) for other in plan.data[:number]):
            raise InputError(
                f"{data.task.name}: two sets of examples are called {data.name!r}; rename one, or name it once"
            )
        if not data.task.spans and len(data.task.labels) == 1:
            raise InputError(
                f"{data.name}: all examples have one label, {data.task.labels[0]}: nothing can be compared on them"
            )
    if plan.choose_at is not None and plan.settings.choose is None:
        raise InputError(f"choose_at {plan.choose_at:g} (--choose-at) needs choose (--choose N): how many to choose of")
    label_fractions.check([] if plan.choose_at is None else [plan.choose_at])
    # Two that ask an endpoint at once would pay twice, each with a limit of its own.
    with folder_lock.held(out, "comparing", _PATIENCE):
        return _compared(plan, out, show)


def _compared(plan: ComparisonPlan, out: Path, show: ComparisonShow) -> list[Cell]:
    cells: list[Cell] = []
    wholes = plan.data
    plan = replace(plan, data=[_scored(data, plan.most_test) for data in plan.data])
    points = {
        (data.task.name, data.name): label_fractions.points(data, plan.shares, plan.settings.seeds)
        for data in plan.data
    }
    models = Models(plan, wholes, points, out, show)
    result = _Result(plan, out)
    for of in points.values():
        columns = []
        for point in of:
            rows = [system for system in plan.systems if _is_for(system, point)]
            seeds: dict[str, list[metrics.Sums]] = {}
            parts = details.slices(point.data.splits["test"])
            column = [_cell(system, point, plan, out, show, seeds, parts, models) for system in rows]
            _rank(point.data, column, seeds)
            cells += column
            columns.append((point, column))
            result.data.append((point, parts.left_out))
            result.write(cells)
        result.curves += label_fractions.curves(columns)
    result.write(cells, finished=True)
    return cells


def _scored(data: Data, most: int | None) -> Data:
    if most is None or len(data.splits["test"]) <= most:
        return data
    note = f"{most:,} of {len(data.splits['test']):,} test examples were drawn"
    splits = {**data.splits, "test": readers.drawn(data.splits["test"], most)}
    return replace(data, splits=splits, notes=(*data.notes, note))


def _is_for(system: System, point: Point) -> bool:
    """Whether a system has a row: endpoints, which learn nothing, only beside all labels."""
    return systems.fits(system, point.data.task) and (point.share == 1 or system.kind != "chat")


def _cell(
    system: System,
    point: Point,
    plan: ComparisonPlan,
    out: Path,
    show: ComparisonShow,
    seeds: dict[str, list[metrics.Sums]],
    parts: details.Slices,
    models: Models,
) -> Cell:
    """A system on a task, with a share of its labels: `seeds` gets the sums of its runs."""
    task, test, leave_out = point.data.task, point.data.splits["test"], point.data.leave_out
    show.cell(system.name, task.name, point.data.name)
    drawn, by_seed = list[Cell](), list[list[Prediction]]()
    try:
        for data, own in point.draws:
            drawn.append(Cell(system.name, task.name, point.data.name))
            how = replace(plan, settings=replace(plan.settings, seeds=own))
            if system.kind == "model":
                by_seed += _model(system, data, point.of, how, models, drawn[-1])
            else:
                place = folder(out, system.name, task.name, data.name)
                by_seed += _RUNS[system.kind](system, data, how, place, show, drawn[-1])
    except SocorpusError as error:
        return _missing(system, point, show, str(error) + (f" ({system.hint})" if system.hint else ""))
    except (OSError, MemoryError):
        # A full disk, or a memory that is too small, is nothing of this system's.
        raise
    except Exception as error:
        # Hours of the others' work are not lost by a bug in one.
        place = folder(out, system.name, task.name, point.data.name)
        place.mkdir(parents=True, exist_ok=True)
        (place / "error.txt").write_text(traceback.format_exc(), "utf-8")
        known = f"{type(error).__name__}: {error}; this is a bug: please report it with {place / 'error.txt'}"
        return _missing(system, point, show, known)
    cell = label_fractions.merged(drawn, point)
    if len({example.thread for example in test}) == 1:
        cell.notes.append("all test examples are of one thread: there is nothing that an interval could be of")
    if len(test) < readers.FEW:
        cell.notes.append(f"fewer than {readers.FEW} test examples say little")
    cell.seeds = len(by_seed)
    if system.kind == "model" and len(by_seed) == 1:
        cell.notes.append(ONE_SEED)
    rows = [metrics.rows(task, test, answers, leave_out) for answers in by_seed]
    threads = np.array([example.thread for example in test])
    seeds[system.name] = sums = [metrics.by_thread(task, run, threads) for run in rows]
    cell.scores = {name: uncertainty.summary(name, sums) for name in metrics.names(task)}
    cell.labels = details.by_label(task, sums)
    cell.slices = details.by_slice(task, test, rows, parts)
    cell.calibration = details.calibration(task, test, by_seed, leave_out)
    cell.confusion = details.confusion(task, test, by_seed, leave_out)
    silent = sum(not answer.answered for answer in by_seed[0])
    if silent:
        cell.notes.append(f"{silent:,} of {len(test):,} answers could not be read and count as not knowing")
    return cell


def _missing(system: System, point: Point, show: ComparisonShow, sentence: str) -> Cell:
    show.missing(system.name, sentence)
    return Cell(system.name, point.data.task.name, point.data.name, missing=sentence)


def _rank(data: Data, column: Sequence[Cell], seeds: Mapping[str, list[metrics.Sums]]) -> None:
    """Set the differences of each cell of a column from the others, and what follows from these."""
    main = metrics.main(data.task)
    there = sorted((cell for cell in column if cell.scores), key=lambda cell: (-cell.scores[main].mean, cell.system))
    if not there:
        return
    there[0].best = True
    table = uncertainty.differences(main, seeds)
    groups = uncertainty.letters([cell.system for cell in there], (pair for pair in table if table[pair].differs))
    for cell in there:
        cell.group = groups[cell.system]
        cell.differences = {other.system: table[cell.system, other.system] for other in there if other is not cell}


# Runs of each kind of system.


def _once(
    folder: Path, work: Mapping[str, Any], data: Data, predict: Callable[[], tuple[list[Prediction], dict[str, Any]]]
) -> tuple[list[Prediction], dict[str, Any]]:
    """A system's predictions for the test split and facts about them; computed unless the same work is done.

    What is damaged, or of a release that wrote other facts, is computed anew.
    """
    test = data.splits["test"]
    identity = fingerprint({"facts": FACTS, **work, "data": data.identity})
    if (done := _done(folder, identity, test)) is not None:
        return done
    folder.mkdir(parents=True, exist_ok=True)
    answers, facts = predict()
    predictions.write(folder / "test.parquet", data.task, test, answers)
    write_json(folder / "done.json", {"identity": identity, **facts})
    return predictions.read(folder / "test.parquet", test), facts


def _done(folder: Path, identity: str, test: Sequence[Example]) -> tuple[list[Prediction], dict[str, Any]] | None:
    """What a folder holds of this work; None if it does not hold all of it."""
    try:
        facts = files.read_json(folder / "done.json")
        if not isinstance(facts, dict) or facts.get("identity") != identity:
            return None
        return predictions.read(folder / "test.parquet", test), facts
    except (OSError, ValueError, SocorpusError):
        return None


def _defined(
    system: System, data: Data, plan: ComparisonPlan, folder: Path, show: ComparisonShow, cell: Cell
) -> list[list[Prediction]]:
    def fit(seen: Data) -> Answering:
        fitted: Answering = _of_plugin(system, "fit", SYSTEMS[system.what].fit, seen)
        return fitted

    work = {"system": system.what, "version": SYSTEMS.version(system.what)}
    return _fitted_once(folder, work, data, plan, cell, fit, lambda fitted: _predicted(system, data, fitted))


def _frozen(
    system: System, data: Data, plan: ComparisonPlan, folder: Path, show: ComparisonShow, cell: Cell
) -> list[list[Prediction]]:
    from socorpus.training.evaluation import frozen

    model = found_model(system, plan)
    settings = plan.settings

    def fit(seen: Data) -> Answering:
        return frozen.fit(model, seen, settings, joined=system.kind == "joined")

    work = {"kind": system.kind, "version": frozen.VERSION, "model": model.identity}
    work |= {"length": settings.length, "windows": settings.windows}
    return _fitted_once(folder, work, data, plan, cell, fit, lambda fitted: fitted.predict(data.splits["test"]))


def _stacked(
    system: System, data: Data, plan: ComparisonPlan, folder: Path, show: ComparisonShow, cell: Cell
) -> list[list[Prediction]]:
    from socorpus.training.evaluation import frozen
    from socorpus.training.evaluation.entities import stacked

    model = found_model(system, plan) if system.what else None
    settings = plan.settings

    def fit(seen: Data) -> Answering:
        return stacked.fit(seen, None if model is None else stacked.encoder_vectors(model, seen.task, settings))

    work: dict[str, Any] = {"kind": system.kind, "version": stacked.VERSION, "votes": stacked.votes_version()}
    if model is not None:
        work |= {"vectors": frozen.VERSION, "model": model.identity, "length": settings.length}
    return _fitted_once(folder, work, data, plan, cell, fit, lambda fitted: fitted.predict(data.splits["test"]))


def _fitted_once(
    folder: Path,
    work: Mapping[str, Any],
    data: Data,
    plan: ComparisonPlan,
    cell: Cell,
    fit: Callable[[Data], Answering],
    predict: Callable[[Answering], Sequence[Prediction]],
) -> list[list[Prediction]]:
    """Predictions of a system that is fitted here, once, and its costs in the cell."""
    test = data.splits["test"]

    def answers() -> tuple[list[Prediction], dict[str, Any]]:
        started = time.perf_counter()
        # The system never sees the test split's texts while it learns, nor its labels at all.
        fitted = fit(replace(data, splits={**data.splits, "test": ()}))
        trained = time.perf_counter()
        predicted = list(predict(fitted))
        times = {"train_seconds": trained - started, "predict_seconds": time.perf_counter() - trained}
        named = ("parameters", "note", "configurations", "seconds")
        return predicted, times | {name: getattr(fitted, name, None) for name in named}

    predicted, facts = _once(folder, work, data, answers)
    cell.notes += [facts["note"]] if facts.get("note") else []
    cell.parameters, cell.device = facts["parameters"], "CPU"
    if (tried := facts.get("configurations")) is not None:
        cell.budget = Budget(tried, tried, seconds=facts["train_seconds"], chosen=facts["note"] or "")
    # The choice has a column of its own: of the fits only the one that was chosen counts here.
    cell.train_seconds = facts["train_seconds"] if facts.get("seconds") is None else facts["seconds"]
    cell.thousand_seconds = 1000 * facts["predict_seconds"] / len(test)
    if plan.price is not None:
        cell.train_dollars, cell.thousand_dollars = (
            seconds / 3600 * plan.price for seconds in (cell.train_seconds, cell.thousand_seconds)
        )
    return [predicted]


def _of_plugin(system: System, part: str, function: Callable[..., Any], given: Any, **more: Any) -> Any:
    origin, name = SYSTEMS.origin(system.what), f"{part} of system {system.what}"
    return plugins.call(function, given, plugin=origin, name=name, **more)


def _predicted(system: System, data: Data, fitted: Answering) -> list[Prediction]:
    """Predictions of a fitted system for the test split.

    Raises:
        BuildError: it fails, or returns something that is not a prediction of the task; names the example.
    """
    test = [replace(example, label=-1, probabilities=(), spans=(), source="gold") for example in data.splits["test"]]

    def culprit() -> str | None:
        for example in test:
            try:
                fitted.predict([example])
            except Exception:
                return example.key
        return None

    predicted = list(_of_plugin(system, "predict", fitted.predict, test, culprit=culprit))
    where = f"{plugins.where(SYSTEMS.origin(system.what))}: system {system.what}"
    if len(predicted) != len(test):
        raise BuildError(f"{where}: {len(predicted)} predictions for {len(test)} examples")
    for example, prediction in zip(test, predicted, strict=True):
        if fault := _fault(data, example, prediction):
            raise BuildError(f"{where}, on {example.key}: {fault}")
    return predicted


def _fault(data: Data, example: Example, prediction: Prediction) -> str | None:
    """A description of what is wrong with a prediction, or None."""
    if not isinstance(prediction, Prediction):
        return f"{type(prediction).__name__} is no Prediction"
    if not data.task.spans:
        count, labels = len(prediction.probabilities), len(data.task.labels)
        fine = count == labels and all(0 <= value <= 1 for value in prediction.probabilities)
        return None if fine else f"{count} probabilities from 0 to 1 for {labels} labels: {prediction.probabilities}"
    for span, _ in prediction.spans:
        if span.label not in data.task.labels or not 0 <= span.start < span.end <= len(example.text):
            return f"{span.label!r} at {span.start}:{span.end} of a text of {len(example.text)} characters"
    return None


def _model(
    system: System, data: Data, of: str, plan: ComparisonPlan, models: Models, cell: Cell
) -> list[list[Prediction]]:
    work, facts = models.facts(system, data)
    chosen = [result for result in facts["seeds"] if result["seed"] in plan.settings.seeds]
    cell.parameters = facts["parameters"]
    cell.device = chosen[0]["device"]
    cell.train_seconds = sum(result["train_seconds"] for result in chosen) / len(chosen)
    predicted = sum(result["predicted"] for result in chosen)
    cell.thousand_seconds = 1000 * sum(result["predict_seconds"] for result in chosen) / max(predicted, 1)
    price = plan.price if plan.price is not None else _price(cell.device)
    if price is not None:
        cell.train_dollars, cell.thousand_dollars = (
            seconds / 3600 * price for seconds in (cell.train_seconds, cell.thousand_seconds)
        )
    if any(counts["cut"] for counts in facts["cut"].values()):
        cut = facts["cut"]["test"]
        cell.notes.append(
            f"{cut['cut']:,} of {cut['texts']:,} test texts lost their end ({cut['tokens_cut']:,} tokens)"
        )
    if len(facts.get("rates", ())) > 1:
        rates = ", ".join(f"{tried['rate']:g}" for tried in facts["rates"])
        cell.notes.append(f"learning rate {facts['rate']:g}, chosen of {rates} on the validation split")
    cell.budget = _budget(facts)
    if cell.budget.passes is not None:
        cell.notes.append(cell.budget.chosen)
    _taught(system, models.teachers.get((system.name, data.task.name, of)), chosen, cell)
    cell.notes += [] if work.model.scratch else _pretraining(work.model.folder)
    places = [work.out / "seeds" / result.get("folder", str(result["seed"])) for result in chosen]
    return [predictions.read(place / "test.parquet", data.splits["test"]) for place in places]


def answers_of(system: System, data: Data, out: Path) -> list[list[Prediction]]:
    """The predictions of a fine-tuned model for the test split in the comparison at `out`, one list a seed.

    Raises:
        OSError, InputError: the comparison has none.
    """
    cell = folder(out, system.name, data.task.name, data.name)
    facts = files.read_json(cell / "finetune.json")
    places = [cell / "seeds" / result.get("folder", str(result["seed"])) for result in facts["seeds"]]
    return [predictions.read(place / "test.parquet", data.splits["test"]) for place in places]


def _budget(facts: Mapping[str, Any]) -> Budget:
    """What a fine-tuned model was allowed to choose."""
    if (choice := facts.get("choice")) is not None:
        tried = tuple(choice["tried"])
        return Budget(
            choice["configurations"],
            choice["trials"],
            choice["passes"],
            choice["seconds"],
            chosen=choice["note"],
            tried=tried,
        )
    rates = facts.get("rates") or [{}]
    chosen = f"rate {facts['rate']:g}" if len(rates) > 1 else ""
    return Budget(len(rates), len(rates) * len(facts["seeds"]) if len(rates) > 1 else None, chosen=chosen)


def _taught(system: System, teacher: Teacher | None, runs: Sequence[Mapping[str, Any]], cell: Cell) -> None:
    """What a model has learned from a corpus, in its cell."""
    if teacher is None:
        return
    left_out = f" ({teacher.left_out})" if teacher.left_out else ""
    if system.weak:
        cell.weak_labels = teacher.labels
        texts = len(teacher.data.splits["train"])
        cell.notes.append(
            f"first learned {teacher.labels:,} weak labels of {texts:,} texts of {teacher.name}{left_out}"
        )
    if system.selftrain:
        best = [run["rounds"][run["best_round"]]["texts"] for run in runs]
        cell.own_labels = sum(best) / len(best)
        rounds = ", ".join(f"{run['best_round']} of {len(run['rounds']) - 1}" for run in runs)
        more = "" if system.weak else left_out
        cell.notes.append(
            f"self-training on {len(teacher.texts):,} texts of {teacher.name}{more}: best round of each seed on the "
            f"validation split {rounds}"
        )


def _pretraining(folder: Path) -> list[str]:
    """A note on the tokens, hours and dollars of the pre-training of one of our models."""
    path = folder / "export.json"
    if not path.is_file():
        return []
    facts = files.read_json(path)
    dollars = "" if facts["dollars"] is None else f", ${facts['dollars']:,.2f}"
    hours = "" if facts["gpu_hours"] is None else f", {facts['gpu_hours']:.2f} hours of {facts['device'] or 'a device'}"
    return [f"pre-trained on {facts['tokens']:,} tokens{hours}{dollars}"]


def _price(device: str | None) -> float | None:
    kind = cost.named(device) if device else None
    return kind.price if kind is not None else None


def _chat(
    system: System, data: Data, plan: ComparisonPlan, place: Path, show: ComparisonShow, cell: Cell
) -> list[list[Prediction]]:
    from socorpus.training.llm import endpoint, prompt_choice

    asking, test, task = plan.asking, data.splits["test"], data.task
    price = None if (given := asking.prices.get(system.what)) is None else endpoint.Price(*given)
    kept = place.parent.parent / "answers.sqlite"

    def chat(variant: prompt_choice.Variant, limit: float | None) -> endpoint.Chat:
        asked = endpoint.Endpoint(
            system.what,
            system.url,
            shots=variant.shots,
            form=variant.form,
            concurrency=asking.concurrency,
            timeout=asking.timeout,
            price=price,
            # A self-hosted server has no price and needs no limit.
            limit=None if price is None else limit,
            variable=asking.key,
        )
        return endpoint.Chat(task, asked, kept, data.splits["train"], show.asked)

    settled = prompt_choice.Variant(system.shots or 0, system.form or "system")
    number = plan.settings.choose
    choices = (settled,) if number is None else prompt_choice.grid(number, system.shots, system.form or None)
    chats = [chat(variant, asking.limit) for variant in choices]
    chooser = prompt_choice.Chooser(task, choices, chat, data.splits["validation"], data.leave_out)

    def ask() -> tuple[list[Prediction], dict[str, Any]]:
        limit = asking.limit
        if price is not None and (len(choices) > 1 or limit is None):
            most = chooser.most(test)
            if limit is None and asking.ask is not None and most:
                part = f" (choosing of {len(choices)} prompts is part of it)" if len(choices) > 1 else ""
                limit = asking.ask(
                    f"{system.name}, {task.name}: {chats[0].estimate(test)}; at most about ${most:,.4g} in all{part}"
                )
            if len(choices) > 1:
                chooser.permit(system.what, most, limit)
        choice = chooser.choose(limit)
        asker = chat(choice.variant, None if limit is None else limit - (choice.spent or 0.0))
        predicted = asker.predict(test)
        return predicted, {"usage": asdict(asker.usage), "choice": {**asdict(choice), "note": choice.note}}

    identity = {"version": chats[0].version} if number is None else {"versions": [each.version for each in chats]}
    predicted, facts = _once(place, identity, data, ask)
    used = facts["usage"]
    cell.device = "endpoint"
    # Answers cached by an earlier run took no time now.
    if not used["cached"]:
        cell.thousand_seconds = 1000 * used["seconds"] / len(test)
    tokens = [used[f"{kind}_tokens"] + used[f"cached_{kind}_tokens"] for kind in ("input", "output")]
    if price is not None:
        cell.thousand_dollars = 1000 * price.of(tokens[0], tokens[1]) / len(test)
    cell.notes.append(f"{tokens[0]:,} tokens of input, {tokens[1]:,} of output, {used['repaired']:,} answers repaired")
    cell.notes += [f"{used[what]:,} {sentence}" for what, sentence in _NOTES.items() if used[what]]
    if number is not None:
        choice = facts["choice"]
        cell.notes.append(choice["note"])
        cell.budget = Budget(
            choice["variants"],
            choice["asked"],
            dollars=choice["worth"],
            chosen=choice["note"],
            tried=tuple(choice["tried"]),
        )
    return [predicted]


_RUNS = {"defined": _defined, "frozen": _frozen, "joined": _frozen, "stacked": _stacked, "chat": _chat}
_NOTES = {
    "cut": "texts were too long for the prompt and lost their middle",
    "unmatched": "entities were dropped, since their quote is not in the text or their type is none",
}


# The result.


class _Result:
    """The files of a comparison, written anew as it goes on.

    Attributes:
        data: the points that are done, with what their slices leave out.
        curves: those of tasks with several points.
    """

    def __init__(self, plan: ComparisonPlan, out: Path) -> None:
        self.data: list[tuple[Point, list[str]]] = []
        self.curves: list[Curve] = []
        self._plan, self._out = plan, out

    def write(self, cells: Sequence[Cell], finished: bool = False) -> None:
        """Write comparison.json, .html and the tables."""
        from socorpus.training.evaluation import comparison_page, table

        facts = {
            "finished": finished,
            "data": [
                {
                    "task": point.data.task.name,
                    "name": point.data.name,
                    "of": point.of,
                    "share": point.share,
                    "identity": point.data.identity,
                    "labels": list(point.data.task.labels),
                    "counts": {split: len(some) for split, some in point.data.splits.items()},
                    "notes": list(point.data.notes),
                    "slices_left_out": left_out,
                }
                for point, left_out in self.data
            ],
            "settings": asdict(self._plan.settings),
            "cells": [asdict(cell) for cell in cells],
            "curves": [asdict(curve) for curve in self.curves],
        }
        out = self._out
        write_json(out / RESULT, facts)
        table.write_csv(out / "comparison.csv", cells)
        table.write_details(out / "details.csv", cells)
        table.write_differences(out / "differences.csv", cells)
        if self.curves:
            table.write_curves(out / "curves.csv", self.curves)
        comparison_page.write(out / "comparison.html", facts)
