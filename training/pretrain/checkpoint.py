"""Checkpoints: written in the background, atomic, and readable in another layout of ranks.

The format is megatron-core's `torch_dist`: every tensor has its name and its place in the whole, so one rank can read
what two tensor ranks wrote. The tensors are copied first; then a thread writes them, talking to the other ranks over a
group of its own, while training continues. A folder gets its name when all of it is on the disk.

megatron-core's own save calls CUDA even on the CPU, and forks. Therefore it only translates the tensors; PyTorch's
distributed checkpoint, which it is built on, writes them. Nor is megatron-core's own load used: it reads pickles, and
a run may come from somebody else. `checkpoint_metadata` reads what both wrote.
"""

import json
import os
import re
import shutil
import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from socorpus.corpus.errors import BuildError, InputError, SocorpusError
from socorpus.corpus.storage import files, json_shape
from socorpus.corpus.storage.files import ran_out
from socorpus.training import checkpoint_metadata, saved_hashes
from socorpus.training.config import Checkpoint as Policy
from socorpus.training.pretrain.distributed import Ranks
from socorpus.training.pretrain.optimizer import Optimizer

_NAME = re.compile(r"step-(\d{9})")
_PARTIAL = ".partial"
_STATE = "state.json"
_SHAPE = {
    "step": int,
    "tokens": int,
    "flops": float,
    "seconds": float,
    "skipped?": int,
    "in_row?": int,
    "lanes?": int,
    # Those of earlier releases have only the cursor of one corpus.
    "cursors?": ([[[int]]], [[int]]),
}
_MUON = "momentum"
"""Kind of state that only Muon has."""


@dataclass(frozen=True)
class Found:
    """A complete checkpoint: its step, its folder, and its state in plain values."""

    step: int
    path: Path
    state: Mapping[str, Any]

    @property
    def identity(self) -> str:
        """A digest that no other checkpoint has: of the hashes of its files, or, without any, of its state."""
        hashes = self.path / saved_hashes.NAME
        return files.fingerprint(files.read_json(hashes) if files.exists(hashes) else self.state)


def newest(folder: Path) -> Found | None:
    """The newest complete checkpoint of a run."""
    return next(iter(reversed(listed(folder))), None)


def go_on(folder: Path) -> str:
    """Advice after a run broke off: what is kept, and how to resume."""
    last = newest(folder)
    kept = f"the checkpoint of step {last.step:,} is kept, and" if last else "nothing was saved yet;"
    return f"{kept} the same command goes on from there"


def listed(folder: Path) -> list[Found]:
    """All complete checkpoints of a run, oldest first.

    Raises:
        InputError: the state of one can't be read.
    """
    checkpoints = []
    for path in sorted(folder.glob("step-*")) if folder.is_dir() else []:
        if not _NAME.fullmatch(path.name):
            continue
        try:
            state = files.read_json(path / _STATE)
            if wrong := _misfit(state, path):
                raise ValueError(f"{_STATE}: {wrong}")
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: a damaged checkpoint ({error}); {_instead(path)}") from None
        checkpoints.append(Found(state["step"], path, state))
    return checkpoints


def _misfit(state: Any, folder: Path) -> str | None:
    """What is wrong with the state of a checkpoint, if anything."""
    if wrong := json_shape.misfit(state, _SHAPE):
        return wrong
    if (named := int(folder.name.removeprefix("step-"))) != state["step"]:
        return f"of step {state['step']:,}, and the folder is named {named:,}"
    for name in ("tokens", "flops", "seconds", "skipped", "in_row"):
        if state.get(name, 0) < 0:
            return f"{name}: below 0"
    # The weights that a run starts from know of no lanes.
    lanes, cursors = state.get("lanes"), state.get("cursors")
    if lanes is None and cursors is None:
        return None
    if not cursors or lanes != len(cursors):
        return "cursors: not one of each lane"
    positions = [position if position and isinstance(position[0], list) else [position] for position in cursors]
    sizes = {(len(position), *map(len, position)) for position in positions}
    if len(sizes) > 1 or not all(number in (2, 4) for _, *numbers in sizes for number in numbers):
        return "cursors: not two or four numbers of each corpus"
    if any(number < 0 for position in positions for cursor in position for number in cursor):
        return "cursors: below 0"
    return None


def _instead(folder: Path) -> str:
    """Advice about a checkpoint that is damaged."""
    names = sorted(path.name for path in folder.parent.glob("step-*") if _NAME.fullmatch(path.name))
    if before := [name for name in names if name < folder.name]:
        return f"delete {folder.name}, and {before[-1]} is used instead"
    return "there is no checkpoint before it"


def sharded(
    model: Any, optimizer: Optimizer, ranks: Ranks, state: Mapping[str, Mapping[str, torch.Tensor]]
) -> dict[str, Any]:
    """Master weights and moments as megatron-core's sharded tensors, by kind and parameter.

    Args:
        state: their tensors, in the form of `Optimizer.state`.
    """
    from megatron.core.dist_checkpointing.optimizer import (
        get_param_id_to_sharded_param_map,
        make_sharded_optimizer_tensor,
    )

    group = {"dp_cp_group": ranks.data_group}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        of_model = model.sharded_state_dict(metadata=group)
        places = get_param_id_to_sharded_param_map(of_model, (weight.model for weight in optimizer.weights))
    numbers = {weight.name: number for number, weight in enumerate(optimizer.weights)}
    return {
        kind: {
            name: make_sharded_optimizer_tensor(places[numbers[name]], tensor, kind) for name, tensor in tensors.items()
        }
        for kind, tensors in state.items()
    }


def load(checkpoint: Found, model: Any, optimizer: Optimizer, ranks: Ranks, moments: bool = True) -> bool:
    """Read a checkpoint into a model and its optimizer, whatever layout wrote it.

    Args:
        moments: whether to read the optimizer's state too, or only the weights.

    Returns:
        Whether the optimizer's state was read; not that of another optimizer, by `optimizer.name`.

    Raises:
        InputError: it has another shape, or is not what was saved.
    """
    from torch.distributed.checkpoint import CheckpointException

    _once(ranks, lambda: _check(checkpoint.path), InputError)
    room = optimizer.room()
    moments = moments and (_MUON in room) == (_MUON in _kinds(checkpoint.path))
    wanted = sharded(model, optimizer, ranks, room if moments else {"weights": room["weights"]})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = _tensors(wanted, checkpoint.path)
    except (Exception, CheckpointException) as error:  # the latter is a BaseException
        whole = "its files are what was saved, so it is of another model than run.json says; give another folder"
        advice = whole if files.exists(checkpoint.path / saved_hashes.NAME) else f"damaged? {_instead(checkpoint.path)}"
        raise InputError(
            f"{checkpoint.path}: cannot be read as a checkpoint of this model ({_brief(error)}); {advice}"
        ) from error
    optimizer.load(values)
    if moments:
        optimizer.set_steps(checkpoint.step - int(checkpoint.state.get("skipped", 0)))
    return moments


def _check(folder: Path) -> None:
    """Hold a checkpoint against its hashes."""
    try:
        saved_hashes.check(folder)
    except InputError as error:
        raise InputError(f"{error}; {_instead(folder)}") from None


def _kinds(folder: Path) -> set[str]:
    """The kinds of tensors in a checkpoint: `weights`, and the optimizer's state."""
    try:
        return {name.partition(".")[0] for name in checkpoint_metadata.read(folder).state_dict_metadata}
    except (OSError, InputError) as error:
        raise InputError(f"{folder}: a damaged checkpoint ({error}); {_instead(folder)}") from None


def _tensors(wanted: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The values of megatron-core's sharded tensors, read from a checkpoint's folder."""
    from megatron.core.dist_checkpointing.mapping import apply_factory_merges
    from megatron.core.dist_checkpointing.state_dict_utils import load_preprocess
    from megatron.core.dist_checkpointing.strategies import torch as torch_dist
    from torch.distributed import checkpoint

    reader = checkpoint_metadata.Reader(folder)
    wanted, _, merging = load_preprocess(wanted)
    tensors, flat, renamed = torch_dist._replace_state_dict_keys_with_sharded_keys(wanted)
    shapes = [part for parts in tensors.values() for part in parts]
    ready = torch_dist.mcore_to_pyt_state_dict(tensors, True)
    checkpoint.load(
        ready,
        storage_reader=reader,
        planner=torch_dist.MCoreLoadPlanner(
            shapes_validation_sharded_tensors=shapes, flatten_state_dict=False, flatten_sharded_tensors=False
        ),
    )
    values = {key: torch_dist._unwrap_pyt_sharded_tensor(value) for key, value in ready.items()}
    values = torch_dist._replace_sharded_keys_with_state_dict_keys(values, flat, renamed)
    read: dict[str, Any] = apply_factory_merges(values, merging)
    return read


class Writer:
    """Writes checkpoints in a thread, one at a time."""

    def __init__(self, folder: Path, policy: Policy, ranks: Ranks) -> None:
        self._folder, self._policy, self._ranks = folder, policy, ranks
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._full = False
        if ranks.first:
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.glob(f"*{_PARTIAL}"):
                shutil.rmtree(old)
        dist.barrier(group=ranks.files)

    def save(self, step: int, model: Any, optimizer: Optimizer, state: Mapping[str, Any]) -> None:
        """Start writing a checkpoint, after any earlier one is finished; all ranks call this together.

        Args:
            state: plain values, equal on all ranks.
        """
        from megatron.core.dist_checkpointing.state_dict_utils import save_preprocess
        from megatron.core.dist_checkpointing.strategies import torch as torch_dist

        self.wait()
        tensors, _ = save_preprocess(sharded(model, optimizer, self._ranks, optimizer.state()), False)
        tensors, _, _ = torch_dist._replace_state_dict_keys_with_sharded_keys(tensors, True)
        for parts in tensors.values():
            for part in parts:
                part.data = part.data.detach().clone() if part.data.device.type == "cpu" else part.data.cpu()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ready = torch_dist.mcore_to_pyt_state_dict(tensors, False)
        self._thread = threading.Thread(
            target=self._write, args=(step, ready, {**state, "step": step}), name="checkpoint", daemon=True
        )
        self._thread.start()

    def wait(self) -> None:
        """Wait until the checkpoint is written.

        Raises:
            BuildError: it could not be written.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._error is not None:
            error, self._error = self._error, None
            last = newest(self._folder)
            kept = f"the last good one is of step {last.step:,}" if last else "there is none before it"
            if self._full:
                raise BuildError(
                    f"{self._folder}: no space left on the disk for a checkpoint; {kept}. Make room, and run the same "
                    "command again"
                ) from error
            raise BuildError(
                f"{self._folder}: the checkpoint could not be written ({_brief(error)}); {kept}"
            ) from error

    def _write(self, step: int, ready: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        name = self._folder / f"step-{step:09d}"
        partial = name.with_name(name.name + _PARTIAL)
        try:
            _once(self._ranks, lambda: partial.mkdir(parents=True, exist_ok=True))
            self._tensors(ready, partial)
            _once(self._ranks, lambda: self._finish(partial, name, state))
        except BaseException as error:
            self._error, self._full = error, ran_out(error, self._folder)
            if self._ranks.first:
                shutil.rmtree(partial, ignore_errors=True)

    def _tensors(self, ready: Mapping[str, Any], partial: Path) -> None:
        from megatron.core.dist_checkpointing.strategies.torch import MCoreSavePlanner
        from torch.distributed import checkpoint

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            checkpoint.save(
                dict(ready),
                storage_writer=checkpoint_metadata.Writer(partial, thread_count=1),
                planner=MCoreSavePlanner(dedup_replicated_tensors=False, flatten_state_dict=False),
                process_group=self._ranks.files,
            )

    def _finish(self, partial: Path, name: Path, state: Mapping[str, Any]) -> None:
        from megatron.core.dist_checkpointing.core import CheckpointingConfig, save_config

        torch.save({}, partial / "common.pt")
        save_config(CheckpointingConfig("torch_dist", 1), str(partial))
        (partial / _STATE).write_text(json.dumps(state, indent=1) + "\n", "utf-8")
        saved_hashes.write(partial)
        for path in partial.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        _delete(name)
        partial.rename(name)
        whole = listed(self._folder)
        for old in whole[: -self._policy.keep]:
            if not (self._policy.keep_every and old.step % self._policy.keep_every == 0):
                _delete(old.path)


def _once(ranks: Ranks, job: Callable[[], object], kind: type[SocorpusError] = SocorpusError) -> None:
    """Let the first rank do a job, and share its outcome with all ranks; its errors are raised as `kind`."""
    errors: list[Any] = [None]
    if ranks.first:
        try:
            job()
        except (OSError, SocorpusError) as error:
            errors = [str(error)]
    dist.broadcast_object_list(errors, src=0, group=ranks.files)
    if errors[0] is not None:
        raise kind(errors[0])


def _delete(path: Path) -> None:
    """Delete a checkpoint atomically: half of one is never visible under its name."""
    if path.is_dir():
        doomed = path.with_name(f"{path.name}.old{_PARTIAL}")
        path.rename(doomed)
        shutil.rmtree(doomed)


def _brief(error: BaseException) -> str:
    """The last line of an error, which a user can act on."""
    for line in reversed(str(error).strip().splitlines() or [type(error).__name__]):
        if line.strip():
            return line.strip()[:300]
    return type(error).__name__
