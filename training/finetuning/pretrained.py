"""The models to fine-tune: one of our runs, an exported folder, or any encoder or decoder of transformers.

A name on the Hugging Face hub is looked up in the local cache; it is downloaded only on request.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from socorpus.corpus.engine import receipts
from socorpus.corpus.errors import BuildError, InputError
from socorpus.corpus.storage import files as storage_files
from socorpus.corpus.storage.boundary import corpus_place
from socorpus.corpus.storage.objects import folders
from socorpus.corpus.storage.objects.paths import ObjectPath
from socorpus.labeling.schema import Task
from socorpus.training import run_store
from socorpus.training.finetuning.windows import Tags
from socorpus.training.loading import ONLY_DATA, loading
from socorpus.training.pretrain import cost
from socorpus.training.pretrain.run import EXPORTED, Run
from socorpus.training.quiet import quiet

_WANTED = ("*.json", "*.safetensors", "*.bin", "*.txt", "*.model", "tokenizer*")
_LEFT = ("onnx/*", "openvino/*", "*.onnx", "*.msgpack", "*.h5", "training_args.bin", "coreml/*")
_SHORT = 16_384
"""Upper bound of any context, in tokens; used if a model states none."""


@dataclass(frozen=True)
class Pretrained:
    """A model's folder, with the facts known without its weights.

    Attributes:
        name: the user's name for it, for tables.
        folder: folder of config.json, weights and tokenizer.
        described: contents of config.json.
        scratch: whether to use random weights instead of its own.
    """

    name: str
    folder: Path
    described: Mapping[str, Any]
    scratch: bool = False

    @property
    def shared_name(self) -> str:
        """The name for files that are given to others: of an absolute path only the folder's name."""
        plain = self.name.removeprefix("scratch:")
        return self.name if not Path(plain).is_absolute() else f"{'scratch:' * self.scratch}{Path(plain).name}"

    @property
    def decoder(self) -> bool:
        """Whether it reads from left to right: such a model is fine-tuned by adapters."""
        from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL
        from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES as MASKED

        kind = self.described.get("model_type")
        return kind in CAUSAL and kind not in MASKED

    @property
    def context(self) -> int:
        """Longest input in tokens, special ones included."""
        given = [self.described.get(name) for name in ("max_position_embeddings", "n_positions")]
        limits = [limit for limit in given if isinstance(limit, int) and limit > 0]
        # RoBERTa-like models number positions from the padding token's id plus one.
        if limits and self.described.get("model_type") in ("roberta", "xlm-roberta", "camembert", "mpnet"):
            limits = [limits[0] - 2]
        return min([*limits, _SHORT])

    @property
    def identity(self) -> str:
        """Hash of configuration, tokenizer and, unless random, weights."""
        names = {"config.json", "tokenizer.json", "vocab.txt", "merges.txt"}
        files = {
            path.name: storage_files.sha256(path)
            for path in self.folder.iterdir()
            if path.name in names or (path.suffix in (".safetensors", ".bin", ".pt") and not self.scratch)
        }
        return receipts.fingerprint({"files": files, "scratch": self.scratch})


def find(name: str, download: bool = False) -> Pretrained:
    """The model of a name.

    Args:
        name: folder or address of a run or of a model, or name on the hub (`answerdotai/ModernBERT-base`); `scratch:`
            before it gives random weights.
        download: whether a model that is not on this machine may be downloaded from the hub.

    Raises:
        InputError: there is no such model; the message says how to get it.
    """
    scratch = name.startswith("scratch:")
    plain = name.removeprefix("scratch:")
    place = corpus_place(plain)
    if isinstance(place, ObjectPath):
        place = run_store.readable(place) if (place / "run.json").is_file() else folders.fetched(place)
        if not any(place.iterdir()):
            raise InputError(f"{plain}: nothing lies there; give the address of a run or a model")
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
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{folder / 'config.json'}: can't be read: {error}") from None
    if not isinstance(described, dict):
        raise InputError(f"{folder / 'config.json'}: not a model's configuration: no object")
    return Pretrained(name, folder, described, scratch)


def _exported(run: Path) -> Path:
    """The run's newest checkpoint as a model, exported once into the run's own folder."""
    from socorpus.training.export import huggingface

    newest = huggingface.opened(run).found
    folder = run / EXPORTED / str(newest.step)
    with Run(run).exporting():
        if not huggingface.holds(folder, newest):
            huggingface.export(run, folder, force=True)
    return folder


def _of_hub(name: str, download: bool) -> Path:
    parts = name.split("/")
    if len(parts) > 2 or name.startswith((".", "~")) or not all(parts):
        raise InputError(f"{name}: no such folder; give that of a run or a model, or a name on the Hugging Face hub")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(
            name, allow_patterns=list(_WANTED), ignore_patterns=list(_LEFT), local_files_only=not download
        )
    except HFValidationError:
        raise InputError(f"{name}: no such folder, and no name that the Hugging Face hub could have") from None
    except LocalEntryNotFoundError:
        raise InputError(
            f"{name}: not on this machine; fetch it with --download, or give the folder it lies in"
        ) from None
    except Exception as error:  # errors of the hub and of the network
        if isinstance(error, OSError | ValueError | RuntimeError):
            raise InputError(f"{name}: can't be fetched from the Hugging Face hub: {error}") from None
        raise
    return Path(folder)


def tokenizer(model: Pretrained) -> Any:
    """The model's fast tokenizer. Padding is masked, so a tokenizer without a padding token may pad with any token.

    Raises:
        InputError: it has no tokenizer that gives offsets.
    """
    with loading(model.folder, "its tokenizer") as transformers:
        loaded = transformers.AutoTokenizer.from_pretrained(model.folder, **ONLY_DATA)
    if not loaded.is_fast:
        raise InputError(f"{model.folder}: has no fast tokenizer (tokenizer.json), which gives tokens their places")
    if loaded.pad_token is None and (other := loaded.eos_token or loaded.unk_token):
        loaded.pad_token = other
    return loaded


@dataclass(frozen=True)
class Size:
    """Number of parameters, of those outside of embeddings, of layers, and the width."""

    parameters: int
    inside: int
    layers: int
    hidden: int


def size(model: Pretrained, task: Task) -> Size:
    """The size of a model with a head for a task; all zero for one that can't be loaded, which fails later."""
    import torch

    try:
        with loading(model.folder, "its configuration") as transformers, torch.device("meta"):
            network = _kind(transformers, task).from_config(
                _config(transformers, model, task, 0), trust_remote_code=False
            )
    except InputError:
        return Size(0, 0, 0, 0)
    embedded = {id(module.weight) for module in network.modules() if isinstance(module, torch.nn.Embedding)}
    counts = [(parameter.numel(), id(parameter) in embedded) for parameter in network.parameters()]
    described = network.config.get_text_config()
    layers, hidden = (getattr(described, name, 0) or 0 for name in ("num_hidden_layers", "hidden_size"))
    total, inside = sum(count for count, _ in counts), sum(count for count, embedding in counts if not embedding)
    return Size(total, inside, int(layers), int(hidden))


def weights_in_half(model: Pretrained, device: Any) -> bool:
    """Whether its weights are loaded in bfloat16: those of decoders, which stay as they are, where a GPU has it."""
    return model.decoder and device is not None and cost.has_bfloat16(device)


def bytes_of_weight(model: Pretrained, device: Any, bits: int | None) -> float:
    """Bytes of memory of a parameter."""
    if model.decoder and bits is not None:
        return bits / 8
    return 2.0 if weights_in_half(model, device) else 4.0


def head(model: Pretrained, task: Task, padding: int, bits: int | None = None, device: Any = None) -> Any:
    """The model with a new head for a task: a token classifier for spans, else a sequence classifier.

    Its weights are float32; a decoder's are bfloat16 on a GPU that has it.

    Args:
        padding: id of the padding token.
        bits: 8 or 4 to load a decoder's weights quantised (CUDA and bitsandbytes); None: unquantised.
        device: the torch device that it is for, where it is not the CPU; it is loaded on the CPU.

    Raises:
        InputError: transformers has no such head for this kind of model, or it can't be loaded.
    """
    with loading(model.folder, f"the model, with a head for {task.name},") as transformers:
        config = _config(transformers, model, task, padding)
        kind = _kind(transformers, task)
        half = weights_in_half(model, device)
        chosen = attention(kind, config, device)
        how = {} if chosen is None else {"attn_implementation": chosen}
        if model.scratch:
            network = kind.from_config(config, trust_remote_code=False, **how)
            return network.bfloat16() if half else network.float()
        quantized = {} if bits is None or not model.decoder else _quantized(transformers, bits)
        how["dtype"] = "bfloat16" if half else "float32"
        return kind.from_pretrained(model.folder, config=config, **ONLY_DATA, **how, **quantized)


def _kind(transformers: Any, task: Task) -> Any:
    name = "Token" if task.spans else "Sequence"
    return getattr(transformers, f"AutoModelFor{name}Classification")


def _config(transformers: Any, model: Pretrained, task: Task, padding: int) -> Any:
    """The configuration of the model with a head."""
    names = Tags(task.labels).names if task.spans else list(task.labels)
    config = transformers.AutoConfig.from_pretrained(model.folder, **ONLY_DATA)
    config.num_labels = len(names)
    config.id2label = dict(enumerate(names))
    config.label2id = {name: number for number, name in enumerate(names)}
    config.problem_type = None
    if config.pad_token_id is None or model.decoder:
        config.pad_token_id = padding
    # A compiled encoder is recompiled for each shape, and shapes here differ.
    if hasattr(config, "reference_compile"):
        config.reference_compile = False
    return config


_FLASH_HEADS = 256
"""Widest attention head of FlashAttention 2."""


def attention(kind: Any, config: Any, device: Any) -> str | None:
    """FlashAttention where it can be; None leaves it to transformers: PyTorch's SDPA where the model has it.

    FlashAttention needs the package flash-attn, a GPU with bfloat16, and a model that transformers has it for;
    ModernBERT then reads its texts without padding.

    Args:
        kind: the class of transformers that makes the model (an `AutoModelFor…`).
    """
    from transformers.utils import is_flash_attn_2_available

    if (
        device is None
        or not cost.has_bfloat16(device)
        or not is_flash_attn_2_available()
        or type(config) not in kind._model_mapping
    ):
        return None
    heads = getattr(config, "num_attention_heads", 0)
    width = getattr(config, "head_dim", None) or (config.hidden_size // heads if heads else 0)
    supported = getattr(kind._model_mapping[type(config)], "_supports_flash_attn", False)
    return "flash_attention_2" if supported and 0 < width <= _FLASH_HEADS and width % 8 == 0 else None


def arithmetic(model: Any) -> dict[str, str]:
    """What a loaded model computes with, for the record: its attention, and the type of most of its weights."""
    counts: Counter[str] = Counter()
    for parameter in model.parameters():
        counts[str(parameter.dtype).removeprefix("torch.")] += parameter.numel()
    return {
        "attention": getattr(model.config, "_attn_implementation", None) or "eager",
        "weights": max(counts, key=lambda name: counts[name]),
    }


def _quantized(transformers: Any, bits: int) -> dict[str, Any]:
    import torch

    if not torch.cuda.is_available():
        raise InputError(f"{bits}-bit weights need a CUDA GPU, and there is none; leave --bits out")
    quantization = transformers.BitsAndBytesConfig(
        load_in_4bit=bits == 4, load_in_8bit=bits == 8, bnb_4bit_compute_dtype=torch.bfloat16
    )
    return {"quantization_config": quantization, "device_map": {"": 0}}


def adapted(model: Any, task: Task, rank: int, quantized: bool) -> Any:
    """A decoder with trainable low-rank adapters of its linear layers and a trainable head (LoRA, Hu et al. 2021).

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
        # All linear layers but the head, which is trained in full.
        from torch.nn import Linear

        linear = [name for name, module in model.named_modules() if isinstance(module, Linear)]
        inner = [name for name in linear if name.split(".")[0] not in ("score", "classifier")]
        settings = peft.LoraConfig(task_type=kind, r=rank, lora_alpha=2 * rank, target_modules=inner)
        network = peft.get_peft_model(model, settings)
    learn_in_float32(network)
    return network


def learn_in_float32(network: Any) -> None:
    """Make what is learned float32, whatever the other weights are: small steps would vanish in bfloat16."""
    for parameter in network.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
