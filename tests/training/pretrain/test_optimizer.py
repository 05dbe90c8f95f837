"""Gradients summed over ranks, and the steps that follow from them."""

import multiprocessing
import os
from collections.abc import Mapping
from typing import Any

import pytest
import torch

from socorpus.training.config import OptimizerSettings
from socorpus.training.pretrain import distributed
from socorpus.training.pretrain.distributed import free_port
from socorpus.training.pretrain.optimizer import Optimizer

STEPS, MICRO_BATCHES, ROWS = 4, 2, 12
BUCKET = 150
"""Less than the matrices below have: several buckets, and one that is filled up."""


class Network(torch.nn.Module):
    """Matrices inside `layers`, as Muon takes them, and outside."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(11, 13)
        self.layers = torch.nn.ModuleList([torch.nn.Linear(13, 13), torch.nn.Linear(13, 7)])
        self.last = torch.nn.Linear(7, 3)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        rows = self.first(rows)
        for layer in self.layers:
            rows = layer(rows.tanh())
        result: torch.Tensor = self.last(rows.tanh())
        return result


def network(dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    torch.manual_seed(1)
    return Network().to(dtype)


def batch(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(step)
    return torch.randn(ROWS, 11, generator=random), torch.randn(ROWS, 3, generator=random)


def trained(settings: OptimizerSettings, zero: bool, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    """Weights and moments after some steps on this rank's rows."""
    with distributed.joined() as ranks:
        model = network(dtype)
        optimizer = Optimizer(model, settings, ranks, zero, BUCKET)
        for step in range(STEPS):
            inputs, targets = (rows[ranks.data_rank :: ranks.data].to(dtype) for rows in batch(step))
            for number in range(MICRO_BATCHES):
                if number == MICRO_BATCHES - 1:
                    optimizer.last()
                part = slice(number, None, MICRO_BATCHES)
                (model(inputs[part]) - targets[part]).float().square().sum().backward()
            norm = optimizer.gather(ROWS)
            # One step is bad, and must change nothing.
            optimizer.step(norm, 1.0 - step / 10, torch.tensor(step != 2))
        again = Optimizer(network(dtype), settings, ranks, zero, BUCKET)
        state = optimizer.state()
        again.load({kind: {name: tensor.clone() for name, tensor in of.items()} for kind, of in state.items()})
        own = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        return {
            **{f"{kind} {name}": tensor.clone() for kind, of in again.state().items() for name, tensor in of.items()},
            **{f"model {name}": tensor for name, tensor in own.items()},
        }


def _rank(rank: int, of: int, port: int, results: Any, arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    place = {"RANK": rank, "WORLD_SIZE": of, "LOCAL_RANK": rank, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in place.items()})
    results.put((rank, {name: tensor.float().numpy() for name, tensor in trained(*arguments).items()}))


def by_ranks(count: int, *arguments: Any) -> list[dict[str, torch.Tensor]]:
    """What each of some ranks has at the end."""
    # Not from this process, where other tests may have joined ranks: gloo's threads don't survive a fork.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "megatron.core.models.bert.bert_model"])
    results, port = context.Queue(), free_port()
    ranks = [context.Process(target=_rank, args=(rank, count, port, results, arguments)) for rank in range(count)]
    for process in ranks:
        process.start()
    found: Mapping[int, Any] = dict(results.get(timeout=120) for _ in ranks)
    for process in ranks:
        process.join(60)
        assert process.exitcode == 0
    return [{name: torch.from_numpy(values) for name, values in found[rank].items()} for rank in range(count)]


def plain(settings: OptimizerSettings) -> dict[str, torch.Tensor]:
    """The same by PyTorch's own AdamW and clipping, on all rows."""
    model = network()
    matrices = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.dim() == 1]
    groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    adamw = torch.optim.AdamW(groups, betas=(settings.beta1, settings.beta2), eps=settings.eps)
    for step in range(STEPS):
        if step == 2:
            continue
        inputs, targets = batch(step)
        adamw.zero_grad()
        ((model(inputs) - targets).square().sum() / ROWS).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        for group in adamw.param_groups:
            group["lr"] = settings.lr * (1.0 - step / 10)
        adamw.step()
    return {f"model {name}": parameter.detach() for name, parameter in model.named_parameters()}


SETTINGS = OptimizerSettings(lr=0.05, weight_decay=0.1, clip=0.5, eps=1e-3)
"""With such an eps, rounding of small gradients does not become whole steps."""


@pytest.mark.parametrize(("ranks", "zero"), [(1, False), (1, True), (2, False), (2, True), (3, True)])
def test_any_number_of_ranks_makes_the_steps_of_pytorchs_adamw(ranks: int, zero: bool) -> None:
    wanted = plain(SETTINGS)
    for found in by_ranks(ranks, SETTINGS, zero):
        for name, values in wanted.items():
            assert (found[name] - values).abs().max() < 1e-5, name  # of steps of 0.05
            assert torch.equal(found[name], found[name.replace("model", "weights")])


@pytest.mark.parametrize("zero", [False, True])
def test_master_weights_are_float32_where_the_model_is_not(zero: bool) -> None:
    wanted = by_ranks(1, SETTINGS, False, torch.bfloat16)[0]
    for found in by_ranks(2, SETTINGS, zero, torch.bfloat16):
        for name, values in found.items():
            assert (values - wanted[name]).abs().mean() < 0.01
            if name.startswith("model"):
                master = found[name.replace("model", "weights")]
                assert master.dtype == torch.float32 and torch.equal(master.bfloat16().float(), values)
                assert not torch.equal(master, values)


@pytest.mark.parametrize("ranks", [1, 2])
def test_muon_leaves_a_bad_step_out_and_is_the_same_on_all_ranks(ranks: int) -> None:
    settings = OptimizerSettings(name="muon", lr=0.05, muon_lr=0.05, clip=0.5)
    first, *others = by_ranks(ranks, settings, False)
    for found in others:
        assert all(torch.equal(values, first[name]) for name, values in found.items())
    assert all(torch.isfinite(values).all() for values in first.values())
    assert {name for name in first if name.startswith("momentum")} == {
        "momentum layers.0.weight",
        "momentum layers.1.weight",
    }
    # So many steps of an orthogonal matrix, each of length muon_lr x 0.2 x the root of the longer side.
    moved = first["model layers.0.weight"] - network().get_parameter("layers.0.weight").detach()
    assert 0.5 < moved.norm(2) / (13**0.5 * 0.2 * 13**0.5 * 0.05 * (1 + 0.9 + 0.7)) < 1.5
