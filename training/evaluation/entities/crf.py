"""A conditional random field that tags words: the field's plain strong system for entities.

Lafferty, McCallum and Pereira, "Conditional Random Fields", 2001, by CRFsuite (Okazaki, 2007). It sees the features of
each word and of its neighbours that the audit by words sees, and which tag follows which.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from socorpus.corpus.errors import InputError
from socorpus.labeling.tasks.entities import bio
from socorpus.training.evaluation.baselines import word_features
from socorpus.training.evaluation.plain_systems import Answers, choose
from socorpus.training.evaluation.systems import Answering, system
from socorpus.training.examples.example import Data, Example, Prediction
from socorpus.training.finetuning.windows import Tags

_PENALTIES = ((0.1, 0.01), (0.0, 0.1), (0.0, 1.0), (0.3, 0.01), (0.03, 0.03), (1.0, 0.1))
"""Factors of the L1 and of the L2 penalty to choose from, the usual ones first."""
_STEPS = 100


@system("CRF", version=1, unit="span")
def crf(data: Data) -> Answering:
    """A linear-chain CRF on words: its penalties chosen of 6.

    Raises:
        InputError: python-crfsuite is not installed.
    """
    try:
        import pycrfsuite
    except ModuleNotFoundError:
        raise InputError("python-crfsuite is not installed (pip install 'socorpus[training]')") from None

    train = [example for example in data.splits["train"] if example.offsets()]

    def candidates() -> Iterable[tuple[str, Answers]]:
        with TemporaryDirectory() as folder:
            trainer = pycrfsuite.Trainer(verbose=False)
            for example in train:
                trainer.append(word_features(example), bio.tags([span for span, _ in example.spans], example.offsets()))
            for first, second in _PENALTIES:
                trainer.set_params({"c1": first, "c2": second, "max_iterations": _STEPS})
                place = Path(folder) / "model"
                trainer.train(str(place))
                yield f"penalties {first:g} and {second:g}", _answers(data, place.read_bytes())

    return choose(candidates(), data)


def _answers(data: Data, model: bytes) -> Answers:
    import pycrfsuite

    tags = Tags(data.task.labels)
    classes = {name: number for number, name in enumerate(tags.names)}

    def answer(tagger: Any, example: Example) -> Prediction:
        offsets = example.offsets()
        if not offsets:
            return Prediction()
        best = tagger.tag(word_features(example))
        sure = np.zeros((len(offsets), len(classes)), np.float32)
        for word, tag in enumerate(best):
            sure[word, classes[tag]] = tagger.marginal(tag, word)
        return Prediction(spans=tuple(tags.spans(sure, offsets)))

    def answers(some: Sequence[Example]) -> list[Prediction]:
        tagger = pycrfsuite.Tagger()
        tagger.open_inmemory(model)
        return [answer(tagger, example) for example in some]

    return answers
