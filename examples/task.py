"""A task of your own: does an answer show code that can be run as it is?

socorpus build dump -o corpus --plugin examples/task.py
socorpus labeling analyze corpus --task runnable
socorpus labeling export corpus --task runnable -o runnable
socorpus finetune model --task runnable --data corpus -o runnable-model
socorpus evaluate corpus --task runnable --system audits --system model
socorpus explain corpus SITE:ID
"""

import re
from collections.abc import Iterator

from socorpus.labeling import Threads, Vote, task, votes

# Labels with their meanings, the question that people and prompted models are asked, and what is judged: a "question",
# an "answer", or a "span" of either. Every answer becomes an example, as it was published, personal data replaced.
RUNNABLE = task(
    "runnable",
    {"complete": "the code can be run as it is", "fragment": "the code needs something around it", "none": "no code"},
    question="Can the code of this answer be run as it is?",
    unit="answer",
)

_STARTS = re.compile(
    r"^(?:import |from \w+ import|#include|using |package |<!doctype|#!/)", re.IGNORECASE | re.MULTILINE
)
_LEFT_OUT = re.compile(r"\.\.\.|…|your[_ ]?\w+|TODO|<[A-Z_]{3,}>")


def _answers(threads: Threads) -> Iterator[tuple[int, list[str]]]:
    """Each answer with its blocks of code."""
    for post in threads.examples.to_pylist():
        blocks = [part for part in post["segments"] if part["kind"] == "code"]
        yield post["post_id"], [post["text"][part["start"] : part["end"]] for part in blocks]


@votes(RUNNABLE)
def has_no_block(threads: Threads) -> Iterator[Vote]:
    """No block of code at all."""
    yield from (Vote(post, "none", {}) for post, blocks in _answers(threads) if not blocks)


@votes(RUNNABLE)
def leaves_out(threads: Threads) -> Iterator[Vote]:
    """Dots or a placeholder in the code."""
    for post, blocks in _answers(threads):
        if found := _LEFT_OUT.search("\n".join(blocks)):
            yield Vote(post, "fragment", {"left_out": found[0]})


@votes(RUNNABLE)
def begins_as_a_program(threads: Threads) -> Iterator[Vote]:
    """One block that begins with imports, or as a file does; else a short block is a fragment."""
    for post, blocks in _answers(threads):
        if blocks:
            whole = len(blocks) == 1 and bool(_STARTS.search(blocks[0]))
            yield Vote(post, "complete" if whole else "fragment", {"blocks": len(blocks)})
