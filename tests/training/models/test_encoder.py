"""The encoder's shapes and its attention."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from socorpus.training import config, presets
from socorpus.training.config import ModelShape
from socorpus.training.models import attention
from socorpus.training.pretrain import cost, distributed, optimizer
from socorpus.training.pretrain.distributed import Ranks


@pytest.fixture(scope="module")
def ranks() -> Iterator[Ranks]:
    with distributed.joined() as made:
        yield made


@pytest.mark.parametrize(
    ("preset", "millions"),
    [("sobert-base", 125.7), ("sobert-large", 762.4), ("modern-base", 149.4), ("modern-large", 395.6), ("mini", 32.0)],
)
def test_sizes_are_those_of_the_papers(preset: str, millions: float) -> None:
    assert round(cost.parameters(presets.load(preset).model, 50_048) / 1e6, 1) == millions
    exact = {"sobert-base": 125_707_904, "sobert-large": 762_392_960}
    assert cost.parameters(presets.load(preset).model, 50_048) == exact.get(
        preset, cost.parameters(presets.load(preset).model, 50_048)
    )


@pytest.mark.parametrize("preset", ["tiny", "sobert-tiny", "mini", "sobert-base"])
def test_the_built_model_has_as_many_parameters_as_are_counted(ranks: Ranks, preset: str) -> None:
    from socorpus.training.models import encoder

    settings = presets.load(preset)
    made = encoder.build(settings.model, settings.parallel, 50_048)
    assert sum(one.numel() for one in made.parameters()) == cost.parameters(settings.model, 50_048)


def masked(lengths: list[int], window: tuple[int, int]) -> torch.Tensor:
    """Which token sees which, bool[tokens, tokens]."""
    of = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    seen = of[:, None] == of[None, :]
    if window != attention.EVERYWHERE:
        ahead = torch.arange(len(of))[None, :] - torch.arange(len(of))[:, None]
        seen &= (ahead >= -window[0]) & (ahead <= window[1])
    return seen


@pytest.mark.parametrize("window", [attention.EVERYWHERE, (4, 4), (1, 1)])
def test_packed_attention_is_padded_attention(window: tuple[int, int]) -> None:
    torch.manual_seed(1)
    lengths = [17, 1, 64, 3, 30]
    q, k, v = (torch.randn(sum(lengths), 4, 16, dtype=torch.float64, requires_grad=True) for _ in range(3))
    mine = attention.one_by_one(q, k, v, lengths, 0.25, window)
    heads = (one.transpose(0, 1)[None] for one in (q, k, v))
    other = F.scaled_dot_product_attention(*heads, attn_mask=masked(lengths, window), scale=0.25)[0].transpose(0, 1)
    assert torch.allclose(mine, other, atol=1e-12)
    weights = torch.randn_like(mine)
    for one, two in zip(
        torch.autograd.grad((mine * weights).sum(), (q, k, v)),
        torch.autograd.grad((other * weights).sum(), (q, k, v)),
        strict=True,
    ):
        assert torch.allclose(one, two, atol=1e-11)


@pytest.mark.parametrize("family", ["sobert", "modern"])
def test_no_token_sees_another_document(ranks: Ranks, family: str) -> None:
    from socorpus.training.models import encoder

    torch.manual_seed(2)
    shape = ModelShape(family=family, layers=3, hidden=32, heads=4, ffn=48, max_length=64, window=8, global_every=2)
    made = encoder.build(shape, config.Parallel(), 128)
    lengths = [20, 5, 33]
    ids = torch.randint(5, 128, (sum(lengths),))
    positions = torch.cat([torch.arange(length) for length in lengths])
    where = made.documents(lengths)
    with torch.no_grad():
        together = made(ids, positions, where)
        changed = ids.clone()
        changed[20:25] = (ids[20:25] + 1) % 128
        other = made(changed, positions, where)
        assert torch.equal(together[:20], other[:20]) and torch.equal(together[25:], other[25:])
        assert not torch.allclose(together[20:25], other[20:25])
        at = 0
        for length in lengths:
            own = made.documents([length])
            alone = made(ids[at : at + length], positions[at : at + length], own)
            assert torch.allclose(alone, together[at : at + length], atol=1e-5)
            at += length


@pytest.mark.parametrize("recompute", [False, True])
def test_recomputation_changes_no_gradient(ranks: Ranks, recompute: bool) -> None:
    from socorpus.training.models import encoder

    gradients = []
    for again in (False, recompute):
        torch.manual_seed(3)
        shape = ModelShape(layers=2, hidden=32, heads=4, ffn=48, max_length=64, window=8)
        made = encoder.build(shape, config.Parallel(recompute=again), 128)
        ids = torch.arange(40) % 120 + 5
        where = made.documents([40])
        made(ids, torch.arange(40), where, torch.tensor([3, 9]), torch.tensor([7, 8])).sum().backward()
        gradients.append(torch.cat([one.grad.flatten() for one in made.parameters() if one.grad is not None]))
    assert torch.allclose(*gradients, atol=1e-6)


def test_muon_makes_its_step_nearly_orthogonal() -> None:
    torch.manual_seed(4)
    for shape in ((48, 16), (16, 48), (32, 32)):
        values = torch.linalg.svdvals(optimizer.newton_schulz(torch.randn(shape)))
        assert values.min() > 0.5 and values.max() < 1.3


def test_arithmetic_is_counted_by_lengths() -> None:
    shape = presets.load("sobert-base").model
    short = cost.flops(shape, 50_048, cost.work([512] * 4, 307, shape))
    long = cost.flops(shape, 50_048, cost.work([2048], 307, shape))
    # Attention alone differs: 4 products' worth of hidden x the tokens that each token sees, three times, each layer.
    assert long - short == pytest.approx(3 * 12 * 4 * 768 * (2048**2 - 4 * 512**2))
    per_token = cost.flops(shape, 50_304, cost.work([600] * 100, 18_000, shape)) / 60_000
    assert per_token == pytest.approx(0.65e9, rel=0.03)


def test_training_needs_neither_dask_nor_lxml_nor_label_studio() -> None:
    script = """
import sys
class Block:
    names = {'dask', 'distributed', 'lxml', 'bs4', 'label_studio_sdk', 'datasketch', 'numba', 'httpx'}
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in self.names:
            raise ImportError(name + ' is not to be had')
sys.meta_path.insert(0, Block())
import pkgutil, importlib, warnings
warnings.simplefilter('ignore')
import socorpus.training
names = [m.name for m in pkgutil.walk_packages(socorpus.training.__path__, 'socorpus.training.')]
names.remove('socorpus.training.evaluation.entities.stacked')  # which is the labelling functions of entities
for name in names:
    importlib.import_module(name)
import socorpus.cli.train
print(len(names))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 40
