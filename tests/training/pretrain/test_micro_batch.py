"""The size of a micro-batch, found by measurement."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from socorpus import training
from socorpus.training import presets
from socorpus.training.pretrain import micro_batch
from tests.training.runs import configure, log


@pytest.mark.parametrize(
    ("length", "most", "sizes"), [(2048, 16384, [2048, 4096, 8192, 16384]), (100, 250, [100, 200, 250])]
)
def test_sizes_double_up_to_a_ranks_share_of_a_step(length: int, most: int, sizes: list[int]) -> None:
    assert micro_batch.candidates(length, most) == sizes


@pytest.mark.parametrize(
    ("rates", "wanted", "tried"),
    [
        # Rates by size; nothing where it does not fit.
        ([10.0, 20.0, 30.0, 30.5, 30.6, 30.7], 4, 6),
        ([10.0, 20.0, None], 2, 2),
        ([30.0, 20.0, 10.0, 40.0], 1, 3),
        ([None], 1, 0),
    ],
)
def test_the_smallest_is_taken_that_is_nearly_the_fastest(rates: list[float | None], wanted: int, tried: int) -> None:
    sizes = [2**number for number in range(len(rates))]
    of = dict(zip(sizes, rates, strict=True))

    def seconds(size: int) -> float | None:
        rate = of[size]
        return None if rate is None else size / rate

    chosen, measured = micro_batch.fastest(sizes, seconds)
    assert chosen == wanted and len(measured) == tried


def test_what_does_not_fit_the_memory_is_no_error() -> None:
    def full() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    assert micro_batch.timed(full, torch.device("cpu")) is None


def test_it_is_measured_once_and_kept(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = configure(tmp_path, 4, "steps = 2").read_text("utf-8").replace("micro_tokens = 512", "measure = true")
    (tmp_path / "measured.toml").write_text(text, "utf-8")
    config = presets.load("tiny", tmp_path / "measured.toml")
    tried: list[int] = []
    trial = micro_batch.trial

    def noted(size: int, *arguments: Any) -> Any:
        tried.append(size)
        return trial(size, *arguments)

    monkeypatch.setattr(micro_batch, "trial", noted)
    training.train(corpus, tmp_path / "run", config=config)
    kept = json.loads((tmp_path / "run/run.json").read_text("utf-8"))["micro_batch"]
    assert tried[:3] == [128, 256, 512] and kept["micro_tokens"] in tried
    assert kept["device"] == "CPU" and len(kept["tokens_per_second"]) == len(tried)
    # Weights are as if nothing had been measured; the micro-batch changes sums by rounding only.
    plain = presets.load("tiny", configure(tmp_path / "plain", 4, "steps = 2"))
    training.train(corpus, tmp_path / "other", config=plain)
    for mine, other in zip(log(tmp_path / "run"), log(tmp_path / "other"), strict=True):
        assert mine["loss"] == pytest.approx(other["loss"], rel=1e-5)
    # The run goes on with it, and a larger step is measured anew.
    tried.clear()
    longer = presets.load("tiny", tmp_path / "measured.toml", {"schedule": {"tokens": 6 * 2048}})
    assert training.train(corpus, tmp_path / "run", config=longer)["step"] == 6
    assert tried == []
    larger = {"schedule": {"tokens": 9 * 2048}, "batch": {"tokens": 4096}}
    training.train(corpus, tmp_path / "run", config=presets.load("tiny", tmp_path / "measured.toml", larger))
    assert tried
