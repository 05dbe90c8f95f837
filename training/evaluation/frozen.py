"""Systems that learn from an encoder's vectors, which stay as they are: a probe of what pre-training has put there.

Of a whole text the vector is the mean of its tokens' last hidden states, over all of its windows; of a word it is the
hidden state of its first token. A logistic regression reads them, by themselves or joined with weighted words.
"""

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from socorpus.labeling import logistic
from socorpus.labeling.schema import Task
from socorpus.training.evaluation import baselines, plain_systems
from socorpus.training.evaluation.plain_systems import Answers, Chosen, choose, label_weights, of_rows
from socorpus.training.examples.example import Data, Example, Prediction
from socorpus.training.finetuning import inference, pretrained
from socorpus.training.finetuning.pretrained import Pretrained
from socorpus.training.finetuning.settings import FinetuneSettings
from socorpus.training.finetuning.windows import Encoded, Reading, Tags, encode
from socorpus.training.loading import ONLY_DATA, loading

Float32 = npt.NDArray[np.float32]

VERSION = 1
"""Raised when the predictions change."""
_STRENGTHS = (1.0, 0.1, 0.01, 10.0)
"""Inverse strengths of the L2 penalty to choose from; vectors are standardised."""
_JOINED = (10.0, 1.0, 100.0)
_FACTORS = (1.0, 0.3)
"""Lengths of a vector beside that of the words' row, 1."""
_WORD_PENALTIES = (1e-5, 1e-4, 1e-6)


def fit(model: Pretrained, data: Data, settings: FinetuneSettings, joined: bool) -> Chosen:
    """Learn a task from a model's vectors.

    Args:
        settings: those of fine-tuning that say how texts are cut into windows.
        joined: whether weighted words are seen too.

    Raises:
        InputError: the model can't be loaded, or has no tokenizer that gives offsets.
    """
    vectors = Vectors(model, data.task, settings)
    fitted = choose((_of_words if data.task.spans else _of_texts)(vectors, data, joined), data)
    return Chosen(fitted.answers, fitted.note, vectors.parameters, fitted.configurations)


class Vectors:
    """The vectors of examples; those of the last ones are kept, since each candidate asks for the same.

    Args:
        layers: whose hidden states stand side by side in a vector, as shares of the depth: 1 is the last layer.
        pieces: whether a word's vector is the mean of its tokens' instead of its first token's.

    Attributes:
        parameters: of the encoder.
    """

    def __init__(
        self,
        model: Pretrained,
        task: Task,
        settings: FinetuneSettings,
        layers: Sequence[float] = (1.0,),
        pieces: bool = False,
    ) -> None:
        self._task, self._settings, self._layers, self._pieces = task, settings, layers, pieces
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._tokenizer = pretrained.tokenizer(model)
        self._reading = Reading(min(settings.length or 2048, model.context), settings.windows)
        with loading(model.folder, "the encoder") as transformers:
            config = transformers.AutoConfig.from_pretrained(model.folder, **ONLY_DATA)
            if hasattr(config, "reference_compile"):
                config.reference_compile = False
            if model.scratch:
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(0)
                    network = transformers.AutoModel.from_config(config, trust_remote_code=False).float()
            else:
                network = transformers.AutoModel.from_pretrained(
                    model.folder, config=config, dtype="float32", **ONLY_DATA
                )
        self._network = network.to(self._device).eval()
        self.parameters = sum(parameter.numel() for parameter in network.parameters())
        self._kept: dict[int, tuple[Sequence[Example], list[Float32]]] = {}

    def __call__(self, some: Sequence[Example]) -> list[Float32]:
        """float32[1, width] of a whole text; float32[words, width] of its words in a task of spans."""
        kept = self._kept.get(id(some))
        if kept is None:
            kept = self._kept[id(some)] = some, self._computed(some)
        return kept[1]

    @torch.no_grad()
    def _computed(self, some: Sequence[Example]) -> list[Float32]:
        encoded = encode(self._tokenizer, self._task, some, self._reading)
        vectors: list[Float32] = [np.zeros((0, 0), np.float32)] * len(some)
        for part in inference.parts(encoded, range(len(some)), self._settings.micro_tokens):
            states, rows = self._states(encoded, part)
            for number in part:
                windows = encoded[number].windows
                mine = [states[next(rows), : len(window.ids)] for window in windows]
                if not self._task.spans:
                    vectors[number] = torch.cat(mine).mean(0, keepdim=True).cpu().numpy()
                    continue
                words = np.zeros((len(some[number].offsets()), states.shape[-1]), np.float32)
                for window, state in zip(windows, mine, strict=True):
                    if len(window.heads):
                        words[window.words] = self._of_heads(state.cpu().numpy(), window.heads)
                vectors[number] = words
        return vectors

    def _of_heads(self, state: Float32, heads: npt.NDArray[np.int32]) -> Float32:
        """Vectors of words whose first tokens are `heads`, ascending."""
        if not self._pieces:
            return state[heads]
        # Of a window's last word only the first token: what follows may be another word's.
        state = state[: heads[-1] + 1]
        sizes = np.maximum(np.diff(np.append(heads, len(state))), 1)
        means: Float32 = np.add.reduceat(state, heads, axis=0) / sizes[:, None].astype(np.float32)
        return means

    def _states(self, encoded: Sequence[Encoded], part: Sequence[int]) -> tuple[torch.Tensor, Any]:
        """Hidden states of the windows of texts, float32[windows, length, width], and the windows' numbers."""
        ids, mask = inference.padded(
            [window for number in part for window in encoded[number].windows],
            int(self._tokenizer.pad_token_id or 0),
            self._network.config,
            self._device,
        )
        # On a processor the vectors are exact, so that they are the same on all.
        half = self._device.type == "cuda" and inference.half(self._device)
        with torch.autocast(self._device.type, torch.bfloat16) if half else nullcontext():
            output = self._network(input_ids=ids, attention_mask=mask, output_hidden_states=len(self._layers) > 1)
        if len(self._layers) == 1:
            return output.last_hidden_state.float(), iter(range(len(ids)))
        depth = len(output.hidden_states) - 1
        # The last one's states have gone through the last normalisation.
        of_layers = [*output.hidden_states[:-1], output.last_hidden_state]
        states = torch.cat([of_layers[round(share * depth)] for share in self._layers], -1)
        return states.float(), iter(range(len(ids)))


def _of_texts(vectors: Vectors, data: Data, joined: bool) -> Iterable[tuple[str, Answers]]:
    train, labels = data.splits["train"], len(data.task.labels)
    label = np.array([example.label for example in train])
    weight = label_weights(label, labels)

    def dense(some: Sequence[Example]) -> Any:
        return np.concatenate(vectors(some)).astype(np.float64)

    if not joined:
        for strength in _STRENGTHS:
            yield (
                f"C = {strength:g}",
                of_rows(dense, logistic.fit(dense(train), label, labels, weight, inverse=strength)),
            )
        return
    from scipy import sparse

    words = plain_systems.words(data)
    mean, deviation = dense(train).mean(0), np.maximum(dense(train).std(0), 1e-9)
    for factor in _FACTORS:

        def both(some: Sequence[Example], factor: float = factor) -> Any:
            near = (dense(some) - mean) / deviation
            return sparse.hstack([words(some), sparse.csr_matrix(near * factor / near.shape[1] ** 0.5)], format="csr")

        seen = both(train)
        for strength in _JOINED:
            model = logistic.fit(seen, label, labels, weight, words=True, inverse=strength)
            yield f"vectors of length {factor:g}, C = {strength:g}", of_rows(both, model)


def _of_words(vectors: Vectors, data: Data, joined: bool) -> Iterable[tuple[str, Answers]]:
    from scipy import sparse
    from sklearn.feature_extraction import FeatureHasher
    from sklearn.linear_model import SGDClassifier

    tags, train = Tags(data.task.labels), [example for example in data.splits["train"] if example.offsets()]
    hasher = FeatureHasher(1 << 18, input_type="string", alternate_sign=False)
    near = np.concatenate(vectors(train))
    mean, deviation = near.mean(0), np.maximum(near.std(0), 1e-9)

    def rows(example: Example, near: Float32) -> Any:
        dense = (near - mean) / deviation
        if not joined:
            return dense
        scaled = sparse.csr_matrix(dense / dense.shape[1] ** 0.5)
        return sparse.hstack([hasher.transform(baselines.word_features(example)), scaled], format="csr")

    stacked = [rows(example, of) for example, of in zip(train, vectors(train), strict=True)]
    seen = sparse.vstack(stacked, format="csr") if joined else np.concatenate(stacked)
    target = np.concatenate([tags.targets(example, soft=False).argmax(1) for example in train])
    for penalty in _WORD_PENALTIES:
        model = SGDClassifier(loss="log_loss", alpha=penalty, max_iter=10, tol=None, random_state=0)
        model.fit(seen, target)

        def answers(some: Sequence[Example], model: Any = model) -> list[Prediction]:
            return [
                baselines.tagged(tags, model, partial(rows, near=near), example)
                for example, near in zip(some, vectors(some), strict=True)
            ]

        yield f"penalty {penalty:g}", answers
