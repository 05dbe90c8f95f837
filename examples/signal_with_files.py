"""A signal that reads files of yours, once a build: links to the sites of a list.

    socorpus build dump -o corpus --plugin examples/signal_with_files.py --config links.toml

links.toml names the lists, files with a host name a line:

    [listed_links]
    lists = ["spam.txt"]
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import Preparation, signal


@dataclass(frozen=True)
class ListedLinks:
    """The section [listed_links] of socorpus.toml."""

    lists: tuple[str, ...] = ()


def make(config: ListedLinks, path: Path) -> dict[str, int]:
    """The lists -> one file at `path`; the counts are kept in the receipt. It runs again when a list changes."""
    hosts = {line.strip() for name in config.lists for line in Path(name).read_text("utf-8").splitlines()} - {""}
    path.write_text("\n".join(sorted(hosts)), "utf-8")
    return {"hosts": len(hosts)}


def load(path: Path) -> frozenset[str]:
    """That file -> the second argument of the signal's function."""
    return frozenset(path.read_text("utf-8").splitlines())


def count(table: pa.Table) -> dict[str, int]:
    """The signal's table of a bucket -> numbers for the manifest and the report, where those of all buckets add up."""
    return {"links to listed sites": pc.sum(pc.list_value_length(table["hosts"])).as_py() or 0}


def explain(row: Mapping[str, Any], post: object) -> Iterator[str]:
    """The row of a post -> its lines in `socorpus explain`."""
    yield f"links to {', '.join(row['hosts'])}" if row["hosts"] else "no link to a listed site"


PREPARE = Preparation(files=lambda config: config.lists, make=make, load=load)


@signal(
    {"hosts": pa.list_(pa.string())}, ("links",), config=ListedLinks, prepare=PREPARE, counts=count, explain=explain
)
def listed_links(documents: pa.Table, listed: frozenset[str]) -> dict[str, list[list[str]]]:
    targets = [[urlsplit(link["target"]).hostname for link in links] for links in documents["links"].to_pylist()]
    return {"hosts": [[host for host in hosts if host in listed] for hosts in targets]}
