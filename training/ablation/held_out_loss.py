"""The loss of a proxy on held-out texts, document by document, on the processor: kept by what it was computed of."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from socorpus.corpus.storage import files
from socorpus.training.ablation.held_out_texts import HeldOutTexts
from socorpus.training.config import Config
from socorpus.training.pretrain import checkpoint
from socorpus.training.pretrain.run import Run

Sums = npt.NDArray[np.float64]

_VERSION = 1
"""Raised when the figures change."""


def mean(values: Sums) -> Sums:
    """Loss in nats of a masked token from float64[…, 2]: tokens and their losses added up."""
    return np.divide(values[..., 1], values[..., 0], out=np.zeros(values.shape[:-1]), where=values[..., 0] > 0)


class Losses:
    """The losses of proxies on the same texts.

    Args:
        folder: where they are kept, a file for each proxy.
        config: of the proxies, whose seed counts for nothing here.
    """

    def __init__(self, folder: Path, texts: HeldOutTexts, config: Config) -> None:
        self._folder, self._texts, self._config = folder, texts, config
        data = [config.data.cut, config.validation.rate, config.batch.micro, config.model.max_length]
        masked = config.masking
        self._of_texts = [_VERSION, texts.identity, data, [masked.words, masked.mask, masked.random, masked.code_rate]]

    def place(self, run: Path) -> Path:
        """The file of a proxy's losses.

        Raises:
            InputError: the proxy has no checkpoint.
        """
        from socorpus.training.export import huggingface

        saved = checkpoint.newest(Run(run).checkpoints) or huggingface.opened(run).found
        return self._folder / f"{files.fingerprint([*self._of_texts, saved.identity])[:24]}.npz"

    def known(self, run: Path) -> bool:
        """Whether a proxy's losses are there."""
        return files.is_file(self.place(run))

    def of(self, run: Path) -> Sums:
        """Of each document its masked tokens and their losses added up, float64[documents, 2]; computed if need be.

        Raises:
            InputError: the proxy or its corpus is missing or damaged.
        """
        place = self.place(run)
        if not files.is_file(place):
            files.write_arrays(place, {"sums": self._scored(run)})
        return np.asarray(files.read_arrays(place)["sums"], np.float64)

    def _scored(self, run: Path) -> Sums:
        from socorpus.training.export import huggingface
        from socorpus.training.pretrain import distributed

        source = huggingface.opened(run)
        sums = np.zeros((len(self._texts.documents), 2))
        with distributed.joined() as ranks, torch.no_grad():
            # It imports megatron-core, whose warnings `joined` keeps from users.
            from socorpus.training.pretrain import validation

            here = replace(ranks, device=torch.device("cpu"))
            model = huggingface.loaded(source, here)
            for batch, of in self._texts.batches(self._config, source.vocabulary):
                losses, _ = validation.each(model, batch, here)
                sums[:, 0] += np.bincount(of, minlength=len(sums))
                sums[:, 1] += np.bincount(of, losses.double().numpy(), len(sums))
        return sums
