"""What an ablation varies: keys of a corpus's configuration with their values, and what comes of them."""

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from socorpus.corpus import config as configs
from socorpus.corpus import plugins, toml_config
from socorpus.corpus.config import Config
from socorpus.corpus.errors import InputError
from socorpus.corpus.selection import own_rules
from socorpus.corpus.storage import files
from socorpus.corpus.storage.boundary import regular_file

BASE = "base"
"""Name of the corpus as it is."""
NONE = "none"
"""What stands for a key, or the stage behind it, that is switched off."""

_OF_TEXT = ("documents", "near", "privacy", "contamination", "selection", "split", "shards")
"""Sections that decide which texts a model is trained on, how they read, and in which order."""
_OTHERS = {
    "read": "is of reading the dump, which an ablation does not do again",
    "threads": "divides the work, and changes no text",
    "tokenizer": "would give the variants tokens of their own: their losses could not be held against each other, and "
    "all variants have the tokenizer of the corpus",
    "labels": "changes labels, and no text that a proxy is trained on",
    "sites": "gives addresses, and changes no text",
    "plugins": "is of code; build two corpora, and compare runs of these",
}
"""Sections and keys that can't be varied, and why."""
_NEAR_KEPT = {"selection": {"near_duplicates": True}}
_FILES = "contamination.benchmarks"
_EMPTY = ("privacy.kinds", "contamination.benchmarks", "selection.languages", "selection.rules")
"""Lists that switch off when they are empty."""


@dataclass(frozen=True)
class Factor:
    """A key that is varied: its values as they were written, and as tables that are nested like the configuration."""

    key: str
    values: tuple[tuple[str, Mapping[str, Any]], ...]


@dataclass(frozen=True)
class Variant:
    """A configuration of an ablation.

    Attributes:
        name: such as `selection.min_score=1`; of a grid several of these; `base`.
        config: the whole configuration, with the tokenizer of the corpus still to be set.
        changes: key -> its value in the corpus, and here.
    """

    name: str
    config: Config
    changes: Mapping[str, tuple[Any, Any]]


def factor(text: str) -> Factor:
    """A key with its values, of `SECTION.KEY=VALUE,VALUE`.

    Values are as in TOML, and a plain word may do without quotes. A single value may stand for a list of it.

    Raises:
        InputError: there is no such key, it can't be varied, has no value, or a file that it names is not there.
    """
    key, sign, rest = text.partition("=")
    key = key.strip()
    if not sign or not rest.strip():
        raise InputError(f"--vary {text}: write SECTION.KEY=VALUE,VALUE, such as selection.min_score=0,1")
    hint = _hint(key, text)
    values: dict[str, Mapping[str, Any]] = {}
    for part in _parts(rest):
        values[part] = _switched_off(key, hint, text) if part == NONE else _nested(key, _value(part, hint))
        if key == _FILES and part != NONE:
            values[part] = _nested(key, [_file(name, text) for name in _value(part, hint)])
    return Factor(key, tuple(values.items()))


def _hint(key: str, text: str) -> Any:
    """The type of a key's value.

    Raises:
        InputError: there is no such key, or it can't be varied; names the nearest one.
    """
    section = key.partition(".")[0]
    if section in _OTHERS:
        raise InputError(f"--vary {text}: {key} {_OTHERS[section]}")
    known = _known()
    if key in known:
        return known[key]
    own = key.rpartition(".")[2]
    alike = difflib.get_close_matches(own, [name.partition(".")[2] for name in known], 1, 0.75)
    near = difflib.get_close_matches(key, known, 1, 0.75)
    near = near or [name for name in known if name.partition(".")[2] in (own, *alike)]
    meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    raise InputError(f"--vary {text}: no key {key or 'without a name'} of a corpus's configuration; {meant}")


def _known() -> dict[str, Any]:
    """The keys that can be varied, with the types of their values; those of active plug-ins too."""
    hints = get_type_hints(Config)
    sections = {name: hints[name] for name in _OF_TEXT} | dict(plugins.SECTIONS)
    return {
        f"{name}.{field.name}": get_type_hints(section)[field.name]
        for name, section in sections.items()
        for field in fields(section)
    }


def _parts(text: str) -> list[str]:
    """Values with commas between them; commas in brackets and in quotes are part of a value."""
    parts, depth, quote = [""], 0, ""
    for sign in text:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign in "[{":
            depth += 1
        elif sign in "]}":
            depth -= 1
        elif sign == "," and depth <= 0:
            parts.append("")
            continue
        parts[-1] += sign
    return [part.strip() for part in parts]


def _value(text: str, hint: Any) -> Any:
    """A value of TOML; what is none is a text."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    listed = get_origin(hint) is tuple
    return [value] if listed and not isinstance(value, list) else value


def _file(name: Any, text: str) -> str:
    """The absolute path of a benchmark's file: variants are built in folders of their own."""
    if not isinstance(name, str) or not files.exists(Path(name)):
        raise InputError(f"--vary {text}: {name}: there is no such file")
    regular_file(Path(name), "a file of [contamination]")
    return str(Path(name).absolute())


def _nested(key: str, value: Any) -> dict[str, Any]:
    section, _, name = key.partition(".")
    return {section: {name: value}}


def _switched_off(key: str, hint: Any, text: str) -> Mapping[str, Any]:
    if key.startswith("near."):
        return _NEAR_KEPT
    if isinstance(hint, UnionType) and type(None) in get_args(hint):
        return _nested(key, None)
    if key in _EMPTY:
        return _nested(key, [])
    optional = [name for name, kind in _known().items() if isinstance(kind, UnionType) and type(None) in get_args(kind)]
    raise InputError(
        f"--vary {text}: {NONE} is for what can be switched off: near.… (near duplicates are kept), "
        f"{', '.join([*optional, *_EMPTY])}; give {key} a value"
    )


def variants(values: Mapping[str, Any], factors: Sequence[Factor], grid: bool = False) -> list[Variant]:
    """The corpus as it is, and each configuration that differs from it, every one once.

    Args:
        values: the configuration in the corpus's manifest; its plug-ins are active.
        factors: keys and values; each value alone is a variant, with `grid` each combination of values of all keys.

    Raises:
        InputError: a value is not valid, by the configuration's own checks; a key is given twice; nothing differs.
    """
    keys = [some.key for some in factors]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise InputError(f"--vary {twice} is given twice; write its values in one, with commas between them")
    base = configs.of_corpus(values)
    listed = [Variant(BASE, base, {})]
    combined = product(*([(some.key, *value) for value in some.values] for some in factors))
    alone = [((some.key, *value),) for some in factors for value in some.values]
    for chosen in combined if grid else alone:
        # What the corpus has is no part of the name: a grid has its rows and columns for it.
        parts: list[str] = []
        merged = dict(values)
        for key, text, over in chosen:
            merged = toml_config.merge(merged, over)
            if configs.of_corpus(toml_config.merge(values, over), f"--vary {key}={text}") != base:
                parts.append(f"{key}={text}")
        name = ", ".join(parts) or BASE
        variant = configs.of_corpus(merged, f"--vary {name}")
        own_rules.check(variant.selection)
        if all(variant != other.config for other in listed):
            listed.append(Variant(name, variant, changes(base, variant)))
    if len(listed) == 1:
        given = "; ".join(f"{some.key}={','.join(text for text, _ in some.values)}" for some in factors) or "nothing"
        raise InputError(f"--vary {given}: the corpus is built so already, and nothing differs; give another value")
    return listed


def changes(base: Config, other: Config) -> dict[str, tuple[Any, Any]]:
    """The keys in which two configurations differ, each with both values."""
    old, new = toml_config.as_dict(base), toml_config.as_dict(other)
    return {
        f"{section}.{key}": (old[section].get(key), value)
        for section, keys in new.items()
        if isinstance(keys, dict)
        for key, value in keys.items()
        if isinstance(old.get(section), dict) and old[section].get(key) != value
    }


def with_tokenizer(config: Config, path: str) -> Config:
    """The configuration with a tokenizer that is there."""
    return replace(config, tokenizer=replace(config.tokenizer, path=path))
