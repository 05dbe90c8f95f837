"""The comparison: every system on every task, on equal examples, with what it costs and how sure the difference is.

Each cell has a folder `cells/TASK-DATA/SYSTEM`, with what the system said of the test split (`predictions`) and
done.json; a cell that is done is not computed again, so a comparison grows, and goes on after a kill. A system that
can't run here gets a row that says what is missing.
"""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from socorpus.corpus import plugins
from socorpus.corpus.engine.receipts import fingerprint
from socorpus.corpus.errors import BuildError, InputError, SocorpusError
from socorpus.corpus.storage.files import write_json
from socorpus.training.evaluation.cell import Cell
from socorpus.training.evaluation.systems import SYSTEMS, Answering, System
from socorpus.training.examples import metrics, predictions, readers
from socorpus.training.examples.example import Data, Example, Prediction
from socorpus.training.finetuning import learner, pretrained
from socorpus.training.finetuning.settings import FinetuneSettings
from socorpus.training.pretrain import cost

RESULT = "comparison.json"


@dataclass(frozen=True)
class Asking:
    """How endpoints are asked.

    Attributes:
        key: environment variable that holds the key.
        limit: dollars that may be spent on each endpoint and task; None: `ask`.
        prices: model -> dollars for a million tokens of input, of output.
        concurrency: requests at a time.
        timeout: seconds that an answer may take.
        ask: what is told the cost, and answers the limit; None: whoever gave no limit is refused.
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
        most_test: examples that are scored on, drawn alike for all systems; None: all.
        price: dollars an hour of this machine; None: of its GPU by the table, unknown without one.
        work: folder whose `runs/` holds runs that systems are named by.
    """

    data: Sequence[Data]
    systems: Sequence[System]
    settings: FinetuneSettings = field(default_factory=FinetuneSettings)
    asking: Asking = field(default_factory=Asking)
    most_test: int | None = None
    download: bool = False
    price: float | None = None
    work: Path = Path()


class ComparisonShow(learner.FinetuningShow, Protocol):
    """What is told while systems are compared."""

    def cell(self, system: str, task: str, data: str) -> None:
        """A cell is begun."""

    def asked(self, done: int, total: int) -> None:
        """So many questions of so many have been answered."""

    def missing(self, system: str, sentence: str) -> None:
        """A system can't run."""


def compare(plan: ComparisonPlan, out: Path, show: ComparisonShow) -> list[Cell]:
    """Run every system on every task and write comparison.json, .csv and .html into `out`.

    Returns:
        A cell for each system and task, in the order of tasks, then systems.

    Raises:
        InputError: the folder holds something else, or there is nothing to compare.
    """
    if not plan.data or not plan.systems:
        raise InputError("nothing to compare: name a corpus or a benchmark's file, and systems")
    for at, one in enumerate(plan.data):
        if any((one.task.name, one.name) == (other.task.name, other.name) for other in plan.data[:at]):
            raise InputError(
                f"{one.task.name}: two sets of examples are called {one.name!r}; rename one, or name it once"
            )
    out.mkdir(parents=True, exist_ok=True)
    cells: list[Cell] = []
    plan = replace(plan, data=[_scored(data, plan.most_test) for data in plan.data])
    for data in plan.data:
        seeds: dict[str, list[metrics.Sums]] = {}
        column = [_cell(system, data, plan, out, show, seeds) for system in plan.systems]
        _rank(data, column, seeds)
        cells += column
        _write(plan, cells, out)
    return cells


def _scored(data: Data, most: int | None) -> Data:
    if most is None or len(data.splits["test"]) <= most:
        return data
    note = f"{most:,} of {len(data.splits['test']):,} test examples were drawn"
    splits = {**data.splits, "test": readers.drawn(data.splits["test"], most)}
    return replace(data, splits=splits, notes=(*data.notes, note))


def _cell(
    system: System,
    data: Data,
    plan: ComparisonPlan,
    out: Path,
    show: ComparisonShow,
    seeds: dict[str, list[metrics.Sums]],
) -> Cell:
    cell = Cell(system.name, data.task.name, data.name)
    folder = out / "cells" / _name(f"{data.task.name}-{data.name}") / _name(system.name)
    show.cell(system.name, data.task.name, data.name)
    try:
        said = {"defined": _defined, "model": _model, "chat": _chat}[system.kind](
            system, data, plan, folder, show, cell
        )
    except SocorpusError as error:
        cell.missing = str(error) + (f" ({system.hint})" if system.hint else "")
        show.missing(system.name, cell.missing)
        return cell
    test = data.splits["test"]
    cell.seeds = len(said)
    sums = [metrics.sums(data.task, test, one, data.leave_out) for one in said]
    seeds[system.name] = sums
    cell.scores = {name: metrics.summary(name, sums) for name in metrics.names(data.task)}
    cell.labels = metrics.by_label([metrics.scores(data.task, test, one, data.leave_out) for one in said])
    silent = sum(not one.answered for one in said[0])
    if silent:
        cell.notes.append(f"{silent:,} of {len(test):,} answers could not be read and count as not knowing")
    return cell


def _name(text: str) -> str:
    """A text as a folder's name of its own: where it had to be changed, its fingerprint tells it from others."""
    clean = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")
    return clean if clean and clean == text else f"{clean}-{fingerprint(text)[:8]}".lstrip("-")


def _rank(data: Data, column: Sequence[Cell], seeds: Mapping[str, list[metrics.Sums]]) -> None:
    """Mark the best of a column, and say of each other one how likely the difference is by chance."""
    main = metrics.main(data.task)
    there = [one for one in column if one.scores]
    if not there:
        return
    best = max(there, key=lambda one: one.scores[main].mean)
    best.best = True
    for one in there:
        if one is not best:
            one.p = metrics.p_value(main, seeds[best.system], seeds[one.system])


# How each kind runs.


def _once(
    folder: Path, work: Mapping[str, Any], data: Data, predict: Callable[[], tuple[list[Prediction], dict[str, Any]]]
) -> tuple[list[Prediction], dict[str, Any]]:
    """What a system says of the test split and what is known of its answers; asked for unless the same work is done."""
    path, test = folder / "done.json", data.splits["test"]
    identity = fingerprint({**work, "data": data.identity})
    facts: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    if facts.get("identity") != identity:
        folder.mkdir(parents=True, exist_ok=True)
        said, more = predict()
        predictions.write(folder / "test.parquet", data.task, test, said)
        facts = {"identity": identity, **more}
        write_json(path, facts)
    return predictions.read(folder / "test.parquet", test), facts


def _defined(
    system: System, data: Data, plan: ComparisonPlan, folder: Path, show: ComparisonShow, cell: Cell
) -> list[list[Prediction]]:
    test = data.splits["test"]

    def answers() -> tuple[list[Prediction], dict[str, Any]]:
        started = time.perf_counter()
        # What is scored is not there to learn from, and the labels of the test split are in nobody's hands.
        fitted = _of_plugin(system, "fit", SYSTEMS[system.what].fit, replace(data, splits={**data.splits, "test": ()}))
        trained = time.perf_counter()
        said = _said(system, data, fitted)
        times = {"train_seconds": trained - started, "predict_seconds": time.perf_counter() - trained}
        return said, {**times, "parameters": getattr(fitted, "parameters", None)}

    work = {"system": system.what, "version": SYSTEMS.version(system.what)}
    said, facts = _once(folder, work, data, answers)
    cell.parameters, cell.device = facts["parameters"], "CPU"
    cell.train_seconds = facts["train_seconds"]
    cell.thousand_seconds = 1000 * facts["predict_seconds"] / len(test)
    if plan.price is not None:
        cell.train_dollars, cell.thousand_dollars = (
            seconds / 3600 * plan.price for seconds in (cell.train_seconds, cell.thousand_seconds)
        )
    return [said]


def _of_plugin(system: System, part: str, function: Callable[..., Any], given: Any, **more: Any) -> Any:
    origin, name = SYSTEMS.origin(system.what), f"{part} of system {system.what}"
    return plugins.call(function, given, plugin=origin, name=name, **more)


def _said(system: System, data: Data, fitted: Answering) -> list[Prediction]:
    """What a fitted system says of the test split.

    Raises:
        BuildError: it fails, or what it says is no prediction of the task; names the example.
    """
    test = [replace(one, label=-1, probabilities=(), spans=(), source="gold") for one in data.splits["test"]]

    def culprit() -> str | None:
        for one in test:
            try:
                fitted.predict([one])
            except Exception:
                return one.key
        return None

    said = list(_of_plugin(system, "predict", fitted.predict, test, culprit=culprit))
    where = f"{plugins.where(SYSTEMS.origin(system.what))}: system {system.what}"
    if len(said) != len(test):
        raise BuildError(f"{where}: {len(said)} predictions for {len(test)} examples")
    for one, prediction in zip(test, said, strict=True):
        if fault := _fault(data, one, prediction):
            raise BuildError(f"{where}, on {one.key}: {fault}")
    return said


def _fault(data: Data, one: Example, said: Prediction) -> str | None:
    """What is not right about a prediction."""
    if not isinstance(said, Prediction):
        return f"{type(said).__name__} is no Prediction"
    if not data.task.spans:
        count, labels = len(said.probabilities), len(data.task.labels)
        fine = count == labels and all(0 <= value <= 1 for value in said.probabilities)
        return None if fine else f"{count} probabilities from 0 to 1 for {labels} labels: {said.probabilities}"
    for span, _ in said.spans:
        if span.label not in data.task.labels or not 0 <= span.start < span.end <= len(one.text):
            return f"{span.label!r} at {span.start}:{span.end} of a text of {len(one.text)} characters"
    return None


def _model(
    system: System, data: Data, plan: ComparisonPlan, folder: Path, show: ComparisonShow, cell: Cell
) -> list[list[Prediction]]:
    what = system.what
    # A preset's run lies in the corpus.
    if what.startswith("runs/") and not Path(what).exists():
        what = str(plan.work / what)
    found = pretrained.find(what, plan.download)
    facts = learner.finetune(replace(found, name=system.name), data, plan.settings, folder, show, renew=True)
    chosen = [one for one in facts["seeds"] if one["seed"] in plan.settings.seeds]
    cell.parameters = facts["parameters"]
    cell.device = chosen[0]["device"]
    cell.train_seconds = sum(one["train_seconds"] for one in chosen) / len(chosen)
    predicted = sum(one["predicted"] for one in chosen)
    cell.thousand_seconds = 1000 * sum(one["predict_seconds"] for one in chosen) / max(predicted, 1)
    price = plan.price if plan.price is not None else _price(cell.device)
    if price is not None:
        cell.train_dollars, cell.thousand_dollars = (
            seconds / 3600 * price for seconds in (cell.train_seconds, cell.thousand_seconds)
        )
    if any(one["cut"] for one in facts["cut"].values()):
        cut = facts["cut"]["test"]
        cell.notes.append(
            f"{cut['cut']:,} of {cut['texts']:,} test texts lost their end ({cut['tokens_cut']:,} tokens)"
        )
    cell.notes += [] if found.scratch else _pretraining(found.folder)
    place = folder / "seeds"
    return [predictions.read(place / str(one["seed"]) / "test.parquet", data.splits["test"]) for one in chosen]


def _pretraining(folder: Path) -> list[str]:
    """What a model of ours was pre-trained on, and for how much."""
    path = folder / "export.json"
    if not path.is_file():
        return []
    facts = json.loads(path.read_text("utf-8"))
    dollars = "" if facts["dollars"] is None else f", ${facts['dollars']:,.2f}"
    hours = "" if facts["gpu_hours"] is None else f", {facts['gpu_hours']:.2f} hours of {facts['device'] or 'a device'}"
    return [f"pre-trained on {facts['tokens']:,} tokens{hours}{dollars}"]


def _price(device: str | None) -> float | None:
    kind = cost.named(device) if device else None
    return kind.price if kind is not None else None


def _chat(
    system: System, data: Data, plan: ComparisonPlan, folder: Path, show: ComparisonShow, cell: Cell
) -> list[list[Prediction]]:
    from socorpus.training.llm import endpoint

    asking, test = plan.asking, data.splits["test"]
    price = asking.prices.get(system.what)
    asked = endpoint.Endpoint(
        system.what,
        system.url,
        shots=system.shots,
        concurrency=asking.concurrency,
        timeout=asking.timeout,
        price=None if price is None else endpoint.Price(*price),
        # A server of one's own has no price, and needs no limit.
        limit=None if price is None else asking.limit,
        variable=asking.key,
    )
    kept = folder.parent.parent / "answers.sqlite"
    chat = endpoint.Chat(data.task, asked, kept, data.splits["train"], show.asked)

    def ask() -> tuple[list[Prediction], dict[str, Any]]:
        asker = chat
        if asking.ask is not None and price is not None and asked.limit is None:
            estimate = chat.estimate(test)
            if estimate.requests:
                limited = replace(asked, limit=asking.ask(f"{system.name}, {data.task.name}: {estimate}"))
                asker = endpoint.Chat(data.task, limited, kept, data.splits["train"], show.asked)
        return asker.predict(test), {"usage": asdict(asker.usage)}

    said, facts = _once(folder, {"version": chat.version}, data, ask)
    used = facts["usage"]
    cell.device = "endpoint"
    # What was kept from an earlier run took no time now.
    if not used["cached"]:
        cell.thousand_seconds = 1000 * used["seconds"] / len(test)
    tokens = [used[f"{kind}_tokens"] + used[f"cached_{kind}_tokens"] for kind in ("input", "output")]
    if price is not None:
        cell.thousand_dollars = 1000 * endpoint.Price(*price).of(tokens[0], tokens[1]) / len(test)
    cell.notes.append(f"{tokens[0]:,} tokens of input, {tokens[1]:,} of output, {used['repaired']:,} answers repaired")
    cell.notes += [f"{used[what]:,} {told}" for what, told in _TOLD.items() if used[what]]
    return [said]


_TOLD = {
    "cut": "texts were too long for the prompt and lost their middle",
    "unmatched": "entities were dropped, since their quote is not in the text or their type is none",
}


# The result.


def _write(plan: ComparisonPlan, cells: Sequence[Cell], out: Path) -> None:
    from socorpus.training.evaluation import table as evaluate_table

    facts = {
        "data": [
            {
                "task": one.task.name,
                "name": one.name,
                "identity": one.identity,
                "labels": list(one.task.labels),
                "counts": {split: len(some) for split, some in one.splits.items()},
                "notes": list(one.notes),
            }
            for one in plan.data
        ],
        "settings": asdict(plan.settings),
        "cells": [asdict(one) for one in cells],
    }
    write_json(out / RESULT, facts)
    evaluate_table.write_csv(out / "comparison.csv", cells)
    evaluate_table.write_page(out / "comparison.html", facts)
