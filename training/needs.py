"""Whether what training needs is installed: said before anything is begun."""

from importlib.util import find_spec

from socorpus.corpus.errors import InputError

TRANSFORMERS = ("safetensors", "transformers")


def need(*more: str) -> None:
    """Refuse to begin where a package is missing.

    Args:
        more: modules that are needed beside those that every training needs.

    Raises:
        InputError: names what is missing, and how to install it.
    """
    wanted = ("torch", "megatron", "psutil", "tensorboard", "tokenizers", *more)
    missing = [name for name in wanted if find_spec(name) is None]
    if missing:
        raise InputError(f"training needs {', '.join(missing)}: pip install 'socorpus[training]'")
