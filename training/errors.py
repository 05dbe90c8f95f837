"""The error of a training run of several processes."""

from socorpus.corpus.errors import BuildError


class RankError(BuildError):
    """A rank failed and has printed its own error; `code` is its exit code."""

    def __init__(self, rank: int, code: int) -> None:
        super().__init__(f"rank {rank} failed with exit code {code}; its error is printed above")
        self.code = code
