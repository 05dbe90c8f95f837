"""The pre-training loop.

A step reads its share of packs, adds up the gradients of its micro-batches, and updates the weights once. A step
depends only on the configuration and the step's number, so a run that is killed and resumed gives the same result,
bit for bit on the CPU.
"""

import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
import torch.nn.functional as F  # noqa: N812

from socorpus.corpus.errors import BuildError, InputError
from socorpus.training.config import Config
from socorpus.training.pretrain import cost, distributed, schedule
from socorpus.training.pretrain.cost import Work
from socorpus.training.pretrain.data import dataloader, shard_reader
from socorpus.training.pretrain.data.shard_reader import ShardCorpus
from socorpus.training.pretrain.distributed import Ranks
from socorpus.training.pretrain.log import Journal, TrainingShow, TrainingStep
from socorpus.training.pretrain.run import Run

if TYPE_CHECKING:
    from socorpus.training.models.encoder import Encoder
    from socorpus.training.pretrain.checkpoint import Found, Writer

_WINDOW = 20
"""Number of steps over which speed is averaged."""
_SCORED = 256
"""The number of scored positions in a micro-batch is filled up to a multiple of it."""


@dataclass
class TrainingState:
    """Progress of a run: steps done, tokens seen, operations, seconds of training, the lanes' cursors; `skipped` of the
    steps changed no weight, `in_row` of them the last ones.
    """

    step: int = 0
    tokens: int = 0
    flops: float = 0.0
    seconds: float = 0.0
    cursors: list[dataloader.Cursor] | None = None
    skipped: int = 0
    in_row: int = 0
    recent: list[tuple[float, int, float]] = field(default_factory=list)


def train(root: Path, out: Path, config: Config, show: TrainingShow, price: float | None = None) -> dict[str, Any]:
    """Train a model on a corpus's shards, or resume; all ranks call this.

    Args:
        root: the corpus.
        out: the run's folder.
        price: dollars per hour of one GPU; default: from the table of kinds.

    Returns:
        The facts of run.json.

    Raises:
        InputError: corpus, configuration and the run's folder don't match.
        BuildError: the run broke off; its last good checkpoint is kept.
    """
    corpus, run = shard_reader.open_corpus(root), Run(out)
    groups = corpus.row_groups("train")
    held = corpus.row_groups("validation") if config.validation.steps else []
    size = distributed.size()
    vocabulary = corpus.vocabulary.padded
    tensor = _tensor(config, vocabulary, size)
    distributed.end_with_launcher()
    lock = run.locked() if distributed.first() else nullcontext()
    with _explained(run), lock, distributed.joined(tensor) as ranks:
        _refuse(config, vocabulary, ranks)
        facts = _begin(run, corpus, config, ranks)
        with Training(corpus, run, config, ranks, groups, held, show, price) as training:
            return training.run(facts)


class Training:
    """A run in progress."""

    def __init__(
        self,
        corpus: ShardCorpus,
        run: Run,
        config: Config,
        ranks: Ranks,
        groups: Sequence[shard_reader.RowGroup],
        held: Sequence[shard_reader.RowGroup],
        show: TrainingShow,
        price: float | None,
    ) -> None:
        from socorpus.training.pretrain import checkpoint
        from socorpus.training.pretrain.optimizer import Optimizer

        self.corpus, self.run_folder, self.config, self.ranks, self.held = corpus, run, config, ranks, held
        self.show = show if ranks.first else None
        self.steps = schedule.steps(config)
        self.vocabulary = corpus.vocabulary
        self.resumed = checkpoint.newest(run.checkpoints)
        before = self.resumed.state if self.resumed else {}
        lanes = int(before["lanes"]) if before else config.data.lanes
        self.cut = dataloader.shape(len(groups), config.model.max_length, config.batch, ranks.data, lanes)
        self.model = self._model(groups)
        self.optimizer: Optimizer = Optimizer(self.model, config.optimizer, ranks)
        self.state = self._resume(self.resumed)
        self.gpu = cost.named(torch.cuda.get_device_name(ranks.device)) if ranks.device.type == "cuda" else None
        self.price = price if price is not None else (self.gpu.price if self.gpu else None)
        self.peak = cost.matmul_rate(ranks.device, self.dtype)
        self.writer: Writer = checkpoint.Writer(run.checkpoints, config.checkpoint, ranks)
        self.stream = dataloader.Stream(
            config,
            self.vocabulary,
            groups,
            self.cut,
            ranks.data_rank,
            self.state.cursors,
            self.state.step,
            lambda step: schedule.masking_rate(config, step, self.steps),
        )
        self.journal: Journal | None = None
        self._stopping = self._asked = False
        self._signal: int | None = None
        self._saved = time.monotonic()

    def __enter__(self) -> "Training":
        if self.ranks.first:
            self.run_folder.forget_after(self.state.step)
            self.journal = Journal(self.run_folder)
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()
        if self.journal is not None:
            self.journal.close()

    @property
    def dtype(self) -> torch.dtype:
        """Data type of the model's own parameters."""
        wanted = self.config.parallel.precision or ("bf16" if cost.has_bfloat16(self.ranks.device) else "fp32")
        return torch.bfloat16 if wanted == "bf16" else torch.float32

    def run(self, facts: dict[str, Any]) -> dict[str, Any]:
        """Step until the schedule's end; returns the facts of run.json, and `stopped_by`, the number of a signal."""
        if self.show is not None:
            self.show.begin({**facts, "step": self.state.step, "steps": self.steps, "run": str(self.run_folder.root)})
        with _signals(self._stop, self._ask):
            while self.state.step < self.steps and not self._stopping:
                self._step()
            if self.state.step and (self.resumed is None or self.state.step > self.resumed.step):
                self._save()
            self.writer.wait()
        facts |= self._figures()
        if self.ranks.first:
            self.run_folder.write(facts)
        return facts if self._signal is None else {**facts, "stopped_by": self._signal}

    def _model(self, groups: Sequence[shard_reader.RowGroup]) -> "Encoder":
        from socorpus.training.models import attention, encoder

        config = self.config
        compiled = config.parallel.compile
        if compiled is None:
            compiled = attention.kernel(self.ranks.device, self.dtype) == attention.VARLEN
        torch.manual_seed(config.data.seed)
        model = encoder.build(
            config.model, config.parallel, self.vocabulary.padded, self.ranks.tensor, self.dtype, compiled
        )
        if self.resumed is None:
            model.expect(torch.from_numpy(shard_reader.shares(groups, self.vocabulary)), self.ranks.tensor_rank)
        return model.to(self.ranks.device)

    def _resume(self, saved: "Found | None") -> TrainingState:
        from socorpus.training.pretrain import checkpoint

        if saved is None:
            return TrainingState()
        checkpoint.load(saved, self.model, self.optimizer, self.ranks)
        kept = saved.state
        cursors = [(int(turn), int(done)) for turn, done in kept["cursors"]]
        skipped, in_row = int(kept.get("skipped", 0)), int(kept.get("in_row", 0))
        return TrainingState(saved.step, kept["tokens"], kept["flops"], kept["seconds"], cursors, skipped, in_row)

    def _step(self) -> None:
        start, state, config = time.perf_counter(), self.state, self.config
        loss = torch.zeros((), dtype=torch.float64, device=self.ranks.device)
        scored, done = 0, Work(0, 0, 0, 0)
        for _ in range(self.cut.micro_batches(self.ranks.data_rank)):
            batch = self.stream.next()
            losses = self._losses(batch).sum()
            losses.backward()
            self.optimizer.accumulate()
            loss += losses.detach()
            scored += len(batch.labels)
            done += cost.work(batch.documents, len(batch.labels), config.model)
        shared = self._shared(loss, [scored, done.tokens, done.seen_globally, done.seen_locally])
        norm = self.optimizer.gather(shared[1].clamp(min=1))
        # The only time in a step that the host waits for the device.
        *sums, norm_read = torch.cat((shared, norm.double()[None])).tolist()
        mean = sums[0] / max(1.0, sums[1])
        share = schedule.rate(config.schedule, state.step, self.steps)
        if math.isfinite(mean) and math.isfinite(norm_read):
            self.optimizer.step(norm, share)
            state.in_row = 0
        else:
            state.skipped, state.in_row = state.skipped + 1, state.in_row + 1
            if state.in_row > config.optimizer.skips:
                self.writer.wait()
                raise BuildError(self._not_finite(mean, norm_read))
            self.optimizer.forget()
        state.step += 1
        state.tokens += int(sums[2])
        total = Work(int(sums[2]), int(sums[1]), int(sums[3]), int(sums[4]))
        flops = cost.flops(config.model, self.vocabulary.padded, total)
        state.flops += flops
        seconds = time.perf_counter() - start
        state.seconds += seconds
        state.recent = [*state.recent[-_WINDOW + 1 :], (seconds, int(sums[2]), flops)]
        self._report(mean, share * config.optimizer.lr, norm_read)
        self._stopping = self._stopping or sums[-2] > 0
        if config.validation.steps and (state.step % config.validation.steps == 0 or state.step == self.steps):
            self._validate()
        due = config.checkpoint.steps is not None and state.step % config.checkpoint.steps == 0
        # Behind a step that was skipped the weights may already be useless.
        if (due or sums[-1] > 0) and state.step < self.steps and not state.in_row:
            self._save()

    def _losses(self, batch: dataloader.Batch) -> torch.Tensor:
        from socorpus.training.models.attention import moved

        # Memory on a GPU is given out again where sizes recur.
        count = len(batch.labels)
        filler = (0, -count % _SCORED)
        padded = batch.ids, batch.positions, F.pad(batch.places, filler), F.pad(batch.labels, filler)
        ids, positions, scored, labels = (moved(tensor, self.ranks.device) for tensor in padded)
        losses: torch.Tensor = self.model(ids, positions, self.model.documents(batch.lengths), scored, labels)
        return losses[:count]

    def _shared(self, loss: torch.Tensor, own: list[float]) -> torch.Tensor:
        """Sums over the data-parallel ranks, float64[…]: the loss and the others, then two flags: whether any rank was
        asked to stop, whether to save.
        """
        from socorpus.training.models.attention import moved

        minutes = math.inf if self.config.checkpoint.steps else self.config.checkpoint.minutes
        due = self._asked or (self.ranks.first and time.monotonic() - self._saved > 60 * minutes)
        mine = float(self.ranks.tensor_rank == 0)
        flags = [float(self._stopping), float(due)]
        counts = torch.tensor([*(value * mine for value in own), *flags], dtype=torch.float64)
        sums = torch.cat(((loss * mine)[None], moved(counts, self.ranks.device)))
        if self.ranks.size > 1:
            dist.all_reduce(sums)
        return sums

    def _report(self, loss: float, rate: float, norm: float) -> None:
        if self.show is None or self.journal is None:
            return
        state = self.state
        seconds, tokens, flops = (sum(column) for column in zip(*state.recent, strict=True))
        left = (self.steps - state.step) * seconds / len(state.recent)
        dollars = None if self.price is None else left / 3600 * self.price * self.ranks.size
        share = flops / seconds / self.ranks.size / self.peak
        line = TrainingStep(
            state.step,
            self.steps,
            loss,
            rate,
            state.tokens,
            tokens / seconds,
            share,
            left if seconds else None,
            dollars,
        )
        self.show.step(line)
        values = {
            "loss": loss if math.isfinite(loss) else None,
            "lr": rate,
            "gradient_norm": norm if math.isfinite(norm) else None,
            "skipped": state.skipped,
            "tokens": state.tokens,
            "tokens_per_second": tokens / seconds,
            "share_of_peak": share,
        }
        self.journal.write("train", state.step, values)

    def _validate(self) -> None:
        from socorpus.training.pretrain import validation

        batches = dataloader.held_out(self.config, self.vocabulary, self.held, self.ranks.data_rank, self.ranks.data)
        scores = validation.scores(self.model, batches, self.ranks)
        if self.show is not None and self.journal is not None:
            self.show.validated(self.state.step, scores)
            self.journal.write("validation", self.state.step, scores)

    def _save(self) -> None:
        self.writer.wait()
        state = self.state
        parts: list[Any] = [None] * self.ranks.size
        dist.all_gather_object(parts, self.stream.cursors, group=self.ranks.files)
        cursors = {lane: list(cursor) for part in parts for lane, cursor in part.items()}
        kept = {
            "lanes": self.cut.lanes,
            "cursors": [cursors[lane] for lane in range(self.cut.lanes)],
            "tokens": state.tokens,
            "flops": state.flops,
            "seconds": state.seconds,
            "skipped": state.skipped,
            "in_row": state.in_row,
        }
        self.writer.save(state.step, self.model, self.optimizer, kept)
        self._saved, self._asked = time.monotonic(), False
        if self.show is not None:
            self.show.saved(state.step)

    def _figures(self) -> Mapping[str, Any]:
        state, size = self.state, self.ranks.size
        hours = state.seconds / 3600 * size
        return {
            "step": state.step,
            "steps": self.steps,
            "parameters": cost.parameters(self.config.model, self.vocabulary.padded),
            "tokens": state.tokens,
            "flops": state.flops,
            "gpu_hours": hours,
            "dollars": None if self.price is None else hours * self.price,
            "device": torch.cuda.get_device_name(self.ranks.device) if self.gpu or torch.cuda.is_available() else "CPU",
            "ranks": {"tensor": self.ranks.tensor, "data": self.ranks.data},
            "matmul_tflops": self.peak / 1e12,
            "share_of_peak": state.flops / max(state.seconds, 1e-9) / size / self.peak,
        }

    def _stop(self, number: int) -> None:
        self._stopping, self._signal = True, number

    def _ask(self) -> None:
        self._asked = True

    def _not_finite(self, loss: float, norm: float) -> str:
        from socorpus.training.pretrain import checkpoint

        last = checkpoint.newest(self.run_folder.checkpoints)
        kept = f"the checkpoint of step {last.step:,} is kept" if last else "there is no checkpoint yet"
        return (
            f"step {self.state.step + 1:,}: the loss is {loss:g} and the gradient's norm {norm:g}; {kept}. "
            "Lower optimizer.lr or lengthen schedule.warmup, and run again"
        )


def _tensor(config: Config, vocabulary: int, size: int) -> int:
    bytes_of, wide = None, config.parallel.precision == "fp32"
    if torch.cuda.is_available():
        bytes_of = float(torch.cuda.get_device_properties(0).total_memory)
        wide = wide or not cost.has_bfloat16(torch.device("cuda", 0))
    return cost.choose_tensor(config, vocabulary, cost.parameters(config.model, vocabulary), size, bytes_of, wide)


def _refuse(config: Config, vocabulary: int, ranks: Ranks) -> None:
    model, tensor = config.model, ranks.tensor
    for name, number in (("model.heads", model.heads), ("model.ffn", model.ffn), ("the vocabulary", vocabulary)):
        if number % tensor:
            raise InputError(f"parallel.tensor ({tensor}) must divide {name} ({number})")
    device = ranks.device
    if config.parallel.precision == "bf16" and device.type == "cuda" and not cost.has_bfloat16(device):
        raise InputError(
            f"parallel.precision is bf16, which {torch.cuda.get_device_name(device)} does not have (Ampere and later "
            "do); leave it out, or set it to fp32"
        )


def _begin(run: Run, corpus: ShardCorpus, config: Config, ranks: Ranks) -> dict[str, Any]:
    """Let the first rank write or check the run's facts, and share the outcome with all ranks."""
    outcome: list[Any] = [None, None]
    if ranks.first:
        try:
            outcome[0] = run.begin(corpus, config)
        except InputError as error:
            outcome[1] = str(error)
    dist.broadcast_object_list(outcome, src=0, group=ranks.files)
    if outcome[1] is not None:
        raise InputError(outcome[1])
    facts: dict[str, Any] = outcome[0]
    return facts


_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2, signal.SIGXCPU)
"""Signals that ask a process to end: those behind SIGHUP come from batch systems, before a limit."""


@contextmanager
def _signals(stop: Callable[[int], None], save: Callable[[], None]) -> Iterator[None]:
    """Let the first signal of `_ENDING` end the run after the current step, with a checkpoint; SIGUSR1 only saves."""
    before: dict[int, Any] = {}

    def handle(number: int, _: Any) -> None:
        stop(number)
        signal.signal(number, before[number])

    for number in map(int, _ENDING):
        if signal.getsignal(number) not in (signal.SIG_IGN, None):  # as under nohup; not Python's
            before[number] = signal.signal(number, handle)
    before[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, lambda *_: save())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _explained(run: Run) -> Iterator[None]:
    """Turn failures from outside (full memory, a lost rank) into a readable error."""
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise BuildError(
            f"the GPU's memory is full ({error}); lower batch.micro_tokens, set parallel.recompute, or raise "
            "parallel.tensor; what is saved is kept, and the same command goes on from there"
        ) from error
    except (RuntimeError, dist.DistError) as error:
        if not _is_lost_rank(error):
            raise
        from socorpus.training.pretrain import checkpoint

        raise BuildError(f"another rank is gone; {checkpoint.go_on(run.checkpoints)}") from error


def _is_lost_rank(error: BaseException) -> bool:
    message = str(error)
    signs = ("Connection closed by peer", "Connection reset", "Broken pipe", "NCCL", "Timed out", "timeout", "gloo")
    return any(sign in message for sign in signs)
