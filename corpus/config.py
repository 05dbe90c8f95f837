"""The configuration of a build: frozen dataclasses, read from TOML, every key typed and checked.

A section belongs to one stage. A stage's receipt holds only its own section: a changed key runs again only what
depends on it.
"""

import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date
from pathlib import Path
from typing import Any
from unicodedata import normalize
from urllib.parse import urlsplit

from socorpus.corpus import plugins, toml_config
from socorpus.corpus.errors import InputError


@dataclass(frozen=True)
class Read:
    """Reading the dump."""

    part_mb: int = 32
    """Decoded megabytes of XML in one part, the unit of parallel reading and of resuming."""
    accept_unreadable: float = 0.01
    """Largest share of the rows of a table that may be unreadable, where they are more than 20."""
    row_kb: int = 4096
    """Kilobytes of XML of the longest row; one that is longer goes to the quarantine."""


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
    """Jaccard similarity of word shingles from which two posts are duplicates, unless signs or code tell them apart."""
    permutations: int = 128
    """Length of a MinHash signature."""
    shingle: int = 5
    """Words in a shingle; of code, words and signs."""
    code_min_tokens: int = 40
    """Code of fewer words and signs than this is not compared: short snippets are alike by chance."""
    seed: int = 1
    """Seed of the permutations."""


@dataclass(frozen=True)
class Privacy:
    """Personal data and secrets."""

    kinds: tuple[str, ...] = ("email", "ip_address", "phone", "user", "key", "token", "password", "private_key")
    """Kinds that are searched for, and replaced in the shards."""


@dataclass(frozen=True)
class Contamination:
    """Overlap with benchmarks."""

    benchmarks: tuple[str, ...] = ()
    """Benchmark files (.csv, .tsv, .jsonl, .parquet, .txt, CoNLL) whose text must not be in the corpus."""
    ngram: int = 13
    """Words in an n-gram."""


@dataclass(frozen=True)
class SelectionRule:
    """A rule of selection of the user's own."""

    reason: str
    """The reason of its drops, in decisions and counts."""
    drop_if: str
    """When a document is dropped: a boolean expression of DuckDB over columns of documents and signals."""
    meaning: str = ""
    """Meaning of the reason in a few words, for the report and `socorpus explain`."""


@dataclass(frozen=True)
class Selection:
    """The rules that keep or drop a document, in the order in which they are tried."""

    kinds: tuple[str, ...] = ("question", "answer")
    """Kinds of posts that are kept."""
    fabricated: bool = False
    """Whether rows that the publisher planted in the dump (since 2025-06-30) are kept."""
    min_words: int = 5
    """Fewest words of the post's own text, code included; of any script, also of those without spaces."""
    max_chars: int = 200_000
    """Most code points of the post's own text."""
    min_score: int | None = None
    """Lowest score of a post."""
    languages: tuple[str, ...] = ()
    """Natural languages that are kept (ISO 639-1); empty keeps all."""
    language_probability: float = 0.5
    """Lowest probability at which another language drops a post."""
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
    rules: tuple[SelectionRule, ...] = ()
    """Rules of your own, tried after these and before duplicates."""


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
class Release:
    """A version of some software, and when it came out."""

    name: str
    """The software's name, as texts and tags have it."""
    version: str
    """Numbers with points, such as 3.10, maybe with a suffix: 2.0-beta1 comes before 2.0, 8 is 8.0, and v8 is 8."""
    date: str
    """The day, as YYYY-MM-DD."""

    def __post_init__(self) -> None:
        if not any(sign.isalnum() for sign in self.name):
            raise ValueError(f"name must be that of some software, as texts and tags have it, not {self.name[:80]!r}")
        if not _VERSION.fullmatch(self.version):
            raise ValueError(f"version must be numbers with points, such as 3.10 or 2.0-rc1, not {self.version[:80]!r}")
        try:
            date.fromisoformat(self.date)
        except ValueError:
            raise ValueError(f"date must be a day, such as 2020-05-31, not {self.date[:80]!r}") from None


_VERSION = re.compile(r"[vV]?\d{1,9}(?:\.\d{1,9}){0,7}(?:[-._+ ]?[A-Za-z][\w.+-]{0,40})?", re.ASCII)


@dataclass(frozen=True)
class Labels:
    """Weak labels."""

    tasks: tuple[str, ...] | None = None
    """Tasks whose labels a build ends with, by default all; labels of others, left by an earlier one, go."""
    without: tuple[str, ...] = ()
    """Labelling functions that do not vote, each written TASK.FUNCTION."""
    names: tuple[str, ...] = ()
    """Names of your own field, each written TYPE: NAME, such as `"Application: Blender"`: entities wherever they stand.
    At most 100 characters each; a type of the task `entities`, or of a plug-in's task of spans that has `settings`."""
    validation: float = 0.1
    """Share of the threads of each label, where there are enough: the newest but those of the test split."""
    test: float = 0.1
    """Share of the threads of each label, the newest."""
    releases: tuple[Release, ...] = ()
    """When versions came out, for labels of obsolescence: beside the dates at which a dump first speaks of them."""


@dataclass(frozen=True)
class SiteSettings:
    """A site, by its name. The sites of the Stack Exchange network need none of these."""

    url: str | None = None
    """Its base address on the web, for `url` of its posts: without the `/q/1` behind it."""
    name: str | None = None
    """What people call it, for the report; its posts' keys have the name of its folder."""
    language: str | None = None
    """The natural language that its posts are kept in (ISO 639-1), in place of `selection.languages`."""


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
    sites: Mapping[str, SiteSettings] = field(default_factory=dict)
    plugins: tuple[str, ...] = ()
    """Plug-ins: files, relative to this one, and modules."""
    own: Mapping[str, Any] = field(default_factory=dict)
    """Sections of plug-ins by name."""

    def of_site(self, name: str, base: str | None = None) -> SiteSettings:
        """The settings of a site, key by key: those of its own name, else those of all its releases.

        Args:
            name: of the site, or of one of its releases.
            base: its name without the date of a release, where that is known.
        """
        known = {normalize("NFC", key): settings for key, settings in self.sites.items()}
        sections = [known.get(name), known.get(name if base is None else base)]
        values: dict[str, str | None] = {}
        for section in filter(None, sections):
            for key in ("url", "name", "language"):
                values[key] = values.get(key) or getattr(section, key)
        return SiteSettings(**values)

    def section(self, name: str) -> Any:
        """A section, of ours or of a plug-in, by name."""
        return self.own[name] if name in self.own else getattr(self, name)


_HOST = r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|[0-9a-f:.]+"
"""A host's name in ASCII (of others, the `xn--` form), or an IP address; `urlsplit` has it in lower case."""

PRESETS: dict[str, Mapping[str, Any]] = {
    "default": {},
    # A sample is one answer with all its comments, as in "Skill over Scale".
    "sobert": {"selection": {"kinds": ["answer"]}},
}


def load(
    path: str | os.PathLike[str] | None = None,
    preset: str = "default",
    overrides: Mapping[str, Any] | None = None,
    more_plugins: Sequence[str] = (),
    remembered: Callable[[Path], Sequence[str]] = lambda folder: (),
) -> Config:
    """The configuration of a preset, then of a TOML file, then of `overrides` (nested like the file).

    The plug-ins that it names become the active ones; where it has no key `plugins`, those that are active stay.

    Args:
        more_plugins: plug-ins beside those of the file; files are relative to the working directory.
        remembered: places of the plug-in files that the user named for the corpus in a folder. One of them is meant
            where the configuration that a build wrote there has only its name.

    Raises:
        InputError: names the file, the key, what was expected, and the nearest known key; or what is wrong with a
            plug-in.
    """

    def activated(values: Mapping[str, Any], base: Path | None) -> Mapping[str, type]:
        names = values.get("plugins", ())
        if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
            raise InputError(f"{path}: plugins must be a list of files and modules, not {names!r}")
        # A file that is named again, such as by --plugin with the configuration that a build wrote, stands for both.
        if "plugins" not in values and not more_plugins and plugins.active():
            return dict(plugins.SECTIONS)  # those of `use_plugins`
        again = {Path(name).name for name in more_plugins if plugins.is_file(name)}
        names = [name for name in names if Path(name).name not in again]
        given = [
            name if path is None or not plugins.is_file(name) else plugins.place(Path(path), name, remembered)
            for name in names
        ]
        plugins.load([*given, *more_plugins])
        return dict(plugins.SECTIONS)

    config, where = toml_config.load(Config, PRESETS, preset, path, overrides, activated)
    _check_ranges(config, where)
    return replace(config, plugins=tuple(plugin.name for plugin in plugins.active()))


def of_corpus(values: Mapping[str, Any], where: str = "manifest") -> Config:
    """The configuration that a manifest holds; its plug-ins must be the active ones.

    Args:
        where: the source of the values, for messages.

    Raises:
        InputError: a plug-in of the corpus is not active, or a value is not valid.
    """
    active = {plugin.name for plugin in plugins.active()}
    for name in values.get("plugins", ()):
        if name not in active:
            raise InputError(f"the corpus was built with the plug-in {name}: name it with --plugin, or by use_plugins")
    sections = dict(plugins.SECTIONS)
    rest = {name: value for name, value in values.items() if name not in sections}
    own: dict[str, Any] = {
        name: toml_config.section(kind, values.get(name, {}), where, f"{name}.") for name, kind in sections.items()
    }
    config = toml_config.section(Config, {**rest, "own": own}, where, known=sections)
    _check_ranges(config, where)
    return config


def sections_of_ours(values: Mapping[str, Any]) -> Config:
    """The configuration that a manifest holds without the sections of plug-ins, which need not be active."""
    ours = {known.name for known in fields(Config)} - {"own", "plugins"}
    return toml_config.section(Config, {name: value for name, value in values.items() if name in ours}, "manifest")


def edited(text: str, values: Mapping[str, Any]) -> list[str]:
    """Keys, such as `labels.names`, of a corpus's `socorpus.toml` whose values are other than those of its manifest.

    Its plug-ins are not compared: they are named by their way from the corpus.

    Args:
        text: of the file.
        values: the configuration in the manifest.

    Raises:
        InputError: it is no configuration.
    """
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(str(error)) from None
    theirs, ours = (toml_config.as_dict(sections_of_ours(some)) for some in (given, values))
    own = {*given, *values} - {*theirs, *ours, "plugins"}
    theirs |= {name: given.get(name) for name in own}
    ours |= {name: values.get(name) for name in own}
    keys = []
    for name in sorted({*theirs, *ours} - {"plugins", "own"}):
        new, old = theirs.get(name), ours.get(name)
        if isinstance(new, dict) and isinstance(old, dict):
            keys += [f"{name}.{key}" for key in sorted({*new, *old}) if new.get(key) != old.get(key)]
        elif new != old:
            keys.append(name)
    return keys


def without_folders(config: Config) -> Config:
    """The configuration as a corpus holds it: of absolute paths only the file's name.

    A corpus is given to others, and the folders of the machine that built it are not theirs to know. Relative paths
    stay, so that the saved configuration builds the same corpus where they lead to the files.
    """

    def name(path: str) -> str:
        return Path(path).name if Path(path).is_absolute() else path

    contamination = replace(config.contamination, benchmarks=tuple(map(name, config.contamination.benchmarks)))
    path = config.tokenizer.path
    tokenizer = replace(config.tokenizer, path=None if path is None else name(path))
    return replace(config, contamination=contamination, tokenizer=tokenizer)


RANGES: toml_config.Ranges = {
    "read.part_mb": (1, 1024),
    "read.row_kb": (128, 262_144),
    "read.accept_unreadable": (0, 1),
    "threads.bucket_mb": (1, 4096),
    "near.threshold": (0.5, 1),  # below, most pairs are candidates
    "near.permutations": (1, 2048),
    "near.shingle": (1, 100),
    "near.code_min_tokens": (0, 1_000_000),
    "near.seed": (0, toml_config.MOST),
    "contamination.ngram": (1, 1000),
    "selection.min_words": (0, 1_000_000_000),
    "selection.max_chars": (0, 1_000_000_000),
    "selection.min_score": (-1_000_000_000, 1_000_000_000),
    "selection.language_probability": (0, 1),
    "selection.max_code_share": (0, 1),
    "selection.max_overlap": (0, 1),
    "split.validation": (0, 1),
    "split.test": (0, 1),
    "tokenizer.vocabulary": (300, 65_536),  # ids are uint16
    "tokenizer.sample_mb": (1, 65_536),
    "shards.size_mb": (1, 65_536),
    "shards.row_group": (1, 1_000_000),
    "shards.seed": (0, toml_config.MOST),
    "labels.validation": (0, 1),
    "labels.test": (0, 1),
}
"""Key of a number -> the least and the most that it may be."""


def _check_ranges(config: Config, where: str) -> None:
    toml_config.check_ranges(config, RANGES, where)
    for name, section in (("split", config.split), ("labels", config.labels)):
        if section.validation + section.test >= 1:
            raise InputError(f"{where}: {name}.validation and {name}.test must leave something for training")
    for name in config.selection.kinds:
        if name not in ("question", "answer"):
            raise InputError(f"{where}: selection.kinds knows question and answer, not {name!r}")
    for name, site in config.sites.items():
        if site.url is not None:
            _check_address(site.url, f'{where}: sites."{name}".url')
        if site.name is not None and not site.name.strip():
            raise InputError(f'{where}: sites."{name}".name is empty; leave it out, or give what people call the site')
        if site.language is not None and not re.fullmatch(r"[a-z]{2,3}", site.language):
            raise InputError(
                f'{where}: sites."{name}".language must be a code of ISO 639-1, such as de, not {site.language!r}'
            )
    known = Privacy().kinds
    for name in config.privacy.kinds:
        if name not in known:
            raise InputError(f"{where}: privacy.kinds knows {', '.join(known)}, not {name!r}")


def _check_address(url: str, where: str) -> None:
    """Hold an address to the form `https://HOST[:PORT][/BASE]`."""
    expected = f"{where} must be the address of a site, such as https://qa.example.com, not {url!r}"
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # raises where it is no number
    except ValueError:
        raise InputError(expected) from None
    path = parts.path.rstrip("/")
    odd = re.search(r"[^!-~]|[\\\"'<>^`{|}]", url) or re.search(r"//|/\.", path)
    if parts.scheme not in ("http", "https") or not parts.hostname or odd or not re.fullmatch(_HOST, parts.hostname):
        raise InputError(expected)
    if parts.username is not None or "?" in url or "#" in url:
        raise InputError(f"{expected}: it may have a path, and no user, query or fragment")
    if re.search(r"/(q|a|questions?|answers?)(/\d+.*)?$", path):
        raise InputError(f"{expected}: leave out {path!r}, since posts get their own, such as /q/1")
