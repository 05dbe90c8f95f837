"""The entry point: all commands, and the display of errors.

Exit codes: 0 done, 1 failed, 2 wrong usage or input, 128 and a signal's number where one stopped it (130: Ctrl-C).
"""

import functools
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from socorpus.cli import (
    ablate,
    build,
    doctor,
    evaluate,
    finetune,
    labels,
    scores,
    studio,
    terminal,
    train,
    view,
)
from socorpus.corpus import InputError, SocorpusWarning, Stopped, explain_error

TRACEBACK = "SOCORPUS_TRACEBACK"
"""Variable of the environment: if it is set, and not 0, every error shows its traceback."""

app = typer.Typer(
    name="socorpus",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class _Labeling(TyperGroup):
    """The group of commands on labels; of a command that stands a level above the message says so."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command of a name, as of the base class; a usage error where there is none."""
        above = getattr(ctx.parent.command, "commands", {}) if ctx.parent is not None else {}
        if args[0] not in self.commands and args[0] in above:
            ctx.fail(f"No such command '{args[0]}'. Did you mean: socorpus {args[0]}?")
        return super().resolve_command(ctx, args)


labeling = typer.Typer(
    name="labeling",
    cls=_Labeling,
    help="Weak labels for tasks: votes, their analysis, and people's corrections.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def _version(asked: bool) -> None:
    if asked:
        from socorpus.corpus import __version__

        typer.echo(f"socorpus {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """From a Stack Exchange data dump to a curated, labelled corpus and a domain-specific encoder."""


def _add(group: typer.Typer, command: Callable[..., Any], *examples: str) -> None:
    """Add a command, with examples at the end of its help."""
    lines = "\n".join(f"  socorpus {example}" for example in examples)
    epilog = f"\b\nExample{'s' * (len(examples) > 1)}:\n{lines}"
    group.command(command.__name__.rstrip("_").replace("_", "-"), epilog=epilog)(_stoppable(command))


def _stoppable(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command that a signal ends with a sentence, even where it has none of its own on what is kept."""

    @functools.wraps(command)
    def call(**values: Any) -> Any:
        with view.stoppable("the same command does it from the start"):
            return command(**values)

    return call


_add(
    app,
    build.build,
    "build beer.stackexchange.com.7z -o corpus",
    "build dumps -o corpus --config socorpus.toml --workers 4",
)
_add(app, build.inspect, "inspect beer.stackexchange.com.7z", "inspect dumps --json")
_add(app, build.status, "status corpus")
_add(app, build.verify, "verify corpus", "verify corpus --against other/MANIFEST.json")
_add(app, build.tokenize, "tokenize corpus --tokenizer model")
_add(app, build.report, "report corpus")
_add(
    app,
    labels.publish,
    "publish corpus -o published",
    "publish corpus -o tokens --format megatron",
    "publish corpus -o published --push ORG/NAME",
)
_add(
    app,
    labels.forget,
    "forget corpus --list asked.txt --published published",
    "forget corpus --gone newer.7z --dry-run",
    "forget corpus --check",
)
_add(
    app,
    labels.diff_,
    "diff corpus-before corpus",
    "diff corpus-before corpus -o changes.html --list moved.csv",
)
_add(app, build.explain, "explain corpus beer.stackexchange.com:12")
_add(app, studio.browse, "browse corpus", "browse corpus --port 0")
_add(app, build.sample, "sample dump --threads 500 --form modern --form area51")
_add(labeling, labels.apply, "labeling apply corpus", "labeling apply corpus --task closure --task quality")
_add(labeling, labels.analyze, "labeling analyze corpus --task closure")
_add(labeling, studio.studio, "labeling studio --port 8080")
_add(labeling, labels.accuracy, "labeling accuracy corpus --task closure --by year")
_add(labeling, labels.slices, "labeling slices corpus --task quality --by tag")
_add(labeling, labels.diff, "labeling diff corpus-before corpus --task closure")
_add(labeling, labels.try_, "labeling try shouted.py corpus")
_add(
    labeling,
    studio.sync,
    "labeling sync corpus --project Closure --task closure",
    "labeling sync corpus --project Quality --task quality --sample tag:python --dry-run",
)
_add(labeling, studio.names, "labeling names corpus --task entities")
_add(
    labeling,
    studio.sheet,
    "labeling sheet corpus --task closure -o sheet.csv",
    "labeling sheet corpus --task entities --sample random --limit 50 -o texts.jsonl",
)
_add(
    labeling,
    studio.judgements,
    "labeling judgements corpus sheet.csv --task closure --annotator ann@example.com",
)
_add(labeling, labels.export, "labeling export corpus --task entities --format conll -o entities")
_add(labeling, scores.train_score, "labeling train-score so-60k.csv -o quality-score")
_add(
    labeling,
    scores.score,
    "labeling score corpus --model quality-score",
    "labeling score corpus --model quality-score --least 0.95 -o scores.parquet",
)
_add(labeling, studio.serve, "labeling serve closure-model --port 9090")
app.add_typer(labeling)
_add(app, train.train, "train corpus --preset tiny", "train corpus --preset modern-base --gpus 4 --dry-run")
_add(app, train.plan, "plan corpus --preset sobert-base --gpu h100 --gpus 2")
_add(app, train.curves, "curves corpus/runs/tiny -o curves.html", "curves corpus/runs/tiny corpus/runs/mini")
_add(app, train.export, "export corpus/runs/tiny -o model")
_add(app, finetune.finetune, "finetune model --task closure --data corpus -o closure-model")
_add(
    app,
    evaluate.evaluate,
    "evaluate corpus --task closure --system audits --system model",
    "evaluate --on entities=benchmarks/ner --system answerdotai/ModernBERT-base --download",
)
_add(
    app,
    ablate.ablate,
    "ablate corpus --vary selection.min_score=0,1 --vary near.threshold=0.7,none --tokens 5M -o ablation",
    "ablate corpus --vary documents.comments=false --proxy mini --tokens 50M --task closure -o comments",
)
_add(app, doctor.doctor, "doctor")


_SAFE_PATH = "PYTHONSAFEPATH"
_NOTHING_BEGUN = "nothing was begun"


def run() -> None:
    """Run the command line; warnings, and errors of the environment and of the input, are reported in one sentence."""
    with terminal.guarded(view.out, view.err), warnings.catch_warnings(), _safe_path():
        warnings.simplefilter("always", SocorpusWarning)
        warnings.showwarning = _show_warning
        try:
            with _heard():
                app(prog_name="socorpus")
        except Exception as error:
            sys.exit(_told(error))
        except KeyboardInterrupt as stop:
            sys.exit(view.say_stopped(stop, _NOTHING_BEGUN))
        except SystemExit as ended:
            # Typer takes a signal for itself while it reads the command's words, and says nothing.
            early = ended.__context__.__cause__ if ended.__context__ is not None else None
            if ended.code == 130 and isinstance(early, KeyboardInterrupt) and not view.stops:
                sys.exit(view.say_stopped(early, _NOTHING_BEGUN))
            raise


@contextmanager
def _safe_path() -> Iterator[None]:
    """A block in which no process that is started imports from the current folder, which may be a stranger's dump."""
    before = {name: value for name, value in os.environ.items() if name == _SAFE_PATH}
    os.environ[_SAFE_PATH] = "1"
    try:
        yield
    finally:
        os.environ.pop(_SAFE_PATH, None)
        os.environ.update(before)


def _told(error: Exception) -> int:
    """Show an error, in one sentence where the environment or the input caused it; the exit code."""
    known = explain_error(error)
    if known is None or os.environ.get(TRACEBACK, "0") not in ("", "0"):
        traceback.print_exception(error)
    if known is None:
        view.say(
            "socorpus: this is a bug of socorpus, and not of your input: please report it with the lines above, the "
            "command, and what socorpus doctor says"
        )
        return 1
    view.say(f"socorpus: {known}")
    return 2 if isinstance(known, InputError) else 1


@contextmanager
def _heard() -> Iterator[None]:
    """A block that the signals of `view.ENDING` end as Ctrl-C does; a process that ignores them (nohup) goes on to.

    SIGUSR1 asks `socorpus train` to save; before the first step there is nothing to save, and it is not heard.
    """
    if sys.argv[1:2] == ["train"]:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    numbers = [n for n in view.ENDING if signal.getsignal(n) is signal.SIG_DFL]

    def stop(number: int, _: FrameType | None) -> NoReturn:
        for other in numbers:  # service managers send several: the first is enough, and what is under way has its time
            signal.signal(other, signal.SIG_IGN)
        raise Stopped(number)

    for number in numbers:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


_show_others = warnings.showwarning


def _show_warning(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
    if issubclass(category, SocorpusWarning):
        view.say(f"socorpus: {message}")
    else:
        _show_others(message, category, *where, **more)


if __name__ == "__main__":
    run()
