"""Labels for other programs: JSON Lines, CoNLL, and a Hugging Face dataset folder with its card; one file per split.

The labels already include people's votes, which override the functions'. A whole text without a label is left out; a
text without entities is kept: that it has none is its label.
"""

import functools
import shutil
import warnings
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.errors import InputError, SocorpusWarning
from socorpus.corpus.schema import SPLITS, TIME
from socorpus.corpus.storage import boundary, json_lines, parquet
from socorpus.corpus.storage import files as storage_files
from socorpus.labeling import example_texts, schema, steps
from socorpus.labeling.analysis import report_sections
from socorpus.labeling.export import tokens as export_tokens
from socorpus.labeling.export.tokens import Cut
from socorpus.labeling.label_studio import sampling
from socorpus.labeling.schema import Task

FORMATS = ("jsonl", "conll", "huggingface")
MORE = ("probabilities", "votes")
"""Columns that are written if they are asked for."""

_CARRIED = ("site", "post_id", "thread_id", "kind", "created", "score", "tags", "title", "text")
_ORIGIN = ("url", "license", "author")

SPAN = pa.struct(
    [
        pa.field("start", pa.int32(), nullable=False),
        pa.field("end", pa.int32(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("probability", pa.float32(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
    ]
)
"""A labelled span: `text[start:end]` in code points."""

DESCRIPTIONS = {
    "site": "site of the post",
    "post_id": "the post's number there",
    "thread_id": "its question's number: posts of one thread are in one split",
    "kind": "question or answer",
    "created": "when it was written",
    "score": "votes up less votes down, at the time of the dump",
    "tags": "tags of the question",
    "title": "title of the question",
    "text": "what is labelled, personal data replaced",
    "label": "the label",
    "probability": "of the label: 1 where a person said so, else by the functions' combined votes",
    "source": "function (labelling functions combined), model or person",
    "conflict": "whether votes differ",
    "probabilities": "of every label of the task",
    "votes": "who voted for what: function, label (null: would not decide) and evidence, as JSON",
    "spans": "start and end (code points), label, probability and source of each entity",
    "tokens": "words and single punctuation marks of the text",
    "input_ids": "the text in the tokens of the corpus (`tokenizer/`), without special ones",
    "offsets": "start and end (code points) of each token in the text",
    "ner_tags": "BIO tag of each token",
    "url": "address of the post; null where none of its site is known",
    "license": "of the text",
    "author": "name to give as the author; null where the dump has none",
}


@dataclass
class Written:
    """Counts of an export, by split, and the least probability of its labels."""

    least: float = 0.0
    seen: int = 0
    """Examples of the task, whether they are written or not."""
    unsure: int = 0
    """Labels that are left out since their probability is below the least."""
    left_out: dict[str, tuple[int, float, float]] = field(default_factory=dict)
    """These by label: their number, and their lowest and highest probability."""
    more: tuple[str, ...] = ()
    """Columns that were asked for, of `MORE`."""
    texts: Counter[str] = field(default_factory=Counter)
    labelled: Counter[tuple[str, str]] = field(default_factory=Counter)
    sources: Counter[tuple[str, str]] = field(default_factory=Counter)
    licenses: Counter[str] = field(default_factory=Counter)

    @property
    def examples(self) -> int:
        """Texts in all."""
        return self.texts.total()

    @property
    def labels(self) -> int:
        """Labels in all."""
        return self.labelled.total()


def table_schema(task: Task, cut: Cut | None = None, more: Collection[str] = ()) -> pa.Schema:
    """Schema of a task's rows in the Parquet files, and the keys of its JSON lines.

    Args:
        more: some of `MORE`; of spans they are in each span.
    """
    each = pa.struct([pa.field(name, pa.float32(), nullable=False) for name in task.labels])
    added = [pa.field("probabilities", each, nullable=False)]
    added += [pa.field("votes", pa.list_(schema.EVIDENT_VOTE), nullable=False)]
    added = [column for column in added if column.name in more]
    span = pa.struct([*SPAN, *added])
    own = [pa.field("spans", pa.list_(span), nullable=False), *(cut.columns if cut is not None else ())]
    if not task.spans:
        names = ("label", "probability", "source", "conflict")
        own = [*(schema.LABELS.field(name) for name in names), *added]
    carried = [schema.EXAMPLES.field(name) for name in _CARRIED]
    return pa.schema([*carried, *own, *(schema.EXAMPLES.field(name) for name in _ORIGIN)])


def export(
    root: Path,
    task: Task,
    form: str,
    out: Path,
    least: float = 0.0,
    tokens: str | None = None,
    more: Collection[str] = (),
) -> Written:
    """Write the labels of a task to a new folder.

    Args:
        form: one of `FORMATS`.
        least: probability below which a label is left out, and with it a whole text.
        tokens: the tokens that get BIO tags, beside the spans of entities, one of `tokens.NAMES`; a CoNLL file has
            words if None.
        more: further columns, of `MORE`.

    Raises:
        InputError: the format or the tokens are not known or not made for this task; the folder is not new, or can't
            be written; the corpus has no labels to write, or no tokenizer. Nothing is left there.
        BuildError: the disk is full. Nothing is left there.

    Warns:
        SocorpusWarning: no text has a span (such texts are written, in every format, since that is their label), or all
            of some label is less probable than `least`.
    """
    if form not in FORMATS:
        raise InputError(f"format {form!r} is not known; there are {', '.join(FORMATS)}")
    if form == "conll" and not task.spans:
        raise InputError(f"CoNLL files hold spans, and {task.name} is of whole texts; choose jsonl or huggingface")
    if strange := [name for name in more if name not in MORE]:
        raise InputError(f"column {strange[0]!r} is not known; there are {', '.join(MORE)}")
    if more and form == "conll":
        raise InputError(f"CoNLL files have no place for {' and '.join(more)}; choose jsonl or huggingface")
    if least != least or not 0 <= least <= 1:
        raise InputError(f"the least probability is of 0 to 1, and not {least:g}")
    if tokens is not None and not task.spans:
        raise InputError(f"tokens have tags of spans, and {task.name} is of whole texts; leave --tokens out")
    sampling.buckets(root, task)
    named = tokens or ("words" if form == "conll" else None)
    cut = export_tokens.cut(root, named) if named is not None else None
    out = out.absolute()
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise InputError(f"{out}: something lies there; name a new folder for the export")
        with _new_folder(out) as folder:
            named_more = tuple(name for name in MORE if name in more)
            written = _write(root, task, form, folder, Written(least, more=named_more), cut)
            if not written.examples:
                raise InputError(f"{root}: nothing of {task.name} to export: {_lacking(written)}")
            if not written.labels:
                texts = f"texts of {task.name}, {written.examples:,} in all,"
                warnings.warn(
                    f"{texts} are exported without any span: {_lacking(written)}",
                    SocorpusWarning,
                    stacklevel=2,
                )
            elif lost := _lost(task, written):
                warnings.warn(lost, SocorpusWarning, stacklevel=2)
            return written
    except OSError as error:
        if boundary.is_disk_full(error):
            raise boundary.disk_full(out) from error
        raise InputError(f"{out}: can't be written: {error.strerror or error}; name another folder") from error


def _lacking(written: Written) -> str:
    """Why no label is written."""
    if not written.seen:
        return "the corpus has no example of it"
    if not written.unsure:
        return f"none of its {written.seen:,} examples has a label; socorpus labeling analyze shows who votes on what"
    each = _shown(written, written.left_out)
    return (
        f"its {written.unsure:,} labels have probabilities below {written.least:g} ({each}); lower --least (in Python, "
        "least=)"
    )


def _lost(task: Task, written: Written) -> str | None:
    """The sentence on labels of which none is written, since all are less probable than the least."""
    kept = {label for _, label in written.labelled}
    lost = [label for label in task.labels if label in written.left_out and label not in kept]
    if not lost:
        return None
    return (
        f"{task.name}: nothing of {', '.join(lost)} is exported, since all probabilities are below {written.least:g} "
        f"({_shown(written, lost)}); lower --least (in Python, least=) to have them"
    )


def _shown(written: Written, labels: Collection[str]) -> str:
    """Number and probabilities of labels that are left out, the commonest first."""
    parts = []
    for label in sorted(labels, key=lambda label: (-written.left_out[label][0], label)):
        count, low, high = written.left_out[label]
        between = f"{low:.3f}" if f"{low:.3f}" == f"{high:.3f}" else f"{low:.3f} to {high:.3f}"
        parts.append(f"{label} {count:,} at {between}")
    return ", ".join(parts)


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """A hidden folder whose content becomes that of `out` if all goes well; else nothing is left, nor folders above."""
    above = [folder for folder in out.parents if not folder.exists()]
    # In an empty folder that is there already, which may be the current one: it stays the same folder.
    partial = (out if out.exists() else out.parent) / f".{out.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        if not out.exists():
            partial.rename(out)
            return
        for path in partial.iterdir():
            path.rename(out / path.name)
        partial.rmdir()
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        with suppress(OSError):
            for folder in above:
                folder.rmdir()
        raise


def _write(root: Path, task: Task, form: str, folder: Path, written: Written, cut: Cut | None) -> Written:
    if form == "huggingface":
        _parquet(root, task, folder, written, cut)
        manifest = root / "MANIFEST.json"
        entries = storage_files.read_json(manifest).get("labels", {}) if storage_files.exists(manifest) else {}
        basis = report_sections.basis(entries.get(task.name, {}))
        (folder / "README.md").write_text(card(task, written, sampling.version(root, task), basis, cut), "utf-8")
    else:
        _lines(root, task, folder, written, form, cut)
    if cut is not None:
        cut.save(folder)
    return written


def rows(root: Path, task: Task, written: Written, cut: Cut | None) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """Split and row of every text of the task, as `table_schema` has it, bucket by bucket; counted in `written`."""
    for bucket in sampling.buckets(root, task):
        labels: dict[int, list[dict[str, Any]]] = {}
        if storage_files.exists(path := root / schema.path(task.name, "labels", bucket)):
            columns = ["post_id", "start", "end", "label", "probability", "source", "conflict", "split", *written.more]
            table = parquet.read(path, schema.LABELS, columns)
            sure = pc.greater_equal(table["probability"], np.float32(written.least))
            _leave_out(written, table.filter(pc.invert(sure)))
            table = table.filter(sure)
            if "votes" in written.more:
                table = steps.with_evidence(root, bucket, task.name, table)
            for row in table.to_pylist():
                labels.setdefault(row.pop("post_id"), []).append(row)
        examples = example_texts.read(root, task.name, bucket, ["split", *_CARRIED, *_ORIGIN]).to_pylist()
        written.seen += len(examples)
        kept = []
        for example in examples:
            of = labels.get(example["post_id"], [])
            if of or task.spans:
                # The labels' split is stratified, and not always that of the shards.
                split = of[0]["split"] if of else example["split"]
                kept.append((split, _row(example, split, of, task, written)))
        if cut is not None:
            cut.tag([row for _, row in kept])
        yield kept


def _leave_out(written: Written, unsure: pa.Table) -> None:
    """Count labels that are less probable than the least."""
    written.unsure += unsure.num_rows
    grouped = unsure.group_by("label").aggregate([("probability", "count"), ("probability", "min_max")])
    for row in grouped.to_pylist():
        few, many = row["probability_min_max"]["min"], row["probability_min_max"]["max"]
        count, low, high = written.left_out.get(row["label"], (0, few, many))
        written.left_out[row["label"]] = (count + row["probability_count"], min(low, few), max(high, many))


def _row(
    example: dict[str, Any], split: str, labels: list[dict[str, Any]], task: Task, written: Written
) -> dict[str, Any]:
    written.texts[split] += 1
    written.licenses[example["license"]] += 1
    for label in labels:
        written.labelled[split, label["label"]] += 1
        written.sources[split, label["source"]] += 1
        if "probabilities" in label:
            label["probabilities"] = dict(zip(task.labels, label["probabilities"], strict=True))
    if task.spans:
        names = [*(column.name for column in SPAN), *written.more]
        own: dict[str, Any] = {"spans": [{name: label[name] for name in names} for label in labels]}
    else:
        own = {name: labels[0][name] for name in ("label", "probability", "source", "conflict", *written.more)}
    return {name: example[name] for name in _CARRIED} | own | {name: example[name] for name in _ORIGIN}


def _lines(root: Path, task: Task, folder: Path, written: Written, form: str, cut: Cut | None) -> None:
    write = functools.partial(write_conll, cut) if form == "conll" and cut is not None else write_json
    files: dict[str, IO[str]] = {}
    try:
        for bucket in rows(root, task, written, cut):
            for split, row in bucket:
                if split not in files:
                    files[split] = (folder / f"{split}.{form}").open("w", encoding="utf-8", newline="\n")
                write(files[split], row)
    finally:
        for file in files.values():
            file.close()


def write_json(file: IO[str], row: dict[str, Any]) -> None:
    """A row as a line of JSON."""
    values = row | {"created": row["created"].isoformat()}
    for label in (values, *values.get("spans", ())):
        if "probability" in label:
            label["probability"] = round(label["probability"], 4)
        if "probabilities" in label:
            label["probabilities"] = {name: round(value, 4) for name, value in label["probabilities"].items()}
    file.write(json_lines.line(values))


def write_conll(cut: Cut, file: IO[str], row: dict[str, Any]) -> None:
    """Token, start, end and BIO label of each token, tab-separated; an empty line where the text has a line's end.

    Offsets make it reversible: `can't` is three words and `cannot` one, and each is where it was.
    """
    text = row["text"]
    file.write(f"-DOCSTART-\t{row['site']}\t{row['post_id']}\tO\n\n")
    begun = None
    for name, (start, end), tag in zip(cut.names(row), row["offsets"], row["ner_tags"], strict=True):
        # A span across a line's end stays in one sentence: a reader would reject its I-.
        if begun is not None and "\n" in text[begun:start] and tag[0] != "I":
            file.write("\n")
        file.write(f"{name}\t{start}\t{end}\t{tag}\n")
        begun = start
    file.write("\n")


def _parquet(root: Path, task: Task, folder: Path, written: Written, cut: Cut | None) -> None:
    (folder / "data").mkdir()
    columns = table_schema(task, cut, written.more)
    writers: dict[str, Any] = {}
    try:
        for bucket in rows(root, task, written, cut):
            for split in SPLITS:
                if some := [row for its, row in bucket if its == split]:
                    if split not in writers:
                        writers[split] = parquet.writer(folder / "data" / f"{split}.parquet", columns)
                    writers[split].write_table(pa.Table.from_pylist(some, schema=columns), row_group_size=2048)
    finally:
        for writer in writers.values():
            writer.close()


def card(task: Task, written: Written, version: str, basis: str, cut: Cut | None = None) -> str:
    """The dataset's card: what it is, its licence, counts and columns; with the header that the hub reads.

    Args:
        basis: of the probabilities, the end of a sentence (`report_sections.basis`).
    """
    kind = "token-classification" if task.spans else "text-classification"
    splits = [split for split in SPLITS if written.texts[split]]
    files = "\n".join(f"  - split: {split}\n    path: data/{split}.parquet" for split in splits)
    names = [name for name in task.labels if any(written.labelled[split, name] for split in splits)]
    counts = [
        ("texts", [written.texts[split] for split in splits]),
        *((f"`{name}`", [written.labelled[split, name] for split in splits]) for name in names),
        *(
            (f"labels by {source}", [written.sources[split, source] for split in splits])
            for source in schema.SOURCES
            if any(written.sources[split, source] for split in splits)
        ),
    ]
    table = "\n".join(f"| {name} | {' | '.join(f'{n:,}' for n in figures)} |" for name, figures in counts)
    columns = "\n".join(
        f"| `{column.name}` | {_type(column.type)} | {DESCRIPTIONS[column.name]} |"
        for column in table_schema(task, cut, written.more)
    )
    licenses = "\n".join(f"- {name}: {count:,} texts" for name, count in sorted(written.licenses.items()))
    left_out = f" Labels below {written.least:g} are left out." if written.least else ""
    return f"""---
pretty_name: "Stack Exchange posts with labels: {task.name}"
license: {_hub_license(written)}
language:
- en
task_categories:
- {kind}
configs:
- config_name: default
  data_files:
{files}
---

# Stack Exchange posts with labels: {task.name}

Made by socorpus from a Stack Exchange data dump. Labels come from labelling functions, combined by
`{version or "no votes"}`, and from people, who stand above them: `source` tells which. A function's label is weak: it
has a probability, and may be wrong. Probabilities of functions' labels are {basis}.{left_out}

```python
from datasets import load_dataset

labels = load_dataset("path/of/this/folder")
```

## Counts

| | {" | ".join(splits)} |
| --- |{" ---: |" * len(splits)}
{table}

Splits are by thread and by time: the newest threads{" of each label" * (not task.spans)} are the test split.

## Columns

| column | type | what it is |
| --- | --- | --- |
{columns}

## Licence

{licenses}

The texts are their authors', under the licence that each row names: name `author` and `url` where you publish them, and
share adaptations alike. Personal data and secrets that were found are replaced by placeholders.
"""


def _hub_license(written: Written) -> str:
    """The licence as the hub's header has it: it has names for two of the three licences, and none for a mixture."""
    known = {"CC BY-SA 3.0": "cc-by-sa-3.0", "CC BY-SA 4.0": "cc-by-sa-4.0"}
    if len(written.licenses) == 1 and (name := known.get(next(iter(written.licenses)))):
        return name
    return "other\nlicense_name: cc-by-sa-as-each-row-says\nlicense_link: https://creativecommons.org/licenses/by-sa/"


def _type(kind: pa.DataType) -> str:
    if kind == TIME:
        return "time (UTC)"
    if pa.types.is_struct(kind):
        return "struct"
    if pa.types.is_list(kind):
        return "list of structs" if pa.types.is_struct(kind.value_type) else f"list of {_type(kind.value_type)}"
    return str(kind)
