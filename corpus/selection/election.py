"""The election of a survivor among duplicates, of the posts that the rules keep."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus.arrays import Int64
from socorpus.corpus.config import Selection, SelectionRule
from socorpus.corpus.selection.rules import RULES, Mask, decision_table, evidence_json

DUPLICATES = {
    "exact_duplicate": "the same text as a post that is kept, but for white space and the case of its prose",
    "near_duplicate": "nearly the text of a post that is kept, with the same code and signs",
    "code_duplicate": "the code of a post that is kept, with other prose",
}
"""Reasons that need more than one row."""


def meanings(own: Iterable[SelectionRule] = ()) -> dict[str, str]:
    """Meaning of each reason of a drop, in the order in which the rules are tried; `own` are the configuration's."""
    ours = {rule.reason: rule.says for rule in RULES}
    return ours | {rule.reason: rule.meaning or rule.drop_if for rule in own} | DUPLICATES


def drop_duplicates(decisions: pa.Table, elected: pa.Table) -> pa.Table:
    """Drop the documents that lost against a twin.

    Args:
        decisions: of one bucket, by `apply_rules`.
        elected: row int64 (in this bucket), reason string, evidence string.
    """
    names = np.array(decisions["reason"].to_pylist(), object)
    evidence = np.array(decisions["evidence"].to_pylist(), object)
    rows = np.asarray(elected["row"], dtype=np.int64)
    names[rows] = elected["reason"].to_pylist()
    evidence[rows] = elected["evidence"].to_pylist()
    return decision_table(decisions, names, evidence)


def elect(twins: pa.Table, keep: Mask, config: Selection) -> pa.Table:
    """Settle each group of duplicates among the members that the rules keep.

    Args:
        twins: members of groups: family string (exact, near, near_code), group string, bucket int32, row int64, key
            string, rank int32 (0 is the best of its group: accepted, then score, then oldest), survivor, jaccard, link
            and link_jaccard as in `schema.SIGNALS["near"]`.
        keep: whether the rules keep the member, one a row of `twins`.

    Returns:
        bucket, row, reason, evidence of every member to drop, each row once.
    """
    active = [
        ("near", "near_duplicate", not config.near_duplicates),
        ("exact", "exact_duplicate", not config.exact_duplicates),
        ("near_code", "code_duplicate", not config.code_duplicates),
    ]
    place = np.asarray(twins["bucket"], np.int64) << 32 | np.asarray(twins["row"], np.int64)
    gone = np.zeros(len(place), bool)
    lost: list[tuple[Int64, Int64, str]] = []
    for family, reason, on in active:
        if not on:
            continue
        rows = np.flatnonzero(keep & np.asarray(pc.equal(twins["family"], family)))
        if reason == "code_duplicate":
            rows = rows[~gone[rows]]  # those are dropped already; their groups are settled among the rest
        losers, best = _settled(rows, twins)
        lost.append((losers, best, reason))
        gone |= np.isin(place, place[losers])
    # An exact copy is reported as one even where it is also in a near-duplicate cluster: the later family counts.
    losers, best = (np.concatenate([np.zeros(0, np.int64), *(of[side] for of in lost)]) for side in (0, 1))
    reasons = np.repeat(np.arange(len(lost)), [len(of[0]) for of in lost])
    places, last = np.unique(place[losers][::-1], return_index=True)
    last = len(losers) - 1 - last
    losers, best, reasons = losers[last], best[last], reasons[last]
    survivors = _final(places, place[best])
    row_of = np.unique(place, return_index=True)
    named = row_of[1][np.searchsorted(row_of[0], survivors)]
    evidence = pa.chunked_array(
        [
            _evidence(twins, losers[start : start + _ROWS], best[start : start + _ROWS], named[start : start + _ROWS])
            for start in range(0, len(losers), _ROWS)
        ],
        pa.string(),
    )
    names = pa.array([reason for _, _, reason in lost], pa.string())
    return pa.table(
        {
            "bucket": pa.array(places >> 32, pa.int32()),
            "row": pa.array(places & 0xFFFFFFFF, pa.int64()),
            "reason": names.take(pa.array(reasons)),
            "evidence": evidence,
        }
    )


_ROWS = 1 << 16
"""Rows whose evidence is written at once."""


def _settled(rows: Int64, twins: pa.Table) -> tuple[Int64, Int64]:
    """Of some members of one family, as rows of `twins`, those that lose, and the best of the group of each."""
    taken = pa.array(rows)
    group = pc.dictionary_encode(twins["group"].take(taken)).combine_chunks().indices.to_numpy()
    order = np.lexsort((np.asarray(twins["rank"].take(taken)), group))
    rows, group = rows[order], group[order]
    first = np.append(True, group[1:] != group[:-1])[: len(rows)]
    best = rows[np.maximum.accumulate(np.where(first, np.arange(len(rows)), 0))]
    return rows[~first], best[~first]


def _final(places: Int64, survivors: Int64) -> Int64:
    """The survivors, in whose stead the post that stays is named where they themselves have lost.

    The survivor of exact copies may have lost within its cluster. Members of all groups are ranked alike, so that no
    chain leads back to where it began.

    Args:
        places: of those that lost, ascending.
        survivors: of each.
    """
    if not len(places):
        return survivors
    for _ in range(64):
        row = np.minimum(np.searchsorted(places, survivors), len(places) - 1)
        lost = places[row] == survivors
        if not lost.any():
            break
        # By the survivors of these, which doubles the steps of each round.
        survivors = np.where(lost, survivors[row], survivors)
    return survivors


def _evidence(twins: pa.Table, losers: Int64, best: Int64, named: Int64) -> pa.Array:
    """What is said of some that lost: the post that stays, and the similarity where it is known."""
    own = twins.select(["survivor", "jaccard", "link", "link_jaccard"]).take(pa.array(losers)).to_pylist()
    best_keys, keys = (twins["key"].take(pa.array(rows)).to_pylist() for rows in (best, named))
    texts = []
    for member, best_key, key in zip(own, best_keys, keys, strict=True):
        facts: dict[str, Any] = {"survivor": key}
        if best_key == member["survivor"] and member["jaccard"] is not None:
            facts["jaccard"] = round(member["jaccard"], 4)
        if member["link"] is not None and member["link"] != best_key:
            facts |= {"link": member["link"], "link_jaccard": round(member["link_jaccard"], 4)}
        texts.append(evidence_json(facts))
    return pa.array(texts, pa.string())
