"""Whether JSON from disk has the shape that its readers rely on: what somebody else wrote may be anything.

A shape is a type (`float` takes whole numbers too), a tuple of shapes of which one must fit (with `None` for null),
`[shape]` for a list of such values, `{str: shape}` for an object of such values whatever their names, or an object of
shapes by name, those whose name ends in `?` optional. What is more than the shape names is passed over.
"""

import math
from collections.abc import Mapping
from typing import Any

_MOST = 2**63 - 1


def misfit(value: Any, shape: Any, place: str = "") -> str | None:
    """Where and how a value differs from a shape, as "totals.rows: not a number"; None where it fits.

    Args:
        place: name of the value, to begin with.
    """
    if isinstance(shape, tuple):
        return None if any(misfit(value, of) is None for of in shape) else _not(place, _LACKING)
    if isinstance(shape, list):
        if not isinstance(value, list):
            return _not(place, "not a list")
        rest = (misfit(item, shape[0], f"{place}[{number}]") for number, item in enumerate(value))
        return next((wrong for wrong in rest if wrong), None)
    if isinstance(shape, Mapping):
        return _misfit_object(value, shape, place)
    return None if _is(value, shape) else _not(place, _KINDS.get(shape, _LACKING))


def _misfit_object(value: Any, shape: Mapping[Any, Any], place: str) -> str | None:
    if not isinstance(value, dict):
        return _not(place, "not an object")
    if str in shape:
        pairs = [(name, of, shape[str]) for name, of in value.items()]
    else:
        for name in shape:
            if not name.endswith("?") and name not in value:
                return _not(f"{place}.{name}".lstrip("."), "missing")
        named = [(name.removesuffix("?"), of) for name, of in shape.items()]
        pairs = [(name, value[name], of) for name, of in named if name in value]
    for name, item, of in pairs:
        if wrong := misfit(item, of, f"{place}.{name}".lstrip(".")):
            return wrong
    return None


def _is(value: Any, kind: type | None) -> bool:
    if kind is object:
        return True
    if kind is None:
        return value is None
    if kind in (int, float) and isinstance(value, bool):
        return False
    if kind is int:
        return isinstance(value, int) and abs(value) <= _MOST
    if kind is float:
        return isinstance(value, (int, float)) and math.isfinite(value) and abs(value) <= _MOST
    return isinstance(value, kind)


_LACKING = "another kind of value than was written"
_KINDS: Mapping[Any, str] = {
    int: "not a whole number",
    float: "not a number",
    str: "not a text",
    bool: "not true or false",
}


def _not(place: str, what: str) -> str:
    return f"{place or 'the whole'}: {what}"
