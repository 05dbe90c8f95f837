"""The branch for CUDA, on CPU kernels: its attention, its graphs, and how often the host waits for the device."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch._dynamo.utils import counters
from torch.utils._python_dispatch import TorchDispatchMode

from socorpus.training.config import ModelShape, Parallel
from socorpus.training.models import attention
from socorpus.training.pretrain import distributed
from socorpus.training.pretrain.distributed import Ranks
from tests.training.models import cpu_kernels

# Dynamo calls what it traces, and hides of which of megatron-core's and its own ways PyTorch warns.
pytestmark = pytest.mark.filterwarnings("ignore")
TOKENS = 512
LENGTHS = [[200, 12, 300], [512], [1] * 500 + [12], [3, 1] * 128, [256, 256], [2] * 256]
"""Packs of 1 to 501 documents."""


@pytest.fixture(scope="module", autouse=True)
def ranks() -> Iterator[Ranks]:
    cpu_kernels.register()
    with distributed.joined() as joined:
        yield joined


def model(family: str, kernel: str, *, compiled: bool = False, recompute: bool = False) -> Any:
    from socorpus.training.models import encoder

    torch.manual_seed(3)
    shape = ModelShape(family=family, layers=4, hidden=32, heads=4, ffn=48, max_length=TOKENS, window=8, global_every=2)
    built = encoder.build(shape, Parallel(recompute=recompute), 128, compiled=compiled)
    built.kernel = kernel
    return built


def losses(built: Any, lengths: list[int]) -> torch.Tensor:
    ids = (torch.arange(TOKENS) * 7) % 120 + 5
    positions = torch.cat([torch.arange(length) for length in lengths])
    scored, labels = torch.arange(0, TOKENS, 9), torch.arange(0, TOKENS, 9) % 120 + 5
    result: torch.Tensor = built(ids, positions, built.documents(lengths), scored, labels)
    return result


def gradients(built: Any) -> torch.Tensor:
    return torch.cat([weight.grad.flatten() for weight in built.parameters() if weight.grad is not None])


@pytest.mark.parametrize("family", ["sobert", "modern"])
@pytest.mark.parametrize(
    ("kernel", "compiled", "recompute"),
    [
        (attention.MASKED, False, False),
        (attention.VARLEN, False, False),
        (attention.VARLEN, True, False),
        (attention.VARLEN, True, True),
    ],
)
def test_every_kernel_gives_the_same_losses_and_gradients(
    family: str, kernel: str, compiled: bool, recompute: bool
) -> None:
    torch._dynamo.reset()
    plain, other = (
        model(family, attention.DOCUMENTS),
        model(family, kernel, compiled=compiled, recompute=recompute),
    )
    for lengths in ([200, 12, 300], [512], [1] * 12 + [100] * 5):
        results = []
        for built in (plain, other):
            built.zero_grad()
            loss = losses(built, lengths)
            loss.sum().backward()
            results.append((loss.detach(), gradients(built)))
        assert torch.allclose(results[0][0], results[1][0], atol=1e-5)
        assert torch.allclose(results[0][1], results[1][1], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize(("family", "kinds"), [("sobert", 1), ("modern", 3)])
def test_layers_of_a_kind_are_one_graph_for_any_documents(family: str, kinds: int, recompute: bool) -> None:
    torch._dynamo.reset()
    counters.clear()
    built = model(family, attention.VARLEN, compiled=True, recompute=recompute)
    losses(built, LENGTHS[0]).sum().backward()
    # Of `modern` the first layer has no norm before its attention, and others are local or global.
    assert counters["stats"]["unique_graphs"] == kinds and not counters["graph_break"]
    assert counters["stats"]["calls_captured"] >= 39 * kinds
    with torch._dynamo.config.patch(error_on_recompile=True):
        for lengths in LENGTHS[1:]:
            losses(built, lengths).sum().backward()
    assert counters["stats"]["unique_graphs"] == kinds


class Waits(TorchDispatchMode):
    """Counts the operations in which the host waits for a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Any = (), keywords: dict[str, Any] | None = None
    ) -> Any:
        name = str(function)
        if any(word in name for word in ("_local_scalar_dense", "nonzero", "masked_select", "equal.default", "unique")):
            self.seen.append(name)
        return function(*arguments, **(keywords or {}))


@pytest.mark.parametrize("family", ["sobert", "modern"])
@pytest.mark.parametrize("kernel", [attention.VARLEN, attention.MASKED])
def test_the_model_never_waits_for_the_device(family: str, kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    built = model(family, kernel)
    lengths = LENGTHS[0]
    where = built.documents(lengths)
    ids = (torch.arange(TOKENS) * 7) % 120 + 5
    positions = torch.cat([torch.arange(length) for length in lengths])
    scored = torch.arange(0, TOKENS, 9)
    if kernel == attention.VARLEN:
        # What stands in for CUDA's kernel reads the bounds; that is no part of the model.
        monkeypatch.setattr(cpu_kernels, "bounds", lambda _: [0, 200, 212, 512])
        monkeypatch.setattr(cpu_kernels, "same", lambda *_: True)
    with Waits() as waits:
        built(ids, positions, where, scored, scored % 120 + 5).sum().backward()
    assert waits.seen == []


def test_all_tokens_lie_within_the_bounds() -> None:
    """FlashAttention's backward gives NaN for tokens behind the last bound (pytorch#176793)."""
    for lengths in LENGTHS:
        where = attention.documents(lengths, torch.device("cpu"), TOKENS, attention.VARLEN)
        assert where.cu_seqlens_q is not None
        assert int(where.cu_seqlens_q[-1]) == TOKENS and len(where.cu_seqlens_q) == len(lengths) + 1
        assert where.max_seqlen_q == max(lengths)


@pytest.mark.parametrize(
    ("device", "dtype", "capability", "kernel"),
    [
        ("cpu", torch.bfloat16, (0, 0), attention.DOCUMENTS),
        ("cuda", torch.bfloat16, (9, 0), attention.VARLEN),
        ("cuda", torch.bfloat16, (8, 0), attention.VARLEN),
        ("cuda", torch.float16, (8, 6), attention.VARLEN),
        ("cuda", torch.float32, (9, 0), attention.MASKED),
        ("cuda", torch.float16, (7, 5), attention.MASKED),
    ],
)
def test_flash_attention_is_for_half_precision_on_ampere_and_later(
    device: str, dtype: torch.dtype, capability: tuple[int, int], kernel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert attention.kernel(torch.device(device), dtype) == kernel
