"""The signals of a build, in the order in which they run."""

from socorpus.corpus.privacy import detect
from socorpus.corpus.signals import contamination, language, statistics
from socorpus.corpus.signals.base import Signal

SIGNALS = (
    Signal("statistics", statistics.find, ("text", "own_end", "segments")),
    Signal("language", language.find, ("text", "own_end", "segments", "links")),
    Signal("privacy", detect.find, ("title", "text", "own_end", "segments"), "privacy"),
    Signal("contamination", contamination.find, ("kind", "title", "text"), "contamination"),
)
"""Stages that mark documents one by one. A new one costs its file, its columns in the schema, and a line here."""
