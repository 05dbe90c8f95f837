"""The branch for CUDA, on CPU kernels: its attention, its graphs, and how often the host waits for the device."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._dynamo.utils import counters
from torch.nn.attention import current_flash_attention_impl

from socorpus.corpus.errors import InputError
from socorpus.training.config import ModelShape, OptimizerSettings, Parallel
from socorpus.training.models import attention
from socorpus.training.pretrain import distributed
from socorpus.training.pretrain.distributed import Ranks
from socorpus.training.pretrain.optimizer import Optimizer
from tests.training.models import cpu_kernels
from tests.training.waits import Waits

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


def losses(built: Any, lengths: list[int], every: int = 9) -> torch.Tensor:
    ids = (torch.arange(TOKENS) * 7) % 120 + 5
    positions = torch.cat([torch.arange(length) for length in lengths])
    scored, labels = torch.arange(0, TOKENS, every), torch.arange(0, TOKENS, every) % 120 + 5
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
    # Of `modern` the first layer has no norm before its attention, and others are local or global; then come the head
    # and the two halves of the loss.
    graphs = kinds + 3
    assert counters["stats"]["unique_graphs"] == graphs and not counters["graph_break"]
    assert counters["stats"]["calls_captured"] >= 39 * kinds
    with torch._dynamo.config.patch(error_on_recompile=True):
        for every, lengths in enumerate(LENGTHS[1:], 2):
            losses(built, lengths, every).backward()
    assert counters["stats"]["unique_graphs"] == graphs


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


@pytest.mark.parametrize("family", ["sobert", "modern"])
def test_a_step_keeps_to_the_device_and_the_types(ranks: Ranks, family: str) -> None:
    """On `meta`, whose tensors have no values: reading one, or mixing in one of the host's, is an error."""
    meta = torch.device("meta")
    built = model(family, attention.VARLEN).bfloat16().to(meta)
    optimizer = Optimizer(built, OptimizerSettings(), replace(ranks, device=meta))
    ids = torch.zeros(TOKENS, dtype=torch.int64, device=meta)
    scored = torch.zeros(64, dtype=torch.int64, device=meta)
    for lengths in LENGTHS[:3]:
        optimizer.last()
        loss = built(ids, ids, built.documents(lengths), scored, scored)
        assert loss.device == meta and loss.dtype == torch.float32
        loss.backward()
        norm = optimizer.gather(torch.ones((), dtype=torch.float64, device=meta))
        assert norm.device == meta and norm.dtype == torch.float32
        optimizer.step(norm, 0.5, torch.isfinite(norm))
    assert all(weight.dtype == torch.bfloat16 and weight.grad is None for weight in built.parameters())
    state = optimizer.state()
    assert set(state) == {"weights", "exp_avg", "exp_avg_sq"}
    assert {tensor.dtype for tensors in state.values() for tensor in tensors.values()} == {torch.float32}


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


PACKAGE = """
import torch
kernels = torch.library.Library("flash_attn_3", "DEF")
kernels.define("fwd(Tensor q) -> Tensor")
kernels.define("bwd(Tensor q) -> Tensor")
"""


def test_flash_attention_3_is_used_on_hopper_where_its_package_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its kernels are never called here: PyTorch registers them for CUDA."""
    device = torch.device("cuda", 0)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    assert attention.flash(None, device) == "FA2" == attention.flash(None, torch.device("cpu"))
    with pytest.raises(InputError, match=r"parallel.flash_attention = 'FA3'.*install flash_attn_interface"):
        attention.flash("FA3", device)
    (tmp_path / "flash_attn_interface.py").write_text(PACKAGE, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert attention.flash(None, device) == "FA3" == current_flash_attention_impl()
    assert attention.flash("FA2", device) == "FA2" and current_flash_attention_impl() is None
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 0))
    assert attention.flash(None, device) == "FA2"
    assert attention.flash("FA3", device) == "FA3"
    attention.flash("FA2", device)
