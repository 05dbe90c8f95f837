"""The script for a day with a GPU, rehearsed on the CPU: every part and every flag."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.gpu import parts, run
from tests.training.runs import environment

SMALL = {
    "model": {"layers": 2, "hidden": 32, "heads": 2, "ffn": 48, "max_length": 128, "window": 16},
    "batch": {"tokens": 1024, "micro_tokens": 512},
}


def started(corpus: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.gpu.run", str(corpus), "-o", str(out)]
    flags = ["--presets", "sobert-tiny,tiny", "--seconds", "0.01", "--price", "2.5", "--overrides", json.dumps(SMALL)]
    return subprocess.run(
        [*command, *flags, *more], capture_output=True, text=True, timeout=500, check=False, env=environment()
    )


@pytest.mark.slow
def test_every_part_leaves_its_figures(corpus: Path, tmp_path: Path) -> None:
    done = started(corpus, tmp_path, "--limit", "5")
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text("utf-8"))
    assert list(figures) == list(parts.PARTS) == list(run.LIMITS)
    assert not [name for name, found in figures.items() if "error" in found]
    for name, found in figures.items():
        assert json.loads((tmp_path / f"{name}.json").read_text("utf-8")) == found
    for preset in ("sobert-tiny", "tiny"):
        row = figures["rates"][preset]["eager"]
        assert row["tokens_per_second"] > 0 and row["peak_gigabytes"] > 0 and 0 < row["optimizer_share"] < 1
        assert row["micro_tokens"] in map(int, row["rates_by_micro_tokens"])
    assert figures["peers"]["tiny"]["transformers ModernBERT"]["tokens_per_second"] > 0
    trained = figures["trained"]
    assert len(trained["losses"]) == 12 and len(trained["trace"]) == 1 and trained["seconds_to_first_step"] > 0
    assert abs(trained["two ranks"]["loss"] - trained["two ranks"]["loss_of_one_rank"]) < 1e-4
    table = (tmp_path / "table.md").read_text("utf-8")
    assert "| tiny | eager, no FlashAttention |" in table and "- trained: done" in table


def test_a_part_that_fails_or_takes_too_long_does_not_stop_the_others(tmp_path: Path) -> None:
    done = started(tmp_path / "none", tmp_path / "out", "--parts", "parity,peers")
    assert done.returncode == 1
    figures = json.loads((tmp_path / "out/figures.json").read_text("utf-8"))
    assert list(figures) == ["parity", "peers"]
    assert "no finished corpus" in figures["parity"]["error"] or "none" in figures["parity"]["error"]
    done = started(tmp_path / "none", tmp_path / "late", "--parts", "machine,graphs", "--limit", "0.001")
    figures = json.loads((tmp_path / "late/figures.json").read_text("utf-8"))
    assert done.returncode == 1 and "took more than 0 s" in figures["machine"]["error"]
