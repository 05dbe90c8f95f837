"""Models and tokenizers of transformers, loaded from folders that may come from anybody.

A model's folder can name Python code of its own (`auto_map`), which transformers offers to run, and kernels of the hub
(`attn_implementation`), which it downloads and runs. Neither is ever run here. Weights in a pickle (`.bin`) are read by
torch's unpickler for weights, which runs nothing; weights in safetensors are plain numbers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from socorpus.corpus.errors import InputError, SocorpusError
from socorpus.corpus.storage import files
from socorpus.training import saved_hashes
from socorpus.training.quiet import quiet

ONLY_DATA: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
"""Arguments of every `from_pretrained`: nothing is downloaded, and no code of the folder is run."""

_LONGEST = 400
"""Characters of a library's message that are shown."""


@contextmanager
def loading(folder: Path, what: str) -> Iterator[Any]:
    """transformers, to load something from a folder within the block.

    Args:
        what: its name in an error, such as `its tokenizer`.

    Raises:
        InputError: the folder's configuration names code, its weights or tokenizer are not what was saved
            (`saved_hashes`), or whatever is raised in the block, in one sentence.
    """
    refuse_code(folder)
    saved_hashes.check(folder)
    try:
        with quiet() as transformers:
            yield transformers
    except (SocorpusError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    # The libraries raise errors of every kind for a damaged file; those of Rust panic, which is no Exception.
    except BaseException as error:
        if "trust_remote_code" in str(error):
            raise InputError(
                f"{folder}: {what} needs Python code that came with the model, which is never run; give a model of a "
                "kind that transformers has itself"
            ) from None
        if "weights_only" in str(error):
            raise InputError(
                f"{folder}: {what} can't be loaded: its weights are a pickle that holds more than weights, which is "
                "never run; give a model with weights in safetensors"
            ) from None
        message = " ".join(str(error).split())[:_LONGEST] or type(error).__name__
        raise InputError(f"{folder}: {what} can't be loaded: {message}") from error


def refuse_code(folder: Path) -> None:
    """Refuse a folder whose config.json names kernels to download.

    Raises:
        InputError: it does, or it can't be read.
    """
    path = folder / "config.json"
    try:
        described = files.read_json(path)
    except FileNotFoundError:
        return
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: can't be read: {error}") from None
    if (kernel := _kernel(described)) is not None:
        raise InputError(
            f"{path}: attn_implementation names the kernel {kernel!r}, which is code; remove that line, and the model "
            "is loaded with PyTorch's own attention"
        )


def _kernel(described: Any) -> str | None:
    """The first name of a kernel of the hub in a configuration or one of its parts."""
    if not isinstance(described, dict):
        return None
    for name, value in described.items():
        named = list(value.values()) if isinstance(value, dict) else [value]
        if "implementation" in name or name == "use_kernels":
            for kernel in named:
                if isinstance(kernel, str) and "/" in kernel:
                    return kernel
        elif (kernel := _kernel(value)) is not None:
            return kernel
    return None
