"""Whether the trainer's model and transformers' one are the same: documents go through both, packed and padded."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist

from socorpus.training.pretrain.data import packing, shard_reader
from socorpus.training.pretrain.data.shard_reader import RowGroup
from socorpus.training.pretrain.distributed import Ranks
from socorpus.training.pretrain.optimizer import all_finite
from socorpus.training.quiet import quiet

if TYPE_CHECKING:
    from socorpus.training.models.encoder import Encoder

TOLERANCE = 1e-4
"""Largest difference of two logits, or of two components of a normalised vector, that is still rounding."""

_DOCUMENTS = 6
_GROUPS = 8

Documents = Sequence[npt.NDArray[np.int64]]
"""Token ids of documents, each int64[tokens], special tokens included."""


@dataclass(frozen=True)
class Equality:
    """The largest difference of two logits of the same token, and the largest logit; of its vector's components where
    the model of transformers has no head."""

    difference: float
    largest: float


def documents(groups: Sequence[RowGroup], longest: int, special: Mapping[str, int]) -> Documents:
    """Documents of different lengths with special tokens, including the longest of the first row groups."""
    pieces: list[npt.NDArray[Any]] = []
    for group in groups[:_GROUPS]:
        pieces += [ids for ids, _ in packing.cut_out(shard_reader.read(group), longest, 0, True)]
    return chosen(pieces, special)


def chosen(pieces: Sequence[npt.NDArray[Any]], special: Mapping[str, int]) -> Documents:
    """Some of the pieces, from the shortest to the longest, with special tokens."""
    by_length = sorted((piece for piece in pieces if len(piece)), key=len)
    numbers = sorted({round(number) for number in np.linspace(0, len(by_length) - 1, _DOCUMENTS)})
    ends = np.array([special["[CLS]"]]), np.array([special["[SEP]"]])
    return [np.concatenate((ends[0], by_length[number], ends[1])).astype(np.int64) for number in numbers]


def finite(model: torch.nn.Module) -> bool:
    """Whether no weight is an infinity or a NaN: else no comparison says anything."""
    return all_finite(model.state_dict().values())


@torch.no_grad()
def compare(ours: "Encoder", theirs: Any, documents: Documents, padding: int, ranks: Ranks) -> Equality:
    """Compare logits, or vectors: ours of packed documents, on any device and number of tensor ranks, theirs of padded
    pairs.

    Args:
        padding: id of the filler.
    """
    device = ranks.device
    lengths = [len(document) for document in documents]
    ids = torch.from_numpy(np.concatenate(documents)).to(device)
    positions = torch.cat([torch.arange(length) for length in lengths]).to(device)
    hidden = ours.hidden(ids, positions, ours.documents(lengths)).split(lengths)
    difference = largest = 0.0
    # Logits of all documents at once would take gigabytes; a long document beside a short one has the most padding.
    for first in range((len(documents) + 1) // 2):
        pair = sorted({first, len(documents) - 1 - first})
        longest = max(lengths[number] for number in pair)
        padded = torch.full((len(pair), longest), padding)
        mask = torch.zeros_like(padded)
        for row, number in enumerate(pair):
            padded[row, : lengths[number]] = torch.from_numpy(documents[number])
            mask[row, : lengths[number]] = 1
        with quiet():
            output = theirs(input_ids=padded, attention_mask=mask)
        for row, number in enumerate(pair):
            if "logits" in output:
                own, expected = _whole(ours.score(hidden[number]), ranks), output.logits[row, : lengths[number]]
            else:
                own, expected = hidden[number], output.last_hidden_state[row, : lengths[number]]
            own = own[:, 0, : expected.shape[-1]].cpu()
            apart = (own - expected).abs().max().item()
            if not math.isfinite(apart):
                return Equality(math.inf, math.inf)
            difference, largest = max(difference, apart), max(largest, expected.abs().max().item())
    return Equality(difference, largest)


def _whole(logits: torch.Tensor, ranks: Ranks) -> torch.Tensor:
    """Logits of the whole vocabulary, of which each tensor rank has a part."""
    if ranks.tensor == 1:
        return logits
    parts = [torch.empty_like(logits) for _ in range(ranks.tensor)]
    dist.all_gather(parts, logits.contiguous(), group=ranks.tensor_group)
    return torch.cat(parts, -1)
