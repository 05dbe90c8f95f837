"""The definition of a signal: columns beside the documents, from a function over a bucket of them."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import plugins, schema
from socorpus.corpus.config import Config
from socorpus.corpus.plugins import Registry
from socorpus.corpus.privacy.display import Shown

Find = Callable[..., pa.Table | Mapping[str, Any]]


class Explained(Protocol):
    """A post whose signals are explained."""

    key: str
    """`SITE:POST_ID`."""
    shown: Shown
    """Its document without personal data and secrets."""

    def sharing(self, signal: str, column: str, value: str) -> list[str]:
        """Keys of the documents that have `value` in a column of a signal, in the order of the corpus."""
        ...


@dataclass(frozen=True)
class Preparation:
    """The preparation of a signal from files of the user's, once, before any document is read.

    Attributes:
        files: paths of the files, by the signal's section of the configuration.
        make: from that section, writes a file at the path that it is given; returns counts for the receipt.
        load: reads that file; `find` gets the result in place of the section. Called once a bucket: cache it.
    """

    files: Callable[[Any], Sequence[str]]
    make: Callable[[Any, Path], Mapping[str, Any]]
    load: Callable[[Path], Any]


@dataclass(frozen=True)
class Signal:
    """A signal. Selection's rules read its columns; it drops nothing itself.

    Attributes:
        name: its table is `signals/NAME`.
        columns: the table's schema, key first (`schema.signal`).
        find: from documents (n rows, the columns `reads` with `site`, `post_id`, `digest`), and the section of the
            configuration where there is one, to the table or to its own columns by name, n rows in the same order. It
            must depend on nothing else: no clock, no network, no random numbers without a seed. None: a stage that
            sees the whole corpus writes the table.
        reads: columns of `schema.DOCUMENTS`. A row is used again in a later build while its document's digest, which
            covers kind, title, text, segments and links, stays the same: other columns must not be read.
        section: section of the configuration.
        config: the section's frozen dataclass, of a plug-in's signal; ours are fields of `config.Config`.
        prepare: the preparation from files.
        counts: counts of the values in a table, for the manifest and the report; None: nothing is counted.
        explain: lines of `socorpus explain`, from a row without its key; None: the columns and their values.
        meaning: of each column, for the report.
        version: raise it when the results of `find` change. None, in a plug-in: the plug-in's hash or version.
    """

    name: str
    columns: pa.Schema
    find: Find | None
    reads: tuple[str, ...] = ()
    section: str | None = None
    config: type | None = None
    prepare: Preparation | None = None
    counts: Callable[[pa.Table], Mapping[str, int]] | None = None
    explain: Callable[[Mapping[str, Any], Explained], Iterable[str]] | None = None
    meaning: Mapping[str, str] | None = None
    version: int | str | None = None

    @property
    def own_columns(self) -> list[str]:
        """Names of its columns without the key."""
        return [name for name in self.columns.names if name not in ("site", "post_id")]


SIGNALS: Registry[Signal] = Registry("signal", ("socorpus.corpus.signals.registry",))
"""All signals: ours (`signals.registry`), then those of active plug-ins."""


def signal(
    columns: Mapping[str, pa.DataType],
    reads: Sequence[str] = ("text", "own_end", "segments"),
    *,
    config: type | None = None,
    prepare: Preparation | None = None,
    counts: Callable[[pa.Table], Mapping[str, int]] | None = None,
    explain: Callable[[Mapping[str, Any], Explained], Iterable[str]] | None = None,
    meaning: Mapping[str, str] | None = None,
    version: int | str | None = None,
) -> Callable[[Find], Find]:
    """Make a function a signal of its name, with `config` as the section of that name; see `Signal`.

    >>> import pyarrow as pa
    >>> from socorpus.corpus import signal
    >>> @signal({"questions": pa.int32()}, reads=("text",))
    ... def question_marks(documents):
    ...     return {"questions": [text.count("?") for text in documents["text"].to_pylist()]}

    Raises:
        InputError: there is a signal of this name, a column that documents do not have, or one that may not be read; no
            columns are given.
    """
    if not isinstance(columns, Mapping):
        raise plugins.rejected(
            f"signal {getattr(columns, '__name__', columns)}: @signal needs its columns in parentheses, as in "
            '@signal({"questions": pa.int32()})'
        )

    def enter(find: Find) -> Find:
        name = find.__name__
        if not plugins.enters(find.__module__, f"signal {name}"):
            return find
        unknown = sorted(set(reads) - set(READABLE))
        if unknown:
            raise plugins.rejected(f"signal {name} reads {unknown[0]!r}; it may read {', '.join(READABLE)}")
        if config is not None:
            if name in Config.__dataclass_fields__:
                raise plugins.rejected(f"signal {name}: [{name}] is a section of ours; give the signal another name")
            for key in dataclasses.fields(config):
                if key.default is dataclasses.MISSING and key.default_factory is dataclasses.MISSING:
                    raise plugins.rejected(f"signal {name}: {config.__name__}.{key.name} needs a default value")
            plugins.SECTIONS.add(name, config)
        if not name.isidentifier() or name in _RESERVED:
            raise plugins.rejected(f"signal {name}: not a name that a signal can have; give the function another")
        for column in columns:
            if not column.isidentifier() or column in ("site", "post_id", "digest"):
                raise plugins.rejected(f"signal {name}: {column!r} is not a name that a column can have")
        fields = [pa.field(column, kind) for column, kind in columns.items()]
        SIGNALS.add(
            name,
            Signal(
                name,
                schema.signal(name, *fields),
                find,
                tuple(reads),
                name if config is not None else None,
                config,
                prepare,
                counts or value_counts,
                explain,
                meaning,
                version,
            ),
        )
        return find

    return enter


_RESERVED = ("documents", "pairs", "decisions", "shards", "tables", "labels", "quarantine", "tokenizer")
"""Folders of a corpus: in rules a table of that name is theirs."""

READABLE = ("kind", "title", "text", "own_end", "segments", "links")
"""Columns of documents that their digest covers."""


def value_counts(table: pa.Table) -> dict[str, int]:
    """Counts of a signal's table that add up over buckets: of each column its nulls and, by kind, its values.

    Of texts and booleans each value (the 100 commonest of a bucket), of numbers those above 0.
    """
    counts: dict[str, int] = {}
    for field in table.schema:
        if field.name in ("site", "post_id"):
            continue
        column = table[field.name]
        if column.null_count:
            counts[f"{field.name}: null"] = column.null_count
        if pa.types.is_string(field.type) or pa.types.is_boolean(field.type):
            pairs = sorted(pc.value_counts(column.drop_null()).to_pylist(), key=lambda pair: -pair["counts"])
            counts |= {f"{field.name}: {pair['values']}": pair["counts"] for pair in pairs[:100]}
        elif pa.types.is_integer(field.type) or pa.types.is_floating(field.type):
            counts[f"{field.name}: above 0"] = pc.sum(pc.greater(column, 0)).as_py() or 0
    return counts


@dataclass(frozen=True)
class Marking:
    """A signal of a build, as workers get it.

    Attributes:
        signal: its name.
        config: its section of the configuration as plain values; None: it has none.
        prepared: path of its prepared file, relative to the corpus; None: there is none.
        recipe: hash of all that its rows depend on beside their documents: rows of an equal recipe can be used again.
    """

    signal: str
    config: Mapping[str, Any] | None
    prepared: str | None
    recipe: str
