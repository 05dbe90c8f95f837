"""A page of a run's curves, or of several side by side, that opens offline."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from socorpus.corpus.errors import InputError
from socorpus.corpus.report import fragments, plots
from socorpus.corpus.report.page import page
from socorpus.corpus.report.sections import Section
from socorpus.corpus.storage import files
from socorpus.training.pretrain.clock import PHASES
from socorpus.training.pretrain.log import read_lines
from socorpus.training.pretrain.run import Run

_POINTS = 400
"""Points of a curve; behind more, each is the mean of neighbours."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Logged:
    """The log of a run: lines of steps and of validations, and the facts of run.json."""

    name: str
    steps: list[Mapping[str, Any]]
    held: list[Mapping[str, Any]]
    facts: Mapping[str, Any]

    def over_tokens(self, key: str) -> list[Point]:
        """A figure of steps over the tokens seen."""
        return [(line["tokens"], line[key]) for line in self.steps if line.get(key) is not None]

    def held_over_tokens(self, key: str) -> list[Point]:
        """A figure of validations over the tokens seen."""
        tokens = {line["step"]: line["tokens"] for line in self.steps}
        return [
            (tokens[line["step"]], line[key])
            for line in self.held
            if line.get(key) is not None and line["step"] in tokens
        ]


def write(runs: Sequence[Path], out: Path) -> None:
    """Write the page.

    Raises:
        InputError: a folder is no run, or its log is empty or damaged.
    """
    logs = [read(run, name) for run, name in zip(runs, names(runs), strict=True)]
    files.write_text(out, rendered(logs))


def names(runs: Sequence[Path]) -> list[str]:
    """A short name for each run: the shortest ends of their paths that differ."""
    paths = [run.absolute().parts for run in runs]
    longest = max(map(len, paths))
    for length in range(1, longest + 1):
        short = ["/".join(parts[-length:]) for parts in paths]
        if len(set(short)) == len(short):
            return short
    return [f"{name} ({number})" for number, name in enumerate(short, 1)]


def read(folder: Path, name: str) -> Logged:
    """Read a run's log.

    Raises:
        InputError: it is missing, empty or damaged; names the file and the line.
    """
    run = Run(folder)
    facts = run.facts()
    if facts is None or not files.exists(run.log):
        raise InputError(f"{folder}: no run with a log; give the folder that socorpus train wrote with --out")
    steps, held = list[Mapping[str, Any]](), list[Mapping[str, Any]]()
    lines = read_lines(run.log)
    for line in lines:
        if line.wrong is None:
            {"train": steps, "validation": held}.get(line.values["kind"], []).append(line.values)
        elif line.number < len(lines):  # else it is being written, or of a run that was killed
            raise InputError(f"{run.log}, line {line.number}: no line of a log ({line.wrong}); remove it")
    if not any(line.get("tokens") for line in steps):
        raise InputError(f"{run.log}: no step is done yet; wait for the first")
    return Logged(name, steps, held, facts)


def rendered(logs: Sequence[Logged]) -> str:
    """The page's HTML."""
    title = logs[0].name if len(logs) == 1 else f"{len(logs)} runs"
    sections = [Section("Runs", _table(logs)), Section("Loss", _reservation(logs) + fragments.grid(_losses(logs)))]
    sections.append(Section("Speed", fragments.grid(_speeds(logs))))
    last = logs[0].steps[-1]
    headline = []
    if len(logs) == 1:
        headline = [
            ("steps", f"{last['step']:,}"),
            ("tokens", f"{last['tokens']:,}"),
            ("loss", _number(last.get("loss"))),
            ("held-out loss", _number(logs[0].held[-1].get("loss") if logs[0].held else None)),
        ]
    return page("Training", title, "curves over the tokens that a model has seen", headline, sections)


def _reservation(logs: Sequence[Logged]) -> Markup:
    """A sentence where the losses of the runs can't be compared; nothing where they can."""
    reasons = {
        "tokenizer": "Losses are nats a token, and these runs have different tokenizers: they can't be compared.",
        "fingerprint": "These runs read different corpora, and each is held against its own validation split: their "
        "losses can't be compared.",
    }
    differ = [reason for fact, reason in reasons.items() if len({log.facts.get(fact) for log in logs}) > 1]
    return fragments.paragraph(differ[0]) if differ else Markup("")


def _table(logs: Sequence[Logged]) -> Any:
    head = ["run", "steps", "tokens", "loss", "held-out loss", "right", "tokens a second", "of peak", "device"]
    rows = []
    for log in logs:
        last, held = log.steps[-1], log.held[-1] if log.held else {}
        rows.append(
            [
                log.name,
                last["step"],
                last["tokens"],
                _number(last.get("loss")),
                _number(held.get("loss")),
                _share(held.get("accuracy")),
                "–" if last.get("tokens_per_second") is None else round(last["tokens_per_second"]),
                _share(last.get("share_of_peak")),
                log.facts.get("device", "–"),
            ]
        )
    return fragments.table(head, rows)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _losses(logs: Sequence[Logged]) -> list[Any]:
    plotted = [
        _plot(logs, "Training loss, nats a masked token", lambda log: log.over_tokens("loss")),
        _plot(logs, "Held-out loss, all masked tokens", lambda log: log.held_over_tokens("loss")),
        _plot(logs, "Held-out loss, prose", lambda log: log.held_over_tokens("loss_prose")),
        _plot(logs, "Held-out loss, code", lambda log: log.held_over_tokens("loss_code")),
        _plot(logs, "Held-out accuracy", lambda log: log.held_over_tokens("accuracy")),
        _plot(logs, "Norm of the gradient", lambda log: log.over_tokens("gradient_norm")),
        _plot(logs, "Learning rate", lambda log: log.over_tokens("lr")),
    ]
    return [figure for figure in plotted if figure is not None]


def _speeds(logs: Sequence[Logged]) -> list[Any]:
    plotted = [
        _plot(logs, "Tokens a second", lambda log: log.over_tokens("tokens_per_second")),
        _plot(logs, "Share of the device's measured rate", lambda log: log.over_tokens("share_of_peak")),
        _plot(logs, "Memory, GB", lambda log: [(x, y / 1e9) for x, y in log.over_tokens("memory_bytes")]),
    ]
    for log in logs:
        phases = {name: thinned(log.over_tokens(f"seconds_{name}")) for name in PHASES}
        phases = {name: curve for name, curve in phases.items() if curve}
        if phases:
            caption = "Seconds of a step by phase" + (f", {log.name}" if len(logs) > 1 else "")
            plotted.append(fragments.figure(plots.curves(caption, phases, "tokens"), caption))
    return [figure for figure in plotted if figure is not None]


def _plot(logs: Sequence[Logged], caption: str, points: Callable[[Logged], list[Point]]) -> Any:
    series = {log.name: curve for log in logs if (curve := thinned(points(log)))}
    return fragments.figure(plots.curves(caption, series, "tokens"), caption) if series else None


def thinned(points: Sequence[Point]) -> list[Point]:
    """At most `_POINTS` points: means of neighbours."""
    width = -(-len(points) // _POINTS)
    parts = [points[start : start + width] for start in range(0, len(points), width or 1)]
    return [(part[-1][0], sum(value for _, value in part) / len(part)) for part in parts]
