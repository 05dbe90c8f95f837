"""`socorpus train`, `plan` and `export`."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from socorpus.cli import view
from socorpus.cli.build import Corpus
from socorpus.corpus.errors import InputError

if TYPE_CHECKING:
    from socorpus.training.pretrain.log import Line


Preset = Annotated[
    str,
    typer.Option(help="tiny, mini, modern-base, modern-large, sobert-tiny, sobert-base or sobert-large."),
]
Settings = Annotated[Path | None, typer.Option("--config", help="A TOML file; docs/training.md lists its keys.")]
Price = Annotated[float | None, typer.Option(min=0.0, help="Dollars an hour of one GPU. Default: by its kind.")]


def train(
    corpus: Corpus,
    preset: Preset = "tiny",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of the run. Default: CORPUS/runs/PRESET.")
    ] = None,
    config: Settings = None,
    gpus: Annotated[int | None, typer.Option(min=1, help="Ranks to start on this machine. Default: its GPUs.")] = None,
    price: Price = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and the configuration, and stop.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Forget what the run's folder holds, and begin anew.")] = False,
) -> None:
    """Pre-train an encoder on a corpus's shards, or go on with a run that was stopped."""
    from socorpus.training import presets
    from socorpus.training.pretrain import distributed
    from socorpus.training.pretrain.run import Run

    settings = presets.load(preset, config)
    run = out or corpus / "runs" / preset
    if dry_run:
        _show_plan(corpus, settings, "h100", gpus or 1, price, None)
        return
    need()
    if force and distributed.started():
        # One rank would delete what another begins to write.
        raise InputError(f"--force is not for ranks that torchrun or srun started: delete {run} first")
    if force:
        Run(run).clear()
    count = gpus or distributed.gpus()
    if count > 1 and not distributed.started():
        from socorpus.training.pretrain import launch

        # The ranks go on with what this process has cleared.
        arguments = [one for one in sys.argv[1:] if one != "--force"]
        code = launch.ranks(count, arguments, run)
        if code:
            raise typer.Exit(code)
        return
    from socorpus.training.pretrain import trainer

    facts = trainer.train(corpus, run, settings, Screen(), price)
    if distributed.first():
        _show_end(run, facts)
    if facts["step"] < facts["steps"]:
        raise typer.Exit(130)


def plan(
    corpus: Corpus,
    preset: Preset = "modern-base",
    gpu: Annotated[str, typer.Option(help="Kind of GPU: a100-40, a100, h100, h200, l40s or l4.")] = "h100",
    gpus: Annotated[int, typer.Option(min=1, help="How many of them.")] = 1,
    config: Settings = None,
    price: Price = None,
    run: Annotated[Path | None, typer.Option(help="A run whose figures to show beside. Default: as of train.")] = None,
) -> None:
    """Say what a training run would cost: parameters, arithmetic, memory, hours and dollars, before any is spent."""
    from socorpus.training import presets

    settings = presets.load(preset, config)
    _show_plan(corpus, settings, gpu, gpus, price, run or corpus / "runs" / preset)


def export(
    run: Annotated[Path, typer.Argument(help="Folder of the run.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the model.")],
    step: Annotated[int | None, typer.Option(min=0, help="Checkpoint to take. Default: the newest.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what the folder holds.")] = False,
) -> None:
    """Write a run's model for transformers, with tokenizer and card, and prove that it is the same model."""
    need("safetensors", "transformers")
    from socorpus.training.export import huggingface

    facts = huggingface.export(run, out, force, step)
    table = view.table("model", "class", "parameters", "step", "largest difference")
    table.add_row(
        str(out),
        facts["architecture"],
        view.number(facts["parameters"]),
        view.number(facts["step"]),
        f"{facts['largest_difference']:.1e}",
    )
    view.out.print(table)


class Screen:
    """Shows a run: a line that is written over on a terminal, else one now and then."""

    def __init__(self) -> None:
        self._line = view.Line()

    def begin(self, facts: Mapping[str, Any]) -> None:
        """The run begins, or goes on."""
        told = f"from step {facts['step']:,} on" if facts["step"] else "from the start"
        view.err.print(f"training to step {facts['steps']:,}, {told}: {facts['run']}", markup=False)

    def step(self, line: "Line") -> None:
        """A step is done."""
        self._line.now(told(line), last=line.step == line.steps)

    def validated(self, step: int, scores: Mapping[str, float]) -> None:
        """The held-out split was scored."""
        parts = [
            f"{name.strip('_') or 'all'} loss {scores[f'loss{name}']:.3f}, right {scores[f'accuracy{name}']:.1%}"
            for name in ("", "_prose", "_code")
            if f"loss{name}" in scores
        ]
        self._line.stay(f"step {step:,} held out: {'; '.join(parts)}")

    def saved(self, step: int) -> None:
        """A checkpoint is being written."""
        if self._line.live:
            self._line.stay(f"step {step:,} is being saved")


def told(line: "Line") -> str:
    """A step in one line: loss, speed, share of the device's peak, time and money left."""
    parts = [
        f"step {line.step:,}/{line.steps:,}",
        f"loss {line.loss:.3f}",
        f"{line.tokens_per_second:,.0f} tokens/s",
        f"{line.share:.0%} of peak",
    ]
    if line.seconds_left is not None and line.step < line.steps:
        parts.append(f"{view.duration(line.seconds_left)} left")
        if line.dollars_left is not None:
            parts.append(f"${line.dollars_left:,.2f} left")
    return "  ".join(parts)


def _show_end(run: Path, facts: Mapping[str, Any]) -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\n")
    table = view.table("run", "parameters", "tokens", "petaFLOP", "of peak", "GPU hours", "dollars")
    dollars = "–" if facts["dollars"] is None else f"{facts['dollars']:,.2f}"
    table.add_row(
        str(run),
        view.number(facts["parameters"]),
        view.number(facts["tokens"]),
        f"{facts['flops'] / 1e15:,.2f}",
        f"{facts['share_of_peak']:.0%}",
        f"{facts['gpu_hours']:,.3f}",
        dollars,
    )
    view.out.print(table)
    if facts["step"] < facts["steps"]:
        view.err.print(f"stopped at step {facts['step']:,}, which is saved; the same command goes on from there")


def _show_plan(corpus: Path, settings: Any, kind: str, gpus: int, price: float | None, run: Path | None) -> None:
    from socorpus.corpus.toml_config import to_toml
    from socorpus.training.pretrain import plan as pretrain_plan

    made = pretrain_plan.plan(corpus, settings, kind, gpus, price)
    measured = pretrain_plan.measured(run) if run is not None else None
    table = view.table("", "planned", *(["measured"] if measured else []))
    for name, planned, seen in pretrain_plan.rows(made, measured):
        table.add_row(name, planned, *([seen] if measured else []))
    view.out.print(table)
    for note in made.notes:
        view.out.print(note, style="dim", markup=False)
    if run is None:
        view.out.print("\nConfiguration:\n")
        view.out.print(to_toml(settings), markup=False)


def need(*more: str) -> None:
    """Say what is missing before anything is begun."""
    from importlib.util import find_spec

    wanted = ("torch", "megatron", "psutil", "tensorboard", "tokenizers", *more)
    missing = [name for name in wanted if find_spec(name) is None]
    if missing:
        raise InputError(f"training needs {', '.join(missing)}: pip install 'socorpus[training]'")
