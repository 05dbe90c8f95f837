"""Presets of plug-ins: every rank has them."""

from pathlib import Path

from socorpus.corpus import toml_config
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
    train(corpus, tmp_path / "run", config, "--plugin", plugin, "--gpus", 2, preset="mine")
    made = toml_config.read(tmp_path / "run" / "run.toml")
    assert (made["model"]["layers"], made["model"]["ffn"], made["optimizer"]["lr"]) == (1, 80, 0.002)
    # What `base` has and the preset does not.
    assert made["optimizer"]["name"] == "muon"
