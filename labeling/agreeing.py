"""How far people agree who judged the same posts."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from socorpus.labeling.schema import Task


def agreement(rows: Iterable[Mapping[str, Any]], task: Task) -> dict[str, Any]:
    """Agreement of persons' votes (`schema.VOTES`).

    Returns:
        `posts`: judged by two or more (a skip is no judgement), `pairs` of judgements, and where there are any
        `equal`, the share of pairs that are the same. For whole texts also `alpha`, Krippendorff's with nominal
        distances (None where one label alone is used); for spans `f1`, the mean over pairs of exact-span F1, 1 where
        both marked nothing.
    """
    said: dict[tuple[str, int], dict[str, Any]] = defaultdict(dict)
    for row in rows:
        key = row["site"], row["post_id"]
        if task.spans and (row["label"] is not None or '"nothing": true' in row["evidence"]):
            marks = said[key].setdefault(row["function"], set())
            if row["label"] is not None:
                marks.add((row["start"], row["end"], row["label"]))
        elif not task.spans and row["label"] is not None:
            said[key][row["function"]] = task.index(row["label"])
    several = [judgements for judgements in said.values() if len(judgements) > 1]
    pairs = [pair for judgements in several for pair in itertools.combinations(judgements.values(), 2)]
    found: dict[str, Any] = {"posts": len(several), "pairs": len(pairs)}
    if not pairs:
        return found
    found["equal"] = round(sum(a == b for a, b in pairs) / len(pairs), 4)
    if task.spans:
        scores = [2 * len(a & b) / (len(a) + len(b)) if a or b else 1.0 for a, b in pairs]
        return found | {"f1": round(sum(scores) / len(scores), 4)}
    return found | {"alpha": _alpha(several, len(task.labels))}


def _alpha(several: list[dict[str, int]], labels: int) -> float | None:
    from socorpus.labeling.agreement import of_people

    return of_people(several, labels)
