"""The weights that a run starts from, written as its checkpoint of step 0, with a proof that they are the model's.

From there on a run is one that is resumed: on any number of ranks, and without the model that it came from. The proof
is that of an export the other way round: documents of the corpus go through the model of transformers and through the
trainer's, and no run begins if their logits differ by more than rounding.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from socorpus.corpus.errors import BuildError, InputError
from socorpus.training.config import Config, Parallel
from socorpus.training.export import equality, weights
from socorpus.training.initial.start import Start
from socorpus.training.loading import ONLY_DATA, loading
from socorpus.training.models import encoder
from socorpus.training.models.encoder import Encoder
from socorpus.training.pretrain import checkpoint
from socorpus.training.pretrain.data.shard_reader import RowGroup, ShardCorpus
from socorpus.training.pretrain.distributed import Ranks
from socorpus.training.pretrain.optimizer import Optimizer, all_finite
from socorpus.training.pretrain.run import Run

_LONGEST = 2048
"""Tokens of a document in the proof: logits of each are some megabytes."""
_HEADS = {"sobert": ("cls.",), "modern": ("head.", "decoder.")}
"""Beginnings of the names of the masked-token head's weights, which a model may lack: then it begins anew."""
_UNUSED = re.compile(
    r"(?:bert\.)?pooler\..*|cls\.seq_relationship\..*|(?:classifier|qa_outputs|score)\..*"
    r"|.*\.(?:position_ids|token_type_ids|inv_freq)"
)
"""Names of weights that a masked-token model has no use for: heads of other tasks, and constants."""


def save(
    start: Start, run: Run, config: Config, corpus: ShardCorpus, groups: Sequence[RowGroup], ranks: Ranks
) -> dict[str, Any]:
    """Write the first checkpoint; all ranks call this.

    Args:
        corpus: whose documents in `groups` are for the proof.

    Returns:
        For the facts of the run: the largest difference of two logits, and whether the head begins anew; of a run's
        checkpoint nothing.

    Raises:
        InputError: the weights can't be read, or are not those of this shape.
        BuildError: the logits differ.
    """
    torch.manual_seed(config.data.seed)
    facts: dict[str, Any] = {}
    model = encoder.build(config.model, Parallel(), corpus.vocabulary.padded, ranks.tensor)
    model.to(ranks.device).eval()
    if start.checkpoint is not None:
        _from_run(start, model, config, ranks)
        if not ranks.agree(all_finite(model.parameters())):
            raise InputError(
                f"{start.checkpoint.path}: the weights are not finite; name an earlier checkpoint of that run"
            )
    else:
        theirs, fresh = _loaded(start, config.model.family)
        if not equality.finite(theirs):
            raise InputError(f"{start.folder}: the weights are not finite; no training mends them: give another model")
        own = dict(model.named_parameters())
        fill(model, _translated(start, theirs, own, config, corpus.vocabulary.padded), ranks.tensor_rank)
        documents = equality.documents(groups, min(config.model.max_length, _LONGEST), corpus.vocabulary.special)
        proof = equality.compare(model, theirs, documents, corpus.vocabulary.special["[PAD]"], ranks)
        if not proof.difference < equality.TOLERANCE * max(1.0, proof.largest):
            raise BuildError(
                f"{start.folder}: the trainer's model differs from that of transformers by {proof.difference:.1e} in a "
                f"logit, more than rounding explains; nothing was trained. Please report this with the model's name "
                f"and the versions of torch ({torch.__version__}) and transformers"
            )
        facts = {"largest_difference": proof.difference, "head_begins_anew": fresh}
    writer = checkpoint.Writer(run.checkpoints, config.checkpoint, ranks)
    writer.save(0, model, Optimizer(model, config.optimizer, ranks), {"tokens": 0, "flops": 0.0, "seconds": 0.0})
    writer.wait()
    return facts


def fill(model: Encoder, tensors: Mapping[str, torch.Tensor], tensor_rank: int) -> None:
    """Copy whole tensors, or the part of this tensor rank, into a model's parameters.

    Args:
        tensors: by the parameters' names, as of one rank.
    """
    gated = bool(model.config.gated_linear_unit)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(_part(tensors[name], parameter, gated and "linear_fc1" in name, tensor_rank))


def _part(whole: torch.Tensor, parameter: torch.Tensor, gated: bool, rank: int) -> torch.Tensor:
    if whole.shape == parameter.shape:
        return whole
    axis = int(getattr(parameter, "partition_dim", 0))
    size = whole.shape[axis] // parameter.shape[axis]
    if gated:  # a rank has its part of both halves, side by side
        return torch.cat([half.chunk(size, axis)[rank] for half in whole.chunk(2, axis)], axis)
    return whole.chunk(size, axis)[rank]


def _loaded(start: Start, family: str) -> tuple[Any, bool]:
    """transformers' model in float32 on the CPU, and whether its head begins anew."""
    with loading(start.folder, "the model") as transformers:
        kind = getattr(transformers, weights.ARCHITECTURES[family])
        model, report = kind.from_pretrained(
            start.folder,
            **ONLY_DATA,
            use_safetensors=True,
            output_loading_info=True,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,  # refused below, by name
        )
    missing = sorted(report["missing_keys"])
    if other := [name for name in missing if not name.startswith(_HEADS[family])]:
        raise InputError(f"{start.folder}: its weights lack {_some(other)}")
    for name, has, wants in sorted(report["mismatched_keys"]):
        raise InputError(
            f"{start.folder}: its weight {name} has the shape {tuple(has)}, and by its config.json it is "
            f"{tuple(wants)}; they are not of one model"
        )
    if more := sorted(name for name in report["unexpected_keys"] if not _UNUSED.fullmatch(name)):
        raise InputError(
            f"{start.folder}: by its config.json the model has no {_some(more)}, which its weights hold: they would be "
            "lost. They are not of one model; or, if nothing needs them, write the weights without them"
        )
    return model.eval(), bool(missing)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _translated(
    start: Start, theirs: Any, own: Mapping[str, torch.Tensor], config: Config, vocabulary: int
) -> dict[str, torch.Tensor]:
    held = theirs.state_dict()
    try:
        translated = weights.ours(held, own, config.model, vocabulary)
    except KeyError as error:
        raise InputError(f"{start.folder}: its weights lack {error}") from None
    known = {place for name in own for place in weights.places(name, config.model.family)[0]}
    if left := sorted(held.keys() - known):
        raise InputError(f"{start.folder}: has weights that the trainer's encoder has no place for: {left[:3]}")
    return translated


def _from_run(start: Start, model: Encoder, config: Config, ranks: Ranks) -> None:
    """The weights of a run's checkpoint, whatever layout of ranks wrote it; of learned positions the first ones."""
    if start.checkpoint is None:
        return
    source = encoder.build(start.shape, Parallel(), model.vocabulary, ranks.tensor).to(ranks.device)
    checkpoint.load(start.checkpoint, source, Optimizer(source, config.optimizer, ranks), ranks, moments=False)
    held = dict(source.named_parameters())
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(held[name][: len(parameter)])
