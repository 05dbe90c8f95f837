"""The configuration of a run that starts from weights: their shape, and the rest of a preset and a file."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from socorpus.corpus import toml_config
from socorpus.corpus.errors import InputError
from socorpus.training import presets
from socorpus.training.config import Batch, Config, ModelShape, check

PRESET = "continued"
"""The preset of a run that starts from weights, unless another one is named; of any preset only the recipe counts."""


def settings(preset: str | None, config: Config | Path | None, shape: ModelShape, name: str) -> Config:
    """The configuration.

    Args:
        preset: gives all but the model's shape.
        config: a file over the preset, whose `[model]` may only say what the weights have, and another `max_length`; or
            the whole configuration instead of the preset, of whose model only `max_length` counts.
        shape: of the weights.
        name: of the weights, for errors.

    Raises:
        InputError: the file contradicts the shape, or the context is longer than the weights allow.
    """
    if isinstance(config, Config):
        where, length = "the configuration", config.model.max_length
        _check_length(length, shape, where, name)
        whole = replace(config, model=replace(shape, max_length=length))
        check(whole, where)
        return whole
    given = toml_config.read(config) if config is not None else {}
    model = given.get("model", {})
    if isinstance(model, Mapping):
        own = toml_config.as_dict(shape)
        for key, value in model.items():
            if key != "max_length" and key in own and value != own[key]:
                raise InputError(
                    f"{config}: model.{key} is {value!r}, and that of {name} is {own[key]!r}; leave it out: the shape "
                    "is that of the weights, and only model.max_length may be another"
                )
    length = model.get("max_length", shape.max_length) if isinstance(model, Mapping) else shape.max_length
    if isinstance(length, int):
        _check_length(length, shape, str(config), name)
        shape = replace(shape, max_length=length)
    overrides: dict[str, Any] = {"model": toml_config.as_dict(shape)}
    chosen = preset or PRESET
    batch, own_batch = presets.PRESETS.named(chosen).get("batch", {}), given.get("batch", {})
    if isinstance(own_batch, Mapping) and isinstance(length, int) and length > 0:
        tokens, micro = batch.get("tokens", Batch().tokens), batch.get("micro_tokens")
        fitting = {
            "tokens": -(-tokens // length) * length,
            "micro_tokens": None if micro is None else max(length, micro),
        }
        overrides["batch"] = {key: value for key, value in fitting.items() if key not in own_batch}
    return presets.load(chosen, config, overrides)


def _check_length(length: int, shape: ModelShape, where: str, name: str) -> None:
    if shape.family == "sobert" and length > shape.max_length:
        raise InputError(
            f"{where}: model.max_length is {length}, and {name} has learned {shape.max_length} positions; it may be "
            "shorter, not longer"
        )
