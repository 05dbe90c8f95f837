"""Presets of plug-ins: every rank has them."""

from pathlib import Path

import pytest
import torch

from socorpus.corpus import toml_config
from socorpus.training.pretrain import cost
from tests.training.runs import train

MINE = """
from socorpus.training import preset

preset(
    "mine",
    {
        "model": {"layers": 1, "hidden": 64, "heads": 2, "ffn": 80, "max_length": 128},
        "batch": {"tokens": 2048, "micro_tokens": 512},
        "schedule": {"tokens": 4096},
        "validation": {"steps": 0},
    },
    base="tiny",
)
"""


def test_two_ranks_train_a_preset_of_a_plugin(corpus: Path, tmp_path: Path) -> None:
    plugin, config = tmp_path / "mine.py", tmp_path / "more.toml"
    plugin.write_text(MINE, "utf-8")
    config.write_text("[optimizer]\nlr = 0.002\n", "utf-8")
    told = train(corpus, tmp_path / "run", config, code=2, preset="mine").stderr
    assert "preset 'mine' is not known; " in told and "--plugin" in told
    shown = train(corpus, tmp_path / "run", config, "--plugin", plugin, "--dry-run", preset="mine").stdout
    assert "layers = 1" in shown and "lr = 0.002" in shown
    # The plan is for what this machine has.
    assert torch.cuda.is_available() or ("1 x this machine's processor" in shown and "H100" not in shown)
    train(corpus, tmp_path / "run", config, "--plugin", plugin, "--gpus", 2, preset="mine")
    made = toml_config.read(tmp_path / "run" / "run.toml")
    assert (made["model"]["layers"], made["model"]["ffn"], made["optimizer"]["lr"]) == (1, 80, 0.002)
    # What `base` has and the preset does not.
    assert made["optimizer"]["name"] == "muon"


@pytest.mark.parametrize(
    ("device", "kind"),
    [
        ("NVIDIA A100-SXM4-40GB", "a100-40"),
        ("NVIDIA A100-SXM4-80GB", "a100"),
        ("NVIDIA H100 PCIe", "h100-pcie"),
        ("NVIDIA H100 NVL", "h100-nvl"),
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA H200", "h200"),
        ("NVIDIA GH200 480GB", "gh200"),
        ("NVIDIA B200", "b200"),
        ("NVIDIA GB200", "gb200"),
        ("NVIDIA L40S", "l40s"),
        ("NVIDIA L4", "l4"),
        ("Tesla T4", "t4"),
        ("NVIDIA GeForce RTX 4090", None),
    ],
)
def test_kinds_are_known_by_their_drivers_names(device: str, kind: str | None) -> None:
    known = cost.named(device)
    assert (known.kind if known else None) == kind
