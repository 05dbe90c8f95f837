"""Held-out loss and accuracy, also for prose and code separately, and for each corpus of a mixture."""

from collections.abc import Iterable, Mapping

import torch
import torch.distributed as dist
from megatron.core import tensor_parallel

from socorpus.training.models.encoder import Encoder
from socorpus.training.pretrain.data.dataloader import Batch
from socorpus.training.pretrain.distributed import Ranks

_ROWS = 8192


@torch.no_grad()
def scores(model: Encoder, corpora: Mapping[str, Iterable[Batch]], ranks: Ranks) -> dict[str, float]:
    """Loss in nats and accuracy on masked positions over all ranks' batches of all corpora: for prose, for code, for
    both; of several corpora also for each, as `loss/NAME` and `accuracy/NAME`.

    Args:
        corpora: this rank's batches of each corpus, by name.

    All ranks call this together; those of a tensor group must get the same batches.
    """
    # By corpus. Rows: prose, code. Columns: scored, sum of losses, correct.
    sums = torch.zeros(len(corpora), 2, 3, dtype=torch.float64, device=ranks.device)
    for number, batches in enumerate(corpora.values()):
        for batch in batches:
            code = batch.code.to(ranks.device)
            losses, right = each(model, batch, ranks)
            for row, chosen in enumerate((~code, code)):
                counts = [chosen.sum(), losses[chosen].double().sum(), right[chosen].sum()]
                sums[number, row] += torch.stack(counts).double()
    if ranks.data > 1:
        dist.all_reduce(sums, group=ranks.data_group)
    figures: dict[str, float] = {}
    whole = sums.sum(0)
    rows = {"": whole.sum(0), "_prose": whole[0], "_code": whole[1]}
    if len(corpora) > 1:
        rows |= {f"/{name}": of_corpus.sum(0) for name, of_corpus in zip(corpora, sums, strict=True)}
    for name, row in rows.items():
        scored, loss, right = row.tolist()
        if scored:
            figures |= {f"loss{name}": loss / scored, f"accuracy{name}": right / scored}
    return figures


def each(model: Encoder, batch: Batch, ranks: Ranks) -> tuple[torch.Tensor, torch.Tensor]:
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
