"""The entry point: all commands, and the display of errors.

Exit codes: 0 done, 1 failed, 2 wrong usage or input, 130 stopped by Ctrl-C.
"""

import sys
import warnings
from collections.abc import Callable
from typing import Annotated, Any

import typer

from socorpus.cli import build, doctor, evaluate, finetune, labels, serve, studio, terminal, train, view
from socorpus.corpus import InputError, SocorpusError, SocorpusWarning

app = typer.Typer(
    name="socorpus",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
labeling = typer.Typer(
    name="labeling",
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
    group.command(epilog=f"\b\nExample{'s' * (len(examples) > 1)}:\n{lines}")(command)


_add(
    app,
    build.build,
    "build beer.stackexchange.com.7z -o corpus",
    "build dumps -o corpus --config socorpus.toml --workers 4",
)
_add(app, build.status, "status corpus")
_add(app, build.verify, "verify corpus", "verify corpus --against other/MANIFEST.json")
_add(app, build.report, "report corpus")
_add(app, build.explain, "explain corpus beer.stackexchange.com:12")
_add(app, build.sample, "sample dump --threads 500 --form modern --form area51")
_add(labeling, labels.apply, "labeling apply corpus", "labeling apply corpus --task closure --task quality")
_add(labeling, labels.analyze, "labeling analyze corpus --task closure")
_add(labeling, studio.studio, "labeling studio --port 8080")
_add(
    labeling,
    studio.sync,
    "labeling sync corpus --project Closure --task closure",
    "labeling sync corpus --project Quality --task quality --sample tag:python --dry-run",
)
_add(labeling, labels.export, "labeling export corpus --task entities --format conll -o entities")
_add(labeling, serve.serve, "labeling serve closure-model --port 9090")
app.add_typer(labeling)
_add(app, train.train, "train corpus --preset tiny", "train corpus --preset modern-base --gpus 4 --dry-run")
_add(app, train.plan, "plan corpus --preset sobert-base --gpu h100 --gpus 2")
_add(app, train.export, "export corpus/runs/tiny -o model")
_add(app, finetune.finetune, "finetune model --task closure --data corpus -o closure-model")
_add(
    app,
    evaluate.evaluate,
    "evaluate corpus --task closure --system audits --system model",
    "evaluate --on entities=benchmarks/ner --system answerdotai/ModernBERT-base --download",
)
_add(app, doctor.doctor, "doctor")


def run() -> None:
    """Run the command line; known errors and warnings are reported in one sentence."""
    terminal.guard(view.out, view.err)
    with warnings.catch_warnings():
        warnings.simplefilter("always", SocorpusWarning)
        warnings.showwarning = _show_warning
        try:
            app(prog_name="socorpus")
        except SocorpusError as error:
            view.say(f"socorpus: {error}")
            sys.exit(2 if isinstance(error, InputError) else 1)


_show_others = warnings.showwarning


def _show_warning(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
    if issubclass(category, SocorpusWarning):
        view.say(f"socorpus: {message}")
    else:
        _show_others(message, category, *where, **more)


if __name__ == "__main__":
    run()
