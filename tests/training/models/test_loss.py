"""The loss of masked tokens, in chunks."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch.utils._python_dispatch import TorchDispatchMode

from socorpus.training.models import loss

WIDTH, VOCABULARY, POSITIONS = 24, 500, 700


def tensors(dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(2)
    hidden, weight, bias = torch.randn(POSITIONS, WIDTH), torch.randn(VOCABULARY, WIDTH), torch.randn(VOCABULARY)
    labels = torch.randint(VOCABULARY, (POSITIONS,))
    labels[::7] = loss.IGNORED
    return *(part.to(dtype).requires_grad_() for part in (hidden, weight, bias)), labels


def plain(hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(F.linear(hidden, weight, bias).float(), labels, reduction="sum")


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("chunk_bytes", [1, 200_000, 1 << 30])
@pytest.mark.parametrize(("dtype", "near"), [(torch.float32, 1e-6), (torch.bfloat16, 6e-3)])
def test_it_is_pytorchs_cross_entropy(
    dtype: torch.dtype, near: float, chunk_bytes: int, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(loss._CHUNK_BYTES, "cpu", chunk_bytes)
    *wanted_of, labels = tensors(dtype)
    wanted = plain(*wanted_of, labels)
    wanted.backward(torch.tensor(0.5))
    *found_of, labels = tensors(dtype)
    found = loss.summed_loss(*found_of, labels, compiled=compiled)
    found.backward(torch.tensor(0.5))
    assert found.dtype == torch.float32 and found.item() == pytest.approx(wanted.item(), rel=near)
    for mine, theirs in zip(found_of, wanted_of, strict=True):
        assert mine.grad is not None and theirs.grad is not None and mine.grad.dtype == dtype
        assert (mine.grad.float() - theirs.grad.float()).norm() < near * theirs.grad.float().norm()


def test_very_large_and_equal_logits_stay_finite() -> None:
    hidden = torch.tensor([[200.0], [-200.0], [0.0]], requires_grad=True)
    weight, bias = torch.tensor([[1.0], [-1.0], [1.0]], requires_grad=True), torch.zeros(3, requires_grad=True)
    found = loss.summed_loss(hidden, weight, bias, torch.tensor([1, 1, 2]))
    found.backward()
    assert found.item() == pytest.approx(plain(hidden, weight, bias, torch.tensor([1, 1, 2])).item())
    assert hidden.grad is not None and torch.isfinite(hidden.grad).all()


class Largest(TorchDispatchMode):
    """Keeps the number of elements of the largest tensor of floating-point numbers that is made, and operations."""

    elements = 0

    def __init__(self) -> None:
        super().__init__()
        self.operations = set[str]()

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        made = function(*arguments, **(keywords or {}))
        self.operations.add(function.overloadpacket.__name__)
        if isinstance(made, torch.Tensor) and made.is_floating_point():
            self.elements = max(self.elements, made.numel())
        return made


def test_no_more_logits_are_held_than_a_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(loss._CHUNK_BYTES, "cpu", 4 * 64 * VOCABULARY)
    *parts, labels = tensors()
    with Largest() as largest:
        loss.summed_loss(*parts, labels).backward()
    assert largest.elements == 64 * VOCABULARY < POSITIONS * VOCABULARY / 10


def test_without_gradients_none_are_computed() -> None:
    *parts, labels = tensors()
    with torch.no_grad(), Largest() as largest:
        found = loss.summed_loss(*parts, labels)
    assert found.item() == pytest.approx(plain(*parts, labels).item(), rel=1e-6)
    assert "addmm" in largest.operations and "mm" not in largest.operations
