"""Our signals in the words of `socorpus explain`."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from socorpus.corpus.signals.base import Explained

_MEMBERS_SHOWN = 10
_AROUND = 30
"""Code points shown on either side of a placeholder."""


def privacy(row: Mapping[str, Any], post: Explained) -> Iterator[str]:
    """Each placeholder in its context; those of the title together."""
    shown = post.shown
    for kind, start, end in shown.spans:
        context = shown.text[max(0, start - _AROUND) : end + _AROUND]
        yield f"{kind} at {start}: …{' '.join(context.split())}…"
    in_title = Counter(span["kind"] for span in row["spans"] if span["field"] == "title")
    for kind, count in in_title.items():
        yield f"{kind} in the title ({count}): {shown.title}"
    if not row["spans"]:
        yield "nothing found"


def contamination(row: Mapping[str, Any], post: Explained) -> Iterator[str]:
    """The benchmark's example that overlaps most."""
    if row["benchmark"] is None:
        yield "nothing found"
    else:
        yield f"{row['overlap']:.0%} of the n-grams of example {row['example']} of {row['benchmark']}"


def exact_twins(row: Mapping[str, Any], post: Explained) -> Iterator[str]:
    """The members of a group of exact copies, which have their survivor in common."""
    survivor = row["survivor"] or post.key
    members = post.sharing("exact", "survivor", survivor)
    yield from _twins(row, post.key, {*members, survivor} if members else set())


def near_twins(signal: str) -> Callable[[Mapping[str, Any], Explained], Iterator[str]]:
    """The explanation of a signal of near duplicates, whose groups have a cluster in common."""

    def explain(row: Mapping[str, Any], post: Explained) -> Iterator[str]:
        cluster = row["cluster"]
        yield from _twins(
            row, post.key, set(post.sharing(signal, "cluster", cluster)) if cluster is not None else set()
        )

    return explain


def _twins(row: Mapping[str, Any], key: str, members: set[str]) -> Iterator[str]:
    others = sorted(members - {key})
    if not others:
        yield "no twin"
        return
    jaccard = f" (similarity {row['jaccard']:.3f})" if row.get("jaccard") is not None else ""
    yield f"survivor {row['survivor']}{jaccard}" if row["survivor"] else "the survivor of its group"
    if row.get("link") and row["link"] != row["survivor"]:
        yield f"most similar {row['link']} (similarity {row['link_jaccard']:.3f})"
    yield f"{len(others) + 1} members: with {some(others, _MEMBERS_SHOWN)}"


def some(names: list[str], most: int) -> str:
    """The first of some names, and how many more there are."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
