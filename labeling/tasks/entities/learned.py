"""What was learned of an annotated corpus: a tagger and a judge; those of the package come from `weights.npz`.

The file holds hashes of features and weights, no text. Its source is the public training file of the StackOverflow NER
corpus (Tabassum et al. 2020, MIT licence, `weights.LICENSE`); `benchmarks/entities_weights.py` makes it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from socorpus.labeling.tasks.entities import judge, spans, tagger
from socorpus.labeling.tasks.entities.judge import Judge, Vote
from socorpus.labeling.tasks.entities.post import EntityPost, joined
from socorpus.labeling.tasks.entities.spans import Span
from socorpus.labeling.tasks.entities.tagger import Tagger

DATA = Path(__file__).with_name("weights.npz")
_TOGETHER = 1 << 19
"""Code points of the texts that are looked at together."""
THRESHOLD = 0.3
"""Lowest probability of a label: the best F1 by folds of train.txt."""


@dataclass(frozen=True)
class Learned:
    """A tagger and a judge of the same types."""

    types: tuple[str, ...]
    tagger: Tagger
    judge: Judge

    def probabilities(
        self, posts: Sequence[EntityPost], votes: Sequence[Sequence[Vote]], least: float = 0.0
    ) -> Iterator[dict[Span, float]]:
        """Probability of each candidate of each text, in order.

        Args:
            votes: on each text.
            least: candidates below it are left out, unless a function votes for the same span and type.
        """
        first = 0
        while first < len(posts):
            # Some texts at a time, which memory holds; at least one.
            last, size = first + 1, len(posts[first].text)
            while last < len(posts) and size + len(posts[last].text) <= _TOGETHER:
                size += len(posts[last].text)
                last += 1
            yield from self._of_texts(posts[first:last], votes[first:last], least)
            first = last

    def _of_texts(
        self, posts: Sequence[EntityPost], votes: Sequence[Sequence[Vote]], least: float
    ) -> Iterator[dict[Span, float]]:
        texts = joined(posts)
        prepared = tagger.prepare(texts, [[vote[:4] for vote in of] for of in votes])
        candidates = judge.candidates(texts, votes, self.types, self.tagger.spans(prepared))
        likely = 1 / (1 + np.exp(-self.judge.scores(candidates)))
        rows = np.flatnonzero((likely >= least) | (np.diff(candidates.bounds) > 0))
        spans = candidates.spans[rows]
        bounds = np.searchsorted(spans[:, 0], texts.firsts).tolist()
        places, chosen = spans.tolist(), likely[rows].tolist()
        for number, first in enumerate(texts.firsts[:-1].tolist()):
            part = slice(bounds[number], bounds[number + 1])
            yield {
                Span(start - first, end - first, self.types[kind]): probability
                for (start, end, kind), probability in zip(places[part], chosen[part], strict=True)
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
