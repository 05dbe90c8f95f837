"""Learns the weights of the model of obsolete answers, and scores the task on the hand-written threads.

Learned from the 136 threads of the half `tune` of tests/labeling/blind_obsolescence.jsonl, and from real comments with
a cue that were judged to say nothing of their post: tests/labeling/judged/obsolescence_cues.jsonl has their keys, a
corpus of the real sites their texts. Nothing is learned from the other half, `held_out`.

python -m benchmarks.obsolescence CORPUS [--write] [--held-out]
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from socorpus.labeling import logistic
from socorpus.labeling.functions import Threads
from socorpus.labeling.tasks.obsolescence import comment_model, comments
from socorpus.labeling.tasks.obsolescence.sentences import OBSOLETE, Plain
from tests.labeling.blind_cases import BlindCase, blind_cases
from tests.labeling.blind_threads import bucket_of, called_obsolete, precision_recall
from tests.labeling.bucket import of_corpus

STRENGTH = 1.0
"""Factor of the L2 penalty."""
THRESHOLD = 0.4
FOLDS = 5
WEIGHTS = Path(__file__).parent.parent / "labeling/tasks/obsolescence/weights.json"
JUDGED = Path(__file__).parent.parent / "tests/labeling/judged/obsolescence_cues.jsonl"
MENDED = ("mended_by_edit", "updated_notice")
"""Threads whose comments were right of the text that they were made on."""
UNTRUE = ("refuted", "withdrawn")
"""Threads whose comments say that the answer is out of date, and err: nothing of their form tells."""


@dataclass(frozen=True)
class Row:
    """A cue, and whether it means that its answer is out of date."""

    features: dict[str, float]
    right: bool
    thread: str


def rows_of(bucket: Threads, posts: Sequence[int]) -> Iterator[tuple[int, int, dict[str, float], bool]]:
    """Post, comment and features of each cue, and whether the rules let it count."""
    by_post = comments.comments_of(bucket, posts)
    for case, _ in comments.cases(bucket, by_post):
        for comment in by_post[case.post]:
            for reading in comments.readings(case, comment, Plain(comment["text"])):
                said = reading.candidate.statement
                counts = said is not None and said.label == OBSOLETE
                yield case.post, comment["comment_id"], dict(reading.features), counts


def by_hand(cases: Sequence[BlindCase]) -> list[Row]:
    """Cues of hand-written threads."""
    rows = []
    for case in cases:
        right = case.obsolete or case.kind in MENDED
        for _, _, features, counts in rows_of(bucket_of(case), [2]):
            # In a thread that says so in the end, what does not count may be anything.
            if case.kind not in UNTRUE and (counts or not right):
                rows.append(Row(features, right, f"hand:{case.id}"))
    return rows


def judged(corpus: Path) -> list[Row]:
    """Cues of real comments that were judged."""
    keys = [json.loads(line) for line in JUDGED.read_text("utf-8").splitlines()]
    verdicts = {(key["site"], key["post_id"], key["comment_id"]): key["obsolete"] for key in keys}
    rows, seen = [], set()
    for bucket in of_corpus(corpus):
        posts = sorted({post for site, post, _ in verdicts if site == bucket.site})
        for post, comment, features, _ in rows_of(bucket, posts):
            key = (bucket.site, post, comment)
            if key in verdicts:
                seen.add(key)
                rows.append(Row(features, verdicts[key], f"{bucket.site}:{post}"))
    if not seen:
        raise SystemExit(
            f"{corpus}: none of the {len(verdicts)} judged comments is there; build it from all real sites"
        )
    print(f"{len(seen)} of {len(verdicts)} judged comments have a cue")
    return rows


def learn(rows: Sequence[Row]) -> dict[str, Any]:
    """Weights of the features and an intercept, rounded to four decimals."""
    x = np.array([[1.0, *(row.features[name] for name in comment_model.FEATURES)] for row in rows])
    right = np.array([row.right for row in rows], np.int64)
    weights = logistic.weights(x, right, STRENGTH)
    named = dict(zip(comment_model.FEATURES, (round(float(weight), 4) for weight in weights[1:]), strict=True))
    return {"threshold": THRESHOLD, "intercept": round(float(weights[0]), 4), "weights": named}


def in_folds(rows: Sequence[Row]) -> list[float]:
    """The probability of each row by a model of the other folds; a thread is in one fold."""
    places = {thread: place % FOLDS for place, thread in enumerate(sorted({row.thread for row in rows}))}
    result = [0.0] * len(rows)
    for fold in range(FOLDS):
        learned = learn([row for row in rows if places[row.thread] != fold])
        for place, row in enumerate(rows):
            if places[row.thread] == fold:
                result[place] = comment_model.of(row.features, learned)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="a corpus built from all real sites, unlabelled or not")
    parser.add_argument("--write", action="store_true", help="write labeling/tasks/obsolescence/weights.json")
    parser.add_argument("--held-out", action="store_true", help="score the threads that nothing is learned from, too")
    options = parser.parse_args()
    console = Console()
    cases = blind_cases("tune")
    rows = by_hand(cases) + judged(options.corpus)
    believed = np.array(in_folds(rows))
    right = np.array([row.right for row in rows])
    least = 1e-6
    loss = -np.log(np.where(right, believed, 1 - believed).clip(least)).mean()
    share = right.mean()
    constant = -(share * np.log(share) + (1 - share) * np.log(1 - share))
    console.print(f"{len(rows)} cues, {right.sum()} right; log loss in folds {loss:.3f}, of a constant {constant:.3f}")
    table = Table("probability", "cues", "right")
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        inside = (believed >= low) & (believed < low + 0.2 + (low == 0.8))
        table.add_row(
            f"{low:.1f} to {low + 0.2:.1f}", str(inside.sum()), f"{right[inside].mean() if inside.any() else 0:.2f}"
        )
    console.print(table)
    learned = learn(rows)
    for name, weight in sorted(learned["weights"].items(), key=lambda item: -item[1]):
        console.print(f"{weight:+.2f} {name}", highlight=False)
    if options.write:
        source = "python -m benchmarks.obsolescence CORPUS --write"
        WEIGHTS.write_text(json.dumps({"made_by": source, "cues": len(rows), **learned}, indent=1) + "\n", "utf-8")
        comment_model.forget()
    for half in ("tune", "held_out") if options.held_out else ("tune",):
        pairs = [(case.obsolete, called_obsolete(bucket_of(case))) for case in blind_cases(half)]
        precision, recall = precision_recall(pairs)
        console.print(f"{half}: precision {precision:.3f} of {sum(b for _, b in pairs)}, recall {recall:.3f}")


if __name__ == "__main__":
    main()
