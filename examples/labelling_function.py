"""A labelling function of your own, for one of our tasks: a question in capitals is a poor one.

    socorpus labeling apply corpus --plugin examples/labelling_function.py
    socorpus labeling analyze corpus

`analyze` shows how often it votes, and how often the others agree.
"""

from collections.abc import Iterator

from socorpus.labeling import Threads, Vote, votes


# The task's name. The first line of the docstring says what the function does, in the report too.
@votes("quality")
def shouts(threads: Threads) -> Iterator[Vote]:
    """A title without a small letter: LQ_EDIT, since an edit mends it."""
    # The texts that are judged: of this task each question as it was first written. In `threads.documents` is what it
    # became: an editor will have put it into small letters.
    for post in threads.examples.to_pylist():
        title = post["title"] or ""
        if any(map(str.isalpha, title)) and title.upper() == title:
            # Where it is unsure, a function says nothing. The evidence is shown to whoever reads the label.
            yield Vote(post["post_id"], "LQ_EDIT", {"title": title})
