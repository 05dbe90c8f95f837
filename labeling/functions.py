"""What a labelling function is, and the posts of a bucket as it sees them.

A function is small, named and versioned. It looks at the tables of one bucket of threads and votes, with its evidence,
or says nothing. Adding one costs one function in the task's module, with `@votes` above it:

    @votes(OBSOLESCENCE)
    def comment_says_so(threads: Threads) -> Iterator[Vote]:
        '''A comment that says, in the present tense and unquoted, that the answer is out of date.'''
        ...
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from socorpus.labeling.schema import Task


@dataclass(frozen=True)
class Vote:
    """One vote: on a post, or on a span of its example's text (code points)."""

    post_id: int
    label: str
    evidence: Mapping[str, Any]
    start: int | None = None
    end: int | None = None
    gives_away: tuple[int, ...] = ()
    """Comments that must not be in the example's text since this vote rests on them."""


@dataclass(frozen=True)
class Threads:
    """What functions look at: whole threads of one site, all tables of one bucket.

    `documents` (`corpus.schema.DOCUMENTS`), `posts`, `comments`, `links`, `votes` and, where the site has it, `history`
    (`corpus.schema.dump_schema`) are sorted by post; `facts` holds what must be known of the whole corpus (score
    quantiles by site and year, tags with their counts and wikis, gazetteers), as its task's module made it.
    """

    site: str
    documents: pa.Table
    posts: pa.Table
    comments: pa.Table
    links: pa.Table
    votes: pa.Table
    history: pa.Table | None
    tags: pa.Table
    """The site's tags (not of this bucket alone)."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    examples: pa.Table | None = None
    """The task's examples, personal data replaced; for tasks of spans alone, whose offsets are of these texts. Some
    hundreds of the bucket's at a time."""


@dataclass(frozen=True)
class Function:
    """A labelling function: `find(threads)` yields its votes."""

    name: str
    task: Task
    version: int
    find: Callable[..., Iterator[Vote]]
    says: str
    """What it does, in a sentence: the first line of its docstring."""


REGISTRY: dict[str, list[Function]] = {}
"""Task -> its functions, in the order in which they are written; filled when the tasks' modules are imported."""


def votes(task: Task, version: int = 1) -> Callable[[Callable[..., Iterator[Vote]]], Callable[..., Iterator[Vote]]]:
    """Make a function one of its task's labelling functions. Raise `version` when what it says changes."""

    def enter(find: Callable[..., Iterator[Vote]]) -> Callable[..., Iterator[Vote]]:
        says = (find.__doc__ or find.__name__).strip().splitlines()[0]
        name = getattr(find, "__name__", "function")
        entered = REGISTRY.setdefault(task.name, [])
        if any(one.name == name for one in entered):
            raise ValueError(f"{task.name} has two labelling functions of the name {name}")
        entered.append(Function(name, task, version, find, says))
        return find

    return enter


class TaskModule(Protocol):
    """What the module of a task has beside its functions; `socorpus.labeling.pipeline` calls it bucket by bucket."""

    TASK: Task

    @staticmethod
    def collect(threads: Threads) -> dict[str, Any]:
        """What of this bucket must be known everywhere, as JSON: counts, histograms."""
        ...

    @staticmethod
    def merge(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """The facts of the whole corpus from those of all buckets, as JSON: `Threads.facts` of the functions."""
        ...

    @staticmethod
    def examples(threads: Threads, votes: Sequence[Vote]) -> pa.Table:
        """`schema.EXAMPLES` of a bucket; `split` and `digest` are filled, and personal data replaced, by the pipeline.

        `votes` are those of all functions, for what must be left out; empty for tasks of spans, whose examples come
        first.
        """
        ...
