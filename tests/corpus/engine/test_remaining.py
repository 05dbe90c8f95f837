"""The time left of a whole command: what it is made of, and that it is right on a build."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from socorpus.corpus import plan
from socorpus.corpus.engine.remaining import Remaining
from tests.building import socorpus


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_stages_to_come_take_as_many_times_as_long_as_those_before() -> None:
    clock = Clock()
    remaining = Remaining({"read": 10.0, "sort": 10.0, "write": 80.0}, clock)
    assert remaining.whole() is None
    remaining.begin("read", 1.0)
    clock.now = 30.0
    remaining.advance(1.0)
    remaining.end()
    whole = remaining.whole()
    # 90 seconds of costs are left; one stage was three times slower, and it was a tenth of all.
    assert whole is not None and 90 < whole.seconds_left < 270
    remaining.begin("sort", 1.0)
    clock.now = 60.0
    remaining.end()
    whole = remaining.whole()
    assert whole is not None and 170 < whole.seconds_left < 240
    remaining.begin("write", 1.0)
    clock.now = 180.0
    remaining.advance(0.5)
    whole = remaining.whole()
    assert whole is not None and whole.seconds_left == pytest.approx(120.0) and whole.share == pytest.approx(0.6)
    clock.now = 300.0
    remaining.advance(1.0)
    remaining.end()
    whole = remaining.whole()
    assert whole is not None and (whole.share, whole.seconds_left) == (1.0, 0.0)


def test_stages_that_were_kept_or_passed_over_cost_nothing() -> None:
    clock = Clock()
    remaining = Remaining({"read": 100.0, "sort": 10.0, "write": 10.0}, clock)
    remaining.begin("read", 0.0)
    remaining.end()
    assert remaining.whole() is None
    remaining.begin("write", 1.0)
    clock.now = 5.0
    remaining.advance(0.5)
    whole = remaining.whole()
    assert whole is not None and whole.seconds_left == pytest.approx(5.0)


def test_a_stage_that_takes_longer_than_it_was_to_is_never_said_to_be_done() -> None:
    clock = Clock()
    remaining = Remaining({"read": 1.0}, clock)
    remaining.begin("read", 1.0)
    clock.now = 1000.0
    whole = remaining.whole()
    assert whole is not None and whole.seconds_left >= 100 and whole.share < 1


def test_costs_grow_with_the_dump_and_fall_with_the_workers() -> None:
    small, large = (plan.stage_seconds(size, 64, 1) for size in (10**7, 10**9))
    assert list(small) == list(large) and list(large)[-1] == "report"
    assert all(small[stage] <= large[stage] for stage in small)
    side_by_side = plan.stage_seconds(10**9, 64, 4)
    assert side_by_side["label_vote"] == pytest.approx(large["label_vote"] / 4)
    assert side_by_side["tokenizer"] == large["tokenizer"] <= 20
    assert not any(stage.startswith("label_") for stage in plan.stage_seconds(10**9, 64, 4, labels=False))
    assert "documents" not in plan.stage_seconds(10**9, 64, 4, corpus=False)
    assert "read" not in plan.stage_seconds(10**9, 64, 4, read=False)


@pytest.mark.slow
def test_from_a_fifth_on_a_build_says_its_time_left_within_a_factor_of_two(tmp_path: Path) -> None:
    socorpus("sample", tmp_path / "dump", "--size-mb", 12)
    log = tmp_path / "log.jsonl"
    socorpus("build", tmp_path / "dump", "-o", tmp_path / "corpus", "--workers", 0, "--log", log)
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    times = [datetime.fromisoformat(line["time"]).timestamp() for line in lines]
    whole = times[-1] - times[0]
    held = 0
    for line, moment in zip(lines, times, strict=True):
        passed, left = moment - times[0], times[-1] - moment
        # Of the last seconds the word "about" is all that is promised.
        if line["event"] == "stage" and passed >= 0.2 * whole and left > max(3.0, 0.05 * whole):
            held += 1
            assert 0.5 < line["whole_seconds_left"] / left < 2, (line, left, whole)
    assert held >= 5
