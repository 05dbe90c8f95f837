"""The entry point: all commands, and what an error looks like.

Exit codes: 0 done, 1 failed, 2 wrong usage or input, 130 stopped by Ctrl-C.
"""

import sys

import typer

from socorpus.cli import build, doctor, labels, models, studio, train, view
from socorpus.corpus.errors import InputError, SocorpusError

app = typer.Typer(
    name="socorpus",
    help="From a Stack Exchange data dump to a curated, labelled corpus and a domain-specific encoder.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
app.command()(build.build)
app.command()(build.status)
app.command()(build.report)
app.command()(build.explain)
app.command()(build.sample)
for command in (studio.studio, studio.sync, studio.export, models.serve):
    labels.app.command()(command)
app.add_typer(labels.app)
app.command()(train.train)
app.command()(train.plan)
app.command()(train.export)
app.command()(models.finetune)
app.command()(models.evaluate)
app.command()(doctor.doctor)


def run() -> None:
    """Run the command line; known errors are told in one sentence."""
    try:
        app()
    except SocorpusError as error:
        view.err.print(f"socorpus: {error}", markup=False)
        sys.exit(2 if isinstance(error, InputError) else 1)


if __name__ == "__main__":
    run()
