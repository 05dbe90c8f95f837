"""Labelling functions, and the posts of a bucket as they see them.

A function is small, named and versioned. It looks at the tables of one bucket of threads and votes, with its evidence,
or abstains. Adding one takes one function, in the task's module or in a plug-in, with `@votes` above it:

    @votes("obsolescence")
    def comment_says_so(threads: Threads) -> Iterator[Vote]:
        '''A comment that says, in the present tense and unquoted, that the answer is out of date.'''
        ...
"""

import hashlib
import inspect
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import CodeType
from typing import Any, TypeVar

import pyarrow as pa

from socorpus.corpus import plugins
from socorpus.corpus.plugins import Registry
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


Made = TypeVar("Made")


@dataclass(frozen=True)
class Threads:
    """The input of functions: whole threads of one site, all tables of one bucket.

    `documents` (`corpus.schema.DOCUMENTS`), `posts`, `comments`, `links`, `votes` and, where the site has it, `history`
    (`corpus.schema.dump_schema`) are sorted by post; `facts` holds facts of the whole corpus (score quantiles by
    site and year, tags with their counts and wikis, gazetteers), as its task's `merge` returned them.
    """

    site: str
    documents: pa.Table
    posts: pa.Table
    comments: pa.Table
    links: pa.Table
    votes: pa.Table
    history: pa.Table | None
    tags: pa.Table
    """The site's tags (not only of this bucket)."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    span_examples: pa.Table | None = None
    """Of a task of spans the examples, some hundreds at a time."""
    post_facts: pa.Table | None = None
    """`schema.FACTS` of the documents, row for row, which `labeling.facts.post_facts` reads; None: not settled yet."""
    kept: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)
    """What `once` keeps, for all tasks."""
    make_examples: Callable[["Threads"], pa.Table] | None = field(default=None, compare=False, repr=False)
    """Of a task of whole texts: makes their examples, the first time that a function asks for them."""

    @property
    def examples(self) -> pa.Table:
        """The task's examples, `schema.EXAMPLES`: the texts that are judged, personal data replaced.

        Of whole texts all of the bucket's, as they are without votes: those on which a vote rests may go without a
        comment, or be of an earlier time. Of spans, whose offsets refer to these texts, some hundreds at a time.

        Raises:
            LookupError: they are not made yet, where facts are collected and where examples are made.
        """
        if self.span_examples is not None:
            return self.span_examples
        if self.make_examples is None:
            raise LookupError(
                "threads.examples is there for labelling functions only: collect= and examples= come before there are "
                "any; they find the posts in threads.documents"
            )
        return self.once(self.make_examples)

    def once(self, make: Callable[["Threads"], Made], *also: object) -> Made:
        """What a function makes of the site and its tables, once for all functions of all tasks: nobody may change it.

        Args:
            also: what else it depends on, such as `facts`: made anew for another object.
        """
        of = (self.documents, self.posts, self.comments, self.links, self.votes, self.history, self.post_facts, *also)
        key = make, self.site
        before = self.kept.get(key)
        if before is None or any(earlier is not now for earlier, now in zip(before[0], of, strict=True)):
            before = self.kept[key] = of, make(self)
        product: Made = before[1]
        return product


@dataclass(frozen=True)
class Function:
    """A labelling function: `find(threads)` yields its votes.

    Attributes:
        name: without its task.
        task: name of its task.
        find: from `Threads` to votes.
        says: a sentence on what it does: the first line of its docstring.
        version: raise it when its votes change. None in a plug-in: from the plug-in's hash or version.
        facts: whether its votes state facts of the dump, such as an event of the history, rather than judge: the label
            model believes them whatever other functions say, and however rare the label is.
        right: share of its votes that is right, by blind judgement on other sites: what is assumed where nothing can be
            learned; None if nobody judged it.
    """

    name: str
    task: str
    find: Callable[..., Iterable[Vote]]
    says: str
    version: int | None = None
    facts: bool = False
    right: float | None = None

    @property
    def key(self) -> str:
        """Its name in the registry: TASK.FUNCTION."""
        return f"{self.task}.{self.name}"


FUNCTIONS: Registry[Function] = Registry("labelling function", ("socorpus.labeling.tasks.registry",))
"""All labelling functions by TASK.FUNCTION: ours in the order in which they are written, then those of plug-ins."""

_MOST_VERSION = 2**31 - 1

Find = TypeVar("Find", bound=Callable[..., Iterable[Vote]])


def votes(
    task: Task | str, version: int | None = None, *, facts: bool = False, right: float | None = None
) -> Callable[[Find], Find]:
    """Make a function one of a task's labelling functions.

    Args:
        task: the task, or its name.
        version: raise it when the function's votes change; by default 1, and in a plug-in from the plug-in's hash or
            version.
        facts: its votes state facts of the dump (`Function.facts`).
        right: share of its votes that is right, if people judged some (`Function.right`).

    Raises:
        InputError: the task has a function of this name, the version is no number, the share not between 0 and 1, or no
            task is named.
    """
    if not isinstance(task, Task | str):
        name = getattr(task, "__name__", "")
        of = f"labelling function {name}" if callable(task) and name else "a labelling function"
        raise plugins.rejected(f'{of}: @votes needs its task in parentheses, as in @votes("quality")')

    def enter(find: Find) -> Find:
        name = getattr(find, "__name__", "function")
        if not plugins.enters(find.__module__, f"labelling function {name}"):
            return find
        says = (find.__doc__ or name).strip().splitlines()[0]
        function = Function(name, task if isinstance(task, str) else task.name, find, says, version, facts, right)
        if version is not None and not (type(version) is int and 1 <= version <= _MOST_VERSION):
            raise plugins.rejected(f"labelling function {function.key}: its version must be a number from 1 on")
        if right is not None and not 0 < right < 1:
            raise plugins.rejected(
                f"labelling function {function.key}: the share that is right must be above 0 and below 1; a function "
                "that is always right is one that states facts (facts=True)"
            )
        FUNCTIONS.add(function.key, function)
        return find

    return enter


def of_task(task: str, without: Collection[str] = ()) -> list[Function]:
    """The labelling functions of a task with their effective versions, except those left out by name.

    Ours come first, in an order that does not depend on which of their modules was imported first: the order of the
    votes is theirs. Those of plug-ins follow as they were loaded.
    """
    chosen = [
        (key, function) for key, function in FUNCTIONS.items() if function.task == task and function.name not in without
    ]
    ours = [pair for pair in chosen if FUNCTIONS.origin(pair[0]) is None]
    ours.sort(key=lambda pair: place_in_source(pair[1].find))
    theirs = [pair for pair in chosen if FUNCTIONS.origin(pair[0]) is not None]
    return [replace(function, version=_number(FUNCTIONS.version(key))) for key, function in (*ours, *theirs)]


def place_in_source(find: Callable[..., object]) -> tuple[str, int]:
    """Module and line at which a function is written."""
    code: CodeType = inspect.unwrap(find).__code__
    return find.__module__, code.co_firstlineno


def _number(version: int | str) -> int:
    """A version for the votes' column: of a plug-in's identity the first 28 bits of its hash."""
    if isinstance(version, int):
        return version
    digest = version if _SHA256.fullmatch(version) else hashlib.sha256(version.encode()).hexdigest()
    return int(digest[:7], 16)


_SHA256 = re.compile(r"[0-9a-f]{64}")
