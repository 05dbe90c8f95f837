"""Pre-training an encoder directly on a corpus's shards, and fine-tuning, evaluation and serving.

The names below are the package's Python API (docs/python.md); each is imported when it is first used.
"""

import os
from typing import TYPE_CHECKING

from socorpus.corpus.lazy import hand_on

# OpenMP reads it once, when torch is imported. By default threads that wait for others keep their cores busy: on a
# machine that does other work too, two threads are then three to five times slower than these.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from socorpus.training.ablation.study import AblationPlan
    from socorpus.training.api import (
        Ablation,
        Comparison,
        ablate,
        connect_model,
        default_folder,
        default_run,
        evaluate,
        export_model,
        finetune,
        load_predictor,
        measured,
        plan_ablation,
        plan_training,
        preset_names,
        serve_model,
        train,
        training_curves,
    )
    from socorpus.training.config import Config
    from socorpus.training.devices import Devices, check_devices
    from socorpus.training.errors import RankError
    from socorpus.training.evaluation.systems import system
    from socorpus.training.examples.example import Data, Example, Prediction
    from socorpus.training.finetuning.progress import FinetuningStep
    from socorpus.training.finetuning.settings import FinetuneSettings
    from socorpus.training.presets import load as load_config
    from socorpus.training.presets import preset
    from socorpus.training.pretrain.log import TrainingStep
    from socorpus.training.pretrain.plan import CostPlan

    __version__: str

__all__ = [
    "Ablation",
    "AblationPlan",
    "Comparison",
    "Config",
    "CostPlan",
    "Data",
    "Devices",
    "Example",
    "FinetuneSettings",
    "FinetuningStep",
    "Prediction",
    "RankError",
    "TrainingStep",
    "__version__",
    "ablate",
    "check_devices",
    "connect_model",
    "default_folder",
    "default_run",
    "evaluate",
    "export_model",
    "finetune",
    "load_config",
    "load_predictor",
    "measured",
    "plan_ablation",
    "plan_training",
    "preset",
    "preset_names",
    "serve_model",
    "system",
    "train",
    "training_curves",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = hand_on(
        __name__,
        {
            "ablation.study": "AblationPlan",
            "api": "Ablation Comparison ablate connect_model default_folder default_run evaluate export_model finetune "
            "load_predictor measured plan_ablation plan_training preset_names serve_model train training_curves",
            "config": "Config",
            "errors": "RankError",
            "evaluation.systems": "system",
            "examples.example": "Data Example Prediction",
            "finetuning.progress": "FinetuningStep",
            "finetuning.settings": "FinetuneSettings",
            "devices": "Devices check_devices",
            "presets": "load:load_config preset",
            "pretrain.log": "TrainingStep",
            "pretrain.plan": "CostPlan",
        },
    )
