"""Calls of a task's parts: an error in a plug-in's code names its file, its line, and the post at fault.

A labelling function of ours that raises on a post does not vote on it, and the build goes on: nobody who builds could
correct it. A plug-in's ends the build: its author is there.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import plugins
from socorpus.corpus import schema as corpus_schema
from socorpus.corpus.errors import BuildError, SocorpusError
from socorpus.labeling.functions import FUNCTIONS, Function, Threads, Vote
from socorpus.labeling.schema import EXAMPLES, TASKS, Task
from socorpus.labeling.tasks import defaults


@dataclass(frozen=True)
class Failure:
    """A post on which a function of ours raised an exception, and so does not vote."""

    post_id: int
    function: str
    """Without its task."""
    error: str
    """The exception's type and text."""


_MOST_ERROR = 300
"""Characters of an exception's text."""


def votes(function: Function, threads: Threads, failures: list[Failure] | None = None) -> list[Vote]:
    """The votes of a labelling function on a bucket.

    Args:
        failures: gets the posts on which a function of ours fails; None: what it raises is raised.

    Raises:
        BuildError: a plug-in's function raised an exception, or yields something else.
    """

    origin, name = FUNCTIONS.origin(function.key), f"labelling function {function.key}"
    if origin is None:
        return list(function.find(threads)) if failures is None else _surviving(function, threads, failures)

    def find(some: Threads) -> list[Vote]:
        answer: Any = function.find(some)
        if not isinstance(answer, Iterable):
            raise BuildError(f"{plugins.where(origin)}: {name} returns {type(answer).__name__}; it must yield votes")
        return list(answer)

    yielded = plugins.call(find, threads, plugin=origin, name=name, culprit=lambda: culprit(find, threads))
    if fault := next(filter(None, map(_fault, yielded)), None):
        raise BuildError(f"{plugins.where(origin)}: {name} {fault}")
    return yielded


def _fault(vote: Any) -> str | None:
    """The fault of what a plug-in's function yields, with a verb; None if it has none."""
    if not isinstance(vote, Vote):
        return f"yields {type(vote).__name__}, not Vote"
    if not _is_number(vote.post_id):
        return f"votes on post {vote.post_id!r}, which is no number; to_pylist() of a table gives rows with numbers"
    if not all(place is None or _is_number(place) for place in (vote.start, vote.end)):
        return f"votes on post {vote.post_id} with the span {vote.start!r}:{vote.end!r}, which are no whole numbers"
    try:
        json.dumps(vote.evidence, ensure_ascii=False, default=str).encode()
    except (ValueError, TypeError, RecursionError) as error:
        return f"votes on post {vote.post_id} with evidence that is no JSON of valid text: {error}"
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _surviving(function: Function, threads: Threads, failures: list[Failure]) -> list[Vote]:
    """Votes on all but the posts on which the function fails: the bucket is halved down to their threads."""
    try:
        return list(function.find(threads))
    except (SocorpusError, OSError, MemoryError):  # of the environment, and not of a post
        raise
    except Exception as error:
        ids = _thread_ids(threads)
        if len(ids) <= 1:
            return _without_culprits(function, threads, error, failures)
        halves = (ids[: len(ids) // 2], ids[len(ids) // 2 :])
        return [vote for half in halves for vote in _surviving(function, _of_threads(threads, half), failures)]


def _without_culprits(function: Function, thread: Threads, error: Exception, failures: list[Failure]) -> list[Vote]:
    """Votes on a thread without the posts that fail by themselves; if that isn't all that is wrong, none."""
    posts = (thread.documents if thread.span_examples is None else thread.span_examples)["post_id"].to_pylist()
    errors = {post: caught for post in posts if (caught := _error(function, _of_posts(thread, [post]))) is not None}
    rest = [post for post in posts if post not in errors]
    if errors and rest:
        left = _of_posts(thread, rest)
        if _error(function, left) is None:
            failures.extend(Failure(post, function.name, _described(caught)) for post, caught in errors.items())
            return list(function.find(left))
    failures.extend(Failure(post, function.name, _described(errors.get(post, error))) for post in posts)
    return []


def _error(function: Function, threads: Threads) -> Exception | None:
    try:
        list(function.find(threads))
    except Exception as error:
        return error
    return None


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:_MOST_ERROR]


def _thread_ids(threads: Threads) -> list[int]:
    rows = threads.documents if threads.span_examples is None else threads.span_examples
    ids: list[int] = pc.unique(rows["thread_id"]).to_pylist()
    return ids


def collected(task: Task, threads: Threads) -> Mapping[str, Any]:
    """A bucket's part of the facts of the whole corpus.

    Raises:
        BuildError: a plug-in's function raised an exception, or returns no JSON.
    """
    find = task.collect
    assert find is not None
    if TASKS.origin(task.name) is None:
        return find(threads)

    def collect(some: Threads) -> Mapping[str, Any]:
        return _json(find(some))

    return _part(task, "collect", collect, threads, lambda: culprit(collect, threads))


def merged(task: Task, parts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The facts of the whole corpus; none if the task has none. Errors as of `collected`."""
    merge = task.merge
    return {} if merge is None else _part(task, "merge", lambda some: _json(merge(some)), parts)


def of_facts(task: Task, part: str, function: Callable[[Any], Any], given: Any) -> Any:
    """The result of a part of a task that is called once for the whole corpus, such as `settings`, as JSON.

    Raises:
        BuildError: a plug-in's function raised an exception, or returns no JSON.
    """
    return _part(task, part, lambda some: _json(function(some)), given)


def examples(task: Task, threads: Threads, task_votes: Sequence[Vote]) -> pa.Table:
    """The examples of a bucket as `schema.EXAMPLES`.

    Raises:
        BuildError: a plug-in's function raised an exception, or returns another table.
    """

    def make(some: Threads) -> pa.Table:
        if task.examples is None:
            return defaults.published(some, task_votes, task.kinds)
        return task.examples(some, task_votes).cast(EXAMPLES)

    return _part(task, "examples", make, threads, lambda: culprit(make, threads))


def _json(value: Any) -> Any:
    json.dumps(value)
    return value


def _part(
    task: Task, part: str, function: Callable[[Any], Any], given: Any, key: Callable[[], str | None] = lambda: None
) -> Any:
    return plugins.call(
        function, given, plugin=TASKS.origin(task.name), name=f"{part} of task {task.name}", culprit=key
    )


def culprit(run: Callable[[Threads], object], threads: Threads) -> str | None:
    """Key of the post on which a function fails, else of its thread's question; None where no thread fails by itself.

    The bucket is halved until one thread is left.
    """

    def fails(some: Threads) -> bool:
        try:
            run(some)
        except KeyboardInterrupt:
            raise
        except BaseException:  # sys.exit too, as in `plugins.call`
            return True
        return False

    rows = threads.documents if threads.span_examples is None else threads.span_examples
    left = _thread_ids(threads)
    while len(left) > 1:
        halves = (left[: len(left) // 2], left[len(left) // 2 :])
        left = next((half for half in halves if fails(_of_threads(threads, half))), [])
    if not left or not fails(_of_threads(threads, left)):
        return None
    posts = rows.filter(pc.equal(rows["thread_id"], left[0]))["post_id"].to_pylist()
    return corpus_schema.key(threads.site, next((post for post in posts if fails(_of_posts(threads, [post]))), left[0]))


def _of_threads(threads: Threads, ids: Sequence[int]) -> Threads:
    wanted = pc.is_in(threads.documents["thread_id"], value_set=pa.array(ids, pa.int64()))
    return _of_posts(threads, threads.documents["post_id"].filter(wanted).to_pylist())


def _of_posts(threads: Threads, ids: Sequence[int]) -> Threads:
    wanted = pa.array(ids, pa.int64())

    def rows(table: pa.Table) -> pa.Table:
        return table.filter(pc.is_in(table["post_id"], value_set=wanted))

    return replace(
        threads,
        documents=rows(threads.documents),
        posts=rows(threads.posts),
        comments=rows(threads.comments),
        links=rows(threads.links),
        votes=rows(threads.votes),
        history=None if threads.history is None else rows(threads.history),
        post_facts=None if threads.post_facts is None else rows(threads.post_facts),
        span_examples=None if threads.span_examples is None else rows(threads.span_examples),
        kept={},
    )
