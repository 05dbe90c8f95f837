"""The only place that drops: signals and the configuration's rules become decisions, each with its reason and evidence.

Rules are tried in the order of `RULES`; the first that applies is the reason. Duplicates come last and are settled
among the posts that all other rules keep, so that a text is never lost because its best copy was dropped for another
reason.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import schema
from socorpus.corpus.config import Selection

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Rule:
    """One reason to drop: a mask over the rows, and the columns that are its evidence."""

    reason: str
    drops: Callable[[pa.Table, Selection], Mask]
    evidence: tuple[str, ...]
    says: str


def _numbers(rows: pa.Table, column: str) -> npt.NDArray[Any]:
    filled = pc.fill_null(rows[column], 0)
    return np.asarray(filled)


def _kind(rows: pa.Table, config: Selection) -> Mask:
    return ~np.asarray(pc.is_in(rows["kind"], pa.array(config.kinds, pa.string())))


def _fabricated(rows: pa.Table, config: Selection) -> Mask:
    planted = (_numbers(rows, "post_id") >= schema.FABRICATED_FROM) & (_numbers(rows, "author_id") == -1)
    return planted & (_numbers(rows, "revisions") == 0) & (not config.fabricated)


def _empty(rows: pa.Table, config: Selection) -> Mask:
    return _numbers(rows, "words") == 0


def _short(rows: pa.Table, config: Selection) -> Mask:
    return _numbers(rows, "words") < config.min_words


def _long(rows: pa.Table, config: Selection) -> Mask:
    return _numbers(rows, "chars") > config.max_chars


def _score(rows: pa.Table, config: Selection) -> Mask:
    return _numbers(rows, "score") < (np.iinfo(np.int32).min if config.min_score is None else config.min_score)


def _language(rows: pa.Table, config: Selection) -> Mask:
    if not config.languages:
        return np.zeros(rows.num_rows, bool)
    other = ~np.asarray(pc.is_in(rows["language"], pa.array([*config.languages, None], pa.string())))
    return other & (_numbers(rows, "probability") >= config.language_probability)


def _code(rows: pa.Table, config: Selection) -> Mask:
    return _numbers(rows, "code_share") > config.max_code_share


def _overlap(rows: pa.Table, config: Selection) -> Mask:
    return _numbers(rows, "overlap") > config.max_overlap


RULES = (
    Rule("kind", _kind, ("kind",), "its kind is not kept (selection.kinds)"),
    Rule("fabricated", _fabricated, ("post_id", "author_id"), "planted in the dump by its publisher"),
    Rule("empty", _empty, ("words",), "no words of its own: no Body, or nothing but markup"),
    Rule("too_short", _short, ("words",), "fewer words than selection.min_words"),
    Rule("too_long", _long, ("chars",), "longer than selection.max_chars"),
    Rule("low_score", _score, ("score",), "a score below selection.min_score"),
    Rule("language", _language, ("language", "probability"), "in a language that is not kept (selection.languages)"),
    Rule("mostly_code", _code, ("code_share",), "more code than selection.max_code_share"),
    Rule("contaminated", _overlap, ("benchmark", "example", "overlap"), "holds a benchmark's example"),
)
"""The rules that look at only one row, in the order in which they are tried."""


DOCUMENT_COLUMNS = ("site", "post_id", "kind", "score", "author_id", "revisions")
SIGNAL_COLUMNS = {
    "statistics": ("words", "chars", "code_share"),
    "language": ("language", "probability"),
    "contamination": ("benchmark", "example", "overlap"),
}
"""Columns that the rules read of each signal."""


@dataclass(frozen=True)
class Dropped:
    """The documents that a rule of the configuration drops.

    Attributes:
        reason: of the rule.
        drops: bool[n].
        evidence: columns that the rule reads and that may be shown, n rows; None: there are none.
    """

    reason: str
    drops: Mask
    evidence: pa.Table | None


def apply_rules(rows: pa.Table, config: Selection, more: Sequence[Dropped] = ()) -> pa.Table:
    """Decisions by the rules of one row.

    Args:
        rows: `DOCUMENT_COLUMNS` and all of `SIGNAL_COLUMNS`, n rows.
        more: rules that are tried after ours.

    Returns:
        n rows of `schema.DECISIONS`, in order.
    """
    reason = np.full(rows.num_rows, -1)
    tried = [*(Dropped(rule.reason, rule.drops(rows, config), rows.select(rule.evidence)) for rule in RULES), *more]
    for number, rule in enumerate(tried):
        reason[(reason < 0) & rule.drops] = number
    names = np.array([rule.reason for rule in tried] + [None], object)[reason]
    evidence = np.full(rows.num_rows, None, object)
    for number, rule in enumerate(tried):
        dropped = np.flatnonzero(reason == number)
        if rule.evidence is None:
            evidence[dropped] = evidence_json({})
            continue
        seen = rule.evidence.take(pa.array(dropped)).to_pylist() if len(dropped) else []
        evidence[dropped] = [evidence_json(row) for row in seen]
    return decision_table(rows, names, evidence)


def decision_table(rows: pa.Table, reasons: npt.NDArray[Any], evidence: npt.NDArray[Any]) -> pa.Table:
    reason = pa.array(reasons.tolist(), pa.string())
    columns = [rows["site"], rows["post_id"], pc.is_null(reason), reason, pa.array(evidence.tolist(), pa.string())]
    return pa.table(columns, schema=schema.DECISIONS)


def evidence_json(facts: Mapping[str, Any]) -> str:
    plain = {k: round(v, 4) if isinstance(v, float) else v for k, v in facts.items() if v is not None}
    return json.dumps(plain, ensure_ascii=False, default=str)  # times are written as text
