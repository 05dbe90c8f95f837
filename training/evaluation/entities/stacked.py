"""Entities by all that the package has: votes of its functions, a CRF that sees them, trees that judge each candidate.

As `entities.learn` has it (`labeling.tasks.entities.learning`), here of a train split. Beside an encoder, which stays
as it is, a small network tells from the vectors of a candidate's words, and of the words beside it, which type it has;
the trees see what the network says. As with the tagger, its word on a text is by one that did not learn from that
text's question (stacking, Wolpert 1992), since the trees would otherwise overrate it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from socorpus.labeling import functions as labelling
from socorpus.labeling.schema import Task
from socorpus.labeling.tasks.entities import bio, judge, learning, tagger
from socorpus.labeling.tasks.entities import post as entities_post
from socorpus.labeling.tasks.entities import task as entities_task
from socorpus.labeling.tasks.entities.judge import Candidates
from socorpus.labeling.tasks.entities.learned import THRESHOLD, Learned, kept
from socorpus.labeling.tasks.entities.learning import Text
from socorpus.labeling.tasks.entities.spans import Span
from socorpus.training.evaluation.frozen import Vectors
from socorpus.training.evaluation.plain_systems import Answers, Chosen, choose
from socorpus.training.examples.example import Data, Example, Prediction
from socorpus.training.finetuning.pretrained import Pretrained
from socorpus.training.finetuning.settings import FinetuneSettings

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]

VERSION = 1
"""Raised when the predictions change."""
LEAST = (THRESHOLD, 0.25, 0.35, 0.2, 0.4)
"""Lowest probabilities of a label to choose from."""
WIDTH, PASSES, RATE, DECAY, DROPPED, BATCH = 128, 8, 1e-3, 0.05, 0.3, 256
"""Of the network: hidden units, passes, highest rate of AdamW, weight decay, share of inputs and units that are dropped
while it learns, spans of a step; by judgement: beside it only a linear model was tried on whole vectors."""
LAYERS = (1 / 3, 2 / 3, 1.0)
"""Whose hidden states make a word's vector, as shares of the encoder's depth; spelling is in the lower ones."""
FEWEST_STEPS = 200
"""Of few spans there are as many passes as that takes; by judgement."""
_NEVER = -99.0


def fit(data: Data, vectors: Vectors | None) -> Chosen:
    """Learn entities of a train split.

    Args:
        vectors: an encoder's; None: without one.

    Raises:
        InputError: scikit-learn is not installed, or nothing can be learned of the texts.
    """
    train = data.splits["train"]
    texts = _texts(train)
    crossed = learning.cross_fitted(texts)
    right = np.concatenate([np.zeros(0, bool), *crossed.right])
    described, network = crossed.candidates, None
    if vectors is not None and right.any():
        described, network = _with_network(crossed, texts, [example.offsets() for example in train], vectors(train))
    model = Learned(crossed.types, crossed.tagger, learning.train_judge(described, right, crossed.fold))

    def candidates() -> Iterable[tuple[str, Answers]]:
        kept_last: dict[int, tuple[Sequence[Example], list[dict[Span, float]]]] = {}

        def likely(some: Sequence[Example]) -> list[dict[Span, float]]:
            # Each choice asks for the same probabilities.
            if id(some) not in kept_last:
                kept_last.clear()
                kept_last[id(some)] = some, _likely(model, network, vectors, some)
            return kept_last[id(some)][1]

        for least in LEAST:

            def answers(some: Sequence[Example], least: float = least) -> list[Prediction]:
                return [
                    Prediction(spans=tuple((span, each[span]) for span in kept(each, least))) for each in likely(some)
                ]

            yield f"labels from {least:g}", answers

    fitted = choose(candidates(), data)
    parameters = vectors.parameters if vectors is not None else None
    return Chosen(fitted.answers, fitted.note, parameters, fitted.configurations)


def encoder_vectors(model: Pretrained, task: Task, settings: FinetuneSettings) -> Vectors:
    """The vectors of an encoder that `fit` takes."""
    return Vectors(model, task, settings, LAYERS, pieces=True)


def votes_version() -> dict[str, int | None]:
    """The package's functions that vote, with their versions: where one changes, so may the predictions."""
    names = {find.__name__ for find in entities_post.FINDERS}
    functions = labelling.of_task(entities_task.TASK.name)
    return {function.name: function.version for function in functions if function.name in names}


def _with_network(
    crossed: learning.CrossFitted, texts: Sequence[Text], words: Sequence[bio.Offsets], near: Sequence[Float32]
) -> tuple[list[Candidates], "_Network"]:
    """The candidates with what networks say that had not seen their question; and a network of all texts."""
    parts = [_Part.of(words[i], each, near[i]) for i, each in zip(crossed.texts, crossed.candidates, strict=True)]
    labels = [part.labels(words[i], texts[i].gold, crossed.types) for i, part in zip(crossed.texts, parts, strict=True)]
    fold = learning.folds(texts)
    described = list(crossed.candidates)
    for out in range(learning.FOLDS):
        inside = [number for number, i in enumerate(crossed.texts) if fold[i] == out]
        seen = [number for number, i in enumerate(crossed.texts) if fold[i] != out]
        if not inside:
            continue
        network = _Network.learned([parts[k] for k in seen], [labels[k] for k in seen], len(crossed.types))
        for number in inside:
            described[number] = _beside(described[number], network(parts[number]))
    return described, _Network.learned(parts, labels, len(crossed.types))


@dataclass(frozen=True)
class _Part:
    """The distinct spans of words of a text's candidates.

    Attributes:
        spans: int64[m, 2], first word, last + 1.
        vectors: float32[m, width + 2 * last]: the mean of its words; of the words before and behind what the last layer
            has, zeros beyond the text.
        place: int64[n], span of each candidate.
        kind: int64[n], type of each candidate.
    """

    spans: Int64
    vectors: Float32
    place: Int64
    kind: Int64

    @classmethod
    def of(cls, words: bio.Offsets, candidates: Candidates, near: Float32) -> "_Part":
        """From the candidates of a text, its words and their vectors, float32[words, width]."""
        touched = [bio.touched(words, start, end) for start, end, _ in candidates.spans.tolist()]
        spans, place = np.unique(np.array(touched, np.int64).reshape(-1, 2), axis=0, return_inverse=True)
        # A candidate that no word touches can't be right; it has the vectors of nothing.
        first, last = spans[:, 0], np.maximum(spans[:, 1], spans[:, 0] + 1)
        nothing = np.zeros((1, near.shape[1]), np.float32)
        padded = np.concatenate([nothing, near, nothing])[:, -(near.shape[1] // len(LAYERS)) :]
        sums = np.concatenate([nothing, np.cumsum(near, axis=0, dtype=np.float64)])
        last = np.minimum(last, len(near))
        mean = (sums[last] - sums[first]) / np.maximum(last - first, 1)[:, None]
        vectors = np.concatenate([mean, padded[first], padded[last + 1]], 1).astype(np.float32)
        return cls(spans, vectors, place.ravel(), candidates.spans[:, 2].astype(np.int64))

    def labels(self, words: bio.Offsets, gold: Iterable[Span], types: Sequence[str]) -> Int64:
        """int64[m]: 1 + number of the type of each span, 0 if it is none."""
        number = {name: index for index, name in enumerate(types, 1)}
        of = {bio.touched(words, span.start, span.end): number[span.label] for span in gold}
        return np.array([of.get((first, last), 0) for first, last in self.spans.tolist()], np.int64)


class _Network:
    """Log-probabilities of each type, and of none, of spans by their vectors: one hidden layer."""

    def __init__(self, layers: torch.nn.Module, mean: Float32, deviation: Float32) -> None:
        self._layers, self._mean, self._deviation = layers, mean, deviation

    @classmethod
    def learned(cls, parts: Sequence[_Part], labels: Sequence[Int64], types: int) -> "_Network":
        """From the spans of texts and their labels; the same parts give the same network."""
        rows, label = np.concatenate([part.vectors for part in parts]), torch.from_numpy(np.concatenate(labels))
        mean, deviation = rows.mean(0), rows.std(0) + np.float32(1e-6)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = cls(
                torch.nn.Sequential(
                    torch.nn.Dropout(DROPPED), torch.nn.Linear(rows.shape[1], WIDTH), torch.nn.GELU(),
                    torch.nn.Dropout(DROPPED), torch.nn.Linear(WIDTH, types + 1),
                ),
                mean, deviation,
            )  # fmt: skip
            near, layers = network._near(rows), network._layers
            of_pass = max(1, -(-len(rows) // BATCH))
            passes = max(PASSES, -(-FEWEST_STEPS // of_pass))
            optimizer = torch.optim.AdamW(layers.parameters(), RATE, weight_decay=DECAY)
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, passes * of_pass, pct_start=0.1)
            for _ in range(passes):
                for some in torch.randperm(len(near)).split(BATCH):
                    optimizer.zero_grad()
                    torch.nn.functional.cross_entropy(layers(near[some]), label[some]).backward()
                    optimizer.step()
                    schedule.step()
            layers.eval()
        return network

    def _near(self, rows: Float32) -> torch.Tensor:
        return torch.from_numpy(np.clip((rows - self._mean) / self._deviation, -5, 5))

    @torch.no_grad()
    def __call__(self, part: _Part) -> Float32:
        """float32[n, 3] of the candidates: log-probabilities of its type, of none, of the likeliest other type."""
        opinion = torch.log_softmax(self._layers(self._near(part.vectors)), 1).numpy()[part.place]
        own = np.arange(len(part.kind)), part.kind + 1
        result = np.stack([opinion[own], opinion[:, 0], opinion[:, 0]], 1)
        opinion[own] = opinion[:, 0] = _NEVER
        result[:, 2] = opinion.max(1, initial=_NEVER)
        return result


def _beside(candidates: Candidates, opinion: Float32) -> Candidates:
    return replace(candidates, dense=np.concatenate([candidates.dense, opinion], 1))


def _texts(examples: Sequence[Example]) -> list[Text]:
    """Examples with the package's votes on them; their spans are the gold."""
    threads = {thread: number for number, thread in enumerate(sorted({example.thread for example in examples}))}
    return entities_task.with_gold(
        [example.text for example in examples],
        [
            [{"kind": kind, "start": start, "end": end, "language": None, "id": 0} for kind, start, end in each.kinds]
            for each in examples
        ],
        [example.tags for example in examples],
        [example.offsets() for example in examples],
        [[span for span, _ in example.spans] for example in examples],
        [threads[example.thread] for example in examples],
    )


def _likely(
    model: Learned, network: _Network | None, vectors: "Vectors | None", examples: Sequence[Example]
) -> list[dict[Span, float]]:
    """Probability of each candidate of each text, widened to its words; of several the highest."""
    likely = []
    near = vectors(examples) if vectors is not None else [None] * len(examples)
    for number, text in enumerate(_texts(examples)):
        joint = entities_post.joined([text.post])
        prepared = tagger.prepare(joint, [[vote[:4] for vote in text.votes]])
        candidates = judge.candidates(joint, [text.votes], model.types, model.tagger.spans(prepared))
        if network is not None and (of_text := near[number]) is not None:
            candidates = _beside(candidates, network(_Part.of(examples[number].offsets(), candidates, of_text)))
        by_span: dict[Span, float] = {}
        odds = model.judge.scores(candidates)
        for (start, end, kind), probability in zip(
            candidates.spans.tolist(), (1 / (1 + np.exp(-odds))).tolist(), strict=True
        ):
            span = Span(*text.widen(start, end), model.types[kind])
            by_span[span] = max(probability, by_span.get(span, 0.0))
        likely.append(by_span)
    return likely
