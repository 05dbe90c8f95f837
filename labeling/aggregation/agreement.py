"""Agreement of people, and of functions, on the same posts."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from socorpus.labeling.aggregation import annotators, dawid_skene
from socorpus.labeling.schema import Task


def agreement(rows: Iterable[Mapping[str, Any]], task: Task) -> dict[str, Any]:
    """Agreement of persons' votes (`schema.VOTES`).

    Returns:
        `posts`: judged by two or more (a skip is no judgement), `pairs` of judgements, and where there are any
        `equal`, the share of pairs that are the same. For whole texts also `alpha`, Krippendorff's with nominal
        distances (None where only one label is used); for spans `f1`, the mean over pairs of exact-span F1, 1 where
        both marked nothing.
    """
    by_site: dict[str, list[annotators.Row]] = defaultdict(list)
    for row in rows:
        by_site[row["site"]].append(row)
    by_post = (annotators.judgements(of_site, task.spans).values() for of_site in by_site.values())
    judged: list[dict[str, Any]] = [each for posts in by_post for each in posts if len(each) > 1]
    pairs = [pair for judgements in judged for pair in itertools.combinations(judgements.values(), 2)]
    result: dict[str, Any] = {"posts": len(judged), "pairs": len(pairs)}
    if not pairs:
        return result
    result["equal"] = round(sum(a == b for a, b in pairs) / len(pairs), 4)
    if task.spans:
        scores = [2 * len(a & b) / (len(a) + len(b)) if a or b else 1.0 for a, b in pairs]
        return result | {"f1": round(sum(scores) / len(scores), 4)}
    units = [{name: task.index(label) for name, label in judgements.items()} for judgements in judged]
    return result | {"alpha": of_people(units, len(task.labels))}


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


def by_label(units: Sequence[Mapping[str, int]], task: Task) -> list[dict[str, Any]]:
    """Agreement of people on each label that anybody gave.

    Args:
        units: of each item that two or more judged, the label's number by person; of spans `len(task.labels)` where a
            person marked none.

    Returns:
        `label`; `judgements` for it; `agreement`, the share of others' judgements on these items that are for it too
        (the proportion of specific agreement, Spitzer and Fleiss, "A Re-analysis of the Reliability of Psychiatric
        Diagnosis", 1974; of spans by two people it is their F1); `alpha`, Krippendorff's of this label against all
        others, for whole texts only: nobody lists the spans that are none.
    """
    size = len(task.labels)
    counts = np.array([np.bincount(list(unit.values()), minlength=size + 1) for unit in units], np.float64)
    rows: list[dict[str, Any]] = []
    for number, label in enumerate(task.labels if len(units) else ()):
        own = counts[:, number]
        others = (own * (counts.sum(1) - 1)).sum()
        if others:
            alpha = None if task.spans else of_people([_against(unit, number) for unit in units], 2)
            same = round(float((own * (own - 1)).sum() / others), 4)
            rows.append({"label": label, "judgements": int(own.sum()), "agreement": same, "alpha": alpha})
    return rows


def _against(unit: Mapping[str, int], label: int) -> dict[str, int]:
    return {name: int(given == label) for name, given in unit.items()}


def kappa(units: Sequence[Mapping[str, int]], labels: int) -> tuple[str, float] | None:
    """Kappa of people on whole texts, and its name, where it is defined: None where it is not.

    Of the same two people on all items it is Cohen's ("A Coefficient of Agreement for Nominal Scales", 1960), of the
    same number of people on each item Fleiss's ("Measuring Nominal Scale Agreement Among Many Raters", 1971).

    Args:
        units: as for `by_label`.
    """
    numbers = {len(unit) for unit in units}
    if len(numbers) != 1 or (each := numbers.pop()) < 2:
        return None
    people = sorted({name for unit in units for name in unit})
    if len(people) == 2:
        first, second = (np.bincount([unit[name] for unit in units], minlength=labels) / len(units) for name in people)
        observed = sum(unit[people[0]] == unit[people[1]] for unit in units) / len(units)
        expected = float(first @ second)
    else:
        counts = np.array([np.bincount(list(unit.values()), minlength=labels) for unit in units], np.float64)
        observed = float(((counts**2).sum(1) - each).mean() / (each * (each - 1)))
        expected = float(((counts.sum(0) / counts.sum()) ** 2).sum())
    if expected >= 1:
        return None
    return "Cohen's" if len(people) == 2 else "Fleiss's", round((observed - expected) / (1 - expected), 4)


def of_people(units: Sequence[Mapping[str, int]], labels: int) -> float | None:
    """Alpha among people: of each item, the label's number by person. None as for `of_patterns`."""
    people = sorted({name for unit in units for name in unit})
    patterns = np.array([[unit.get(name, -1) for name in people] for unit in units], np.int8)
    return of_patterns(patterns.reshape(len(units), len(people)), np.ones(len(units), np.int64), labels)
