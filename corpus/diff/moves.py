"""Posts that a change moved: from kept to dropped by which rule and back, with another text, gone and new."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from socorpus.corpus import schema
from socorpus.corpus.errors import InputError
from socorpus.corpus.privacy import display
from socorpus.corpus.report import csv_cells
from socorpus.corpus.storage import files, json_lines, parquet, row_lookup

if TYPE_CHECKING:
    import duckdb

KINDS = {
    "dropped": "kept before, dropped now",
    "kept": "dropped before, kept now",
    "text": "kept in both, with another text",
    "reason": "dropped in both, by another rule",
    "gone": "only in the old corpus",
    "new": "only in the new corpus",
}
"""Kinds of moves, in the order in which they are shown, with their meanings."""
SUFFIXES = (".parquet", ".csv", ".jsonl")
"""Of the files that a list of moves may be written to."""
_SHOWN = 200
"""Code points of a text that an example shows."""
_BATCH = 50_000
LIST = pa.schema(
    [
        *schema.KEY,
        pa.field("kind", pa.string(), nullable=False),
        pa.field("move", pa.string(), nullable=False),
        pa.field("old_reason", pa.string()),
        pa.field("new_reason", pa.string()),
        pa.field("old_evidence", pa.string()),
        pa.field("new_evidence", pa.string()),
        pa.field("edited", pa.bool_()),
    ]
)
"""The list of all moves, by site, post and kind. Reasons are null where a post is kept, or not in that corpus; `edited`
is whether the text as it was published is another one, null of posts that are in one corpus only."""


@dataclass(frozen=True)
class Move:
    """A post that moved.

    Attributes:
        site, post_id, kind: its key.
        move: of `KINDS`.
        old_reason, new_reason: the rules that dropped it; None where it is kept, or not there.
        evidence: what the rule saw, of the new corpus where it is dropped there, else of the old one.
        edited: whether its text as it was published, its title, its segments or its links are others; None of a post
            that is in one corpus only.
        title, text: its title and the beginning of its text, with placeholders for personal data; of the new corpus,
            where it is there.
    """

    site: str
    post_id: int
    kind: str
    move: str
    old_reason: str | None
    new_reason: str | None
    evidence: Mapping[str, Any]
    edited: bool | None
    title: str | None = None
    text: str = ""

    @property
    def key(self) -> str:
        """`SITE:POST_ID`."""
        return schema.key(self.site, self.post_id)


_JOIN = """
CREATE TABLE moves AS
WITH texts AS (
    SELECT site, post_id FROM old_texts o JOIN new_texts n USING (site, post_id) WHERE o.text <> n.text
), joined AS (
    SELECT site, post_id, answer, o.digest IS NOT NULL AS before, n.digest IS NOT NULL AS after,
        o.reason AS old_reason, n.reason AS new_reason, o.evidence AS old_evidence, n.evidence AS new_evidence,
        o.digest <> n.digest AS edited
    FROM old_posts o FULL JOIN new_posts n USING (site, post_id, answer)
), told AS (
    SELECT joined.*, CASE
        WHEN NOT after THEN 'gone'
        WHEN NOT before THEN 'new'
        WHEN old_reason IS NULL AND new_reason IS NOT NULL THEN 'dropped'
        WHEN old_reason IS NOT NULL AND new_reason IS NULL THEN 'kept'
        WHEN old_reason <> new_reason THEN 'reason'
        WHEN old_reason IS NULL AND texts.site IS NOT NULL THEN 'text'
        END AS move
    FROM joined LEFT JOIN texts USING (site, post_id)
)
SELECT * FROM told WHERE move IS NOT NULL
"""
_COUNTS = """
SELECT site, move, old_reason, new_reason, edited, count(*) FROM moves GROUP BY ALL
"""
_EXAMPLES = """
SELECT site, post_id, answer, move, old_reason, new_reason, coalesce(new_evidence, old_evidence), edited FROM moves
QUALIFY row_number() OVER (PARTITION BY move, old_reason, new_reason ORDER BY site, post_id, answer) <= ?
ORDER BY move, old_reason NULLS FIRST, new_reason NULLS FIRST, site, post_id, answer
"""
_LIST = """
SELECT site, post_id, CASE WHEN answer THEN 'answer' ELSE 'question' END AS kind, move, old_reason, new_reason,
    old_evidence, new_evidence, edited
FROM moves ORDER BY site, post_id, answer
"""


@dataclass(frozen=True)
class Count:
    """Posts of one site that made the same move between the same rules."""

    site: str
    move: str
    old_reason: str | None
    new_reason: str | None
    edited: bool | None
    posts: int


def join(database: "duckdb.DuckDBPyConnection") -> None:
    """Make the table `moves` of the tables that `post_rows.load` made of both corpora."""
    database.execute(_JOIN)


def counts(database: "duckdb.DuckDBPyConnection", sites: Sequence[str]) -> tuple[Count, ...]:
    """The moves, counted; in the order of sites, of `KINDS` and of rules."""
    order = list(KINDS)
    rows = (Count(sites[site], *rest) for site, *rest in database.execute(_COUNTS).fetchall())
    return tuple(
        sorted(
            rows,
            key=lambda row: (
                row.site,
                order.index(row.move),
                row.old_reason or "",
                row.new_reason or "",
                str(row.edited),
            ),
        )
    )


def examples(
    database: "duckdb.DuckDBPyConnection", sites: Sequence[str], trees: Sequence[Path], most: int
) -> tuple[Move, ...]:
    """The first moves of each kind and pair of rules, by site and post, with what may be shown of their texts.

    Args:
        trees: of the old and of the new corpus.
        most: moves of each kind and pair of rules.
    """
    order = list(KINDS)
    rows = database.execute(_EXAMPLES, [most]).fetchall()
    drawn = [
        Move(
            sites[site],
            post,
            "answer" if answer else "question",
            move,
            old_reason,
            new_reason,
            json.loads(evidence or "{}"),
            edited,
        )
        for site, post, answer, move, old_reason, new_reason, evidence, edited in rows
    ]
    drawn.sort(key=lambda move: order.index(move.move))
    shown: dict[str, display.Shown] = {}
    for tree, own in zip(
        trees, ([m for m in drawn if m.move == "gone"], [m for m in drawn if m.move != "gone"]), strict=True
    ):
        shown |= _shown(tree, [move.key for move in own])
    return tuple(_with_text(move, shown.get(move.key)) for move in drawn)


def _shown(tree: Path, keys: Sequence[str]) -> dict[str, display.Shown]:
    places = list(row_lookup.find(tree, keys).values())
    rows = row_lookup.take(tree, places, "documents", ["title", "text", "own_end", "segments"])
    spans = row_lookup.take(tree, places, "signals/privacy", ["spans"])
    texts = display.documents([rows[place.key] for place in places], [spans[place.key]["spans"] for place in places])
    return {place.key: text for place, text in zip(places, texts, strict=True)}


def _with_text(move: Move, shown: display.Shown | None) -> Move:
    if shown is None:
        return move
    text = shown.text[: shown.own_end]
    values = {name: getattr(move, name) for name in move.__dataclass_fields__}
    cut = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return Move(**{**values, "title": shown.title, "text": cut})


def check_list(path: Path) -> None:
    """Refuse a file for the list of moves whose suffix says no form that it could have.

    Raises:
        InputError: names the suffixes that there are.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: a list of moves has one of the suffixes {', '.join(SUFFIXES)}; name it so")


def write_list(database: "duckdb.DuckDBPyConnection", sites: Sequence[str], path: Path) -> int:
    """Write all moves to a file, as `LIST`, in the form that its suffix names; their number."""
    tables = _listed(database, sites)
    form = path.suffix.lower()
    if form == ".parquet":
        return parquet.write(path, tables, LIST, _BATCH).rows
    rows = 0
    with files.atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        if form == ".csv":
            import csv

            writer = csv.writer(file)
            writer.writerow(LIST.names)
            for table in tables:
                writer.writerows([csv_cells.cell(value) for value in row.values()] for row in table.to_pylist())
                rows += table.num_rows
        else:
            for table in tables:
                file.writelines(map(json_lines.line, table.to_pylist()))
                rows += table.num_rows
    return rows


def _listed(database: "duckdb.DuckDBPyConnection", sites: Sequence[str]) -> Iterator[pa.Table]:
    names = pa.array(sites, pa.string())
    reader = database.sql(_LIST).to_arrow_reader(_BATCH)
    for batch in reader:
        columns = [names.take(batch.column(0)), *batch.columns[1:]]
        yield pa.table([column.cast(of.type) for column, of in zip(columns, LIST, strict=True)], schema=LIST)


def totals(counted: Sequence[Count]) -> Counter[str]:
    """Posts by kind of move."""
    sums: Counter[str] = Counter()
    for row in counted:
        sums[row.move] += row.posts
    return sums
