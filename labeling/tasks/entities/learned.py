"""What was learned of an annotated corpus: a tagger and a judge; those of the package come from `weights.npz`.

The file holds hashes of features and weights, no text. Its source is the public training file of the StackOverflow NER
corpus (Tabassum et al. 2020, MIT licence, `weights.LICENSE`); `benchmarks/entities_weights.py` makes it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from socorpus.labeling.tasks.entities import judge, spans, tagger
from socorpus.labeling.tasks.entities.judge import Judge, Vote
from socorpus.labeling.tasks.entities.post import EntityPost
from socorpus.labeling.tasks.entities.spans import Span
from socorpus.labeling.tasks.entities.tagger import Tagger

DATA = Path(__file__).with_name("weights.npz")
THRESHOLD = 0.3
"""Lowest probability of a label: the best F1 by folds of train.txt."""


@dataclass(frozen=True)
class Learned:
    """A tagger and a judge of the same types."""

    types: tuple[str, ...]
    tagger: Tagger
    judge: Judge

    def probabilities(self, post: EntityPost, votes: Sequence[Vote]) -> dict[Span, float]:
        """Probability of each candidate of a text, in order."""
        prepared = tagger.prepare(post, [vote[:4] for vote in votes])
        candidates = judge.candidates(post, votes, self.types, self.tagger.spans(prepared))
        likely = 1 / (1 + np.exp(-self.judge.scores(candidates)))
        return {
            Span(start, end, self.types[kind]): probability
            for (start, end, kind), probability in zip(candidates.spans.tolist(), likely.tolist(), strict=True)
        }

    def save(self, path: Path, facts: Mapping[str, str]) -> None:
        """Write a file; the same weights give the same bytes. `facts` say where they come from."""
        numbers = {"step": self.tagger.step} | {
            name: getattr(self.judge, name) for name in ("base", "start", "slope", "height")
        }
        about = json.dumps({"types": self.types, **numbers, "facts": facts}, sort_keys=True).encode()
        arrays = {f"tagger_{name}": getattr(self.tagger, name) for name in _TAGGER}
        arrays |= {f"judge_{name}": getattr(self.judge, name) for name in _JUDGE}
        # A key is near the one before it: differences compress.
        for name in ("tagger_keys", "judge_keys", "tagger_bounds"):
            arrays[name] = np.diff(arrays[name], prepend=np.zeros(1, arrays[name].dtype))
        with path.open("wb") as file:
            np.savez_compressed(file, about=np.frombuffer(about, np.uint8), **arrays)


_TAGGER = ("keys", "bounds", "labels", "weights", "transitions")
_JUDGE = ("keys", "shares", "roots", "feature", "threshold", "left", "right")


def load(path: Path) -> Learned:
    """The file that `Learned.save` wrote."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    about = json.loads(arrays.pop("about").tobytes())
    for name in ("tagger_keys", "judge_keys", "tagger_bounds"):
        arrays[name] = np.cumsum(arrays[name], dtype=arrays[name].dtype)
    types = tuple(about["types"])
    tagger_arrays = {name: arrays[f"tagger_{name}"] for name in _TAGGER}
    judge_arrays = {name: arrays[f"judge_{name}"] for name in _JUDGE}
    numbers = {name: about[name] for name in ("base", "start", "slope", "height")}
    return Learned(types, Tagger(types=types, step=about["step"], **tagger_arrays), Judge(**judge_arrays, **numbers))


@lru_cache(maxsize=1)
def shipped() -> Learned:
    """The weights of the package."""
    return load(DATA)


def kept(likely: Mapping[Span, float], threshold: float = THRESHOLD) -> list[Span]:
    """Sorted spans without overlap from the probabilities of candidates."""
    return spans.resolve((span, probability) for span, probability in likely.items() if probability >= threshold)
