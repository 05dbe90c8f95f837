"""What labelling needs on this machine beside its packages."""

from dataclasses import dataclass
from pathlib import Path

from socorpus.corpus import Advice


@dataclass(frozen=True)
class LabelStudio:
    """The Label Studio that `socorpus labeling studio` starts.

    Attributes:
        version: the one that is installed; None where none is.
        folder: where it and its data lie, or would.
    """

    version: str | None
    folder: Path

    @property
    def advice(self) -> list[Advice]:
        """What installs it."""
        if self.version is not None:
            return []
        sentence = "Label Studio is not installed; it has an environment of its own, takes 1 GB and some minutes, once"
        return [Advice(sentence, "socorpus labeling studio")]


def check_studio() -> LabelStudio:
    """Whether the embedded Label Studio is installed here.

    Examples:
        >>> check_studio().folder.name
        'label-studio'
    """
    from socorpus.labeling.label_studio import server

    return LabelStudio(server.VERSION if server.installed() else None, server.home())


def compile_label_kernels() -> None:
    """Compile the kernels of labelling, unless that is done: else the first `build` with labels does it.

    Examples:
        >>> compile_label_kernels()
    """
    from socorpus.corpus.engine import compiling
    from socorpus.labeling import kernels

    compiling.compile_once(kernels.STAGE, kernels.KERNELS, kernels.call, lambda _: None)
