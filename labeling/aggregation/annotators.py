"""People's votes: the last one of each person, their majority, and where they are divided.

Where somebody adjudicated what others had judged differently, this verdict stands above theirs, which stay in the
table."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
"""A row of `schema.VOTES` of source `person`."""
Place = tuple[int, int]
Judgement = str | frozenset[tuple[int, int, str]]
"""Of a whole text its label; of spans their starts, ends and labels."""


@dataclass(frozen=True)
class Verdict:
    """People's verdict on one item. `label` is None where they are divided: then the functions decide."""

    label: str | None
    divided: bool


def adjudicates(row: Row) -> bool:
    """Whether a row is part of a verdict on what others had judged differently."""
    return '"adjudicated": true' in row["evidence"]


def first_round(rows: Iterable[Row]) -> list[Row]:
    """Rows of people who judged by themselves, before any adjudication."""
    return [row for row in rows if not adjudicates(row)]


def standing(rows: Iterable[Row]) -> list[Row]:
    """Rows that count: of posts that were adjudicated those of the adjudicators, of others all."""
    rows = list(rows)
    decided = {row["post_id"] for row in rows if adjudicates(row) and (row["label"] is not None or found_nothing(row))}
    return [row for row in rows if adjudicates(row) == (row["post_id"] in decided)]


def judgements(rows: Iterable[Row], spans: bool) -> dict[int, dict[str, Judgement]]:
    """Post -> person -> what they said of it, before any adjudication; a skip is none.

    Args:
        spans: whether labels are of spans: then it is the set of (start, end, label), else the label.
    """
    by_post: dict[int, dict[str, Judgement]] = defaultdict(dict)
    marks: dict[tuple[int, str], set[tuple[int, int, str]]] = defaultdict(set)
    for row in last_words(first_round(rows)):
        post, person, place = row["post_id"], row["function"], _place(row)
        if not spans and row["label"] is not None:
            by_post[post][person] = row["label"]
        elif spans and (place is not None or found_nothing(row)):
            if place is not None and row["label"] is not None:
                marks[post, person].add((*place, row["label"]))
            by_post[post][person] = frozenset(marks[post, person])
    return dict(by_post)


def disputed(rows: Iterable[Row], spans: bool) -> dict[int, dict[str, Judgement]]:
    """The posts of `judgements` that two people or more judged, and not all in the same way."""
    return {post: each for post, each in judgements(rows, spans).items() if len(set(each.values())) > 1}


def last_words(rows: Iterable[Row]) -> list[Row]:
    """The latest row of each person on each item (`at`; on a tie the last), in order of the items."""
    last: dict[tuple[Any, ...], Row] = {}
    for row in sorted(rows, key=lambda row: (row["at"] is not None, row["at"] or 0)):
        last[row["post_id"], _place(row), row["function"]] = row
    return [last[key] for key in sorted(last, key=lambda key: (key[0], key[1] or (-1, -1), key[2]))]


def of_texts(rows: Iterable[Row]) -> dict[int, Verdict]:
    """Post -> verdict of most people; who would not decide (a null label) doesn't count."""
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for row in last_words(standing(rows)):
        if row["label"] is not None:
            counts[row["post_id"]][row["label"]] += 1
    return {post: _most(labels) for post, labels in counts.items()}


def of_spans(rows: Iterable[Row]) -> dict[int, dict[Place, Verdict]]:
    """Post -> the spans that people see in it, with their verdicts.

    A person who marks spans of a text is taken to have marked all of it: a span stands if more than half of the people
    who marked the text have it, with the label of most of them, and it is divided where exactly half have it. A
    person who would not decide on the text (a null label, no span) and marked nothing does not count; one who looked
    and saw no spans has evidence `{"nothing": true}`, and does.
    """
    marks: dict[int, dict[Place, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    people: dict[int, set[str]] = defaultdict(set)
    for row in last_words(standing(rows)):
        place = _place(row)
        if place is not None and row["label"] is not None:
            marks[row["post_id"]][place][row["label"]] += 1
            people[row["post_id"]].add(row["function"])
        elif found_nothing(row):
            people[row["post_id"]].add(row["function"])
    verdicts: dict[int, dict[Place, Verdict]] = {}
    for post, who in people.items():
        verdicts[post] = {}
        for place, labels in sorted(marks[post].items()):
            share = 2 * labels.total() - len(who)
            if share > 0:
                verdicts[post][place] = _most(labels)
            elif share == 0:
                verdicts[post][place] = Verdict(None, True)
    return verdicts


def blind(rows: Iterable[Row]) -> set[int]:
    """Posts that people judged, all of them without a suggestion."""
    unseen: dict[int, bool] = {}
    for row in last_words(rows):
        own = json.loads(row["evidence"]).get("blind") is True
        unseen[row["post_id"]] = unseen.get(row["post_id"], True) and own
    return {post for post, without in unseen.items() if without}


def found_nothing(row: Row) -> bool:
    """Whether a row says that a person looked for spans and there are none."""
    return row["label"] is None and '"nothing": true' in row["evidence"]


def _most(labels: Counter[str]) -> Verdict:
    ranked = sorted(labels.items(), key=lambda item: (-item[1], item[0]))
    divided = len(ranked) > 1 and ranked[0][1] == ranked[1][1]
    return Verdict(None if divided else ranked[0][0], divided)


def _place(row: Row) -> Place | None:
    return None if row["start"] is None else (row["start"], row["end"])
