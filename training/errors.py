"""How a training run of several processes ends badly."""

from socorpus.corpus.errors import BuildError


class RankError(BuildError):
    """A rank failed, and has said itself what was wrong; `code` is its exit code."""

    def __init__(self, rank: int, code: int) -> None:
        super().__init__(f"rank {rank} failed with exit code {code}; what it said stands above")
        self.code = code
