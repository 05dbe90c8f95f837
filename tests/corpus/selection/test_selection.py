"""Rules, their order and evidence, and the election among duplicates."""

import json
from typing import Any

import numpy as np
import pyarrow as pa

from socorpus.corpus import schema
from socorpus.corpus.config import Selection
from socorpus.corpus.dedup import stage as dedup_stage
from socorpus.corpus.selection import election
from socorpus.corpus.selection import rules as selection_rules


def rows(*several: dict[str, Any]) -> pa.Table:
    default: dict[str, Any] = {
        "site": "s", "post_id": 1, "kind": "question", "score": 0, "author_id": 5, "revisions": 1, "words": 50,
        "chars": 300, "code_share": 0.1, "language": "en", "probability": 0.9, "benchmark": None, "example": None,
        "overlap": 0.0,
    }  # fmt: skip
    made = [default | {"post_id": number + 1} | one for number, one in enumerate(several)]
    return pa.Table.from_pylist(made).cast(
        pa.schema(
            [
                *[("site", pa.string()), ("post_id", pa.int64()), ("kind", pa.string()), ("score", pa.int32())],
                *[("author_id", pa.int64()), ("revisions", pa.int32()), ("words", pa.int32()), ("chars", pa.int32())],
                *[("code_share", pa.float32()), ("language", pa.string()), ("probability", pa.float32())],
                *[("benchmark", pa.string()), ("example", pa.int64()), ("overlap", pa.float32())],
            ]
        )
    )


def test_each_rule_drops_with_its_reason_and_evidence() -> None:
    config = Selection(kinds=("question",), min_score=0, languages=("en",), max_code_share=0.9, max_chars=1000)
    table = rows(
        {},
        {"kind": "answer"},
        {"post_id": 1_000_000_001, "author_id": -1, "revisions": None},
        {"words": 0},
        {"words": 4},
        {"chars": 1001},
        {"score": -1},
        {"language": "es"},
        {"language": "es", "probability": 0.4},
        {"language": None, "probability": None},
        {"code_share": 0.95},
        {"benchmark": "dev.txt", "example": 7, "overlap": 0.75},
        {"words": 4, "score": -3},
    )
    made = selection_rules.apply_rules(table, config)
    assert made.schema == schema.DECISIONS
    assert made["reason"].to_pylist() == [
        *[None, "kind", "fabricated", "empty", "too_short", "too_long", "low_score", "language", None, None],
        *["mostly_code", "contaminated", "too_short"],
    ]
    assert made["keep"].to_pylist() == [reason is None for reason in made["reason"].to_pylist()]
    evidence = [json.loads(text) if text else None for text in made["evidence"].to_pylist()]
    assert evidence[4] == {"words": 4}
    assert evidence[11] == {"benchmark": "dev.txt", "example": 7, "overlap": 0.75}
    assert set(made["reason"].drop_null().to_pylist()) <= {rule.reason for rule in selection_rules.RULES}


def twin(family: str, group: str, row: int, rank: int, **more: Any) -> dict[str, Any]:
    default = {"survivor": None, "jaccard": None, "link": None, "link_jaccard": None}
    return {"family": family, "group": group, "bucket": 0, "row": row, "rank": rank, "key": f"s:{row}"} | default | more


def settled(members: list[dict[str, Any]], keep: list[bool], config: Selection | None = None) -> dict[int, Any]:
    table = pa.Table.from_pylist(members, dedup_stage.TWINS)
    made = election.elect(table, np.array(keep), config or Selection()).to_pylist()
    assert len({row["row"] for row in made}) == len(made)
    return {row["row"]: (row["reason"], json.loads(row["evidence"])) for row in made}


CLUSTER = [
    twin("near", "s:1", 1, 0),
    twin("near", "s:1", 2, 1, survivor="s:1", jaccard=0.9, link="s:3", link_jaccard=0.95),
    twin("near", "s:1", 3, 2, survivor="s:1", jaccard=0.7, link="s:2", link_jaccard=0.95),
]


def test_the_best_stays_and_the_others_name_it() -> None:
    made = settled(CLUSTER, [True, True, True])
    assert made[2] == ("near_duplicate", {"survivor": "s:1", "jaccard": 0.9, "link": "s:3", "link_jaccard": 0.95})
    assert made[3][1]["survivor"] == "s:1"
    assert 1 not in made


def test_a_text_is_not_lost_because_its_best_copy_was_dropped_for_another_reason() -> None:
    made = settled(CLUSTER, [False, True, True])
    assert list(made) == [3]
    assert made[3] == (
        "near_duplicate",
        {"survivor": "s:2", "link_jaccard": 0.95, "link": "s:2"} | {"survivor": "s:2"},
    ) or (made[3][1]["survivor"] == "s:2")
    assert settled(CLUSTER, [False, False, True]) == {}


def test_an_exact_copy_is_told_as_such_and_names_the_post_that_stays() -> None:
    copies = [twin("exact", "aa", 2, 0), twin("exact", "aa", 4, 1, survivor="s:2")]
    made = settled([*CLUSTER, twin("near", "s:1", 4, 3, survivor="s:1", jaccard=0.9), *copies], [True] * 6)
    assert made[4][0] == "exact_duplicate"
    assert made[4][1]["survivor"] == "s:1"
    assert made[2][0] == "near_duplicate"


def test_rules_that_are_off_drop_nothing() -> None:
    code = [twin("near_code", "s:8", 8, 0), twin("near_code", "s:8", 9, 1, survivor="s:8", jaccard=1.0)]
    assert settled(code, [True, True]) == {}
    assert settled(code, [True, True], Selection(code_duplicates=False))[9][0] == "code_duplicate"
    assert settled(CLUSTER, [True] * 3, Selection(near_duplicates=True)) == {}
