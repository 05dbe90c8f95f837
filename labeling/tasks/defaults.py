"""Defaults of a task: posts as published, and no facts."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.labeling.functions import Threads, Vote
from socorpus.labeling.history import revisions
from socorpus.labeling.schema import EXAMPLES


def published(threads: Threads, votes: Sequence[Vote], kinds: Sequence[str]) -> pa.Table:
    """`schema.EXAMPLES`: every post of some kinds with its comments, except those that give its label away.

    `split` and `digest` are still empty. A plug-in's task whose `examples` are not these can start from them.

    Args:
        votes: of the task's functions; none of a task of spans, whose examples come first.
        kinds: `question`, `answer`, or both.
    """
    documents = threads.documents.filter(pc.is_in(threads.documents["kind"], value_set=pa.array(kinds)))
    if any(vote.gives_away for vote in votes):
        states = dict.fromkeys(documents["post_id"].to_pylist(), revisions.PUBLISHED)
        return revisions.examples(threads, states, votes, comments=True)
    rows = documents.num_rows
    columns = {
        "split": pa.array([""] * rows, pa.string()),
        "form": pa.array(["published"] * rows, pa.string()),
        "left_out": pa.array([[]] * rows, pa.list_(pa.int64())),
        "digest": pa.array([bytes(16)] * rows, pa.binary(16)),
    }
    return pa.table([columns[name] if name in columns else documents[name] for name in EXAMPLES.names], schema=EXAMPLES)
