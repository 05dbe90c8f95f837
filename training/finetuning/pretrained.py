"""The models that are fine-tuned: a run of ours, an exported folder, or any encoder or decoder of transformers.

A name on the Hugging Face hub is looked for in the cache of this machine; it is fetched only where that was asked for.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from socorpus.corpus.engine import receipts
from socorpus.corpus.errors import BuildError, InputError
from socorpus.corpus.storage import files as storage_files
from socorpus.labeling.schema import Task
from socorpus.training.finetuning.windows import Tags
from socorpus.training.quiet import quiet

_WANTED = ("*.json", "*.safetensors", "*.bin", "*.txt", "*.model", "tokenizer*")
_LEFT = ("onnx/*", "openvino/*", "*.onnx", "*.msgpack", "*.h5", "training_args.bin", "coreml/*")
_SHORT = 16_384
"""Tokenizers without a limit say 1e30; no model here takes more than this."""


@dataclass(frozen=True)
class Pretrained:
    """A model's folder, and what is known of it without its weights.

    Attributes:
        name: what the user called it, for tables.
        folder: where config.json, weights and tokenizer lie.
        described: config.json.
        scratch: whether its weights are left aside and drawn anew.
    """

    name: str
    folder: Path
    described: Mapping[str, Any]
    scratch: bool = False

    @property
    def decoder(self) -> bool:
        """Whether it reads from left to right: such a model is fine-tuned by adapters."""
        from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL
        from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES as MASKED

        kind = self.described.get("model_type")
        return kind in CAUSAL and kind not in MASKED

    @property
    def context(self) -> int:
        """Most tokens that it can read, special ones included."""
        given = [self.described.get(name) for name in ("max_position_embeddings", "n_positions")]
        limits = [one for one in given if isinstance(one, int) and one > 0]
        # RoBERTa and its like begin to count behind the number of the padding token.
        if limits and self.described.get("model_type") in ("roberta", "xlm-roberta", "camembert", "mpnet"):
            limits = [limits[0] - 2]
        return min([*limits, _SHORT])

    @property
    def identity(self) -> str:
        """Hash of what is learned from it: configuration, tokenizer and, unless drawn anew, weights."""
        said = {"config.json", "tokenizer.json", "vocab.txt", "merges.txt"}
        files = {
            path.name: storage_files.sha256(path)
            for path in self.folder.iterdir()
            if path.name in said or (path.suffix in (".safetensors", ".bin", ".pt") and not self.scratch)
        }
        return receipts.fingerprint({"files": files, "scratch": self.scratch})


def find(name: str, download: bool = False) -> Pretrained:
    """The model of a name.

    Args:
        name: folder of a run or of a model, or name on the hub (`answerdotai/ModernBERT-base`); `scratch:` before it
            leaves its weights aside.
        download: whether what is not on this machine may be fetched from the hub.

    Raises:
        InputError: there is none; says how to get it.
    """
    scratch = name.startswith("scratch:")
    plain = name.removeprefix("scratch:")
    place = Path(plain)
    if (place / "run.json").is_file():
        folder = _exported(place)
    elif (place / "config.json").is_file():
        folder = place
    elif place.exists():
        raise InputError(f"{place}: neither a run (run.json) nor a model (config.json); give the folder of one")
    else:
        folder = _of_hub(plain, download)
    try:
        described = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / 'config.json'}: can't be read: {error}") from None
    return Pretrained(name, folder, described, scratch)


def _exported(run: Path) -> Path:
    """The run's newest checkpoint as a model, in the run's own folder, so that it is made once."""
    from socorpus.training.export import huggingface

    folder = run / "exported" / str(huggingface.opened(run).found.step)
    with storage_files.locked(run / "exported" / ".lock"):
        if not (folder / "export.json").is_file():
            huggingface.export(run, folder, force=True)
    return folder


def _of_hub(name: str, download: bool) -> Path:
    parts = name.split("/")
    if len(parts) > 2 or name.startswith((".", "~")) or not all(parts):
        raise InputError(f"{name}: no such folder; give that of a run or a model, or a name on the Hugging Face hub")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        found = snapshot_download(
            name, allow_patterns=list(_WANTED), ignore_patterns=list(_LEFT), local_files_only=not download
        )
    except HFValidationError:
        raise InputError(f"{name}: no such folder, and no name that the Hugging Face hub could have") from None
    except LocalEntryNotFoundError:
        raise InputError(
            f"{name}: not on this machine; fetch it with --download, or give the folder it lies in"
        ) from None
    except Exception as error:  # the hub's own errors, and those of the network below it
        if isinstance(error, OSError | ValueError | RuntimeError):
            raise InputError(f"{name}: can't be fetched from the Hugging Face hub: {error}") from None
        raise
    return Path(found)


def tokenizer(model: Pretrained) -> Any:
    """The model's fast tokenizer. Padding is masked, so a tokenizer without a token for it may pad with any.

    Raises:
        InputError: it has none that gives offsets.
    """
    with quiet() as transformers:
        try:
            made = transformers.AutoTokenizer.from_pretrained(model.folder, local_files_only=True)
        except Exception as error:
            raise InputError(f"{model.folder}: its tokenizer can't be loaded: {error}") from None
    if not made.is_fast:
        raise InputError(f"{model.folder}: has no fast tokenizer (tokenizer.json), which gives tokens their places")
    if made.pad_token is None and (other := made.eos_token or made.unk_token):
        made.pad_token = other
    return made


def head(model: Pretrained, task: Task, padding: int, bits: int | None = None) -> Any:
    """The model with a new head for a task, float32: of tokens for spans, else of sequences.

    Args:
        padding: number of the padding token.
        bits: 8 or 4 to load the weights so (CUDA and bitsandbytes); None as they are.

    Raises:
        InputError: transformers has no such head for this kind of model, or it can't be loaded.
    """
    names = Tags(task.labels).names if task.spans else list(task.labels)
    with quiet() as transformers:
        try:
            config = transformers.AutoConfig.from_pretrained(model.folder, local_files_only=True)
            config.num_labels = len(names)
            config.id2label = dict(enumerate(names))
            config.label2id = {name: at for at, name in enumerate(names)}
            config.problem_type = None
            if config.pad_token_id is None or model.decoder:
                config.pad_token_id = padding
            # A compiled encoder is built anew for each shape, and shapes here differ.
            if hasattr(config, "reference_compile"):
                config.reference_compile = False
            of_task = transformers.AutoModelForTokenClassification if task.spans else None
            kind = of_task or transformers.AutoModelForSequenceClassification
            if model.scratch:
                return kind.from_config(config).float()
            loading: dict[str, Any] = {"dtype": "float32"} if bits is None else _quantized(transformers, bits)
            return kind.from_pretrained(model.folder, config=config, local_files_only=True, **loading)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise InputError(f"{model.folder}: can't be loaded with a head for {task.name}: {error}") from None


def _quantized(transformers: Any, bits: int) -> dict[str, Any]:
    import torch

    if not torch.cuda.is_available():
        raise InputError(f"{bits}-bit weights need a CUDA GPU, and there is none; leave --bits out")
    made = transformers.BitsAndBytesConfig(
        load_in_4bit=bits == 4, load_in_8bit=bits == 8, bnb_4bit_compute_dtype=torch.bfloat16
    )
    return {"quantization_config": made, "device_map": {"": 0}}


def adapted(model: Any, task: Task, rank: int, quantized: bool) -> Any:
    """A decoder of which only low-rank adapters of its linear layers, and the head, are learned (LoRA, Hu et al. 2021).

    Raises:
        BuildError: peft is not installed.
    """
    try:
        import peft
    except ImportError:
        raise BuildError("adapters need peft: pip install 'socorpus[training]'") from None
    with quiet():
        if quantized:
            model = peft.prepare_model_for_kbit_training(model)
        kind = peft.TaskType.TOKEN_CLS if task.spans else peft.TaskType.SEQ_CLS
        # All but the head, which is learned whole.
        from torch.nn import Linear

        linear = [name for name, one in model.named_modules() if isinstance(one, Linear)]
        inner = [name for name in linear if name.split(".")[0] not in ("score", "classifier")]
        settings = peft.LoraConfig(task_type=kind, r=rank, lora_alpha=2 * rank, target_modules=inner)
        return peft.get_peft_model(model, settings)
