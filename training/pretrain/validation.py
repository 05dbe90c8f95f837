"""Held-out loss and accuracy, also for prose and code separately."""

from collections.abc import Iterable

import torch
import torch.distributed as dist
from megatron.core import tensor_parallel

from socorpus.training.models.encoder import Encoder
from socorpus.training.pretrain.data.dataloader import Batch
from socorpus.training.pretrain.distributed import Ranks

_ROWS = 8192


@torch.no_grad()
def scores(model: Encoder, batches: Iterable[Batch], ranks: Ranks) -> dict[str, float]:
    """Loss in nats and accuracy on masked positions over all ranks' batches: for prose, for code, and for both.

    All ranks call this together; those of a tensor group must get the same batches.
    """
    # Rows: prose, code. Columns: scored, sum of losses, correct.
    sums = torch.zeros(2, 3, dtype=torch.float64, device=ranks.device)
    for batch in batches:
        code = batch.code.to(ranks.device)
        losses, right = _each(model, batch, ranks)
        for row, chosen in enumerate((~code, code)):
            sums[row] += torch.stack([chosen.sum(), losses[chosen].double().sum(), right[chosen].sum()]).double()
    if ranks.data > 1:
        dist.all_reduce(sums, group=ranks.data_group)
    figures: dict[str, float] = {}
    for name, row in (("", sums.sum(0)), ("_prose", sums[0]), ("_code", sums[1])):
        scored, loss, right = row.tolist()
        if scored:
            figures |= {f"loss{name}": loss / scored, f"accuracy{name}": right / scored}
    return figures


def _each(model: Encoder, batch: Batch, ranks: Ranks) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss and correctness of each scored position, float32[masked] and bool[masked]."""
    to = ranks.device
    hidden = model.hidden(batch.ids.to(to), batch.positions.to(to), model.documents(batch.lengths))
    losses, right = [torch.zeros(0, device=to)], [torch.zeros(0, dtype=torch.bool, device=to)]
    for positions, labels in zip(batch.places.to(to).split(_ROWS), batch.labels.to(to).split(_ROWS), strict=True):
        logits = model.score(hidden.index_select(0, positions))
        right.append(_best(logits[:, 0], ranks) == labels)
        losses.append(tensor_parallel.vocab_parallel_cross_entropy(logits.float(), labels[:, None])[:, 0])
    return torch.cat(losses), torch.cat(right)


def _best(logits: torch.Tensor, ranks: Ranks) -> torch.Tensor:
    """The likeliest entry of each row, int64[rows]; each tensor rank has a part of the vocabulary."""
    value, index = logits.float().max(-1)
    index = index + ranks.tensor_rank * logits.shape[-1]
    if ranks.tensor == 1:
        return index
    values, indices = ([torch.empty_like(tensor) for _ in range(ranks.tensor)] for tensor in (value, index))
    dist.all_gather(values, value, group=ranks.tensor_group)
    dist.all_gather(indices, index, group=ranks.tensor_group)
    return torch.stack(indices).gather(0, torch.stack(values).argmax(0)[None])[0]
