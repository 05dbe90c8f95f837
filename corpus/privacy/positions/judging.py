"""Whether a value in the place of a secret is one."""

import re

from socorpus.corpus.privacy import values

_NOT_A_SECRET = re.compile(r"\d{1,5}(?:[:\-/]\d{1,5})*$|\d{1,3}(?:\.\d{1,3}){3}(?::|$)|[\w.\-]+\.\w+:\d+$|\d+\.\d+$")
"""Ports, dates, addresses and versions."""


def secret(value: str, letters: bool = False) -> bool:
    """Whether a value is no placeholder, reference, number, path or option.

    Args:
        letters: whether a word of letters only, six or more, may be one.
    """
    if (
        values.placeholder(value)
        or values.reference(value)
        or value.startswith(("-", "/", "$", "<", "[", "{", "%", "~"))
    ):
        return False
    if re.search(r"\s", value) or _NOT_A_SECRET.match(value) or "://" in value:
        return False
    return (
        (letters and len(value) >= 6 and not value.isdigit())
        or values.strong(value)
        or re.search(r"\d", value) is not None
    )
