"""The election of a survivor among duplicates, of the posts that the rules keep."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

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
    dropped: dict[tuple[int, int], tuple[str, dict[str, Any]]] = {}
    final: dict[str, str] = {}
    eligible = twins.filter(pa.array(keep))
    gone: set[tuple[int, int]] = set()
    for family, reason, on in active:
        if not on:
            continue
        members = eligible.filter(pc.equal(eligible["family"], family))
        members = members.sort_by([("group", "ascending"), ("rank", "ascending")])
        group = best = None
        for member in members.to_pylist():
            place = (member["bucket"], member["row"])
            if place in gone and reason == "code_duplicate":
                continue  # it is dropped already; its group is settled among the rest
            if member["group"] != group:
                group, best = member["group"], member
                continue
            assert best is not None
            final[member["key"]] = best["key"]
            facts: dict[str, Any] = {"survivor": best["key"]}
            if best["key"] == member["survivor"] and member["jaccard"] is not None:
                facts["jaccard"] = round(member["jaccard"], 4)
            if member["link"] is not None and member["link"] != best["key"]:
                facts |= {"link": member["link"], "link_jaccard": round(member["link_jaccard"], 4)}
            # An exact copy is reported as one even where it is also in a near-duplicate cluster.
            dropped[place] = (reason, facts)
            gone.add(place)
    for _, facts in dropped.values():
        # The survivor of exact copies may itself have lost within its cluster: name the post that stays.
        seen = set()
        while facts["survivor"] in final and facts["survivor"] not in seen:
            seen.add(facts["survivor"])
            facts["survivor"] = final[facts["survivor"]]
    places = sorted(dropped)
    return pa.table(
        {
            "bucket": pa.array([bucket for bucket, _ in places], pa.int32()),
            "row": pa.array([row for _, row in places], pa.int64()),
            "reason": pa.array([dropped[place][0] for place in places], pa.string()),
            "evidence": pa.array([evidence_json(dropped[place][1]) for place in places], pa.string()),
        }
    )
