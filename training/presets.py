"""The presets of models and recipes, ours and those of plug-ins, and the configuration of a run."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from socorpus.corpus import plugins, toml_config
from socorpus.corpus.errors import InputError
from socorpus.corpus.plugins import Registry
from socorpus.corpus.storage.boundary import refuse_special
from socorpus.training.config import Config, check

PRESETS: Registry[Mapping[str, Any]] = Registry("preset", ("socorpus.training.presets",))
"""Presets by name: ours, then those of active plug-ins."""


def preset(name: str, values: Mapping[str, Any], base: str | None = None) -> Mapping[str, Any]:
    """Define a preset of a model's shape and recipe; the values of the whole preset.

    Args:
        name: for `socorpus train --preset NAME`.
        values: nested like the TOML file (docs/training.md lists the keys); missing keys have defaults.
        base: a preset that gives the values that `values` lacks.

    Raises:
        InputError: there is a preset of this name, none of the name `base`, or a key or value is invalid.
    """
    whole = toml_config.merge(PRESETS.named(base), values) if base is not None else dict(values)
    try:
        config, where = toml_config.load(Config, {name: whole}, name, None, None)
        check(config, where)
    except InputError as error:
        raise plugins.rejected(str(error)) from None
    return PRESETS.add(name, whole)


def _sobert(layers: int, hidden: int, heads: int, lr: float, **model: Any) -> dict[str, Any]:
    return {
        "model": {"family": "sobert", "layers": layers, "hidden": hidden, "heads": heads, "ffn": 4 * hidden, **model},
        "masking": {"rate": 0.15, "final_rate": 0.15},
        "optimizer": {"lr": lr, "beta2": 0.999, "weight_decay": 0.01},
        "schedule": {"form": "cosine", "warmup": 0.01, "floor": 0.1},
    }


def _modern(layers: int, hidden: int, heads: int, ffn: int, lr: float, **model: Any) -> dict[str, Any]:
    return {
        "model": {"family": "modern", "layers": layers, "hidden": hidden, "heads": heads, "ffn": ffn, **model},
        "optimizer": {"lr": lr},
    }


_SMALL = {
    "schedule": {"tokens": 1_000_000},
    "batch": {"tokens": 8_192, "micro_tokens": 8_192},
    "validation": {"steps": 50, "tokens": 100_000},
    "checkpoint": {"minutes": 1.0},
}

_OURS: Mapping[str, Mapping[str, Any]] = {
    "tiny": toml_config.merge(
        _modern(4, 128, 4, 192, 3e-3, max_length=512),
        # Better than AdamW at equal steps at this size, the only one tried (benchmarks/optimizers.py).
        {**_SMALL, "optimizer": {"name": "muon", "muon_lr": 1e-2}},
    ),
    "sobert-tiny": toml_config.merge(_sobert(4, 128, 4, 2e-3, max_length=512), _SMALL),
    "mini": _modern(10, 384, 6, 576, 2e-3),
    "modern-base": _modern(22, 768, 12, 1152, 8e-4),
    "modern-large": _modern(28, 1024, 16, 2624, 5e-4),
    "sobert-base": _sobert(12, 768, 12, 6e-4),
    "sobert-large": _sobert(24, 1536, 16, 3e-4),
    # The recipe of runs that start from weights (--init), which give the shape.
    "continued": {"optimizer": {"lr": 1e-4}, "schedule": {"tokens": 1_000_000_000, "warmup": 0.05}},
}
for _name, _values in _OURS.items():
    preset(_name, _values)


def load(
    preset: str = "tiny", path: str | os.PathLike[str] | None = None, overrides: Mapping[str, Any] | None = None
) -> Config:
    """The configuration of a preset, then of a TOML file, then of `overrides` (nested like the file).

    Folders of `data.corpora` are made absolute: they are relative to the file, those of `overrides` to the working
    directory.

    Raises:
        InputError: names the file, the key, what was expected, and the nearest known key.

    Examples:
        >>> load_config("tiny", overrides={"batch": {"tokens": 4096}}).batch.tokens
        4096
    """
    if path is not None:
        refuse_special(path)
    config, where = toml_config.load(Config, {preset: PRESETS.named(preset)}, preset, path, overrides)
    check(config, where)
    of_file = path is not None and "corpora" not in (overrides or {}).get("data", {})
    folder = Path(path).parent if of_file and path is not None else Path()
    corpora = tuple(replace(mixed, corpus=_absolute(folder, mixed.corpus)) for mixed in config.data.corpora)
    return replace(config, data=replace(config.data, corpora=corpora))


def _absolute(folder: Path, place: str | None) -> str | None:
    if place is None or "://" in place:
        return place
    return os.path.normpath(Path(os.path.realpath(folder)) / place)
