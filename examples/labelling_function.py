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
    # Whole threads of one site, all tables of one bucket; `documents` has the posts with their text.
    for post in threads.documents.to_pylist():
        title = post["title"] or ""
        if post["kind"] == "question" and any(map(str.isalpha, title)) and title.upper() == title:
            # Where it is unsure, a function says nothing. The evidence is shown to whoever reads the label.
            yield Vote(post["post_id"], "LQ_EDIT", {"title": title})
