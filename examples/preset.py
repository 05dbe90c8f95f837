"""A preset of your own: the shape of a model, and how it is trained.

    socorpus plan corpus --preset narrow --gpu l4 --plugin examples/preset.py
    socorpus train corpus --preset narrow --plugin examples/preset.py

docs/training.md lists all keys. `base` names a preset whose values hold where none is given here.
"""

from socorpus.training import preset

preset(
    "narrow",
    {
        "model": {"layers": 8, "hidden": 192, "heads": 6, "ffn": 288, "max_length": 1024},
        "masking": {"rate": 0.25},
        "optimizer": {"lr": 2e-3},
        "schedule": {"tokens": 500_000_000, "warmup": 0.05},
        "batch": {"tokens": 65_536, "micro_tokens": 16_384},
    },
    base="mini",
)
