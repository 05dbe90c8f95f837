"""The pre-training loop.

A step reads its share of packs, adds up the gradients of its micro-batches, and updates the weights once. A step
depends only on the configuration and the step's number, so a run that is killed and resumed gives the same result,
bit for bit on the CPU.
"""

import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
import torch.nn.functional as F  # noqa: N812

from socorpus.corpus.errors import BuildError, InputError
from socorpus.corpus.storage import files
from socorpus.training.config import Config
from socorpus.training.pretrain import cost, distributed, log, micro_batch, schedule
from socorpus.training.pretrain.clock import Clock, Taken
from socorpus.training.pretrain.cost import Work
from socorpus.training.pretrain.data import dataloader, lanes, mixture
from socorpus.training.pretrain.data.mixture import Mixture
from socorpus.training.pretrain.distributed import Ranks
from socorpus.training.pretrain.log import NOT_WATCHED, Journal, TrainingShow, TrainingStep, Watching
from socorpus.training.pretrain.profiler import StepProfiler
from socorpus.training.pretrain.run import Run

if TYPE_CHECKING:
    from socorpus.training.initial.start import Start
    from socorpus.training.models.encoder import Encoder
    from socorpus.training.pretrain.checkpoint import Found, Writer

_WINDOW = 20
"""Number of steps over which speed is averaged."""
_SCORED = 256
"""The number of scored positions in a micro-batch is filled up to a multiple of it."""


def asynchronous(device: torch.device) -> bool:
    """Whether a device works on its own while the host goes on."""
    return device.type == "cuda"


@dataclass
class Handed:
    """A step that was handed to the device: its number, its share of the highest learning rate, its figures there
    (float64, read by the host later) and its phases.
    """

    step: int
    rate: float
    on_host: tuple[torch.Tensor, torch.cuda.Event | None]
    phases: Taken

    def figures(self) -> list[float]:
        """The figures; waits for the device."""
        tensor, copied = self.on_host
        if copied is not None:
            copied.synchronize()
        values: list[float] = tensor.tolist()
        return values


def _to_host(tensor: torch.Tensor) -> tuple[torch.Tensor, torch.cuda.Event | None]:
    """A copy on the host, and the event behind it; nothing waits."""
    if tensor.device.type != "cuda":
        return tensor, None
    copy = torch.empty_like(tensor, device="cpu", pin_memory=True).copy_(tensor, non_blocking=True)
    copied = torch.cuda.Event()
    copied.record()
    return copy, copied


@dataclass
class TrainingState:
    """Progress of a run: steps done, tokens read, operations, seconds of training, the lanes' positions; `skipped` of
    the steps changed no weight, `in_row` of them the last ones; `seen` are the tokens of whole batches, by which the
    schedule goes. `device_seconds` are those of all ranks, and `possible_flops` the operations that their devices could
    have done in them: the ranks may differ from start to start.
    """

    step: int = 0
    tokens: int = 0
    flops: float = 0.0
    seconds: float = 0.0
    cursors: list[lanes.Position] | None = None
    skipped: int = 0
    in_row: int = 0
    seen: int = 0
    device_seconds: float = 0.0
    possible_flops: float = 0.0
    recent: list[tuple[float, int, float]] = field(default_factory=list)


def train(
    root: Path,
    out: Path,
    config: Config,
    show: TrainingShow,
    price: float | None = None,
    watching: Watching = NOT_WATCHED,
    start: "Start | None" = None,
    force: bool = False,
) -> dict[str, Any]:
    """Train a model on a corpus's shards, or resume; all ranks call this.

    Args:
        root: the corpus.
        out: the run's folder.
        price: dollars per hour of one GPU; default: from the table of kinds.
        start: weights to start from, of which `config` has the shape; a run that is resumed needs none.
        force: delete the run that is there, once nothing stands against the new one.

    Returns:
        The facts of run.json.

    Raises:
        InputError: corpus, configuration and the run's folder don't match.
        BuildError: the run broke off; its last good checkpoint is kept.
    """
    from socorpus.training.pretrain import checkpoint

    run, size = Run(out), distributed.size()
    corpora = checked(root, run, config, size, force)
    vocabulary = corpora.own.vocabulary.padded
    tensor = _tensor(config, vocabulary, size)
    distributed.end_with_launcher()
    lock = run.locked() if distributed.first() else nullcontext()
    with _explained(run), lock, distributed.joined(tensor) as ranks:
        _refuse(config, vocabulary, ranks)
        if force and ranks.first:
            run.clear()
        facts = _begin(run, corpora, config, ranks, start)
        if "init" in facts and checkpoint.newest(run.checkpoints) is None:
            facts = _with_weights(run, corpora, config, ranks, facts, start)
        corpora = corpora.named({part["fingerprint"]: part["name"] for part in facts.get("corpora", ())})
        with Training(corpora, run, config, ranks, show, price, facts, watching) as training:
            return training.run()


class Training:
    """A run in progress."""

    def __init__(
        self,
        corpora: Mixture,
        run: Run,
        config: Config,
        ranks: Ranks,
        show: TrainingShow,
        price: float | None,
        facts: dict[str, Any],
        watching: Watching,
    ) -> None:
        from socorpus.training.pretrain import checkpoint
        from socorpus.training.pretrain.optimizer import Optimizer

        self.corpora, self.run_folder, self.config, self.ranks = corpora, run, config, ranks
        self.show = show if ranks.first else None
        self.vocabulary = corpora.own.vocabulary
        self.resumed = checkpoint.newest(run.checkpoints)
        before = self.resumed.state if self.resumed else {}
        # The weights that a run starts from are a checkpoint, too, that knows of no lanes.
        wanted = int(before["lanes"]) if "lanes" in before else config.data.lanes
        if self.show is not None and config.data.lanes not in (None, wanted):
            self.show.says(f"data.lanes stays {wanted}, not {config.data.lanes}: where the run stands is told by them")
        self.flash: str | None = None
        self.model = self._model()
        self.optimizer: Optimizer = Optimizer(self.model, config.optimizer, ranks, config.parallel.zero)
        self.config = config = self._with_micro_batch(facts)
        self.cut = dataloader.shape(corpora.groups, config.model.max_length, config.batch, ranks.data, wanted)
        self.peak = cost.matmul_rate(ranks.device, self.dtype)
        self.state = self._resume(self.resumed)
        self.course = schedule.Course(config, self.state.step, self.state.seen)
        self.steps = self.course.steps
        self.gpu = cost.named(torch.cuda.get_device_name(ranks.device)) if ranks.device.type == "cuda" else None
        self.price = price if price is not None else (self.gpu.price if self.gpu else None)
        self.writer: Writer = checkpoint.Writer(run.checkpoints, config.checkpoint, ranks)
        self.stream = dataloader.Stream(
            config,
            self.vocabulary,
            corpora.sources(),
            self.cut,
            ranks.data_rank,
            self.state.cursors,
            self.state.step,
            self.course.masking_rate,
        )
        self.journal: Journal | None = None
        self.watching, self.facts = watching, facts
        self.profiler: StepProfiler | None = None
        self.launched = self.state.step
        self.clock = Clock(ranks.device)
        self._handed: Handed | None = None
        self._last = math.nan, math.nan
        # Of a validation behind the last step.
        self._held_out = 0.0
        self._checkpoint_seconds = 0.0
        self._settled = time.perf_counter()
        self._stopping = self._asked = self._due = False
        self._signal: int | None = None
        self._saved = time.monotonic()
        self._read: list[int] = []

    def __enter__(self) -> "Training":
        try:
            if self.ranks.first:
                self._begin_log()
        except BaseException:
            self.__exit__()  # else its reader goes on while the process ends
            raise
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

    def run(self) -> dict[str, Any]:
        """Step until the schedule's end; returns the facts of run.json, and `stopped_by`, the number of a signal."""
        facts = self.facts
        if self.show is not None:
            self.show.begin({**facts, "step": self.state.step, "steps": self.steps, "run": str(self.run_folder.root)})
        self._settled = time.perf_counter()
        with _signals(self._stop, self._ask):
            while self.launched < self.steps and not self._stopping:
                self._step()
                if self.profiler is not None:
                    self.profiler.step(self.launched)
                self._between()
            self._settle()
            if self.profiler is not None:
                self.profiler.close(self.launched)
            if self.state.step and (self.resumed is None or self.state.step > self.resumed.step) and not self._save():
                raise BuildError(self._not_finite())
            self.writer.wait()
        if self.resumed is None or self.state.step > self.resumed.step or "gpu_hours" not in facts:  # else all is there
            facts |= self._figures()
            if "corpora" in facts and self._read:
                facts["corpora"] = [
                    {**part, "tokens": tokens} for part, tokens in zip(facts["corpora"], self._read, strict=True)
                ]
            if self.ranks.first:
                self.run_folder.write(facts)
        return facts if self._signal is None else {**facts, "stopped_by": self._signal}

    def _model(self) -> "Encoder":
        from socorpus.training.models import attention, encoder

        config = self.config
        flash = attention.kernel(self.ranks.device, self.dtype) == attention.VARLEN
        if flash:
            self.flash = attention.flash(config.parallel.flash_attention, self.ranks.device)
        compiled = flash if config.parallel.compile is None else config.parallel.compile
        torch.manual_seed(config.data.seed)
        model = encoder.build(
            config.model, config.parallel, self.vocabulary.padded, self.ranks.tensor, self.dtype, compiled
        )
        if self.resumed is None:
            model.expect(torch.from_numpy(self.corpora.frequencies()), self.ranks.tensor_rank)
        return model.to(self.ranks.device)

    def _with_micro_batch(self, facts: dict[str, Any]) -> Config:
        """The configuration with the micro-batch that was measured, now or when the run began on such devices."""
        config, ranks = self.config, self.ranks
        measures = config.batch.measure
        if measures is None:
            measures = config.batch.micro_tokens is None and ranks.device.type == "cuda"
        if not measures:
            return config
        name = torch.cuda.get_device_name(ranks.device) if ranks.device.type == "cuda" else "CPU"
        layout = {"device": name, "tensor": ranks.tensor, "data": ranks.data, "batch_tokens": config.batch.tokens}
        known = facts.get("micro_batch") or {}
        if any(known.get(key) != value for key, value in layout.items()):
            if self.show is not None:
                self.show.says("measuring how many tokens a micro-batch should have")
            tokens, rates = micro_batch.measured(config, self.vocabulary.entries, ranks, self._loss)
            known = {**layout, "micro_tokens": tokens, "tokens_per_second": {str(key): rates[key] for key in rates}}
            facts["micro_batch"] = known
            self.optimizer.forget()
            if ranks.first:
                self.run_folder.write(facts)
            if self.show is not None:
                self.show.says(f"a micro-batch has {tokens:,} tokens")
        return replace(config, batch=replace(config.batch, micro_tokens=known["micro_tokens"]))

    def _resume(self, saved: "Found | None") -> TrainingState:
        from socorpus.training.pretrain import checkpoint

        if saved is None:
            return TrainingState()
        if not checkpoint.load(saved, self.model, self.optimizer, self.ranks) and self.show is not None:
            self.show.says(f"optimizer.name is {self.config.optimizer.name} now: the optimizer's moments begin anew")
        kept = saved.state
        if "cursors" not in kept:
            return TrainingState()
        cursors = [lanes.restored(position) for position in kept["cursors"]]
        skipped, in_row = int(kept.get("skipped", 0)), int(kept.get("in_row", 0))
        seen = schedule.course(self.config, saved.step, kept).seen
        # Earlier releases kept the seconds of one rank.
        device_seconds = float(kept.get("device_seconds", kept["seconds"] * self.ranks.size))
        possible = float(kept.get("possible_flops", device_seconds * self.peak))
        done = saved.step, kept["tokens"], kept["flops"], kept["seconds"], cursors
        return TrainingState(*done, skipped, in_row, seen, device_seconds, possible)

    def _step(self) -> None:
        """Hand a step to the device, and read the figures of one: where it works on its own, of the step before."""
        began, config = time.perf_counter(), self.config
        loss = torch.zeros((), dtype=torch.float64, device=self.ranks.device)
        scored, done = 0, Work(0, 0, 0, 0)
        micro_batches = self.cut.micro_batches(self.ranks.data_rank)
        for number in range(micro_batches):
            with self.clock.phase("reading"):
                batch = self.stream.next()
            with self.clock.phase("forward"):
                summed = self._loss(batch)
            if number == micro_batches - 1:
                self.optimizer.last()
            with self.clock.phase("backward"):
                summed.backward()
            loss += summed.detach()
            scored += len(batch.labels)
            done += cost.work(batch.documents, len(batch.labels), config.model)
        self._settle()
        with self.clock.phase("reduce"):
            sums = self._shared(loss, [scored, done.tokens, done.seen_globally, done.seen_locally])
            norm = self.optimizer.gather(sums[1].clamp(min=1))
        share = self.course.rate(self.launched)
        with self.clock.phase("optimizer"):
            self.optimizer.step(norm, share, torch.isfinite(sums[0]) & torch.isfinite(norm))
        self.launched, self._held_out = self.launched + 1, 0.0
        figures = torch.cat((sums, norm.double()[None]))
        self._handed = Handed(self.launched, share, _to_host(figures), self.clock.taken())
        if not asynchronous(self.ranks.device):
            self._settle()
        seconds = time.perf_counter() - began
        self.state.seconds += seconds
        self.state.device_seconds += seconds * self.ranks.size
        self.state.possible_flops += seconds * self.ranks.size * self.peak

    def _settle(self) -> None:
        """Read the figures of the step that was handed to the device, if one was: the host waits for it here alone."""
        handed, state, config = self._handed, self.state, self.config
        if handed is None:
            return
        self._handed = None
        *sums, norm = handed.figures()
        mean = sums[0] / sums[1] if sums[1] else math.nan
        state.step, self._last = handed.step, (mean, norm)
        if math.isfinite(sums[0]) and math.isfinite(norm):
            state.in_row = 0
        else:
            state.skipped, state.in_row = state.skipped + 1, state.in_row + 1
            if state.in_row > config.optimizer.skips:
                self.writer.wait()
                raise BuildError(self._not_finite())
        state.tokens += int(sums[2])
        state.seen += config.batch.tokens
        total = Work(int(sums[2]), int(sums[1]), int(sums[3]), int(sums[4]))
        flops = cost.flops(config.model, self.vocabulary.padded, total)
        state.flops += flops
        now = time.perf_counter()
        state.recent = [*state.recent[-_WINDOW + 1 :], (now - self._settled, int(sums[2]), flops)]
        self._settled = now
        self._report(mean, handed, norm)
        self._stopping = self._stopping or sums[-2] > 0
        self._due = self._due or sums[-1] > 0

    def _between(self) -> None:
        """Validate and save, where it is time for that."""
        config, launched = self.config, self.launched
        validates = bool(config.validation.steps) and (
            launched % config.validation.steps == 0 or launched == self.steps
        )
        every = (config.checkpoint.steps, config.checkpoint.keep_every)
        due = self._due or any(steps and launched % steps == 0 for steps in every)
        if not validates and not due:
            return
        self._settle()
        if validates:
            self._validate()
        if due and launched < self.steps:
            self._save()
        self._settled = time.perf_counter()

    def _loss(self, batch: dataloader.Batch) -> torch.Tensor:
        from socorpus.training.models.attention import moved
        from socorpus.training.models.loss import IGNORED

        # Memory on a GPU is given out again where sizes recur.
        filler = (0, -len(batch.labels) % _SCORED)
        labels = F.pad(batch.labels, filler, value=IGNORED)
        tensors = batch.ids, batch.positions, F.pad(batch.places, filler), labels
        ids, positions, scored, labels = (moved(tensor, self.ranks.device) for tensor in tensors)
        summed: torch.Tensor = self.model(ids, positions, self.model.documents(batch.lengths), scored, labels)
        return summed

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

    def _report(self, loss: float, handed: "Handed", norm: float) -> None:
        if self.show is None or self.journal is None:
            return
        state, rate, device = self.state, handed.rate * self.config.optimizer.lr, self.ranks.device
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
            "loss": loss,
            "lr": rate,
            "gradient_norm": norm,
            "skipped": state.skipped,
            "tokens": state.tokens,
            "tokens_per_second": tokens / seconds,
            "share_of_peak": share,
            "share_of_data_sheet": None if self.gpu is None else share * self.peak / (1e12 * self.gpu.tflops),
            "memory_bytes": cost.peak_memory(device),
            **{f"seconds_{name}": value for name, value in handed.phases.seconds().items()},
            "seconds_checkpoint": self._checkpoint_seconds,
        }
        self._checkpoint_seconds = 0.0
        self.journal.write("train", state.step, values)

    def _validate(self) -> None:
        from socorpus.training.pretrain import validation

        rank, ranks = self.ranks.data_rank, self.ranks.data
        batches = {
            name: dataloader.held_out(self.config, self.vocabulary, held, rank, ranks)
            for name, held in self.corpora.held_out().items()
        }
        scores = validation.scores(self.model, batches, self.ranks)
        self._held_out = scores.get("loss", 0.0)
        if self.show is not None and self.journal is not None:
            self.show.validated(self.state.step, scores)
            self.journal.write("validation", self.state.step, scores)

    def _save(self) -> bool:
        """Write a checkpoint; not behind a step that was skipped, whose weights may already be useless, nor where the
        held-out loss shows that they are.

        Raises:
            BuildError: a weight is not finite, which no step mends; or the last checkpoint could not be written.
        """
        began = time.perf_counter()
        self.writer.wait()
        state = self.state
        if state.in_row or not math.isfinite(self._held_out):
            return False
        if not self.ranks.agree(self.optimizer.finite()):
            raise BuildError(self._not_finite())
        parts: list[Any] = [None] * self.ranks.size
        dist.all_gather_object(parts, self.stream.cursors, group=self.ranks.files)
        cursors = {lane: position for part in parts for lane, position in part.items()}
        self._read = lanes.tokens(list(cursors.values()))
        kept = {
            "lanes": self.cut.lanes,
            "cursors": [cursors[lane] for lane in range(self.cut.lanes)],
            "tokens": state.tokens,
            "flops": state.flops,
            "seconds": state.seconds,
            "skipped": state.skipped,
            "in_row": state.in_row,
            "seen": state.seen,
            "device_seconds": state.device_seconds,
            "possible_flops": state.possible_flops,
        }
        asked = self._asked
        self.writer.save(state.step, self.model, self.optimizer, kept)
        self._saved, self._asked, self._due = time.monotonic(), False, False
        self._checkpoint_seconds = time.perf_counter() - began
        if self.show is not None and self.journal is not None:
            self.show.saved(state.step)
            if asked:
                self.show.says(f"step {state.step:,} is being saved, as a signal asked")
            self.journal.write("checkpoint", state.step, {"seconds": self._checkpoint_seconds})
        return True

    def _figures(self) -> Mapping[str, Any]:
        state = self.state
        hours = state.device_seconds / 3600
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
            "flash_attention": self.flash,
            "share_of_peak": state.flops / max(state.possible_flops, 1e-9),
        }

    def _begin_log(self) -> None:
        run = self.run_folder
        damaged = log.forget_after(run.log, self.state.step)
        if damaged and self.show is not None:
            self.show.says(
                f"{run.log}: {len(damaged)} of its lines are no lines of a log and are left out, the first one line "
                f"{damaged[0].number} ({damaged[0].wrong})"
            )
        self.journal = Journal(run, self.state.step, self.watching.trackers, self.facts)
        if self.watching.profiled:
            self.profiler = StepProfiler(
                run.root / "profile", self.watching.profiled, self.ranks.device, self._profiled
            )

    def _profiled(self, trace: Path) -> None:
        if self.show is not None:
            self.show.says(f"a trace of steps is in {trace}: open it in https://ui.perfetto.dev")

    def _stop(self, number: int) -> None:
        self._stopping, self._signal = True, number

    def _ask(self) -> None:
        self._asked = True

    def _not_finite(self) -> str:
        from socorpus.training.pretrain import checkpoint

        last, (loss, norm) = checkpoint.newest(self.run_folder.checkpoints), self._last
        kept = f"the checkpoint of step {last.step:,} is kept" if last else "there is no checkpoint yet"
        broken = "a weight is not finite"
        if self.state.in_row:
            broken = f"the loss is {loss:g} and the gradient's norm {norm:g}"
        elif not math.isfinite(self._held_out):
            broken = f"the held-out loss is {self._held_out:g}"
        return (
            f"step {self.state.step:,}: {broken}; {kept}, and this step is not saved. Lower optimizer.lr or lengthen "
            "schedule.warmup, and run again"
        )


def _tensor(config: Config, vocabulary: int, size: int) -> int:
    bytes_of, wide = None, config.parallel.precision == "fp32"
    if torch.cuda.is_available():
        bytes_of = float(torch.cuda.get_device_properties(0).total_memory)
        wide = wide or not cost.has_bfloat16(torch.device("cuda", 0))
    return cost.choose_tensor(config, vocabulary, cost.parameters(config.model, vocabulary), size, bytes_of, wide)


def checked(root: Path, run: Run, config: Config, size: int, force: bool = False) -> Mixture:
    """The corpora of a run, after all checks that need neither ranks nor a model; nothing is written.

    Args:
        size: number of ranks.
        force: whether what the run's folder has goes.

    Raises:
        InputError: corpora, configuration, number of ranks or folder don't go together.
    """
    run.require_own()
    corpora = mixture.opened(root, config)
    if all(part.epochs for part in corpora.parts):
        corpora.readings(corpora.sample(config), config.schedule.tokens)
    tensor = config.parallel.tensor or 1
    if size % tensor:
        raise InputError(f"parallel.tensor ({tensor}) must divide the number of ranks ({size})")
    _refuse_tensor(config, corpora.own.vocabulary.padded, tensor)
    if force or not files.exists(run.checkpoints):  # else the run keeps its lanes
        ranks = size // tensor if config.parallel.tensor is not None else 1
        dataloader.shape(corpora.groups, config.model.max_length, config.batch, ranks, config.data.lanes)
    return corpora


def _refuse_tensor(config: Config, vocabulary: int, tensor: int) -> None:
    model = config.model
    for name, number in (("model.heads", model.heads), ("model.ffn", model.ffn), ("the vocabulary", vocabulary)):
        if number % tensor:
            raise InputError(f"parallel.tensor ({tensor}) must divide {name} ({number})")


def _refuse(config: Config, vocabulary: int, ranks: Ranks) -> None:
    _refuse_tensor(config, vocabulary, ranks.tensor)
    device = ranks.device
    if config.parallel.precision == "bf16" and device.type == "cuda" and not cost.has_bfloat16(device):
        raise InputError(
            f"parallel.precision is bf16, which {torch.cuda.get_device_name(device)} does not have (Ampere and later "
            "do); leave it out, or set it to fp32"
        )


def _with_weights(
    run: Run, corpora: Mixture, config: Config, ranks: Ranks, facts: dict[str, Any], start: "Start | None"
) -> dict[str, Any]:
    """Write the weights that a run starts from as its checkpoint of step 0; the facts with the proof that they are."""
    from socorpus.training.initial import first_weights

    if start is None:
        raise InputError(
            f"{run.root}: this run starts from the weights of {facts['init']['name']}, and nothing was saved yet; name "
            "them again with --init"
        )
    documents = corpora.own.row_groups("train")
    facts = {
        **facts,
        "init": {**facts["init"], **first_weights.save(start, run, config, corpora.own, documents, ranks)},
    }
    if ranks.first:
        run.write(facts)
    return facts


def _begin(run: Run, corpora: Mixture, config: Config, ranks: Ranks, start: "Start | None" = None) -> dict[str, Any]:
    """Let the first rank write or check the run's facts, and share the outcome with all ranks."""
    outcome: list[Any] = [None, None]
    if ranks.first:
        try:
            outcome[0] = run.begin(corpora, config, None if start is None else start.facts)
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
