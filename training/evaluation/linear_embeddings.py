"""Averaged word embeddings with a linear layer, as fastText has them.

Joulin et al., "Bag of Tricks for Efficient Text Classification", 2017: the vectors of a text's words and pairs of words
are rows of one table, by the hash of each, and are learned with the layer that classifies their mean.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from socorpus.training.evaluation.plain_systems import Answers, choose, label_weights, pieces
from socorpus.training.evaluation.systems import Answering, system
from socorpus.training.examples.example import Data, Example, Prediction
from socorpus.training.finetuning import side_by_side
from socorpus.training.finetuning.windows import text_of

_HASHED = 1 << 18
_WIDTH = 64
_RATES = (0.5, 0.1, 1.0)
_EPOCHS = (1, 2, 4, 8, 16, 32, 64)
_STEPS = 50_000
"""Most steps: many texts are passed over fewer times."""
_BATCH = 8


@system("linear embeddings", version=1, unit="text")
def embeddings(data: Data) -> Answering:
    """Hashed words and pairs have vectors, whose mean a linear layer classifies: rate and passes, of up to 21."""
    # Its products are too small for more threads, which would wait for each other.
    with side_by_side.computing_threads(1):
        return choose(_embedded(data), data)


def _embedded(data: Data) -> Iterable[tuple[str, Answers]]:
    import torch
    from sklearn.feature_extraction import FeatureHasher

    labels, train = len(data.task.labels), data.splits["train"]
    hasher = FeatureHasher(_HASHED, input_type="string", alternate_sign=False)

    def bags(some: Sequence[Example]) -> list[Any]:
        rows = hasher.transform(_with_pairs(pieces(text_of(example, data.task).lower())) for example in some)
        return [
            torch.from_numpy(rows.indices[start:end].astype(np.int64))
            for start, end in zip(rows.indptr[:-1], rows.indptr[1:], strict=True)
        ]

    seen = bags(train)
    label = torch.tensor([example.label for example in train])
    weight = torch.from_numpy(label_weights(label.numpy(), labels)).float()

    def answers(table: Any, head: Any) -> Answers:
        def answer(some: Sequence[Example]) -> list[Prediction]:
            if not some:
                return []
            with torch.no_grad():
                rows = torch.softmax(head(_means(table, bags(some))), 1)
            return [Prediction(tuple(row)) for row in rows.tolist()]

        return answer

    for rate in _RATES:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            table = torch.nn.Parameter(torch.randn(_HASHED, _WIDTH) / _WIDTH)
            head = torch.nn.Linear(_WIDTH, labels)
            torch.nn.init.zeros_(head.weight)
            torch.nn.init.zeros_(head.bias)
            # Steps as long as their gradients: of Adam's, all alike, those of rare pairs would drown those of words.
            optimizer = torch.optim.SGD([table, *head.parameters()], rate)
            steps = -(-len(train) // _BATCH)
            for epoch in range(1, max((of for of in _EPOCHS if of * steps <= _STEPS), default=1) + 1):
                for part in torch.randperm(len(train)).split(_BATCH):
                    logits = head(_means(table, [seen[row] for row in part.tolist()]))
                    losses = torch.nn.functional.cross_entropy(logits, label[part], reduction="none")
                    optimizer.zero_grad()
                    (losses * weight[part]).sum().backward()
                    optimizer.step()
                if epoch not in _EPOCHS:
                    continue
                kept = torch.nn.Linear(_WIDTH, labels)
                kept.load_state_dict(head.state_dict())
                yield f"rate {rate:g}, {epoch} passes", answers(table.detach().clone(), kept)


def _with_pairs(words: list[str]) -> list[str]:
    return [*words, *(f"{first} {second}" for first, second in pairwise(words))]


def _means(table: Any, bags: Sequence[Any]) -> Any:
    """Means of the vectors of bags of rows of a table, float32[bags, width]; zeros for an empty bag."""
    import torch

    offsets = torch.tensor([0, *(len(bag) for bag in bags[:-1])]).cumsum(0)
    return torch.nn.functional.embedding_bag(torch.cat(list(bags)), table, offsets, mode="mean", sparse=True)
