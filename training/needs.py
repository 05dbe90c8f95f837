"""The check that the packages for training are installed, before any work starts."""

from importlib.util import find_spec

from socorpus.corpus.errors import InputError

TRANSFORMERS = ("safetensors", "transformers")


def need(*more: str) -> None:
    """Refuse to start if a package is missing.

    Args:
        more: modules needed in addition to those that every training run needs.

    Raises:
        InputError: names the missing packages and the command that installs them.
    """
    wanted = ("torch", "megatron", "psutil", "tensorboard", "tokenizers", *more)
    missing = [name for name in wanted if find_spec(name) is None]
    if missing:
        raise InputError(f"training needs {', '.join(missing)}: pip install 'socorpus[training]'")
