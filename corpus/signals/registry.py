"""Our signals, in the order in which they run. A new one costs its file, its columns in the schema, and a line here."""

from socorpus.corpus import schema
from socorpus.corpus.arrays import counted
from socorpus.corpus.config import Contamination, Privacy
from socorpus.corpus.privacy import detect
from socorpus.corpus.signals import contamination, explanations, language, statistics
from socorpus.corpus.signals.base import SIGNALS, Preparation, Signal

_BENCHMARKS = Preparation(contamination.files, contamination.make, contamination.load)

for _signal in (
    Signal("statistics", schema.SIGNALS["statistics"], statistics.find, ("text", "own_end", "segments"), version=2),
    Signal(
        "language",
        schema.SIGNALS["language"],
        language.find,
        ("text", "own_end", "segments", "links"),
        counts=lambda table: counted(table["language"]),
        version=2,
    ),
    Signal(
        "privacy",
        schema.SIGNALS["privacy"],
        detect.find,
        ("title", "text", "own_end", "segments"),
        section="privacy",
        config=Privacy,
        counts=detect.kinds,
        explain=explanations.privacy,
        version=4,
    ),
    Signal(
        "contamination",
        schema.SIGNALS["contamination"],
        contamination.find,
        ("kind", "title", "text"),
        section="contamination",
        config=Contamination,
        prepare=_BENCHMARKS,
        version=2,
        explain=explanations.contamination,
    ),
    # The stage of duplicates writes these, since a twin may lie in any bucket.
    Signal("exact", schema.SIGNALS["exact"], None, explain=explanations.exact_twins),
    Signal("near", schema.SIGNALS["near"], None, explain=explanations.near_twins("near")),
    Signal("near_code", schema.SIGNALS["near_code"], None, explain=explanations.near_twins("near_code")),
):
    SIGNALS.add(_signal.name, _signal)
