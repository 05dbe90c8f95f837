"""Agreement of people, and of functions, on the same posts."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from socorpus.labeling.aggregation import dawid_skene
from socorpus.labeling.schema import Task


def agreement(rows: Iterable[Mapping[str, Any]], task: Task) -> dict[str, Any]:
    """Agreement of persons' votes (`schema.VOTES`).

    Returns:
        `posts`: judged by two or more (a skip is no judgement), `pairs` of judgements, and where there are any
        `equal`, the share of pairs that are the same. For whole texts also `alpha`, Krippendorff's with nominal
        distances (None where only one label is used); for spans `f1`, the mean over pairs of exact-span F1, 1 where
        both marked nothing.
    """
    by_post: dict[tuple[str, int], dict[str, Any]] = defaultdict(dict)
    for row in rows:
        key = row["site"], row["post_id"]
        if task.spans and (row["label"] is not None or '"nothing": true' in row["evidence"]):
            marks = by_post[key].setdefault(row["function"], set())
            if row["label"] is not None:
                marks.add((row["start"], row["end"], row["label"]))
        elif not task.spans and row["label"] is not None:
            by_post[key][row["function"]] = task.index(row["label"])
    judged = [judgements for judgements in by_post.values() if len(judgements) > 1]
    pairs = [pair for judgements in judged for pair in itertools.combinations(judgements.values(), 2)]
    result: dict[str, Any] = {"posts": len(judged), "pairs": len(pairs)}
    if not pairs:
        return result
    result["equal"] = round(sum(a == b for a, b in pairs) / len(pairs), 4)
    if task.spans:
        scores = [2 * len(a & b) / (len(a) + len(b)) if a or b else 1.0 for a, b in pairs]
        return result | {"f1": round(sum(scores) / len(scores), 4)}
    return result | {"alpha": of_people(judged, len(task.labels))}


def of_patterns(patterns: dawid_skene.Votes, counts: dawid_skene.Counts, labels: int) -> float | None:
    """Alpha among functions, by patterns with their counts: int8[n, m] and int64[n].

    Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), with nominal distances. The package of this name
    is under the GPL: tests compare with it, nothing else uses it. None where fewer than two voters meet on any item, or
    all votes are for one label.
    """
    votes = np.stack([(patterns == label).sum(1) for label in range(labels)], 1).astype(np.float64)
    each = votes.sum(1)
    paired = each >= 2
    votes, each, weight = votes[paired], each[paired], counts[paired].astype(np.float64)
    if not len(each):
        return None
    scale = weight / (each - 1)
    coincidences = np.einsum("n,nc,nd->cd", scale, votes, votes) - np.diag((scale[:, None] * votes).sum(0))
    margins = coincidences.sum(1)
    total = margins.sum()
    expected = total**2 - (margins**2).sum()
    if expected <= 0:
        return None
    observed = total - np.trace(coincidences)
    return round(float(1 - (total - 1) * observed / expected), 4)


def of_people(units: Sequence[Mapping[str, int]], labels: int) -> float | None:
    """Alpha among people: of each item, the label's number by person. None as for `of_patterns`."""
    people = sorted({name for unit in units for name in unit})
    patterns = np.array([[unit.get(name, -1) for name in people] for unit in units], np.int8)
    return of_patterns(patterns.reshape(len(units), len(people)), np.ones(len(units), np.int64), labels)
