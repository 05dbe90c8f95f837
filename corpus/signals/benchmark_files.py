"""Readers of benchmark files (CSV, JSON Lines, Parquet, text, CoNLL): the texts that a corpus must not contain."""

import csv
import html
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import pyarrow as pa
import pyarrow.parquet as pq

from socorpus.corpus.errors import InputError
from socorpus.corpus.storage.boundary import regular_file
from socorpus.corpus.words import words

SHORTEST = 8
"""Fewest words of an example that is looked for: shorter ones are in many texts by chance."""


# --- benchmark files -------------------------------------------------------------------------------------------------

_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<!--.*?-->", re.S)
_SPACED = re.compile(r"\S*[^\W\d_]\S*")
_ASCII = re.compile(r"[\x00-\x7f]+")


def examples(path: Path) -> Iterator[str]:
    readers: dict[str, Callable[[Path], Iterator[str]]] = {
        ".csv": _csv,
        ".tsv": _csv,
        ".jsonl": _jsonl,
        ".parquet": _parquet,
        ".txt": _txt,
        ".conll": _txt,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path}: a benchmark file ends in {', '.join(readers)}, not {path.suffix or 'nothing'}")
    regular_file(path, "a benchmark file")
    if not path.is_file():
        raise InputError(f"{path}: there is no such benchmark file; see contamination.benchmarks in the configuration")
    try:
        yield from reader(path)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start} of what was read: {error.reason}") from None


def _csv(path: Path) -> Iterator[str]:
    csv.field_size_limit(2**31 - 1)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
        rows: list[list[str]] = []
        try:
            header = next(reader, [])
            for cells in reader:
                if cells and len(cells) != len(header):
                    where = f"{path}:{reader.line_num}"
                    raise InputError(f"{where}: {len(cells)} cells in a row, {len(header)} columns in the header")
                if cells:
                    rows.append(cells)
        except csv.Error as error:
            raise InputError(f"{path}:{reader.line_num}: not a table that csv can read: {error}") from None
    yield from _joined(path, {name: [cells[column] for cells in rows] for column, name in enumerate(header)})


def _jsonl(path: Path) -> Iterator[str]:
    rows = []
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                parsed = json.loads(line)
            except json.JSONDecodeError as error:
                raise InputError(f"{path}:{number}: not JSON: {error}") from None
            if not isinstance(parsed, dict):
                raise InputError(f"{path}:{number}: expected an object of columns, not {type(parsed).__name__}")
            rows.append(parsed)
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [value if isinstance(value := row.get(name), str) else None for row in rows] for name in names}
    yield from _joined(path, columns)


def _parquet(path: Path) -> Iterator[str]:
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: not a Parquet file that can be read: {error}") from None
    strings = [f.name for f in table.schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
    yield from _joined(path, {name: table[name].to_pylist() for name in strings})


def _joined(path: Path, columns: dict[str, list[str | None]]) -> Iterator[str]:
    """The cells of the columns that hold prose, joined row by row, without tags."""
    plain = {name: [None if cell is None else _strip(cell) for cell in cells] for name, cells in columns.items()}
    prose = [cells for cells in plain.values() if _is_prose(cells)]
    if not prose:
        names = ", ".join(columns) or "none"
        raise InputError(f"{path}: no column holds text of four words or more; its string columns are: {names}")
    for cells in zip(*prose, strict=True):
        yield "\n".join(cell for cell in cells if cell)


def _is_prose(cells: list[str | None]) -> bool:
    filled = [cell for cell in cells if cell]
    return bool(filled) and median(_spaced_words(cell[:400]) for cell in filled) >= 4


def _spaced_words(text: str) -> int:
    """Number of words that stand apart, so that a list of tags is no prose; of scripts without spaces, of all."""
    return max(len(_SPACED.findall(text)), words.count(_ASCII.sub(" ", text)))


def _strip(text: str) -> str:
    return html.unescape(_TAG.sub(" ", text)).strip() if "<" in text or "&" in text else text


def _txt(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8-sig") as file:
        lines = file.read().split("\n")
    filled = [line for line in lines if line.strip()]
    if sum("\t" in line for line in filled) * 2 > len(filled):
        yield from _conll(path, lines)
    else:
        yield from (_strip(line) for line in filled)


_MADE_UP = ("Question_ID", "Question_URL", "Answer_to_Question_ID", "CODE_BLOCK", "OP_BLOCK")
"""First words of sentences that annotators wrote, not the post's author."""


def _conll(path: Path, lines: list[str]) -> Iterator[str]:
    """Examples of a CoNLL file: the text between two headers, or single sentences where there are none."""
    sentences: list[list[str]] = [[]]
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            sentences.append([])
        elif "\t" not in line:
            raise InputError(f"{path}:{number}: expected a token and its label parted by a tab, not {line[:60]!r}")
        else:
            sentences[-1].append(line.split("\t", 1)[0].replace("-----", " "))
    headed = any(sentence[:1] == ["Question_ID"] for sentence in sentences)
    example: list[str] = []
    begun = False
    for sentence in filter(None, sentences):
        if begun and (not headed or sentence[0] in ("Question_ID", "Answer_to_Question_ID")):
            yield " ".join(example)
            example = []
        begun = True
        if sentence[0] not in _MADE_UP:
            example += sentence
    if begun:
        yield " ".join(example)
