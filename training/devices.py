"""What this machine can train on."""

from dataclasses import dataclass
from pathlib import Path

from socorpus.corpus import Advice

_DRIVER = Path("/proc/driver/nvidia/version")
_MAJOR_WITH_BFLOAT16 = 8
"""First generation of NVIDIA's compute capability with bfloat16 and FlashAttention (Ampere)."""


@dataclass(frozen=True)
class Devices:
    """The GPUs of this machine, as PyTorch sees them.

    Attributes:
        torch: its version; None where it is not installed.
        cuda: the version of CUDA that it was built for; None of one for processors alone.
        gpus: name, bytes of memory and major compute capability of each GPU.
        driver: whether NVIDIA's driver is loaded.
    """

    torch: str | None
    cuda: str | None
    gpus: tuple[tuple[str, int, int], ...]
    driver: bool

    @property
    def advice(self) -> list[Advice]:
        """What is slow here, or lacks something."""
        if self.torch is None:
            return []  # it is among the missing packages
        if self.driver and not self.gpus:
            if self.cuda is None:
                sentence = f"this machine has a GPU, and torch {self.torch} is a build for processors alone"
                return [Advice(sentence, "pip install --force-reinstall torch")]
            sentence = f"this machine has a GPU, and torch {self.torch} can't use it: its driver is older than CUDA "
            return [Advice(sentence + self.cuda)]
        if not self.gpus:
            return [Advice("there is no GPU: `train` works on the cores, where the preset tiny takes minutes")]
        old = [name for name, _, major in self.gpus if major < _MAJOR_WITH_BFLOAT16]
        if old:
            return [Advice(f"{old[0]} has neither bfloat16 nor FlashAttention: it trains in fp32, some times slower")]
        return []


def check_devices() -> Devices:
    """What this machine can train on; imports PyTorch, which takes some seconds.

    Examples:
        >>> isinstance(check_devices().gpus, tuple)
        True
    """
    driver = _DRIVER.exists()
    try:
        import torch
    except ImportError:
        return Devices(None, None, (), driver)
    gpus = []
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            about = torch.cuda.get_device_properties(number)
            gpus.append((str(about.name), int(about.total_memory), int(about.major)))
    return Devices(torch.__version__, torch.version.cuda, tuple(gpus), driver)
