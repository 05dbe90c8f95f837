"""Numbers in variables of the environment."""

import math
import os

from socorpus.corpus.errors import InputError


def number(name: str, default: float, least: float, most: float) -> float:
    """A variable's number, or the default where it is not set or empty.

    Raises:
        InputError: it is no number from `least` to `most`.
    """
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise InputError(
            f"{name}={text}: the variable must be a number from {least:g} to {most:g}, such as {default:g}"
        )
    return value
