"""Arguments and options shared by several commands, and the shell completion of their values."""

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Annotated

import typer

from socorpus.cli.choices import Bits, Weighting


def _completed(names: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """A completion that looks up its names only when needed: help must not wait for them."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in names() if name.startswith(incomplete)]

    return complete


def _tasks() -> list[str]:
    from socorpus.labeling import task_names

    return task_names()


def _presets() -> list[str]:
    from socorpus.training import preset_names

    return preset_names()


complete_task = _completed(_tasks)
complete_preset = _completed(_presets)
complete_build_preset = _completed(lambda: ("default", "sobert"))
complete_sample = _completed(
    lambda: (
        *("uncertain", "disagreement", "random", "diverse", "class", "class:", "tag:"),
        *(f"slice:{way}" for way in ("tag", "year", "site", "length")),
    )
)
complete_system = _completed(lambda: ("audits", "paper", "chat:", "scratch:"))


def use(
    plugin: list[str] | None,
    corpus: Path | None = None,
    *,
    needed: bool = False,
    reads: Collection[str] = ("labels",),
    without: list[str] | None = None,
) -> None:
    """Load the plug-ins that a command names, and those that its corpus was built with.

    Args:
        needed: whether all plug-ins of the corpus must be available.
        reads: the plug-ins' tables in the corpus that the command reads: signals, labels.
        without: plug-ins of the corpus that the command takes out of it.
    """
    from socorpus.corpus import use_plugins

    use_plugins(plugin or (), corpus, needed=needed, reads=reads, without=without or ())


Corpus = Annotated[Path, typer.Argument(help="Folder of the corpus.", show_default=False)]
Task = Annotated[
    str,
    typer.Option(
        "--task",
        help="quality, closure, obsolescence, entities, or a plug-in's.",
        show_default=False,
        autocompletion=complete_task,
    ),
]
Tasks = Annotated[
    list[str] | None,
    typer.Option(
        "--task",
        help="Only this task: quality, closure, obsolescence, entities, or a plug-in's. Repeatable.",
        autocompletion=complete_task,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=0, help="Worker processes; 0: only this one. Default: one per core, none for little.", metavar="N"
    ),
]
Scheduler = Annotated[str | None, typer.Option(help="Address of a running Dask scheduler.", metavar="ADDRESS")]
Log = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Append progress, warnings and errors to this file, as JSON Lines.", show_default=False
    ),
]
Compared = Annotated[
    Path | None,
    typer.Option(
        "--diff",
        metavar="PAGE",
        help="Write what changes in the finished corpus to this HTML page (socorpus diff).",
        show_default=False,
    ),
]
Preset = Annotated[
    str,
    typer.Option(
        help="tiny, mini, modern-base, modern-large, sobert-tiny, sobert-base, sobert-large, or a plug-in's.",
        autocompletion=complete_preset,
    ),
]
Recipe = Annotated[
    str | None,
    typer.Option(
        "--preset",
        help="tiny, mini, modern-base, modern-large, sobert-tiny, sobert-base, sobert-large, or a plug-in's; with "
        "--init only its recipe, by default continued.",
        autocompletion=complete_preset,
    ),
]
Init = Annotated[
    str | None,
    typer.Option(
        "--init",
        metavar="MODEL",
        help="Weights to start from: a run, its checkpoint, or a MegatronBERT or ModernBERT by folder or hub name.",
        show_default=False,
    ),
]
TrainingConfig = Annotated[Path | None, typer.Option("--config", help="TOML file (keys: docs/training.md).")]
GpuPrice = Annotated[
    float | None, typer.Option(min=0.0, help="Dollars per GPU hour. Default: by the kind of GPU.", metavar="DOLLARS")
]
Plugins = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin",
        metavar="FILE",
        help="A plug-in: a Python file, or a module (docs/plugins.md). Repeatable.",
        show_default=False,
    ),
]

Epochs = Annotated[int, typer.Option(min=1, help="Maximum number of epochs.")]
Patience = Annotated[int, typer.Option(min=1, help="Stop after this many epochs without a better validation score.")]
Rate = Annotated[
    str | None,
    typer.Option(
        metavar="RATE,…",
        help="Peak learning rate; of several, such as 1e-5,3e-5, the validation split chooses. Default: by the model's "
        "width.",
    ),
]
Choose = Annotated[
    int | None,
    typer.Option(
        min=2,
        max=15,
        metavar="N",
        help="Configurations of rate and epochs to choose from on the validation split, by successive halving. "
        "Default: no choice.",
    ),
]
Batch = Annotated[int, typer.Option(min=1, help="Examples per step.")]
Length = Annotated[
    int | None, typer.Option(min=16, help="Tokens per window. Default: the model's context, at most 2,048.")
]
Seeds = Annotated[
    str, typer.Option(metavar="N|SEED,…", help="Number of random seeds to train, or the seeds: 3 is 0,1,2.")
]
Processes = Annotated[
    int | None,
    typer.Option(
        "--processes",
        min=1,
        metavar="N",
        help="Seeds and rates to train at a time. Default: one per GPU, or by cores and memory.",
    ),
]
Most = Annotated[int | None, typer.Option(min=1, help="Number of training examples to draw. Default: all.")]
Hard = Annotated[bool, typer.Option("--hard", help="Train on hard labels, without their probabilities.")]
Weights = Annotated[Weighting, typer.Option(help="Class weighting.")]
Quantized = Annotated[
    Bits | None,
    typer.Option("--bits", help="Load a decoder's weights quantised to 8 or 4 bits (needs CUDA and bitsandbytes)."),
]
Download = Annotated[bool, typer.Option("--download", help="Download missing models from the Hugging Face hub.")]
