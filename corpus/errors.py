"""The two ways in which a job ends badly, each with a sentence that helps.

`InputError` is the user's to mend (a path, a key, a file that isn't a dump); the command line answers it with exit
code 2. `BuildError` is everything else that has a known cause (a full disk, a lost worker) and answers 1.
"""


class SocorpusError(Exception):
    """An error whose text is meant for the user: what happened, where, and what to do."""


class InputError(SocorpusError):
    """Wrong usage or wrong input: names the file and the place."""


class BuildError(SocorpusError):
    """The job failed although its input was right: names the cause and what is kept."""
