"""What a corpus must hold no longer: numbers of posts, threads, authors and comments, by site. It holds no text.

`CORPUS/forgotten/removed.parquet` lies outside the generations, so that every later build reads it, whatever it is a
build of. Posts of an author and of a thread stand there too, as posts, with what they were removed for.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.arrays import Int64
from socorpus.corpus.storage import files, parquet

FOLDER = "forgotten"
_NAME, _LIFTED = "removed.parquet", "lifted.json"
POST, THREAD, AUTHOR, COMMENT, MENTION = "post", "thread", "author", "comment", "mention"
KINDS = (POST, THREAD, AUTHOR, COMMENT, MENTION)

REMOVED = pa.schema(
    [
        pa.field("site", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),  # one of KINDS
        pa.field("id", pa.int64(), nullable=False),
        pa.field("because", pa.string(), nullable=False),  # listed, gone, or author:ID and thread:ID
        pa.field("record", pa.string(), nullable=False),  # the file in `forgotten/` of the request
    ],
    metadata={"socorpus.table": "removed", "socorpus.version": "1"},
)


def mention(site: str, author: int, name: str) -> int:
    """The number that stands for a name by which others call an author: a hash, since a corpus keeps no names here."""
    digest = hashlib.blake2b(f"{site} {author} {name.lower()}".encode(), digest_size=8, person=b"mention").digest()
    return int.from_bytes(digest, "big") >> 1


class Name(NamedTuple):
    """One post, thread, author or comment, or the name of an author (`mention`)."""

    site: str
    kind: str
    id: int

    @property
    def key(self) -> str:
        """`SITE:ID` of a post, else `SITE:KIND:ID`."""
        return f"{self.site}:{self.id}" if self.kind == POST else f"{self.site}:{self.kind}:{self.id}"


@dataclass(frozen=True)
class Ids:
    """What is removed of one site: numbers, ascending, each once."""

    posts: Int64
    threads: Int64
    authors: Int64
    comments: Int64
    mentions: Int64

    @classmethod
    def of(cls, names: Iterable[Name]) -> "Ids":
        """The numbers of some names, all of one site."""
        by: dict[str, list[int]] = {kind: [] for kind in KINDS}
        for name in names:
            by[name.kind].append(name.id)
        return cls(*(np.unique(np.array(by[kind], np.int64)) for kind in KINDS))

    @property
    def content(self) -> str:
        """A hash of them."""
        return files.fingerprint([getattr(self, name).tolist() for name in self.__dataclass_fields__])


Removals = Mapping[str, Ids]
"""By site; of sites of which anything is removed."""


def rows(root: Path) -> pa.Table:
    """The table of a corpus, as `REMOVED`; without rows where nothing was ever removed.

    Raises:
        InputError, OSError: it can't be read.
    """
    path = root / FOLDER / _NAME
    return parquet.read(path, REMOVED) if files.exists(path) else REMOVED.empty_table()


def load(root: Path) -> dict[str, Ids]:
    """What the corpus at `root` must hold no longer."""
    return by_site(names_in(rows(root)))


def names_in(table: pa.Table) -> list[Name]:
    """The names of a table of `REMOVED`."""
    columns = (table[name].to_pylist() for name in ("site", "kind", "id"))
    return [Name(*values) for values in zip(*columns, strict=True)]


def by_site(names: Iterable[Name]) -> dict[str, Ids]:
    """Names as numbers by site."""
    of: dict[str, list[Name]] = {}
    for name in names:
        of.setdefault(name.site, []).append(name)
    return {site: Ids.of(some) for site, some in sorted(of.items())}


def add(root: Path, because: Mapping[Name, str], record: str) -> None:
    """Add names, with what each is removed for, to the table of a corpus; those that it has stay as they are."""
    old = rows(root)
    known = set(names_in(old))
    new = [
        {"site": name.site, "kind": name.kind, "id": name.id, "because": why, "record": record}
        for name, why in because.items()
        if name not in known
    ]
    if new:
        _write(root, pa.concat_tables([old, pa.Table.from_pylist(new, schema=REMOVED)]))


def lift(root: Path, names: Iterable[Name]) -> list[Name]:
    """Let builds take in again what is named, with what was removed for it; returns all of that.

    What the corpus lost comes back with the next build of a dump that has it.
    """
    table, wanted = rows(root), set(names)
    reasons = {f"{name.kind}:{name.id}": name.site for name in wanted}
    goes = [
        name in wanted or reasons.get(why) == name.site
        for name, why in zip(names_in(table), table["because"].to_pylist(), strict=True)
    ]
    mask = pa.array(goes, pa.bool_())
    lifted = names_in(table.filter(mask))
    if lifted:
        # First, so that a stop between the two only costs a build the time to read these sites once more.
        files.write_json(root / FOLDER / _LIFTED, sorted({*lifted_sites(root), *(name.site for name in lifted)}))
        _write(root, table.filter(pc.invert(mask)))
    return lifted


def lifted_sites(root: Path) -> list[str]:
    """Sites of which a removal was lifted since the last build: their dumps are to be read again."""
    path = root / FOLDER / _LIFTED
    return [str(site) for site in files.read_json(path)] if files.exists(path) else []


def taken_in(root: Path) -> None:
    """Note that a build has read the dumps of all sites of which a removal was lifted."""
    files.remove(root / FOLDER / _LIFTED)


def _write(root: Path, table: pa.Table) -> None:
    order = [(name, "ascending") for name in ("site", "kind", "id")]
    parquet.write(root / FOLDER / _NAME, table.take(pc.sort_indices(table, sort_keys=order)).combine_chunks(), REMOVED)
