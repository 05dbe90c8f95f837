"""The configuration of a build: frozen dataclasses, read from TOML, every key typed and checked.

A section belongs to one stage. A stage's receipt holds its own section alone, so that a changed key runs again only
what depends on it.
"""

import dataclasses
import difflib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from socorpus.corpus.errors import InputError


@dataclass(frozen=True)
class Read:
    """Reading the dump."""

    part_mb: int = 32
    """Decoded megabytes of XML in one part, the unit of parallel reading and of resuming."""


@dataclass(frozen=True)
class Threads:
    """Gathering a thread's rows."""

    bucket_mb: int = 64
    """Decoded megabytes of XML in one bucket of threads, the unit of all post-wise stages."""


@dataclass(frozen=True)
class Documents:
    """From rows to documents."""

    comments: bool = True
    """Whether a document has the comments of its post."""


@dataclass(frozen=True)
class Near:
    """Near duplicates."""

    threshold: float = 0.8
    """Jaccard similarity of word shingles from which two posts are duplicates."""
    permutations: int = 128
    """Length of a MinHash signature."""
    shingle: int = 5
    """Words in a shingle; tokens in a shingle of code."""
    code_min_tokens: int = 40
    """Code of fewer tokens than this is not compared: short snippets are alike by chance."""
    seed: int = 1
    """Seed of the permutations."""


@dataclass(frozen=True)
class Privacy:
    """Personal data and secrets."""

    kinds: tuple[str, ...] = ("email", "ip_address", "phone", "user", "key", "token", "password", "private_key")
    """What is looked for, and replaced in the shards."""


@dataclass(frozen=True)
class Contamination:
    """Overlap with benchmarks."""

    benchmarks: tuple[str, ...] = ()
    """Benchmark files (.csv, .tsv, .jsonl, .parquet, .txt, CoNLL) whose text must not be in the corpus."""
    ngram: int = 13
    """Words in an n-gram."""


@dataclass(frozen=True)
class Selection:
    """The rules that keep or drop a document, in the order in which they are tried."""

    kinds: tuple[str, ...] = ("question", "answer")
    """Kinds of posts that are kept."""
    fabricated: bool = False
    """Whether rows that the publisher planted in the dump (since 2025-06-30) are kept."""
    min_words: int = 5
    """Fewest words of the post's own text, code included."""
    max_chars: int = 200_000
    """Most code points of the post's own text."""
    min_score: int | None = None
    """Lowest score of a post."""
    languages: tuple[str, ...] = ()
    """Natural languages that are kept (ISO 639-1); empty keeps all."""
    language_probability: float = 0.5
    """How sure the language must be before another language drops a post."""
    max_code_share: float = 1.0
    """Largest share of code in the post's own text."""
    max_overlap: float = 0.5
    """Largest share of a benchmark example's n-grams that a document may hold."""
    exact_duplicates: bool = False
    """Whether all copies of one text are kept."""
    near_duplicates: bool = False
    """Whether all members of a near-duplicate cluster are kept."""
    code_duplicates: bool = True
    """Whether posts are kept whose code is a copy of another post's although their prose is not."""


@dataclass(frozen=True)
class Split:
    """Train, validation and test: by thread, by time, within each site."""

    validation: float = 0.02
    """Share of a site's threads, the newest but those of the test split."""
    test: float = 0.02
    """Share of a site's threads, the newest."""


@dataclass(frozen=True)
class Tokenizer:
    """The byte-level BPE tokenizer."""

    path: str | None = None
    """A tokenizer.json to use; without it one is trained on the train split."""
    vocabulary: int = 50_048
    """Entries, special tokens included; smaller where the corpus is too small to fill them."""
    sample_mb: int = 128
    """Megabytes of text that the tokenizer is trained on, drawn by hash."""


@dataclass(frozen=True)
class Shards:
    """The files that a trainer reads."""

    size_mb: int = 256
    """Megabytes of text and tokens in one shard, before compression."""
    row_group: int = 1024
    """Documents in a row group, the unit of resuming and of data-parallel sharding."""
    seed: int = 1
    """Seed of the shuffle."""


@dataclass(frozen=True)
class Labels:
    """Weak labels."""

    tasks: tuple[str, ...] = ("quality", "closure", "obsolescence", "entities")
    """Tasks whose labels a build ends with; labels of others, left by an earlier one, go."""
    without: tuple[str, ...] = ()
    """Labelling functions that do not vote, each written TASK.FUNCTION."""


@dataclass(frozen=True)
class Config:
    """All of a build's configuration, one section a stage."""

    read: Read = field(default_factory=Read)
    threads: Threads = field(default_factory=Threads)
    documents: Documents = field(default_factory=Documents)
    near: Near = field(default_factory=Near)
    privacy: Privacy = field(default_factory=Privacy)
    contamination: Contamination = field(default_factory=Contamination)
    selection: Selection = field(default_factory=Selection)
    split: Split = field(default_factory=Split)
    tokenizer: Tokenizer = field(default_factory=Tokenizer)
    shards: Shards = field(default_factory=Shards)
    labels: Labels = field(default_factory=Labels)


PRESETS: dict[str, Mapping[str, Any]] = {
    "default": {},
    # A sample is one answer with all its comments, as in "Skill over Scale".
    "sobert": {"selection": {"kinds": ["answer"]}},
}

_Section = TypeVar("_Section")


def load(path: Path | None = None, preset: str = "default", overrides: Mapping[str, Any] | None = None) -> Config:
    """The configuration of a preset, then of a TOML file, then of `overrides` (nested like the file).

    Raises:
        InputError: names the file, the key, what was expected, and the nearest known key.
    """
    if preset not in PRESETS:
        raise InputError(f"preset {preset!r} is not known; there are {', '.join(PRESETS)}")
    merged = _merge({}, PRESETS[preset])
    where = f"preset {preset}"
    if path is not None:
        where = str(path)
        try:
            merged = _merge(merged, tomllib.loads(path.read_text("utf-8")))
        except FileNotFoundError:
            raise InputError(f"{path}: there is no such configuration file") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: not valid TOML: {error}") from None
    merged = _merge(merged, overrides or {})
    config = _section(Config, merged, where, "")
    _check_ranges(config, where)
    return config


def as_dict(config: Any) -> dict[str, Any]:
    """A configuration, or a section of one, as plain JSON and TOML values."""
    return {
        name: list(value) if isinstance(value, tuple) else as_dict(value) if dataclasses.is_dataclass(value) else value
        for name, value in ((f.name, getattr(config, f.name)) for f in dataclasses.fields(config))
    }


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = _merge(merged[name], value) if both else value
    return merged


def _section(kind: type[_Section], values: Any, where: str, prefix: str) -> _Section:
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
            made[name] = _section(hint, value, where, f"{prefix}{name}.")
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


def _check_ranges(config: Config, where: str) -> None:
    shares = {
        "near.threshold": config.near.threshold,
        "split.validation": config.split.validation,
        "split.test": config.split.test,
        "selection.max_overlap": config.selection.max_overlap,
        "selection.max_code_share": config.selection.max_code_share,
        "selection.language_probability": config.selection.language_probability,
    }
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise InputError(f"{where}: {name} must lie between 0 and 1, not {share}")
    if config.near.threshold < 0.5:
        raise InputError(f"{where}: near.threshold must be at least 0.5: below, most pairs are candidates")
    if config.split.validation + config.split.test >= 1:
        raise InputError(f"{where}: split.validation and split.test must leave something for training")
    positive = {
        "read.part_mb": config.read.part_mb,
        "threads.bucket_mb": config.threads.bucket_mb,
        "near.permutations": config.near.permutations,
        "near.shingle": config.near.shingle,
        "contamination.ngram": config.contamination.ngram,
        "tokenizer.sample_mb": config.tokenizer.sample_mb,
        "shards.size_mb": config.shards.size_mb,
        "shards.row_group": config.shards.row_group,
    }
    for name, number in positive.items():
        if number < 1:
            raise InputError(f"{where}: {name} must be at least 1, not {number}")
    if not 300 <= config.tokenizer.vocabulary <= 65_536:
        raise InputError(f"{where}: tokenizer.vocabulary must lie between 300 and 65536 (input_ids are uint16)")
    for name in config.selection.kinds:
        if name not in ("question", "answer"):
            raise InputError(f"{where}: selection.kinds knows question and answer, not {name!r}")
    tasks = Labels().tasks
    for name in config.labels.tasks:
        if name not in tasks:
            raise InputError(f"{where}: labels.tasks knows {', '.join(tasks)}, not {name!r}")
    for name in config.labels.without:
        if name.partition(".")[0] not in tasks or not name.partition(".")[2]:
            raise InputError(f"{where}: labels.without wants TASK.FUNCTION, such as quality.score, not {name!r}")
    known = Privacy().kinds
    for name in config.privacy.kinds:
        if name not in known:
            raise InputError(f"{where}: privacy.kinds knows {', '.join(known)}, not {name!r}")


def to_toml(config: Config) -> str:
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
