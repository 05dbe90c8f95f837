"""The start of a run: a model of transformers, or a checkpoint of an earlier run.

Of a model the weights must be safetensors, which hold numbers and nothing that runs, and its tokenizer must be one of
the tokenizers library.
"""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from socorpus.corpus import toml_config
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files, json_shape
from socorpus.corpus.storage.boundary import corpus_place
from socorpus.corpus.storage.objects.paths import ObjectPath
from socorpus.corpus.tokenizer import folder as tokenizer_folder
from socorpus.corpus.tokenizer.given import Given
from socorpus.training import run_store, saved_hashes
from socorpus.training.config import ModelShape
from socorpus.training.finetuning import pretrained
from socorpus.training.finetuning.pretrained import Pretrained
from socorpus.training.initial import shapes
from socorpus.training.loading import ONLY_DATA, loading
from socorpus.training.pretrain import checkpoint
from socorpus.training.pretrain.checkpoint import Found
from socorpus.training.pretrain.run import Run

_CHECKPOINT = re.compile(r"step-(\d{9})")
_MODEL, _RUN = "model", "run"


@dataclass(frozen=True)
class Start:
    """The weights that a run starts from.

    Attributes:
        name: the user's name for them, to be given to others: of an absolute path only the folder's name.
        folder: of the model, or of the run.
        digest: SHA-256 of all that a start depends on.
        checkpoint: of a run; None for a model of transformers.
    """

    name: str
    folder: Path
    digest: str
    shape: ModelShape
    given: Given
    checkpoint: Found | None = None

    @property
    def tokenizer(self) -> Path:
        """Folder of the tokenizer."""
        return self.folder if self.checkpoint is None else Run(self.folder).tokenizer

    @property
    def facts(self) -> dict[str, Any]:
        """What a run keeps of its start."""
        step = {} if self.checkpoint is None else {"step": self.checkpoint.step}
        return {"name": self.name, "kind": _MODEL if self.checkpoint is None else _RUN, "digest": self.digest, **step}


def find(name: str, download: bool = False) -> Start:
    """The start of a name.

    Args:
        name: a model's folder, or its name on the Hugging Face hub; a run's folder, for its newest checkpoint, or that
            of a checkpoint (RUN/checkpoints/step-…); or the address of a model or a run.
        download: whether a model that is not on this machine may be downloaded from the hub.

    Raises:
        InputError: there is no such model or run, or training can't start from it.
    """
    if name.startswith("scratch:"):
        raise InputError(f"{name}: random weights; leave --init out, and training begins with such")
    place = corpus_place(name)
    run, step = (place.parent.parent, _step(place)) if _step(place) is not None else (place, None)
    if (run / "run.json").is_file():
        return _of_run(name, run_store.readable(run, step) if isinstance(run, ObjectPath) else run, step)
    return _of_model(pretrained.find(name, download))


def _step(place: Path) -> int | None:
    match = _CHECKPOINT.fullmatch(place.name)
    return int(match[1]) if match is not None and place.parent.name == "checkpoints" else None


def _of_model(model: Pretrained) -> Start:
    where = model.folder / "config.json"
    family = shapes.kind(model.described, where)
    _require_safetensors(model.folder)
    with loading(model.folder, "its configuration") as transformers:
        config = transformers.AutoConfig.from_pretrained(model.folder, **ONLY_DATA)
    shape = shapes.shape(config, family, where)
    given = _tokenizer(model)
    if shape.rows is not None and given.entries > shape.rows:
        raise InputError(
            f"{model.folder}: its tokenizer has {given.entries:,} entries, and its embedding {shape.rows:,} rows "
            "(vocab_size): they are not of one model"
        )
    return Start(model.shared_name, model.folder, model.identity, shape, given)


def _require_safetensors(folder: Path) -> None:
    """See that there are weights in safetensors: one file, or the files that an index names."""
    index = folder / "model.safetensors.index.json"
    if (folder / "model.safetensors").is_file():
        return
    if files.exists(index):
        try:
            described = files.read_json(index)
            wrong = json_shape.misfit(described, {"weight_map": {str: str}})
        except (OSError, ValueError) as error:
            wrong = str(error)
        if wrong:
            raise InputError(f"{index}: not an index of weights ({wrong}); fetch the model again")
        names = sorted(set(described["weight_map"].values()))
        if not names or any(Path(name).name != name or not name.endswith(".safetensors") for name in names):
            raise InputError(f"{index}: not an index of weights (it names no files of its folder); fetch it again")
        if gone := [name for name in names if not (folder / name).is_file()]:
            raise InputError(f"{folder}: {', '.join(gone)} of its weights is not there; fetch the model again")
        return
    pickles = sorted(path.name for path in folder.glob("*.bin"))
    if not pickles:
        raise InputError(f"{folder}: no weights there (model.safetensors)")
    raise InputError(
        f"{folder}: its weights are a pickle ({pickles[0]}), which training does not read; transformers writes "
        "safetensors of it: AutoModelForMaskedLM.from_pretrained(FOLDER).save_pretrained(ANOTHER), with its tokenizer"
    )


def _tokenizer(model: Pretrained) -> Given:
    if (model.folder / "tokenizer.json").is_file():
        return tokenizer_folder.load_given(model.folder)
    # transformers makes one of the older kinds of files.
    if not any((model.folder / name).is_file() for name in ("vocab.txt", "vocab.json", "spiece.model")):
        raise InputError(f"{model.folder}: no tokenizer there (tokenizer.json); a model is trained on its own tokens")
    loaded = pretrained.tokenizer(model)
    with tempfile.TemporaryDirectory() as folder:
        loaded.save_pretrained(folder)
        return tokenizer_folder.load_given(Path(folder))


def _of_run(name: str, folder: Path, step: int | None) -> Start:
    run = Run(folder)
    facts = run.facts() or {}
    saved = checkpoint.listed(run.checkpoints)
    chosen = next((place for place in reversed(saved) if step in (None, place.step)), None)
    if chosen is None:
        which = "yet" if step is None else f"of step {step:,}"
        raise InputError(f"{folder}: no checkpoint {which}; let socorpus train go on until it has saved one")
    try:
        shape = toml_config.section(ModelShape, facts["model"], f"{folder / 'run.json'}: model")
        given = tokenizer_folder.load_given(run.tokenizer_folder(facts))
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder / 'run.json'}: not what socorpus train writes (no {error})") from None
    hashes = chosen.path / saved_hashes.NAME
    digest = files.fingerprint([files.read_json(hashes) if files.exists(hashes) else chosen.state, facts["model"]])
    return Start(name if not Path(name).is_absolute() else folder.name, folder, digest, shape, given, chosen)
