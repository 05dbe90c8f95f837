"""Counts of a bucket's items by their votes and by people's verdict on them: the input of the label model."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.labeling.aggregation import (
    annotators,
    calibration,
    dawid_skene,
    held_out,
    uninformative,
    vote_matrix,
    weighed,
)
from socorpus.labeling.aggregation import patterns as vote_patterns
from socorpus.labeling.aggregation.dawid_skene import Judged
from socorpus.labeling.aggregation.patterns import Counts, Votes
from socorpus.labeling.schema import Task, Weigher

VERSION = 4
_MOST_OF_OTHERS = 0.5
"""Share of what a weigher gives other labels from which votes for a label that it never gives tell nothing."""
_MORE = 3
"""Number of columns after the votes: verdict, fold, blind."""


def count(votes: pa.Table, voters: Sequence[str], task: Task) -> dict[str, Any]:
    """Items by pattern, as JSON.

    Args:
        votes: `schema.VOTES` of a bucket, of functions, models and people.
        voters: functions and models, in the order of the patterns.

    Returns:
        `patterns`: rows of votes, people's verdict (a label's number, -1 for none, and of spans the number of labels
        where they see none), the fold in which the item is held out, and whether people judged it without a
        suggestion; each with its number of items. `units`: judgements of single people on items that two or more
        judged. `disputes`: posts that people judged differently, and how many of these were adjudicated. `seconds`:
        time that people took. `likely`: of each function that a weigher weighs, and of the weigher, the sum of the
        probabilities that it gives to this function's votes; of others 0. `posts`: number of posts with a vote of
        anybody, also that there is nothing in it.
    """
    items = vote_matrix.gather(votes, voters, task)
    people = judgements(items, votes, task)
    rows = np.concatenate([items.votes, np.stack([people.verdict, people.fold, people.blind], 1)], 1)
    counts = Counter(map(tuple, rows.astype(np.int64).tolist()))
    return {
        "patterns": [[list(row), number] for row, number in sorted(counts.items())],
        "units": people.units,
        "disputes": list(people.disputes),
        "seconds": people.seconds,
        "likely": _likely(items, votes, voters, task).tolist(),
        "posts": _posts(votes),
    }


def _posts(votes: pa.Table) -> int:
    seen = pc.or_(pc.is_valid(votes["label"]), pc.match_substring(votes["evidence"], '"nothing": true'))
    return len(pc.unique(votes.filter(seen)["post_id"]))


def _likely(items: vote_matrix.Items, votes: pa.Table, voters: Sequence[str], task: Task) -> npt.NDArray[np.float64]:
    """Sum of a weigher's probabilities of the votes of each function that it knows, float64[m].

    A span for which it has no vote is none, and counts 0.
    """
    sums = np.zeros(len(voters))
    weigher = task.weighed_by
    if weigher is None or weigher.function not in voters:
        return sums
    rows = np.flatnonzero(np.asarray(pc.equal(votes["function"], weigher.function)))
    likely = np.zeros(len(items))
    likely[items.item[rows]] = weighed.of_votes(votes.take(pa.array(rows))["evidence"])
    own = items.votes[:, voters.index(weigher.function)]
    for place, name in enumerate(voters):
        if name in weigher.known:
            sums[place] = likely[(items.votes[:, place] == own) & (own != dawid_skene.ABSTAIN)].sum()
    return np.round(sums, 6)


@dataclass(frozen=True)
class Judgements:
    """What people said of a bucket's items: n of them."""

    verdict: Counts
    """int64[n], a label's number; -1 for none, and of spans the number of labels where people see none."""
    fold: Counts
    """int64[n], in which the item is held out; 0 where nobody judged."""
    blind: npt.NDArray[np.bool_]
    """bool[n], whether people judged it, and saw no suggestion."""
    units: list[dict[str, int]]
    """Judgements of single people on items that two or more judged, without those of adjudicators."""
    disputes: tuple[int, int]
    """Posts that two people or more judged differently, and how many of these were adjudicated."""
    seconds: list[float]


def judgements(items: vote_matrix.Items, votes: pa.Table, task: Task) -> Judgements:
    """People's votes of a bucket (`schema.VOTES`), by item."""
    words = votes.filter(pc.equal(votes["source"], "person")).to_pylist()
    verdict, units = _verdicts(items, words, task)
    judged = verdict >= 0
    fold = np.where(judged, held_out.of_posts(items.post), 0)
    unseen = np.isin(items.post, list(annotators.blind(words))) & judged
    seconds = sorted(row["seconds"] for row in words if row["seconds"] is not None)
    disputed = annotators.disputed(words, task.spans).keys()
    settled = disputed & {row["post_id"] for row in annotators.standing(words) if annotators.adjudicates(row)}
    return Judgements(verdict, fold, unseen, units, (len(disputed), len(settled)), seconds)


class Counted:
    """The counts of all buckets of a task: n distinct rows."""

    def __init__(self, parts: Sequence[Mapping[str, Any]], width: int) -> None:
        counts: Counter[tuple[int, ...]] = Counter()
        for part in parts:
            counts.update({tuple(row): number for row, number in part["patterns"]})
        rows = np.array(sorted(counts), np.int64).reshape(len(counts), width + _MORE)
        self.patterns: Votes = rows[:, :width].astype(np.int8)
        """int8[n, m]"""
        self.weight: Counts = np.array([counts[tuple(row)] for row in rows.tolist()], np.int64)
        """int64[n], items of each row."""
        self.verdict, self.fold = rows[:, width], rows[:, width + 1]
        self.blind = rows[:, width + 2].astype(bool)
        self.units = [unit for part in parts for unit in part["units"]]
        self.disputes = (sum(part["disputes"][0] for part in parts), sum(part["disputes"][1] for part in parts))
        """Posts that people judged differently, and how many of these were adjudicated."""
        self.seconds = [value for part in parts for value in part["seconds"]]
        self.likely = np.sum([part["likely"] for part in parts], axis=0) if parts else np.zeros(width)
        """float64[m], sums of a weigher's probabilities of each function's votes."""
        self.posts = sum(part["posts"] for part in parts)
        """Posts with a vote."""

    def contradictions(self, functions: Sequence[str], facts: Sequence[str]) -> int:
        """Number of items for which functions state different facts."""
        stated = self.patterns[:, vote_patterns.places(functions, facts)].astype(np.int64)
        most = stated.max(1, initial=dawid_skene.ABSTAIN)
        different = ((stated != dawid_skene.ABSTAIN) & (stated != most[:, None])).any(1)
        return int(self.weight[different].sum())

    def withheld(self, model: dawid_skene.LabelModel, task: Task) -> dict[str, dict[str, int]]:
        """Label with votes -> likelier label without any, or one as likely -> number of items without a label for that.

        Of two labels that are as likely the first is the commoner one (`LabelModel.choose`).
        """
        patterns = self.patterns
        weigher = task.weighed_by
        unsettled = self.verdict < 0
        if weigher is not None and weigher.function in model.functions:
            unsettled &= patterns[:, model.functions.index(weigher.function)] == dawid_skene.ABSTAIN
            known = np.array([name in weigher.known for name in model.functions], bool)
            patterns = np.where(known, dawid_skene.ABSTAIN, patterns).astype(np.int8)
        label, probabilities = model.choose(patterns)
        voted = (model.counted(patterns) != dawid_skene.ABSTAIN).any(1)
        rows = np.flatnonzero(unsettled & voted & ~dawid_skene.likeliest(label, probabilities))
        counts: dict[str, Counter[str]] = {}
        rivals = probabilities[rows]
        rivals[np.arange(len(rows)), label[rows]] = -1.0
        for row, rival in zip(rows.tolist(), rivals.argmax(1).tolist(), strict=True):
            counts.setdefault(model.labels[label[row]], Counter())[model.labels[rival]] += int(self.weight[row])
        return {name: dict(sorted(by_rival.items())) for name, by_rival in sorted(counts.items())}

    def labelled(self, model: dawid_skene.LabelModel) -> int:
        """Number of items that nobody judged and that get a label by a model."""
        label, probabilities = model.choose(self.patterns)
        spoken = model.speaks(self.patterns, label, probabilities) & (self.verdict < 0)
        return int(self.weight[spoken].sum())

    def fit(
        self,
        functions: Sequence[str],
        task: Task,
        facts: Sequence[str] = (),
        assumed: Mapping[str, float] | None = None,
        teach: bool = True,
    ) -> dawid_skene.LabelModel:
        """The label model; where a function weighs others, of the rest of them only.

        What it weighs has the mean of its probabilities as accuracy.

        Args:
            facts: those of the functions that state facts.
            assumed: of some functions the share of right votes to assume where nothing can be learned.
            teach: whether people's judgements take part. Those of spans do not: that people see no span where a
                function does is no label.
        """
        weigher = task.weighed_by
        if weigher is not None and weigher.function in functions:
            return self._beside(weigher, functions, task, facts, assumed)
        voted = (self.patterns != dawid_skene.ABSTAIN).any(1)
        own = voted & (self.verdict >= 0) & (teach and not task.spans)
        patterns, counts = dawid_skene.distinct(self.patterns[~own], self.weight[~own])
        pairs = [(a, b) for unit in self.units for a, b in [sorted(unit.values())[:: len(unit) - 1]] if len(unit) == 2]
        error = calibration.error_of(len(pairs), sum(a != b for a, b in pairs))
        judged = Judged(
            *(self.patterns[own], self.verdict[own], self.weight[own], self.fold[own], self.blind[own], error)
        )
        return dawid_skene.fit(patterns, counts, functions, task.labels, facts, judged if own.any() else None, assumed)

    def _beside(
        self,
        weigher: Weigher,
        functions: Sequence[str],
        task: Task,
        facts: Sequence[str],
        assumed: Mapping[str, float] | None,
    ) -> dawid_skene.LabelModel:
        """The model of the functions that a weigher does not know. People's judgements of spans teach the weigher."""
        known = np.array([name in weigher.known for name in functions], bool)
        others = np.where(known, dawid_skene.ABSTAIN, self.patterns).astype(np.int8)
        muted = self._idle_beside(others, functions.index(weigher.function), functions, facts, len(task.labels))
        patterns, counts = dawid_skene.distinct(uninformative.without(others, muted), self.weight)
        model = dawid_skene.fit(patterns, counts, functions, task.labels, facts, None, assumed)
        idle = {(functions[place], task.labels[label]) for place, label in muted}
        votes = (self.weight[:, None] * (self.patterns != dawid_skene.ABSTAIN)).sum(0)
        often = known & (votes >= dawid_skene.OFTEN)
        accuracy = np.where(often, self.likely / np.maximum(votes, 1), np.where(known, np.nan, model.accuracy))
        idle |= set(model.muted)
        return replace(model, method="weigher", votes=votes, accuracy=accuracy, muted=tuple(sorted(idle)))

    def _idle_beside(
        self, others: Votes, place: int, functions: Sequence[str], facts: Sequence[str], k: int
    ) -> list[tuple[int, int]]:
        """Places of functions and labels for which their votes tell nothing beside those of a weigher.

        Nor do votes for a label that the weigher never gives, if they are for most of what it gives other labels.
        """
        beside = others.copy()
        beside[:, place] = self.patterns[:, place]
        stating = [place, *vote_patterns.places(functions, facts)]
        group = dawid_skene.copies(beside, self.weight)
        idle = set(uninformative.find(beside, self.weight.astype(np.float64), group, stating, k))
        weighed_as = beside[:, place]
        for function in sorted({*range(len(functions))} - {*stating}):
            for label in set(others[:, function].tolist()) - {dawid_skene.ABSTAIN}:
                of_others = self.weight * ((weighed_as != dawid_skene.ABSTAIN) & (weighed_as != label))
                against = of_others[others[:, function] == label].sum()
                if of_others.sum() >= dawid_skene.OFTEN and against > _MOST_OF_OTHERS * of_others.sum():
                    idle.add((function, label))
        return sorted(idle)


def _verdicts(
    items: vote_matrix.Items, judgements: Sequence[annotators.Row], task: Task
) -> tuple[Counts, list[dict[str, int]]]:
    """People's verdict on each item: a label's number, -1 for none, k for a span that they don't see in a text that
    they marked; and the judgements of single people on items that two or more judged."""
    k = len(task.labels)
    truth = np.full(len(items), -1, np.int64)
    words = annotators.last_words(annotators.first_round(judgements))
    if not task.spans:
        row = {int(post): number for number, post in enumerate(items.post)}
        for post, verdict in annotators.of_texts(judgements).items():
            if verdict.label is not None:
                truth[row[post]] = task.index(verdict.label)
        by_post: dict[int, dict[str, int]] = {}
        for word in words:
            if word["label"] is not None:
                by_post.setdefault(word["post_id"], {})[word["function"]] = task.index(word["label"])
        return truth, [by_post[post] for post in sorted(by_post) if len(by_post[post]) > 1]
    verdicts = annotators.of_spans(judgements)
    markers: dict[int, set[str]] = {}
    marks: dict[tuple[int, int, int], dict[str, int]] = {}
    for word in words:
        if word["label"] is not None and word["start"] is not None:
            key = (word["post_id"], word["start"], word["end"])
            marks.setdefault(key, {})[word["function"]] = task.index(word["label"])
        if word["label"] is not None or annotators.found_nothing(word):
            markers.setdefault(word["post_id"], set()).add(word["function"])
    for index, (post, start, end) in enumerate(zip(items.post, items.start, items.end, strict=True)):
        if int(post) in verdicts and start != vote_matrix.NO_SPAN:
            found_there = verdicts[int(post)].get((int(start), int(end)))
            if found_there is None:
                truth[index] = k
            elif found_there.label is not None:
                truth[index] = task.index(found_there.label)
    # A person who marked a text but not a span that another marked judges that there is none.
    units = [
        {name: labels.get(name, k) for name in sorted(markers[post])}
        for (post, _, _), labels in sorted(marks.items())
        if len(markers[post]) > 1
    ]
    return truth, units
