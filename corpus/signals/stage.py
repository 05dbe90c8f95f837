"""The signals of one bucket of documents; rows of an earlier build are used again.

A signal's row depends only on its document's content, so it is taken from an earlier build where the digest is the
same. Digests of the documents that were marked lie in `.work/digests`: documents may have changed since.
"""

import json
import operator
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import plugins, schema, toml_config
from socorpus.corpus.engine import receipts
from socorpus.corpus.engine.context import BuildContext, Receipts
from socorpus.corpus.engine.receipts import Receipt
from socorpus.corpus.engine.work import Outcome, WorkItem
from socorpus.corpus.errors import BuildError, InputError
from socorpus.corpus.signals.base import SIGNALS, Marking, Preparation, Signal
from socorpus.corpus.storage import buckets, files, parquet
from socorpus.corpus.storage.boundary import regular_file
from socorpus.corpus.storage.buckets import Bucket

_DIGESTS_FOLDER = ".work/digests"
_DIGESTS = pa.schema([schema.DIGEST])


def run(context: BuildContext, documents: Receipts) -> dict[str, dict[str, Receipt]]:
    """Documents -> one table of each signal that looks at documents one by one; receipts by signal and bucket."""
    context.engine.drop_damaged("signals")  # whose rows would be used again
    markings = tuple(_marking(context, signal) for signal in SIGNALS.values() if signal.find is not None)
    recipes = {marking.signal: marking.recipe for marking in markings}
    items = []
    earlier = {
        site: {name: buckets.counts_in(context.root / "signals" / name / site) for name in recipes}
        for site, _ in context.buckets.sites
    }
    for bucket in context.buckets:
        inputs = {"documents": documents[bucket.name].content}
        weight = documents[bucket.name].outputs[bucket.path("documents")].bytes
        arguments = {"bucket": bucket, "markings": markings, "earlier": earlier[bucket.site]}
        items.append(WorkItem("signals", bucket.name, mark, arguments, inputs, 1, recipes, weight))
    done = context.engine.run("signals", items)
    context.prune("signals", done, [*(f"signals/{name}" for name in recipes), _DIGESTS_FOLDER])
    files.keep_only_folders(context.root / "signals", set(SIGNALS))
    return {
        name: {key: receipts.portion(receipt, f"signals/{name}", receipt.counts[name]) for key, receipt in done.items()}
        for name in recipes
    }


def _marking(context: BuildContext, signal: Signal) -> Marking:
    section = context.config.section(signal.section) if signal.section else None
    values: Any = toml_config.as_dict(section) if section is not None else None
    content, prepared = values, None
    if signal.prepare is not None:
        receipt = _prepared(context, signal.name, signal.prepare, section, values)
        content, prepared = receipt.content, next(iter(receipt.outputs))
    recipe = receipts.fingerprint([signal.name, SIGNALS.version(signal.name), content])
    return Marking(signal.name, values, prepared, recipe)


def _prepared(context: BuildContext, signal: str, preparation: Preparation, section: Any, values: Any) -> Receipt:
    """The receipt of a signal's preparation from the user's files."""
    known = receipts.load(context.root, "signal_inputs", signal)
    if SIGNALS[signal].section in context.settled and known is not None and context.engine.differs(known) is None:
        return known
    try:
        origin = SIGNALS.origin(signal)
        names = plugins.call(lambda: list(preparation.files(section)), plugin=origin, name=f"files of signal {signal}")
        for name in names:
            regular_file(Path(name), f"a file of [{signal}]")
        inputs = {name: files.sha256(Path(name)) for name in names}
    except OSError as error:
        raise InputError(f"{error.filename}: a file of [{signal}] that can't be read: {error.strerror}") from None
    path = f".work/prepared_signals/{signal}"
    arguments = {"signal": signal, "config": values, "path": path}
    config = [values, SIGNALS.version(signal)]
    item = WorkItem("signal_inputs", signal, prepare, arguments, inputs, 1, config)
    return context.engine.run("signal_inputs", [item])[signal]


def mark(root: Path, bucket: Bucket, markings: Sequence[Marking], earlier: Mapping[str, Sequence[int]]) -> Outcome:
    """Run the signals over a bucket, except for the rows that an earlier build has.

    Args:
        earlier: of each signal, the numbers of buckets that earlier builds had on the site.
    """
    signals = [SIGNALS[marking.signal] for marking in markings]
    columns = dict.fromkeys(["site", "post_id", "digest", *(column for signal in signals for column in signal.reads)])
    documents = parquet.read(root / bucket.path("documents"), columns=list(columns))
    outputs: dict[str, int | parquet.Written] = {}
    counts: dict[str, Any] = {}
    for signal, marking in zip(signals, markings, strict=True):
        given = _given(root, signal, marking)
        table, reused = _marked(documents, signal, given, _earlier(root, bucket, marking, earlier[signal.name]))
        path = bucket.path(f"signals/{signal.name}")
        outputs[path] = parquet.write(root / path, table, signal.columns)
        counts[signal.name] = {"recipe": marking.recipe, "reused": reused}
        if signal.counts is not None:
            counts[signal.name]["values"] = _counts(signal, table)
    path = bucket.path(_DIGESTS_FOLDER)
    outputs[path] = parquet.write(root / path, documents.select(["digest"]), _DIGESTS)
    return Outcome(outputs, counts)


def prepare(root: Path, signal: str, config: Mapping[str, Any] | None, path: str) -> Outcome:
    """Run a signal's preparation from the user's files."""
    definition = SIGNALS[signal]
    assert definition.prepare is not None
    section = _section(definition, config)
    files.make_folder((root / path).parent)
    # A preparation may write in place, and the finished corpus shares the file.
    files.remove(root / path)
    origin = SIGNALS.origin(signal)
    make = definition.prepare.make

    def run() -> dict[str, Any]:
        answer = dict(make(section, root / path))
        json.dumps(answer)
        return answer

    counts = plugins.call(run, plugin=origin, name=f"prepare of signal {signal}")
    if not files.exists(root / path):
        raise BuildError(f"{plugins.where(origin)}: prepare of signal {signal} wrote no file at the path it was given")
    return Outcome({path: 1}, counts)


def _section(signal: Signal, config: Mapping[str, Any] | None) -> Any:
    if config is None or signal.config is None:
        return config
    return toml_config.section(signal.config, config, f"section [{signal.section}]")


def _counts(signal: Signal, table: pa.Table) -> dict[str, int]:
    """Counts of the values in a signal's table.

    Raises:
        BuildError: the function of a plug-in raised something, or what it returns are no counts.
    """
    count, origin = signal.counts, SIGNALS.origin(signal.name)
    assert count is not None
    if origin is None:
        return dict(count(table))

    def run() -> dict[str, int]:
        return {str(value): operator.index(number) for value, number in count(table).items()}

    return plugins.call(run, plugin=origin, name=f"counts of signal {signal.name}")


def _given(root: Path, signal: Signal, marking: Marking) -> tuple[Any, ...]:
    """The arguments of `find` after the documents."""
    if marking.prepared is not None and signal.prepare is not None:
        load, origin = signal.prepare.load, SIGNALS.origin(signal.name)
        return (plugins.call(load, root / marking.prepared, plugin=origin, name=f"load of signal {signal.name}"),)
    return () if marking.config is None else (_section(signal, marking.config),)


def _marked(documents: pa.Table, signal: Signal, given: tuple[Any, ...], old: pa.Table | None) -> tuple[pa.Table, int]:
    if old is None:
        return _find(signal, documents, given), 0
    places = pc.index_in(documents["digest"], value_set=old["digest"].combine_chunks())
    known = np.asarray(pc.is_valid(places))
    again = old.take(pc.drop_null(places).combine_chunks()).drop_columns(["digest"])
    same = documents.filter(pa.array(known))
    for position, name in enumerate(("site", "post_id")):
        again = again.set_column(position, signal.columns.field(name), same[name])
    new = _find(signal, documents.filter(pa.array(~known)), given)
    order = np.argsort(np.concatenate([np.flatnonzero(known), np.flatnonzero(~known)]))
    return pa.concat_tables([again.cast(signal.columns), new.cast(signal.columns)]).take(
        pa.array(order)
    ), again.num_rows


def _find(signal: Signal, documents: pa.Table, given: tuple[Any, ...]) -> pa.Table:
    """The signal's table of some documents.

    Raises:
        BuildError: a plug-in's function raised something, or returns another number of rows or other columns.
    """
    assert signal.find is not None
    origin = SIGNALS.origin(signal.name)
    find: Callable[..., pa.Table | Mapping[str, Any]] = signal.find

    def culprit() -> str | None:
        for row in range(documents.num_rows):
            only = documents.slice(row, 1)
            try:
                find(only, *given)
            except BaseException:
                return schema.key(only["site"][0].as_py(), only["post_id"][0].as_py())
        return None

    answer = plugins.call(find, documents, *given, plugin=origin, name=f"signal {signal.name}", culprit=culprit)
    return answer if origin is None and isinstance(answer, pa.Table) else _checked(signal, documents, answer)


def _checked(signal: Signal, documents: pa.Table, answer: pa.Table | Mapping[str, Any]) -> pa.Table:
    """A plug-in's columns as the signal's table."""
    where = plugins.where(SIGNALS.origin(signal.name))
    if not isinstance(answer, pa.Table | Mapping):
        raise BuildError(
            f"{where}: signal {signal.name} returns {type(answer).__name__}, not a table or columns by name"
        )
    columns = {name: answer[name] for name in (answer.column_names if isinstance(answer, pa.Table) else answer)}
    lacking = [name for name in signal.own_columns if name not in columns]
    extra = [name for name in columns if name not in signal.columns.names]
    if lacking or extra:
        what = f"does not return {lacking[0]!r}" if lacking else f"returns {extra[0]!r}, which it does not declare"
        raise BuildError(f"{where}: signal {signal.name} {what}; its columns are {', '.join(signal.own_columns)}")
    parts = [documents[name] for name in ("site", "post_id")]
    for name in signal.own_columns:
        field = signal.columns.field(name)
        try:
            values = columns[name]
            array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
            parts.append(array.cast(field.type))  # which refuses to round
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, TypeError, OverflowError) as error:
            raise BuildError(f"{where}: signal {signal.name}: column {name} is not {field.type}: {error}") from error
        if len(array) != documents.num_rows:
            raise BuildError(
                f"{where}: signal {signal.name}: column {name} has {len(array)} rows for {documents.num_rows} documents"
            )
    return pa.table(parts, schema=signal.columns)


def _earlier(root: Path, bucket: Bucket, marking: Marking, counts: Sequence[int]) -> pa.Table | None:
    """Rows that an earlier build made by the same recipe, of the buckets that may hold this bucket's threads, and the
    digests of their documents."""
    tables = []
    name = marking.signal
    for file_name in buckets.earlier_names(bucket, counts):
        path = root / "signals" / name / bucket.site / f"{file_name}.parquet"
        receipt = receipts.load(root, "signals", f"{bucket.site}/{file_name}") if files.exists(path) else None
        digests = root / _DIGESTS_FOLDER / bucket.site / f"{file_name}.parquet"
        if receipt and receipt.counts.get(name, {}).get("recipe") == marking.recipe and files.exists(digests):
            tables.append(parquet.read(path).append_column(schema.DIGEST, parquet.read(digests)["digest"]))
    return pa.concat_tables(tables) if tables else None
