"""The tokens of a run's corpora by the tokenizer of the weights that it starts from, made where they are lacking."""

from collections.abc import Callable
from pathlib import Path

from socorpus.corpus.engine.work import Progress
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage.boundary import corpus_place
from socorpus.training.config import Config
from socorpus.training.initial.start import Start
from socorpus.training.pretrain.data import shard_reader


def ready(
    root: Path, config: Config, start: Start, launched: bool, show: Callable[[Progress], None] | None
) -> str | None:
    """Make the tokens that the corpora of a run lack; `data.tokens` of the run.

    Args:
        launched: whether this is one of several ranks, which make nothing.
        show: called with the progress.

    Raises:
        InputError: a corpus is not there; or it lacks the tokens, and they can't be made here.
        BuildError: they could not be made.
    """
    from socorpus.corpus import pipeline
    from socorpus.corpus.engine.executor import Engine

    places = list(dict.fromkeys([root, *(corpus_place(part.corpus) for part in config.data.corpora if part.corpus)]))
    all_own = True
    for place in places:
        there, own = shard_reader.has_tokens(place, start.given)
        all_own = all_own and own
        if there:
            continue
        if launched:
            raise InputError(
                f"{place}: lacks the tokens of {start.name}, and ranks that torchrun or srun started don't make them; "
                f"run socorpus tokenize {place} --tokenizer {start.tokenizer} first"
            )
        with Engine(place.absolute(), None, None, show) as engine:
            engine.say(f"{place}: its shards have other tokens than those of {start.name}: these are made first, once")
            pipeline.tokenize(place.absolute(), start.given, engine)
    return None if all_own else start.given.key
