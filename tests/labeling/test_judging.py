"""Samples for judging by hand: drawn from what is kept apart, without the labels; the score of what was judged."""

import json
from pathlib import Path

import pytest

from benchmarks import judging
from tests.building import manifest


def test_draws_come_from_the_half_that_is_kept_apart_and_show_no_label(built: Path) -> None:
    drawn = judging.draw([[built], [built]], "quality", 5, seed=3)
    assert drawn == judging.draw([[built]], "quality", 5, seed=3)
    threads = {key: label["thread_id"] for key, label, _ in judging.labels(built, "quality")}
    assert drawn and all(judging.kept_apart(key[0], threads[key]) for key, _ in drawn)
    assert all(not {"label", "probability", "votes"} & set(page) for _, page in drawn)
    assert {key for key, _ in drawn} != {key for key, _ in judging.draw([[built]], "quality", 5, seed=4)}


def test_a_span_is_marked_in_its_text(built: Path) -> None:
    for (*_, start, end), page in judging.draw([[built]], "entities", 3, seed=1):
        assert f"⟦{page['span']}⟧" in page["text"] and len(page["span"]) == end - start


def test_precision_by_class_of_what_was_judged(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "JUDGED", tmp_path)
    labels = [(key, label) for key, label, _ in judging.labels(built, "closure")]
    chosen = [next(pair for pair in labels if pair[1]["label"] == name) for name in ("open", "duplicate")]
    verdicts = ("open", "off_topic")
    rows = [{"key": key, "verdict": verdict} for (key, _), verdict in zip(chosen, verdicts, strict=True)]
    rows.append({"key": labels[-1][0], "verdict": judging.UNSURE})
    (tmp_path / "closure.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    scored = {row["label"]: row for row in judging.precision([built], "closure")}
    assert [scored[name]["judged"] for name in ("open", "duplicate")] == [1, 1]
    assert [scored[name]["right"] for name in ("open", "duplicate")] == [1, 0]
    counts = manifest(built)["labels"]["closure"]["labels"]
    assert scored["open"]["labels"] == sum(split["open"] for split in counts.values())
    share, spread = judging.weighted(list(scored.values()))
    number = {name: scored[name]["labels"] for name in ("open", "duplicate")}
    assert share == pytest.approx(number["open"] / sum(number.values())) and spread > 0.2


def test_wilson_s_interval() -> None:
    # Newcombe (1998), table I: 81 of 263.
    assert judging.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_what_was_judged_has_keys_and_verdicts_only() -> None:
    for path in judging.JUDGED.glob("*.jsonl"):
        for line in path.read_text("utf-8").splitlines():
            row = json.loads(line)
            assert set(row) == {"key", "verdict", "drawn"}, path
            assert all(isinstance(part, int | None) or len(part) < 65 for part in row["key"])
