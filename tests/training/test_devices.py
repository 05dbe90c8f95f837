"""What a machine can train on, told from its GPUs, driver and build of PyTorch."""

import pytest
import torch

from socorpus.training import Devices, check_devices


def test_pytorch_s_own_words() -> None:
    devices = check_devices()
    assert devices.torch == torch.__version__ and devices.cuda == torch.version.cuda
    assert len(devices.gpus) == torch.cuda.device_count()


@pytest.mark.parametrize(
    ("devices", "sentence", "command"),
    [
        (Devices("2.13", None, (), True), "a build for processors alone", "pip install --force-reinstall torch"),
        (Devices("2.13", "13.0", (), True), "older than CUDA 13.0", None),
        (Devices("2.13", "13.0", (), False), "there is no GPU", None),
        (Devices("2.13", "13.0", (("Tesla T4", 16 * 10**9, 7),), True), "Tesla T4 has neither bfloat16", None),
    ],
)
def test_what_is_slow_is_told(devices: Devices, sentence: str, command: str | None) -> None:
    (advice,) = devices.advice
    assert sentence in advice.sentence and advice.command == command


def test_a_new_gpu_needs_no_advice() -> None:
    assert Devices("2.13", "13.0", (("NVIDIA H200", 141 * 10**9, 9),), True).advice == []
    assert Devices(None, None, (), True).advice == []
