"""`socorpus train`, `plan` and `export`."""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from socorpus.cli import options, terminal, view
from socorpus.cli.choices import Gpu

if TYPE_CHECKING:
    from socorpus.corpus import Progress
    from socorpus.training import Config, TrainingStep


def train(
    corpus: options.Corpus,
    preset: options.Recipe = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of the run. Default: CORPUS/runs/PRESET.")
    ] = None,
    config: options.TrainingConfig = None,
    init: options.Init = None,
    download: options.Download = False,
    gpus: Annotated[
        int | None, typer.Option(min=1, help="Processes to start on this machine. Default: one per GPU.")
    ] = None,
    price: options.GpuPrice = None,
    plugin: options.Plugins = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and the configuration, and stop.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Discard the run in the folder and start over.")] = False,
    log: Annotated[
        list[str] | None, typer.Option("--log", help="Tracker that gets the figures too: wandb, where installed.")
    ] = None,
    profile: Annotated[
        int, typer.Option(min=0, help="Steps to record with PyTorch's profiler, into the run's folder profile.")
    ] = 0,
) -> None:
    """Pre-train an encoder on a corpus's shards, or resume a run that was stopped."""
    from socorpus.training import RankError, default_run
    from socorpus.training import train as pretrain

    options.use(plugin, corpus, reads=())
    if dry_run:
        recipe = preset if init else preset or "tiny"
        _show_configuration(_show_plan(corpus, recipe, config, None, gpus or 1, price, init, download))
        return
    run, screen = out or corpus / "runs" / (default_run(init) if init else preset or "tiny"), Screen()
    try:
        with view.stoppable(), Tokens() as tokens:
            screen.loading()
            facts = pretrain(
                corpus,
                run,
                preset,
                config,
                init=init,
                download=download,
                gpus=gpus,
                price=price,
                force=force,
                log=log or (),
                profile=profile,
                show=screen,
                show_tokens=tokens,
            )
    except RankError as error:
        # The rank has reported its error itself.
        raise typer.Exit(error.code) from None
    # Only the first rank shows the result.
    if screen.used:
        _show_end(run, facts)
    if facts["step"] < facts["steps"]:
        raise typer.Exit(128 + facts.get("stopped_by", signal.SIGINT))


def plan(
    corpus: options.Corpus,
    preset: options.Recipe = None,
    gpu: Annotated[Gpu | None, typer.Option(help="Kind of GPU. Default: what this machine has.")] = None,
    gpus: Annotated[int, typer.Option(min=1, help="Number of GPUs.")] = 1,
    config: options.TrainingConfig = None,
    init: options.Init = None,
    download: options.Download = False,
    price: options.GpuPrice = None,
    plugin: options.Plugins = None,
    run: Annotated[
        Path | None, typer.Option(help="Run to compare with. Default: CORPUS/runs/PRESET, if it is there.")
    ] = None,
) -> None:
    """Estimate what a training run takes: parameters, arithmetic, memory, hours and dollars."""
    options.use(plugin, corpus, reads=())
    from socorpus.training import default_run

    named = default_run(init) if init else preset or "modern-base"
    _show_plan(corpus, preset, config, gpu, gpus, price, init, download, run or corpus / "runs" / named)


def curves(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The page, an HTML file.")] = Path("curves.html"),
) -> None:
    """Show the curves of training runs on a page, side by side: losses, speed, memory."""
    from socorpus.training import training_curves

    view.out.print(f"curves: {view.place(training_curves(runs, out))}")


def export(
    run: Annotated[Path, typer.Argument(help="Folder of the run.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the model.", show_default=False)],
    step: Annotated[int | None, typer.Option(min=0, help="Checkpoint to export. Default: the newest.")] = None,
    sentence: Annotated[
        bool, typer.Option("--sentence", help="Mean pooling and no head, for sentence-transformers.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace what the folder holds.")] = False,
) -> None:
    """Export a run's model for transformers, with tokenizer and card, and check that it is the same model."""
    from socorpus.training import export_model

    facts = export_model(run, out, step=step, force=force, sentence=sentence)
    table = view.table("model", "class", "parameters", "step", "largest difference")
    table.add_row(
        view.place(out),
        facts["architecture"],
        view.number(facts["parameters"]),
        view.number(facts["step"]),
        f"{facts['largest_difference']:.1e}",
    )
    view.out.print(table)


class Tokens:
    """Progress of tokens that are made before a run begins, as that of a build's stages; none while it goes on."""

    def __init__(self) -> None:
        self._stages: view.Stages | None = None

    def __enter__(self) -> "Tokens":
        return self

    def __exit__(self, *_: object) -> None:
        if self._stages is not None:
            self._stages.__exit__()
            self._stages = None

    def __call__(self, now: "Progress") -> None:
        """Show how far the tokens are, or a remark."""
        if self._stages is None:
            self._stages = view.Stages().__enter__()
        self._stages(now)
        if now.done == now.items:
            self.__exit__()


class Screen:
    """Progress of a run: a line that is overwritten on a terminal, else a line now and then."""

    def __init__(self) -> None:
        self._line = view.ProgressLine()
        self.used = False

    def loading(self) -> None:
        """PyTorch and megatron-core are about to be loaded, which takes seconds."""
        # Ranks, which others have started, are many.
        if "RANK" not in os.environ and "SLURM_PROCID" not in os.environ:
            view.say("loading PyTorch and megatron-core")

    def says(self, sentence: str) -> None:
        """Something that takes a while begins, or is found."""
        view.say(sentence)

    def begin(self, facts: Mapping[str, Any]) -> None:
        """The run begins or resumes."""
        self.used = True
        start = f"from step {facts['step']:,} on" if facts["step"] else "from the start"
        if not facts["step"] and (init := facts.get("init")) is not None:
            apart = init.get("largest_difference")
            equal = "" if apart is None else f", whose logits are the model's (to {apart:.0e})"
            start = f"from the weights of {init['name']} on{equal}"
        view.say(f"training to step {facts['steps']:,}, {start}: {facts['run']}")
        if facts.get("corpora"):
            view.say(", ".join(f"{part['share']:.1%} {part['name']}" for part in facts["corpora"]))

    def step(self, line: "TrainingStep") -> None:
        """A step is done."""
        self._line.now(described(line), last=line.step == line.steps)

    def validated(self, step: int, scores: Mapping[str, float]) -> None:
        """The held-out split was scored."""
        parts = [
            f"{name.strip('_/') or 'all'} loss {scores[f'loss{name}']:.3f}, right {scores[f'accuracy{name}']:.1%}"
            for name in (key.removeprefix("loss") for key in scores if key.startswith("loss"))
        ]
        self._line.stay(f"step {step:,} held out: {'; '.join(parts) or 'no token was masked'}")

    def saved(self, step: int) -> None:
        """A checkpoint is being written."""
        if self._line.live:
            self._line.stay(f"step {step:,} is being saved")


def described(line: "TrainingStep") -> str:
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
    if terminal.is_terminal(sys.stderr):
        sys.stderr.write("\n")
    table = view.table("run", "parameters", "tokens", "petaFLOP", "of peak", "device hours", "dollars")
    dollars = "–" if facts["dollars"] is None else f"{facts['dollars']:,.2f}"
    table.add_row(
        view.place(run),
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


def _show_plan(
    corpus: Path,
    preset: str | None,
    config: Path | None,
    gpu: Gpu | None,
    gpus: int,
    price: float | None,
    init: str | None,
    download: bool,
    run: Path | None = None,
) -> "Config":
    from socorpus.training import measured, plan_training

    planned = plan_training(
        corpus,
        preset,
        config,
        init=init,
        download=download,
        gpu=None if gpu is None else gpu.value,
        gpus=gpus,
        price=price,
    )
    seen = measured(run) if run is not None else None
    table = view.table("", "planned", *(["measured"] if seen else []))
    for name, figure, measure in planned.rows(seen):
        table.add_row(name, figure, *([measure] if seen else []))
    view.out.print(table)
    for note in planned.notes:
        view.out.print(note, style="dim", markup=False)
    return planned.config


def _show_configuration(config: "Config") -> None:
    from socorpus.corpus import to_toml

    view.out.print("\nConfiguration:\n")
    view.out.print(to_toml(config), markup=False)
