"""The presets of models and recipes, and the configuration of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from socorpus.corpus import toml_config
from socorpus.training.config import Config, check


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

PRESETS: dict[str, Mapping[str, Any]] = {
    "tiny": toml_config.merge(
        _modern(4, 128, 4, 192, 3e-3, max_length=512),
        # Better than AdamW at equal steps, where both were tried: at this size (benchmarks/optimizers.py).
        {**_SMALL, "optimizer": {"name": "muon", "muon_lr": 1e-2}},
    ),
    "sobert-tiny": toml_config.merge(_sobert(4, 128, 4, 2e-3, max_length=512), _SMALL),
    "mini": _modern(10, 384, 6, 576, 2e-3),
    "modern-base": _modern(22, 768, 12, 1152, 8e-4),
    "modern-large": _modern(28, 1024, 16, 2624, 5e-4),
    "sobert-base": _sobert(12, 768, 12, 6e-4),
    "sobert-large": _sobert(24, 1536, 16, 3e-4),
}
"""Presets by name."""


def load(preset: str = "tiny", path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Config:
    """The configuration of a preset, then of a TOML file, then of `overrides` (nested like the file).

    Raises:
        InputError: names the file, the key, what was expected, and the nearest known key.
    """
    config, where = toml_config.load(Config, PRESETS, preset, path, overrides)
    check(config, where)
    return config
