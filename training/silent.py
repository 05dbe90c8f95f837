"""Progress callbacks that show nothing."""

from typing import Any


class Silent:
    """Shows nothing: of pre-training, of fine-tuning, of a comparison, of an ablation."""

    @property
    def training(self) -> "Silent":
        """Of an ablation's proxies."""
        return self

    @property
    def comparison(self) -> "Silent":
        """Of an ablation's tasks."""
        return self

    def says(self, sentence: str) -> None:
        """Something that takes a while begins, or is found."""

    def begin(self, facts: Any) -> None:
        """A run begins or resumes."""

    def step(self, line: Any) -> None:
        """A step is done."""

    def validated(self, *where_and_scores: Any) -> None:
        """Held-out examples were scored."""

    def ended(self, name: str) -> None:
        """A run is done, or failed."""

    def note(self, sentence: str) -> None:
        """Something to know."""

    def saved(self, step: int) -> None:
        """A checkpoint is being written."""

    def cell(self, system: str, task: str, data: str) -> None:
        """The next system begins."""

    def asked(self, done: int, total: int) -> None:
        """Answers have arrived."""

    def missing(self, system: str, sentence: str) -> None:
        """A system can't run."""

    def stage(self, now: Any) -> None:
        """A stage of a build goes on."""

    def scored(self, done: int, total: int, seconds_left: float | None) -> None:
        """Proxies are scored."""
