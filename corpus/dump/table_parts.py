"""Tables that come in several files: which files are parts of one table, their order, and what their folders say.

Parts lie below a folder with the table's name (`Posts/`, `posts.parquet/`), as Spark, Dask and pyarrow write them, by
columns of Hive's kind too (`Posts/PostTypeId=1/part-0.parquet`); or beside one another with numbers in their names
(`posts-00000-of-00010.parquet`, `Posts_1.csv`), as `datasets` and other converters have it. They are read in the order
of their names, numbers in these by their value, as if they were one file.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from socorpus.corpus import schema
from socorpus.corpus.dump.rows import row_forms
from socorpus.corpus.errors import InputError

_NAMES = "|".join(sorted(schema.ROOTS, key=len, reverse=True))
_FOLDER = re.compile(rf"(?P<table>{_NAMES})(?:\.(?:xml|csv|tsv|jsonl|ndjson|parquet))?", re.IGNORECASE)
_NUMBERED = re.compile(
    rf"(?P<table>{_NAMES})[-_. ](?:part[-_. ]?)?(?P<number>\d+)(?P<of>[-_]of[-_]\d+)?(?:-[0-9a-f]{{8,64}})?",
    re.IGNORECASE,
)
_OF = re.compile(r"(?P<before>.*?)(?P<number>\d+)[-_]of[-_](?P<of>\d+)", re.IGNORECASE)
_YEAR = re.compile(r"(?:19|20)\d\d(?:[01]\d(?:[0-3]\d)?)?")
"""Numbers that are a date, such as that of a release: two of them are two dumps and no parts of one."""
_HIVE = re.compile(r"(?P<name>[^=]+)=(?P<value>.*)")
_NULL = "__HIVE_DEFAULT_PARTITION__"
_SITE = "site"
_FEW = 5


@dataclass(frozen=True)
class Part:
    """One file of a table that may have several.

    Attributes:
        place: the folder that all parts of the table lie in: the table's own, or that of the numbered files.
        inner: path of the file in that folder.
        own: whether the folder is the table's.
        given: columns that folders name, in no file, with the value of all rows.
    """

    place: str
    inner: str
    own: bool
    given: tuple[tuple[str, str | None], ...] = ()

    @property
    def below(self) -> int:
        """Folders before the file's name that tell it from the other parts."""
        return self.inner.count("/") + 1 if self.own else 0

    @property
    def number(self) -> int | None:
        """The number in the name of a file that lies beside the other parts."""
        match = None if self.own else _NUMBERED.fullmatch(_stem(self.inner))
        return int(match["number"]) if match else None


def table_of_folder(name: str) -> str | None:
    """The table whose parts a folder of this name may hold.

    Examples:
        >>> table_of_folder("PostHistory"), table_of_folder("posts.parquet"), table_of_folder("data")
        ('history', 'posts', None)
    """
    match = _FOLDER.fullmatch(name)
    return schema.ROOTS[match["table"].lower()] if match else None


def table_of_file(stem: str) -> str | None:
    """The table of which a file with this stem is a numbered part.

    Examples:
        >>> table_of_file("posts-00000-of-00010"), table_of_file("Votes_3"), table_of_file("Posts-2014")
        ('posts', 'votes', None)
    """
    match = _NUMBERED.fullmatch(stem)
    if match is None or (match["of"] is None and _YEAR.fullmatch(match["number"])):
        return None
    return schema.ROOTS[match["table"].lower()]


def columns_of(folders: Iterable[str]) -> dict[str, str | None]:
    """The columns, of whatever names, that folders of Hive's kind give.

    Examples:
        >>> columns_of(["year=2010", "PostTypeId=1", "more"])
        {'year': '2010', 'PostTypeId': '1'}
    """
    matches = [match for folder in folders if (match := _HIVE.fullmatch(folder))]
    return {match["name"]: None if match["value"] == _NULL else unquote(match["value"]) for match in matches}


def site_of(columns: dict[str, str | None]) -> str | None:
    """Take the site that a folder names (`site=beer.stackexchange.com`) out of the columns."""
    name = next((name for name in columns if name.lower() == _SITE), None)
    return columns.pop(name) if name is not None else None


def in_order(table: str, parts: Sequence[Part]) -> list[int]:
    """The places of the parts in the order in which they are read.

    Raises:
        InputError: they are of several forms, one is there twice, or one that the names count is missing.
    """
    place = parts[0].place
    forms = {row_forms.of(part.inner): part.inner for part in parts}
    if len(forms) > 1:
        first, second, *_ = forms.values()
        raise InputError(
            f"{place}: parts of {table!r} in several forms, such as {first} and {second}: whether they are the same "
            "rows can't be told; keep those of one form"
        )
    stems: dict[str, str] = {}
    for part in parts:
        other = stems.setdefault(_stem(part.inner).casefold(), part.inner)
        if other != part.inner:
            raise InputError(f"{place}: {other} and {part.inner} are one part of {table!r}; keep one of them")
    _check_counts(table, parts)
    return sorted(range(len(parts)), key=lambda number: _natural(parts[number].inner))


def gaps(parts: Sequence[Part]) -> list[int]:
    """Numbers between those of the files that no file has."""
    numbers = {part.number for part in parts} - {None}
    known = {number for number in numbers if number is not None}
    return sorted(set(range(min(known), max(known))) - known) if known else []


def _check_counts(table: str, parts: Sequence[Part]) -> None:
    counted: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for part in parts:
        folder, _, name = part.inner.rpartition("/")
        if match := _OF.match(name):
            counted[f"{folder}/{match['before']}"][int(match["of"])].add(int(match["number"]))
    for by_count in counted.values():
        if len(by_count) > 1:
            listed = " and ".join(f"of {count}" for count in sorted(by_count))
            raise InputError(
                f"{parts[0].place}: has parts of {table!r} {listed}, which are of two writings; keep those of one"
            )
        for count, numbers in by_count.items():
            if numbers == set(range(1, count + 1)):
                continue
            missing = [number for number in range(count) if number not in numbers]
            if missing:
                more = f" and {len(missing) - _FEW:,} more" if len(missing) > _FEW else ""
                raise InputError(
                    f"{parts[0].place}: of the {count} parts of {table!r} number "
                    f"{', '.join(map(str, missing[:_FEW]))}{more} is missing (from 0); fetch it, give all parts, or "
                    "rename the files if these rows are all that is meant"
                )


def _stem(inner: str) -> str:
    match = row_forms.TABLE.match(inner)
    return match["stem"] if match else inner


def _natural(name: str) -> list[tuple[int, int | str]]:
    pieces = re.split("([0-9]+)", name)
    return [(0, int(piece)) if place % 2 else (1, piece) for place, piece in enumerate(pieces)]
