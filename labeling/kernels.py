"""The kernels of labelling, and a text that calls each of them: so that they are compiled before the workers start."""

from socorpus.corpus.engine.compiling import compile_everywhere
from socorpus.corpus.engine.executor import Engine
from socorpus.labeling.facts import site_terms
from socorpus.labeling.tasks.entities import task as entities
from socorpus.labeling.tasks.obsolescence import version_places

STAGE = "compile"
KERNELS = (
    "socorpus.labeling.tasks.entities.judge",
    "socorpus.labeling.tasks.entities.scan.marks",
    "socorpus.labeling.tasks.entities.scan.name_words",
    "socorpus.labeling.tasks.entities.scan.terms",
    "socorpus.labeling.tasks.entities.tagger",
    "socorpus.labeling.tasks.obsolescence.version_places",
)
"""Modules with kernels that labelling calls."""

_TEXT = "The `foo()` method of Python 3.5 returns true, and so does the bar_baz property of ArrayList in main.py."
_TERM = "Frob is a library."
_CODE = {"kind": "inline_code", "start": 5, "end": 10, "language": None, "source": None}


def warm_up(engine: Engine) -> None:
    """Compile the kernels of labelling, once after an install; some milliseconds where that is done."""
    compile_everywhere(engine, STAGE, KERNELS, call)


def call() -> None:
    """Call every kernel as labelling does."""
    entities.label([_TEXT], [[_CODE]])
    site_terms.counted([_TERM])
    list(version_places.places([_TEXT]))
