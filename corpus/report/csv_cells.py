"""Cells of CSV files that a spreadsheet shows as they are."""

import re
from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def cell(value: Any) -> Any:
    """A value as it is written to a CSV file.

    A spreadsheet runs a text that begins with `=`, `+`, `-`, `@`, a tab or a line end as a formula, which can start
    programs and send data away. Such a text gets an apostrophe in front, as people write it there (OWASP, "CSV
    Injection"); numbers stay numbers.
    """
    if isinstance(value, str) and value.startswith(_FORMULA) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value
