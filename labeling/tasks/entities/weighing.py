"""The labelling function that weighs all others: candidates of a post, each with its probability.

What a site is about shifts the probabilities (`site_prior`). Its votes carry them as evidence; `aggregation.weighed`
takes them from there, so that people's judgements and functions of plug-ins come on top.
"""

from collections.abc import Iterator

from socorpus.labeling.functions import Threads, Vote, votes
from socorpus.labeling.schema import Weigher
from socorpus.labeling.tasks.entities import learned as entities_learned
from socorpus.labeling.tasks.entities import site_prior, tags
from socorpus.labeling.tasks.entities.post import FINDERS, posts, voted_on_each
from socorpus.labeling.tasks.entities.spans import Span

LOWEST = 0.1
"""Lowest probability with which a span is voted for."""


@votes("entities", version=5)
def learned(threads: Threads) -> Iterator[Vote]:
    """All functions of ours weighed by what an annotated corpus and the site teach: each candidate's probability."""
    if threads.span_examples is None:
        raise ValueError("functions for entities look at examples: make these first")
    model, prior = entities_learned.shipped(), site_prior.prior(threads)
    by_tag = tags.by_post(threads)
    of_posts = posts(threads.span_examples)
    pairs = zip(of_posts, voted_on_each(threads), strict=True)
    proposed = [[*votes_on, *by_tag.get(post.post_id, ())] for post, votes_on in pairs]
    # What a site says makes no candidate likelier, but those that its tags and names vote for.
    likely = model.probabilities(of_posts, proposed, prior.least)
    for post, votes_on, probabilities in zip(of_posts, proposed, likely, strict=True):
        best: dict[tuple[int, int], tuple[float, Span]] = {}
        for span, probability in prior.shifted(post, probabilities, votes_on).items():
            if probability >= LOWEST and probability > best.get(span[:2], (0.0, span))[0]:
                best[span[:2]] = probability, span
        for (start, end), (probability, span) in sorted(best.items()):
            yield Vote(post.post_id, span.label, {"rule": "learned", "p": round(probability, 4)}, start, end)


def weigher() -> Weigher:
    """How labels come from the votes: see `schema.Weigher`."""
    names = [find.__name__ for find in FINDERS]
    return Weigher("learned", (*names, "site_tags", "site_names", "own_names"), entities_learned.THRESHOLD)
