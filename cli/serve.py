"""`socorpus labeling serve`."""

from pathlib import Path
from typing import Annotated

import typer

from socorpus.cli import options, view


def serve(
    model: Annotated[Path, typer.Argument(help="Folder that socorpus finetune wrote.", show_default=False)],
    host: Annotated[
        str, typer.Option(help="Address to listen on; one that other machines reach needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 9090,
    workers: Annotated[int, typer.Option(min=1, help="Copies of the model that run in parallel.")] = 1,
    batch: Annotated[int, typer.Option(min=1, help="Texts per batch.")] = 16,
    queue: Annotated[int, typer.Option(min=1, help="Maximum number of waiting texts; more are refused.")] = 1024,
    plugin: options.Plugins = None,
) -> None:
    """Serve a fine-tuned model, as a backend for Label Studio and a small HTTP API."""
    from socorpus.training import serve_model

    options.use(plugin)
    serve_model(model, host=host, port=port, workers=workers, batch=batch, queue=queue, say=view.say)
