"""The two ways in which a job ends badly, each with a sentence that helps; and what is worth a warning.

`InputError` is the user's to mend (a path, a key, a file that isn't a dump); the command line answers it with exit
code 2. `BuildError` is everything else that has a known cause (a full disk, a lost worker) and answers 1.
"""

import difflib
import re
from collections.abc import Iterable

_TREE = re.compile(r"/\.generations/(?:\d{6}|current)\b")
"""The part of a path that only `storage.generations` is concerned with: users know `CORPUS/documents`."""


class SocorpusError(Exception):
    """An error whose text is meant for the user: what happened, where, and what to do."""

    def __str__(self) -> str:
        return _TREE.sub("", super().__str__())


class InputError(SocorpusError):
    """Wrong usage or wrong input: names the file and the place."""


class UnknownNameError(InputError, KeyError):
    """A name that isn't there, of a table, a signal, a task or a split; for those who read a mapping, a `KeyError`."""

    __str__ = Exception.__str__  # a KeyError shows its text in quotes

    @classmethod
    def of(cls, sentence: str, name: object, known: Iterable[str]) -> "UnknownNameError":
        """The error of a sentence, followed by the nearest of the known names, and all of them."""
        names = list(known)
        near = difflib.get_close_matches(str(name).lower(), names, 1)
        meant = f"did you mean {near[0]}? " if near else ""
        return cls(f"{sentence}; {meant}there are {', '.join(names) or 'none'}")


class BuildError(SocorpusError):
    """The job failed although its input was right: names the cause and what is kept."""


class SocorpusWarning(UserWarning):
    """Something that the user should know and that stops nothing; the command line shows it in one line."""
