"""A finished corpus, opened for questions: its columns, and what answers queries."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from socorpus.corpus.storage import generations, integrity
from socorpus.labeling import schema
from socorpus.labeling.schema import Task
from socorpus.labeling.workbench.column_store import ColumnStore
from socorpus.labeling.workbench.searching import Searching

_READ = ("documents", "decisions", "signals", "labels", "tables", "shards")


@dataclass(frozen=True)
class Opened:
    """A corpus that is open.

    Attributes:
        root: its folder, or its address in an object store.
        name: what it is called on the pages.
        facts: its manifest.
        tasks: those that it has labels of, by name.
    """

    root: Path
    name: str
    facts: Mapping[str, Any]
    tasks: Mapping[str, Task]
    store: ColumnStore
    searching: Searching


def opened(root: Path) -> Opened:
    """Open a finished corpus; it stays as it is whatever builds do meanwhile.

    Raises:
        InputError: there is no finished corpus, or files are not those of its manifest.
    """
    tree, facts = integrity.opened(root, _READ)
    tasks = {name: schema.of_corpus(name, facts["labels"]) for name in facts.get("labels", {})}
    store = ColumnStore(tree, facts, tasks)
    generations.hold(store, tree)
    return Opened(root, root.absolute().name or str(root), facts, tasks, store, Searching(root, store, facts, tasks))
