"""Settings of any part: frozen dataclasses from TOML, every key typed and checked, unknown keys refused.

A configuration is a dataclass whose fields are sections, and a section a dataclass whose fields are keys.
"""

import dataclasses
import difflib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from socorpus.corpus.errors import InputError

_Section = TypeVar("_Section")


def read(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        InputError: the file is not there, or not valid TOML.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such configuration file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid TOML: {error}") from None


def load(
    kind: type[_Section],
    presets: Mapping[str, Mapping[str, Any]],
    preset: str,
    path: Path | None,
    overrides: Mapping[str, Any] | None,
) -> tuple[_Section, str]:
    """A configuration of a preset, then of a TOML file, then of `overrides` (nested like the file); and what errors in
    its values are to name.

    Raises:
        InputError: names the file, the key, what was expected, and the nearest known key.
    """
    if preset not in presets:
        raise InputError(f"preset {preset!r} is not known; there are {', '.join(presets)}")
    merged, where = dict(presets[preset]), f"preset {preset}"
    if path is not None:
        merged, where = merge(merged, read(path)), str(path)
    return section(kind, merge(merged, overrides or {}), where), where


def check_shares(values: Mapping[str, float], where: str) -> None:
    """Hold values by key to the range from 0 to 1.

    Raises:
        InputError: names `where`, the key and the value.
    """
    for name, share in values.items():
        if not 0 <= share <= 1:
            raise InputError(f"{where}: {name} must lie between 0 and 1, not {share}")


def as_dict(config: Any) -> dict[str, Any]:
    """A configuration, or a section of one, as plain JSON and TOML values."""
    return {
        name: list(value) if isinstance(value, tuple) else as_dict(value) if dataclasses.is_dataclass(value) else value
        for name, value in ((f.name, getattr(config, f.name)) for f in dataclasses.fields(config))
    }


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the keys of `over` in place of its own, table by table."""
    merged = dict(base)
    for name, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = merge(merged[name], value) if both else value
    return merged


def section(kind: type[_Section], values: Any, where: str, prefix: str = "") -> _Section:
    """A dataclass from plain values; keys that are not given keep their defaults.

    Raises:
        InputError: names `where`, the key under `prefix`, what was expected, and the nearest known key.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"{where}: {prefix.rstrip('.')} must be a table of keys, not {values!r}")
    hints = get_type_hints(kind)
    made: dict[str, Any] = {}
    for name, value in values.items():
        if name not in hints:
            near = difflib.get_close_matches(name, hints, 1)
            meant = f"; did you mean {prefix}{near[0]}?" if near else f"; known are {', '.join(hints)}"
            raise InputError(f"{where}: unknown key {prefix}{name}{meant}")
        hint = hints[name]
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            made[name] = section(hint, value, where, f"{prefix}{name}.")
        else:
            made[name] = _value(hint, value, f"{where}: {prefix}{name}")
    return kind(**made)


def _value(hint: Any, value: Any, where: str) -> Any:
    if isinstance(hint, UnionType):
        if value is None:
            return None
        hint = next(option for option in get_args(hint) if option is not type(None))
    if get_origin(hint) is tuple:
        item = get_args(hint)[0]
        if not isinstance(value, list | tuple):
            raise InputError(f"{where} must be a list of {item.__name__}, not {value!r}")
        return tuple(_value(item, one, where) for one in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise InputError(f"{where} must be {hint.__name__}, not {value!r}")
    return value


def to_toml(config: Any) -> str:
    """The configuration as a TOML file that `load` reads back; keys that are not set are left out."""
    lines: list[str] = []
    for section in dataclasses.fields(config):
        lines.append(f"[{section.name}]")
        for name, value in as_dict(getattr(config, section.name)).items():
            if value is not None:
                # JSON's strings, numbers, booleans and lists of these are TOML's too, but for DEL in a string.
                text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
                lines.append(f"{name} = {text}")
        lines.append("")
    return "\n".join(lines)
