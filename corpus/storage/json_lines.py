"""JSON Lines (jsonlines.org): one value a line, for every reader's idea of a line."""

import json
from collections.abc import Callable
from typing import Any

_ENDS = str.maketrans({letter: f"\\u{ord(letter):04x}" for letter in "\x85\u2028\u2029"})
"""Ends of lines for Unicode (UAX #14) and Python's `splitlines` that JSON lets stand; it escapes the others."""


def line(value: Any, default: Callable[[Any], Any] | None = None) -> str:
    """A value as one line of JSON with the newline behind it, other characters than ASCII's as they are.

    Args:
        default: what stands for a value that JSON has no form for.

    Examples:
        >>> line({"text": "é\\u2028"})
        '{"text": "é\\\\u2028"}\\n'
    """
    return json.dumps(value, ensure_ascii=False, default=default).translate(_ENDS) + "\n"
