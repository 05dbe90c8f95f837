"""The forms of a sample site: its drift of the publisher's dumps, and its eight tables as bytes on disk."""

from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

DAY = 86_400_000
"""Milliseconds of a day."""

STEMS = {
    "badges": "Badges",
    "comments": "Comments",
    "history": "PostHistory",
    "links": "PostLinks",
    "posts": "Posts",
    "tags": "Tags",
    "users": "Users",
    "votes": "Votes",
}
"""Table -> stem of its file; the root element is the same in lower case."""

Record = dict[str, Any]
"""One line of the truth."""


@dataclass(frozen=True)
class SiteForm:
    """One site of a sample: its name, its years, and the drift that it has."""

    site: str
    """Name of its folder."""
    first: str
    """Date of its first post, ISO 8601."""
    last: str
    """Date of the dump."""
    bom: bool = True
    newline: str = "\r\n"
    lower_names: bool = False
    """File names in lower case."""
    deleted: bool = False
    """`PostsWithDeleted.xml`, with rows that have a DeletionDate and no Body."""
    header: str | None = None
    """A comment of several lines before the root element."""
    utf16: tuple[str, ...] = ()
    """Tables in UTF-16-LE; the rest is UTF-8."""
    pipes: bool = False
    """Tags as `|a|b|`, not as `<a><b>`."""
    license: bool = True
    """Whether rows have ContentLicense."""
    comment_license: bool = True
    """Whether comments have ContentLicense."""
    area51: bool = False
    """CloseReasonId and a JSON array of voters, dates without hours in votes, a score of 0 left out."""
    fabricated: bool = False
    """Posts 1000000001 and 1000000010."""
    faults: bool = True
    """Rows that can't be read, illegal character references, unknown attributes, rows without their post."""
    tables: tuple[str, ...] = tuple(STEMS)
    plant_every: int = 3
    """One in this many questions, and answers, gets a plant."""

    def file(self, table: str) -> str:
        """Name of a table's file."""
        stem = "PostsWithDeleted" if table == "posts" and self.deleted else STEMS[table]
        return (stem.lower() if self.lower_names else stem) + ".xml"

    def root(self, table: str) -> str:
        """Root element of a table."""
        return self.file(table)[:-4].lower()

    def encoding(self, table: str) -> str:
        """Encoding of a table's file."""
        return "utf-16-le" if table in self.utf16 else "utf-8"


MODERN = SiteForm("modern.example.com", "2010-06-01", "2024-01-07")
SPRING2024 = SiteForm(
    "spring2024.example.com", "2009-02-01", "2024-04-02", utf16=("posts", "history", "tags"), comment_license=False
)
AREA51 = SiteForm(
    "area51.example.com",
    "2010-06-01",
    "2012-05-04",
    newline="\n",
    lower_names=True,
    license=False,
    comment_license=False,
    area51=True,
    tables=("badges", "comments", "history", "posts", "users", "votes"),
)
DELETED = SiteForm(
    "deleted.example.com",
    "2011-01-10",
    "2017-12-11",
    newline="\n",
    deleted=True,
    license=False,
    comment_license=False,
)
PIPES = SiteForm(
    "pipes.example.com",
    "2009-08-01",
    "2025-09-30",
    bom=False,
    newline="\n",
    header="Sample in the form of the dumps since August 2024.\n  Made up by socorpus:\n  nobody wrote these posts.",
    pipes=True,
    fabricated=True,
)
PLAIN = SiteForm("plain.example.com", "2009-01-01", "2024-01-07", faults=False, plant_every=50)

FORMS = {
    "modern": MODERN,
    "spring2024": SPRING2024,
    "area51": AREA51,
    "deleted": DELETED,
    "pipes": PIPES,
    "plain": PLAIN,
}
"""The forms by name."""


def escape(text: str) -> str:
    """An attribute's value as the publisher writes it: quotes, brackets and newlines escaped, tabs as they are."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    text = text.replace("\n", "&#xA;").replace("\r", "&#xD;")
    if "\x00" in text or "\x1f" in text or "\x0b" in text:
        text = text.replace("\x00", "&#x00;").replace("\x1f", "&#x1F;").replace("\x0b", "&#x9;")
    return text


def licence(date: str) -> str:
    """The licence of what was written on a date (ISO 8601)."""
    if date < "2011-04-08":
        return "CC BY-SA 2.5"
    return "CC BY-SA 3.0" if date < "2018-05-02" else "CC BY-SA 4.0"


def milliseconds(date: str) -> int:
    """UTC milliseconds of an ISO date."""
    return int(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp()) * 1000


class Dates:
    """Milliseconds as the dump writes them; the days are cached, as they are few."""

    def __init__(self) -> None:
        self.days: dict[int, str] = {}

    def __call__(self, when: int) -> str:
        day, rest = divmod(when, DAY)
        text = self.days.get(day)
        if text is None:
            text = self.days[day] = datetime.fromtimestamp(day * 86400, UTC).strftime("%Y-%m-%dT")
        seconds, ms = divmod(rest, 1000)
        minutes, seconds = divmod(seconds, 60)
        hours, minutes = divmod(minutes, 60)
        return f"{text}{hours:02}:{minutes:02}:{seconds:02}.{ms:03}"


@dataclass
class _Table:
    stream: BinaryIO
    encoding: str
    rows: list[str] = field(default_factory=list)
    late: deque[str] = field(default_factory=deque)
    width: int = 1
    count: int = 0
    unreadable: int = 0
    size: int = 0


class Tables:
    """The files of a site. Rows are given as the text of their attributes, and leave in blocks.

    A late row (a comment of next week, an edit of next year) leaves a thousand rows after it was given. `given` is
    the approximate size in bytes of the rows so far.
    """

    def __init__(self, folder: Path, form: SiteForm, truth: Callable[[Record], None]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.form, self.truth, self.given, self.end = form, truth, 0, f" />{form.newline}"
        self.tables = {name: self._open(folder, name) for name in form.tables}

    def __enter__(self) -> "Tables":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with ExitStack() as streams:  # each is closed, be there no room for what others still hold
            for table in self.tables.values():
                streams.callback(table.stream.close)
            for name, table in self.tables.items() if kind is None else ():
                table.rows.extend(table.late)
                table.rows.append(f"</{self.form.root(name)}>")
                self._flush(table)

    def _open(self, folder: Path, name: str) -> _Table:
        form, encoding = self.form, self.form.encoding(name)
        table = _Table((folder / form.file(name)).open("wb"), encoding, width=2 if encoding == "utf-16-le" else 1)
        declared = "utf-16" if encoding == "utf-16-le" else "utf-8"
        table.rows.append(f'<?xml version="1.0" encoding="{declared}"?>{form.newline}')
        if form.bom or encoding == "utf-16-le":
            table.rows[0] = "\ufeff" + table.rows[0]
        if form.header:
            table.rows.append(f"<!--\n  {form.header}\n-->\n".replace("\n", form.newline))
        table.rows.append(f"<{form.root(name)}>{form.newline}")
        return table

    def row(self, name: str, attributes: str) -> None:
        """Write a row; a table that the form lacks is skipped."""
        table = self.tables.get(name)
        if table is not None:
            self._added(table, row := f"  <row {attributes}{self.end}")
            table.rows.append(row)

    def late(self, name: str, attributes: str) -> None:
        """Write a row a thousand late rows later."""
        table = self.tables.get(name)
        if table is not None:
            self._added(table, row := f"  <row {attributes}{self.end}")
            table.late.append(row)
            if len(table.late) > 1000:
                table.rows.append(table.late.popleft())

    def unreadable(self, name: str, row: str, reason: str) -> None:
        """Write a row as it stands, with a fault that leaves it unreadable, and list it."""
        table = self.tables.get(name)
        if table is not None:
            table.rows.append(f"  {row}{self.form.newline}")
            table.unreadable += 1
            self._added(table, row)
            record = {"plant": "unreadable", "table": name, "file": self.form.file(name), "reason": reason, "row": row}
            self.truth(record | {"encoding": table.encoding})

    def _added(self, table: _Table, row: str) -> None:
        table.count += 1
        self.given += len(row) * table.width
        if len(table.rows) >= 250:
            self._flush(table)

    def _flush(self, table: _Table) -> None:
        data = "".join(table.rows).encode(table.encoding)
        table.stream.write(data)
        table.size += len(data)
        table.rows.clear()

    def size(self) -> int:
        """Bytes on disk, once the tables are closed."""
        return sum(table.size for table in self.tables.values())

    def counts(self) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """Rows written a table, and those among them that can't be read."""
        tables = self.tables.items()
        return {n: t.count for n, t in tables}, {n: t.unreadable for n, t in tables if t.unreadable}
