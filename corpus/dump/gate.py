"""The gate after reading: a dump of which too much can't be read is refused, with the reasons.

A row counts as unreadable where it can't be read, or lacks what every row of its table has (`schema.NEEDED`). Rows that
have bytes which are not UTF-8 are read, with U+FFFD in place of these; too many of them are refused as well.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from socorpus.corpus.dump.rows import row_forms
from socorpus.corpus.dump.xml_rows import NOT_UTF8
from socorpus.corpus.errors import InputError

FEW = 20
"""Unreadable rows of a table that are no reason to stop, whatever their share: in any dump single rows are damaged."""
_KINDS, _TABLES, _EXAMPLE = 3, 5, 160
_MOST = 50
_VARIABLE = (
    (re.compile(r"^(\w+)=.*(?= is not of type )", re.DOTALL), r"\1"),
    (re.compile(r"&[^;]*;"), "&…;"),
    (re.compile(r"\b\d+\b"), "N"),
)


@dataclass
class Reason:
    """Why rows of a table can't be read: how many, and where the first of them begins."""

    kind: str
    """The reason without what differs from row to row."""
    rows: int
    file: str
    offset: int
    """Bytes from the start of the decoded stream, or rows: `row_forms.unit`."""
    example: str
    """The whole reason of the first row."""


@dataclass
class Tally:
    """Rows of one table of a site: read, unreadable, and why."""

    read: int = 0
    unreadable: int = 0
    absent: Counter[str] = field(default_factory=Counter)
    """Readable posts without a body (deleted ones) and without a score (0 was left out), by column."""
    reasons: dict[str, Reason] = field(default_factory=dict)
    repairs: dict[str, Reason] = field(default_factory=dict)
    """Of rows that were read with U+FFFD in place of some characters."""

    @property
    def damaged(self) -> int:
        """Rows that were read although they have bytes that are not UTF-8."""
        return self.repairs[NOT_UTF8].rows if NOT_UTF8 in self.repairs else 0

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Count rows of `schema.QUARANTINE`; the rarer of very many reasons are counted as one."""
        for row in rows:
            kind = kind_of(row["reason"])
            _count(self.reasons, Reason(kind, 1, row["file"], row["offset"], row["reason"][:_EXAMPLE]))

    def add_repairs(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Count rows of `ParsedRows.repairs`."""
        for row in rows:
            _count(self.repairs, Reason(row["reason"], 1, row["file"], row["offset"], row["reason"]))

    def add_all(self, other: "Tally") -> None:
        """Add another part of the table."""
        self.read += other.read
        self.unreadable += other.unreadable
        self.absent.update(other.absent)
        for own, more in ((self.reasons, other.reasons), (self.repairs, other.repairs)):
            for reason in more.values():
                _count(own, reason)

    def merge(self, counts: Mapping[str, Any]) -> None:
        """Add the counts of another part of the table, which comes after those that were added before."""
        self.read += counts["read"]
        self.unreadable += counts["quarantined"]
        self.absent.update(counts["absent"])
        for values in counts["reasons"]:
            _count(self.reasons, Reason(*values))
        for values in counts["repairs"]:
            _count(self.repairs, Reason(*values))


def _count(reasons: dict[str, Reason], reason: Reason) -> None:
    kind = reason.kind if reason.kind in reasons or len(reasons) < _MOST else "other reasons"
    if known := reasons.get(kind):
        known.rows += reason.rows
    else:
        reasons[kind] = Reason(kind, reason.rows, reason.file, reason.offset, reason.example)


def kind_of(reason: str) -> str:
    """A reason of quarantine without what differs from row to row, so that equal ones can be counted."""
    for pattern, put in _VARIABLE:
        reason = pattern.sub(put, reason, count=1)
    return reason


def tallies(counts: Iterable[Mapping[str, Mapping[str, Any]]]) -> dict[str, Tally]:
    """Rows by `SITE/TABLE`, from the counts of the parts in the order of the file."""
    tables: dict[str, Tally] = {}
    for part in counts:
        for place, values in part.items():
            tables.setdefault(place, Tally()).merge(values)
    return tables


def too_many(tally: Tally, accepted: float) -> bool:
    """Whether more than the accepted share of a table is unreadable; a few rows never are, unless 0 is accepted."""
    return _too_many(tally.unreadable, tally, accepted)


def too_many_damaged(tally: Tally, accepted: float) -> bool:
    """Whether more than the accepted share of a table has bytes that are not UTF-8; a few rows never are too many."""
    return _too_many(tally.damaged, tally, accepted)


def _too_many(rows: int, tally: Tally, accepted: float) -> bool:
    few = FEW if accepted > 0 else 0
    return rows > few and rows > accepted * (tally.read + tally.unreadable)


def check(tables: Mapping[str, Tally], accepted: float) -> None:
    """Hold what was read against what a corpus needs.

    Args:
        tables: by `SITE/TABLE`.
        accepted: share of the rows of a table that may be unreadable; with 1 there may be no posts at all.

    Raises:
        InputError: there are no posts, too many rows of a table are unreadable, or too many have bytes that are not
            UTF-8; names the commonest reasons.
    """
    posts = {place: tally for place, tally in tables.items() if place.endswith("/posts")}
    refused = {place: tally for place, tally in tables.items() if too_many(tally, accepted)}
    nothing = accepted < 1 and not any(tally.read for tally in posts.values())
    if not refused and not nothing:
        _check_text(tables, accepted)
        return
    text = []
    if nothing:
        lost = sum(tally.unreadable for tally in posts.values())
        text.append(f"no post of the sources could be read, and {lost:,} could not: there is nothing to build")
        refused |= {place: tally for place, tally in posts.items() if tally.unreadable}
    else:
        text.append("too many rows of the sources can't be read, or lack what every row has")
    worst = sorted(refused.items(), key=lambda entry: -entry[1].unreadable)
    for place, tally in worst[:_TABLES]:
        text += lines(place, tally)
    if len(worst) > _TABLES:
        text.append(f"  and {len(worst) - _TABLES} more tables")
    if refused:
        text.append(
            "Fetch or mend these files. To build from the rows that can be read, give the share that may be unreadable "
            "with --accept-unreadable, or as accept_unreadable in the section [read] of the configuration"
        )
    raise InputError("\n".join(text))


def _check_text(tables: Mapping[str, Tally], accepted: float) -> None:
    refused = {place: tally for place, tally in tables.items() if too_many_damaged(tally, accepted)}
    if not refused:
        return
    text = ["too many rows of the sources have bytes that are not UTF-8, in whose place U+FFFD would stand"]
    worst = sorted(refused.items(), key=lambda entry: -entry[1].damaged)
    text += [line for place, tally in worst[:_TABLES] for line in repaired_lines(place, tally) if NOT_UTF8 in line]
    if len(worst) > _TABLES:
        text.append(f"  and {len(worst) - _TABLES} more tables")
    text.append(
        "Files that another program wrote may be in another encoding: convert them, such as with iconv -f WINDOWS-1252 "
        "-t UTF-8. Damaged ones have to be fetched again. To build from them as they are, give the share of such rows "
        "with --accept-unreadable, or as accept_unreadable in the section [read] of the configuration"
    )
    raise InputError("\n".join(text))


def repaired_lines(place: str, tally: Tally) -> list[str]:
    """A table's rows that were read with U+FFFD in place of some characters, by reason, for a message."""
    site, _, table = place.rpartition("/")
    rows = tally.read + tally.unreadable
    return [
        f"  {site}, table {table}: {reason.rows:,} of {rows:,} {'rows' if rows > 1 else 'row'} had {reason.kind}, now "
        f"U+FFFD: first in {reason.file} at {_place(reason)}"
        for reason in tally.repairs.values()
    ]


def _place(reason: Reason) -> str:
    return f"{row_forms.unit(reason.file)} {reason.offset}"


def lines(place: str, tally: Tally) -> list[str]:
    """A table's unreadable rows with their commonest reasons, for a message."""
    site, _, table = place.rpartition("/")
    rows = tally.read + tally.unreadable
    noun = "rows" if rows > 1 else "row"
    text = [f"  {site}, table {table}: {tally.unreadable:,} of {rows:,} {noun} ({tally.unreadable / rows:.1%})"]
    commonest = sorted(tally.reasons.values(), key=lambda reason: -reason.rows)
    text += [
        f"    {reason.rows:,}: first in {reason.file} at {_place(reason)}: {reason.example}"
        for reason in commonest[:_KINDS]
    ]
    if rest := sum(reason.rows for reason in commonest[_KINDS:]):
        text.append(f"    {rest:,}: other reasons")
    # Reasons quote the row, which may have anything in it.
    return ["".join(sign if sign.isprintable() else "\ufffd" for sign in line) for line in text]
