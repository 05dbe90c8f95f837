"""Masked language modelling on packs: the choice of hidden tokens and their replacements.

Drawn only from (seed, the pack's key): the same pack is masked alike by every reader, also after a resume. A new epoch
draws anew. Source: Devlin et al. 2019; whole words as in its later release.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from socorpus.training.config import Masking
from socorpus.training.pretrain.data.packing import Flags, Ids, Pack
from socorpus.training.pretrain.data.shard_reader import Vocabulary


@dataclass(frozen=True)
class Masked:
    """A pack with hidden tokens: `ids` int32[tokens] as the model reads them, `places` int64[masked] the hidden
    positions, `labels` int64[masked] the original tokens there, `code` bool[masked] whether they were code."""

    ids: Ids
    places: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    code: Flags


def mask(pack: Pack, rate: float, masking: Masking, vocabulary: Vocabulary, seed: int) -> Masked:
    """Hide a share `rate` of a pack's tokens, except special tokens.

    Each token, or word, is hidden with probability `rate`; the share holds on average.
    """
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 1, *pack.key])))
    draws = random.random((3, len(pack.ids)), np.float32)
    chances = draws[0]
    if masking.words:
        chances = chances[_first_of_word(pack, vocabulary)]
    limit = np.where(pack.code, masking.code_rate, rate) if masking.code_rate is not None else rate
    hidden = (chances < limit) & ~vocabulary.is_special[pack.ids]
    positions = np.flatnonzero(hidden)
    labels = pack.ids[positions].astype(np.int64)
    form = draws[1][positions]
    others = vocabulary.ordinary
    random_ids = others[(draws[2][positions] * len(others)).astype(np.int64)]
    seen = np.where(form < masking.mask, vocabulary.special["[MASK]"], labels)
    seen = np.where((form >= masking.mask) & (form < masking.mask + masking.random), random_ids, seen)
    ids = pack.ids.copy()
    ids[positions] = seen
    return Masked(ids, positions, labels, pack.code[positions])


def _first_of_word(pack: Pack, vocabulary: Vocabulary) -> npt.NDArray[np.int64]:
    """For each token, the start of its word, int64[tokens]."""
    joins = vocabulary.joins[pack.ids]
    goes_on = np.zeros(len(joins), np.bool_)
    goes_on[1:] = (joins[1:] & 1).astype(np.bool_) & (joins[:-1] & 2).astype(np.bool_)
    return np.maximum.accumulate(np.where(goes_on, 0, np.arange(len(joins))))
