"""A fine-tuned model, loaded from its folder, as an `example.Predictor`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from socorpus.corpus.engine import receipts
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files
from socorpus.labeling.schema import Task, Unit
from socorpus.training.examples.example import Example, Prediction
from socorpus.training.finetuning import inference, pretrained, tuning
from socorpus.training.finetuning.settings import FinetuneSettings
from socorpus.training.finetuning.windows import Reading, encode
from socorpus.training.loading import ONLY_DATA, loading


class Fitted:
    """A model that socorpus finetune wrote; not for concurrent calls.

    Attributes:
        task: its task, with its labels.
        version: name of its folder and a hash of its weights.
    """

    def __init__(self, folder: Path, task: Task, version: str, model: Any, tokenizer: Any, reading: Reading) -> None:
        self.folder, self.task, self.version = folder, task, version
        self._model, self._tokenizer, self._reading = model, tokenizer, reading
        self._device = next(model.parameters()).device
        self._padding = int(tokenizer.pad_token_id or 0)

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """The predictions for the examples; see `example.Predictor`."""
        seen = inference.Seen(examples, encode(self._tokenizer, self.task, examples, self._reading))
        most = FinetuneSettings().micro_tokens
        return inference.predict(self._model, seen, self.task, self._padding, self._device, most)


def load(folder: Path, device: str | None = None) -> Fitted:
    """The model of a folder that socorpus finetune wrote.

    Args:
        device: `cpu` or `cuda`; CUDA where available, if None.

    Raises:
        InputError: the folder holds no such model, or a part is missing.
    """
    path = folder / tuning.FACTS
    if not path.is_file():
        raise InputError(
            f"{folder}: no fine-tuned model (no {tuning.FACTS}); give the folder that socorpus finetune wrote, "
            "after it has finished"
        )
    try:
        facts = json.loads(path.read_text("utf-8"))
        meanings = facts.get("meanings") or dict.fromkeys(facts["labels"], "")  # none in older folders
        unit: Unit = facts.get("unit") or ("span" if facts["spans"] else "question")
        task = Task(facts["task"], meanings, facts.get("question", ""), unit)
        reading = Reading(**facts["reading"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not what socorpus finetune writes ({error})") from None
    to = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    with loading(folder, "the model") as transformers:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **ONLY_DATA)
        if (folder / "adapter_config.json").is_file():
            model = _adapted(folder, task, tokenizer, to)
        else:
            name = "Token" if task.spans else "Sequence"
            kind = getattr(transformers, f"AutoModelFor{name}Classification")
            model = kind.from_pretrained(folder, **ONLY_DATA, dtype="float32")
    return Fitted(folder, task, _version(folder), model.to(to).eval(), tokenizer, reading)


def _adapted(folder: Path, task: Task, tokenizer: Any, device: torch.device) -> Any:
    import peft
    from safetensors.torch import load_file

    described = files.read_json(folder / "adapter_config.json")
    base = Path(described["base_model_name_or_path"])
    if not base.is_absolute() and (folder / base / "config.json").is_file():
        base = folder / base
    if not (base / "config.json").is_file():
        raise InputError(
            f"{folder}: these are adapters of the model in {base}, which is gone; put it back there, or set "
            f"base_model_name_or_path in {folder / 'adapter_config.json'}"
        )
    head = pretrained.head(pretrained.find(str(base)), task, int(tokenizer.pad_token_id or 0), device=device)
    model = peft.PeftModel.from_pretrained(head, folder, is_trainable=True)
    pretrained.learn_in_float32(model)
    peft.set_peft_model_state_dict(model, load_file(folder / "adapter_model.safetensors"))
    return model


def _version(folder: Path) -> str:
    weights = [files.sha256(path) for path in sorted(folder.glob("*.safetensors"))]
    return f"{folder.absolute().name} {receipts.fingerprint(weights)[:8]}"
