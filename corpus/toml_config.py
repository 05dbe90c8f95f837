"""Settings of any part: frozen dataclasses from TOML, every key typed and checked, unknown keys refused.

A configuration is a dataclass whose fields are sections, and a section a dataclass whose fields are keys. A field of
tables by name, `Mapping[str, SECTION]`, holds such sections as `[FIELD."NAME"]`.
"""

import dataclasses
import difflib
import json
import os
import reprlib
import tomllib
from collections.abc import Callable, Collection, Mapping
from datetime import date
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from socorpus.corpus.errors import InputError, SocorpusError

_Section = TypeVar("_Section")
# For messages: neither pages long nor, for deeply nested tables, without end.
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother, _SHORT.maxlist = 3, 200, 200, 20


def read(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        InputError: the file is not there, or not valid TOML.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such configuration file") from None
    except OSError as error:
        raise InputError(f"{path}: a configuration file that can't be read: {error.strerror}") from None
    except ValueError as error:  # of tomllib, or of what it calls: bytes that are no UTF-8, integers of 5,000 digits
        raise InputError(f"{path}: not valid TOML: {error}") from None
    except RecursionError:
        raise InputError(f"{path}: not a configuration: lists or tables are nested too deeply") from None


def load(
    kind: type[_Section],
    presets: Mapping[str, Mapping[str, Any]],
    preset: str,
    path: str | os.PathLike[str] | None,
    overrides: Mapping[str, Any] | None,
    more: Callable[[Mapping[str, Any], Path | None], Mapping[str, type]] | None = None,
) -> tuple[_Section, str]:
    """A configuration of a preset, then of a TOML file, then of `overrides` (nested like the file); and the
    source that errors in its values are to name.

    Args:
        more: from all values and the file's folder, further sections by name: the field `own` of `kind` holds them.

    Raises:
        InputError: names the file, the key, what was expected, and the nearest known key.
    """
    if preset not in presets:
        raise InputError(f"preset {preset!r} is not known; there are {', '.join(presets)}")
    merged, where = dict(presets[preset]), f"preset {preset}"
    if path is not None:
        merged, where = merge(merged, read(Path(path))), str(path)
    merged = merge(merged, overrides or {})
    if more is None:
        return section(kind, merged, where), where
    sections = more(merged, Path(path).parent if path is not None else None)
    own: dict[str, Any] = {name: section(sections[name], merged.pop(name, {}), where, f"{name}.") for name in sections}
    return section(kind, {**merged, "own": own}, where, known=sections), where


Ranges = Mapping[str, tuple[float, float]]
"""Key, `SECTION.NAME`, of a number -> the least and the most that it may be."""
MOST = 2**63 - 1
"""The largest integer that TOML must take, for keys such as seeds."""


def check_ranges(config: Any, ranges: Ranges, where: str) -> None:
    """Hold the numbers of a configuration to their ranges; one that is not set is in its range.

    Raises:
        InputError: names `where`, the key, the range and the value.
    """
    for key, (least, most) in ranges.items():
        section, _, name = key.partition(".")
        check_range(key, getattr(getattr(config, section), name), least, most, where)


def check_range(name: str, value: float | None, least: float, most: float, where: str) -> None:
    """Hold one number to its range; None is in each.

    Raises:
        InputError: names `where`, the key, the range and the value.
    """
    if value is not None and not least <= value <= most:
        raise InputError(f"{where}: {name} must lie between {least} and {most}, not {value}")


def as_dict(config: Any) -> dict[str, Any]:
    """A configuration, or a section of one, as plain JSON and TOML values; sections of plug-ins beside ours."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if isinstance(value, Mapping) and field.name != "own":
            if value:  # tables by name, of which most configurations have none
                values[field.name] = {name: as_dict(table) for name, table in value.items()}
        elif isinstance(value, Mapping):
            values |= {name: as_dict(own) for name, own in value.items()}
        else:
            values[field.name] = _plain(value)
    return values


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return as_dict(value) if dataclasses.is_dataclass(value) else value


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the keys of `over` in place of its own, table by table."""
    merged = dict(base)
    for name, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = merge(merged[name], value) if both else value
    return merged


def section(
    kind: type[_Section], values: Any, where: str, prefix: str = "", known: Collection[str] | None = None
) -> _Section:
    """A dataclass from plain values; keys that are not given keep their defaults.

    Args:
        known: sections of plug-ins, for the message on an unknown one; None: there can be none.

    Raises:
        InputError: names `where`, the key under `prefix`, what was expected, and the nearest known key.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"{where}: {prefix.rstrip('.')} must be a table of keys, not {_SHORT.repr(values)}")
    hints = get_type_hints(kind)
    parsed: dict[str, Any] = {}
    for name, value in values.items():
        if name not in hints:
            names = [*(hint for hint in hints if hint != "own"), *(known or ())]
            near = difflib.get_close_matches(name, names, 1)
            meant = f"did you mean {prefix}{near[0]}?" if near else f"known are {', '.join(names)}."
            own = ""
            if known is not None and isinstance(value, Mapping):
                own = (
                    f" If [{name}] configures a plug-in's signal, the plug-in is needed too: in plugins = [...] at the "
                    "top of the file, or by --plugin"
                )
            raise InputError(f"{where}: unknown key {prefix}{name}; {meant}{own}")
        hint = hints[name]
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            parsed[name] = section(hint, value, where, f"{prefix}{name}.")
        elif name == "own":
            parsed[name] = value
        elif get_origin(hint) is Mapping:
            parsed[name] = _tables(get_args(hint)[1], value, where, f"{prefix}{name}")
        else:
            parsed[name] = _value(hint, value, where, f"{prefix}{name}")
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and field.name not in parsed:
            raise InputError(f"{where}: {prefix}{field.name} is missing")
    try:
        return kind(**parsed)
    except SocorpusError:
        raise
    except Exception as error:  # a check of its own, of a plug-in's section
        raise InputError(f"{where}: [{prefix.rstrip('.')}]: {error}") from error


def _tables(kind: type[_Section], value: Any, where: str, key: str) -> dict[str, _Section]:
    """Tables by their names, such as `[sites."NAME"]`."""
    if not isinstance(value, Mapping):
        raise InputError(f'{where}: {key} must be tables, [{key}."NAME"], not {_SHORT.repr(value)}')
    return {name: section(kind, table, where, f'{key}."{name}".') for name, table in value.items()}


def _value(hint: Any, value: Any, where: str, key: str) -> Any:
    if isinstance(hint, UnionType):
        if value is None:
            return None
        hint = next(option for option in get_args(hint) if option is not type(None))
    if get_origin(hint) is tuple:
        item = get_args(hint)[0]
        if not isinstance(value, list | tuple):
            raise InputError(
                f"{where}: {key} must be a list of {_LISTED.get(item, 'tables')}, not {_SHORT.repr(value)}"
            )
        if dataclasses.is_dataclass(item) and isinstance(item, type):
            return tuple(section(item, entry, where, f"{key}[{place}].") for place, entry in enumerate(value))
        return tuple(_value(item, entry, where, key) for entry in value)
    if hint is str and isinstance(value, date):  # TOML has dates without quotes, too
        value = value.isoformat()
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise InputError(f"{where}: {key} must be {_KINDS.get(hint, hint.__name__)}, not {_SHORT.repr(value)}")
    return value


_LISTED = {str: "texts in quotes", int: "whole numbers", float: "numbers"}
_KINDS = {str: "text in quotes", int: "a whole number", float: "a number", bool: "true or false"}
"""Types in the words of a configuration file."""


def to_toml(config: Any) -> str:
    """The configuration as a TOML file that `load` reads back; keys that are not set are left out.

    Examples:
        >>> print(to_toml(load_config(overrides={"read": {"part_mb": 8}})))
        plugins = []
        <BLANKLINE>
        [read]
        part_mb = 8
        ...
    """
    values = as_dict(config)
    lines = [*_keys({name: value for name, value in values.items() if not isinstance(value, dict)}), ""]
    for name, section in values.items():
        if isinstance(section, dict):
            if section and all(isinstance(value, dict) for value in section.values()):
                for key, table in section.items():
                    lines += [f"[{name}.{_quoted(key)}]", *_keys(table), ""]
                continue
            lists = {key: value for key, value in section.items() if _is_tables(value)}
            lines += [f"[{name}]", *_keys({key: value for key, value in section.items() if key not in lists}), ""]
            for key, tables in lists.items():
                lines += [line for table in tables for line in (f"[[{name}.{key}]]", *_keys(table), "")]
    return "\n".join(lines[1:] if lines[0] == "" else lines)


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _keys(values: Mapping[str, Any]) -> list[str]:
    return [f"{name} = {_quoted(value)}" for name, value in values.items() if value is not None]


def _quoted(value: Any) -> str:
    # JSON's strings, numbers, booleans and lists of these are TOML's too, but for DEL in a string.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
